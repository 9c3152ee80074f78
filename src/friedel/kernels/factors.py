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
    constant,
    exp,
    load,
    maximum,
    multiply,
    multiply_add,
    steps,
    store,
)

PROFILE_FLOOR = -35.0
"""Exponent at which the factors of a separable Gaussian end: products stay normal numbers."""

PAIR_FLOOR = -85.0
"""Lowest exponent, at its centre, of a factor of two indices: exp(-85) is a float32 still."""

PAIR_CEILING = 40.0
"""Highest exponent of such a factor."""

LEAST_RATIO = 1e-30
"""Of neighbouring rows of such a factor; less would soon be denormal numbers, which are slow."""

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
def _fill_quadratic(out, at, n, first, offset, c0, c1, c2):
    """out[at + i] = exp(c0 + d (c1 + c2 d)), d = first + offset + i, in whole vectors."""
    offset_vector, floor = constant(out, offset), constant(out, PAIR_FLOOR)
    c0_vector, c1_vector, c2_vector = constant(out, c0), constant(out, c1), constant(out, c2)
    for i in range(0, n, LANES):
        d = add(add(steps(out), constant(out, first + i)), offset_vector)
        exponent = multiply_add(multiply_add(c2_vector, d, c1_vector), d, c0_vector)
        store(out, np.uint64(at + i), exp(maximum(exponent, floor)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_pair_table(out, at, rows, columns, row_center, column_center, rr, cc, rc, peak, ratio):
    """out[at + r, c] = peak exp(-(rr dr^2 / 2 + cc dc^2 / 2 + 2 rc dr dc)); 0 outside of the box.

    `rows` and `columns` are lines of the box, the latter of whole vectors. From the row
    nearest to dr = 0 outward: the ratio of neighbouring rows is exp of a linear function, and
    itself shrinks by a constant factor.
    """
    n, size = rows[1], columns[1]
    middle = min(max(int(np.rint(row_center)) - rows[0], 0), n - 1)
    dr = rows[0] + middle - row_center
    first = at + middle * size
    nearest = int(np.rint(column_center))
    column0, offset = columns[0] - nearest, nearest - column_center
    _fill_quadratic(
        out, first, size, column0, offset, -0.5 * rr * dr * dr, -2.0 * rc * dr, -0.5 * cc
    )
    for c in range(columns[2], columns[3]):
        out[first + c] *= peak
    # Beyond the box an exponent can be below the floor, and what is raised to it would grow
    for c in range(columns[2]):
        out[first + c] = 0.0
    for c in range(columns[3], size):
        out[first + c] = 0.0
    shrink, least = constant(out, math.exp(-rr)), constant(out, LEAST_RATIO)
    for direction in (1, -1):
        # the exponent of the next row, less that of this one
        base, slope = -0.5 * rr * (1.0 + 2.0 * direction * dr), -2.0 * rc * direction
        _fill_quadratic(ratio, 0, size, column0, offset, base, slope, 0.0)
        count = n - 1 - middle if direction == 1 else middle
        for c in range(0, size, LANES):
            row = first + c
            value, change = load(out, np.uint64(row)), load(ratio, np.uint64(c))
            for _ in range(count):
                row += direction * size
                value = multiply(value, change)
                change = maximum(multiply(change, shrink), least)
                store(out, np.uint64(row), value)


@njit(cache=True, nogil=True)
def has_cross_term(form):
    """Whether any Gaussian of the group has a term of y and z."""
    for t in range(GROUP):
        if abs(form[t, 5]) > NO_CROSS_TERM * math.sqrt(form[t, 1] * form[t, 2]):
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def is_factorable(q, half, crossed):
    """Whether the factors of the narrowest form stay within the range of float32."""
    x = math.sqrt(q[0]) * half[0]
    y = math.sqrt(q[1]) * half[1]
    z = math.sqrt(q[2]) * half[2]
    share = 0.5 if crossed else 1.0
    if max(0.5 * x * x, share * y * y, share * z * z) > -PAIR_FLOOR:
        return False
    # a^2/2 + b^2/2 - 2 rho a b >= -(2 rho - 1) a b for |a| <= x, |b| <= y
    xy = (2.0 * abs(q[3]) / math.sqrt(q[0] * q[1]) - 1.0) * x * y
    xz = (2.0 * abs(q[4]) / math.sqrt(q[0] * q[2]) - 1.0) * x * z
    yz = (2.0 * abs(q[5]) / math.sqrt(q[1] * q[2]) - 1.0) * y * z
    return max(xy, xz, yz) < PAIR_CEILING


@njit(cache=True, nogil=True, error_model="numpy")
def fill_pair_tables(xz, yz, xy, t, box, center, form, peak, crossed, ratio):
    """The tables [t, i, k], [t, j, k] and [t, i, j] of Gaussian t of a group, on a box.

    `yz` is filled where the group is `crossed`. The whole is `peak` at the centre.
    """
    xx, yy, zz, qxy, qxz, qyz = form
    x, y, z = box
    cx, cy, cz = center
    share = 1.0 if crossed else 2.0
    _fill_pair_table(xz, t * x[1] * z[1], x, z, cx, cz, xx, share * zz, qxz, 1.0, ratio)
    _fill_pair_table(xy, t * x[1] * y[1], x, y, cx, cy, xx, share * yy, qxy, peak, ratio)
    if crossed:
        _fill_pair_table(yz, t * y[3] * z[1], y, z, cy, cz, yy, zz, qyz, 1.0, ratio)
