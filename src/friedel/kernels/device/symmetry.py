"""Structure factors from half transforms of densities, and the transpose: one thread per sum.

Positions and phase shifts are those of :func:`friedel.kernels.reciprocal.fourier.map_terms`.
Complex numbers are pairs of real ones.
"""

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.device import one_thread as threads
from friedel.kernels.device.one_thread import for_one_thread


@for_one_thread
def sum_terms(first, last, transform, index, turn, factor, angles, out):
    """Set out to the factor times the sum of the terms of each reflection of each member.

    Parameters
    ----------
    first, last
        Range of reflections of all members.
    transform
        (members, half, 2) half transforms.
    index, turn
        (n, operations) positions in a half transform, and phase shifts.
    factor
        (n,) real factors.
    angles
        (24, 2) cosines and sines of the phase shifts.
    out
        (members, n, 2).
    """
    real = out.dtype.type
    n = index.shape[0]
    for thread in range(first + threads.grid(1), last, threads.gridsize(1)):
        member = thread // n
        i = thread - member * n
        re = im = real(0)
        for o in range(index.shape[1]):
            at, shift = index[i, o], turn[i, o]
            cosine = angles[shift % TRANSLATION_DENOMINATOR, 0]
            sine = angles[shift % TRANSLATION_DENOMINATOR, 1]
            x, y = transform[member, at, 0], transform[member, at, 1]
            if shift // TRANSLATION_DENOMINATOR % 2 == 0:  # F is the transform's conjugate
                y = -y
            re += cosine * x - sine * y
            im += sine * x + cosine * y
        out[member, i, 0] = factor[i] * re
        out[member, i, 1] = factor[i] * im


@for_one_thread
def spread_terms(first, last, w, at, start, source, turn, factor, angles, half):
    """The transpose of `sum_terms`: each thread sums what belongs to one position.

    Parameters
    ----------
    first, last
        Range of positions of all members.
    w
        (members, n, 2) derivatives by the structure factors.
    at
        (positions,) positions in a half transform, each once.
    start
        (positions + 1,) range of the terms of each position.
    source, turn
        (terms,) reflection and phase shift of each term.
    half
        (members, half, 2), set at these positions; the inverse transform counts each twice.
    """
    real = half.dtype.type
    scale = real(0.5)
    n = len(at)
    for thread in range(first + threads.grid(1), last, threads.gridsize(1)):
        member = thread // n
        d = thread - member * n
        re = im = real(0)
        for term in range(start[d], start[d + 1]):
            i, shift = source[term], turn[term]
            cosine = angles[shift % TRANSLATION_DENOMINATOR, 0]
            sine = angles[shift % TRANSLATION_DENOMINATOR, 1]
            x, y = factor[i] * w[member, i, 0], factor[i] * w[member, i, 1]
            re += cosine * x + sine * y
            z = cosine * y - sine * x
            if shift // TRANSLATION_DENOMINATOR % 2 == 0:
                z = -z
            im += z
        half[member, at[d], 0] = scale * re
        half[member, at[d], 1] = scale * im
