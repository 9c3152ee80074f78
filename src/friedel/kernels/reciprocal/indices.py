"""Reflections under symmetry operations: indices and phases, for direct and Fourier sums."""

import math

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.compiled import njit

compiled = njit(cache=True, nogil=True)


@compiled
def rotated(hkl, i, rotations, o):
    """hkl[i] @ rotation as three numbers."""
    h, k, l = hkl[i, 0], hkl[i, 1], hkl[i, 2]
    return (
        h * rotations[o, 0, 0] + k * rotations[o, 1, 0] + l * rotations[o, 2, 0],
        h * rotations[o, 0, 1] + k * rotations[o, 1, 1] + l * rotations[o, 2, 1],
        h * rotations[o, 0, 2] + k * rotations[o, 1, 2] + l * rotations[o, 2, 2],
    )


@compiled
def turn_of(hkl, i, translations, o):
    """h.t in 24ths of a turn, 0 to 23."""
    h, k, l = hkl[i, 0], hkl[i, 1], hkl[i, 2]
    turn = h * translations[o, 0] + k * translations[o, 1] + l * translations[o, 2]
    # Integer division is slow; multiplication by a reciprocal is accurate enough
    whole = math.floor(turn * (1.0 / TRANSLATION_DENOMINATOR) + 1e-6)
    return turn - TRANSLATION_DENOMINATOR * whole


@compiled
def largest_indices(hkl, rotations):
    """Largest |h|, |k|, |l| of all hkl[i] @ rotation."""
    largest = np.zeros(3, np.int64)
    for axis in range(3):
        for o in range(len(rotations)):
            if _occurs_before(rotations, o, axis):
                continue
            r, s, t = rotations[o, 0, axis], rotations[o, 1, axis], rotations[o, 2, axis]
            top = np.int32(0)
            for i in range(len(hkl)):
                top = max(top, np.int32(abs(r * hkl[i, 0] + s * hkl[i, 1] + t * hkl[i, 2])))
            largest[axis] = max(largest[axis], top)
    return largest[0], largest[1], largest[2]


@compiled
def _occurs_before(rotations, o, axis):
    """Whether an earlier rotation has the same column, or its negative."""
    for earlier in range(o):
        same = opposite = True
        for j in range(3):
            same &= rotations[earlier, j, axis] == rotations[o, j, axis]
            opposite &= rotations[earlier, j, axis] == -rotations[o, j, axis]
        if same or opposite:
            return True
    return False
