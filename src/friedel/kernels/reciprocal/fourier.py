"""Extraction of structure factors from the transform of the density of one asymmetric unit."""

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.compiled import njit
from friedel.kernels.reciprocal.indices import whole_turns_off

CONJUGATE, IN_PLANE = TRANSLATION_DENOMINATOR, 2 * TRANSLATION_DENOMINATOR
"""Flags added to a phase shift in 24ths of a turn; see `map_terms`."""

_TURN = np.arange(2 * IN_PLANE)
_ANGLE = 2.0 * np.pi * (_TURN % TRANSLATION_DENOMINATOR) / TRANSLATION_DENOMINATOR
COS, SIN = np.cos(_ANGLE), np.sin(_ANGLE)
SIGN = np.where(_TURN // CONJUGATE % 2 == 1, 1.0, -1.0)
"""Signs of the imaginary part of the transform's value, by turn and flags."""


BLOCK = 256
"""Number of reflections that `map_terms` works on at a time."""


@njit(nogil=True)
def map_terms(hkl, rotations, translations, shape, nw, index, turn):
    """Positions in a half transform of the terms of each reflection, and their phase shifts.

    F(hkl) = sum_o exp(2 pi i t_o.hkl) F(hkl R_o), and `shape` (nu, n_k, n_l) is that of (part of)
    the half l >= 0 of a transform with the sign exp(-2 pi i h.x): F is its conjugate. Negative h
    and k count from the end.

    Parameters
    ----------
    nw
        Number of grid points along z.
    translations
        (n_operations, 3) in 24ths.
    index
        (n, n_operations), set to positions in the flat transform.
    turn
        (n, n_operations) uint8, set to the phase shift in 24ths of a turn, plus CONJUGATE where the
        value of the transform itself is used, plus IN_PLANE where l is 0 or nw / 2.
    """
    place, shift = np.empty(BLOCK, index.dtype), np.empty(BLOCK, np.uint8)
    for first in range(0, len(hkl), BLOCK):
        n = min(BLOCK, len(hkl) - first)
        indices = np.ascontiguousarray(hkl[first : first + n].T)
        for o in range(len(rotations)):
            r, t = rotations[o], translations[o]
            _map_operation(
                indices,
                (r[0, 0], r[1, 0], r[2, 0]),
                (r[0, 1], r[1, 1], r[2, 1]),
                (r[0, 2], r[1, 2], r[2, 2]),
                (t[0], t[1], t[2]),
                shape,
                nw,
                place,
                shift,
            )
            for i in range(n):
                index[first + i, o], turn[first + i, o] = place[i], shift[i]


@njit(nogil=True)
def _map_operation(indices, of_h, of_k, of_l, translation, shape, nw, place, shift):
    """Positions and phase shifts of the terms of one operation, the reflections being (3, n).

    Its columns and its translation are numbers, and no branch depends on a reflection: the loop is
    compiled to vector instructions.
    """
    nu, n_k, n_l = shape
    for i in range(indices.shape[1]):
        x, y, z = indices[0, i], indices[1, i], indices[2, i]
        h = np.int32(x * of_h[0] + y * of_h[1] + z * of_h[2])
        k = np.int32(x * of_k[0] + y * of_k[1] + z * of_k[2])
        l = np.int32(x * of_l[0] + y * of_l[1] + z * of_l[2])
        t = whole_turns_off(np.int32(x * translation[0] + y * translation[1] + z * translation[2]))
        if l < 0:  # Friedel's law: F(-h) = conj(F(h))
            h, k, l, t = np.int32(-h), np.int32(-k), np.int32(-l), t + CONJUGATE
        row = (h + (nu if h < 0 else 0)) * n_k + k + (n_k if k < 0 else 0)
        place[i] = row * n_l + l
        shift[i] = t + (IN_PLANE if l == 0 or 2 * l == nw else 0)


@njit(nogil=True)
def gather(transform, index, turn, factor, out):
    """Set out[i] to factor[i] times the sum of the terms of reflection i by :func:`map_terms`."""
    for i in range(len(index)):
        re, im = 0.0, 0.0
        for o in range(index.shape[1]):
            value, t = transform[np.uint64(index[i, o])], np.uint64(turn[i, o])
            x, y = float(value.real), float(value.imag)
            re += COS[t] * x - SIN[t] * SIGN[t] * y
            im += SIN[t] * x + COS[t] * SIGN[t] * y
        out[i] = complex(factor[i] * re, factor[i] * im)


@njit(nogil=True)
def scatter(w, index, turn, factor, transform):
    """The transpose of `gather` in real arithmetic: w[i] is added at all terms of reflection i.

    w[i] is the derivative by Re F plus i times that by Im F. The inverse of `transform`, (n,)
    flat, with the sign exp(+2 pi i h.x), real, not scaled, is the derivative by the density;
    such an inverse counts planes twice, except l = 0 and l = nw / 2.
    """
    for i in range(len(index)):
        re, im = factor[i] * w[i].real, factor[i] * w[i].imag
        for o in range(index.shape[1]):
            t = np.uint64(turn[i, o])
            weight = 1.0 if t >= IN_PLANE else 0.5
            x, y = COS[t] * re + SIN[t] * im, COS[t] * im - SIN[t] * re
            transform[np.uint64(index[i, o])] += complex(weight * x, SIGN[t] * weight * y)
