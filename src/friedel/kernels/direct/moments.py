"""The innermost loops of the adjoint: derivatives of a vector of atoms from rows of dT/dG.

See :mod:`friedel.kernels.direct.rows_adjoint`. All arrays are flat, and a vector is
LANES numbers of an array; complex values are pairs of vectors, real part first.
"""

from friedel.kernels.direct.symmetry import compiled
from friedel.kernels.simd import (
    LANES,
    add,
    broadcast,
    fill,
    load,
    multiply,
    multiply_add,
    negative,
    store,
    store_all,
)


@compiled
def enter_row(p, m, x, h, y, column, ratio):
    """Store X Y exp(-2 beta12 h k), with the exponential from `ratio`, in pair m of p."""
    x_r, x_i = load(x, 2 * h * LANES), load(x, (2 * h + 1) * LANES)
    y_r, y_i = load(y, 2 * column * LANES), load(y, (2 * column + 1) * LANES)
    cross = load(ratio, 0)
    re = multiply_add(negative(x_i), y_i, multiply(x_r, y_r))
    im = multiply_add(x_i, y_r, multiply(x_r, y_i))
    store(p, 2 * m * LANES, multiply(re, cross))
    store(p, (2 * m + 1) * LANES, multiply(im, cross))


@compiled
def separable_row_triple(v, at0, at1, at2, steps, real, w, w_at, w_step, g, g_at, p, q):
    """Store dT/dP of three rows in q, dT/dW in g: the transpose of `rows._separable`.

    Parameters
    ----------
    at0, at1, at2
        Positions of the rows in `v`, whose numbers are derivatives by A, B, C and D.
    w_at, w_step
        Position of the first W, and the distance to the W of the next l.
    g, g_at
        A pair of vectors for every l, stored contiguously, and the position of the first.
    """
    p0_re, p0_im = load(p, 0), load(p, LANES)
    p1_re, p1_im = load(p, 2 * LANES), load(p, 3 * LANES)
    p2_re, p2_im = load(p, 4 * LANES), load(p, 5 * LANES)
    q0_re = q0_im = q1_re = q1_im = q2_re = q2_im = fill(0.0)
    for _ in range(steps):
        w_r, w_i = load(w, w_at), load(w, w_at + LANES)
        g_re, g_im = load(g, g_at), load(g, g_at + LANES)
        a, b = broadcast(v, at0), broadcast(v, at0 + 1)
        q0_re, g_re = multiply_add(a, w_r, q0_re), multiply_add(a, p0_re, g_re)
        q0_im, g_im = multiply_add(b, w_i, q0_im), multiply_add(b, p0_im, g_im)
        a, b = broadcast(v, at1), broadcast(v, at1 + 1)
        q1_re, g_re = multiply_add(a, w_r, q1_re), multiply_add(a, p1_re, g_re)
        q1_im, g_im = multiply_add(b, w_i, q1_im), multiply_add(b, p1_im, g_im)
        a, b = broadcast(v, at2), broadcast(v, at2 + 1)
        q2_re, g_re = multiply_add(a, w_r, q2_re), multiply_add(a, p2_re, g_re)
        q2_im, g_im = multiply_add(b, w_i, q2_im), multiply_add(b, p2_im, g_im)
        if not real:
            c, d = broadcast(v, at0 + 2), broadcast(v, at0 + 3)
            q0_re, g_im = multiply_add(c, w_i, q0_re), multiply_add(c, p0_re, g_im)
            q0_im, g_re = multiply_add(d, w_r, q0_im), multiply_add(d, p0_im, g_re)
            c, d = broadcast(v, at1 + 2), broadcast(v, at1 + 3)
            q1_re, g_im = multiply_add(c, w_i, q1_re), multiply_add(c, p1_re, g_im)
            q1_im, g_re = multiply_add(d, w_r, q1_im), multiply_add(d, p1_im, g_re)
            c, d = broadcast(v, at2 + 2), broadcast(v, at2 + 3)
            q2_re, g_im = multiply_add(c, w_i, q2_re), multiply_add(c, p2_re, g_im)
            q2_im, g_re = multiply_add(d, w_r, q2_im), multiply_add(d, p2_im, g_re)
        store(g, g_at, g_re)
        store(g, g_at + LANES, g_im)
        width = 2 if real else 4
        at0, at1, at2 = at0 + width, at1 + width, at2 + width
        w_at, g_at = w_at + w_step, g_at + 2 * LANES
    store_all(q, (q0_re, q0_im, q1_re, q1_im, q2_re, q2_im))


@compiled
def coupled_row(v, at, steps, real, w, w_at, w_step, r, moments):
    """Sums of conj(v) W r^n and their first two derivatives by r, up and down a row.

    `r` holds the factor of a step up and that of a step down; six vectors for each direction are
    stored in `moments`. Down the row the conjugate is summed, as in the forward sum.
    """
    up, down = load(r, 0), load(r, LANES)
    a0 = b0 = a1 = b1 = a2 = b2 = c0 = d0 = c1 = d1 = c2 = d2 = fill(0.0)
    width = 2 if real else 4
    w_at, at = w_at + (steps - 1) * w_step, at + (steps - 1) * width
    for _ in range(steps):
        w_r, w_i = load(w, w_at), load(w, w_at + LANES)
        a2, b2 = multiply_add(a2, up, a1), multiply_add(b2, up, b1)
        a1, b1 = multiply_add(a1, up, a0), multiply_add(b1, up, b0)
        c2, d2 = multiply_add(c2, down, c1), multiply_add(d2, down, d1)
        c1, d1 = multiply_add(c1, down, c0), multiply_add(d1, down, d0)
        if real:
            up_re, down_re = broadcast(v, at), broadcast(v, at + 1)
            a0 = multiply_add(a0, up, multiply(up_re, w_r))
            b0 = multiply_add(b0, up, multiply(up_re, w_i))
            c0 = multiply_add(c0, down, multiply(down_re, w_r))
            d0 = multiply_add(d0, down, multiply(down_re, w_i))
        else:
            up_re, up_im = broadcast(v, at), broadcast(v, at + 1)
            down_re, down_im = broadcast(v, at + 2), broadcast(v, at + 3)
            term = multiply_add(up_im, w_i, multiply(up_re, w_r))
            a0 = multiply_add(a0, up, term)
            term = multiply_add(negative(up_im), w_r, multiply(up_re, w_i))
            b0 = multiply_add(b0, up, term)
            term = multiply_add(negative(down_im), w_i, multiply(down_re, w_r))
            c0 = multiply_add(c0, down, term)
            term = multiply_add(down_im, w_r, multiply(down_re, w_i))
            d0 = multiply_add(d0, down, term)
        w_at, at = w_at - w_step, at - width
    store_all(moments, (a0, b0, a1, b1, a2, b2, c0, d0, c1, d1, c2, d2))


@compiled
def separable_sums(v, at0, at1, at2, line, steps, real, w, w_at, w_step, q):
    """Store dT/dP of three rows in q, for two rows of v; dT/dW is not calculated.

    As :func:`separable_row_triple`, with the second row of v `line` numbers after the first.
    """
    a0_re = a0_im = a1_re = a1_im = a2_re = a2_im = fill(0.0)
    b0_re = b0_im = b1_re = b1_im = b2_re = b2_im = fill(0.0)
    width = 2 if real else 4
    for _ in range(steps):
        w_r, w_i = load(w, w_at), load(w, w_at + LANES)
        a0_re = multiply_add(broadcast(v, at0), w_r, a0_re)
        a0_im = multiply_add(broadcast(v, at0 + 1), w_i, a0_im)
        a1_re = multiply_add(broadcast(v, at1), w_r, a1_re)
        a1_im = multiply_add(broadcast(v, at1 + 1), w_i, a1_im)
        a2_re = multiply_add(broadcast(v, at2), w_r, a2_re)
        a2_im = multiply_add(broadcast(v, at2 + 1), w_i, a2_im)
        b0_re = multiply_add(broadcast(v, at0 + line), w_r, b0_re)
        b0_im = multiply_add(broadcast(v, at0 + line + 1), w_i, b0_im)
        b1_re = multiply_add(broadcast(v, at1 + line), w_r, b1_re)
        b1_im = multiply_add(broadcast(v, at1 + line + 1), w_i, b1_im)
        b2_re = multiply_add(broadcast(v, at2 + line), w_r, b2_re)
        b2_im = multiply_add(broadcast(v, at2 + line + 1), w_i, b2_im)
        if not real:
            a0_re = multiply_add(broadcast(v, at0 + 2), w_i, a0_re)
            a0_im = multiply_add(broadcast(v, at0 + 3), w_r, a0_im)
            a1_re = multiply_add(broadcast(v, at1 + 2), w_i, a1_re)
            a1_im = multiply_add(broadcast(v, at1 + 3), w_r, a1_im)
            a2_re = multiply_add(broadcast(v, at2 + 2), w_i, a2_re)
            a2_im = multiply_add(broadcast(v, at2 + 3), w_r, a2_im)
            b0_re = multiply_add(broadcast(v, at0 + line + 2), w_i, b0_re)
            b0_im = multiply_add(broadcast(v, at0 + line + 3), w_r, b0_im)
            b1_re = multiply_add(broadcast(v, at1 + line + 2), w_i, b1_re)
            b1_im = multiply_add(broadcast(v, at1 + line + 3), w_r, b1_im)
            b2_re = multiply_add(broadcast(v, at2 + line + 2), w_i, b2_re)
            b2_im = multiply_add(broadcast(v, at2 + line + 3), w_r, b2_im)
        at0, at1, at2, w_at = at0 + width, at1 + width, at2 + width, w_at + w_step
    store_all(
        q, (a0_re, a0_im, a1_re, a1_im, a2_re, a2_im, b0_re, b0_im, b1_re, b1_im, b2_re, b2_im)
    )


@compiled
def coupled_sum(v, at, steps, real, w, w_at, w_step, r, q, m):
    """Store dT/dP of a row of coupled atoms in pair m of q, without other derivatives."""
    up, down = load(r, 0), load(r, LANES)
    up_re = up_im = down_re = down_im = fill(0.0)
    width = 2 if real else 4
    w_at, at = w_at + (steps - 1) * w_step, at + (steps - 1) * width
    for _ in range(steps):
        w_r, w_i = load(w, w_at), load(w, w_at + LANES)
        v_up, v_down = broadcast(v, at), broadcast(v, at + 1 if real else at + 2)
        up_re = multiply_add(up_re, up, multiply(v_up, w_r))
        up_im = multiply_add(up_im, up, multiply(negative(v_up), w_i))
        down_re = multiply_add(down_re, down, multiply(v_down, w_r))
        down_im = multiply_add(down_im, down, multiply(v_down, w_i))
        if not real:
            v_up, v_down = broadcast(v, at + 1), broadcast(v, at + 3)
            up_re = multiply_add(v_up, w_i, up_re)
            up_im = multiply_add(v_up, w_r, up_im)
            down_re = multiply_add(negative(v_down), w_i, down_re)
            down_im = multiply_add(v_down, w_r, down_im)
        w_at, at = w_at - w_step, at - width
    first, inverse = load(r, 2 * LANES), load(r, 3 * LANES)
    re = multiply_add(first, up_re, multiply(inverse, down_re))
    im = multiply_add(first, up_im, multiply(inverse, down_im))
    store(q, 2 * m * LANES, re)
    store(q, (2 * m + 1) * LANES, im)


@compiled
def add_sum(total, column, p, m, q, n):
    """Add u of row m, whose dT/dP is pair n of q, to one column of `total`."""
    p_r, p_i = load(p, 2 * m * LANES), load(p, (2 * m + 1) * LANES)
    q_r, q_i = load(q, 2 * n * LANES), load(q, (2 * n + 1) * LANES)
    _accumulate(total, column, fill(1.0), multiply_add(p_i, q_i, multiply(p_r, q_r)))


@compiled
def _accumulate(total, column, x, y):
    """Add x y to a column of the sums."""
    store(total, column * LANES, multiply_add(x, y, load(total, column * LANES)))


@compiled
def add_separable(total, p, q, m, h, k):
    """Add u and s of the m-th row times 1, h, k and their products to the columns of `total`."""
    p_r, p_i = load(p, 2 * m * LANES), load(p, (2 * m + 1) * LANES)
    q_r, q_i = load(q, 2 * m * LANES), load(q, (2 * m + 1) * LANES)
    u = multiply_add(p_i, q_i, multiply(p_r, q_r))
    s = multiply_add(negative(p_i), q_r, multiply(p_r, q_i))
    _add_planar(total, u, s, fill(h), fill(k))


@compiled
def _add_planar(total, u, s, h, k):
    """Add u and s times 1, h, k and their products to the columns of `total`."""
    hu, ku = multiply(h, u), multiply(k, u)
    _accumulate(total, 0, fill(1.0), u)
    _accumulate(total, 1, h, s)
    _accumulate(total, 2, k, s)
    _accumulate(total, 4, h, hu)
    _accumulate(total, 5, k, ku)
    _accumulate(total, 7, h, ku)


@compiled
def _times_powers_of_l(moments, at, r, first, start, stride):
    """Sums over 1, l and l^2 times `first`, from the sums of derivatives in `moments`.

    For l = start + stride n, of terms t_n r^n whose sum and first and second (halved)
    derivatives by r are given.
    """
    re, im = multiply(first, load(moments, at)), multiply(first, load(moments, at + LANES))
    once, twice = multiply(first, r), multiply(first, multiply(r, r))
    re1 = multiply(once, load(moments, at + 2 * LANES))
    im1 = multiply(once, load(moments, at + 3 * LANES))
    re2 = multiply(twice, load(moments, at + 4 * LANES))
    im2 = multiply(twice, load(moments, at + 5 * LANES))
    a, b = fill(float(start)), fill(float(stride))
    aa, ab = fill(float(start * start)), fill(float(2 * start * stride + stride * stride))
    bb = fill(float(2 * stride * stride))
    return (
        re,
        im,
        multiply_add(a, re, multiply(b, re1)),
        multiply_add(a, im, multiply(b, im1)),
        multiply_add(aa, re, multiply_add(ab, re1, multiply(bb, re2))),
        multiply_add(aa, im, multiply_add(ab, im1, multiply(bb, im2))),
    )


@compiled
def add_coupled(total, p, m, r, start, stride, moments, h, k):
    """Add u and s of coupled atoms times all products of 1, h, k, l, from :func:`coupled_row`.

    `r` holds four vectors: r^stride, its inverse, r^start, its inverse.
    """
    up = _times_powers_of_l(moments, 0, load(r, 0), load(r, 2 * LANES), start, stride)
    down = _times_powers_of_l(moments, 6 * LANES, load(r, LANES), load(r, 3 * LANES), start, stride)
    m0_r, m0_i = add(up[0], down[0]), add(up[1], negative(down[1]))
    m1_r, m1_i = add(up[2], negative(down[2])), add(up[3], down[3])
    m2_r, m2_i = add(up[4], down[4]), add(up[5], negative(down[5]))
    p_r, p_i = load(p, 2 * m * LANES), load(p, (2 * m + 1) * LANES)
    minus_r, minus_i = negative(p_r), negative(p_i)
    u = multiply_add(minus_i, m0_i, multiply(p_r, m0_r))
    s = multiply_add(minus_i, m0_r, multiply(minus_r, m0_i))
    lu = multiply_add(minus_i, m1_i, multiply(p_r, m1_r))
    ls = multiply_add(minus_i, m1_r, multiply(minus_r, m1_i))
    llu = multiply_add(minus_i, m2_i, multiply(p_r, m2_r))
    one, h, k = fill(1.0), fill(h), fill(k)
    _add_planar(total, u, s, h, k)
    _accumulate(total, 3, one, ls)
    _accumulate(total, 6, one, llu)
    _accumulate(total, 8, h, lu)
    _accumulate(total, 9, k, lu)


@compiled
def add_table(total, w, g, g_at, first_l, stride, steps):
    """Add s l and u l^2, which follow from dT/dW in g, to the columns of `total`."""
    for n in range(steps):
        index = first_l + stride * n
        w_r, w_i = load(w, 2 * index * LANES), load(w, (2 * index + 1) * LANES)
        g_r, g_i = load(g, g_at + 2 * n * LANES), load(g, g_at + (2 * n + 1) * LANES)
        l = fill(float(index))
        s = multiply_add(negative(w_i), g_r, multiply(w_r, g_i))
        u = multiply_add(w_i, g_i, multiply(w_r, g_r))
        _accumulate(total, 3, l, s)
        _accumulate(total, 6, multiply(l, l), u)
