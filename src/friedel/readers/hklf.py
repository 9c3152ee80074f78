"""Reflections in SHELX's fixed columns: HKLF 3 (F), 4 (F^2) and 5 (F^2 with twin components).

h, k, l have four columns each, the value and its uncertainty eight, the component four; a line
0 0 0 ends the list. Lists with blanks between these numbers, at any position, are read as well.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from friedel.errors import FileFormatError
from friedel.notes import Note
from friedel.readers.reading import about_end

CODES = (3, 4, 5)
"""SHELX's HKLF codes that can be read."""

IMPLIED_DECIMALS = 2
"""Decimals implied by F8.2: the last two digits of a number without a decimal point."""

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[Ee][-+]?\d+)?"
SEPARATED = re.compile(rf"((?:\s*[-+]?\d+){{3}})\s+({NUMBER})\s+({NUMBER})(?:\s+([-+]?\d+))?\s*")
"""Line of a list with blanks between its five or six numbers."""

HKLF_LINE = re.compile(r"([ \d-]{3}\d){3}[ \d.Ee+-]{7}[\d.][ \d.Ee+-]{7}[\d.]")
"""Line in fixed columns, with numbers that end in the last one of each."""

END_OF_LIST = re.compile(r"\s*0\s+0\s+0(?!\S)")
"""Beginning of the line after the reflections."""

FREE_FLAG = -1
"""Batch number of the reflections of the free set in HKLF 4."""

Row = tuple[int, int, int, float, float, int]
"""h, k, l, value, sigma, and batch number or twin component."""


@dataclass(frozen=True)
class HklfLines:
    """The reflections of a list, unchanged.

    Attributes
    ----------
    hkl
        (n, 3) int32.
    f2, sigmas
        (n,) F^2 and their uncertainties, whatever the format.
    component
        (n,) int32 twin component of HKLF 5: the lines of one measured reflection have negative
        numbers except the last. None for the other formats.
    code
        3, 4 or 5.
    free
        (n,) bool: reflections with SHELX's R-free flag, batch number -1; None without any, and
        for HKLF 5.
    notes
        Notes on decisions made while reading.
    """

    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    component: np.ndarray | None
    code: int
    free: np.ndarray | None = None
    notes: tuple[Note, ...] = ()


def parse_hklf(text: str, name: str, code: int | None = None, first_line: int = 1) -> HklfLines:
    """The reflections in the text of an HKLF file.

    Parameters
    ----------
    name
        Name of the file, for error messages.
    code
        3, 4 or 5; by default 5 if there are negative twin components, else 4, as 3 cannot be
        distinguished from 4. Numbers -1 are R-free flags of HKLF 4, unless the next line has the
        same value and another component, as HKLF 5 requires.
    first_line
        Number of the first line of the text in its file.

    Raises
    ------
    FileFormatError
        When a line cannot be read (the message gives its number), or there are no reflections.
    """
    lines = text.rstrip("\x1a").splitlines()
    leading = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    notes: list[Note] = []
    try:
        rows = _fixed_rows(lines[leading:], name, first_line + leading)
    except FileFormatError:
        separated = _separated_rows(lines[leading:])
        if separated is None:
            raise
        rows = separated
        notes.append(Note(f"{name} has blanks between numbers, not fixed columns", "default"))
    if not rows:
        raise FileFormatError(f"{name} has no reflections before the line 0 0 0 that ends them")
    if ignored := sum(bool(rest.strip()) for rest in lines[leading + len(rows) + 1 :]):
        text = f"{ignored} lines after the end of the list are not read"
        notes.append(Note(text, "left out", ignored))
    end = lines[leading + len(rows) :]
    if first_line == 1 and len(end) < 2 and not END_OF_LIST.match("".join(end)):
        notes += about_end(text, name)
    table = np.array(rows)
    component = np.rint(table[:, 5]).astype(np.int32)
    flags, doubt = _free_flags(component, table[:, 3:5])
    if code is None:
        code = 5 if (component < 0).any() and flags is None else 4
        notes += doubt
    if code == 5:
        component[component == 0] = 1
        if component[-1] < 0:
            raise FileFormatError(
                f"line {first_line + leading + len(rows) - 1} of {name} has twin component "
                f"{component[-1]}, expected another line with the same reflection after it"
            )
    f2, sigmas = table[:, 3], table[:, 4]
    if code == 3:
        f2, sigmas = squared(f2, sigmas)
    hkl = np.rint(table[:, :3]).astype(np.int32)
    return HklfLines(
        hkl,
        f2,
        sigmas,
        component if code == 5 else None,
        code,
        None if code == 5 else flags,
        tuple(notes),
    )


def _free_flags(
    batch: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray | None, tuple[Note, ...]]:
    """(n,) bool: reflections with R-free flags, or None without any; and a note if in doubt.

    In HKLF 5 a line with a negative number is followed by one with the same value and sigma
    (`values`, (n, 2)) and another twin component.
    """
    negative = batch < 0
    if not negative.any() or (batch[negative] != FREE_FLAG).any():
        return None, ()
    same = np.isclose(values[:-1], values[1:], rtol=1e-4, atol=1e-2).all(axis=1)
    overlaps = negative[:-1] & same & (np.abs(batch[1:]) != -FREE_FLAG)
    n, n_overlaps = int(negative.sum()), int(overlaps.sum())
    if n_overlaps > 0.5 * n:
        return None, ()
    if not n_overlaps:
        return negative, ()
    text = f"{n} numbers -1 are taken as R-free flags; {n_overlaps} look like twin components"
    return negative, (Note(text, "guess", n, give="give hklf"),)


def _separated_rows(lines: list[str]) -> list[Row] | None:
    """The rows of a list that has blanks between numbers; None if it is another, or damaged."""
    rows: list[Row] = []
    n_fixed = 0
    for line in lines:
        match = SEPARATED.fullmatch(line)
        if match is None:
            if line.strip():
                return None
            break
        h, k, l = (int(x) for x in match[1].split())
        if not (h or k or l):
            break
        row = h, k, l, float(match[2]), float(match[3]), int(match[4] or 0)
        if not np.isfinite(row).all():
            return None
        rows.append(row)
        n_fixed += HKLF_LINE.match(line) is not None
    # A few lines out of place in fixed columns, where numbers without a point are hundredths
    return None if n_fixed > 0.5 * len(rows) else rows


def _fixed_rows(lines: list[str], name: str, first_line: int) -> list[Row]:
    rows: list[Row] = []
    for i, line in enumerate(lines):
        row = _parse_line(line, name, first_line + i)
        if not any(row[:3]):
            break
        rows.append(row)
    return rows


def squared(f: np.ndarray, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F^2 and its uncertainty from F: the larger of 2 F sigma and sigma^2."""
    signs = np.sign(sigmas)
    return f * np.abs(f), signs * np.maximum(2.0 * np.abs(f * sigmas), sigmas**2)


def _parse_line(line: str, name: str, number: int) -> tuple[int, int, int, float, float, int]:
    try:
        if "_" in line[:32]:  # which Python accepts within a number
            raise ValueError
        h, k, l = (int(line[i : i + 4] or 0) if line[i : i + 4].strip() else 0 for i in (0, 4, 8))
        if not (h or k or l):
            return 0, 0, 0, 0.0, 0.0, 0
        batch = line[28:32].strip()
        return h, k, l, _number(line[12:20]), _number(line[20:28]), int(batch) if batch else 0
    except ValueError:
        raise FileFormatError(
            f"line {number} of {name} is {line[:40].rstrip()!r}, expected h, k, l in 4 columns "
            "each, value and sigma in 8 columns each"
        ) from None


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value if any(c in text for c in ".eE") else value / 10**IMPLIED_DECIMALS
