"""Direct summation along rows, transposed: derivatives by the atoms from dT/dG of the sums.

With v = dT/dRe G + i dT/dIm G at every point of the rows, from
:func:`friedel.kernels.direct.symmetry.spread`,

    dT = sum_h Re(conj(v) dG),   G(h) = sum_j exp(-h beta_j h) exp(2 pi i h.x_j)

Every derivative of a term is the term itself times a polynomial in h, so that the real part u
and minus the imaginary part s of three *moments* of each atom and row suffice:

    M0 = P sum_l conj(v) W r^l      M1 = P sum_l l conj(v) W r^l      M2 = P sum_l l^2 conj(v) W r^l

P, W, r, rows, blocks and tables are those of :mod:`friedel.kernels.direct.rows`. Each atom is in
one lane of a vector: a number of v is used for all atoms of the vector, and nothing is summed
across lanes.

*Separable* atoms treat l and -l together, with the products A, B, C, D of the forward sum, whose
derivatives :func:`fold_mates` calculates from v. Their moments M1 and M2 are not needed: the
derivatives by W(l), summed over all rows, give those by z and beta33. This takes twice the
multiply-adds of the forward sum. For coupled atoms, polynomials in r and their first and second
derivatives are summed by Horner's rule, from the end of a row to its beginning.
"""

import math

from friedel.kernels.direct.moments import (
    add_coupled,
    add_separable,
    add_sum,
    add_table,
    coupled_row,
    coupled_sum,
    enter_row,
    separable_row_triple,
    separable_sums,
)
from friedel.kernels.direct.rows import aligned, follows_in_tile
from friedel.kernels.direct.symmetry import compiled
from friedel.kernels.simd import LANES, load, multiply, store

TWO_PI = 2.0 * math.pi

COLUMNS = 10
"""Number of derivatives of each atom of unit occupancy: by the occupancy; by x, y, z; by beta 11,
22, 33, 12, 13, 23, where an element off the diagonal counts as one number."""


@compiled
def fold_mates(first, last, real, v):
    """Replace v at l and -l by dT/d(A, B, C, D) of separable atoms, for some of the slots."""
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
def _take(table, b, j, own):
    """Copy one vector of atoms from a table, where its numbers are not contiguous."""
    for i in range(table.shape[1]):
        for part in range(2):
            at = (2 * i + part) * LANES
            for lane in range(LANES):
                own[at + lane] = table[b, i, part, j + lane]


@compiled
def _longest(rows, i):
    """Number of steps of the longest of the rows i to i + 2."""
    steps = 0
    for row in range(i, i + 3):
        steps = max(steps, rows[row, 2], rows[row, 3])
    return steps


@compiled
def _enter_cross(ratio, cross, b, j, h, k, step_k):
    """Store exp(-2 beta12 h k) and its factor to the next row in the halves of `ratio`."""
    for lane in range(LANES):
        ratio[lane] = math.exp(-2.0 * cross[b, j + lane] * h * k)
        ratio[lane + LANES] = math.exp(-2.0 * cross[b, j + lane] * h * step_k)


@compiled
def _enter_coupling(r, coupling_h, coupling_k, b, j, h, column, start, stride):
    """Store r^stride, its inverse, r^start, its inverse in `r`."""
    for lane in range(LANES):
        coupling = coupling_h[b, h, j + lane] * coupling_k[b, column, j + lane]
        step = coupling * coupling if stride == 2 else coupling
        first = coupling if start == 1 else 1.0
        r[lane], r[lane + LANES] = step, 1.0 / step
        r[lane + 2 * LANES], r[lane + 3 * LANES] = first, 1.0 / first


@compiled
def gather_rows(
    first, last, rows, stride, step_k, limit_k, blocks, tables, real, constants, v, out
):
    """Add the derivatives by the atoms of some vectors to out (n_atoms, COLUMNS).

    With `constants` only the derivatives by f' and f'', in two columns: v has one row for each,
    which all atoms share.

    Parameters
    ----------
    first, last
        Range of vectors, numbered over all blocks.
    v
        As `sums` of `rows.sum_rows`; folded by :func:`fold_mates` where blocks are separable.
        In one call either all blocks are separable or none is.
    """
    parts = 1 if real else 2
    cross, coupling_h, coupling_k = tables.cross, tables.coupling_h, tables.coupling_k
    x, y = aligned(2 * tables.x.shape[1] * LANES), aligned(2 * tables.y.shape[1] * LANES)
    w = aligned(2 * tables.w.shape[1] * LANES)
    p, q, r = aligned(6 * LANES), aligned(12 * LANES), aligned(4 * LANES)
    ratio, moments = aligned(2 * LANES), aligned(12 * LANES)
    # Derivatives by W(l): of even l, then of odd l, when the stride is 2
    n_l = tables.w.shape[1]
    line_length = 2 * LANES * ((n_l + stride - 1) // stride)
    g, total = aligned(stride * line_length), aligned(COLUMNS * LANES)
    # Making a view of one row of an array would take longer than summing a row
    flat = v.reshape(-1)
    n_before = 0
    for b in range(len(blocks.slot)):
        vs, separable = v[blocks.slot[b]], blocks.separable[b]
        for vector in range(max(first - n_before, 0), min(last - n_before, blocks.vectors[b])):
            j = vector * LANES
            _take(tables.x, b, j, x)
            _take(tables.y, b, j, y)
            _take(tables.w, b, j, w)
            crossed = (cross[b, j : j + LANES] != 0.0).any()
            ratio[:] = 1.0
            g[:] = 0.0
            total[:] = 0.0
            for i in range(len(rows) - 1):
                h, k, start, m = rows[i, 0], rows[i, 1], rows[i, 5], i % 3
                if crossed and follows_in_tile(rows, i, step_k):
                    store(ratio, 0, multiply(load(ratio, 0), load(ratio, LANES)))
                elif crossed:
                    _enter_cross(ratio, cross, b, j, h, k, step_k)
                enter_row(p, m, x, h, y, k + limit_k, ratio)
                w_at, w_step = 2 * start * LANES, 2 * stride * LANES
                steps = max(rows[i, 2], rows[i, 3])
                if separable and m < 2:
                    continue
                if separable:
                    steps = _longest(rows, i - 2)
                else:
                    _enter_coupling(r, coupling_h, coupling_k, b, j, h, k + limit_k, start, stride)
                if constants and separable:
                    at0, at1, at2 = (
                        parts * rows[i - 2, 4], parts * rows[i - 1, 4], parts * rows[i, 4],
                    )  # fmt: skip
                    separable_sums(flat, at0, at1, at2, v.shape[1], steps, real, w, w_at, w_step, q)
                    for n in range(6):
                        add_sum(total, n // 3, p, n % 3, q, n)
                elif constants:
                    for c in range(2):
                        at = c * v.shape[1] + parts * rows[i, 4]
                        coupled_sum(flat, at, steps, real, w, w_at, w_step, r, q, 0)
                        add_sum(total, c, p, m, q, 0)
                elif not separable:
                    coupled_row(vs, parts * rows[i, 4], steps, real, w, w_at, w_step, r, moments)
                    add_coupled(total, p, m, r, start, stride, moments, float(h), float(k))
                else:
                    separable_row_triple(
                        vs, parts * rows[i - 2, 4], parts * rows[i - 1, 4], parts * rows[i, 4],
                        steps, real, w, w_at, w_step, g, start * line_length, p, q,
                    )  # fmt: skip
                    for n in range(3):
                        row = i - 2 + n
                        add_separable(total, p, q, n, float(rows[row, 0]), float(rows[row, 1]))
            if separable and not constants:
                for start in range(stride):
                    steps = (n_l - start + stride - 1) // stride
                    add_table(total, w, g, start * line_length, start, stride, steps)
            for lane in range(min(LANES, blocks.last[b] - blocks.first[b] - j)):
                atom = blocks.order[blocks.first[b] + j + lane]
                if constants:
                    for c in range(2):
                        out[atom, c] += total[c * LANES + lane]
                else:
                    finish(out, atom, total, lane)
        n_before += blocks.vectors[b]


@compiled
def finish(out, atom, total, lane):
    """Add the derivatives by one atom, from the sums of u and s times products of h, k, l."""
    for m in range(COLUMNS):
        factor = 1.0 if m == 0 else TWO_PI if m < 4 else -1.0 if m < 7 else -2.0
        out[atom, m] += factor * total[m * LANES + lane]
