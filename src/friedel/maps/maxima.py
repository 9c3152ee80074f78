"""Maxima of a periodic grid, and their positions between its points."""

from itertools import product

import numpy as np

NEIGHBOURS = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)])
"""(26, 3) steps to the points around a point; the second half are the opposites of the first."""

HALF_WIDTH = 3
"""Points on each side of a maximum that a polynomial interpolates along each axis."""

NODES = np.arange(-HALF_WIDTH, HALF_WIDTH + 1)

POWERS_FROM_VALUES = np.linalg.inv(np.vander(NODES.astype(float), increasing=True))
"""(7, 7): coefficients of the polynomial of degree 6 = matrix @ its values at the nodes."""

STEPS, LONGEST_STEP = 10, 0.5
"""Newton's method: number of steps, and longest step (grid steps along an axis). Three or four are
enough near a maximum of a map that is as smooth as its coefficients."""

MAX_OFFSET, MAX_RECENTRINGS = 1.0, 6
"""Distance (grid steps along an axis) from the centre of a polynomial beyond which a new one is
centred on the nearest point, and how often. On a ridge across the axes the highest point of the
grid may be some steps away from the maximum."""

CONVERGED = 1e-9
"""Length (grid steps) of a step of Newton's method below which it has converged."""

TIED = 8
"""Largest number of equal points around a maximum midway between them; more are a plateau."""

AT_A_TIME = 4096
"""Number of maxima per block that is refined, so that memory stays below some 50 MB."""


def local_maxima(values: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Points above `floor` that no neighbour exceeds; for a plateau its middle point.

    Parameters
    ----------
    values
        (nu, nv, nw), periodic.

    Returns
    -------
    points
        (n, 3) indices.
    is_flat
        (n,) bool: the point is one of more than eight that are equal.
    """
    flat = np.ravel(values)
    candidates = np.flatnonzero(flat > floor)
    for step in NEIGHBOURS:
        beside = _moved(candidates, step, values.shape)
        candidates = candidates[flat[candidates] >= flat[beside]]
    if len(candidates) == len(flat):  # all points are equal
        candidates = candidates[:0]
    is_candidate = np.zeros(flat.shape, bool)
    is_candidate[candidates] = True
    # A point that equals a neighbour is on a plateau, or on a step with higher points beyond
    edges, on_step = [], np.zeros(len(candidates), bool)
    for number, step in enumerate(NEIGHBOURS):
        beside = _moved(candidates, step, values.shape)
        equal = flat[beside] == flat[candidates]
        on_step |= equal & ~is_candidate[beside]
        if number < len(NEIGHBOURS) // 2:
            first = np.flatnonzero(equal & is_candidate[beside])
            edges.append(np.stack([first, np.searchsorted(candidates, beside[first])]))
    points = np.stack(np.unravel_index(candidates, values.shape), axis=1)
    return _middles(points, np.concatenate(edges, axis=1), on_step, values.shape)


def _moved(flat: np.ndarray, step: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flat indices of the points one step away, periodic."""
    u, v, w = np.unravel_index(flat, shape)
    moved = ((x + s) % n for x, s, n in zip((u, v, w), step, shape, strict=True))
    return np.ravel_multi_index(tuple(moved), shape)


def _middles(
    points: np.ndarray, pairs: np.ndarray, on_step: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """One point for each group connected by pairs, and whether the group has more than TIED.

    Groups with a point on a step are left out.
    """
    if not pairs.size:
        return points[~on_step], np.zeros(int((~on_step).sum()), bool)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, sizes = len(points), np.array(shape)
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    _, first, count = np.unique(group, return_index=True, return_counts=True)
    from_first = (points - points[first[group]] + sizes // 2) % sizes - sizes // 2
    middle = np.stack([np.bincount(group, x) / count for x in from_first.T], axis=1)
    off_middle = ((from_first - middle[group]) ** 2).sum(axis=1)
    order = np.lexsort((off_middle, group))
    _, nearest = np.unique(group[order], return_index=True)
    kept = np.bincount(group, on_step) == 0
    return points[order[nearest]][kept], count[kept] > TIED


def refine(values: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maxima between the points of a grid, by polynomials of degree 6 through 7 x 7 x 7 points.

    Parameters
    ----------
    values
        (nu, nv, nw), periodic.
    points
        (n, 3) indices of maxima on the grid.

    Returns
    -------
    positions
        (n, 3) in grid steps. A point from which the search does not converge is kept.
    heights
        (n,) values of the polynomials, or of points that are kept.
    """
    positions, heights = points.astype(np.float64), values[tuple(points.T)].astype(np.float64)
    for first in range(0, len(points), AT_A_TIME):
        some = slice(first, first + AT_A_TIME)
        positions[some], heights[some] = _recentred(values, points[some], heights[some])
    return positions, heights


def _recentred(
    values: np.ndarray, points: np.ndarray, heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Maxima from polynomials around points, recentred on the points nearest to the maxima."""
    positions, tops = points.astype(np.float64), heights.copy()
    centre, offset = points.copy(), np.zeros(points.shape)
    moving = np.arange(len(points))
    for _ in range(MAX_RECENTRINGS):
        around = _cubes(values, centre[moving])
        offset, top, is_maximum = _maxima_of_polynomials(around, offset)
        nearest = np.rint(offset).astype(centre.dtype)
        there = ~nearest.any(axis=1)
        found = there & is_maximum & (top >= heights[moving])
        positions[moving[found]] = centre[moving[found]] + offset[found]
        tops[moving[found]] = top[found]
        moving, offset = moving[~there], (offset - nearest)[~there]
        centre[moving] += nearest[~there]
        if not len(moving):
            break
    return positions, tops


def _cubes(values: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(n, 7, 7, 7) float64 values around points (n, 3)."""
    u, v, w = ((centre[:, i, None] + NODES) % values.shape[i] for i in range(3))
    around = values[u[:, :, None, None], v[:, None, :, None], w[:, None, None, :]]
    return around.astype(np.float64)


def _maxima_of_polynomials(
    around: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton's method from (n, 3) positions near the middle of (n, 7, 7, 7) values.

    Returns
    -------
    positions
        (n, 3) final positions, at most MAX_OFFSET from the middle along each axis.
    values
        (n,) values at these positions.
    is_maximum
        (n,) bool: all curvatures are negative.
    """
    place, active = start.copy(), np.arange(len(around))
    for _ in range(STEPS):
        _, gradient, hessian = _derivatives(around[active], place[active])
        curvatures, axes = np.linalg.eigh(hessian)
        # Uphill whatever the sign of the curvature, with a limited step where it is small
        size = np.abs(curvatures)
        size = np.maximum(size, 1e-3 * size.max(axis=1, keepdims=True) + 1e-300)
        along = np.einsum("nij,ni->nj", axes, gradient) / size
        step = np.einsum("nij,nj->ni", axes, along)
        step = np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        place[active] = np.clip(place[active] + step, -MAX_OFFSET, MAX_OFFSET)
        active = active[np.abs(step).max(axis=1) > CONVERGED]
        if not len(active):
            break
    value, _, hessian = _derivatives(around, place)
    return place, value, np.linalg.eigvalsh(hessian).max(axis=1) < 0.0


def _derivatives(
    around: np.ndarray, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) polynomials through (n, 7, 7, 7) values at (n, 3) positions, gradients and Hessians."""
    n, size = len(around), len(NODES)
    exponent = np.arange(size)
    powers = place[:, :, None] ** exponent
    slopes = np.zeros_like(powers)
    slopes[..., 1:] = powers[..., :-1] * exponent[1:]
    curvatures = np.zeros_like(powers)
    curvatures[..., 2:] = powers[..., :-2] * (exponent[2:] * exponent[1:-1])
    # (n, 3 axes, 3 orders of derivative, 7 nodes)
    weights = np.stack([powers, slopes, curvatures], axis=2) @ POWERS_FROM_VALUES
    of_u, of_v, of_w = np.moveaxis(weights, 1, 0)
    along_w = around.reshape(n, size * size, size) @ of_w.swapaxes(1, 2)
    along_v = of_v[:, None] @ along_w.reshape(n, size, size, 3)
    every = (of_u @ along_v.reshape(n, size, 9)).reshape(n, 3, 3, 3)
    gradient = np.stack([every[:, 1, 0, 0], every[:, 0, 1, 0], every[:, 0, 0, 1]], axis=1)
    hessian = np.empty((n, 3, 3))
    for i in range(3):
        for j in range(3):
            orders = [0, 0, 0]
            orders[i] += 1
            orders[j] += 1
            hessian[:, i, j] = every[:, orders[0], orders[1], orders[2]]
    return every[:, 0, 0, 0], gradient, hessian
