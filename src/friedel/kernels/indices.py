"""Reflections under symmetry operations: indices and phases, for direct and Fourier sums alike."""

import math

from numba import njit

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
    # Integer division is slow, that by a reciprocal is exact enough
    return turn - 24 * math.floor(turn * (1.0 / 24.0) + 1e-6)


@compiled
def largest_indices(hkl, rotations):
    """Largest |h|, |k|, |l| of all hkl[i] @ rotation."""
    top_h = top_k = top_l = 0
    for i in range(len(hkl)):
        for o in range(len(rotations)):
            h, k, l = rotated(hkl, i, rotations, o)
            top_h, top_k, top_l = max(top_h, abs(h)), max(top_k, abs(k)), max(top_l, abs(l))
    return top_h, top_k, top_l
