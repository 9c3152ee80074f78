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
def _inside_planes(h, k, limit, planes):
    """First and last l up to a limit for which (h, k, l) is inside three planes."""
    first, last = -limit, limit
    for w in range(3):
        # Half-line of the row inside a plane: fixed + slope l >= 0
        fixed, slope = h * planes[w, 0] + k * planes[w, 1], planes[w, 2]
        if slope > 0.0:
            first = max(first, math.ceil(-fixed / slope))
        elif slope < 0.0:
            last = min(last, math.floor(-fixed / slope))
        elif fixed < 0.0:
            return 0, -1
    return first, last


@njit(nogil=True)
def _inside_sphere(h, k, first, last, metric, stol2_high):
    """The l from first to last for which (h, k, l) is in a sphere, or slightly outside."""
    linear = metric[0, 2] * h + metric[1, 2] * k
    constant = metric[0, 0] * h * h + metric[1, 1] * k * k + 2.0 * metric[0, 1] * h * k
    square = linear * linear - metric[2, 2] * (constant - 4.0 * stol2_high)
    if square < 0.0:
        return 0, -1
    middle, half = -linear / metric[2, 2], math.sqrt(square) / metric[2, 2] + 1e-6
    return max(first, math.ceil(middle - half)), min(last, math.floor(middle + half))


@njit(nogil=True)
def _find_rows(first_h, limits, metric, stol2_high, number, basis, first, last):
    """Set first and last (n_h, n_k) to the l for which (h, k, l) is unique; returns their number.

    These l are consecutive: sphere and asymmetric unit are convex, and the latter has its apex at
    (0, 0, 0). first > last if there is none.
    """
    # Normals of the planes of the asymmetric unit for the indices of this setting
    planes = np.zeros((3, 3))
    for w in range(3):
        for i in range(3):
            for j in range(3):
                planes[w, i] += WALLS[number, w, j] * basis[i, j]
    n = 0
    for i in range(first.shape[0]):
        for j in range(first.shape[1]):
            h, k = first_h + i, j - limits[1]
            begin, end = _inside_planes(h, k, limits[2], planes)
            if begin <= end:
                begin, end = _inside_sphere(h, k, begin, end, metric, stol2_high)
            # The comparisons decide at the surface
            while begin <= end and not _wanted(h, k, begin, metric, stol2_high, number, basis):
                begin += 1
            while begin <= end and not _wanted(h, k, end, metric, stol2_high, number, basis):
                end -= 1
            first[i, j], last[i, j] = begin, end
            n += max(end - begin + 1, 0)
    return n


@njit(nogil=True)
def _wanted(h, k, l, metric, stol2_high, number, basis):
    if h == 0 and k == 0 and l == 0:
        return False
    inside = _stol2(float(h), float(k), float(l), metric) <= stol2_high
    return inside and _in_asu_of_setting(h, k, l, number, basis)


@njit(nogil=True)
def _stol2(h, k, l, metric):
    return 0.25 * (
        metric[0, 0] * h * h
        + metric[1, 1] * k * k
        + metric[2, 2] * l * l
        + 2.0 * (metric[0, 1] * h * k + metric[0, 2] * h * l + metric[1, 2] * k * l)
    )


@njit(nogil=True)
def fill_stol2(hkl, metric, out):
    """Set out[i] to (sin theta / lambda)^2 of hkl[i], for the reciprocal metric (3, 3)."""
    for i in range(len(hkl)):
        out[i] = _stol2(float(hkl[i, 0]), float(hkl[i, 1]), float(hkl[i, 2]), metric)


@njit(nogil=True)
def unique_in_sphere(
    first_h, last_h, limits, metric, stol2_high, number, basis, rotations, translations
):
    """(n, 3) int32 reflections of one asymmetric unit up to some stol2, without (0, 0, 0).

    Those with first_h <= h <= last_h that the operations do not make absent.
    """
    # The rows are found and counted before the list is filled, as its length is unknown
    first, last = np.empty((2, last_h - first_h + 1, 2 * limits[1] + 1), np.int32)
    n = _find_rows(first_h, limits, metric, stol2_high, number, basis, first, last)
    found, n = np.empty((n, 3), np.int32), 0
    absent = np.empty(2 * limits[2] + 1, np.bool_)
    for i in range(first.shape[0]):
        for j in range(first.shape[1]):
            h, k, begin, end = first_h + i, j - limits[1], first[i, j], last[i, j]
            if begin <= end:
                _mark_absent_in_row(h, k, begin, end, rotations, translations, absent)
            for l in range(begin, end + 1):
                if not absent[l - begin]:
                    found[n, 0], found[n, 1], found[n, 2] = h, k, l
                    n += 1
    return found[:n]


@njit(nogil=True)
def _mark_absent_in_row(h, k, first, last, rotations, translations, absent):
    """Set the first elements of `absent` to whether (h, k, first) to (h, k, last) are absent."""
    for m in range(last - first + 1):
        absent[m] = False
    for o in range(len(rotations)):
        # The operation moves (h, k, l) by (a, b, c) + l (of_a, of_b, of_c)
        a = np.int32(h * (rotations[o, 0, 0] - 1) + k * rotations[o, 1, 0])
        b = np.int32(h * rotations[o, 0, 1] + k * (rotations[o, 1, 1] - 1))
        c = np.int32(h * rotations[o, 0, 2] + k * rotations[o, 1, 2])
        of_a, of_b = rotations[o, 2, 0], rotations[o, 2, 1]
        of_c = np.int32(rotations[o, 2, 2] - 1)
        if (a != 0 and of_a == 0) or (b != 0 and of_b == 0) or (c != 0 and of_c == 0):
            continue
        turn = h * translations[o, 0] + k * translations[o, 1]
        per_l = translations[o, 2]
        for m in range(last - first + 1):
            l = np.int32(first + m)
            moved = np.int32(a + l * of_a) | np.int32(b + l * of_b) | np.int32(c + l * of_c)
            absent[m] |= (moved == 0) & (whole_turns_off(np.int32(turn + l * per_l)) != 0)


@njit(nogil=True)
def is_absent(hkl, rotations, translations):
    """(n,) bool: some operation keeps the reflection and shifts its phase."""
    absent = np.zeros(len(hkl), np.bool_)
    columns = np.ascontiguousarray(hkl.T)
    for o in range(len(rotations)):
        r, t = rotations[o], translations[o]
        _mark_absent(
            columns,
            (np.int32(r[0, 0] - 1), r[1, 0], r[2, 0]),
            (r[0, 1], np.int32(r[1, 1] - 1), r[2, 1]),
            (r[0, 2], r[1, 2], np.int32(r[2, 2] - 1)),
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
        turn = whole_turns_off(
            np.int32(h * translation[0] + k * translation[1] + l * translation[2])
        )
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
