"""Factors of a Gaussian on a grid: tables with one index, or with two.

An isotropic Gaussian on right-angled axes is x[i] y[j] z[k]. Any other one is
xz[i, k] xy[i, j] yz[j, k], where every diagonal term of the form is split equally between two
factors; where the form has no term of y and z, it is xz[i, k] xy[i, j], and only the diagonal of
x is split.

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
"""Smallest exponent of the factors of a separable Gaussian: products stay normal numbers."""

PAIR_FLOOR = -42.0
"""Exponent below which a factor of two indices is zero, in float32: products of two are normal
numbers; denormal ones would be slow."""

HALF_FLOOR = -80.0
"""Smallest exponent of the parts of a factor of two indices, in float32."""

FLOAT64_RANGE = 8.0
"""Range of exponents of float64 relative to that of float32."""

PAIR_CEILING = 12.0
"""Largest exponent of a factor of two indices: times another one below its floor it is small."""

HIGHEST_GROWTH = 50.0
"""Largest exponent of the growing part of such a factor: exp(50) is in the range of float32."""

NO_CROSS_TERM = 1e-12
"""Largest correlation of two axes that counts as rounding."""


class PairTables(NamedTuple):
    """The factors of two indices of a group's Gaussians on a box of grid points. Scratch memory.

    Attributes
    ----------
    xz, xy, yz
        Flat tables [t, i, k], [t, i, j] and [t, j, k] without gaps; `xy` is padded for whole
        vectors, or for two more such tables.
    half
        (3 GROUP BOX,) halves of the diagonal terms along x, y and z.
    row_factors
        (2 GROUP BOX,) exponentials of the nearest row, and the ratios of successive rows.
    """

    xz: np.ndarray
    xy: np.ndarray
    yz: np.ndarray
    half: np.ndarray
    row_factors: np.ndarray


@njit(inline="always")
def new_pair_tables(grid, tables_xy):
    """Memory for :class:`PairTables` in the grid's type, with `tables_xy` tables xy."""
    return PairTables(
        np.empty(GROUP * BOX * BOX, grid.dtype),
        np.empty(tables_xy * GROUP * BOX * BOX + BOX, grid.dtype),
        np.empty(GROUP * BOX * BOX, grid.dtype),
        np.empty(3 * GROUP * BOX, grid.dtype),
        np.empty(2 * GROUP * BOX, grid.dtype),
    )


@njit(nogil=True)
def distances(out, numbers, line, center):
    """Distances from the center of the points `numbers` (a vector) of `line`, a row of a box."""
    middle = int(np.rint(center))
    return add(add(numbers, constant(out, line[0] - middle)), constant(out, middle - center))


@njit(nogil=True)
def _in_type(out, exponent):
    """An exponent near the limit of float32, scaled to the range of the array's type."""
    return exponent if out.itemsize == 4 else exponent * FLOAT64_RANGE


@njit(nogil=True, error_model="numpy")
def fill_profile(out, at, line, center, q, peak):
    """out[at + i] = peak exp(-q d^2), d = first + i - center; `line` is a row of a box."""
    minus_q, peak_vector = constant(out, -q), constant(out, peak)
    floor = constant(out, PROFILE_FLOOR)
    for i in range(0, line[1], LANES):
        d = distances(out, add(steps(out), constant(out, i)), line, center)
        exponent = multiply(multiply(minus_q, d), d)
        store(out, np.uint64(at + i), multiply(peak_vector, exp(maximum(exponent, floor))))


@njit(nogil=True, error_model="numpy")
def _fill_half(out, at, line, center, q):
    """out[at + i] = exp(-q d^2) with d as in `fill_profile`, but 0 outside the box."""
    minus_q, floor = constant(out, -q), constant(out, _in_type(out, HALF_FLOOR))
    low, high = constant(out, line[2]), constant(out, line[3] - 1)
    for i in range(0, line[1], LANES):
        number = add(steps(out), constant(out, i))
        d = distances(out, number, line, center)
        value = exp(maximum(multiply(multiply(minus_q, d), d), floor))
        value = zero_where_less(zero_where_less(value, number, low), high, number)
        store(out, np.uint64(at + i), value)


@njit(nogil=True, error_model="numpy")
def _fill_row_factors(out, at, line, center, slope):
    """out[at + i] = exp(slope d), d as in `fill_profile` but clipped to the box, as it may grow."""
    slope_vector = constant(out, slope)
    low, high = constant(out, line[2]), constant(out, line[3] - 1)
    for i in range(0, line[1], LANES):
        number = minimum(maximum(add(steps(out), constant(out, i)), low), high)
        d = distances(out, number, line, center)
        store(out, np.uint64(at + i), exp(multiply(slope_vector, d)))


@njit(nogil=True, error_model="numpy")
def _fill_pair_table(out, row, column, place, form, half, row_factors):
    """out[t, r, c] = half_row[t, r] half_column[t, c] exp(-2 q_t dr dc), or 0 where that is tiny.

    The exponential, from the row nearest to dr = 0 outward, changes by the same factor
    from row to row; the Gaussians are interleaved, as each waits for its own products.

    Inputs
    ------
    row, column
        Axes of r and c; q_t is the element of form[t] of both. Along c the box has whole vectors.
    place, form
        The box, and the forms of the Gaussians.
    half
        The profiles along all axes.

    Scratch
    -------
    row_factors
    """
    half_row, half_column, cross = row * GROUP * BOX, column * GROUP * BOX, row + column + 2
    rows, row_center = place.box[row], place.center[row]
    columns, column_center = place.box[column], place.center[column]
    n, size, line = rows[1], columns[1], np.uint64(BOX)
    if n == 0:
        return  # no grid plane is near enough: row -1 would lie before the table
    middle = min(max(int(np.rint(row_center)) - rows[0], 0), n - 1)
    dr = rows[0] + middle - row_center
    for t in range(GROUP):
        q = form[t, cross]
        _fill_row_factors(row_factors, t * BOX, columns, column_center, -2.0 * q * dr)
        _fill_row_factors(row_factors, (GROUP + t) * BOX, columns, column_center, -2.0 * q)
    least = constant(out, math.exp(_in_type(out, PAIR_FLOOR)))
    one, table = constant(out, 1.0), np.uint64(n * size)
    for c in range(0, size, LANES):
        at, of = np.uint64(c), np.uint64(half_column + c)
        start0 = multiply(load(row_factors, at), load(half, of))
        start1 = multiply(load(row_factors, at + line), load(half, of + line))
        start2 = multiply(load(row_factors, at + line + line), load(half, of + line + line))
        at += np.uint64(GROUP * BOX)
        change0, change1 = load(row_factors, at), load(row_factors, at + line)
        change2 = load(row_factors, at + line + line)
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


@njit(nogil=True, error_model="numpy")
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


@njit(nogil=True)
def has_cross_term(form, row, column):
    """Whether any Gaussian of the group has a term of these two axes."""
    for t in range(GROUP):
        correlation = form[t, row + column + 2] / math.sqrt(form[t, row] * form[t, column])
        if abs(correlation) > NO_CROSS_TERM:
            return True
    return False


@njit(nogil=True, error_model="numpy")
def is_factorable(q, half):
    """Whether the factors of the form stay in range in a box of these half-widths."""
    x, y, z = math.sqrt(q[0]) * half[0], math.sqrt(q[1]) * half[1], math.sqrt(q[2]) * half[2]
    xy = abs(q[3]) / math.sqrt(q[0] * q[1])
    xz = abs(q[4]) / math.sqrt(q[0] * q[2])
    yz = abs(q[5]) / math.sqrt(q[1] * q[2])
    if 2.0 * max(xy * x * y, xz * x * z, yz * y * z) > HIGHEST_GROWTH:
        return False
    # a^2/2 + b^2/2 - 2 rho a b >= -(2 rho - 1) a b for |a| <= x, |b| <= y
    highest = max((2.0 * xy - 1.0) * x * y, (2.0 * xz - 1.0) * x * z, (2.0 * yz - 1.0) * y * z)
    return highest < PAIR_CEILING


@njit(nogil=True, error_model="numpy")
def fill_pair_tables(tables, place, form, crossed):
    """Set the tables of the Gaussians of a group on a box. Their product is 1 at the centre.

    Inputs
    ------
    place, form
        The box, and the forms (GROUP, 6) of the Gaussians.
    crossed
        Whether the forms of the group have a term of y and z.

    Scratch
    -------
    tables.half, tables.row_factors

    Outputs
    -------
    tables.xz, tables.xy, tables.yz
        The tables; yz only if the group is crossed.
    """
    box, center, half, row_factors = place.box, place.center, tables.half, tables.row_factors
    share = 0.5 if crossed else 1.0
    for t in range(GROUP):
        _fill_half(half, t * BOX, box[0], center[0], 0.5 * form[t, 0])
        _fill_half(half, (GROUP + t) * BOX, box[1], center[1], share * form[t, 1])
        _fill_half(half, (2 * GROUP + t) * BOX, box[2], center[2], share * form[t, 2])
    # Of one type, as numba would compile the function for each of the literals 0, 1, 2
    x, y, z = np.int64(0), np.int64(1), np.int64(2)
    _fill_table(tables.xz, x, z, place, form, half, row_factors)
    _fill_table(tables.xy, x, y, place, form, half, row_factors)
    if crossed:
        _fill_table(tables.yz, y, z, place, form, half, row_factors)


@njit(nogil=True, error_model="numpy")
def _fill_table(out, row, column, place, form, half, row_factors):
    if has_cross_term(form, row, column):
        _fill_pair_table(out, row, column, place, form, half, row_factors)
    else:
        _fill_product_table(out, row, column, place.box, half)
