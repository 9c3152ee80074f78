"""Direct summation along rows of reciprocal space.

A *row* holds the reflections (h, k, l) of one h and one k. With T = exp(-h beta h), the term of
an atom factorises along its row,

    occ T exp(2 pi i h.x) = P(h, k) W(l) r(h, k)^l

    W(l) = exp(-beta33 l^2) exp(2 pi i l z)             a table for each atom
    P(h, k) = X(h) Y(k) exp(-2 beta12 h k)              two more tables and a real factor
    r(h, k) = exp(-2 (beta13 h + beta23 k))             real; 1 for *separable* atoms

so that no sine or exponential is computed at a reflection. Every row starts at l = 0 and runs
up and down from there, P <- P r. Only a real factor is raised to a power: errors grow by an ulp
per step, and the recurrence need not be restarted. Where centring allows only even or only odd l
in a row, the row has a *stride* of 2, from l = 0 or from 1 and -1.

*Separable* atoms (separable along l) have beta13 = beta23 = 0: all isotropic atoms have where c*
is perpendicular to a* and b*. The other atoms are *coupled*. For separable atoms
W(-l) = conj W(l) gives l and -l by the same four sums, over Re P Re W, Im P Im W,
Re P Im W and Im P Re W: two multiply-adds per atom and reflection.

In every table the atoms of one kind are stored contiguously in *blocks*, real parts before
imaginary parts. For separable atoms the innermost loop runs over a block, as several dot products
that the compiler vectorizes. For coupled atoms P changes from one l to the next: the innermost
loop runs over l, with one vector of atoms in registers. Several rows are summed at a time, so that
a number once loaded is used for several sums.

The sums are kept for each kind of atom, without form factors: these and the symmetry are applied by
:mod:`friedel.kernels.direct.symmetry`.
"""

import math

import numpy as np

from friedel.kernels.direct.symmetry import compiled, compiled_sums
from friedel.kernels.simd import (
    LANES,
    address,
    divide,
    fill,
    load,
    multiply,
    multiply_add,
    negative,
    store,
)

TWO_PI = 2.0 * math.pi

BLOCK = 264
"""Most atoms in a block, whose tables should fit the second-level cache.

It is no power of two, as numbers at such distances compete for the same cache lines.
"""

ROWS_TOGETHER = 6
"""The number of rows is a multiple of this; two or three rows are summed together."""

TILE = 48
"""Number of rows after which the recurrence along k restarts: dividing the work between tiles
changes no bits."""

RESTART = 16
"""Number of steps in a table between entries calculated by sine and exponential."""


@compiled
def aligned(n):
    """(n,) uninitialised float64, aligned to a cache line: vectors across two lines are slow."""
    memory = np.empty(n + 8)
    first = (-address(memory) % 64) // 8
    return memory[first : first + n]


@compiled
def fill_axis(table, b, first, frac, width, scale, state):
    """table[b, i] = scale exp(-width m^2) exp(2 pi i m x) of whole vectors, with m = first + i.

    Each entry is the one before times a factor that itself changes by a constant factor: these
    are `state`, five vectors for each vector of atoms.
    """
    _, n_entries, _, n_atoms = table.shape
    flat = table.reshape(-1)
    for i in range(n_entries):
        if i % RESTART == 0:
            _restart(state, first + i, frac, width, scale)
        at = 2 * (b * n_entries + i) * n_atoms
        for j in range(0, len(frac), LANES):
            own = 5 * j
            re, im = load(state, own), load(state, own + LANES)
            by_re, by_im = load(state, own + 2 * LANES), load(state, own + 3 * LANES)
            ratio = load(state, own + 4 * LANES)
            store(flat, at + j, re)
            store(flat, at + n_atoms + j, im)
            next_re = multiply_add(negative(im), by_im, multiply(re, by_re))
            store(state, own, next_re)
            store(state, own + LANES, multiply_add(im, by_re, multiply(re, by_im)))
            store(state, own + 2 * LANES, multiply(by_re, ratio))
            store(state, own + 3 * LANES, multiply(by_im, ratio))


@compiled
def _restart(state, m, frac, width, scale):
    """The entry of :func:`fill_axis` at m, the step to the next, and the step of the step."""
    for j in range(len(frac)):
        at = 4 * (j // LANES * LANES) + j
        turns = m * frac[j]
        angle = TWO_PI * (turns - np.rint(turns))
        size = scale[j] * math.exp(-width[j] * m * m)
        state[at] = size * math.cos(angle)
        state[at + LANES] = size * math.sin(angle)
        size = math.exp(-width[j] * (2 * m + 1))
        state[at + 2 * LANES] = size * math.cos(TWO_PI * frac[j])
        state[at + 3 * LANES] = size * math.sin(TWO_PI * frac[j])
        state[at + 4 * LANES] = math.exp(-2.0 * width[j])


@compiled
def take_atoms(model, atoms, place, form, scale):
    """Store coordinates (3), beta (6) and weights of some atoms, padded with zeros."""
    frac, weight, beta, _ = model
    place[:], form[:], scale[:] = 0.0, 0.0, 0.0
    for j in range(len(atoms)):
        scale[j] = weight[atoms[j]]
        for axis in range(3):
            # Whole cells are removed: fewer digits before the point leave more behind it
            place[axis, j] = frac[atoms[j], axis] - np.rint(frac[atoms[j], axis])
        for m in range(6):
            form[m, j] = beta[atoms[j], m]


@compiled
def fill_tables(first, last, blocks, model, limit_k, tables):
    """Fill the tables of the blocks first to last (exclusive).

    `blocks`, `model` and `tables` are the tuples of these names in
    :mod:`friedel.direct.atom_blocks`.
    """
    for b in range(first, last):
        n = LANES * blocks.vectors[b]
        place, form, scale = np.empty((3, n)), np.empty((6, n)), np.empty(n)
        ones, state = np.ones(n), np.empty(5 * n)
        take_atoms(model, blocks.order[blocks.first[b] : blocks.last[b]], place, form, scale)
        fill_axis(tables.x, b, 0, place[0], form[0], scale, state)
        fill_axis(tables.y, b, -limit_k, place[1], form[1], ones, state)
        fill_axis(tables.w, b, 0, place[2], form[2], ones, state)
        # Loops, as numba compares the lengths of slices and needs Python to describe differences
        for j in range(n):
            tables.cross[b, j] = form[3, j]
        if not blocks.separable[b]:
            for h in range(tables.coupling_h.shape[1]):
                for j in range(n):
                    tables.coupling_h[b, h, j] = math.exp(-2.0 * h * form[4, j])
            for column in range(tables.coupling_k.shape[1]):
                k = column - limit_k
                for j in range(n):
                    tables.coupling_k[b, column, j] = math.exp(-2.0 * k * form[5, j])


@compiled_sums
def _enter_row(p, m, b, h, column, x, y, vectors):
    """Store X(h) Y(k) in p[m]."""
    for j in range(LANES * vectors):
        xr, xi, yr, yi = x[b, h, 0, j], x[b, h, 1, j], y[b, column, 0, j], y[b, column, 1, j]
        p[m, j] = xr * yr - xi * yi
        p[m, j + BLOCK] = xr * yi + xi * yr


@compiled_sums
def _apply_cross(p, m, b, h, k, follows, step_k, ratio, cross, vectors):
    """Multiply p[m] by exp(-2 beta12 h k); `ratio` holds it and its factor to k + step_k."""
    if follows:
        for j in range(LANES * vectors):
            ratio[j] *= ratio[j + BLOCK]
    else:
        for j in range(LANES * vectors):
            ratio[j] = math.exp(-2.0 * cross[b, j] * h * k)
            ratio[j + BLOCK] = math.exp(-2.0 * cross[b, j] * h * step_k)
    for j in range(LANES * vectors):
        p[m, j] *= ratio[j]
        p[m, j + BLOCK] *= ratio[j]


@compiled
def _enter_coupled(up, down, p, m, start, stride, coupling_h, h_at, coupling_k, k_at, vectors):
    """Store the first terms and the factors of the recurrences up and down row m.

    These are P r^start and r^stride, conj P / r^start and 1 / r^stride.
    """
    for j in range(0, LANES * vectors, LANES):
        r = multiply(load(coupling_h, h_at + j), load(coupling_k, k_at + j))
        inverse = divide(fill(1.0), r)
        re, im = load(p, 2 * m * BLOCK + j), load(p, (2 * m + 1) * BLOCK + j)
        at = 3 * m * BLOCK + j
        minus = negative(im)
        if start == 1:
            store(up, at, multiply(re, r))
            store(up, at + BLOCK, multiply(im, r))
            store(down, at, multiply(re, inverse))
            store(down, at + BLOCK, multiply(minus, inverse))
        else:
            store(up, at, re)
            store(up, at + BLOCK, im)
            store(down, at, re)
            store(down, at + BLOCK, minus)
        if stride == 2:
            r, inverse = multiply(r, r), multiply(inverse, inverse)
        store(up, at + 2 * BLOCK, r)
        store(down, at + 2 * BLOCK, inverse)


@compiled
def _add(sums, s, at, first, second):
    sums[s, at] += first
    sums[s, at + 1] += second


@compiled_sums
def _separable(sums, s, rows, i, steps, stride, p, b, w, vectors):
    """Sum three rows at l and -l: 2 multiply-adds per atom and reflection."""
    for n in range(steps):
        l = rows[i, 5] + stride * n
        a0 = b0 = c0 = d0 = a1 = b1 = c1 = d1 = a2 = b2 = c2 = d2 = 0.0
        for j in range(LANES * vectors):
            wr, wi = w[b, l, 0, j], w[b, l, 1, j]
            re, im = p[j], p[j + BLOCK]
            a0 += re * wr
            b0 += im * wi
            c0 += re * wi
            d0 += im * wr
            re, im = p[j + 2 * BLOCK], p[j + 3 * BLOCK]
            a1 += re * wr
            b1 += im * wi
            c1 += re * wi
            d1 += im * wr
            re, im = p[j + 4 * BLOCK], p[j + 5 * BLOCK]
            a2 += re * wr
            b2 += im * wi
            c2 += re * wi
            d2 += im * wr
        at = 2 * rows[i, 4] + 4 * n
        _add(sums, s, at, a0 - b0, c0 + d0)
        _add(sums, s, at + 2, a0 + b0, d0 - c0)
        at = 2 * rows[i + 1, 4] + 4 * n
        _add(sums, s, at, a1 - b1, c1 + d1)
        _add(sums, s, at + 2, a1 + b1, d1 - c1)
        at = 2 * rows[i + 2, 4] + 4 * n
        _add(sums, s, at, a2 - b2, c2 + d2)
        _add(sums, s, at + 2, a2 + b2, d2 - c2)


@compiled_sums
def _separable_real(sums, s, rows, i, steps, stride, p, b, w, vectors):
    """Sum three rows at l, l + 1 and -l, -l - 1: 1 multiply-add per atom and reflection."""
    for n in range(0, steps, 2):
        l = rows[i, 5] + stride * n
        next_l = l + stride
        a0 = b0 = c0 = d0 = a1 = b1 = c1 = d1 = a2 = b2 = c2 = d2 = 0.0
        for j in range(LANES * vectors):
            ur, ui = w[b, l, 0, j], w[b, l, 1, j]
            vr, vi = w[b, next_l, 0, j], w[b, next_l, 1, j]
            re, im = p[j], p[j + BLOCK]
            a0 += re * ur
            b0 += im * ui
            c0 += re * vr
            d0 += im * vi
            re, im = p[j + 2 * BLOCK], p[j + 3 * BLOCK]
            a1 += re * ur
            b1 += im * ui
            c1 += re * vr
            d1 += im * vi
            re, im = p[j + 4 * BLOCK], p[j + 5 * BLOCK]
            a2 += re * ur
            b2 += im * ui
            c2 += re * vr
            d2 += im * vi
        at = rows[i, 4] + 2 * n
        _add(sums, s, at, a0 - b0, a0 + b0)
        _add(sums, s, at + 2, c0 - d0, c0 + d0)
        at = rows[i + 1, 4] + 2 * n
        _add(sums, s, at, a1 - b1, a1 + b1)
        _add(sums, s, at + 2, c1 - d1, c1 + d1)
        at = rows[i + 2, 4] + 2 * n
        _add(sums, s, at, a2 - b2, a2 + b2)
        _add(sums, s, at + 2, c2 - d2, c2 + d2)


@compiled
def _advance(re, im, r):
    """P r."""
    return multiply(re, r), multiply(im, r)


@compiled
def _add_term(acc, at, re, im, w_re, w_im, real):
    """Add P W to a pair of vectors, or its real part to one."""
    store(acc, at, multiply_add(re, w_re, multiply_add(negative(im), w_im, load(acc, at))))
    if not real:
        at += LANES
        store(acc, at, multiply_add(re, w_im, multiply_add(im, w_re, load(acc, at))))


@compiled
def _coupled(acc, steps, real, up, down, j, w, w_at, w_im, w_step):
    """Sum two rows up and down: 4 multiply-adds and 2 products per atom and reflection.

    `acc` has vectors for every step: the first row up and down, the second row up and down.
    Down the row the conjugate is summed.
    """
    second, width = j + 3 * BLOCK, LANES if real else 2 * LANES
    a_re, a_im, a = load(up, j), load(up, j + BLOCK), load(up, j + 2 * BLOCK)
    b_re, b_im, b = load(down, j), load(down, j + BLOCK), load(down, j + 2 * BLOCK)
    c_re, c_im, c = load(up, second), load(up, second + BLOCK), load(up, second + 2 * BLOCK)
    d_re, d_im = load(down, second), load(down, second + BLOCK)
    d = load(down, second + 2 * BLOCK)
    at = 0
    for _ in range(steps):
        w_re, w_i = load(w, w_at), load(w, w_at + w_im)
        _add_term(acc, at, a_re, a_im, w_re, w_i, real)
        _add_term(acc, at + width, b_re, b_im, w_re, w_i, real)
        _add_term(acc, at + 2 * width, c_re, c_im, w_re, w_i, real)
        _add_term(acc, at + 3 * width, d_re, d_im, w_re, w_i, real)
        a_re, a_im = _advance(a_re, a_im, a)
        b_re, b_im = _advance(b_re, b_im, b)
        c_re, c_im = _advance(c_re, c_im, c)
        d_re, d_im = _advance(d_re, d_im, d)
        w_at, at = w_at + w_step, at + 4 * width


@compiled_sums
def _add_coupled(sums, s, rows, i, steps, real, acc):
    """Add the lanes of the sums of :func:`_coupled` to the points of two rows."""
    width = 1 if real else 2
    for n in range(steps):
        for m in range(2):
            for down in range(2):
                at = ((4 * n + 2 * m + down) * width) * LANES
                point = width * (rows[i + m, 4] + 2 * n + down)
                total = 0.0
                for lane in range(LANES):
                    total += acc[at + lane]
                sums[s, point] += total
                if not real:
                    total = 0.0
                    for lane in range(LANES, 2 * LANES):
                        total += acc[at + lane]
                    sums[s, point + 1] += total if down == 0 else -total


@compiled
def follows_in_tile(rows, i, step_k):
    """Whether row i follows row i - 1 in steps of `step_k`, in the same tile."""
    h, k = rows[i, 0], rows[i, 1]
    return i % TILE != 0 and h == rows[i - 1, 0] and k == rows[i - 1, 1] + step_k


@compiled
def sum_rows(first, last, rows, stride, step_k, limit_k, blocks, tables, real, sums):
    """Add the atoms of all blocks at the points of the rows first to last (exclusive).

    Parameters
    ----------
    first, last
        Multiples of TILE, or the end.
    rows
        (n + 1, 6): h, k, steps up and down, the first point, and the least |l|, which each group
        of ROWS_TOGETHER rows has in common. The last line closes the table.
    stride, step_k
        Step in l along a row, and most frequent step in k from one row to the next.
    sums
        (n_slots, n_points) when `real`, else (n_slots, 2 n_points): real and imaginary parts.
    """
    x, y, w, cross, coupling_h, coupling_k = tables
    p = np.empty((3, 2 * BLOCK))
    up, down = np.empty(6 * BLOCK), np.empty(6 * BLOCK)
    ratio = np.empty(2 * BLOCK)
    p_flat, h_flat, k_flat = p.reshape(-1), coupling_h.reshape(-1), coupling_k.reshape(-1)
    w_flat, acc = w.reshape(-1), aligned(8 * LANES * w.shape[1])
    parts = 1 if real else 2
    for b in range(len(blocks.slot)):
        s, separable, vectors = blocks.slot[b], blocks.separable[b], blocks.vectors[b]
        crossed = (cross[b, : LANES * vectors] != 0.0).any()
        together = 3 if separable else 2
        for i in range(first, last, together):
            if blocks.first_of_slot[b]:
                for at in range(parts * rows[i, 4], parts * rows[i + together, 4]):
                    sums[s, at] = 0.0
            steps = 0
            for m in range(together):
                h, k = rows[i + m, 0], rows[i + m, 1]
                steps = max(steps, rows[i + m, 2], rows[i + m, 3])
                _enter_row(p, m, b, h, k + limit_k, x, y, vectors)
                if crossed:
                    follows = follows_in_tile(rows, i + m, step_k)
                    _apply_cross(p, m, b, h, k, follows, step_k, ratio, cross, vectors)
                if not separable:
                    h_at, k_at = b * coupling_h.shape[1] + h, b * coupling_k.shape[1] + k + limit_k
                    _enter_coupled(
                        up, down, p_flat, m, rows[i, 5], stride, h_flat, h_at * coupling_h.shape[2],
                        k_flat, k_at * coupling_k.shape[2], vectors,
                    )  # fmt: skip
            if separable and real:
                _separable_real(sums, s, rows, i, steps, stride, p_flat, b, w, vectors)
            elif separable:
                _separable(sums, s, rows, i, steps, stride, p_flat, b, w, vectors)
            else:
                acc[: 8 * LANES * steps] = 0.0
                n_atoms = w.shape[3]
                w_at = 2 * (b * w.shape[1] + rows[i, 5]) * n_atoms
                for j in range(0, LANES * vectors, LANES):
                    _coupled(
                        acc, steps, real, up, down, j, w_flat, w_at + j, n_atoms,
                        2 * n_atoms * stride,
                    )  # fmt: skip
                _add_coupled(sums, s, rows, i, steps, real, acc)
