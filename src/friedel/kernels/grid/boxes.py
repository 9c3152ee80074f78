"""Which grid points an atom reaches: boxes, discs, and lists of rows. Shared with the adjoint.

Distances are in grid steps; a box begins at any integer and has whole vectors along z.
"""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.simd import LANES, add, constant, load, store

BOX = 96
"""Largest number of grid points across an atom along one axis that the fast kernels take."""

ROWS = BOX * BOX + BOX
"""Room for the rows of one atom, which are written in whole vectors."""


class Place(NamedTuple):
    """Where a group of Gaussians of one atom lies on the grid, in grid steps. Scratch memory.

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
        (BOX,) int64: of plane i the rows low[i] <= j < high[i].
    start
        (BOX + 1,) int64: of plane i the numbers start[i] <= r < start[i + 1] of the list.
    at
        (ROWS,) int32: where row r of the list begins in the grid, in vectors.
    in_plane
        (2 BOX,) int32: where each row of the box begins in its plane.
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


@njit(cache=True, nogil=True)
def whole_vectors(n):
    """The smallest multiple of LANES that is not below n."""
    return (n + LANES - 1) // LANES * LANES


@njit(cache=True, nogil=True, error_model="numpy")
def span(center, half_width):
    """First grid index and number of indices within `half_width` of `center`."""
    first = math.ceil(center - half_width)
    return first, math.floor(center + half_width) - first + 1


@njit(cache=True, nogil=True)
def touches(box, nu, first, last):
    """Whether any plane of the box, periodic, lies in first <= u < last."""
    start, n = box[0, 0], box[0, 1]
    return n >= nu or (first - start) % nu < n or (start - first) % nu < last - first


@njit(cache=True, nogil=True, error_model="numpy")
def place_box(place, nw):
    """Set the box of the grid points within `half` (3,) of `center` (3,), for tables of vectors.

    box[axis] = first index, size of the table that begins there, and the range low <= m < high
    of it that is within `half`. Along y the table ends after whole vectors; along z it also begins
    at a multiple of LANES in the row of `nw` points: a vector that crosses no boundary of the
    cache's lines is read and written twice as fast.
    """
    center, half, box = place
    for axis in range(3):
        first, n = span(center[axis], half[axis])
        shift = (first % nw) % LANES if axis == 2 else 0
        box[axis, 0], box[axis, 1] = first - shift, n if axis == 0 else whole_vectors(n + shift)
        box[axis, 2], box[axis, 3] = shift, shift + n


@njit(cache=True, nogil=True)
def fits_tables(box, flat):
    """Whether tables of BOX points hold the box, and the grid's rows all of it behind the cell."""
    padding = flat.width - flat.nw
    return max(box[0, 1], box[1, 1], box[2, 1]) <= BOX and box[2, 1] <= padding


@njit(cache=True, nogil=True)
def widest_gap(coordinates, size):
    """The longest stretch of a periodic axis of `size` points without atoms, and what follows it.

    `coordinates` are fractional; an atom is at the last point before it. Returns the index of the
    first point with an atom after the stretch, and how many points the stretch has.
    """
    occupied = np.zeros(size, np.bool_)
    for x in coordinates:
        occupied[int((x - math.floor(x)) * size) % size] = True
    first, widest, empty = 0, 0, 0
    # Twice around, so that a stretch over the boundary is met in one piece
    for index in range(2 * size):
        if not occupied[index % size]:
            empty += 1
        else:
            if empty > widest:
                first, widest = index % size, empty
            empty = 0
    return first, widest


@njit(cache=True, nogil=True, forceinline=True)
def list_rows(rows, box, flat, first, last):
    """List where the rows of the grid that cross a disc begin, plane by plane.

    Row (u, v) begins at u * plane + v * row, an int32: in whole vectors. A plane has none where
    another thread owns it.

    Inputs
    ------
    rows.low, rows.high, box, flat
        The disc and the grid.
    first, last
        The planes first <= u < last of the grid count.

    Scratch
    -------
    rows.in_plane

    Outputs
    -------
    rows.start, rows.at
        The list; how many there are is returned.
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
            # As many for every plane: a loop of changing length would be mispredicted each time
            for m in range(0, box[1, 1], LANES):
                of_plane = load(in_plane, np.uint64(low[i] + m))
                store(at, np.uint64(n + m), add(of_plane, constant(at, u * plane)))
            n += high[i] - low[i]
        u += 1
        if u == nu:
            u = 0
    start[box[0, 1]] = n
    return n


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _disc_rows(rows, place, xx, xy, yy, r2):
    """Rows j of each plane i of the box that cross the disc xx x^2 + 2 xy x y + yy y^2 <= r2."""
    low, high, box, center = rows.low, rows.high, place.box, place.center
    dx, dy, end = box[0, 0] - center[0], box[1, 0] - center[1], box[1, 3]
    slope, narrowing, widest = -xy / yy, xx / yy - (xy / yy) ** 2, r2 / yy
    for i in range(box[0, 1]):
        x = dx + i
        middle, half = slope * x - dy, math.sqrt(max(widest - narrowing * x * x, 0.0))
        low[i] = max(math.ceil(middle - half), 0)
        high[i] = min(math.floor(middle + half) + 1, end)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def place_sphere(place, frac, radius, axes):
    """Set `place` to a sphere (radius in Å) at `frac` (3,) on a grid with right angles."""
    center, half, _ = place
    shape, spacing = axes
    for axis in range(3):
        center[axis] = frac[axis] * shape[axis]
        half[axis] = radius / spacing[axis]
    place_box(place, shape[2])


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def sphere_rows(rows, place, spacing):
    """Set `low` and `high` of the rows that cross the sphere."""
    yy = (spacing[1] / spacing[0]) ** 2
    _disc_rows(rows, place, 1.0, 0.0, yy, place.half[0] ** 2)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def ellipsoid_rows(rows, place, form, limit):
    """Set `low` and `high` of the rows that cross the ellipsoid d Q d <= limit: its shadow."""
    xx, yy, zz, xy, xz, yz = form
    # The Schur complement of the form
    xx, yy, xy = xx - xz**2 / zz, yy - yz**2 / zz, xy - xz * yz / zz
    _disc_rows(rows, place, xx, xy, yy, limit)
