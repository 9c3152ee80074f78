"""Lengths of compressed frames of XTC trajectories, of which no position is decoded."""

import numpy as np

from friedel.kernels.compiled import njit

FEWEST_BITS, MOST_BITS = 9, 73
"""Limits of the bits of a position relative to the one before, which the frame varies."""


@njit(nogil=True)
def bytes_of_positions(
    content: np.ndarray, n_atoms: int, bits_of_position: int, bits_of_difference: int
) -> int:
    """Bytes of the compressed positions of a frame, or -1 for a frame that is damaged.

    Each position is followed by a bit. If it is set, the next five say by how much the bits of
    differences change, and how many positions follow as differences; if not, as many follow as
    after the position before.

    Parameters
    ----------
    content
        (n,) uint8.
    n_atoms
        Number of positions that it must have.
    bits_of_position, bits_of_difference
        Bits of the first position, and those of differences at the beginning.
    """
    at, done, run, n_bits = 0, 0, 0, 8 * len(content)
    while done < n_atoms:
        at += bits_of_position
        done += 1
        if at >= n_bits:
            return -1
        change = 0
        if (content[at >> 3] >> (7 - (at & 7))) & 1:
            if at + 6 > n_bits:
                return -1
            told = 0
            for i in range(at + 1, at + 6):
                told = 2 * told + ((content[i >> 3] >> (7 - (i & 7))) & 1)
            change = told % 3 - 1
            run = told // 3
            at += 5
        at += 1 + run * bits_of_difference
        done += run
        bits_of_difference += change
        if not FEWEST_BITS <= bits_of_difference <= MOST_BITS:
            return -1
    return (at + 7) // 8 if done == n_atoms and at <= n_bits else -1
