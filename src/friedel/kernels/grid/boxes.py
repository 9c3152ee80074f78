"""Grid points within the radius of an atom: boxes, discs, and lists of rows, also for the adjoint.

Distances are in grid steps; a box begins at any index and has whole vectors along z.
"""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.simd import LANES, add, constant, load, store

BOX = 96
"""Largest number of grid points across an atom along one axis that the fast kernels take."""

ROWS = BOX * BOX + BOX
"""Capacity of the list of rows of one atom, which is written in whole vectors."""


class Place(NamedTuple):
    """Position and box of a group of Gaussians of one atom, in grid steps. Scratch memory.

    Attributes
    ----------
    center, half
        (3,) position and half-widths.
    box
        (3, 4) int64, see :func:`place_box`.
    """

    center: np.ndarray
    half: np.ndarray
    box: np.ndarray


class Rows(NamedTuple):
    """The rows of a box that cross a disc, plane by plane. Scratch memory.

    Attributes
    ----------
    low, high
        (BOX,) int64: plane i has the rows low[i] <= j < high[i].
    start
        (BOX + 1,) int64: plane i has the items start[i] <= r < start[i + 1] of the list.
    at
        (ROWS,) int32: offset of row r of the list in the grid, in vectors.
    in_plane
        (2 BOX,) int32: offset of each row of the box in its plane, in vectors.
    """

    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    at: np.ndarray
    in_plane: np.ndarray


@njit(inline="always")
def new_place():
    """Memory for a :class:`Place`."""
    return Place(np.empty(3), np.empty(3), np.empty((3, 4), np.int64))


@njit(inline="always")
def new_rows():
    """Memory for the :class:`Rows` of one group of one atom."""
    return Rows(
        np.empty(BOX, np.int64),
        np.empty(BOX, np.int64),
        np.empty(BOX + 1, np.int64),
        np.empty(ROWS, np.int32),
        np.empty(2 * BOX, np.int32),
    )


@njit(nogil=True)
def whole_vectors(n):
    """The smallest multiple of LANES that is not below n."""
    return (n + LANES - 1) // LANES * LANES


@njit(nogil=True, error_model="numpy")
def span(center, half_width):
    """First grid index and number of indices within `half_width` of `center`."""
    first = math.ceil(center - half_width)
    return first, math.floor(center + half_width) - first + 1


@njit(nogil=True)
def touches(box, nu, first, last):
    """Whether any plane of the box, periodic, lies in first <= u < last."""
    start, n = box[0, 0], box[0, 1]
    return n >= nu or (first - start) % nu < n or (start - first) % nu < last - first


@njit(nogil=True, error_model="numpy")
def place_box(place, nw):
    """Set the box of grid points within `half` (3,) of `center` (3,), for tables of vectors.

    box[axis] = first index, size of the table that begins there, and its range low <= m < high
    within `half`. Along y the table ends after whole vectors; along z it also begins at a
    multiple of LANES in the row of `nw` points: a vector within one cache line is read and
    written twice as fast.
    """
    center, half, box = place
    for axis in range(3):
        first, n = span(center[axis], half[axis])
        shift = (first % nw) % LANES if axis == 2 else 0
        box[axis, 0], box[axis, 1] = first - shift, n if axis == 0 else whole_vectors(n + shift)
        box[axis, 2], box[axis, 3] = shift, shift + n


@njit(nogil=True)
def fits_tables(box, flat):
    """Whether the box fits into tables of BOX points, and its end into the padding of the rows."""
    padding = flat.width - flat.nw
    return max(box[0, 1], box[1, 1], box[2, 1]) <= BOX and box[2, 1] <= padding


@njit(nogil=True)
def widest_gap(coordinates, size):
    """The longest range of a periodic axis of `size` points without atoms.

    `coordinates` are fractional; an atom counts at the grid point before it. Returns the index of
    the first point with an atom after the range, and the number of points in the range.
    """
    occupied = np.zeros(size, np.bool_)
    for x in coordinates:
        occupied[int((x - math.floor(x)) * size) % size] = True
    first, widest, empty = 0, 0, 0
    # Two periods, so that a range over the boundary is found in one piece
    for index in range(2 * size):
        if not occupied[index % size]:
            empty += 1
        else:
            if empty > widest:
                first, widest = index % size, empty
            empty = 0
    return first, widest


@njit(nogil=True, forceinline=True)
def list_rows(rows, box, flat, first, last):
    """List the offsets of the grid rows that cross a disc, plane by plane.

    Row (u, v) begins at u * plane + v * row, in vectors, an int32. Planes of other threads have
    no rows.

    Inputs
    ------
    rows.low, rows.high, box, flat
        The disc and the grid.
    first, last
        Only the planes first <= u < last of the grid are listed.

    Scratch
    -------
    rows.in_plane

    Outputs
    -------
    rows.start, rows.at
        The list; its length is returned.
    """
    low, high, start, at, in_plane = rows
    nu, nv, row = flat.nu, flat.nv, flat.width // LANES
    plane = flat.n_v * row
    u, v = box[0, 0] % nu, box[1, 0] % nv
    for j in range(box[1, 1] + LANES):
        in_plane[j] = v * row
        v += 1
        if v == nv:
            v = 0
    n = 0
    for i in range(box[0, 1]):
        start[i] = n
        if first <= u < last and low[i] < high[i]:
            # The same number for every plane: branches of a loop of varying length are mispredicted
            for m in range(0, box[1, 1], LANES):
                of_plane = load(in_plane, np.uint64(low[i] + m))
                store(at, np.uint64(n + m), add(of_plane, constant(at, u * plane)))
            n += high[i] - low[i]
        u += 1
        if u == nu:
            u = 0
    start[box[0, 1]] = n
    return n


@njit(nogil=True, error_model="numpy", forceinline=True)
def _disc_rows(rows, place, xx, xy, yy, r2):
    """Set the rows j of each plane i that cross the disc xx x^2 + 2 xy x y + yy y^2 <= r2."""
    low, high, box, center = rows.low, rows.high, place.box, place.center
    dx, dy, end = box[0, 0] - center[0], box[1, 0] - center[1], box[1, 3]
    slope, narrowing, widest = -xy / yy, xx / yy - (xy / yy) ** 2, r2 / yy
    for i in range(box[0, 1]):
        x = dx + i
        middle, half = slope * x - dy, math.sqrt(max(widest - narrowing * x * x, 0.0))
        low[i] = max(math.ceil(middle - half), 0)
        high[i] = min(math.floor(middle + half) + 1, end)


@njit(nogil=True, error_model="numpy", forceinline=True)
def place_sphere(place, frac, radius, axes):
    """Set `place` to a sphere (radius in Å) at `frac` (3,) on a grid with right angles."""
    center, half, _ = place
    shape, spacing = axes
    for axis in range(3):
        center[axis] = frac[axis] * shape[axis]
        half[axis] = radius / spacing[axis]
    place_box(place, shape[2])


@njit(nogil=True, error_model="numpy", forceinline=True)
def sphere_rows(rows, place, spacing):
    """Set `low` and `high` of the rows that cross the sphere."""
    yy = (spacing[1] / spacing[0]) ** 2
    _disc_rows(rows, place, 1.0, 0.0, yy, place.half[0] ** 2)


@njit(nogil=True, error_model="numpy", forceinline=True)
def ellipsoid_rows(rows, place, form, limit):
    """Set `low` and `high` of the rows that cross the ellipsoid d Q d <= limit."""
    xx, yy, zz, xy, xz, yz = form
    # The projection along z has the Schur complement of the form
    xx, yy, xy = xx - xz**2 / zz, yy - yz**2 / zz, xy - xz * yz / zz
    _disc_rows(rows, place, xx, xy, yy, limit)
