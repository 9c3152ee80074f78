"""Loops of the accuracy model: aliasing and truncation errors for one choice of grid and blur."""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _log_power(log_power, step, s2):
    """Ln P at s^2, linear between tabulated points and beyond the last one."""
    position = s2 / step
    index = min(int(position), len(log_power) - 2)
    fraction = position - index
    return log_power[index] * (1.0 - fraction) + log_power[index + 1] * fraction


@njit(cache=True, nogil=True)
def alias_power(s, lattice, log_power, step, blur, cosines, weights, out):
    """out[i] = power at s[i] of what folds back from the points of the transform's lattice.

    `lattice` (m,) holds the lengths |g| (1/A) of lattice vectors, one of each pair +-g;
    `log_power` tabulates the logarithm of the model's Wilson curve at multiples of `step` in s^2.
    """
    for i in range(len(s)):
        total = 0.0
        for g in lattice:
            for c, w in zip(cosines, weights):
                shifted = s[i] * s[i] + g * g + 2.0 * s[i] * g * c
                exponent = _log_power(log_power, step, shifted)
                exponent -= 0.5 * blur * (shifted - s[i] * s[i])
                # Both +g and -g, averaged over directions of s: the weights sum to 2
                total += w * math.exp(min(exponent, 700.0))
        out[i] = total


@njit(cache=True, nogil=True)
def power_curve(weight, f2, kind, b_iso, s2):
    """out[i] = sum_j weight_j f2[kind_j, i] exp(-b_iso_j s2[i] / 2), at least 1e-290."""
    out = np.zeros(len(s2))
    for j in range(len(weight)):
        # s2 is equally spaced from 0: the exponential is a geometric sequence
        value, ratio = weight[j], math.exp(-0.5 * b_iso[j] * (s2[1] - s2[0]))
        row = f2[kind[j]]
        for i in range(len(s2)):
            out[i] += value * row[i]
            value *= ratio
    for i in range(len(s2)):
        out[i] = max(out[i], 1e-290)
    return out


@njit(cache=True, nogil=True)
def truncation_power(s, amplitude, factor, radius, count, blur, out):
    """out[i] = power at s[i], unblurred, of the tails cut off beyond the radii.

    A tail that starts with density rho and decays as exp(-lam (r - R)) transforms to at most
    4 pi rho R / (2 pi s sqrt(lam^2 + (2 pi s)^2)), oscillating, and to its integral at s = 0.
    """
    out[:] = 0.0
    for j in range(len(radius)):
        r = radius[j]
        if r <= 0.0:
            continue
        rho, slope = 0.0, 0.0
        for t in range(amplitude.shape[1]):
            term = amplitude[j, t] * math.exp(-factor[j, t] * r * r)
            rho += term
            slope += factor[j, t] * term
        if rho <= 0.0:
            continue
        lam = 2.0 * r * slope / rho
        whole = 4.0 * math.pi * rho * r * r / lam * (1.0 + 2.0 / (lam * r) + 2.0 / (lam * r) ** 2)
        for i in range(len(s)):
            w = 2.0 * math.pi * s[i]
            tail = 4.0 * math.pi * rho * r / (w * math.sqrt(lam * lam + w * w)) / math.sqrt(2.0)
            tail = min(tail, whole)
            out[i] += count[j] * tail * tail
    for i in range(len(s)):
        out[i] *= np.exp(0.5 * blur * s[i] * s[i])
