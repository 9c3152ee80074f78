"""Reflection lists of scalepack: merged intensities, or unmerged ones with original indices."""

import re

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.reflection_tables import Kind, ReflectionTable, arrays_as_columns

UNMERGED = r" *\d+ +\S[^\n]*\n([ \d-]{2}\d){9} *\n([ \d-]{2}\d){3} *\n"
"""Beginning of an unmerged list: number of operators, symbol, and the first operator."""

TWELFTHS = gemmi.Op.DEN // 12
"""Unit of the translations of a header in that of gemmi's operators."""


def merged_scalepack(text: str, name: str) -> ReflectionTable:
    """Merged intensities; those of Friedel mates are separate if the file has both."""
    lines = text.splitlines()
    header = lines[2].split()
    try:
        cell = gemmi.UnitCell(*(float(x) for x in header[:6]))
        rows = [_merged_row(line) for line in lines[3:] if line.strip()]
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
    return ReflectionTable(name, hkl, arrays_as_columns(columns), cell, group)


def _merged_row(line: str) -> list[float]:
    """Indices in 4 columns each, numbers in 8; sigma -1 marks a mate that was not measured."""
    indices = [float(line[i : i + 4]) for i in (0, 4, 8)]
    texts = [line[i : i + 8].strip() for i in (12, 20, 28, 36)]
    numbers = [float(text) if text else np.nan for text in texts]
    for value, sigma in ((0, 1), (2, 3)):
        if numbers[sigma] == -1.0:
            numbers[value] = numbers[sigma] = np.nan
    return indices + numbers


def is_unmerged(head: str) -> bool:
    """Whether the first lines are those of ``no merge original index``."""
    return re.match(UNMERGED, head) is not None


def unmerged_scalepack(text: str, name: str) -> ReflectionTable:
    """Unmerged intensities with the indices as measured; the file states no cell.

    Each line has the original and the unique indices (6i4), batch (i6), three flags
    (2i2, i3), intensity and sigma (2f8.1).
    """
    lines = text.lstrip("\r\n").splitlines()
    n_operators, symbol = lines[0].split(maxsplit=1)
    first = 1 + 2 * int(n_operators)
    try:
        group, notes = _checked_group(_operators(lines[1:first]), symbol, name)
        rows = [_unmerged_row(line) for line in lines[first:] if line.strip()]
    except ValueError as error:
        raise FileFormatError(f"{name}: a line cannot be read as scalepack: {error}") from None
    if not rows:
        raise FileFormatError(f"{name} has no reflections after its {n_operators} operators")
    table = np.array(rows)
    columns = {
        "I": (Kind.INTENSITY, table[:, 3], "SIGI"),
        "SIGI": (Kind.SIGMA, table[:, 4], None),
    }
    typed = arrays_as_columns(columns)
    return ReflectionTable(name, table[:, :3], typed, None, group, notes=notes)


def _unmerged_row(line: str) -> list[float]:
    indices = [float(line[i : i + 4]) for i in (0, 4, 8)]
    return [*indices, float(line[37:45]), float(line[45:53])]


def _operators(lines: list[str]) -> list[gemmi.Op]:
    """Operators of the header: a line with nine integers by rows, one with three twelfths."""
    found = []
    for rotation, translation in zip(lines[::2], lines[1::2], strict=True):
        operator = gemmi.Op()
        numbers = [int(rotation[i : i + 3]) * gemmi.Op.DEN for i in range(0, 27, 3)]
        operator.rot = [numbers[:3], numbers[3:6], numbers[6:]]
        operator.tran = [int(translation[i : i + 3]) * TWELFTHS for i in (0, 3, 6)]
        found.append(operator.wrap())
    return found


def _checked_group(
    operators: list[gemmi.Op], symbol: str, name: str
) -> tuple[gemmi.SpaceGroup, tuple[Note, ...]]:
    """The group of the operators, and a note if it is not that of the symbol.

    Most programs write the operators without centring, which then is that of the symbol.

    Raises
    ------
    FileFormatError
        When the operators are those of no space group.
    """
    named = gemmi.find_spacegroup_by_name("".join(symbol.split()))
    complete = gemmi.GroupOps(list({op.triplet(): op for op in operators}.values()))
    if named is not None and len(complete.cen_ops) == 1:
        complete.cen_ops = named.operations().cen_ops
    group = gemmi.find_spacegroup_by_ops(complete)
    if group is None:
        raise FileFormatError(f"{name}: the symmetry operators are those of no space group")
    if named is not None and group.operations() == named.operations():
        return named, ()
    text = f"the operators of {name} are those of {group.xhm()}, not of {symbol.strip()}; the "
    text += "operators are used"
    return group, (Note(text, "guess", give="give data with one symmetry"),)
