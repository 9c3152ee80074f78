"""Reflections in SHELX's fixed columns: HKLF 3 (F), 4 (F^2) and 5 (F^2 with twin components).

h, k, l have four columns each, the value and its uncertainty eight, the component four; a line
0 0 0 ends the list.
"""

import math
from dataclasses import dataclass

import numpy as np

from friedel.errors import FileFormatError
from friedel.notes import Note

CODES = (3, 4, 5)
"""SHELX's HKLF codes that can be read."""

IMPLIED_DECIMALS = 2
"""Decimals implied by F8.2: the last two digits of a number without a decimal point."""


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
    notes
        Notes on decisions made while reading.
    """

    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    component: np.ndarray | None
    code: int
    notes: tuple[Note, ...] = ()


def parse_hklf(text: str, name: str, code: int | None = None, first_line: int = 1) -> HklfLines:
    """The reflections in the text of an HKLF file.

    Parameters
    ----------
    name
        Name of the file, for error messages.
    code
        3, 4 or 5; by default 5 if there are negative twin components, else 4, as 3 cannot be
        distinguished from 4.
    first_line
        Number of the first line of the text in its file.

    Raises
    ------
    FileFormatError
        When a line cannot be read (the message gives its number), or there are no reflections.
    """
    lines = text.splitlines()
    leading = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    rows: list[tuple[int, int, int, float, float, int]] = []
    ignored = 0
    for i, line in enumerate(lines[leading:], leading):
        row = _parse_line(line, name, first_line + i)
        if not any(row[:3]):
            ignored = sum(bool(rest.strip()) for rest in lines[i + 1 :])
            break
        rows.append(row)
    if not rows:
        raise FileFormatError(f"{name} has no reflections before the line 0 0 0 that ends them")
    notes = tuple[Note, ...]()
    if ignored:
        text = f"{ignored} lines after the end of the list are not read"
        notes = (Note(text, "left out", ignored),)
    table = np.array(rows)
    component = np.rint(table[:, 5]).astype(np.int32)
    code = code or (5 if (component < 0).any() else 4)
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
    return HklfLines(hkl, f2, sigmas, component if code == 5 else None, code, notes)


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
