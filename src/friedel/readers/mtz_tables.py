"""MTZ files as tables of typed columns."""

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.readers.reflection_tables import Column, Kind, ReflectionTable, known_wavelength

KINDS = {
    "H": Kind.INDEX,
    "F": Kind.AMPLITUDE,
    "J": Kind.INTENSITY,
    "Q": Kind.SIGMA,
    "L": Kind.SIGMA,
    "M": Kind.SIGMA,
    "D": Kind.DIFFERENCE,
    "E": Kind.NORMALIZED,
    "P": Kind.PHASE,
    "W": Kind.WEIGHT,
    "I": Kind.FLAG,
}
"""Kinds of columns by MTZ type letter; columns of Friedel mates are recognised by their labels."""

SIGMA_TYPES = {"F": "Q", "J": "Q", "G": "L", "K": "M", "D": "Q", "E": "Q"}
"""Type letter of the standard uncertainties by that of the values."""

MINUS_SIGNS = ("(-)", "-", "minus", "neg")
SMALLEST = float(np.finfo(np.float32).tiny)
"""Smallest normal float32: the bits of an integer read as a float are below it, no datum is."""

CALCULATED = ("FC", "FMODEL", "F-MODEL", "FWT", "DELFWT", "2FOFCWT", "FOFCWT", "FDM", "FCALC")
"""Prefixes of labels, in capitals, of amplitudes that were not measured."""


def mtz_table(mtz: gemmi.Mtz, name: str) -> ReflectionTable:
    """The columns of an MTZ file.

    Raises
    ------
    FileFormatError
        When it does not have three columns of Miller indices.
    """
    indices = [column for column in mtz.columns if column.type == "H"]
    if len(indices) < 3:
        raise FileFormatError(f"{name} has {len(indices)} columns of Miller indices, expected 3")
    hkl = np.column_stack([np.array(column.array) for column in indices[:3]])
    columns = tuple(_column(mtz, column) for column in mtz.columns if column.type != "H")
    return ReflectionTable(name, hkl, columns, _usable(mtz.cell), mtz.spacegroup)


def _column(mtz: gemmi.Mtz, column: gemmi.Mtz.Column) -> Column:
    data_set = mtz.dataset(column.dataset_id)
    missing = mtz.valm

    def read() -> np.ndarray:
        values = _decoded(np.array(column.array))
        return values if np.isnan(missing) else np.where(values == missing, np.nan, values)

    return Column(
        column.label,
        _kind(column),
        read,
        data_set.dataset_name,
        _usable(data_set.cell),
        known_wavelength(data_set.wavelength),
        _sigma_label(mtz, column),
    )


def _decoded(values: np.ndarray) -> np.ndarray:
    """Numbers as float64, including whole numbers that were written with the bits of integers."""
    tiny = (values != 0.0) & (np.abs(values) < SMALLEST)
    if tiny.sum() > 0.5 * np.count_nonzero(values):
        return values.view(np.int32).astype(np.float64)
    return values.astype(np.float64)


def _kind(column: gemmi.Mtz.Column) -> Kind:
    is_minus = column.label.lower().endswith(MINUS_SIGNS)
    if column.type == "G":
        return Kind.AMPLITUDE_MINUS if is_minus else Kind.AMPLITUDE_PLUS
    if column.type == "K":
        return Kind.INTENSITY_MINUS if is_minus else Kind.INTENSITY_PLUS
    kind = KINDS.get(column.type, Kind.OTHER)
    if kind is Kind.AMPLITUDE and column.label.upper().startswith(CALCULATED):
        return Kind.CALCULATED
    return kind


def _sigma_label(mtz: gemmi.Mtz, column: gemmi.Mtz.Column) -> str | None:
    """Label of the column of uncertainties that follows this one, or is named after it."""
    wanted = SIGMA_TYPES.get(column.type)
    fitting = [c for c in mtz.columns if c.type == wanted and c.dataset_id == column.dataset_id]
    named = [c.label for c in fitting if c.label.upper() == f"SIG{column.label}".upper()]
    following = [c.label for c in fitting if c.idx == column.idx + 1]
    return next(iter(named + following), None)


def _usable(cell: gemmi.UnitCell) -> gemmi.UnitCell | None:
    return cell if cell.is_crystal() else None
