"""Atoms onto a grid: truncated Gaussians summed at the grid points around each atom.

Every kernel adds, for each atom and each grid point within its radius (in any periodic image),
occ sum_t A_t exp(-d Q_t d), where d is the vector from atom to point in grid steps,
Q_t the inverse of the tensor B + (b_t + blur) in those axes, times 4 pi^2, and
A_t = a_t (4 pi)^(3/2) det(B + (b_t + blur))^(-1/2).

The fast kernels use that such a Gaussian is a product of factors that each depend on two of the
three indices at most: the inner loop multiplies and adds, and evaluates no exponential.
They take Gaussians in groups of GROUP, narrow ones first, each group with its own radius. Of a
group's box those rows along the last axis are filled, whole, that cross its ellipsoid: first they
are listed, then one loop without branches runs over the list. It works in whole vectors, so
that the grid's rows are longer than the cell (see `fold_rows`).

A thread is given the planes `first <= x < last` of the grid and writes nothing else: the
results do not depend on the number of threads.
"""

import math

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.boxes import (
    BOX,
    ROWS,
    ellipsoid_rows,
    fits_tables,
    list_rows,
    place_box,
    place_sphere,
    span,
    sphere_rows,
    table_radius,
    touches,
)
from friedel.kernels.grid.ellipsoids import GROUP, group_ellipsoids, row_exponent, row_in_ellipsoid
from friedel.kernels.grid.gaussians import FAST, FOUR_PI, FOUR_PI2
from friedel.kernels.grid.separable_gaussians import (
    fill_pair_tables,
    fill_profile,
    has_cross_term,
    is_factorable,
)
from friedel.kernels.simd import (
    LANES,
    add,
    broadcast,
    constant,
    load,
    multiply,
    multiply_add,
    store,
)


@njit(cache=True, nogil=True)
def fold_rows(grid, nw, first, last):
    """Add what lies beyond the cell's `nw` points of each row to where it belongs."""
    n_rows, width = grid.shape[1], grid.shape[2]
    flat = grid.reshape(-1)
    for row in range(first * n_rows, last * n_rows):
        for start in range(nw, width, nw):
            to, of, n = row * width, row * width + start, min(nw, width - start)
            whole = n - n % LANES
            for w in range(0, whole, LANES):
                here = np.uint64(to + w)
                store(flat, here, add(load(flat, here), load(flat, np.uint64(of + w))))
            for w in range(whole, n):
                flat[to + w] += flat[of + w]


@njit(cache=True, nogil=True)
def _list_products(c, start, low, box, x, y):
    """c[t, r] = x[t, i] y[t, j] for each row r = (i, j) of the list, by Gaussian."""
    for i in range(box[0, 1]):
        if start[i] == start[i + 1]:
            continue
        for t in range(GROUP):
            xi = broadcast(x, np.uint64(t * BOX + i))
            to, of = t * ROWS + start[i], t * BOX + low[i]
            for m in range(0, box[1, 1], LANES):
                store(c, np.uint64(to + m), multiply(xi, load(y, np.uint64(of + m))))


@njit(cache=True, nogil=True)
def _list_pairs(c, start, low, box, xy, peak):
    """c[t, r] = peak[t] xy[t, i, j] for each row r = (i, j) of the list, by Gaussian."""
    ni, nj = box[0, 1], box[1, 1]
    for i in range(ni):
        if start[i] == start[i + 1]:
            continue
        for t in range(GROUP):
            to, of = t * ROWS + start[i], (t * ni + i) * nj + low[i]
            factor = constant(c, peak[t])
            for m in range(0, nj, LANES):
                store(c, np.uint64(to + m), multiply(factor, load(xy, np.uint64(of + m))))


@njit(cache=True, nogil=True)
def _list_planes(xz_at, start, box):
    """Where in the table xz[i, k] the plane i of each row of the list begins."""
    for i in range(box[0, 1]):
        begin = constant(xz_at, i * box[2, 1])
        for m in range(0, box[1, 1], LANES):
            store(xz_at, np.uint64(start[i] + m), begin)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_rows(grid, k, row_at, first, last, c, z, at, nk, stride):
    """grid[row_at[r], k + m] += sum_t c[t, r] z[t, m] for the rows first <= r < last, 0 <= m < nk.

    `z` begins at `at`, with `stride` between Gaussians. Two vectors at a time, whose factors
    stay in registers.
    """
    # Unsigned throughout: no index is tested for being negative
    rows = range(np.uint64(first), np.uint64(last))
    lanes, size = np.uint64(LANES), np.uint64(ROWS)
    m = 0
    while m + LANES < nk:
        here = np.uint64(at + m)
        z00, z01 = load(z, here), load(z, here + lanes)
        here += np.uint64(stride)
        z10, z11 = load(z, here), load(z, here + lanes)
        here += np.uint64(stride)
        z20, z21 = load(z, here), load(z, here + lanes)
        begin = np.uint64(k + m)
        for r in rows:
            here = begin + np.uint64(row_at[r]) * lanes
            there = here + lanes
            c0, c1, c2 = broadcast(c, r), broadcast(c, r + size), broadcast(c, r + size + size)
            s = multiply_add(c0, z00, load(grid, here))
            s = multiply_add(c1, z10, s)
            store(grid, here, multiply_add(c2, z20, s))
            s = multiply_add(c0, z01, load(grid, there))
            s = multiply_add(c1, z11, s)
            store(grid, there, multiply_add(c2, z21, s))
        m += 2 * LANES
    if m < nk:
        here = np.uint64(at + m)
        z0, z1 = load(z, here), load(z, here + np.uint64(stride))
        z2 = load(z, here + np.uint64(2 * stride))
        begin = np.uint64(k + m)
        for r in rows:
            here = begin + np.uint64(row_at[r]) * lanes
            s = multiply_add(broadcast(c, r), z0, load(grid, here))
            s = multiply_add(broadcast(c, r + size), z1, s)
            store(grid, here, multiply_add(broadcast(c, r + size + size), z2, s))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_tilted_rows(grid, k, row_at, n_rows, c, xz, xz_at, nk, size_xz):
    """`_add_rows` with another z for every plane: that of row r begins at xz_at[r]."""
    lanes, size = np.uint64(LANES), np.uint64(ROWS)
    to_1, to_2 = np.uint64(size_xz), np.uint64(2 * size_xz)
    for block in range(0, nk, LANES):
        m, begin = np.uint64(block), np.uint64(k + block)
        for r in range(np.uint64(n_rows)):
            here, z = begin + np.uint64(row_at[r]) * lanes, m + np.uint64(xz_at[r])
            s = multiply_add(broadcast(c, r), load(xz, z), load(grid, here))
            s = multiply_add(broadcast(c, r + size), load(xz, z + to_1), s)
            s = multiply_add(broadcast(c, r + size + size), load(xz, z + to_2), s)
            store(grid, here, s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_crossed_rows(grid, k, row_at, first, last, c, xz, at_xz, nk, size_xz, yz, at_yz, size_yz):
    """`_add_rows` for the rows of one plane, where z[t, m] = xz[t, m] yz[t, j, m]."""
    lanes, size, per_row = np.uint64(LANES), np.uint64(ROWS), np.uint64(nk)
    to_1, to_2 = np.uint64(size_yz), np.uint64(2 * size_yz)
    for block in range(0, nk, LANES):
        here = np.uint64(at_xz + block)
        x0, x1 = load(xz, here), load(xz, here + np.uint64(size_xz))
        x2 = load(xz, here + np.uint64(2 * size_xz))
        jk, begin = np.uint64(at_yz + block), np.uint64(k + block)
        for r in range(np.uint64(first), np.uint64(last)):
            here = begin + np.uint64(row_at[r]) * lanes
            z0 = multiply(x0, load(yz, jk))
            z1, z2 = multiply(x1, load(yz, jk + to_1)), multiply(x2, load(yz, jk + to_2))
            s = multiply_add(broadcast(c, r), z0, load(grid, here))
            s = multiply_add(broadcast(c, r + size), z1, s)
            store(grid, here, multiply_add(broadcast(c, r + size + size), z2, s))
            jk += per_row


@njit(cache=True, nogil=True, error_model="numpy")
def add_orthogonal(
    grid, shape, spacing, frac, occ, b_iso, kind, a, b, blur, radius_table, b_first, b_step,
    first, last,
):  # fmt: skip
    """Isotropic atoms in a cell with right angles: every Gaussian is a product of three.

    `grid` is (nu, nv, row_length) as in `friedel.density.atoms_on_grid`, or the part of it
    u < grid.shape[0], v < grid.shape[1] that the atoms reach; `shape` is (nu, nv, nw);
    `spacing` (3,) in A;
    `a`, `b` (n_kinds, n_groups * GROUP); `radius_table` (n_kinds, n_groups, n) at the
    B = b_first, b_first + b_step, ...
    """
    nu, nv, nw = shape
    row = grid.shape[2] // LANES
    plane = grid.shape[1] * row
    flat = grid.reshape(-1)
    x = np.empty(GROUP * BOX, grid.dtype)
    # Beyond the end of a table vectors hold what was there: never denormal numbers, which are slow
    y = np.ones(GROUP * BOX + BOX, grid.dtype)
    z = np.empty(GROUP * BOX, grid.dtype)
    c = np.empty(GROUP * ROWS, grid.dtype)
    row_at, start = np.empty(ROWS, np.int32), np.empty(BOX + 1, np.int64)
    in_plane = np.empty(2 * BOX, np.int32)
    low, high = np.empty(BOX, np.int64), np.empty(BOX, np.int64)
    center, half, box = np.empty(3), np.empty(3), np.empty((3, 4), np.int64)
    for atom in range(len(frac)):
        if occ[atom] == 0.0:
            continue
        b_position = (b_iso[atom] - b_first) / b_step
        for group in range(radius_table.shape[1]):
            radius = table_radius(radius_table, kind[atom], group, b_position)
            if radius <= 0.0:
                continue
            place_sphere(frac[atom], radius, spacing, shape, center, half, box)
            if not touches(box, nu, first, last):
                continue
            sphere_rows(low, high, box, center, half, spacing)
            n_rows = list_rows(
                row_at, start, in_plane, low, high, box, nu, nv, plane, row, first, last
            )
            for t in range(GROUP):
                term = GROUP * group + t
                tensor = b_iso[atom] + b[kind[atom], term] + blur
                q, peak = FOUR_PI2 / tensor, FOUR_PI / tensor * math.sqrt(FOUR_PI / tensor)
                peak *= occ[atom] * a[kind[atom], term]
                fill_profile(x, BOX * t, box[0], center[0], q * spacing[0] ** 2, 1.0)
                fill_profile(y, BOX * t, box[1], center[1], q * spacing[1] ** 2, 1.0)
                fill_profile(z, BOX * t, box[2], center[2], q * spacing[2] ** 2, peak)
            _list_products(c, start, low, box, x, y)
            k = box[2, 0] % nw
            _add_rows(flat, k, row_at, 0, n_rows, c, z, 0, box[2, 1], BOX)


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
    for direction in (1, -1):
        value = peak
        ratio = math.exp(-direction * (c1 + c2 * (2 * top + direction)))
        index = (origin + top) % nw
        if direction == 1:
            count = last - top + 1
        else:
            count = top - first
            index = (index - 1) % nw
            value *= ratio
            ratio *= change
        for _ in range(count):
            row[index] += value
            value *= ratio
            ratio *= change
            index += direction
            if index == nw:
                index = 0
            elif index < 0:
                index = nw - 1


@njit(cache=True, nogil=True)
def _add_exact_group(grid, shape, center, half, form, peak, limit, first, last):
    """One group of one atom, with an exponential a row and term: always safe, and slow.

    Points outside of the ellipsoid of the broadest Gaussian, d Q d <= limit, are left alone.
    """
    nu, nv, nw = shape
    cx, cy, cz = center
    broad = form[GROUP - 1]
    origin = math.floor(cz)
    pz = origin - cz
    i0, ni = span(cx, half[0])
    j0, nj = span(cy, half[1])
    for i in range(i0, i0 + ni):
        if not first <= i % nu < last:
            continue
        px = i - cx
        for j in range(j0, j0 + nj):
            py = j - cy
            start, stop = row_in_ellipsoid(broad, px, py, pz, limit)
            if stop < start:
                continue
            row = grid[i % nu, j % nv, :nw]
            for t in range(GROUP):
                q = form[t]
                c0, c1 = row_exponent(q, px, py, pz)
                _add_gaussian_row(row, origin, start, stop, c0, c1, q[2], peak[t])


@njit(cache=True, nogil=True, error_model="numpy")
def add_oblique(
    grid, shape, step, frac, occ, b_tensor, b_broad, kind, a, b, blur, radius_table, b_first,
    b_step, first, last,
):  # fmt: skip
    """Atoms in oblique cells and anisotropic atoms: products of factors of two indices.

    A factor exceeds 1 only where a correlation |q_ij| / sqrt(q_ii q_jj) exceeds 1/2; the others
    make up for it. A group for which a factor would exceed its range, or whose box is too
    large, is added the exact way.

    `step` (3, 3) upper triangular turns steps along the grid axes into Cartesian A;
    `b_tensor` (n, 6) is Cartesian and `b_broad` (n,) its largest eigenvalue; the other
    arguments are those of `add_orthogonal`.
    """
    nu, nv, nw = shape
    row, padding = grid.shape[2] // LANES, grid.shape[2] - nw
    plane = grid.shape[1] * row
    flat = grid.reshape(-1)
    xz = np.empty(GROUP * BOX * BOX, grid.dtype)
    yz = np.empty(GROUP * BOX * BOX, grid.dtype)
    xy = np.empty(GROUP * BOX * BOX + BOX, grid.dtype)
    half_profiles = np.empty(3 * GROUP * BOX, grid.dtype)
    tilts = np.empty(2 * GROUP * BOX, grid.dtype)
    c = np.empty(GROUP * ROWS, grid.dtype)
    row_at, xz_at = np.empty(ROWS, np.int32), np.empty(ROWS, np.int32)
    start, in_plane = np.empty(BOX + 1, np.int64), np.empty(2 * BOX, np.int32)
    low, high = np.empty(BOX, np.int64), np.empty(BOX, np.int64)
    form, peak, inverse = np.empty((GROUP, 6)), np.empty(GROUP), np.empty((GROUP, 6))
    covariance, half = np.empty(6), np.empty(3)
    center, box = np.empty(3), np.empty((3, 4), np.int64)
    for atom in range(len(frac)):
        if occ[atom] == 0.0:
            continue
        b_position = (b_broad[atom] - b_first) / b_step
        a_row, b_row = a[kind[atom]], b[kind[atom]]
        for group in range(radius_table.shape[1]):
            radius = table_radius(radius_table, kind[atom], group, b_position)
            if radius <= 0.0:
                continue
            limit = group_ellipsoids(
                b_tensor[atom], b_broad[atom], b_row, blur, step, radius, group,
                form, peak, inverse, covariance, half,
            )  # fmt: skip
            for axis in range(3):
                center[axis] = frac[atom, axis] * shape[axis]
            place_box(center, half, nw, box)
            if not touches(box, nu, first, last):
                continue
            for t in range(GROUP):
                peak[t] *= occ[atom] * a_row[GROUP * group + t]
            crossed = has_cross_term(form, 1, 2)
            if not fits_tables(box, padding) or not is_factorable(form[0], half):
                _add_exact_group(grid, shape, center, half, form, peak, limit, first, last)
                continue
            ellipsoid_rows(low, high, box, center, form[GROUP - 1], limit)
            n_rows = list_rows(
                row_at, start, in_plane, low, high, box, nu, nv, plane, row, first, last
            )
            fill_pair_tables(xz, yz, xy, box, center, form, crossed, half_profiles, tilts)
            _list_pairs(c, start, low, box, xy, peak)
            ni, nj, nk, k = box[0, 1], box[1, 1], box[2, 1], box[2, 0] % nw
            if not crossed:
                _list_planes(xz_at, start, box)
                _add_tilted_rows(flat, k, row_at, n_rows, c, xz, xz_at, nk, ni * nk)
                continue
            for i in range(ni):
                _add_crossed_rows(
                    flat, k, row_at, start[i], start[i + 1], c, xz, i * nk, nk, ni * nk,
                    yz, low[i] * nk, nj * nk,
                )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def add_exact(
    grid, shape, step, frac, occ, b_tensor, b_broad, kind, a, b, blur, radius_table, b_first,
    b_step, first, last,
):  # fmt: skip
    """Any atoms in any cell, the exact way; arguments as in `add_oblique`."""
    center = np.empty(3)
    form, peak, inverse = np.empty((GROUP, 6)), np.empty(GROUP), np.empty((GROUP, 6))
    covariance, half = np.empty(6), np.empty(3)
    for atom in range(len(frac)):
        if occ[atom] == 0.0:
            continue
        for axis in range(3):
            center[axis] = frac[atom, axis] * shape[axis]
        b_position = (b_broad[atom] - b_first) / b_step
        a_row, b_row = a[kind[atom]], b[kind[atom]]
        for group in range(radius_table.shape[1]):
            radius = table_radius(radius_table, kind[atom], group, b_position)
            if radius <= 0.0:
                continue
            limit = group_ellipsoids(
                b_tensor[atom], b_broad[atom], b_row, blur, step, radius, group,
                form, peak, inverse, covariance, half,
            )  # fmt: skip
            for t in range(GROUP):
                peak[t] *= occ[atom] * a_row[GROUP * group + t]
            _add_exact_group(grid, shape, center, half, form, peak, limit, first, last)
