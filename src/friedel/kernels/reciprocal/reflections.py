"""Loops over reciprocal-lattice points: asymmetric units and folding into them."""

import math

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.compiled import njit
from friedel.kernels.reciprocal.indices import rotated, whole_turns_off

WALLS = np.array(
    [
        [[0, 0, 1], [0, 0, 0], [0, 0, 0]],  # l >= 0
        [[0, 1, 0], [0, 0, 1], [0, 0, 0]],  # k >= 0, l >= 0
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, -1, 0], [0, 1, 0], [0, 0, 1]],  # h >= k, k >= 0, l >= 0
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[1, -1, 0], [0, 1, 0], [0, 0, 0]],
        [[1, -1, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 0, 0], [-1, 0, 1], [-1, 1, 0]],  # h >= 0, l >= h, k >= h
        [[0, 1, -1], [-1, 0, 1], [1, 0, 0]],  # k >= l, l >= h, h >= 0
    ]
)
"""Normals of the planes that bound each asymmetric unit of `in_asu`, zero where there are fewer."""


@njit(nogil=True)
def in_asu(h, k, l, number):
    """Whether indices in a reference setting lie in the CCP4 asymmetric unit `number`."""
    if number == 0:  # -1
        return l > 0 or (l == 0 and (h > 0 or (h == 0 and k >= 0)))
    if number == 1:  # 2/m, unique axis b
        return k >= 0 and (l > 0 or (l == 0 and h >= 0))
    if number == 2:  # mmm
        return h >= 0 and k >= 0 and l >= 0
    if number == 3:  # 4/m and 6/m
        return l >= 0 and ((h >= 0 and k > 0) or (h == 0 and k == 0))
    if number == 4:  # 4/mmm and 6/mmm
        return h >= k and k >= 0 and l >= 0
    if number == 5:  # -3
        return (h >= 0 and k > 0) or (h == 0 and k == 0 and l >= 0)
    if number == 6:  # -31m
        return h >= k and k >= 0 and (k > 0 or l >= 0)
    if number == 7:  # -3m1
        return h >= k and k >= 0 and (h > k or l >= 0)
    if number == 8:  # m-3
        return h >= 0 and ((l >= h and k > h) or (l == h and k == h))
    return k >= l and l >= h and h >= 0  # m-3m


@njit(nogil=True)
def _in_asu_of_setting(h, k, l, number, basis):
    return in_asu(
        h * basis[0, 0] + k * basis[1, 0] + l * basis[2, 0],
        h * basis[0, 1] + k * basis[1, 1] + l * basis[2, 1],
        h * basis[0, 2] + k * basis[1, 2] + l * basis[2, 2],
        number,
    )


@njit(nogil=True)
def _in_row(h, k, limit, metric, stol2_high, number, basis):
    """First and last l up to a limit for which (h, k, l) is unique; first > last if there is none.

    These l are consecutive: sphere and asymmetric unit are convex, and the latter
    has its apex at (0, 0, 0).
    """
    first, last = -limit, limit
    for w in range(3):
        # Half-line of the row inside a plane of the asymmetric unit: fixed + slope l >= 0
        fixed, slope = 0, 0
        for j in range(3):
            fixed += WALLS[number, w, j] * (h * basis[0, j] + k * basis[1, j])
            slope += WALLS[number, w, j] * basis[2, j]
        if slope > 0:
            first = max(first, -(fixed // slope))
        elif slope < 0:
            last = min(last, fixed // -slope)
        elif fixed < 0:
            return 0, -1
    linear = metric[0, 2] * h + metric[1, 2] * k
    constant = metric[0, 0] * h * h + metric[1, 1] * k * k + 2.0 * metric[0, 1] * h * k
    square = linear * linear - metric[2, 2] * (constant - 4.0 * stol2_high)
    if square < 0.0:
        return 0, -1
    # Slightly more than the sphere; the comparison below decides
    middle, half = -linear / metric[2, 2], math.sqrt(square) / metric[2, 2] + 1e-6
    first, last = max(first, math.ceil(middle - half)), min(last, math.floor(middle + half))
    while first <= last and not _wanted(h, k, first, metric, stol2_high, number, basis):
        first += 1
    while first <= last and not _wanted(h, k, last, metric, stol2_high, number, basis):
        last -= 1
    return first, last


@njit(nogil=True)
def _wanted(h, k, l, metric, stol2_high, number, basis):
    if h == 0 and k == 0 and l == 0:
        return False
    stol2 = 0.25 * (
        metric[0, 0] * h * h
        + metric[1, 1] * k * k
        + metric[2, 2] * l * l
        + 2.0 * (metric[0, 1] * h * k + metric[0, 2] * h * l + metric[1, 2] * k * l)
    )
    return stol2 <= stol2_high and _in_asu_of_setting(h, k, l, number, basis)


@njit(nogil=True)
def unique_in_sphere(first_h, last_h, limits, metric, stol2_high, number, basis):
    """(n, 3) int32 reflections of one asymmetric unit up to some stol2, without (0, 0, 0).

    Those with first_h <= h <= last_h.
    """
    n, n_k = 0, 2 * limits[1] + 1
    # The rows are found and counted before the list is filled, as its length is unknown
    first, last = np.empty((2, (last_h - first_h + 1) * n_k), np.int32)
    for row in range(len(first)):
        h, k = first_h + row // n_k, row % n_k - limits[1]
        begin, end = _in_row(h, k, limits[2], metric, stol2_high, number, basis)
        first[row], last[row] = begin, end
        n += max(end - begin + 1, 0)
    found = np.empty((n, 3), np.int32)
    i = 0
    for row in range(len(first)):
        h, k = first_h + row // n_k, row % n_k - limits[1]
        for l in range(first[row], last[row] + 1):
            found[i, 0], found[i, 1], found[i, 2] = h, k, l
            i += 1
    return found


@njit(nogil=True)
def is_absent(hkl, rotations, translations):
    """(n,) bool: some operation keeps the reflection and shifts its phase."""
    absent = np.zeros(len(hkl), np.bool_)
    columns = np.ascontiguousarray(hkl.T)
    for o in range(len(rotations)):
        r, t = rotations[o], translations[o]
        _mark_absent(
            columns,
            (r[0, 0] - 1, r[1, 0], r[2, 0]),
            (r[0, 1], r[1, 1] - 1, r[2, 1]),
            (r[0, 2], r[1, 2], r[2, 2] - 1),
            (t[0], t[1], t[2]),
            absent,
        )
    return absent


@njit(nogil=True)
def _mark_absent(columns, of_h, of_k, of_l, translation, absent):
    """Mark the reflections (3, n) that one operation keeps, with a shift of the phase.

    `of_h`, `of_k`, `of_l` are the columns of its rotation less the identity.
    """
    for i in range(columns.shape[1]):
        h, k, l = columns[0, i], columns[1, i], columns[2, i]
        moved = np.int32(h * of_h[0] + k * of_h[1] + l * of_h[2])
        moved |= np.int32(h * of_k[0] + k * of_k[1] + l * of_k[2])
        moved |= np.int32(h * of_l[0] + k * of_l[1] + l * of_l[2])
        turn = whole_turns_off(h * translation[0] + k * translation[1] + l * translation[2])
        absent[i] |= (moved == 0) & (turn != 0)


@njit(nogil=True)
def fold_to_asu(hkl, rotations, translations, number, basis, folded, shift, friedel):
    """Equivalent indices in the asymmetric unit, phase shift in 24ths, whether Friedel's law.

    F(h R) = F(h) exp(-2 pi i h.t), so that F(h) = F(h R) exp(+2 pi i h.t). The results are
    written to `folded` (n, 3) int32, `shift` (n,) int64 and `friedel` (n,) bool, which are zero
    before.
    """
    for i in range(len(hkl)):
        h, k, l = hkl[i]
        for o in range(len(rotations)):
            a, b, c = rotated(hkl, i, rotations, o)
            t = h * translations[o, 0] + k * translations[o, 1] + l * translations[o, 2]
            if _in_asu_of_setting(a, b, c, number, basis):
                folded[i, 0] = a
                folded[i, 1] = b
                folded[i, 2] = c
                shift[i] = t % TRANSLATION_DENOMINATOR
                break
            if _in_asu_of_setting(-a, -b, -c, number, basis):
                folded[i, 0] = -a
                folded[i, 1] = -b
                folded[i, 2] = -c
                # F(h) = conj(F(-hR) exp(-2 pi i h.t)): the shift is inside the conjugate
                shift[i] = -t % TRANSLATION_DENOMINATOR
                friedel[i] = True
                break
