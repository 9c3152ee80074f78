"""Picking structure factors out of the transform of one asymmetric unit's density."""

import math

import numpy as np
from numba import njit

COS24 = np.cos(2.0 * np.pi * np.arange(24) / 24)
SIN24 = np.sin(2.0 * np.pi * np.arange(24) / 24)


@njit(cache=True, nogil=True)
def largest_indices(hkl, rotations):
    """Largest |h|, |k|, |l| of all hkl[i] @ rotation."""
    top_h = top_k = top_l = 0
    for i in range(len(hkl)):
        h, k, l = hkl[i]
        for o in range(len(rotations)):
            r = rotations[o]
            top_h = max(top_h, abs(h * r[0, 0] + k * r[1, 0] + l * r[2, 0]))
            top_k = max(top_k, abs(h * r[0, 1] + k * r[1, 1] + l * r[2, 1]))
            top_l = max(top_l, abs(h * r[0, 2] + k * r[1, 2] + l * r[2, 2]))
    return top_h, top_k, top_l


@njit(cache=True, nogil=True)
def gather(transform, hkl, rotations, translations, metric, blur, scale, out):
    """out[i] = scale exp(blur stol2) sum_ops exp(2 pi i h.t) F(hkl[i] @ rotation).

    `transform` is (part of) the half l >= 0 of a discrete Fourier transform with the sign
    exp(-2 pi i h.x), so F is its conjugate; negative h and k count from the end.
    `translations` are in 24ths. `out` is (n,) complex128.
    """
    nu, nv, _ = transform.shape
    for i in range(len(hkl)):
        h0, k0, l0 = hkl[i]
        re = 0.0
        im = 0.0
        for o in range(len(rotations)):
            r = rotations[o]
            h = h0 * r[0, 0] + k0 * r[1, 0] + l0 * r[2, 0]
            k = h0 * r[0, 1] + k0 * r[1, 1] + l0 * r[2, 1]
            l = h0 * r[0, 2] + k0 * r[1, 2] + l0 * r[2, 2]
            turn = h0 * translations[o, 0] + k0 * translations[o, 1] + l0 * translations[o, 2]
            # Integer division is slow, that by a reciprocal is exact enough
            turn -= 24 * math.floor(turn * (1.0 / 24.0) + 1e-6)
            sign = -1.0
            if l < 0:  # Friedel's law: F(-h) = conj(F(h))
                h, k, l, sign = -h, -k, -l, 1.0
            if h < 0:
                h += nu
            if k < 0:
                k += nv
            value = transform[h, k, l]
            x, y = value.real, sign * value.imag
            c, s = COS24[turn], SIN24[turn]
            re += c * x - s * y
            im += s * x + c * y
        stol2 = 0.25 * (
            metric[0, 0] * h0 * h0
            + metric[1, 1] * k0 * k0
            + metric[2, 2] * l0 * l0
            + 2.0 * (metric[0, 1] * h0 * k0 + metric[0, 2] * h0 * l0 + metric[1, 2] * k0 * l0)
        )
        factor = scale * math.exp(blur * stol2)
        out[i] = complex(factor * re, factor * im)


@njit(cache=True, nogil=True)
def scatter(w, absent, hkl, rotations, translations, metric, blur, scale, nw, transform):
    """The transpose of `gather` in real arithmetic: w[i] goes to all places that it is made of.

    Parameters
    ----------
    w
        (n,) derivative by Re F plus i times the derivative by Im F.
    absent
        (n,) bool: reflections that are zero whatever the density is.
    nw
        Points of the grid along z.
    transform
        (nu, nv, >= largest l + 1), added to. Its inverse transform with the sign
        exp(+2 pi i h.x), real, not scaled, is the derivative by the density.
    """
    nu, nv, _ = transform.shape
    for i in range(len(hkl)):
        if absent[i]:
            continue
        h0, k0, l0 = hkl[i]
        stol2 = 0.25 * (
            metric[0, 0] * h0 * h0
            + metric[1, 1] * k0 * k0
            + metric[2, 2] * l0 * l0
            + 2.0 * (metric[0, 1] * h0 * k0 + metric[0, 2] * h0 * l0 + metric[1, 2] * k0 * l0)
        )
        factor = scale * math.exp(blur * stol2)
        re, im = factor * w[i].real, factor * w[i].imag
        for o in range(len(rotations)):
            r = rotations[o]
            h = h0 * r[0, 0] + k0 * r[1, 0] + l0 * r[2, 0]
            k = h0 * r[0, 1] + k0 * r[1, 1] + l0 * r[2, 1]
            l = h0 * r[0, 2] + k0 * r[1, 2] + l0 * r[2, 2]
            turn = (
                h0 * translations[o, 0] + k0 * translations[o, 1] + l0 * translations[o, 2]
            ) % 24
            c, s = COS24[turn], SIN24[turn]
            x, y = c * re + s * im, c * im - s * re
            sign = -1.0
            if l < 0:
                h, k, l, sign = -h, -k, -l, 1.0
            # A real inverse transform counts planes twice, except l = 0 and the Nyquist plane
            weight = 1.0 if l == 0 or 2 * l == nw else 0.5
            transform[h % nu, k % nv, l] += complex(weight * x, sign * weight * y)
