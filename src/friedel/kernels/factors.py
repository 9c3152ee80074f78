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
    minimum,
    multiply,
    multiply_add,
    steps,
    store,
    zero_below,
)

PROFILE_FLOOR = -35.0
"""Exponent at which the factors of a separable Gaussian end: products stay normal numbers."""

PAIR_FLOORS = (-40.0, -26.0)
"""Exponents below which a factor of two indices is zero, where a Gaussian has two of them and where
three: products of denormal numbers, or such products, would be slow."""

PAIR_CEILING = 4.0
"""Highest exponent of such a factor: what is lost below the floors stays below 2e-8 of the peak."""

NEGLIGIBLE = -18.0
"""Exponent of a Gaussian, relative to its peak, that need not be right."""

HIGHEST_STEP = 60.0
"""Exponent of a ratio of rows that only occurs where both are zero."""

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
def _fill_quadratic(out, at, line, center, c0, c1, c2, floor):
    """out[at + i] = exp(c0 + d (c1 + c2 d)) with d as in `fill_profile`, and limited exponents."""
    middle = int(np.rint(center))
    offset, c0_vector = constant(out, middle - center), constant(out, c0)
    c1_vector, c2_vector = constant(out, c1), constant(out, c2)
    lowest, highest = constant(out, floor), constant(out, HIGHEST_STEP)
    for i in range(0, line[1], LANES):
        d = add(add(steps(out), constant(out, line[0] - middle + i)), offset)
        exponent = multiply_add(multiply_add(c2_vector, d, c1_vector), d, c0_vector)
        store(out, np.uint64(at + i), exp(minimum(maximum(exponent, lowest), highest)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_pair_table(out, at, rows, columns, row_center, column_center, rr, cc, rc, ratio, floor):
    """out[at + r, c] = exp(-(rr dr^2 / 2 + cc dc^2 / 2 + 2 rc dr dc)), or 0 below the floor.

    `rows` and `columns` are rows of a box, the latter of whole vectors. From the row nearest to
    dr = 0 outward: the ratio of neighbouring rows is exp of a linear function, and itself shrinks
    by a constant factor. The exponent is concave: what has fallen below the floor stays there.
    """
    n, size = rows[1], columns[1]
    middle = min(max(int(np.rint(row_center)) - rows[0], 0), n - 1)
    dr = rows[0] + middle - row_center
    first = at + middle * size
    level, slope = -0.5 * rr * dr * dr, -2.0 * rc * dr
    _fill_quadratic(out, first, columns, column_center, level, slope, -0.5 * cc, floor - 1.0)
    shrink, least = constant(out, math.exp(-rr)), constant(out, math.exp(floor))
    for direction in (1, -1):
        # the exponent of the next row, less that of this one
        level, slope = -0.5 * rr * (1.0 + 2.0 * direction * dr), -2.0 * rc * direction
        _fill_quadratic(ratio, 0, columns, column_center, level, slope, 0.0, floor)
        count = n - 1 - middle if direction == 1 else middle
        for c in range(0, size, LANES):
            row = first + c
            value = zero_below(load(out, np.uint64(row)), least)
            store(out, np.uint64(row), value)
            change = load(ratio, np.uint64(c))
            for _ in range(count):
                row += direction * size
                value = zero_below(multiply(value, change), least)
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
    """Whether factors of the form, in a box of these half-widths, lose nothing that counts.

    None may exceed the ceiling; and where one is zero from its central row on, the whole Gaussian
    must be below exp(NEGLIGIBLE) of its peak: the form at d is at least its Schur complement's.
    """
    x, y, z = math.sqrt(q[0]) * half[0], math.sqrt(q[1]) * half[1], math.sqrt(q[2]) * half[2]
    # a^2/2 + b^2/2 - 2 rho a b >= -(2 rho - 1) a b for |a| <= x, |b| <= y
    xy = (2.0 * abs(q[3]) / math.sqrt(q[0] * q[1]) - 1.0) * x * y
    xz = (2.0 * abs(q[4]) / math.sqrt(q[0] * q[2]) - 1.0) * x * z
    yz = (2.0 * abs(q[5]) / math.sqrt(q[1] * q[2]) - 1.0) * y * z
    if max(xy, xz, yz) > PAIR_CEILING:
        return False
    minor_xx, minor_yy = q[1] * q[2] - q[5] * q[5], q[0] * q[2] - q[4] * q[4]
    minor_zz = q[0] * q[1] - q[3] * q[3]
    det = q[0] * minor_xx - q[3] * (q[3] * q[2] - q[5] * q[4])
    det += q[4] * (q[3] * q[5] - q[1] * q[4])
    reach = -PAIR_FLOORS[int(crossed)] * (2.0 if crossed else 1.0)
    y_is_safe = y * y < reach or reach * det > -NEGLIGIBLE * minor_yy * q[1]
    z_is_safe = z * z < reach or reach * det > -NEGLIGIBLE * minor_zz * q[2]
    return y_is_safe and z_is_safe


@njit(cache=True, nogil=True, error_model="numpy")
def fill_pair_tables(xz, yz, xy, t, box, center, form, peak, crossed, ratio):
    """The tables [t, i, k], [t, j, k] and [t, i, j] of Gaussian t of a group, on a box.

    `yz` is filled where the group is `crossed`. The whole is `peak` at the centre.
    """
    xx, yy, zz, qxy, qxz, qyz = form
    x, y, z = box
    cx, cy, cz = center
    share, floor = 1.0 if crossed else 2.0, PAIR_FLOORS[int(crossed)]
    _fill_pair_table(xz, t * x[1] * z[1], x, z, cx, cz, xx, share * zz, qxz, ratio, floor)
    _fill_pair_table(xy, t * x[1] * y[1], x, y, cx, cy, xx, share * yy, qxy, ratio, floor)
    for i in range(t * x[1] * y[1], (t + 1) * x[1] * y[1]):
        xy[i] *= peak
    if crossed:
        _fill_pair_table(yz, t * y[3] * z[1], y, z, cy, cz, yy, zz, qyz, ratio, floor)
