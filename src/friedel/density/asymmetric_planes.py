"""Planes of a grid from which the symmetry makes all others.

The transform of a symmetric map needs only the planes of a part of the cell: structure factors are
sums over the operations, as those of the atoms of an asymmetric unit are.
"""

from typing import NamedTuple

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.model.crystal import Crystal


class AsymmetricPlanes(NamedTuple):
    """Planes u = first, ..., last of a grid, and the operations that repeat them.

    A map with the symmetry of the crystal is the sum of the images of these planes, each times its
    weight, under the operations and the lattice translations.

    Attributes
    ----------
    rotations, translations
        Operations of a primitive cell that take a to a or -a, and b and c to b or c or their
        opposites: (p, 3, 3), and (p, 3) in 24ths.
    first, last
        Indices of the first and the last plane, within the cell.
    weights
        (n,) one over the number of operations, with lattice translations, that keep each plane.
    """

    rotations: np.ndarray
    translations: np.ndarray
    first: int
    last: int
    weights: np.ndarray


def asymmetric_planes(crystal: Crystal, shape: tuple[int, int, int]) -> AsymmetricPlanes:
    """The fewest consecutive planes that make the whole grid.

    Operations that mix axes, such as threefold ones, are not used: they do not take the neighbours
    of a grid point to neighbours, by which islands of a mask are defined.

    Parameters
    ----------
    shape
        (nu, nv, nw) of a grid that every operation takes to itself, as
        :func:`friedel.density.grid.grid_shape` gives it.
    """
    nu = shape[0]
    used = _keeps_planes(crystal.rotations)
    sign = crystal.rotations[used, 0, 0]
    shift = crystal.translations[used, 0] * nu // TRANSLATION_DENOMINATOR % nu
    period = nu // len(np.unique(shift[sign > 0]))
    first, last = 0, period - 1
    if (sign < 0).any():
        # u -> s - u has fixed planes at half of s and half a period from there
        s = int(shift[sign < 0].min())
        first, last = -(-s // 2), (s + period) // 2
    planes = np.arange(first, last + 1)
    images = (sign[:, None] * planes + shift[:, None]) % nu
    weights = 1.0 / (images == planes).sum(axis=0)
    rotations, translations = crystal.primitive_operations
    used = _keeps_planes(rotations)
    return AsymmetricPlanes(rotations[used], translations[used], first, last, weights)


def _keeps_planes(rotations: np.ndarray) -> np.ndarray:
    """(n,) bool: which rotations take axes to axes, and the planes of constant u to such planes."""
    # Each row has at least one element that is not 0
    return (np.abs(rotations).sum(axis=(1, 2)) == 3) & (rotations[:, 0, 0] != 0)
