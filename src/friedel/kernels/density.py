"""Atoms onto a grid: truncated Gaussians summed at the grid points around each atom.

Both kernels add, for every atom j and every grid point p within radius_j of it (in any
periodic image), occ_j sum_t A_t exp(-d Q_t d), where d is the vector from atom to point,
Q_t = 4 pi^2 (B_j + (b_t + blur) I)^-1 and A_t = a_t (4 pi)^(3/2) det(B_j + (b_t + blur) I)^(-1/2).
"""

import math

import numpy as np
from numba import njit

FOUR_PI2 = 4.0 * math.pi**2
FOUR_PI_15 = (4.0 * math.pi) ** 1.5


@njit(cache=True, nogil=True)
def _fill_profile(profile, first, n, center, spacing, factor):
    for i in range(n):
        d = (first + i - center) * spacing
        profile[i] = math.exp(-factor * d * d)


@njit(cache=True, nogil=True, fastmath=True)
def _add_row(row, first, n, amplitude, profile):
    """row[(first + k) mod len(row)] += sum_t amplitude_t profile[t, k], in contiguous pieces."""
    n_terms = len(amplitude)
    nw = len(row)
    done = 0
    start = first % nw
    while done < n:
        piece = min(n - done, nw - start)
        for k in range(piece):
            value = amplitude[0] * profile[0, done + k]
            for t in range(1, n_terms):
                value += amplitude[t] * profile[t, done + k]
            row[start + k] += value
        done += piece
        start = 0


@njit(cache=True, nogil=True)
def add_isotropic_orthogonal(grid, spacing, frac, occ, b_iso, kind, a, b, blur, radius):
    """Isotropic atoms in a cell with right angles: every Gaussian is a product of three.

    `spacing` (3,) is the distance of grid points in A.
    """
    nu, nv, nw = grid.shape
    n_terms = a.shape[1]
    limit = np.zeros(3, np.int64)
    for j in range(len(frac)):
        for axis in range(3):
            limit[axis] = max(limit[axis], int(2.0 * radius[j] / spacing[axis]) + 2)
    x_profile = np.empty((n_terms, limit[0]), grid.dtype)
    y_profile = np.empty((n_terms, limit[1]), grid.dtype)
    z_profile = np.empty((n_terms, limit[2]), grid.dtype)
    amplitude = np.empty(n_terms, grid.dtype)
    term = np.empty(n_terms)
    for j in range(len(frac)):
        if radius[j] <= 0.0:
            continue
        cx, cy, cz = frac[j, 0] * nu, frac[j, 1] * nv, frac[j, 2] * nw
        i0 = math.ceil(cx - radius[j] / spacing[0])
        j0 = math.ceil(cy - radius[j] / spacing[1])
        k0 = math.ceil(cz - radius[j] / spacing[2])
        ni = math.floor(cx + radius[j] / spacing[0]) - i0 + 1
        nj = math.floor(cy + radius[j] / spacing[1]) - j0 + 1
        nk = math.floor(cz + radius[j] / spacing[2]) - k0 + 1
        for t in range(n_terms):
            width = b_iso[j] + b[kind[j], t] + blur
            term[t] = occ[j] * a[kind[j], t] * (4.0 * math.pi / width) ** 1.5
            _fill_profile(x_profile[t], i0, ni, cx, spacing[0], FOUR_PI2 / width)
            _fill_profile(y_profile[t], j0, nj, cy, spacing[1], FOUR_PI2 / width)
            _fill_profile(z_profile[t], k0, nk, cz, spacing[2], FOUR_PI2 / width)
        r2 = radius[j] * radius[j]
        for i in range(ni):
            dx = (i0 + i - cx) * spacing[0]
            for m in range(nj):
                dy = (j0 + m - cy) * spacing[1]
                rest = r2 - dx * dx - dy * dy
                if rest < 0.0:
                    continue
                half = math.sqrt(rest) / spacing[2]
                first = math.ceil(cz - half)
                last = math.floor(cz + half)
                for t in range(n_terms):
                    amplitude[t] = term[t] * x_profile[t, i] * y_profile[t, m]
                row = grid[(i0 + i) % nu, (j0 + m) % nv]
                _add_row(row, first, last - first + 1, amplitude, z_profile[:, first - k0 :])


@njit(cache=True, nogil=True)
def _inverse_and_det(m, out):
    """Inverse of a symmetric tensor in the order 11, 22, 33, 12, 13, 23; returns the determinant."""
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


@njit(cache=True, nogil=True)
def _to_grid_axes(q, step, out):
    """S^T Q S for a symmetric tensor q and the upper-triangular (3, 3) `step` of the grid."""
    s00, s01, s02 = step[0, 0], step[0, 1], step[0, 2]
    s11, s12, s22 = step[1, 1], step[1, 2], step[2, 2]
    q10, q11, q12 = q[0] * s01 + q[3] * s11, q[3] * s01 + q[1] * s11, q[4] * s01 + q[5] * s11
    q20 = q[0] * s02 + q[3] * s12 + q[4] * s22
    q21 = q[3] * s02 + q[1] * s12 + q[5] * s22
    q22 = q[4] * s02 + q[5] * s12 + q[2] * s22
    out[0] = q[0] * s00 * s00
    out[1] = s01 * q10 + s11 * q11
    out[2] = s02 * q20 + s12 * q21 + s22 * q22
    out[3] = s00 * q10
    out[4] = s00 * q20
    out[5] = s01 * q20 + s11 * q21


@njit(cache=True, nogil=True)
def _add_gaussian_row(row, origin, first, last, c0, c1, c2, amplitude):
    """row[origin + k] += amplitude exp(-(c0 + c1 k + c2 k^2)) for first <= k <= last, periodic.

    Neighbouring values are related by a ratio that itself changes by a constant factor. The
    recurrence runs outward from the largest value (c2 > 0), so that nothing overflows.
    """
    nw = len(row)
    top = min(max(int(np.rint(-0.5 * c1 / c2)), first), last)
    change = math.exp(-2.0 * c2)
    peak = amplitude * math.exp(-(c0 + c1 * top + c2 * top * top))
    value = peak
    ratio = math.exp(-(c1 + c2 * (2 * top + 1)))
    index = (origin + top) % nw
    for _ in range(top, last + 1):
        row[index] += value
        value *= ratio
        ratio *= change
        index += 1
        if index == nw:
            index = 0
    value = peak
    ratio = math.exp(c1 + c2 * (2 * top - 1))
    index = (origin + top) % nw
    for _ in range(first, top):
        value *= ratio
        ratio *= change
        index -= 1
        if index < 0:
            index = nw - 1
        row[index] += value


@njit(cache=True, nogil=True)
def add_general(grid, step, extent, frac, occ, b_tensor, kind, a, b, blur, radius):
    """Any atoms in any cell.

    `step` (3, 3) upper triangular turns steps along the grid axes into Cartesian A; `extent` (3,)
    is the half-width along the grid axes of a sphere of 1 A; `b_tensor` (n, 6) is Cartesian.
    """
    nu, nv, nw = grid.shape
    n_terms = a.shape[1]
    identity = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    metric, tensor, inverse, term = np.empty(6), np.empty(6), np.empty(6), np.empty(n_terms)
    form = np.empty((n_terms, 6))
    _to_grid_axes(identity, step, metric)
    for j in range(len(frac)):
        if radius[j] <= 0.0:
            continue
        for t in range(n_terms):
            for m in range(6):
                tensor[m] = b_tensor[j, m] + (b[kind[j], t] + blur) * identity[m]
            det = _inverse_and_det(tensor, inverse)
            _to_grid_axes(inverse, step, form[t])
            for m in range(6):
                form[t, m] *= FOUR_PI2
            term[t] = occ[j] * a[kind[j], t] * FOUR_PI_15 / math.sqrt(det)
        cx, cy, cz = frac[j, 0] * nu, frac[j, 1] * nv, frac[j, 2] * nw
        wx, wy = radius[j] * extent[0], radius[j] * extent[1]
        origin = math.floor(cz)
        pz = origin - cz
        for i in range(math.ceil(cx - wx), math.floor(cx + wx) + 1):
            px = i - cx
            for m in range(math.ceil(cy - wy), math.floor(cy + wy) + 1):
                py = m - cy
                # The row enters and leaves the sphere where d.d = radius^2, quadratic in z
                middle = -(metric[4] * px + metric[5] * py) / metric[2]
                flat = metric[0] * px * px + metric[1] * py * py + 2.0 * metric[3] * px * py
                rest = middle * middle - (flat - radius[j] * radius[j]) / metric[2]
                if rest < 0.0:
                    continue
                first = math.ceil(middle - math.sqrt(rest) - pz)
                last = math.floor(middle + math.sqrt(rest) - pz)
                if last < first:
                    continue
                row = grid[i % nu, m % nv]
                for t in range(n_terms):
                    q = form[t]
                    cross = q[4] * px + q[5] * py
                    flat = q[0] * px * px + q[1] * py * py + 2.0 * q[3] * px * py
                    c0 = flat + pz * (2.0 * cross + q[2] * pz)
                    c1 = 2.0 * (cross + q[2] * pz)
                    _add_gaussian_row(row, origin, first, last, c0, c1, q[2], term[t])
