"""Direct summation along rows, transposed: from dT/dG of the sums to derivatives by the atoms.

With v = dT/dRe G + i dT/dIm G at every point of the rows, from `direct_symmetry.spread`,

    dT = sum_h Re(conj(v) dG),   G(h) = sum_j exp(-h beta_j h) exp(2 pi i h.x_j)

Every derivative of a term is the term itself times a polynomial in h, so that the real part u
and minus the imaginary part s of three *moments* of each atom and row suffice:

    M0 = P sum_l conj(v) W r^l      M1 = P sum_l l conj(v) W r^l      M2 = P sum_l l^2 conj(v) W r^l

P, W and r are those of :mod:`friedel.kernels.direct`, and so are rows, blocks and tables. Each
atom lies in one lane of a vector: a number of v serves all atoms of the vector, and nothing is
summed across lanes.

*Upright* atoms take l and -l together, with the products A, B, C, D of the forward sum, whose
derivatives :func:`fold_mates` makes of v. Their moments M1 and M2 are not needed: the derivatives
by W(l), added up over all rows, give those by z and beta33 in the end. That makes twice the
multiply-adds of the forward sum. Other atoms take sums and first and second derivatives of
polynomials in r by Horner's rule, from the end of a row to its beginning.
"""

import math

import numpy as np

from friedel.kernels.direct import LANES, TILE, follows_in_tile
from friedel.kernels.direct_symmetry import compiled, compiled_sums
from friedel.kernels.vectors import add, broadcast, fill, load, multiply, multiply_add, negative, store

TWO_PI = 2.0 * math.pi

COLUMNS = 10
"""For each atom of unit occupancy, derivatives by the occupancy; by x, y, z; by beta 11, 22, 33,
12, 13, 23, each the one number that stands in two places."""


@compiled
def fold_mates(first, last, real, v):
    """dT/d(A, B, C, D) of upright atoms in place of v at l and -l, for some of the slots."""
    for s in range(first, last):
        row = v[s]
        if real:
            for at in range(0, len(row), 2):
                up, down = row[at], row[at + 1]
                row[at], row[at + 1] = up + down, down - up
        else:
            for at in range(0, len(row), 4):
                up_re, up_im, down_re, down_im = row[at], row[at + 1], row[at + 2], row[at + 3]
                row[at], row[at + 1] = up_re + down_re, down_re - up_re
                row[at + 2], row[at + 3] = up_im - down_im, up_im + down_im


@compiled
def _enter(p, m, tables, b, j, h, column, ratio):
    """P of a vector of atoms into p[m], a pair of vectors; `ratio` holds exp(-2 beta12 h k)."""
    x, y = tables.x, tables.y
    x_at = ((b * x.shape[1] + h) * 2) * x.shape[3] + j
    y_at = ((b * y.shape[1] + column) * 2) * y.shape[3] + j
    x_flat, y_flat = x.reshape(-1), y.reshape(-1)
    x_re, x_im = load(x_flat, x_at), load(x_flat, x_at + x.shape[3])
    y_re, y_im = load(y_flat, y_at), load(y_flat, y_at + y.shape[3])
    factor = load(ratio, 0)
    re = multiply_add(negative(x_im), y_im, multiply(x_re, y_re))
    im = multiply_add(x_im, y_re, multiply(x_re, y_im))
    store(p, 2 * m * LANES, multiply(re, factor))
    store(p, (2 * m + 1) * LANES, multiply(im, factor))


@compiled
def _follow_cross(ratio, cross, b, j, h, k, follows, step_k):
    """exp(-2 beta12 h k) in the first half of `ratio`, the step to the next row in the second."""
    for lane in range(LANES):
        if follows:
            ratio[lane] *= ratio[lane + LANES]
        else:
            ratio[lane] = math.exp(-2.0 * cross[b, j + lane] * h * k)
            ratio[lane + LANES] = math.exp(-2.0 * cross[b, j + lane] * h * step_k)


@compiled
def _upright(v, at0, at1, at2, steps, real, w, w_at, w_im, w_step, g, g_step, p, q):
    """dT/dP of three rows into q, and dT/dW into g: the transpose of `direct._upright`.

    Parameters
    ----------
    at0, at1, at2
        Where the rows begin in `v`, whose numbers are derivatives by A, B, C and D.
    w_at, w_im, w_step
        Where W begins, how far after the real part the imaginary one is, and the next l.
    g, g_step
        Pairs of vectors, one for every l, and how far it is to the next.
    """
    p0_re, p0_im = load(p, 0), load(p, LANES)
    p1_re, p1_im = load(p, 2 * LANES), load(p, 3 * LANES)
    p2_re, p2_im = load(p, 4 * LANES), load(p, 5 * LANES)
    q0_re = q0_im = q1_re = q1_im = q2_re = q2_im = fill(0.0)
    g_at = 0
    for _ in range(steps):
        w_re, w_im_part = load(w, w_at), load(w, w_at + w_im)
        g_re, g_im = load(g, g_at), load(g, g_at + LANES)
        a, b = broadcast(v, at0), broadcast(v, at0 + 1)
        q0_re, g_re = multiply_add(a, w_re, q0_re), multiply_add(a, p0_re, g_re)
        q0_im, g_im = multiply_add(b, w_im_part, q0_im), multiply_add(b, p0_im, g_im)
        a, b = broadcast(v, at1), broadcast(v, at1 + 1)
        q1_re, g_re = multiply_add(a, w_re, q1_re), multiply_add(a, p1_re, g_re)
        q1_im, g_im = multiply_add(b, w_im_part, q1_im), multiply_add(b, p1_im, g_im)
        a, b = broadcast(v, at2), broadcast(v, at2 + 1)
        q2_re, g_re = multiply_add(a, w_re, q2_re), multiply_add(a, p2_re, g_re)
        q2_im, g_im = multiply_add(b, w_im_part, q2_im), multiply_add(b, p2_im, g_im)
        if not real:
            c, d = broadcast(v, at0 + 2), broadcast(v, at0 + 3)
            q0_re, g_im = multiply_add(c, w_im_part, q0_re), multiply_add(c, p0_re, g_im)
            q0_im, g_re = multiply_add(d, w_re, q0_im), multiply_add(d, p0_im, g_re)
            c, d = broadcast(v, at1 + 2), broadcast(v, at1 + 3)
            q1_re, g_im = multiply_add(c, w_im_part, q1_re), multiply_add(c, p1_re, g_im)
            q1_im, g_re = multiply_add(d, w_re, q1_im), multiply_add(d, p1_im, g_re)
            c, d = broadcast(v, at2 + 2), broadcast(v, at2 + 3)
            q2_re, g_im = multiply_add(c, w_im_part, q2_re), multiply_add(c, p2_re, g_im)
            q2_im, g_re = multiply_add(d, w_re, q2_im), multiply_add(d, p2_im, g_re)
        store(g, g_at, g_re)
        store(g, g_at + LANES, g_im)
        width = 2 if real else 4
        at0, at1, at2 = at0 + width, at1 + width, at2 + width
        w_at, g_at = w_at + w_step, g_at + g_step
    store(q, 0, q0_re)
    store(q, LANES, q0_im)
    store(q, 2 * LANES, q1_re)
    store(q, 3 * LANES, q1_im)
    store(q, 4 * LANES, q2_re)
    store(q, 5 * LANES, q2_im)


@compiled
def _tilted(v, at, steps, real, w, w_at, w_im, w_step, r, moments):
    """Sums of conj(v) W r^n and their first two derivatives by r, up and down a row.

    `r` holds the factor of a step up and that of a step down; `moments` gets six vectors for
    each direction. Downwards it is the conjugate that is summed, as in the forward sum.
    """
    up, down = load(r, 0), load(r, LANES)
    a0 = b0 = a1 = b1 = a2 = b2 = c0 = d0 = c1 = d1 = c2 = d2 = fill(0.0)
    width = 2 if real else 4
    w_at, at = w_at + (steps - 1) * w_step, at + (steps - 1) * width
    for _ in range(steps):
        w_re, w_im_part = load(w, w_at), load(w, w_at + w_im)
        a2, b2 = multiply_add(a2, up, a1), multiply_add(b2, up, b1)
        a1, b1 = multiply_add(a1, up, a0), multiply_add(b1, up, b0)
        c2, d2 = multiply_add(c2, down, c1), multiply_add(d2, down, d1)
        c1, d1 = multiply_add(c1, down, c0), multiply_add(d1, down, d0)
        if real:
            up_re, down_re = broadcast(v, at), broadcast(v, at + 1)
            a0 = multiply_add(a0, up, multiply(up_re, w_re))
            b0 = multiply_add(b0, up, multiply(up_re, w_im_part))
            c0 = multiply_add(c0, down, multiply(down_re, w_re))
            d0 = multiply_add(d0, down, multiply(down_re, w_im_part))
        else:
            up_re, up_im = broadcast(v, at), broadcast(v, at + 1)
            down_re, down_im = broadcast(v, at + 2), broadcast(v, at + 3)
            term = multiply_add(up_im, w_im_part, multiply(up_re, w_re))
            a0 = multiply_add(a0, up, term)
            term = multiply_add(negative(up_im), w_re, multiply(up_re, w_im_part))
            b0 = multiply_add(b0, up, term)
            term = multiply_add(negative(down_im), w_im_part, multiply(down_re, w_re))
            c0 = multiply_add(c0, down, term)
            term = multiply_add(down_im, w_re, multiply(down_re, w_im_part))
            d0 = multiply_add(d0, down, term)
        w_at, at = w_at - w_step, at - width
    store(moments, 0, a0)
    store(moments, LANES, b0)
    store(moments, 2 * LANES, a1)
    store(moments, 3 * LANES, b1)
    store(moments, 4 * LANES, a2)
    store(moments, 5 * LANES, b2)
    store(moments, 6 * LANES, c0)
    store(moments, 7 * LANES, d0)
    store(moments, 8 * LANES, c1)
    store(moments, 9 * LANES, d1)
    store(moments, 10 * LANES, c2)
    store(moments, 11 * LANES, d2)


@compiled_sums
def _add_upright(total, p, q, m, h, k):
    """Add what one row means to sums of u and s times 1, h, k and their products."""
    for lane in range(LANES):
        p_re, p_im = p[2 * m * LANES + lane], p[(2 * m + 1) * LANES + lane]
        q_re, q_im = q[2 * m * LANES + lane], q[(2 * m + 1) * LANES + lane]
        u = p_re * q_re + p_im * q_im
        s = p_re * q_im - p_im * q_re
        total[0, lane] += u
        total[1, lane] += h * s
        total[2, lane] += k * s
        total[4, lane] += h * h * u
        total[5, lane] += k * k * u
        total[7, lane] += h * k * u


@compiled_sums
def _add_tilted(total, p, m, r, start, stride, moments, h, k):
    """The same for other atoms, and the products with l."""
    for lane in range(LANES):
        a0, b0, a1, b1, a2, b2 = _powers_of_l(moments, lane, r[lane], start, stride)
        c0, d0, c1, d1, c2, d2 = _powers_of_l(
            moments, lane + 6 * LANES, r[lane + LANES], start, stride
        )
        first = r[lane + 2 * LANES]
        m0_re, m0_im = a0 * first + c0 / first, b0 * first - d0 / first
        m1_re, m1_im = a1 * first - c1 / first, b1 * first + d1 / first
        m2_re, m2_im = a2 * first + c2 / first, b2 * first - d2 / first
        p_re, p_im = p[2 * m * LANES + lane], p[(2 * m + 1) * LANES + lane]
        u = p_re * m0_re - p_im * m0_im
        s = -p_re * m0_im - p_im * m0_re
        lu = p_re * m1_re - p_im * m1_im
        total[0, lane] += u
        total[1, lane] += h * s
        total[2, lane] += k * s
        total[3, lane] += -p_re * m1_im - p_im * m1_re
        total[4, lane] += h * h * u
        total[5, lane] += k * k * u
        total[6, lane] += p_re * m2_re - p_im * m2_im
        total[7, lane] += h * k * u
        total[8, lane] += h * lu
        total[9, lane] += k * lu


@compiled_sums
def _powers_of_l(moments, at, r, start, stride):
    """Sums over l = start + stride n times 1, l and l^2, of derivatives by r as in _tilted."""
    re, im = moments[at], moments[at + LANES]
    re1, im1 = r * moments[at + 2 * LANES], r * moments[at + 3 * LANES]
    re2, im2 = r * r * moments[at + 4 * LANES], r * r * moments[at + 5 * LANES]
    twice = 2 * start * stride + stride * stride
    return (
        re,
        im,
        start * re + stride * re1,
        start * im + stride * im1,
        start * start * re + twice * re1 + 2 * stride * stride * re2,
        start * start * im + twice * im1 + 2 * stride * stride * im2,
    )


@compiled_sums
def _add_table(total, w, w_at, w_im, w_step, g, first_l, stride):
    """Add the derivatives by z and beta33 that those by the entries of W mean."""
    for n in range(g.shape[0]):
        l = first_l + stride * n
        for lane in range(LANES):
            w_re = w[w_at + l * w_step + lane]
            w_im_part = w[w_at + l * w_step + w_im + lane]
            total[3, lane] += l * (w_re * g[n, 1, lane] - w_im_part * g[n, 0, lane])
            total[6, lane] += l * l * (w_re * g[n, 0, lane] + w_im_part * g[n, 1, lane])


@compiled
def _upright_rows(i, rows, stride, real, s, v, tables, b, j, p, q, g, total):
    """Three rows for one vector of upright atoms."""
    w = tables.w
    n_atoms = w.shape[3]
    start = rows[i, 5]
    steps = max(rows[i : i + 3, 2].max(), rows[i : i + 3, 3].max())
    parts = 1 if real else 2
    w_at = ((b * w.shape[1] + start) * 2) * n_atoms + j
    at0, at1, at2 = parts * rows[i, 4], parts * rows[i + 1, 4], parts * rows[i + 2, 4]
    _upright(
        v[s], at0, at1, at2, steps, real, w.reshape(-1), w_at, n_atoms, 2 * n_atoms * stride,
        g[start].reshape(-1), 2 * LANES, p, q,
    )  # fmt: skip
    for m in range(3):
        _add_upright(total, p, q, m, float(rows[i + m, 0]), float(rows[i + m, 1]))


@compiled
def _tilted_row(i, m, rows, stride, limit_k, real, s, v, tables, b, j, p, r, moments, total):
    """One row for one vector of other atoms."""
    w = tables.w
    n_atoms = w.shape[3]
    h, k, start = rows[i, 0], rows[i, 1], rows[i, 5]
    for lane in range(LANES):
        tilt = tables.tilt_h[b, h, j + lane] * tables.tilt_k[b, k + limit_k, j + lane]
        r[lane] = tilt * tilt if stride == 2 else tilt
        r[lane + LANES] = 1.0 / r[lane]
        r[lane + 2 * LANES] = tilt if start == 1 else 1.0
    parts = 1 if real else 2
    steps = max(rows[i, 2], rows[i, 3])
    w_at = ((b * w.shape[1] + start) * 2) * n_atoms + j
    _tilted(
        v[s], parts * rows[i, 4], steps, real, w.reshape(-1), w_at, n_atoms,
        2 * n_atoms * stride, r, moments,
    )  # fmt: skip
    _add_tilted(total, p, m, r, start, stride, moments, float(h), float(k))


@compiled
def gather_rows(first, last, rows, stride, step_k, limit_k, blocks, tables, real, v, out):
    """Add the derivatives by the atoms of some vectors to out (n_atoms, COLUMNS).

    Parameters
    ----------
    first, last
        Vectors of the blocks, counted through.
    v
        As `sums` of `direct.sum_rows`; folded by :func:`fold_mates` where blocks are upright.
        All blocks of one call are, or none.
    """
    n_steps = (tables.w.shape[1] + stride - 1) // stride
    p, q, r = np.empty(6 * LANES), np.empty(6 * LANES), np.empty(3 * LANES)
    ratio, moments = np.ones(2 * LANES), np.empty(12 * LANES)
    g = np.empty((stride, n_steps, 2, LANES))
    total = np.empty((COLUMNS, LANES))
    block_first = 0
    for b in range(len(blocks.slot)):
        s, upright = blocks.slot[b], blocks.upright[b]
        for vector in range(blocks.vectors[b]):
            if not first <= block_first + vector < last:
                continue
            j = vector * LANES
            crossed = (tables.cross[b, j : j + LANES] != 0.0).any()
            ratio[:] = 1.0
            g[:], total[:] = 0.0, 0.0
            for i in range(len(rows) - 1):
                h, k, m = rows[i, 0], rows[i, 1], i % 3
                if crossed:
                    follows = follows_in_tile(rows, i, step_k)
                    _follow_cross(ratio, tables.cross, b, j, h, k, follows, step_k)
                _enter(p, m, tables, b, j, h, k + limit_k, ratio)
                if not upright:
                    _tilted_row(
                        i, m, rows, stride, limit_k, real, s, v, tables, b, j, p, r, moments, total
                    )
                elif m == 2:
                    _upright_rows(i - 2, rows, stride, real, s, v, tables, b, j, p, q, g, total)
            if upright:
                w = tables.w
                w_at = b * w.shape[1] * 2 * w.shape[3] + j
                for start in range(stride):
                    steps = (w.shape[1] - start + stride - 1) // stride
                    _add_table(
                        total, w.reshape(-1), w_at, w.shape[3], 2 * w.shape[3], g[start, :steps],
                        start, stride,
                    )  # fmt: skip
            for lane in range(min(LANES, blocks.last[b] - blocks.first[b] - j)):
                _finish(out[blocks.order[blocks.first[b] + j + lane]], total[:, lane])
        block_first += blocks.vectors[b]


@compiled
def _finish(out, total):
    """Add derivatives made of the sums of u and s times products of h, k, l."""
    out[0] += total[0]
    for axis in range(1, 4):
        out[axis] += TWO_PI * total[axis]
    for m in range(4, COLUMNS):
        out[m] -= total[m] if m < 7 else 2.0 * total[m]
