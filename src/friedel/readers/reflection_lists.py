"""Lists of measured F^2 or F of small structures: SHELX, CIF and FCF, recognised by content."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.hklf import CODES, parse_hklf, squared
from friedel.readers.reading import (
    about_end_of_cif,
    check_characters,
    looks_like_cif,
    read_text,
    reading,
)
from friedel.readers.shelx_file import ShelxFile, ShelxHklf
from friedel.readers.stated_refinement import instructions_of
from friedel.runtime.paths import shown_name

INDEX_PREFIXES = ("_refln_", "_refln.", "_diffrn_refln_", "_diffrn_refln.")

VALUE_TAGS = (
    ("F_squared_meas", ("F_squared_sigma", "F_squared_meas_su"), True),
    ("intensity_meas", ("intensity_sigma", "intensity_meas_su"), True),
    ("intensity_net", ("intensity_u", "intensity_sigma", "intensity_net_su"), True),
    ("F_meas", ("F_sigma", "F_meas_su"), False),
)
"""Item with the value, the possible items of its uncertainty, and whether the value is F^2."""

STATUS_TAGS = ("observed_status", "include_status")
"""Items with the status of a reflection."""

UNUSED_STATUS = ("x", "-", "h", "l")
"""Values of these that exclude a reflection: unreliable, absent by symmetry, beyond the limits of
resolution."""

SATELLITE_TAGS = tuple(f"index_m_{i}" for i in range(1, 7))
"""Items with further indices of modulated structures, all 0 for main reflections."""


@dataclass(frozen=True)
class ReflectionList:
    """Measured F^2, as in a file.

    Attributes
    ----------
    hkl
        (n, 3) int32, in any asymmetric unit, repeated if measured several times.
    f2, sigmas
        (n,) F^2 and standard uncertainties; negative F^2 are valid measurements.
    component
        (n,) int32 twin component as in HKLF 5, or None; see
        :class:`friedel.readers.hklf.HklfLines`.
    cell
        a, b, c (Å), alpha, beta, gamma (degrees) that the file states, or None.
    corrected
        Whether the data are corrected for scale and extinction, as in SHELXL's lists.
    description
        Description of the source, for people to read.
    instructions
        SHELX instructions that the file holds with its list, or None.
    notes
        Notes on decisions made while reading.
    """

    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    component: np.ndarray | None = None
    cell: tuple[float, ...] | None = None
    corrected: bool = False
    description: str = ""
    instructions: ShelxFile | None = None
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.hkl)


def read_reflection_list(
    path: str | PathLike[str],
    hklf: int | None = None,
    instruction: ShelxHklf | None = None,
) -> ReflectionList:
    """Measured F^2 from a SHELX file (HKLF 3, 4 or 5), a CIF, an FCF, or a CIF that embeds one.

    Parameters
    ----------
    path
        File, also gzipped; its name does not matter.
    hklf
        SHELX's code of the format, if the file does not state it: 3 for F.
    instruction
        HKLF of the instructions that belong to a SHELX file: code, matrix and factors.

    Raises
    ------
    FileFormatError
        When it cannot be read (the message gives the line), or has no reflections.
    """
    name = shown_name(path)
    with reading(path, "reflections"):
        text = read_text(path)
        check_characters(text, name)
        if looks_like_cif(text):
            read = _from_cif(text, name, hklf)
            return replace(read, notes=(*read.notes, *about_end_of_cif(text, name)))
        return _as_instructed(text, name, hklf, instruction)


def is_small_structure(path: Path) -> bool:
    """Whether a file is a CIF with the atoms of a small structure (`_atom_site_fract_x`)."""
    text = _text_if_any(path)
    return (
        looks_like_cif(text)
        and re.search(r"^\s*_atom_site[_.]fract_x\b", text, re.M | re.I) is not None
    )


def is_reflection_list(path: Path) -> bool:
    """Whether an existing file may be such a list: text, and neither MTZ nor mmCIF."""
    text = _text_if_any(path)
    return bool(text) and not text.startswith("MTZ ") and "_refln.F_meas_au" not in text


def _text_if_any(path: Path) -> str:
    """The text of a file, empty if it cannot be read."""
    try:
        return read_text(path)
    except FileFormatError:
        return ""


def _from_hklf(
    text: str, name: str, code: int | None, first_line: int = 1, where: str = ""
) -> ReflectionList:
    read = parse_hklf(text, name, code, first_line)
    notes = read.notes
    if read.free is not None:
        n = int(read.free.sum())
        flagged = f"{n} reflections with R-free flags (batch number -1) are used like the others"
        notes += (Note(flagged, "default", n),)
    return ReflectionList(
        read.hkl,
        read.f2,
        read.sigmas,
        read.component,
        description=f"{where or name} (HKLF {read.code}, {len(read.hkl)} lines)",
        notes=notes,
    )


def _from_cif(text: str, name: str, code: int | None) -> ReflectionList:
    document = gemmi.cif.read_string(text)
    readers: tuple[Callable[..., ReflectionList | None], ...] = (_from_loop, _from_embedded)
    for read in readers:
        for block in document:
            found = read(block, text, name, code)
            if found is not None:
                return found
    wanted = ", ".join(tag for tag, _, _ in VALUE_TAGS)
    raise FileFormatError(
        f"{name} has no list of reflections: expected _refln_index_h, _k, _l with one of {wanted} "
        "and its sigma, or _shelx_hkl_file"
    )


def _from_loop(
    block: gemmi.cif.Block, text: str, name: str, code: int | None
) -> ReflectionList | None:
    for prefix in INDEX_PREFIXES:
        for value, sigma_tags, is_squared in VALUE_TAGS:
            for sigma in sigma_tags:
                tags = ["index_h", "index_k", "index_l", value, sigma]
                optional = [f"?{tag}" for tag in (*STATUS_TAGS, *SATELLITE_TAGS)]
                table = block.find(prefix, tags + optional)
                if len(table):
                    return _from_table(block, table, f"{prefix}{value}", is_squared, name)
    return None


def _from_table(
    block: gemmi.cif.Block, table: gemmi.cif.Table, label: str, is_squared: bool, name: str
) -> ReflectionList:
    columns = [[row[i] for row in table] for i in range(5)]
    numbers = np.array([[gemmi.cif.as_number(x) for x in column] for column in columns]).T
    optional = {
        tag: [gemmi.cif.as_string(row[i]).strip().lower() for row in table]
        for i, tag in enumerate((*STATUS_TAGS, *SATELLITE_TAGS), 5)
        if table.has_column(i)
    }
    used = np.isfinite(numbers[:, 3:]).all(axis=1)
    for tag in optional.keys() & STATUS_TAGS:
        used &= ~np.isin(optional[tag], UNUSED_STATUS)
    main = np.ones(len(used), bool)
    for tag in optional.keys() & SATELLITE_TAGS:
        main &= np.nan_to_num([gemmi.cif.as_number(x) for x in optional[tag]]) == 0
    hkl = numbers[:, :3]
    bad = ~(np.isfinite(hkl).all(axis=1) & (np.abs(hkl) < 2**20).all(axis=1))
    bad |= (np.nan_to_num(hkl, nan=0.5) % 1 != 0).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        indices = " ".join(column[row] for column in columns[:3])
        raise FileFormatError(
            f"reflection {row + 1} of {name} has indices {indices}, expected integers"
        )
    if not (used & main).any():
        raise FileFormatError(f"{name} has no usable value of {label}")
    notes: tuple[Note, ...] = ()
    if n := int((used & ~main).sum()):
        about = f"{n} satellite reflections of {name} are not used, only main ones"
        notes = (Note(about, "left out", n),)
    if n := int((~used).sum()):
        about = f"{n} reflections of {name} have no value or are marked as excluded"
        notes += (Note(about, "left out", n),)
    used &= main
    f2, sigmas = numbers[used, 3], numbers[used, 4]
    if not is_squared:
        f2, sigmas = squared(f2, sigmas)
    return ReflectionList(
        hkl[used].astype(np.int32),
        f2,
        sigmas,
        cell=cell_of(block),
        corrected=block.find_value("_shelx_refln_list_code") is not None,
        description=f"{label} of {name}, {len(f2)} reflections",
        notes=notes,
    )


def cell_of(block: gemmi.cif.Block) -> tuple[float, ...] | None:
    """The cell that a block states, or None."""
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    cell = tuple(gemmi.cif.as_number(block.find_value(f"_cell_{tag}") or "?") for tag in tags)
    return cell if np.isfinite(cell).all() else None


def _from_embedded(
    block: gemmi.cif.Block, text: str, name: str, code: int | None
) -> ReflectionList | None:
    raw = block.find_value("_shelx_hkl_file")
    if raw is None or gemmi.cif.is_null(raw):
        return None
    embedded = gemmi.cif.as_string(raw)
    begin = text.find(raw[: min(len(raw), 200)])
    first_line = text.count("\n", 0, max(begin, 0)) + 1
    said, notes = instructions_of(block)
    where = f"_shelx_hkl_file of {name}"
    found = _as_instructed(embedded, name, code, said.hklf if said else None, first_line, where)
    notes += found.notes
    if block.find_value("_shelx_fab_file"):
        text = "a solvent mask (_shelx_fab_file) was used in refinement but is not in the file"
        notes += (Note(text, "warning"),)
    return replace(found, cell=cell_of(block), instructions=said, notes=notes)


def _as_instructed(
    text: str,
    name: str,
    code: int | None,
    hklf: ShelxHklf | None,
    first_line: int = 1,
    where: str = "",
) -> ReflectionList:
    """The list in a SHELX file, with indices and values changed as HKLF says, and notes of it."""
    if hklf is None:
        return _from_hklf(text, name, code, first_line, where)
    if code is None:
        code = abs(hklf.code)
        if code not in CODES:
            raise FileFormatError(
                f"{name} has reflections in the format HKLF {hklf.code}, expected 3, 4 or 5"
            )
    found = _from_hklf(text, name, code, first_line, where)
    hkl, f2, sigmas, notes = found.hkl, found.f2, found.sigmas, found.notes
    matrix = np.array(hklf.matrix).reshape(3, 3)
    if not np.array_equal(matrix, np.eye(3)):
        turned = hkl @ matrix.T
        if np.abs(turned - np.rint(turned)).max() > 0.01:
            raise FileFormatError(f"the matrix of HKLF in {name} gives non-integral indices")
        hkl = np.rint(turned).astype(np.int32)
        notes += (Note("indices are transformed by the matrix of HKLF", "file"),)
    if (hklf.scale, hklf.sigma_scale) != (1.0, 1.0):
        factor = hklf.scale**2 if code == 3 else hklf.scale  # it applies to what is in the file
        f2, sigmas = f2 * factor, sigmas * factor * hklf.sigma_scale
        text = f"F^2 is multiplied by {factor:g}, sigma by {factor * hklf.sigma_scale:g} (HKLF)"
        notes += (Note(text, "file"),)
    return replace(found, hkl=hkl, f2=f2, sigmas=sigmas, notes=notes)
