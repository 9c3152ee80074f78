"""Laue classes, and the CCP4 asymmetric units of reciprocal space for them."""

from collections.abc import Iterable
from functools import cache
from itertools import permutations, product

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import SymmetryError
from friedel.model.operations import Rotation, complete_group

# Generators of the Laue groups in reference settings, without the inversion, in the order that
# numbers the asymmetric units in `friedel.kernels.reciprocal.reflections.in_asu`.
_TWO_Y = ((-1, 0, 0), (0, 1, 0), (0, 0, -1))
_TWO_Z = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
_FOUR_Z = ((0, -1, 0), (1, 0, 0), (0, 0, 1))
_THREE_Z = ((0, -1, 0), (1, -1, 0), (0, 0, 1))
_SIX_Z = ((1, -1, 0), (1, 0, 0), (0, 0, 1))
_TWO_XY = ((0, 1, 0), (1, 0, 0), (0, 0, -1))
_TWO_MINUS_XY = ((0, -1, 0), (-1, 0, 0), (0, 0, -1))
_THREE_XYZ = ((0, 0, 1), (1, 0, 0), (0, 1, 0))

LAUE_GENERATORS = (
    (0, "-1", ()),
    (1, "2/m", (_TWO_Y,)),
    (2, "mmm", (_TWO_Y, _TWO_Z)),
    (3, "4/m", (_FOUR_Z,)),
    (4, "4/mmm", (_FOUR_Z, _TWO_Y)),
    (5, "-3", (_THREE_Z,)),
    (6, "-31m", (_THREE_Z, _TWO_MINUS_XY)),
    (7, "-3m1", (_THREE_Z, _TWO_XY)),
    (3, "6/m", (_SIX_Z,)),
    (4, "6/mmm", (_SIX_Z, _TWO_XY)),
    (8, "m-3", (_TWO_Y, _TWO_Z, _THREE_XYZ)),
    (9, "m-3m", (_FOUR_Z, _TWO_Y, _THREE_XYZ)),
)
"""Laue classes: (number of the asymmetric unit, name, generators of the proper rotations)."""


@cache
def _laue_groups() -> dict[frozenset[bytes], tuple[int, str]]:
    return {
        _with_inversion(_generated(generators)): (number, name)
        for number, name, generators in LAUE_GENERATORS
    }


def find_reciprocal_asu(
    rotations: np.ndarray, basis: np.ndarray | None = None
) -> tuple[int, np.ndarray]:
    """Number of the CCP4 asymmetric unit and the basis P such that it holds for hkl @ P.

    P is returned multiplied by 24, as (3, 3) int64, so that comparisons of indices are exact.

    Parameters
    ----------
    rotations
        (p, 3, 3) distinct rotations of the space group.
    basis
        Change of basis to the reference setting, if known; by default the simplest that fits.

    Raises
    ------
    SymmetryError
        When the rotations belong to no crystallographic point group in any common setting.
    """
    number, _, found = _find_laue_group(rotations, basis)
    return number, np.rint(TRANSLATION_DENOMINATOR * found).astype(np.int64)


def laue_name(rotations: np.ndarray, basis: np.ndarray | None = None) -> str:
    """Name of the Laue class, such as ``"mmm"``.

    Raises
    ------
    SymmetryError
        When the rotations belong to no crystallographic point group in any common setting.
    """
    return _find_laue_group(rotations, basis)[1]


def _find_laue_group(
    rotations: np.ndarray, basis: np.ndarray | None
) -> tuple[int, str, np.ndarray]:
    """Number of the asymmetric unit, name of the Laue class and the basis in which it is found."""
    for candidate in [basis] if basis is not None else _candidate_bases():
        group = _transformed(rotations, candidate)
        found = _laue_groups().get(_with_inversion(group)) if group is not None else None
        if found is not None:
            return *found, candidate
    raise SymmetryError(
        f"the {len(rotations)} rotations do not form a point group in a known setting"
    )


@cache
def _candidate_bases() -> tuple[np.ndarray, ...]:
    """Bases of common settings: signed axis permutations, rhombohedral axes, diagonal doublings."""
    signed = []
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[order, range(3)] = signs
            signed.append(matrix)
    signed.sort(key=lambda m: (not np.array_equal(m, np.eye(3)), (m < 0).sum()))
    rhombohedral = np.array([[1, 0, 1], [-1, 1, 1], [0, -1, 1]], float)
    diagonal = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]], float)
    oblique = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]], float)
    others = [m @ s for m in (rhombohedral, diagonal, oblique) for s in signed]
    return tuple(signed + others + [s @ m for m in (diagonal, oblique) for s in signed])


def _transformed(rotations: np.ndarray, basis: np.ndarray) -> list[np.ndarray] | None:
    """Rotations acting on hkl @ basis, or None when they are not integral in that basis."""
    inverse = np.linalg.inv(basis)
    # hkl' = hkl P and hkl -> hkl R become hkl' -> hkl' (P^-1 R P)
    changed = inverse @ rotations @ basis
    rounded = np.rint(changed)
    return list(rounded.astype(np.int8)) if np.allclose(changed, rounded, atol=1e-6) else None


def _generated(rotations: Iterable[Rotation]) -> list[np.ndarray]:
    """The point group that the rotations generate."""
    operations = complete_group((rotation, (0, 0, 0)) for rotation in rotations)
    return [np.array(rotation, np.int8) for rotation, _ in operations]


def _with_inversion(group: list[np.ndarray]) -> frozenset[bytes]:
    signed = [g for rotation in group for g in (rotation, -rotation)]
    return frozenset(np.asarray(g, np.int8).tobytes() for g in signed)
