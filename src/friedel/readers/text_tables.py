"""Reflection lists of CNS, XDS and SHELX as tables of typed columns."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.hklf import HKLF_LINE, SEPARATED, parse_hklf
from friedel.readers.reading import about_end
from friedel.readers.reflection_tables import (
    Kind,
    ReflectionTable,
    arrays_as_columns,
    known_wavelength,
)
from friedel.readers.scalepack import is_unmerged, merged_scalepack, unmerged_scalepack
from friedel.runtime.paths import shown, shown_name

CNS_KINDS = (
    (r"FOBS?|F", Kind.AMPLITUDE),
    (r"SIGMA|SIGF|SIGMAF", Kind.SIGMA),
    (r"IOBS|I", Kind.INTENSITY),
    (r"SIGI|SIGMAI", Kind.SIGMA),
    (r"TEST", Kind.FLAG),
    (r"F?CALC|FPART", Kind.CALCULATED),
    (r"PHASE|PHAS", Kind.PHASE),
    (r"FOM|WEIGHT", Kind.WEIGHT),
)
"""Names of CNS and X-PLOR arrays, and the kinds of their values."""

LINES_LOOKED_AT = 60


def text_table(text: str, path: Path) -> ReflectionTable:
    """The table of a text list, recognised by its first lines.

    Raises
    ------
    FileFormatError
        When the format is unknown, or a line cannot be read.
    """
    name = shown_name(path)
    head = "\n".join(text.lstrip("\r\n").splitlines()[:LINES_LOOKED_AT]) + "\n"
    if head.startswith("!FORMAT=XDS_ASCII"):
        return _xds(text, name)  # a line ends it
    if re.search(r"^\s*INDE[Xx]?\s", head, re.M | re.I) or "NREFLECTION" in head.upper():
        table = _cns(text, name)
    elif re.match(r"\s*1\s*\n\s*-\d+\s*\n", head):
        table = merged_scalepack(text, name)
    elif is_unmerged(head):
        table = unmerged_scalepack(text, name)
    elif HKLF_LINE.match(head) or SEPARATED.fullmatch(head.partition("\n")[0]):
        return _shelx(text, name)
    else:
        raise FileFormatError(
            f"{shown(path)} is of no known format: expected MTZ, mmCIF, CNS, scalepack, XDS or "
            "SHELX"
        )
    notes = about_end(text, name)
    return replace(table, notes=(*table.notes, *notes)) if notes else table


def _cns(text: str, name: str) -> ReflectionTable:
    """``INDEx h k l NAME= value ...``, a reflection on one line or several."""
    body = re.sub(r"\{[^}]*\}|![^\n]*", " ", text)  # comments
    hkl: list[list[int]] = []
    found: dict[str, dict[int, float]] = {}
    pattern = r"INDE\w*\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)(.*?)(?=INDE|\Z)"
    for i, match in enumerate(re.finditer(pattern, body, re.S | re.I)):
        hkl.append([int(x) for x in match.groups()[:3]])
        # The first number after a name is its value; of FCALC= 1.0 90.0 the second is a phase
        for label, value in re.findall(
            r"([A-Za-z]\w*)\s*=\s*(-?[\d.]+(?:[Ee][-+]?\d+)?)", match[4]
        ):
            found.setdefault(label.upper(), {})[i] = float(value)
    if not hkl:
        raise FileFormatError(f"{name} has no reflections (lines that begin with INDEx)")
    columns: dict[str, tuple[Kind, np.ndarray, str | None]] = {}
    for label, values in found.items():
        kind = next((k for p, k in CNS_KINDS if re.fullmatch(p, label)), Kind.OTHER)
        array = np.array([values.get(i, np.nan) for i in range(len(hkl))])
        columns[label] = (kind, array, None)
    for value, sigmas in (("FOBS", ("SIGMA", "SIGF")), ("IOBS", ("SIGI", "SIGMA"))):
        sigma = next((s for s in sigmas if s in columns), None)
        for label in (value, value[0]):
            if label in columns:
                columns[label] = (*columns[label][:2], sigma)
    notes: tuple[Note, ...] = ()
    stated = re.search(r"NREF\w*\s*=\s*(\d+)", body, re.I)
    if stated and int(stated[1]) > len(hkl):
        lost = int(stated[1]) - len(hkl)
        said = f"{name} states {stated[1]} reflections (NREFlection), but has {len(hkl)}"
        notes = (Note(said, "left out", lost),)
    return ReflectionTable(name, np.array(hkl), arrays_as_columns(columns), notes=notes)


def _xds(text: str, name: str) -> ReflectionTable:
    """Merged or unmerged intensities; XDS marks rejected measurements by a negative sigma."""
    header = dict(re.findall(r"^!([A-Z_-]+)=([^\n]*)", text, re.M))
    items = {item: int(n) - 1 for item, n in re.findall(r"^!ITEM_(\S+)=\s*(\d+)", text, re.M)}
    if "!END_OF_DATA" not in text:
        raise FileFormatError(f"{name} is incomplete: expected !END_OF_DATA at its end")
    try:
        wanted = [items[item] for item in ("H", "K", "L", "IOBS", "SIGMA(IOBS)")]
        numbers = np.loadtxt(StringIO(text), comments="!", usecols=wanted, ndmin=2)
        cell = gemmi.UnitCell(*(float(x) for x in header["UNIT_CELL_CONSTANTS"].split()))
        group = gemmi.find_spacegroup_by_number(int(header["SPACE_GROUP_NUMBER"]))
        wavelength = known_wavelength(float(header.get("X-RAY_WAVELENGTH", 0.0)))
    except KeyError as error:
        raise FileFormatError(f"{name} has no {error.args[0]} in its header") from None
    except ValueError as error:
        raise FileFormatError(f"{name} cannot be read as XDS_ASCII: {error}") from None
    columns = {
        "IOBS": (Kind.INTENSITY, numbers[:, 3], "SIGMA"),
        "SIGMA": (Kind.SIGMA, numbers[:, 4], None),
    }
    stated = {"": wavelength} if wavelength else {}
    return ReflectionTable(
        name, numbers[:, :3], arrays_as_columns(columns), cell, group, wavelengths=stated
    )


def _shelx(text: str, name: str) -> ReflectionTable:
    """HKLF 4: F^2 and sigma, with R-free flags -1 if present."""
    lines = parse_hklf(text, name)
    if lines.code != 4:
        raise FileFormatError(
            f"{name} has twin components (HKLF {lines.code}), which are for small structures; "
            "expected HKLF 4"
        )
    columns: dict[str, tuple[Kind, np.ndarray, str | None]] = {
        "I": (Kind.INTENSITY, lines.f2, "SIGI"),
        "SIGI": (Kind.SIGMA, lines.sigmas, None),
    }
    if lines.free is not None:
        columns["FREE"] = (Kind.FLAG, np.where(lines.free, -1.0, 1.0), None)
    return ReflectionTable(name, lines.hkl, arrays_as_columns(columns), notes=lines.notes)
