"""Twin laws as exact rational matrices, and the reflections that they make overlap.

A law maps the indices of a reflection to those of the reflection of the other domain that overlaps
with it. In a centred cell the matrix may have halves or thirds: every reflection that the centring
allows is mapped to another such reflection, though the matrix is not integral.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import atan, degrees, lcm

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import ParameterError
from friedel.model.arrays import checked_hkl
from friedel.model.crystal import Crystal
from friedel.notes import Note

LARGEST_NUMBER = 1000
"""Largest numerator and denominator accepted; laws of real lattices have one-digit numbers."""

LARGEST_ROUNDED = 12
"""Largest denominator of fractions to which decimal elements of a law are rounded."""
ROUNDING_OF_ELEMENTS = 0.005
"""Largest rounding of an element; two such fractions differ by at least 1/132."""

_TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d+)?)(?:/(\d+))?\*?)?([hklxyz])(?:/(\d+))?")

Rows = list[list[Fraction]]


@dataclass(frozen=True, eq=False)
class TwinLaw:
    """A law of twinning: the mate of a reflection is ``hkl @ numerators / denominator``.

    Parameters
    ----------
    name
        Indices of the mate, such as ``"-h,-k,l"`` or ``"h/2+k/2,3/2*h-k/2,-l"``.
    numerators
        (3, 3) int64 numerators of the matrix elements.
    denominator
        Common denominator of all elements, positive.
    """

    name: str
    numerators: np.ndarray
    denominator: int = 1

    @classmethod
    def parse(cls, text: str) -> "TwinLaw":
        """The law from a triplet: the indices of the mate, or the image of x, y, z.

        Raises
        ------
        ParameterError
            When the text is not such a triplet, or changes the volume of the cell.
        """
        letters = "xyz" if re.search("[xyz]", text.lower()) else "hkl"
        rows = parsed_rows(text, letters)
        if rows is None:
            raise ParameterError(
                f"got twin law {text!r}, expected one such as '-h,-k,l', or 'auto'"
            )
        # hkl is a row vector, multiplied from the right by the rotation that acts on a column xyz
        matrix = rows if letters == "xyz" else [list(column) for column in zip(*rows, strict=True)]
        return cls._of_rows(text, matrix)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3): the mate is hkl @ matrix; int64, float64 only when there are fractions."""
        return self.numerators if self.denominator == 1 else self.numerators / self.denominator

    def mates(self, crystal: Crystal, hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reflections of the other domain that overlap with these.

        Parameters
        ----------
        hkl
            (n, 3) integers.

        Returns
        -------
        mates
            (m, 3) int64 mates of those reflections that have one, in their order.
        exist
            (n,) bool: which reflections have a mate. The others lie between the lattice points of
            the other domain, or on its centring absences, and come from one domain only.

        Raises
        ------
        ReflectionsError
            When `hkl` are not integers in three columns.
        """
        mates, remainder = np.divmod(checked_hkl(hkl) @ self.numerators, self.denominator)
        exist = ~remainder.any(axis=1)
        phases = mates @ crystal.centring_translations.T.astype(np.int64)
        exist &= ~(phases % TRANSLATION_DENOMINATOR).any(axis=1)
        return (mates if exist.all() else mates[exist]), exist

    def __mul__(self, other: "TwinLaw") -> "TwinLaw":
        """The product: this law followed by the other."""
        name = f"({self.name})*({other.name})"
        numerators = self.numerators @ other.numerators
        return TwinLaw(name, numerators, self.denominator * other.denominator)

    @classmethod
    def from_numbers(cls, matrix: np.ndarray) -> "TwinLaw":
        """The law that maps the column of indices h to `matrix` (3, 3) h, named by its triplet.

        Elements are rounded to the nearest fraction with a denominator of at most
        :data:`LARGEST_ROUNDED`, as 0.333 to 1/3.

        Raises
        ------
        ParameterError
            When an element is no such fraction, or the law changes the volume of the cell.
        """
        rounded = [
            [Fraction(float(x)).limit_denominator(LARGEST_ROUNDED) for x in row] for row in matrix
        ]
        if np.abs(np.array(rounded, float) - matrix).max() > ROUNDING_OF_ELEMENTS:
            raise ParameterError(
                f"the elements of the twin law {np.asarray(matrix).ravel().tolist()} are not "
                "simple fractions (non-merohedral twin): use HKLF 5 data"
            )
        name = ",".join(map(_row_text, rounded))
        return cls._of_rows(name, [list(column) for column in zip(*rounded, strict=True)])

    @classmethod
    def _of_rows(cls, name: str, matrix: Rows) -> "TwinLaw":
        """The law that maps the row of indices h to h times the matrix."""
        if abs(_determinant(matrix)) != 1:
            raise ParameterError(f"the twin law {name!r} is not an operation on reflections")
        denominator = lcm(*(x.denominator for row in matrix for x in row))
        numerators = [[int(x * denominator) for x in row] for row in matrix]
        if max(denominator, *(abs(x) for row in numerators for x in row)) > LARGEST_NUMBER:
            raise ParameterError(f"the twin law {name!r} is not an operation on reflections")
        return cls(name, np.array(numerators, np.int64), denominator)

    def notes_on_mates(self, exist: np.ndarray) -> tuple[Note, ...]:
        """The note on reflections without a mate, from `exist` (n,) of :meth:`mates`."""
        n = int((~exist).sum())
        if not n:
            return ()
        text = (
            f"{n} of {len(exist)} reflections have no mate by the twin law {self.name}: only the "
            "first domain contributes to them"
        )
        return (Note(text, "warning", n),)

    def relates_same_domains(self, other: "TwinLaw", crystal: Crystal) -> bool:
        """Whether two laws give equivalent mates, and so relate the same domains."""
        rotations, _ = crystal.primitive_operations
        turned = other.denominator * (self.numerators @ rotations.astype(np.int64))
        scaled = self.denominator * other.numerators
        return any((sign * scaled == one).all() for one in turned for sign in (1, -1))

    def is_symmetry(self, crystal: Crystal) -> bool:
        """Whether the law is a symmetry operation of the crystal's intensities."""
        rotations, _ = crystal.primitive_operations
        scaled = self.denominator * rotations.astype(np.int64)
        return any((sign * self.numerators == r).all() for r in scaled for sign in (1, -1))

    def keeps_equivalents(self, crystal: Crystal) -> bool:
        """Whether mates of equivalent reflections are equivalent.

        If they are not, as for a two-fold axis of a cubic lattice across the three-fold axis of a
        rhombohedral crystal, the twin has less symmetry than its domains, and intensities merged
        with the symmetry of one domain are means of different values.
        """
        rotations, _ = crystal.primitive_operations
        inverse = np.linalg.inv(self.matrix)
        turned = inverse @ rotations @ self.matrix
        differences = np.abs(turned[:, None] - rotations[None]).max(axis=(2, 3))
        return bool((differences.min(axis=1) < 1e-6).all())

    def obliquity(self, crystal: Crystal) -> float:
        """Obliquity of the twin, the misfit of the lattices of the two domains, in degrees.

        For a two-fold axis it is the angle between the axis and the normal of the lattice plane
        nearly perpendicular to it [LePage1982]. Such an axis shears the lattice by
        2 tan(obliquity); other operations are given the obliquity of the axis with equal shear.
        """
        strain = crystal.orthogonalization @ self.matrix @ crystal.fractionalization
        sizes = np.linalg.svd(strain, compute_uv=False)
        largest = max(float(sizes[0]), 1.0 / float(sizes[-1]), 1.0)
        return degrees(atan(0.5 * (largest - 1.0 / largest)))


def parsed_rows(text: str, letters: str = "hkl") -> Rows | None:
    """(3, 3) factors of the letters in each part of a triplet; None when the text is not one.

    Parameters
    ----------
    text
        A triplet such as ``"h/2+k/2,3/2*h-k/2,-l"``, in either case; 0.5h and 1/2h are accepted.
    """
    parts = text.lower().replace(" ", "").split(",")
    rows = [_parsed_row(part, letters) for part in parts]
    return None if len(rows) != 3 or None in rows else rows  # type: ignore[return-value]


def _parsed_row(part: str, letters: str) -> list[Fraction] | None:
    row, end = [Fraction(0)] * 3, 0
    for term in _TERM.finditer(part):
        sign, factor, divisor, letter, last_divisor = term.groups()
        divisors = int(divisor or 1) * int(last_divisor or 1)
        if term.start() != end or (end and not sign) or letter not in letters or not divisors:
            return None
        end = term.end()
        size = Fraction(factor or 1) / divisors
        row[letters.index(letter)] += -size if sign == "-" else size
    return row if end == len(part) and end else None


def _row_text(row: list[Fraction]) -> str:
    """One part of a triplet, such as ``"3/2*h-k/2"``."""
    text = ""
    for x, letter in zip(row, "hkl", strict=True):
        if x:
            size, sign = abs(x), "-" if x < 0 else "+" if text else ""
            if size.numerator == 1:
                text += f"{sign}{letter}" + (f"/{size.denominator}" if size != 1 else "")
            else:
                text += f"{sign}{size}*{letter}"
    return text or "0"


def _determinant(m: Rows) -> Fraction:
    (a, b, c), (d, e, f), (g, h, i) = m
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
