"""Which grid points an atom reaches: boxes, discs, and lists of rows. Shared with the adjoint.

Distances are in grid steps; a box begins at any integer and has whole vectors along z.
"""

import math

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.simd import LANES, add, constant, load, store

BOX = 96
"""Largest number of grid points across an atom along one axis that the fast kernels take."""

ROWS = BOX * BOX + BOX
"""Room for the rows of one atom, which are written in whole vectors."""


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
def table_radius(radius_table, kind, group, b_position):
    """The radius of a group, interpolated in a table of equally spaced B."""
    index = min(int(b_position), radius_table.shape[2] - 2)
    fraction = b_position - index
    row = radius_table[kind, group]
    return row[index] * (1.0 - fraction) + row[index + 1] * fraction


@njit(cache=True, nogil=True, error_model="numpy")
def place_box(center, half, nw, box):
    """Box of grid points within `half` (3,) of `center` (3,), for tables of whole vectors.

    box[axis] = first index, size of the table that begins there, and the range low <= m < high
    of it that is within `half`. Along y the table ends after whole vectors; along z it also begins
    at a multiple of LANES in the row of `nw` points: a vector that crosses no boundary of the
    cache's lines is read and written twice as fast.
    """
    for axis in range(3):
        first, n = span(center[axis], half[axis])
        shift = (first % nw) % LANES if axis == 2 else 0
        box[axis, 0], box[axis, 1] = first - shift, n if axis == 0 else whole_vectors(n + shift)
        box[axis, 2], box[axis, 3] = shift, shift + n


@njit(cache=True, nogil=True)
def fits_tables(box, padding):
    """Whether tables of BOX points hold the box, and rows that much longer than the cell do."""
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


@njit(cache=True, nogil=True)
def list_rows(row_at, start, in_plane, low, high, box, nu, nv, plane, row, first, last):
    """List where the rows of the grid that cross a disc begin, plane by plane.

    Row (u, v) begins at u * plane + v * row, an int32: in whole vectors. Plane i of the box has the
    rows start[i] <= r < start[i + 1] of the list, those of low[i] <= j < high[i]; none where
    another thread owns it. Returns how many there are.
    """
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
                rows = load(in_plane, np.uint64(low[i] + m))
                store(row_at, np.uint64(n + m), add(rows, constant(row_at, u * plane)))
            n += high[i] - low[i]
        u += 1
        if u == nu:
            u = 0
    start[box[0, 1]] = n
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def disc_rows(low, high, box, center, xx, xy, yy, r2):
    """Rows j of each plane i of the box that cross the disc xx x^2 + 2 xy x y + yy y^2 <= r2."""
    dx, dy, end = box[0, 0] - center[0], box[1, 0] - center[1], box[1, 3]
    slope, narrowing, widest = -xy / yy, xx / yy - (xy / yy) ** 2, r2 / yy
    for i in range(box[0, 1]):
        x = dx + i
        middle, half = slope * x - dy, math.sqrt(max(widest - narrowing * x * x, 0.0))
        low[i] = max(math.ceil(middle - half), 0)
        high[i] = min(math.floor(middle + half) + 1, end)


@njit(cache=True, nogil=True, error_model="numpy")
def place_sphere(frac, radius, spacing, shape, center, half, box):
    """Centre, half-widths and box of a sphere (radius in A) on a grid with right angles."""
    for axis in range(3):
        center[axis] = frac[axis] * shape[axis]
        half[axis] = radius / spacing[axis]
    place_box(center, half, shape[2], box)


@njit(cache=True, nogil=True, error_model="numpy")
def sphere_rows(low, high, box, center, half, spacing):
    """Rows of the box that cross the sphere, by plane."""
    yy = (spacing[1] / spacing[0]) ** 2
    disc_rows(low, high, box, center, 1.0, 0.0, yy, half[0] ** 2)


@njit(cache=True, nogil=True, error_model="numpy")
def ellipsoid_rows(low, high, box, center, form, limit):
    """Rows of the box that cross the ellipsoid d Q d <= limit, by plane: its shadow along z."""
    xx, yy, zz, xy, xz, yz = form
    # The Schur complement of the form
    xx, yy, xy = xx - xz**2 / zz, yy - yz**2 / zz, xy - xz * yz / zz
    disc_rows(low, high, box, center, xx, xy, yy, limit)
