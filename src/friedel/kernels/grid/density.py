"""Density of atoms on a grid: sums of truncated Gaussians at the grid points around each atom.

Every kernel adds, for each atom and each grid point within its radius (in any periodic image),
occ sum_t A_t exp(-d Q_t d), where d is the vector from atom to point in grid steps,
Q_t the inverse of the tensor B + (b_t + blur) in those axes, times 4 pi^2, and
A_t = a_t (4 pi)^(3/2) det(B + (b_t + blur))^(-1/2).

The fast kernels use that such a Gaussian is a product of factors that each depend on two of the
three indices at most: the inner loop multiplies and adds, and evaluates no exponential.
They take Gaussians in groups of GROUP, narrow ones first, each group with its own radius. Of a
group's box those rows along the last axis are filled, completely, that cross its ellipsoid: they
are listed, and a loop without branches runs over the list. It works in whole vectors, so that
the grid's rows are longer than the cell (see `fold_rows`).

A thread writes the planes `first <= x < last` of the grid only: the results do not depend on
the number of threads.
"""

import math

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.arguments import atoms_and_groups, flat_grid
from friedel.kernels.grid.boxes import (
    BOX,
    ROWS,
    ellipsoid_rows,
    fits_tables,
    list_rows,
    new_place,
    new_rows,
    place_sphere,
    span,
    sphere_rows,
    touches,
)
from friedel.kernels.grid.ellipsoids import (
    GROUP,
    new_ellipsoids,
    place_ellipsoid,
    row_exponent,
    row_in_ellipsoid,
)
from friedel.kernels.grid.gaussians import FAST, FOUR_PI, FOUR_PI2
from friedel.kernels.grid.separable_gaussians import (
    fill_pair_tables,
    fill_profile,
    has_cross_term,
    is_factorable,
    new_pair_tables,
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


@njit(nogil=True)
def fold_rows(grid, nw, first, last):
    """Add the values beyond the cell's `nw` points of each row to their periodic images."""
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


@njit(nogil=True, forceinline=True)
def _list_products(c, rows, box, x, y):
    """c[t, r] = x[t, i] y[t, j] for each row r = (i, j) of the list, by Gaussian."""
    start, low = rows.start, rows.low
    for i in range(box[0, 1]):
        if start[i] == start[i + 1]:
            continue
        for t in range(GROUP):
            xi = broadcast(x, np.uint64(t * BOX + i))
            to, of = t * ROWS + start[i], t * BOX + low[i]
            for m in range(0, box[1, 1], LANES):
                store(c, np.uint64(to + m), multiply(xi, load(y, np.uint64(of + m))))


@njit(nogil=True, forceinline=True)
def _list_pairs(c, rows, box, xy, peak):
    """c[t, r] = peak[t] xy[t, i, j] for each row r = (i, j) of the list, by Gaussian."""
    start, low = rows.start, rows.low
    ni, nj = box[0, 1], box[1, 1]
    for i in range(ni):
        if start[i] == start[i + 1]:
            continue
        for t in range(GROUP):
            to, of = t * ROWS + start[i], (t * ni + i) * nj + low[i]
            factor = constant(c, peak[t])
            for m in range(0, nj, LANES):
                store(c, np.uint64(to + m), multiply(factor, load(xy, np.uint64(of + m))))


@njit(nogil=True)
def _list_planes(xz_at, start, box):
    """Offsets in the table xz[i, k] of the plane i of each row of the list."""
    for i in range(box[0, 1]):
        begin = constant(xz_at, i * box[2, 1])
        for m in range(0, box[1, 1], LANES):
            store(xz_at, np.uint64(start[i] + m), begin)


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _add_rows(grid, k, row_at, n_rows, c, z, nk):
    """grid[row_at[r], k + m] += sum_t c[t, r] z[t, m] for the rows 0 <= r < n_rows, 0 <= m < nk.

    Two vectors are processed at a time, whose factors stay in registers.
    """
    # Unsigned indices throughout avoid the test for negative ones
    rows = range(np.uint64(n_rows))
    lanes, size, line = np.uint64(LANES), np.uint64(ROWS), np.uint64(BOX)
    m = 0
    while m + LANES < nk:
        here = np.uint64(m)
        z00, z01 = load(z, here), load(z, here + lanes)
        here += line
        z10, z11 = load(z, here), load(z, here + lanes)
        here += line
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
        here = np.uint64(m)
        z0, z1, z2 = load(z, here), load(z, here + line), load(z, here + line + line)
        begin = np.uint64(k + m)
        for r in rows:
            here = begin + np.uint64(row_at[r]) * lanes
            s = multiply_add(broadcast(c, r), z0, load(grid, here))
            s = multiply_add(broadcast(c, r + size), z1, s)
            store(grid, here, multiply_add(broadcast(c, r + size + size), z2, s))


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _add_rows_by_plane(grid, k, row_at, n_rows, c, xz, xz_at, nk, size_xz):
    """`_add_rows` with a separate z for each plane: that of row r begins at xz_at[r]."""
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


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _add_crossed_rows(grid, k, rows, c, tables, box):
    """`_add_rows` where z[t, m] = xz[t, i, m] yz[t, j, m] for the row (i, j)."""
    low, start, row_at, xz, yz = rows.low, rows.start, rows.at, tables.xz, tables.yz
    ni, nj, nk = box[0, 1], box[1, 1], box[2, 1]
    lanes, size, per_row = np.uint64(LANES), np.uint64(ROWS), np.uint64(nk)
    to_1, to_2 = np.uint64(nj * nk), np.uint64(2 * nj * nk)
    for i in range(ni):
        for block in range(0, nk, LANES):
            here = np.uint64(i * nk + block)
            x0, x1 = load(xz, here), load(xz, here + np.uint64(ni * nk))
            x2 = load(xz, here + np.uint64(2 * ni * nk))
            jk, begin = np.uint64(low[i] * nk + block), np.uint64(k + block)
            for r in range(np.uint64(start[i]), np.uint64(start[i + 1])):
                here = begin + np.uint64(row_at[r]) * lanes
                z0 = multiply(x0, load(yz, jk))
                z1, z2 = multiply(x1, load(yz, jk + to_1)), multiply(x2, load(yz, jk + to_2))
                s = multiply_add(broadcast(c, r), z0, load(grid, here))
                s = multiply_add(broadcast(c, r + size), z1, s)
                store(grid, here, multiply_add(broadcast(c, r + size + size), z2, s))
                jk += per_row


@njit(nogil=True, error_model="numpy")
def add_orthogonal(grid, axes, atoms, gaussians, which, first, last):
    """Isotropic atoms in a cell with right angles: every Gaussian is a product of three.

    Inputs
    ------
    axes, atoms, gaussians
        :class:`~friedel.kernels.grid.arguments.GridAxes`, `RoundAtoms` and `Gaussians`.
    which
        (n,) indices of the atoms, in the order of addition.
    first, last
        The planes first <= u < last of the grid are written.

    Outputs
    -------
    grid
        (n_u, n_v, row_length) density, added to: the part u < n_u, v < n_v of the cell within
        the radii of the atoms, in rows as in :mod:`friedel.density.atoms_on_grid`.
    """
    frac, occ, b_iso, kinds, radius = atoms
    a, b, blur = gaussians
    flat, spacing = flat_grid(grid, axes.shape), axes.step
    place, rows = new_place(), new_rows()
    values, center, box, row_at = flat.values, place.center, place.box, rows.at
    x = np.empty(GROUP * BOX, grid.dtype)
    # Vectors beyond the end of a table hold old values: never denormal numbers, which are slow
    y = np.ones(GROUP * BOX + BOX, grid.dtype)
    z = np.empty(GROUP * BOX, grid.dtype)
    c = np.empty(GROUP * ROWS, grid.dtype)
    for atom, group in zip(*atoms_and_groups(which, radius)):
        place_sphere(place, frac[atom], radius[atom, group], axes)
        if not touches(box, flat.nu, first, last):
            continue
        sphere_rows(rows, place, spacing)
        n_rows = list_rows(rows, box, flat, first, last)
        kind = kinds[atom]
        for t in range(GROUP):
            term = GROUP * group + t
            tensor = b_iso[atom] + b[kind, term] + blur
            q, peak = FOUR_PI2 / tensor, FOUR_PI / tensor * math.sqrt(FOUR_PI / tensor)
            peak *= occ[atom] * a[kind, term]
            fill_profile(x, BOX * t, box[0], center[0], q * spacing[0] ** 2, 1.0)
            fill_profile(y, BOX * t, box[1], center[1], q * spacing[1] ** 2, 1.0)
            fill_profile(z, BOX * t, box[2], center[2], q * spacing[2] ** 2, peak)
        _list_products(c, rows, box, x, y)
        _add_rows(values, box[2, 0] % flat.nw, row_at, n_rows, c, z, box[2, 1])


@njit(nogil=True)
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


@njit(nogil=True)
def _add_exact_group(grid, shape, place, form, peak, limit, first, last):
    """Add one group of one atom, with an exponential per row and term: always safe, but slow.

    Points outside the ellipsoid of the broadest Gaussian, d Q d <= limit, are not changed.
    """
    nu, nv, nw = shape
    center, half = place.center, place.half
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


@njit(nogil=True, error_model="numpy")
def add_oblique(grid, axes, atoms, gaussians, which, first, last):
    """Atoms in oblique cells and anisotropic atoms: products of factors of two indices.

    A factor exceeds 1 only where a correlation |q_ij| / sqrt(q_ii q_jj) exceeds 1/2; the others
    compensate for it. A group for which a factor would exceed its range, or whose box is too
    large, is added by `_add_exact_group`.

    Inputs, outputs
    ---------------
    The same as for `add_orthogonal`, with atoms as `AnyAtoms`.
    """
    occ, kinds, a, radius = atoms.occ, atoms.kind, gaussians.a, atoms.radius
    flat = flat_grid(grid, axes.shape)
    place, rows, ellipsoids = new_place(), new_rows(), new_ellipsoids()
    half, box, form, peak = place.half, place.box, ellipsoids.form, ellipsoids.peak
    tables = new_pair_tables(grid, 1)
    values, row_at, start, xz, xy = flat.values, rows.at, rows.start, tables.xz, tables.xy
    c, xz_at = np.empty(GROUP * ROWS, grid.dtype), np.empty(ROWS, np.int32)
    for atom, group in zip(*atoms_and_groups(which, radius)):
        limit = place_ellipsoid(place, ellipsoids, atom, group, atoms, gaussians, axes)
        if not touches(box, flat.nu, first, last):
            continue
        for t in range(GROUP):
            peak[t] *= occ[atom] * a[kinds[atom], GROUP * group + t]
        if not fits_tables(box, flat) or not is_factorable(form[0], half):
            _add_exact_group(grid, axes.shape, place, form, peak, limit, first, last)
            continue
        ellipsoid_rows(rows, place, form[GROUP - 1], limit)
        n_rows = list_rows(rows, box, flat, first, last)
        crossed = has_cross_term(form, 1, 2)
        fill_pair_tables(tables, place, form, crossed)
        _list_pairs(c, rows, box, xy, peak)
        k = box[2, 0] % flat.nw
        if crossed:
            _add_crossed_rows(values, k, rows, c, tables, box)
        else:
            ni, nk = box[0, 1], box[2, 1]
            _list_planes(xz_at, start, box)
            _add_rows_by_plane(values, k, row_at, n_rows, c, xz, xz_at, nk, ni * nk)


@njit(nogil=True, error_model="numpy")
def add_exact(grid, axes, atoms, gaussians, which, first, last):
    """Any atoms in any cell by `_add_exact_group`; inputs of `add_oblique`, rows of any length."""
    place, ellipsoids = new_place(), new_ellipsoids()
    form, peak = ellipsoids.form, ellipsoids.peak
    for atom, group in zip(*atoms_and_groups(which, atoms.radius)):
        limit = place_ellipsoid(place, ellipsoids, atom, group, atoms, gaussians, axes)
        for t in range(GROUP):
            peak[t] *= atoms.occ[atom] * gaussians.a[atoms.kind[atom], GROUP * group + t]
        _add_exact_group(grid, axes.shape, place, form, peak, limit, first, last)
