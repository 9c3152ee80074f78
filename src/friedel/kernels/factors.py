"""The factors of a Gaussian on a grid: tables of one index, or of two.

An isotropic Gaussian on right-angled axes is x[i] y[j] z[k]. Any other one is
xz[i, k] xy[i, j] yz[j, k], where every diagonal of the form is shared half and half by two
factors; where the form has no term of y and z, it is xz[i, k] xy[i, j], and only the diagonal of
x is shared.

Distances from the atom are calculated as integers plus a small offset, so that float32 does not
shift the atom. Tables are in whole vectors.
"""

import math

import numpy as np
from numba import njit

from friedel.kernels.ellipsoids import GROUP
from friedel.kernels.vectors import (
    LANES,
    add,
    broadcast,
    constant,
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


@njit(cache=True, nogil=True, error_model="numpy")
def fill_profile(out, at, line, center, q, peak):
    """out[at + i] = peak exp(-q d^2), d = first + i - center; `line` is a row of a box."""
    middle = int(np.rint(center))
    offset_vector, peak_vector = constant(out, middle - center), constant(out, peak)
    minus_q, floor = constant(out, -q), constant(out, PROFILE_FLOOR)
    for i in range(0, line[1], LANES):
        d = add(add(steps(out), constant(out, line[0] - middle + i)), offset_vector)
        exponent = multiply(multiply(minus_q, d), d)
        store(out, np.uint64(at + i), multiply(peak_vector, exp(maximum(exponent, floor))))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_half(out, line, center, q):
    """out[i] = exp(-q d^2) with d as in `fill_profile`, but 0 outside of the box."""
    middle = int(np.rint(center))
    offset, minus_q = constant(out, middle - center), constant(out, -q)
    floor = constant(out, HALF_FLOOR * (1.0 if out.itemsize == 4 else WIDER))
    low, high = constant(out, line[2]), constant(out, line[3] - 1)
    for i in range(0, line[1], LANES):
        number = add(steps(out), constant(out, i))
        d = add(add(number, constant(out, line[0] - middle)), offset)
        value = exp(maximum(multiply(multiply(minus_q, d), d), floor))
        value = zero_where_less(zero_where_less(value, number, low), high, number)
        store(out, np.uint64(i), value)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_tilt(out, line, center, slope):
    """out[i] = exp(slope d), d as in `fill_profile`, but not beyond the box: it may grow there."""
    middle = int(np.rint(center))
    offset, slope_vector = constant(out, middle - center), constant(out, slope)
    low, high = constant(out, line[2]), constant(out, line[3] - 1)
    for i in range(0, line[1], LANES):
        number = minimum(maximum(add(steps(out), constant(out, i)), low), high)
        d = add(add(number, constant(out, line[0] - middle)), offset)
        store(out, np.uint64(i), exp(multiply(slope_vector, d)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_pair_table(
    out, at, rows, columns, row_center, column_center, rc, half_row, half_column, tilt, ratio, least
):
    """out[at + r, c] = half_row[r] half_column[c] exp(-2 rc dr dc), or 0 below `least`.

    `rows` and `columns` are rows of a box, the latter of whole vectors. The exponential, from the
    row nearest to dr = 0 outward, changes by the same factor from row to row.
    """
    n, size = rows[1], columns[1]
    middle = min(max(int(np.rint(row_center)) - rows[0], 0), n - 1)
    dr = rows[0] + middle - row_center
    least_vector = constant(out, least)
    _fill_tilt(tilt, columns, column_center, -2.0 * rc * dr)
    for direction in (1, -1):
        _fill_tilt(ratio, columns, column_center, -2.0 * rc * direction)
        end = n if direction == 1 else -1
        for c in range(0, size, LANES):
            change = load(ratio, np.uint64(c))
            power = multiply(load(tilt, np.uint64(c)), load(half_column, np.uint64(c)))
            for r in range(middle, end, direction):
                value = multiply(power, broadcast(half_row, np.uint64(r)))
                value = zero_where_less(value, value, least_vector)
                store(out, np.uint64(at + r * size + c), value)
                power = multiply(power, change)


@njit(cache=True, nogil=True)
def has_cross_term(form):
    """Whether any Gaussian of the group has a term of y and z."""
    for t in range(GROUP):
        if abs(form[t, 5]) > NO_CROSS_TERM * math.sqrt(form[t, 1] * form[t, 2]):
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
def fill_pair_tables(xz, yz, xy, t, box, center, form, crossed, lines):
    """The tables [t, i, k], [t, j, k] and [t, i, j] of Gaussian t of a group, on a box.

    `yz` is filled where the group is `crossed`. The whole is 1 at the centre. `lines` is
    for (5, BOX) numbers.
    """
    xx, yy, zz, qxy, qxz, qyz = form
    x, y, z = box[0], box[1], box[2]
    cx, cy, cz = center
    half_x, half_y, half_z, tilt, ratio = lines[0], lines[1], lines[2], lines[3], lines[4]
    share = 0.5 if crossed else 1.0
    _fill_half(half_x, x, cx, 0.5 * xx)
    _fill_half(half_y, y, cy, share * yy)
    _fill_half(half_z, z, cz, share * zz)
    least = math.exp(PAIR_FLOOR * (1.0 if xz.itemsize == 4 else WIDER))
    at = t * x[1] * z[1]
    _fill_pair_table(xz, at, x, z, cx, cz, qxz, half_x, half_z, tilt, ratio, least)
    at = t * x[1] * y[1]
    _fill_pair_table(xy, at, x, y, cx, cy, qxy, half_x, half_y, tilt, ratio, least)
    if crossed:
        at = t * y[1] * z[1]
        _fill_pair_table(yz, at, y, z, cy, cz, qyz, half_y, half_z, tilt, ratio, least)
