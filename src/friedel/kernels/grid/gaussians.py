"""Gaussians for the density kernels: exponentials, radii, and tensors in the grid's axes."""

import math

from friedel.kernels.compiled import njit

FOUR_PI2 = 4.0 * math.pi**2
FOUR_PI = 4.0 * math.pi

# No optimisations that could hide an infinity or a NaN
FAST = {"contract", "reassoc", "nsz", "arcp"}


@njit(nogil=True)
def r2_at_level(amplitude, factor, j, log_level, r2):
    """r^2 where sum_t |amplitude[j, t]| exp(-factor[j, t] r^2) falls to a level, from a guess.

    ln(sum) is convex in r^2, so Newton's method approaches the root from below, after a first
    step back if the guess was too large.
    """
    for _ in range(60):
        value, slope = 0.0, 0.0
        for t in range(amplitude.shape[1]):
            term = abs(amplitude[j, t]) * math.exp(-factor[j, t] * r2)
            value += term
            slope += factor[j, t] * term
        if value <= 0.0 or slope <= 0.0:
            if r2 == 0.0:
                break
            r2 = 0.0
            continue
        excess = math.log(value) - log_level
        if abs(excess) < 1e-4 or (excess < 0.0 and r2 == 0.0):
            break
        r2 = max(r2 + excess * value / slope, 0.0)
    return r2


@njit(nogil=True)
def radii_at_level(amplitude, factor, level, radius):
    """radius[j] where sum_t |amplitude[j, t]| exp(-factor[j, t] r^2) falls to `level`."""
    log_level, r2 = math.log(level), 0.0
    for j in range(len(amplitude)):
        r2 = r2_at_level(amplitude, factor, j, log_level, r2)  # neighbours are alike
        radius[j] = math.sqrt(r2)


@njit(nogil=True)
def inverse_and_det(m, out):
    """Inverse of a symmetric tensor (11, 22, 33, 12, 13, 23); returns the determinant."""
    c11 = m[1] * m[2] - m[5] * m[5]
    c12 = m[4] * m[5] - m[3] * m[2]
    c13 = m[3] * m[5] - m[1] * m[4]
    det = m[0] * c11 + m[3] * c12 + m[4] * c13
    out[0] = c11 / det
    out[1] = (m[0] * m[2] - m[4] * m[4]) / det
    out[2] = (m[0] * m[1] - m[3] * m[3]) / det
    out[3] = c12 / det
    out[4] = c13 / det
    out[5] = (m[3] * m[4] - m[0] * m[5]) / det
    return det


@njit(nogil=True)
def to_grid_axes(q, step, out):
    """S^T Q S for a symmetric tensor q and the upper-triangular (3, 3) `step` of the grid."""
    s00, s01, s02 = step[0, 0], step[0, 1], step[0, 2]
    s11, s12, s22 = step[1, 1], step[1, 2], step[2, 2]
    q10, q11 = q[0] * s01 + q[3] * s11, q[3] * s01 + q[1] * s11
    q20 = q[0] * s02 + q[3] * s12 + q[4] * s22
    q21 = q[3] * s02 + q[1] * s12 + q[5] * s22
    q22 = q[4] * s02 + q[5] * s12 + q[2] * s22
    out[0] = q[0] * s00 * s00
    out[1] = s01 * q10 + s11 * q11
    out[2] = s02 * q20 + s12 * q21 + s22 * q22
    out[3] = s00 * q10
    out[4] = s00 * q20
    out[5] = s01 * q20 + s11 * q21


@njit(nogil=True, error_model="numpy")
def gaussian_form(b_tensor, width, step, inverse, tensor, form):
    """4 pi^2 (B + width)^-1 in grid axes into `form`; returns det(B + width)."""
    for m in range(6):
        tensor[m] = b_tensor[m] + (width if m < 3 else 0.0)
    det = inverse_and_det(tensor, inverse)
    to_grid_axes(inverse, step, form)
    for m in range(6):
        form[m] *= FOUR_PI2
    return det
