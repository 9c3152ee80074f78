"""Scattering of the atom types stated in a CIF: `_atom_type_scat_*`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import ElementError, FileFormatError
from friedel.gemmi_package import gemmi
from friedel.model.elements import parse_label, scatterer_label
from friedel.readers.cif_items import block_of_model, read_cif
from friedel.runtime.paths import shown

CROMER_MANN = tuple(f"scat_Cromer_Mann_{x}{i}" for x in "ab" for i in range(1, 5))


@dataclass(frozen=True)
class AtomTypes:
    """Scattering of atom types by scatterer label; values missing in a file are absent.

    Attributes
    ----------
    cromer_mann
        Amplitudes (electrons) and exponents (Å^2) of Gaussians, the last pair a constant.
    dispersion
        f' + i f'', electrons.
    neutron
        Bound coherent scattering length, fm.
    """

    cromer_mann: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(
        default_factory=dict
    )
    dispersion: Mapping[str, complex] = field(default_factory=dict)
    neutron: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def for_scatterers(known: Mapping[str, Any], scatterers: Iterable[str]) -> dict[str, Any]:
        """The entries of one of the mappings for the atoms present, by their labels.

        An atom whose label has no entry gets that of its element, whatever the charge, if there
        is exactly one.
        """
        by_element: dict[str, list[Any]] = {}
        for label, value in known.items():
            by_element.setdefault(parse_label(label)[0], []).append(value)
        found = {}
        for label in scatterers:
            alike = by_element.get(parse_label(label)[0], [])
            if label in known:
                found[label] = known[label]
            elif len(alike) == 1:
                found[label] = alike[0]
        return found


def read_atom_types(source: Any, block: str | None = None) -> AtomTypes:
    """The atom types of a CIF file, of its block, or of a small structure read by gemmi.

    Parameters
    ----------
    source
        Path, ``gemmi.cif.Block``, or ``gemmi.SmallStructure``, which has dispersion only.
    block
        Name of the block in a file; by default that of its model.

    Raises
    ------
    FileFormatError
        When the source states no atom types with scattering.
    """
    if isinstance(source, gemmi.SmallStructure):
        rows = [
            {"symbol": t.symbol, **_dispersion_of(t.dispersion_real, t.dispersion_imag)}
            for t in source.atom_types
        ]
        return _collected(rows, source.name)
    if isinstance(source, gemmi.cif.Block):
        return _collected(_rows(source), source.name)
    if not isinstance(source, str | PathLike):
        raise FileFormatError(
            f"no atom types in {type(source).__name__}: expected the path of a CIF or a "
            "gemmi.SmallStructure"
        )
    document = read_cif(source)
    try:
        rows = _rows(block_of_model(document, source, block)[0].block)
    except FileFormatError:  # a library of types has no atoms
        rows = _rows(document[0]) if len(document) else []
    return _collected(rows, shown(source))


def _dispersion_of(real: float, imaginary: float) -> dict[str, Any]:
    known = np.isfinite([real, imaginary]).all() and (real or imaginary)
    return {"scat_dispersion_real": real, "scat_dispersion_imag": imaginary} if known else {}


def _rows(block: gemmi.cif.Block) -> list[dict[str, Any]]:
    """One dictionary for each atom type: its symbol and the numbers stated for it."""
    tags = (
        *CROMER_MANN,
        "scat_Cromer_Mann_c",
        "scat_dispersion_real",
        "scat_dispersion_imag",
        "scat_length_neutron",
    )
    for prefix in ("_atom_type_", "_atom_type."):
        table = block.find(prefix, ["symbol", *(f"?{tag}" for tag in tags)])
        if len(table):
            break
    rows = []
    for row in table:
        numbers: dict[str, Any] = {"symbol": gemmi.cif.as_string(row[0])}
        for i, tag in enumerate(tags, 1):
            value = gemmi.cif.as_number(row[i]) if row.has(i) else np.nan
            if np.isfinite(value):
                numbers[tag] = value
        rows.append(numbers)
    return rows


def _collected(rows: Iterable[Mapping[str, Any]], name: str) -> AtomTypes:
    cromer_mann: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    dispersion: dict[str, complex] = {}
    neutron: dict[str, float] = {}
    for row in rows:
        try:
            label = scatterer_label(row["symbol"])
        except ElementError:
            raise FileFormatError(
                f"{name}: cannot tell the element of the atom type {row['symbol']!r}"
            ) from None
        if {*CROMER_MANN, "scat_Cromer_Mann_c"} <= row.keys():
            a, b = (tuple(row[tag] for tag in half) for half in (CROMER_MANN[:4], CROMER_MANN[4:]))
            cromer_mann[label] = (*a, row["scat_Cromer_Mann_c"]), (*b, 0.0)
        if "scat_dispersion_real" in row and "scat_dispersion_imag" in row:
            dispersion[label] = complex(row["scat_dispersion_real"], row["scat_dispersion_imag"])
        if "scat_length_neutron" in row:
            neutron[label] = row["scat_length_neutron"]
    if not (cromer_mann or dispersion or neutron):
        raise FileFormatError(f"{name} has no scattering of atom types: no _atom_type_scat_ values")
    return AtomTypes(cromer_mann, dispersion, neutron)
