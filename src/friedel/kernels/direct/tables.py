"""Direct summation of few atoms, from tables of each over the faces of a box of hkl.

With beta as in :mod:`friedel.kernels.direct.rows`, the term of an atom is a product of three
numbers,

    A(h, k) = X(h) Y(k) exp(-2 beta12 h k)
    B(h, l) = W(l) exp(-2 beta13 h l)
    C(k, l) = exp(-2 beta23 k l)

whose tables are filled by recurrences, each atom in one lane of a vector. Only the positions in
the tables are planned, and no rows are partly unused.
"""

import math

import numpy as np

from friedel.kernels.direct.rows import fill_axis, take_atoms
from friedel.kernels.direct.rows_adjoint import COLUMNS, finish
from friedel.kernels.direct.symmetry import OF_MATE, PHASE, compiled, folded
from friedel.kernels.reciprocal.indices import turn_of
from friedel.kernels.simd import (
    LANES,
    add,
    fill,
    load,
    multiply,
    multiply_add,
    negative,
    store,
    store_all,
)


@compiled
def locate_in_tables(hkl, absent, operations, limits):
    """The positions of A, B and C of hkl[i] @ rotation, and the phase of their product.

    Returns
    -------
    place
        (n, n_operations, 6) int32: positions in A, B and C, -1 if absent; then h, k, l.
    turn
        As for :func:`friedel.kernels.direct.symmetry.locate`.
    """
    rotations, translations, _ = operations
    _, limit_k, limit_l = limits
    n_k, n_l = 2 * limit_k + 1, 2 * limit_l + 1
    place = np.full((len(hkl), len(rotations), 6), -1, np.int32)
    turn = np.zeros((len(hkl), len(rotations)), np.uint8)
    for i in range(len(hkl)):
        if not absent[i]:
            for o in range(len(rotations)):
                h, k, l, mate = folded(hkl, i, rotations, o)
                place[i, o, 0] = h * n_k + k + limit_k
                place[i, o, 1] = h * n_l + l + limit_l
                place[i, o, 2] = (k + limit_k) * n_l + l + limit_l
                place[i, o, 3], place[i, o, 4], place[i, o, 5] = h, k, l
                turn[i, o] = turn_of(hkl, i, translations, o) + (OF_MATE if mate else 0)
    return place, turn


@compiled
def _enter_exponential(ratio, m, first, scale):
    """exp(-2 scale m first), and its factor from one n to the next, in two vectors."""
    for lane in range(LANES):
        ratio[lane] = math.exp(-2.0 * scale[lane] * m * first)
        ratio[lane + LANES] = math.exp(-2.0 * scale[lane] * m)


@compiled
def _fill_products(table, n_m, x, n_n, y, first, scale, ratio):
    """table[m, n] = x[m] y[n] exp(-2 scale m (first + n)), pairs of vectors."""
    at = 0
    for m in range(n_m):
        _enter_exponential(ratio, m, first, scale)
        size, step = load(ratio, 0), load(ratio, LANES)
        x_re, x_im = load(x, 2 * m * LANES), load(x, (2 * m + 1) * LANES)
        for n in range(n_n):
            y_re, y_im = load(y, 2 * n * LANES), load(y, (2 * n + 1) * LANES)
            re = multiply_add(negative(x_im), y_im, multiply(x_re, y_re))
            im = multiply_add(x_im, y_re, multiply(x_re, y_im))
            store(table, at, multiply(size, re))
            store(table, at + LANES, multiply(size, im))
            size = multiply(size, step)
            at += 2 * LANES


@compiled
def _fill_exponentials(table, n_m, first_m, n_n, first_n, scale, ratio):
    """table[m, n] = exp(-2 scale (first_m + m) (first_n + n)), vectors."""
    at = 0
    for m in range(n_m):
        _enter_exponential(ratio, first_m + m, first_n, scale)
        size, step = load(ratio, 0), load(ratio, LANES)
        for _ in range(n_n):
            store(table, at, size)
            size = multiply(size, step)
            at += LANES


@compiled
def _factors(i, o, a, b, c, place):
    """A, B and C of one reflection and operation, as real and imaginary parts."""
    at_a, at_b = 2 * LANES * place[i, o, 0], 2 * LANES * place[i, o, 1]
    size = load(c, LANES * place[i, o, 2])
    return load(a, at_a), load(a, at_a + LANES), load(b, at_b), load(b, at_b + LANES), size


@compiled
def _sum_operations(i, a, b, c, place, turn, real, sums):
    """Store sum_ops exp(2 pi i h.t) A B C of one reflection in a pair of vectors."""
    re = im = fill(0.0)
    for o in range(place.shape[1]):
        t = turn[i, o]
        a_re, a_im, b_re, b_im, size = _factors(i, o, a, b, c, place)
        term = multiply(size, multiply_add(negative(a_im), b_im, multiply(a_re, b_re)))
        re = multiply_add(fill(PHASE[t, 0]), term, re)
        if not real:
            im = multiply_add(fill(PHASE[t, 2]), term, im)
            term = multiply(size, multiply_add(a_im, b_re, multiply(a_re, b_im)))
            re = multiply_add(fill(PHASE[t, 1]), term, re)
            im = multiply_add(fill(PHASE[t, 3]), term, im)
    store_all(sums, (re, im))


@compiled
def _fill(first, model, limits, a, b, c):
    """Fill the tables of a vector of atoms; return the number of atoms."""
    limit_h, limit_k, limit_l = limits
    n_h, n_k, n_l = limit_h + 1, 2 * limit_k + 1, 2 * limit_l + 1
    n = min(LANES, len(model.kind) - first)
    at, form, scale = np.empty((3, LANES)), np.empty((6, LANES)), np.empty(LANES)
    ones, state, ratio = np.ones(LANES), np.empty(5 * LANES), np.empty(2 * LANES)
    x, y = np.empty((1, n_h, 2, LANES)), np.empty((1, n_k, 2, LANES))
    w, one = np.empty((1, n_l, 2, LANES)), np.ones((n_h, 2, LANES))
    one[:, 1] = 0.0
    take_atoms(model, np.arange(first, first + n), at, form, scale)
    fill_axis(x, 0, 0, at[0], form[0], scale, state)
    fill_axis(y, 0, -limit_k, at[1], form[1], ones, state)
    fill_axis(w, 0, -limit_l, at[2], form[2], ones, state)
    _fill_products(a, n_h, x.reshape(-1), n_k, y.reshape(-1), -limit_k, form[3], ratio)
    _fill_products(b, n_h, one.reshape(-1), n_l, w.reshape(-1), -limit_l, form[4], ratio)
    _fill_exponentials(c, n_k, -limit_k, n_l, -limit_l, form[5], ratio)
    return n


@compiled
def _empty_tables(limits):
    n_h, n_k, n_l = limits[0] + 1, 2 * limits[1] + 1, 2 * limits[2] + 1
    return (
        np.empty(n_h * n_k * 2 * LANES),
        np.empty(n_h * n_l * 2 * LANES),
        np.empty(n_k * n_l * LANES),
    )


@compiled
def sum_by_tables(place, turn, limits, real, with_inverse, model, f, out):
    """Add the atoms of a model to F (n,), with form factors f (n_kinds, n), real or complex."""
    a, b, c = _empty_tables(limits)
    kind, sums = model.kind, np.empty(2 * LANES)
    for first in range(0, len(kind), LANES):
        n = _fill(first, model, limits, a, b, c)
        for i in range(len(place)):
            if place[i, 0, 0] < 0:
                continue
            _sum_operations(i, a, b, c, place, turn, real, sums)
            for j in range(n):
                if with_inverse:
                    out[i] += f[kind[first + j], i] * (2.0 * sums[j])
                else:
                    out[i] += f[kind[first + j], i] * complex(sums[j], sums[j + LANES])


@compiled
def _enter_pull(pull, i, first, n, kind, w, f, with_inverse):
    """Store w conj(f) of a vector of atoms in two vectors."""
    for j in range(n):
        value = w[i] * f[kind[first + j], i].conjugate()
        pull[j] = 2.0 * value.real if with_inverse else value.real
        pull[j + LANES] = 0.0 if with_inverse else value.imag


@compiled
def _gather_vector(first, n, a, b, c, place, turn, with_inverse, kind, w, f, total):
    """Sums of u and s times 1, h, k, l and products, as in the adjoint along rows."""
    pull = np.zeros(2 * LANES)
    u0 = sh = sk = sl = hh = kk = ll = hk = hl = kl = fill(0.0)
    for i in range(len(place)):
        if place[i, 0, 0] < 0:
            continue
        _enter_pull(pull, i, first, n, kind, w, f, with_inverse)
        pull_re, pull_im = load(pull, 0), load(pull, LANES)
        for o in range(place.shape[1]):
            h, k = fill(float(place[i, o, 3])), fill(float(place[i, o, 4]))
            l, t = fill(float(place[i, o, 5])), turn[i, o]
            a_re, a_im, b_re, b_im, size = _factors(i, o, a, b, c, place)
            re = multiply(size, multiply_add(negative(a_im), b_im, multiply(a_re, b_re)))
            im = multiply(size, multiply_add(a_im, b_re, multiply(a_re, b_im)))
            by_re = multiply_add(fill(PHASE[t, 2]), pull_im, multiply(fill(PHASE[t, 0]), pull_re))
            by_im = multiply_add(fill(PHASE[t, 3]), pull_im, multiply(fill(PHASE[t, 1]), pull_re))
            u = multiply_add(by_im, im, multiply(by_re, re))
            s = multiply_add(by_im, re, negative(multiply(by_re, im)))
            hu, ku, lu = multiply(h, u), multiply(k, u), multiply(l, u)
            u0 = add(u0, u)
            sh, sk, sl = multiply_add(h, s, sh), multiply_add(k, s, sk), multiply_add(l, s, sl)
            hh, kk, ll = multiply_add(h, hu, hh), multiply_add(k, ku, kk), multiply_add(l, lu, ll)
            hk, hl, kl = multiply_add(h, ku, hk), multiply_add(h, lu, hl), multiply_add(k, lu, kl)
    store_all(total, (u0, sh, sk, sl, hh, kk, ll, hk, hl, kl))


@compiled
def gather_by_tables(place, turn, limits, with_inverse, model, w, f, out):
    """Transpose of :func:`sum_by_tables`: out[j, :COLUMNS] += the derivatives by atom j.

    With complex `f`; the columns are those of :mod:`friedel.kernels.direct.rows_adjoint`.
    """
    a, b, c = _empty_tables(limits)
    total = np.empty(COLUMNS * LANES)
    for first in range(0, len(model.kind), LANES):
        n = _fill(first, model, limits, a, b, c)
        _gather_vector(first, n, a, b, c, place, turn, with_inverse, model.kind, w, f, total)
        for j in range(n):
            finish(out, first + j, total, j)
