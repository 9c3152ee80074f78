"""Models from SHELX instruction files: crystal, atoms, and the scattering that they state."""

import re
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR, U_TO_B
from friedel.errors import FileFormatError, SymmetryError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.model.special_positions import site_symmetry_order
from friedel.notes import Note
from friedel.readers.atom_types import AtomTypes
from friedel.readers.elements_of_sites import read_type
from friedel.readers.model_decisions import ReadingOptions, decided_model, u_cart_from_cif
from friedel.readers.reading import read_text
from friedel.readers.shelx import looks_like_shelx, read_shelx
from friedel.readers.shelx_file import ShelxFile
from friedel.readers.stated_model import StatedModel, StatedSymmetry
from friedel.readers.symmetry import crystal_from_gemmi
from friedel.runtime.paths import shown_name

CENTRINGS = {
    1: (),
    2: ("x+1/2,y+1/2,z+1/2",),
    3: ("x+2/3,y+1/3,z+1/3",),
    4: ("x,y+1/2,z+1/2", "x+1/2,y,z+1/2"),
    5: ("x,y+1/2,z+1/2",),
    6: ("x+1/2,y,z+1/2",),
    7: ("x+1/2,y+1/2,z",),
}
"""Generators of the centring translations by the number in LATT."""

ROUNDED_SHIFT = 0.005
"""Largest deviation of decimals in SYMM from a multiple of 1/24: 0.33 and 0.67 are thirds."""

ROUNDED_SOF = 6e-6
"""Largest deviation of a site occupation factor of five decimals from the inverse of an order."""


def is_shelx_file(path: Path) -> bool:
    """Whether an existing file is a SHELX instruction file."""
    try:
        return looks_like_shelx(read_text(path))
    except FileFormatError:
        return False


def as_shelx(source: Any) -> ShelxFile | None:
    """The instructions in a file, if it is a SHELX instruction file, else None.

    Raises
    ------
    FileFormatError
        When such a file cannot be read; the message gives the line.
    """
    if isinstance(source, ShelxFile):
        return source
    if not isinstance(source, str | PathLike):
        return None
    path = Path(source)
    return read_shelx(read_text(path), shown_name(path)) if is_shelx_file(path) else None


def model_of_shelx(shelx: ShelxFile) -> Model:
    """Crystal and atoms of an instruction file; see :func:`stated_of_shelx`.

    Raises
    ------
    FileFormatError, CellError, SymmetryError
        As for :func:`stated_of_shelx`.
    """
    return decided_model(stated_of_shelx(shelx), ReadingOptions())


def stated_of_shelx(shelx: ShelxFile) -> StatedModel:
    """What an instruction file states of its model.

    Site occupation factors are used as occupancies, as both refer to the sum over all operations.
    Coordinates are those in the file: hydrogens that HFIX would generate are not added.

    Raises
    ------
    FileFormatError
        When it states no cell or no atoms.
    CellError, SymmetryError
        When cell or symmetry are impossible.
    """
    crystal = crystal_of_shelx(shelx)
    if not shelx.atoms:
        raise FileFormatError(f"{shelx.name} has no atoms before HKLF or END")
    atoms, notes = shelx.atoms, list(shelx.notes)
    frac = np.array([atom.xyz for atom in atoms])
    sof = np.array([atom.sof for atom in atoms])
    u_aniso = np.array([atom.u if len(atom.u) == 6 else (0.0,) * 6 for atom in atoms])
    u_iso = np.array([atom.u[0] if len(atom.u) == 1 else np.nan for atom in atoms])
    traces = u_cart_from_cif(crystal, u_aniso)[:, :3].mean(axis=1)
    if parts := [atom.part for atom in atoms if atom.part]:
        names = ", ".join(str(part) for part in sorted(set(parts)))
        text = f"disordered atoms ({len(parts)}, in parts {names}) are all used, with their sof"
        notes.append(Note(text, "default", len(parts)))
    if shelx.hfix:
        text = f"hydrogens of {shelx.hfix} HFIX instructions are not added"
        notes.append(Note(text, "warning", shelx.hfix))
    return StatedModel(
        shelx.name,
        crystal.cell,
        StatedSymmetry(_triplets(shelx), symbol=crystal.name),
        labels=np.array([atom.label for atom in atoms]),
        types=tuple(scatterer_labels(shelx)),
        kind=np.array([atom.element for atom in atoms]),
        coordinates=frac,
        occ=_exact_occupancies(crystal, frac, sof),
        b_iso=U_TO_B * np.where(np.isnan(u_iso), traces, u_iso),
        u_aniso=u_aniso if u_aniso.any() else None,
        source="neutron" if shelx.neutron else None,
        notes=tuple(notes),
    )


def crystal_of_shelx(shelx: ShelxFile) -> Crystal:
    """Cell, and symmetry from LATT and SYMM.

    Raises
    ------
    SymmetryError
        When LATT or an operation is impossible.
    FileFormatError
        When there is no cell.
    """
    if shelx.cell is None:
        raise FileFormatError(f"{shelx.name} has no CELL instruction")
    listed = Crystal.from_triplets(shelx.cell, _triplets(shelx))
    operations = zip(listed.rotations, listed.translations, strict=True)
    group = gemmi.GroupOps([gemmi.Op(_triplet(*operation)) for operation in operations])
    known = gemmi.find_spacegroup_by_ops(group)
    return listed if known is None else crystal_from_gemmi(gemmi.UnitCell(*listed.cell), known)


def _triplets(shelx: ShelxFile) -> tuple[str, ...]:
    """Operations that generate the group: those of SYMM, centring and inversion of LATT."""
    if abs(shelx.lattice) not in CENTRINGS:
        got = f"got LATT {shelx.lattice} in {shelx.name}"
        raise SymmetryError(f"{got}, expected 1 to 7 or -1 to -7")
    listed = [_with_fractions(text) for text in shelx.symmetry]
    inversion = ("-x,-y,-z",) if shelx.lattice > 0 else ()
    return ("x,y,z", *listed, *CENTRINGS[abs(shelx.lattice)], *inversion)


def scatterer_labels(shelx: ShelxFile) -> list[str]:
    """Label of an element, ion or isotope for each entry of SFAC.

    Raises
    ------
    FileFormatError
        When the element of a name is not plain.
    """
    types = [read_type(scatterer.name) for scatterer in shelx.scatterers]
    unknown = [x.name for x, found in zip(shelx.scatterers, types, strict=True) if found is None]
    if unknown:
        raise FileFormatError(f"{shelx.name}: cannot tell the element of {unknown[0]!r} in SFAC")
    return [found.label for found in types if found is not None]


def _exact_occupancies(crystal: Crystal, frac: np.ndarray, sof: np.ndarray) -> np.ndarray:
    """The factors, with those of full occupancy on special positions exact: 0.16667 is 1/6."""
    full = 1.0 / site_symmetry_order(crystal, frac)
    return np.where(np.abs(sof - full) < ROUNDED_SOF, full, sof)


def _with_fractions(triplet: str) -> str:
    """The operation with fractions for decimals."""

    def fraction(match: re.Match[str]) -> str:
        value = float(match[0])
        nearest = Fraction(round(value * TRANSLATION_DENOMINATOR), TRANSLATION_DENOMINATOR)
        return str(nearest) if abs(value - nearest) < ROUNDED_SHIFT else match[0]

    return re.sub(r"\d+\.\d*|\.\d+", fraction, triplet)


def _triplet(rotation: np.ndarray, translation: np.ndarray) -> str:
    parts = []
    for row, shift in zip(rotation, translation, strict=True):
        terms = [f"{'+' if x > 0 else '-'}{axis}" for x, axis in zip(row, "xyz", strict=True) if x]
        parts.append("".join(terms) + f"+{shift}/{TRANSLATION_DENOMINATOR}")
    return ",".join(parts)


def atom_types_of_shelx(shelx: ShelxFile, *, with_disp: bool) -> tuple[AtomTypes, tuple[Note, ...]]:
    """Scattering that SFAC states by its coefficients, and a note on it.

    Parameters
    ----------
    with_disp
        Whether f' and f'' of DISP belong to it as well.
    """
    labels = scatterer_labels(shelx)
    gaussians, dispersion, lengths = {}, {}, {}
    notes = []
    for label, scatterer in zip(labels, shelx.scatterers, strict=True):
        numbers = scatterer.coefficients
        if numbers is not None and shelx.neutron:
            lengths[label] = numbers[8]
        elif numbers is not None:
            gaussians[label] = (*numbers[:8:2], numbers[8]), (*numbers[1:8:2], 0.0)
        stated = with_disp or (numbers is not None and not shelx.neutron)
        if stated and scatterer.dispersion is not None:
            dispersion[label] = scatterer.dispersion
    for what, known in (("scattering lengths", lengths), ("form factors", gaussians)):
        if known:
            notes.append(Note(f"{what} of {', '.join(sorted(known))} from SFAC", "file"))
    repeated = sorted({x for x in {*gaussians, *lengths} if labels.count(x) > 1})
    if repeated:
        text = f"SFAC has several entries of {', '.join(repeated)}: the last coefficients are used"
        notes.append(Note(text, "warning", len(repeated)))
    return AtomTypes(gaussians, dispersion, lengths), tuple(notes)
