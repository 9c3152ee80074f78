"""The factors of a Gaussian on a grid: tables of one index, or of two.

An isotropic Gaussian on right-angled axes is x[i] y[j] z[k]. Any other one is
xz[i, k] xy[i, j] yz[j, k], where every diagonal of the form is shared half and half by two
factors; where the form has no term of y and z, it is xz[i, k] xy[i, j], and only the diagonal of
x is shared.

Distances from the atom are calculated as integers plus a small offset, so that float32 does not
shift the atom. Tables are in whole vectors.
"""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.boxes import BOX
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.simd import (
    LANES,
    add,
    broadcast,
    constant,
    divide,
    exp,
    load,
    maximum,
    minimum,
    multiply,
    steps,
    store,
    zero_where_less,
)

PROFILE_FLOOR = -35.0
"""Exponent at which the factors of a separable Gaussian end: products stay normal numbers."""

PAIR_FLOOR = -42.0
"""Exponent below which a factor of two indices is zero, in float32: products of two are normal
numbers; denormal ones would be slow."""

HALF_FLOOR = -80.0
"""Lowest exponent of what such a factor is made of, in float32."""

WIDER = 8.0
"""The range of exponents of float64 in that of float32."""

PAIR_CEILING = 12.0
"""Highest exponent of such a factor: times what another loses below its floor it is still small."""

HIGHEST_TILT = 50.0
"""Highest exponent of the part of such a factor that grows: exp(50) is a float32 still."""

NO_CROSS_TERM = 1e-12
"""Correlation of two axes that is rounding."""


class PairTables(NamedTuple):
    """The factors of two indices of a group's Gaussians on a box of grid points. Scratch memory.

    Attributes
    ----------
    xz, xy, yz
        Flat, [t, i, k], [t, i, j] and [t, j, k] as close as the box allows; `xy` with room behind
        that for whole vectors, or for two more such tables.
    half
        (3 GROUP BOX,) halves of the diagonal terms along x, y and z.
    tilts
        (2 GROUP BOX,) what turns one row of a table into the next.
    """

    xz: np.ndarray
    xy: np.ndarray
    yz: np.ndarray
    half: np.ndarray
    tilts: np.ndarray


@njit(inline="always")
def new_pair_tables(grid, tables_xy):
    """Memory for :class:`PairTables` in the grid's type, with so many tables xy."""
    return PairTables(
        np.empty(GROUP * BOX * BOX, grid.dtype),
        np.empty(tables_xy * GROUP * BOX * BOX + BOX, grid.dtype),
        np.empty(GROUP * BOX * BOX, grid.dtype),
        np.empty(3 * GROUP * BOX, grid.dtype),
        np.empty(2 * GROUP * BOX, grid.dtype),
    )


@njit(cache=True, nogil=True)
def distances(out, numbers, line, center):
    """Of the grid points `numbers` (a vector) of `line`, a row of a box, from the center."""
    middle = int(np.rint(center))
    return add(add(numbers, constant(out, line[0] - middle)), constant(out, middle - center))


@njit(cache=True, nogil=True)
def _in_type(out, exponent):
    """An exponent near the end of float32's range as one of the array's type."""
    return exponent if out.itemsize == 4 else exponent * WIDER


@njit(cache=True, nogil=True, error_model="numpy")
def fill_profile(out, at, line, center, q, peak):
    """out[at + i] = peak exp(-q d^2), d = first + i - center; `line` is a row of a box."""
    minus_q, peak_vector = constant(out, -q), constant(out, peak)
    floor = constant(out, PROFILE_FLOOR)
    for i in range(0, line[1], LANES):
        d = distances(out, add(steps(out), constant(out, i)), line, center)
        exponent = multiply(multiply(minus_q, d), d)
        store(out, np.uint64(at + i), multiply(peak_vector, exp(maximum(exponent, floor))))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_half(out, at, line, center, q):
    """out[at + i] = exp(-q d^2) with d as in `fill_profile`, but 0 outside of the box."""
    minus_q, floor = constant(out, -q), constant(out, _in_type(out, HALF_FLOOR))
    low, high = constant(out, line[2]), constant(out, line[3] - 1)
    for i in range(0, line[1], LANES):
        number = add(steps(out), constant(out, i))
        d = distances(out, number, line, center)
        value = exp(maximum(multiply(multiply(minus_q, d), d), floor))
        value = zero_where_less(zero_where_less(value, number, low), high, number)
        store(out, np.uint64(at + i), value)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_tilt(out, at, line, center, slope):
    """out[at + i] = exp(slope d), d as in `fill_profile`, but not beyond the box: it may grow."""
    slope_vector = constant(out, slope)
    low, high = constant(out, line[2]), constant(out, line[3] - 1)
    for i in range(0, line[1], LANES):
        number = minimum(maximum(add(steps(out), constant(out, i)), low), high)
        d = distances(out, number, line, center)
        store(out, np.uint64(at + i), exp(multiply(slope_vector, d)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_pair_table(out, row, column, place, form, half, tilts):
    """out[t, r, c] = half_row[t, r] half_column[t, c] exp(-2 q_t dr dc), or 0 where that is tiny.

    The exponential, from the row nearest to dr = 0 outward, changes by the same factor
    from row to row; the Gaussians take turns, as each waits for its own products.

    Inputs
    ------
    row, column
        Axes of r and c; q_t is the element of form[t] of both. Along c the box has whole vectors.
    place, form
        Where the box is, and the Gaussians.
    half
        The profiles along all axes.

    Scratch
    -------
    tilts
    """
    half_row, half_column, cross = row * GROUP * BOX, column * GROUP * BOX, row + column + 2
    rows, row_center = place.box[row], place.center[row]
    columns, column_center = place.box[column], place.center[column]
    n, size, line = rows[1], columns[1], np.uint64(BOX)
    middle = min(max(int(np.rint(row_center)) - rows[0], 0), n - 1)
    dr = rows[0] + middle - row_center
    for t in range(GROUP):
        q = form[t, cross]
        _fill_tilt(tilts, t * BOX, columns, column_center, -2.0 * q * dr)
        _fill_tilt(tilts, (GROUP + t) * BOX, columns, column_center, -2.0 * q)
    least = constant(out, math.exp(_in_type(out, PAIR_FLOOR)))
    one, table = constant(out, 1.0), np.uint64(n * size)
    for c in range(0, size, LANES):
        at, of = np.uint64(c), np.uint64(half_column + c)
        start0 = multiply(load(tilts, at), load(half, of))
        start1 = multiply(load(tilts, at + line), load(half, of + line))
        start2 = multiply(load(tilts, at + line + line), load(half, of + line + line))
        at += np.uint64(GROUP * BOX)
        change0, change1 = load(tilts, at), load(tilts, at + line)
        change2 = load(tilts, at + line + line)
        for direction in (1, -1):
            power0, power1, power2 = start0, start1, start2
            for r in range(middle, n if direction == 1 else -1, direction):
                to, of = np.uint64(r * size + c), np.uint64(half_row + r)
                value = multiply(power0, broadcast(half, of))
                store(out, to, zero_where_less(value, value, least))
                value = multiply(power1, broadcast(half, of + line))
                store(out, to + table, zero_where_less(value, value, least))
                value = multiply(power2, broadcast(half, of + line + line))
                store(out, to + table + table, zero_where_less(value, value, least))
                power0, power1 = multiply(power0, change0), multiply(power1, change1)
                power2 = multiply(power2, change2)
            change0, change1, change2 = (
                divide(one, change0),
                divide(one, change1),
                divide(one, change2),
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_product_table(out, row, column, box, half):
    """`_fill_pair_table` for two axes that are not correlated."""
    half_row, half_column = row * GROUP * BOX, column * GROUP * BOX
    n, size = box[row, 1], box[column, 1]
    least = constant(out, math.exp(_in_type(out, PAIR_FLOOR)))
    for t in range(GROUP):
        for r in range(n):
            factor = broadcast(half, np.uint64(half_row + t * BOX + r))
            for c in range(0, size, LANES):
                value = multiply(factor, load(half, np.uint64(half_column + t * BOX + c)))
                to = np.uint64((t * n + r) * size + c)
                store(out, to, zero_where_less(value, value, least))


@njit(cache=True, nogil=True)
def has_cross_term(form, row, column):
    """Whether any Gaussian of the group has a term of these two axes."""
    for t in range(GROUP):
        correlation = form[t, row + column + 2] / math.sqrt(form[t, row] * form[t, column])
        if abs(correlation) > NO_CROSS_TERM:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def is_factorable(q, half):
    """Whether the factors of the form keep in range in a box of these half-widths."""
    x, y, z = math.sqrt(q[0]) * half[0], math.sqrt(q[1]) * half[1], math.sqrt(q[2]) * half[2]
    xy = abs(q[3]) / math.sqrt(q[0] * q[1])
    xz = abs(q[4]) / math.sqrt(q[0] * q[2])
    yz = abs(q[5]) / math.sqrt(q[1] * q[2])
    if 2.0 * max(xy * x * y, xz * x * z, yz * y * z) > HIGHEST_TILT:
        return False
    # a^2/2 + b^2/2 - 2 rho a b >= -(2 rho - 1) a b for |a| <= x, |b| <= y
    highest = max((2.0 * xy - 1.0) * x * y, (2.0 * xz - 1.0) * x * z, (2.0 * yz - 1.0) * y * z)
    return highest < PAIR_CEILING


@njit(cache=True, nogil=True, error_model="numpy")
def fill_pair_tables(tables, place, form, crossed):
    """Set the tables of the Gaussians of a group on a box. Their product is 1 at the centre.

    Inputs
    ------
    place, form
        Where the box is, and the Gaussians (GROUP, 6).
    crossed
        Whether the group has a term of y and z.

    Scratch
    -------
    tables.half, tables.tilts

    Outputs
    -------
    tables.xz, tables.xy, tables.yz
        The last only where the group is crossed.
    """
    box, center, half, tilts = place.box, place.center, tables.half, tables.tilts
    share = 0.5 if crossed else 1.0
    for t in range(GROUP):
        _fill_half(half, t * BOX, box[0], center[0], 0.5 * form[t, 0])
        _fill_half(half, (GROUP + t) * BOX, box[1], center[1], share * form[t, 1])
        _fill_half(half, (2 * GROUP + t) * BOX, box[2], center[2], share * form[t, 2])
    # Of one type, where numba would compile the function again for each of the literals 0, 1, 2
    x, y, z = np.int64(0), np.int64(1), np.int64(2)
    _fill_table(tables.xz, x, z, place, form, half, tilts)
    _fill_table(tables.xy, x, y, place, form, half, tilts)
    if crossed:
        _fill_table(tables.yz, y, z, place, form, half, tilts)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_table(out, row, column, place, form, half, tilts):
    if has_cross_term(form, row, column):
        _fill_pair_table(out, row, column, place, form, half, tilts)
    else:
        _fill_product_table(out, row, column, place.box, half)
