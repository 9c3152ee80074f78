"""Structure-factor mmCIF files as tables of typed columns, one for each block."""

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.readers.reflection_tables import Column, Kind, ReflectionTable, known_wavelength

ITEMS = {
    "F_meas_au": (Kind.AMPLITUDE, "F_meas_sigma_au"),
    "F_meas": (Kind.AMPLITUDE, "F_meas_sigma"),
    "F_meas_uncorrected": (Kind.AMPLITUDE, "F_meas_sigma_uncorrected"),
    "pdbx_F_plus": (Kind.AMPLITUDE_PLUS, "pdbx_F_plus_sigma"),
    "pdbx_F_minus": (Kind.AMPLITUDE_MINUS, "pdbx_F_minus_sigma"),
    "intensity_meas": (Kind.INTENSITY, "intensity_sigma"),
    "F_squared_meas": (Kind.INTENSITY, "F_squared_sigma"),
    "pdbx_I_plus": (Kind.INTENSITY_PLUS, "pdbx_I_plus_sigma"),
    "pdbx_I_minus": (Kind.INTENSITY_MINUS, "pdbx_I_minus_sigma"),
    "pdbx_anom_difference": (Kind.DIFFERENCE, "pdbx_anom_difference_sigma"),
    "F_calc": (Kind.CALCULATED, None),
    "F_calc_au": (Kind.CALCULATED, None),
    "F_squared_calc": (Kind.CALCULATED, None),
    "intensity_calc": (Kind.CALCULATED, None),
    "F_part_au": (Kind.CALCULATED, None),
    "pdbx_F_calc_with_solvent": (Kind.CALCULATED, None),
    "pdbx_FWT": (Kind.CALCULATED, None),
    "pdbx_DELFWT": (Kind.CALCULATED, None),
    "phase_calc": (Kind.PHASE, None),
    "phase_meas": (Kind.PHASE, None),
    "phase_part": (Kind.PHASE, None),
    "pdbx_PHWT": (Kind.PHASE, None),
    "pdbx_DELPHWT": (Kind.PHASE, None),
    "pdbx_phase_calc_with_solvent": (Kind.PHASE, None),
    "fom": (Kind.WEIGHT, None),
    "weight": (Kind.WEIGHT, None),
    "pdbx_r_free_flag": (Kind.FLAG, None),
    "status": (Kind.STATUS, None),
}
"""Kind of each item of the category _refln, and the item with its standard uncertainties."""

GROUPS = ("wavelength_id", "crystal_id")
"""Items that distinguish data sets within one table."""


def cif_tables(document: gemmi.cif.Document, name: str) -> list[ReflectionTable]:
    """One table for each block that has reflections.

    Raises
    ------
    FileFormatError
        When no block has any.
    """
    blocks = [block for block in gemmi.as_refln_blocks(document) if block.default_loop]
    if not blocks:
        raise FileFormatError(f"{name} has no table of reflections (_refln)")
    several = len(blocks) > 1
    return [
        _table(block, f"{name}, block {block.block.name}" if several else name) for block in blocks
    ]


def _table(block: gemmi.ReflnBlock, name: str) -> ReflectionTable:
    sigmas = {sigma for _, sigma in ITEMS.values()}
    labels = [label for label in block.column_labels() if not label.startswith("index_")]
    cell = block.cell if block.cell.is_crystal() else None

    def column(label: str) -> Column:
        kind, sigma = ITEMS.get(label, (Kind.OTHER, None))
        if label in sigmas:
            kind = Kind.SIGMA
        return Column(
            label,
            kind,
            lambda: np.array(block.make_float_array(label)),
            block.block.name,
            cell,
            sigma=sigma if sigma in labels else None,
        )

    columns = tuple(column(label) for label in labels)
    status = _texts(block, "status") if "status" in labels else None
    present = [_texts(block, item) for item in GROUPS if item in labels]
    group = None
    if present and any(len(set(texts)) > 1 for texts in present):
        group = np.array(["/".join(parts) for parts in zip(*present, strict=True)])
    hkl = np.array(block.make_miller_array())
    stated = _wavelengths(block.block)
    if "wavelength_id" in labels:
        used = set(_texts(block, "wavelength_id"))
        stated = {key: value for key, value in stated.items() if key in used} or stated
    return ReflectionTable(
        name, hkl, columns, cell, block.spacegroup, status, group, wavelengths=stated
    )


def _wavelengths(block: gemmi.cif.Block) -> dict[str, float]:
    """The wavelengths (Å) in _diffrn_radiation_wavelength, by their id."""
    table = block.find("_diffrn_radiation_wavelength.", ["wavelength", "?id"])
    stated = {}
    for i, row in enumerate(table):
        key = gemmi.cif.as_string(row[1]).lower() if row.has(1) else str(i + 1)
        value = known_wavelength(gemmi.cif.as_number(row[0]))
        if value:
            stated[key] = value
    return stated


def _texts(block: gemmi.ReflnBlock, item: str) -> np.ndarray:
    """(n,) values of an item as text, lower case, without quotes; ``""`` for ``?`` and ``.``."""
    known = {"?": "", ".": ""}
    texts = (
        gemmi.cif.as_string(x).strip().lower() for x in block.block.find_values(f"_refln.{item}")
    )
    return np.array([known.get(text, text) for text in texts])
