"""Direct summation transposed: dT/dF to the atoms, along rows of reciprocal space.

With w = dT/dRe F + i dT/dIm F at each reflection, dT = sum_h Re(conj(w) dF). `spread` takes w
through form factors and symmetry to the places h R where the atoms are summed,

    dT = sum_h' Re(conj(v) dG),   G(h') = sum_j occ_j exp(-h' beta_j h') exp(2 pi i h'.x_j)

with v of each kind of atom on its own. Every derivative of a term of G is the term itself times a
polynomial in h', so that moments of z = conj(v) G_j along each row (h, k; all l) suffice:

    S0 = sum_l z     S1 = sum_l l z     S2 = sum_l l^2 z

A term factorises along its row, exp(-h beta h) exp(2 pi i h.x) = P(h, k) W(l) r(h, k)^l as in
friedel.kernels.direct, with W a table of the atom and P taken out of the sum. What is left in
the innermost loop are dot products over l, in whole vectors.
By Friedel's law only the half h >= 0 of the places is needed.

A thread is given atoms first <= j < last and writes their rows of `out` only.
"""

import math

import numpy as np
from numba import njit

from friedel.kernels.vectors import LANES, add, broadcast, load, multiply, multiply_add, store

TWO_PI = 2.0 * math.pi

COLUMNS = 10
"""For each atom of unit occupancy, derivatives by the occupancy; by x, y, z; by beta 11, 22, 33,
12, 13, 23, each the one number that stands in two places."""

SUMS_OF_PLANE = 9
"""Sums over the rows of one h that the derivatives are made of."""

STEEP = 1e-15
"""Of r^l - 1: what is below leaves r at 1."""

# Sums may be reordered and multiply-adds fused; infinities and NaN keep their meaning
SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True)
def spread(hkl, rotations, translations, w, f, limit_k, limit_l, v):
    """v[s, 0, h, k, l] + i v[s, 1, h, k, l] += what w at the reflections means for kind s.

    Parameters
    ----------
    w
        (n,) complex; zero for absent reflections.
    f
        (n_kinds, n) complex form factors.
    limit_k, limit_l
        Offsets of k and l in `v` (n_kinds, 2, n_h, n_k, n_l).
    """
    for i in range(len(hkl)):
        if w[i] == 0.0:
            continue
        for o in range(len(rotations)):
            r = rotations[o]
            h0, k0, l0 = hkl[i, 0], hkl[i, 1], hkl[i, 2]
            h = h0 * r[0, 0] + k0 * r[1, 0] + l0 * r[2, 0]
            k = h0 * r[0, 1] + k0 * r[1, 1] + l0 * r[2, 1]
            l = h0 * r[0, 2] + k0 * r[1, 2] + l0 * r[2, 2]
            turn = h0 * translations[o, 0] + k0 * translations[o, 1] + l0 * translations[o, 2]
            angle = TWO_PI / 24.0 * (turn % 24)
            moved = w[i] * complex(math.cos(angle), -math.sin(angle))
            sign = 1.0
            if h < 0 or (h == 0 and (k < 0 or (k == 0 and l < 0))):
                h, k, l, sign = -h, -k, -l, -1.0
            for s in range(len(f)):
                value = moved * f[s, i].conjugate()
                v[s, 0, h, k + limit_k, l + limit_l] += value.real
                v[s, 1, h, k + limit_k, l + limit_l] += sign * value.imag


@njit(cache=True, nogil=True)
def row_ends(v, ends):
    """ends[h, k] = first l, and the one after the last, where v is not zero for some kind."""
    n_l = v.shape[4]
    for h in range(v.shape[2]):
        for k in range(v.shape[3]):
            first, last = n_l, 0
            for s in range(len(v)):
                for l in range(n_l):
                    if v[s, 0, h, k, l] != 0.0 or v[s, 1, h, k, l] != 0.0:
                        first, last = min(first, l), max(last, l + 1)
            ends[h, k, 0], ends[h, k, 1] = first, last


@njit(cache=True, nogil=True)
def _fill_axis(re, im, first, x, width):
    """re[i] + i im[i] = exp(-width m^2) exp(2 pi i m x), m = first + i."""
    for i in range(len(re)):
        m = first + i
        turns = m * x
        angle = TWO_PI * (turns - np.rint(turns))
        size = math.exp(-width * m * m)
        re[i], im[i] = size * math.cos(angle), size * math.sin(angle)


@njit(cache=True, nogil=True, fastmath=SUMS)
def _add_row(total, v, re_at, im_at, w, n_l, l, start, stop, k, p, tilt, tilted):
    """Add the moments of one row, times P, to what `total` has of a plane of rows.

    Parameters
    ----------
    total
        SUMS_OF_PLANE vectors: Re S0 times 1, k, k^2; Im S0 times 1, k; Re S1 times 1, k;
        Im S1; Re S2.
    re_at, im_at
        Where the row's real and imaginary parts begin in `v`.
    w
        Re W, Im W and -Re W, each of n_l numbers.
    l
        The numbers l as floating-point numbers.
    start, stop
        The vectors that are not zero, counted in numbers.
    k
        k and k^2.
    p
        Re P, Im P, -Im P.
    tilt
        The vector r^l at `start`, and r^LANES.
    """
    zero = load(total, np.uint64(SUMS_OF_PLANE * LANES))
    a0, b0, a1, b1, a2, b2 = zero, zero, zero, zero, zero, zero
    q, q_step = load(tilt, np.uint64(0)), broadcast(tilt, np.uint64(LANES))
    for i in range(start, stop, LANES):
        at = np.uint64(i)
        v_re, v_im = load(v, np.uint64(re_at + i)), load(v, np.uint64(im_at + i))
        w_re, w_im = load(w, at), load(w, at + np.uint64(n_l))
        re = multiply_add(v_im, w_im, multiply(v_re, w_re))
        im = multiply_add(v_im, load(w, at + np.uint64(2 * n_l)), multiply(v_re, w_im))
        if tilted:
            re, im, q = multiply(re, q), multiply(im, q), multiply(q, q_step)
        here = load(l, at)
        a0, b0 = add(a0, re), add(b0, im)
        re, im = multiply(re, here), multiply(im, here)
        a1, b1 = add(a1, re), add(b1, im)
        a2, b2 = multiply_add(re, here, a2), multiply_add(im, here, b2)
    p_re, p_im = broadcast(p, np.uint64(0)), broadcast(p, np.uint64(1))
    minus_im = broadcast(p, np.uint64(2))
    k1, k2 = broadcast(k, np.uint64(0)), broadcast(k, np.uint64(1))
    u0 = multiply_add(b0, minus_im, multiply(a0, p_re))
    v0 = multiply_add(a0, p_im, multiply(b0, p_re))
    u1 = multiply_add(b1, minus_im, multiply(a1, p_re))
    v1 = multiply_add(a1, p_im, multiply(b1, p_re))
    u2 = multiply_add(b2, minus_im, multiply(a2, p_re))
    at, one = np.uint64(0), np.uint64(LANES)
    store(total, at, add(u0, load(total, at)))
    at += one
    store(total, at, multiply_add(u0, k1, load(total, at)))
    at += one
    store(total, at, multiply_add(u0, k2, load(total, at)))
    at += one
    store(total, at, add(v0, load(total, at)))
    at += one
    store(total, at, multiply_add(v0, k1, load(total, at)))
    at += one
    store(total, at, add(u1, load(total, at)))
    at += one
    store(total, at, multiply_add(u1, k1, load(total, at)))
    at += one
    store(total, at, add(v1, load(total, at)))
    at += one
    store(total, at, add(u2, load(total, at)))


@njit(cache=True, nogil=True)
def _add_plane(found, total, h):
    """Add what a plane of rows of one h means to the derivatives by one atom."""
    s = np.zeros(SUMS_OF_PLANE)
    for m in range(SUMS_OF_PLANE):
        for lane in range(LANES):
            s[m] += total[m * LANES + lane]
    u0, ku0, kku0, v0, kv0, u1, ku1, v1, u2 = s
    found[0] += u0
    found[1] -= TWO_PI * h * v0
    found[2] -= TWO_PI * kv0
    found[3] -= TWO_PI * v1
    found[4] -= h * h * u0
    found[5] -= kku0
    found[6] -= u2
    found[7] -= 2.0 * h * ku0
    found[8] -= 2.0 * h * u1
    found[9] -= 2.0 * ku1


@njit(cache=True, nogil=True)
def gather_along_rows(v, ends, limit_k, limit_l, frac, beta, kind, first, last, out):
    """out[j] = derivatives by atom j, for first <= j < last; see COLUMNS.

    `v`, whose rows are whole vectors, and `ends` from `spread` and `row_ends`; `beta` (n, 6);
    `kind` (n,) index into v.
    """
    _, _, n_h, n_k, n_l = v.shape
    flat = v.reshape(-1)
    x_re, x_im = np.empty(n_h), np.empty(n_h)
    y_re, y_im = np.empty(n_k), np.empty(n_k)
    w = np.empty(3 * n_l)
    # One vector more, which stays zero
    total = np.zeros((SUMS_OF_PLANE + 1) * LANES)
    tilt, p, k_powers = np.ones(LANES + 1), np.empty(3), np.empty(2)
    l = np.arange(n_l) - float(limit_l)
    for j in range(first, last):
        # Whole cells are dropped: fewer digits before the point leave more behind it
        x, y, z = frac[j] - np.rint(frac[j])
        _fill_axis(x_re, x_im, 0, x, beta[j, 0])
        _fill_axis(y_re, y_im, -limit_k, y, beta[j, 1])
        _fill_axis(w[:n_l], w[n_l : 2 * n_l], -limit_l, z, beta[j, 2])
        w[2 * n_l :] = -w[:n_l]
        out[j] = 0.0
        for h in range(n_h):
            total[:] = 0.0
            for column in range(n_k):
                start, stop = ends[h, column, 0] // LANES * LANES, ends[h, column, 1]
                if stop <= start:
                    continue
                k = float(column - limit_k)
                slope = -2.0 * (beta[j, 4] * h + beta[j, 5] * k)
                tilted = abs(slope) * limit_l > STEEP
                if tilted:
                    step = math.exp(slope)
                    tilt[0] = math.exp(slope * (start - limit_l))
                    for lane in range(1, LANES):
                        tilt[lane] = tilt[lane - 1] * step
                    tilt[LANES] = math.exp(LANES * slope)
                cross = math.exp(-2.0 * beta[j, 3] * h * k) if beta[j, 3] != 0.0 else 1.0
                p[0] = cross * (x_re[h] * y_re[column] - x_im[h] * y_im[column])
                p[1] = cross * (x_re[h] * y_im[column] + x_im[h] * y_re[column])
                p[2] = -p[1]
                k_powers[0], k_powers[1] = k, k * k
                re_at = (((kind[j] * 2) * n_h + h) * n_k + column) * n_l
                _add_row(
                    total, flat, re_at, re_at + n_h * n_k * n_l, w, n_l, l, start, stop,
                    k_powers, p, tilt, tilted,
                )  # fmt: skip
            _add_plane(out[j], total, h)
