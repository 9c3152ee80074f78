"""Symmetry operations: triplets such as ``"-x,y+1/2,-z"``, and the groups that they generate."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import SymmetryError

MAX_OPERATIONS = 192
"""Number of operations of the largest space groups (F-centred, m-3m)."""

LONGEST_SHOWN = 60
"""Number of characters of a triplet that are shown in a message."""

Rotation = tuple[tuple[int, int, int], ...]
"""A rotation matrix as its three rows."""

Operation = tuple[Rotation, tuple[int, int, int]]
"""A rotation, and a translation in 24ths of the cell edges."""


NUMBER = r"\d{1,3}/\d{1,3}|\d{0,3}\.\d{1,12}|\d{1,3}\.?"
TERM = re.compile(rf"(?P<sign>[+-]?)(?:(?P<axis>[xyz])|(?P<number>{NUMBER}))", re.ASCII)
"""A term of a part of a triplet: an axis, or a fraction, decimal or integer of few digits. Other
texts that Python takes for numbers, such as 1e999999999, would take for ever to be calculated."""


def parse_triplet(text: str) -> Operation:
    """Rotation and translation (24ths) of a symmetry triplet such as ``"-y,x-y,z+1/3"``.

    A translation may be a decimal of two digits or more, such as 0.333. Numbers have at most three
    digits before a decimal point, and in each part of a fraction.

    Raises
    ------
    SymmetryError
        When the text is not such a triplet.
    """
    parts = text.lower().replace(" ", "").split(",")
    if len(parts) != 3:
        raise SymmetryError(
            f"got symmetry operation {_short(text)!r}, expected three parts as in 'x,y,z'"
        )
    rows, shifts = zip(*(_parse_triplet_part(part, text) for part in parts), strict=True)
    if abs(round(np.linalg.det(np.array(rows)))) != 1:
        raise SymmetryError(f"symmetry operation {_short(text)!r} has no inverse")
    return rows, shifts


def _parse_triplet_part(part: str, text: str) -> tuple[tuple[int, int, int], int]:
    row = [0, 0, 0]
    shift = Fraction(0)
    end = 0
    while term := TERM.match(part, end):
        if end and not term["sign"]:
            break
        end = term.end()
        sign = -1 if term["sign"] == "-" else 1
        if term["axis"]:
            row["xyz".index(term["axis"])] += sign
        elif re.search(r"/0+$", term["number"]):
            break
        else:
            shift += sign * _fraction(term["number"])
    if end != len(part) or not part or term:
        raise SymmetryError(
            f"cannot read {_short(part)!r} in symmetry operation {_short(text)!r}: expected x, y, "
            "z and fractions or decimals of few digits, with signs between them"
        )
    in_24ths = shift * TRANSLATION_DENOMINATOR
    if in_24ths.denominator != 1:
        raise SymmetryError(f"translation {shift} in {_short(text)!r} is not a multiple of 1/24")
    return (row[0], row[1], row[2]), int(in_24ths) % TRANSLATION_DENOMINATOR


def _fraction(text: str) -> Fraction:
    """The number; of a decimal that is rounded or cut off, as 0.667, the multiple of 1/24."""
    exact = Fraction(text)
    digits = len(text.partition(".")[2])
    nearest = Fraction(round(exact * TRANSLATION_DENOMINATOR), TRANSLATION_DENOMINATOR)
    return nearest if digits >= 2 and abs(nearest - exact) < Fraction(1, 10**digits) else exact


def _short(text: str) -> str:
    """The text, or its beginning if it is longer than any triplet."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def complete_group(operations: Iterable[Operation]) -> list[Operation]:
    """All products of the given operations, the identity first.

    Raises
    ------
    SymmetryError
        When they generate more than a space group can have.
    """
    identity: Operation = (((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 0, 0))
    generators = [op for op in operations if op != identity]
    group = [identity]
    known = {identity}
    for operation in group:  # `group` grows during the loop, until it is closed
        for generator in generators:
            product = _multiply(operation, generator)
            if product not in known:
                known.add(product)
                group.append(product)
        if len(group) > MAX_OPERATIONS:
            raise SymmetryError(
                f"the symmetry operations generate more than {MAX_OPERATIONS}: not a space group"
            )
    return group


def _multiply(first: Operation, second: Operation) -> Operation:
    """The product in integers of Python, which are faster than arrays of so few numbers."""
    columns = tuple(zip(*second[0], strict=True))
    rows = tuple(tuple(_dot(row, column) for column in columns) for row in first[0])
    shift = tuple(
        (_dot(row, second[1]) + own) % TRANSLATION_DENOMINATOR
        for row, own in zip(first[0], first[1], strict=True)
    )
    return rows, shift  # type: ignore[return-value]


def _dot(one: Sequence[int], other: Sequence[int]) -> int:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def operation_keys(rotations: np.ndarray, translations: np.ndarray) -> list[bytes]:
    """Hashable keys of operations: equal operations, translations modulo 1, have equal keys.

    Parameters
    ----------
    rotations, translations
        (n, 3, 3) and (n, 3) integers, translations in 24ths.
    """
    flat = np.hstack([rotations.reshape(-1, 9), translations % TRANSLATION_DENOMINATOR])
    return [row.tobytes() for row in flat.astype(np.int32)]


def is_identity(rotation: np.ndarray, translation: np.ndarray) -> bool:
    """Whether the operation is the identity."""
    return bool((rotation == np.eye(3)).all() and (translation == 0).all())
