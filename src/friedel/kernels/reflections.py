"""Loops over reciprocal-lattice points: asymmetric units and folding into them."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _in_asu_of_setting(h, k, l, number, basis):
    return in_asu(
        h * basis[0, 0] + k * basis[1, 0] + l * basis[2, 0],
        h * basis[0, 1] + k * basis[1, 1] + l * basis[2, 1],
        h * basis[0, 2] + k * basis[1, 2] + l * basis[2, 2],
        number,
    )


@njit(cache=True, nogil=True)
def unique_in_sphere(limits, metric, stol2_low, stol2_high, number, basis):
    """(n, 3) int32 reflections of one asymmetric unit between two stol2, without (0, 0, 0)."""
    found = np.empty((0, 3), np.int32)
    # The first pass counts, the second fills: no list of unknown length is kept.
    for fill in range(2):
        n = 0
        for h in range(-limits[0], limits[0] + 1):
            for k in range(-limits[1], limits[1] + 1):
                for l in range(-limits[2], limits[2] + 1):
                    if h == 0 and k == 0 and l == 0:
                        continue
                    stol2 = 0.25 * (
                        metric[0, 0] * h * h
                        + metric[1, 1] * k * k
                        + metric[2, 2] * l * l
                        + 2.0 * (metric[0, 1] * h * k + metric[0, 2] * h * l + metric[1, 2] * k * l)
                    )
                    if stol2 > stol2_high or stol2 < stol2_low:
                        continue
                    if not _in_asu_of_setting(h, k, l, number, basis):
                        continue
                    if fill == 1:
                        found[n, 0] = h
                        found[n, 1] = k
                        found[n, 2] = l
                    n += 1
        if fill == 0:
            found = np.empty((n, 3), np.int32)
    return found


@njit(cache=True, nogil=True)
def fold_to_asu(hkl, rotations, translations, number, basis):
    """Equivalent indices in the asymmetric unit, phase shift in 24ths, whether Friedel's law.

    F(h R) = F(h) exp(-2 pi i h.t), so that F(h) = F(h R) exp(+2 pi i h.t).
    """
    n = len(hkl)
    folded = np.empty((n, 3), np.int32)
    shift = np.zeros(n, np.int64)
    friedel = np.zeros(n, np.bool_)
    for i in range(n):
        h, k, l = hkl[i]
        for o in range(len(rotations)):
            r = rotations[o]
            a = h * r[0, 0] + k * r[1, 0] + l * r[2, 0]
            b = h * r[0, 1] + k * r[1, 1] + l * r[2, 1]
            c = h * r[0, 2] + k * r[1, 2] + l * r[2, 2]
            t = (h * translations[o, 0] + k * translations[o, 1] + l * translations[o, 2]) % 24
            if _in_asu_of_setting(a, b, c, number, basis):
                folded[i, 0] = a
                folded[i, 1] = b
                folded[i, 2] = c
                shift[i] = t
                break
            if _in_asu_of_setting(-a, -b, -c, number, basis):
                folded[i, 0] = -a
                folded[i, 1] = -b
                folded[i, 2] = -c
                # F(h) = conj(F(-hR) exp(-2 pi i h.t)): the shift stands inside the conjugate
                shift[i] = -t % 24
                friedel[i] = True
                break
    return folded, shift, friedel
