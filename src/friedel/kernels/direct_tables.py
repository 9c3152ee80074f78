"""Direct summation of few atoms, from tables of each over the faces of a box of hkl.

With beta as in :mod:`friedel.kernels.direct`, the term of an atom is a product of three numbers,

    A(h, k) = X(h) Y(k) exp(-2 beta12 h k)
    B(h, l) = W(l) exp(-2 beta13 h l)
    C(k, l) = exp(-2 beta23 k l)

whose tables are filled by recurrences, each atom in one lane of a vector. Nothing is planned but
the places in the tables, and no rows are left half empty.
"""

import math

import numpy as np

from friedel.kernels.direct import fill_axis, take_atoms
from friedel.kernels.direct_symmetry import PHASE, compiled, folded, turn_of
from friedel.kernels.vectors import LANES, fill, load, multiply, multiply_add, negative, store


@compiled
def locate_in_tables(hkl, absent, operations, limits):
    """Where A, B and C of hkl[i] @ rotation are, and what phase their product gets.

    Returns
    -------
    place
        (n, n_operations, 3) int32; -1 for absent reflections.
    turn
        As of :func:`direct_symmetry.locate`.
    """
    rotations, translations, _ = operations
    _, limit_k, limit_l = limits
    n_k, n_l = 2 * limit_k + 1, 2 * limit_l + 1
    place = np.full((len(hkl), len(rotations), 3), -1, np.int32)
    turn = np.zeros((len(hkl), len(rotations)), np.uint8)
    for i in range(len(hkl)):
        if not absent[i]:
            for o in range(len(rotations)):
                h, k, l, mate = folded(hkl, i, rotations, o)
                place[i, o, 0] = h * n_k + k + limit_k
                place[i, o, 1] = h * n_l + l + limit_l
                place[i, o, 2] = (k + limit_k) * n_l + l + limit_l
                turn[i, o] = turn_of(hkl, i, translations, o) + (24 if mate else 0)
    return place, turn


@compiled
def _enter_exponential(ratio, m, first, scale):
    """exp(-2 scale m first), and what makes it that of the next n, in two vectors."""
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
def _sum_operations(i, a, b, c, place, turn, real, sums):
    """Of one reflection: sum_ops exp(2 pi i h.t) A B C into a pair of vectors."""
    re = im = fill(0.0)
    for o in range(place.shape[1]):
        t = turn[i, o]
        at_a, at_b = 2 * LANES * place[i, o, 0], 2 * LANES * place[i, o, 1]
        size = load(c, LANES * place[i, o, 2])
        a_re, a_im = load(a, at_a), load(a, at_a + LANES)
        b_re, b_im = load(b, at_b), load(b, at_b + LANES)
        term = multiply(size, multiply_add(negative(a_im), b_im, multiply(a_re, b_re)))
        re = multiply_add(fill(PHASE[t, 0]), term, re)
        if not real:
            im = multiply_add(fill(PHASE[t, 2]), term, im)
            term = multiply(size, multiply_add(a_im, b_re, multiply(a_re, b_im)))
            re = multiply_add(fill(PHASE[t, 1]), term, re)
            im = multiply_add(fill(PHASE[t, 3]), term, im)
    store(sums, 0, re)
    store(sums, LANES, im)


@compiled
def sum_by_tables(place, turn, limits, real, with_inverse, model, f, out):
    """Add the atoms of a model to F (n,), with form factors f (n_kinds, n), real or complex."""
    kind = model.kind
    limit_h, limit_k, limit_l = limits
    n_h, n_k, n_l = limit_h + 1, 2 * limit_k + 1, 2 * limit_l + 1
    x, y, w = (
        np.empty((1, n_h, 2, LANES)),
        np.empty((1, n_k, 2, LANES)),
        np.empty((1, n_l, 2, LANES)),
    )
    a, b = np.empty(n_h * n_k * 2 * LANES), np.empty(n_h * n_l * 2 * LANES)
    c, one = np.empty(n_k * n_l * LANES), np.ones((n_h, 2, LANES))
    one[:, 1] = 0.0
    ratio, sums, ones = np.empty(2 * LANES), np.empty(2 * LANES), np.ones(LANES)
    at, form, scale = np.empty((3, LANES)), np.empty((6, LANES)), np.empty(LANES)
    state = np.empty(5 * LANES)
    for first in range(0, len(kind), LANES):
        n = min(LANES, len(kind) - first)
        take_atoms(model, np.arange(first, first + n), at, form, scale)
        fill_axis(x, 0, 0, at[0], form[0], scale, state)
        fill_axis(y, 0, -limit_k, at[1], form[1], ones, state)
        fill_axis(w, 0, -limit_l, at[2], form[2], ones, state)
        _fill_products(a, n_h, x.reshape(-1), n_k, y.reshape(-1), -limit_k, form[3], ratio)
        _fill_products(b, n_h, one.reshape(-1), n_l, w.reshape(-1), -limit_l, form[4], ratio)
        _fill_exponentials(c, n_k, -limit_k, n_l, -limit_l, form[5], ratio)
        for i in range(len(place)):
            if place[i, 0, 0] < 0:
                continue
            _sum_operations(i, a, b, c, place, turn, real, sums)
            for j in range(n):
                if with_inverse:
                    out[i] += f[kind[first + j], i] * (2.0 * sums[j])
                else:
                    out[i] += f[kind[first + j], i] * complex(sums[j], sums[j + LANES])
