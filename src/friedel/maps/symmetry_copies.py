"""Symmetry copies of positions: one of each set of copies, and the copies nearest to others."""

from itertools import product

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.model.crystal import Crystal

ROUNDING = 1e-6
"""Fraction of a cell edge below zero that counts as zero: rounding of special positions."""


def into_cell(frac: np.ndarray) -> np.ndarray:
    """The positions moved into the unit cell: fractions from 0 (less rounding) to less than 1."""
    return frac - np.floor(frac + ROUNDING)


def first_copy(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n, 3) for each position the copy in the unit cell with the smallest sum of coordinates."""
    images = into_cell(symmetry_copies(crystal, frac))
    # Rounded, so that rounding errors do not decide between copies with equal sums
    chosen = np.argmin(images.sum(axis=-1).round(4), axis=0)
    return images[chosen, np.arange(len(frac))]


def one_of_each(crystal: Crystal, frac: np.ndarray, tolerance: float) -> np.ndarray:
    """Indices, ascending, of the first of each set of positions that are equal by symmetry.

    Parameters
    ----------
    frac
        (n, 3) positions, in order of preference.
    tolerance
        Positions closer than this are the same, Å.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n, to_cart = len(frac), crystal.orthogonalization.T
    if not n:
        return np.zeros(0, np.int64)
    # Images are in the cell; positions just outside it are added for images near its faces
    number, positions = _with_margin(into_cell(frac), 2.0 * tolerance * crystal.reciprocal_lengths)
    tree = cKDTree(positions @ to_cart)
    pairs = []
    for image in symmetry_copies(crystal, frac):
        near = cKDTree(into_cell(image) @ to_cart).sparse_distance_matrix(
            tree, tolerance, output_type="ndarray"
        )
        pairs.append(np.stack([near["i"], number[near["j"]]]))
    i, j = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(i), np.int8), (i, j)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.sort(first)


def next_to(
    crystal: Crystal, frac: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each position the nearest of some others, of all symmetry copies in all cells.

    Parameters
    ----------
    frac, others
        (n, 3) and (m, 3), m > 0.

    Returns
    -------
    copies
        (n, 3) the copy of each position that is nearest to one of the others as given.
    nearest
        (n,) index of that other position.
    distance
        (n,) distances, Å.
    """
    from scipy.spatial import cKDTree

    to_cart = crystal.orthogonalization.T
    in_cell = into_cell(others)
    copies, nearest = frac.copy(), np.zeros(len(frac), np.int64)
    distance = np.full(len(frac), np.inf)
    # One copy of each gives an upper limit of the distances; then all copies within it are tried.
    # The cell is searched, not the space of the others, which may be many cells apart
    for margin in (0.0, 1.0):
        width = margin * distance.max(initial=0.0) * crystal.reciprocal_lengths if margin else 0.0
        number, positions = _with_margin(in_cell, width + np.zeros(3))
        shift = np.rint(others[number] - positions)
        tree = cKDTree(positions @ to_cart)
        for image in symmetry_copies(crystal, frac):
            image = into_cell(image)
            found, at = tree.query(image @ to_cart)
            closer = found < distance
            at = at[closer]
            copies[closer], nearest[closer] = image[closer] + shift[at], number[at]
            distance[closer] = found[closer]
    return copies, nearest, distance


def symmetry_copies(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n_operations, n, 3) symmetry copies of positions (n, 3)."""
    shifts = crystal.translations / TRANSLATION_DENOMINATOR
    return np.einsum("oij,nj->oni", crystal.rotations, frac) + shifts[:, None]


def _with_margin(frac: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies of positions in the unit cell and a margin around it: their indices and positions."""
    return _within(frac, -margin, 1.0 + margin)


def _within(frac: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lattice translations of positions (n, 3) between two corners: their indices and positions."""
    if not len(frac):
        return np.zeros(0, np.int64), frac
    first = np.ceil(low - frac.max(axis=0) - ROUNDING).astype(int)
    last = np.floor(high - frac.min(axis=0) + ROUNDING).astype(int)
    numbers, positions = [np.zeros(0, np.int64)], [np.zeros((0, 3))]
    for shift in product(*(range(a, b + 1) for a, b in zip(first, last, strict=True))):
        moved = frac + shift
        inside = ((moved >= low - ROUNDING) & (moved <= high + ROUNDING)).all(axis=1)
        numbers.append(np.flatnonzero(inside))
        positions.append(moved[inside])
    return np.concatenate(numbers), np.concatenate(positions)
