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
    maximum,
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
def _fill_pair_table(out, at, rows, columns, row_center, column_center, rr, cc, rc, peak, floor):
    """out[at + r, c] = peak exp(-(rr dr^2 / 2 + cc dc^2 / 2 + 2 rc dr dc)), or 0 below the floor.

    `rows` and `columns` are rows of a box, the latter of whole vectors.
    """
    middle = int(np.rint(column_center))
    offset, factor = constant(out, middle - column_center), constant(out, peak)
    quadratic = constant(out, -0.5 * cc)
    lowest, least = constant(out, floor - 1.0), constant(out, math.exp(floor))
    for r in range(rows[1]):
        dr = rows[0] + r - row_center
        level, slope = constant(out, -0.5 * rr * dr * dr), constant(out, -2.0 * rc * dr)
        for c in range(0, columns[1], LANES):
            d = add(add(steps(out), constant(out, columns[0] - middle + c)), offset)
            exponent = multiply_add(multiply_add(quadratic, d, slope), d, level)
            value = zero_below(exp(maximum(exponent, lowest)), least)
            store(out, np.uint64(at + r * columns[1] + c), multiply(factor, value))


@njit(cache=True, nogil=True)
def has_cross_term(form):
    """Whether any Gaussian of the group has a term of y and z."""
    for t in range(GROUP):
        if abs(form[t, 5]) > NO_CROSS_TERM * math.sqrt(form[t, 1] * form[t, 2]):
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def is_factorable(q, half):
    """Whether the factors of the form keep below the ceiling in a box of these half-widths."""
    x, y, z = math.sqrt(q[0]) * half[0], math.sqrt(q[1]) * half[1], math.sqrt(q[2]) * half[2]
    # a^2/2 + b^2/2 - 2 rho a b >= -(2 rho - 1) a b for |a| <= x, |b| <= y
    xy = (2.0 * abs(q[3]) / math.sqrt(q[0] * q[1]) - 1.0) * x * y
    xz = (2.0 * abs(q[4]) / math.sqrt(q[0] * q[2]) - 1.0) * x * z
    yz = (2.0 * abs(q[5]) / math.sqrt(q[1] * q[2]) - 1.0) * y * z
    return max(xy, xz, yz) < PAIR_CEILING


@njit(cache=True, nogil=True, error_model="numpy")
def fill_pair_tables(xz, yz, xy, t, box, center, form, peak, crossed):
    """The tables [t, i, k], [t, j, k] and [t, i, j] of Gaussian t of a group, on a box.

    `yz` is filled where the group is `crossed`. The whole is `peak` at the centre.
    """
    xx, yy, zz, qxy, qxz, qyz = form
    x, y, z = box
    cx, cy, cz = center
    share, floor = 1.0 if crossed else 2.0, PAIR_FLOORS[int(crossed)]
    _fill_pair_table(xz, t * x[1] * z[1], x, z, cx, cz, xx, share * zz, qxz, 1.0, floor)
    _fill_pair_table(xy, t * x[1] * y[1], x, y, cx, cy, xx, share * yy, qxy, peak, floor)
    if crossed:
        _fill_pair_table(yz, t * y[3] * z[1], y, z, cy, cz, yy, zz, qyz, 1.0, floor)
