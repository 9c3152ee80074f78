"""Reflection lists of CNS, scalepack, XDS and SHELX as tables of typed columns."""

import re
from collections.abc import Mapping
from os import fspath
from pathlib import Path

import gemmi
import numpy as np

from friedel.errors import FileFormatError
from friedel.readers.hklf import parse_hklf
from friedel.readers.reading import read_text
from friedel.readers.reflection_tables import Column, Kind, ReflectionTable

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

NAME_AND_VALUE = r"([A-Za-z]\w*)\s*=\s*(-?[\d.]+(?:[Ee][-+]?\d+)?)"

LINES_LOOKED_AT = 60


def text_table(path: Path) -> ReflectionTable | None:
    """The table of a text list, recognised by its first lines; None for other files.

    Raises
    ------
    FileFormatError
        When a line cannot be read.
    """
    text = read_text(path)
    if text.startswith("MTZ ") or "\0" in text[:1024]:
        return None
    head = "\n".join(text.splitlines()[:LINES_LOOKED_AT])
    if head.startswith("!FORMAT=XDS_ASCII"):
        return _xds(path)
    if re.search(r"^\s*INDE[Xx]?\s", head, re.M | re.I) or "NREFLECTION" in head.upper():
        return _cns(text, path.name)
    if re.match(r"\s*1\s*\n\s*-\d+\s*\n", head):
        return _scalepack(text, path.name)
    if re.match(r"([ \d-]{3}\d){3}[ \d.-]{7}[\d.][ \d.-]{7}[\d.]", head):
        return _shelx(text, path.name)
    return None


def _columns(named: Mapping[str, tuple[Kind, np.ndarray, str | None]]) -> tuple[Column, ...]:
    def column(label: str, kind: Kind, values: np.ndarray, sigma: str | None) -> Column:
        return Column(label, kind, lambda: values, sigma=sigma)

    return tuple(column(label, *parts) for label, parts in named.items())


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
    return ReflectionTable(name, np.array(hkl), _columns(columns))


def _scalepack(text: str, name: str) -> ReflectionTable:
    """Merged intensities; those of Friedel mates are separate if the file has both."""
    lines = text.splitlines()
    header = lines[2].split()
    try:
        cell = gemmi.UnitCell(*(float(x) for x in header[:6]))
        rows = [_scalepack_row(line) for line in lines[3:] if line.strip()]
    except ValueError as error:
        raise FileFormatError(f"{name}: a line cannot be read as scalepack: {error}") from None
    group = gemmi.find_spacegroup_by_name("".join(header[6:]))
    table = np.array(rows)
    hkl, numbers = table[:, :3], table[:, 3:]
    if np.isfinite(numbers[:, 2]).any():
        columns = {
            "I(+)": (Kind.INTENSITY_PLUS, numbers[:, 0], "SIGI(+)"),
            "SIGI(+)": (Kind.SIGMA, numbers[:, 1], None),
            "I(-)": (Kind.INTENSITY_MINUS, numbers[:, 2], "SIGI(-)"),
            "SIGI(-)": (Kind.SIGMA, numbers[:, 3], None),
        }
    else:
        columns = {
            "I": (Kind.INTENSITY, numbers[:, 0], "SIGI"),
            "SIGI": (Kind.SIGMA, numbers[:, 1], None),
        }
    return ReflectionTable(name, hkl, _columns(columns), cell, group)


def _scalepack_row(line: str) -> list[float]:
    """Indices in 4 columns each, numbers in 8; sigma -1 marks a mate that was not measured."""
    indices = [float(line[i : i + 4]) for i in (0, 4, 8)]
    texts = [line[i : i + 8].strip() for i in (12, 20, 28, 36)]
    numbers = [float(text) if text else np.nan for text in texts]
    for value, sigma in ((0, 1), (2, 3)):
        if numbers[sigma] == -1.0:
            numbers[value] = numbers[sigma] = np.nan
    return indices + numbers


def _xds(path: Path) -> ReflectionTable:
    """Unmerged intensities; XDS marks rejected measurements by a negative sigma."""
    xds = gemmi.read_xds_ascii(fspath(path))
    columns = {
        "IOBS": (Kind.INTENSITY, np.array(xds.iobs_array), "SIGMA"),
        "SIGMA": (Kind.SIGMA, np.array(xds.sigma_array), None),
    }
    cell = gemmi.UnitCell(*xds.cell_constants)
    group = gemmi.find_spacegroup_by_number(xds.spacegroup_number)
    return ReflectionTable(path.name, np.array(xds.miller_array), _columns(columns), cell, group)


def _shelx(text: str, name: str) -> ReflectionTable:
    """HKLF 4: F^2 and sigma, with R-free flags -1 if present."""
    lines = parse_hklf(text, name, code=4)
    columns = {
        "I": (Kind.INTENSITY, lines.f2, "SIGI"),
        "SIGI": (Kind.SIGMA, lines.sigmas, None),
    }
    return ReflectionTable(name, lines.hkl, _columns(columns))
