"""Reflections under symmetry operations: indices and phases, for direct and Fourier sums."""

import math

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.compiled import njit

compiled = njit(nogil=True)


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
    return whole_turns_off(h * translations[o, 0] + k * translations[o, 1] + l * translations[o, 2])


@compiled
def whole_turns_off(turn):
    """The phase in 24ths of a turn without its whole turns, 0 to 23."""
    # Integer division is slow; multiplication by a reciprocal is accurate enough
    return turn - TRANSLATION_DENOMINATOR * math.floor(
        turn * (1.0 / TRANSLATION_DENOMINATOR) + 1e-6
    )


@compiled
def largest_indices(hkl, rotations):
    """Largest |h|, |k|, |l| of all hkl[i] @ rotation."""
    largest = np.zeros(3, np.int64)
    columns = np.ascontiguousarray(hkl.T)
    for axis in range(3):
        for o in range(len(rotations)):
            if _occurs_before(rotations, o, axis):
                continue
            r, s, t = rotations[o, 0, axis], rotations[o, 1, axis], rotations[o, 2, axis]
            largest[axis] = max(largest[axis], _largest_index(columns, r, s, t))
    return largest[0], largest[1], largest[2]


@compiled
def _largest_index(columns, r, s, t):
    """Largest of all r h + s k + t l, or of their negatives, the reflections being (3, n)."""
    top = np.int32(0)
    for i in range(columns.shape[1]):
        index = np.int32(r * columns[0, i] + s * columns[1, i] + t * columns[2, i])
        top = max(top, index if index > 0 else np.int32(-index))
    return top


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
