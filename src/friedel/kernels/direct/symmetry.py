"""Symmetry of direct summation: F(h) from sums over one asymmetric unit at all h R.

The sums of the atoms of one kind obey Friedel's law even where form factors are complex, so that
half of reciprocal space is enough. Centring is a factor, and an inversion at the origin halves the
number of operations [Bourhis2014]. If, in addition, all translations are halves of lattice
vectors, the real parts of the sums are enough.
"""

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.compiled import njit
from friedel.kernels.reciprocal.indices import rotated, turn_of

compiled = njit(nogil=True)

# Sums may be reordered and multiply-adds fused; infinities and NaN keep their meaning
compiled_sums = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})

OF_MATE = TRANSLATION_DENOMINATOR
"""Added to a turn in 24ths where the sum is that at the Friedel mate."""

_ANGLE = 2.0 * np.pi * np.arange(TRANSLATION_DENOMINATOR) / TRANSLATION_DENOMINATOR
PHASE = np.array([np.cos(_ANGLE), -np.sin(_ANGLE), np.sin(_ANGLE), np.cos(_ANGLE)]).T
PHASE = np.concatenate([PHASE, PHASE * [1, -1, 1, -1]])
"""(re, im) = PHASE[turn] @ (re, im): a phase of turn/24, turn >= OF_MATE after a conjugation."""


@compiled
def folded(hkl, i, rotations, o):
    """hkl[i] @ rotation or its Friedel mate, whichever is after (0, 0, 0); true for the mate."""
    h, k, l = rotated(hkl, i, rotations, o)
    if h < 0 or (h == 0 and (k < 0 or (k == 0 and l < 0))):
        return -h, -k, -l, True
    return h, k, l, False


@compiled
def steps_along_rows(hkl, absent, rotations, first_l, stride):
    """(n_h, n_k, 2): number of steps up and down in each row, from the least |l|.

    Rows are those of h >= 0 and -limit_k <= k <= limit_k; `first_l` (n_h, n_k) is their least |l|.
    """
    limit_k = first_l.shape[1] // 2
    steps = np.zeros((*first_l.shape, 2), np.int64)
    for i in range(len(hkl)):
        if not absent[i]:
            for o in range(len(rotations)):
                h, k, l, _ = folded(hkl, i, rotations, o)
                down = 1 if l < 0 else 0
                needed = (abs(l) - first_l[h, k + limit_k]) // stride + 1
                steps[h, k + limit_k, down] = max(steps[h, k + limit_k, down], needed)
    return steps


@compiled
def locate(hkl, absent, rotations, translations, first_point, first_l, stride):
    """The point of the sum at hkl[i] @ rotation, and its phase.

    Parameters
    ----------
    first_point
        (n_h, n_k): the first point of each row; its points are at l = 0, -0, 1, -1, ... or
        1, -1, 3, -3, ..., as `first_l` and `stride` say.

    Returns
    -------
    point
        (n, n_operations) int32; -1 for absent reflections.
    turn
        (n, n_operations) uint8: h.t in 24ths, plus 24 for the sum at a Friedel mate.
    """
    limit_k = first_l.shape[1] // 2
    point = np.full((len(hkl), len(rotations)), -1, np.int32)
    turn = np.zeros((len(hkl), len(rotations)), np.uint8)
    for i in range(len(hkl)):
        if not absent[i]:
            for o in range(len(rotations)):
                h, k, l, mate = folded(hkl, i, rotations, o)
                steps = (abs(l) - first_l[h, k + limit_k]) // stride
                point[i, o] = first_point[h, k + limit_k] + 2 * steps + (1 if l < 0 else 0)
                turn[i, o] = turn_of(hkl, i, translations, o) + (OF_MATE if mate else 0)
    return point, turn


@compiled_sums
def combine(first, last, point, turn, real, with_inverse, f, sums, factor, out):
    """out[i] += factor sum_ops exp(2 pi i h.t) sum_slots f[slot, i] sums[slot] at h R.

    For the reflections first to last (exclusive), with `point` and `turn` from :func:`locate`,
    real `f` and a complex `factor`.
    """
    for i in range(first, last):
        if point[i, 0] < 0:
            continue
        total_re = total_im = 0.0
        for o in range(point.shape[1]):
            at, t = point[i, o], turn[i, o]
            re = im = 0.0
            if real:
                for s in range(len(f)):
                    re += f[s, i] * sums[s, at]
            else:
                for s in range(len(f)):
                    re += f[s, i] * sums[s, 2 * at]
                    im += f[s, i] * sums[s, 2 * at + 1]
            total_re += PHASE[t, 0] * re + PHASE[t, 1] * im
            total_im += PHASE[t, 2] * re + PHASE[t, 3] * im
        total = complex(2.0 * total_re, 0.0) if with_inverse else complex(total_re, total_im)
        out[i] += factor * total


@compiled_sums
def spread(first, last, point, turn, real, with_inverse, w, f, v):
    """Transpose of :func:`combine`: v[slot] = dT/dRe + i dT/dIm of the sums, from w.

    For the slots first to last (exclusive), with complex `f` (n_slots, n) and w = dT/dRe F
    + i dT/dIm F; v has the layout of the sums.
    """
    for s in range(first, last):
        v[s] = 0.0
        for i in range(len(point)):
            if point[i, 0] < 0:
                continue
            value = w[i] * f[s, i].conjugate()
            re, im = value.real, value.imag
            if with_inverse:
                re, im = 2.0 * re, 0.0
            for o in range(point.shape[1]):
                at, t = point[i, o], turn[i, o]
                v_re = PHASE[t, 0] * re + PHASE[t, 2] * im
                if real:
                    v[s, at] += v_re
                else:
                    v[s, 2 * at] += v_re
                    v[s, 2 * at + 1] += PHASE[t, 1] * re + PHASE[t, 3] * im
