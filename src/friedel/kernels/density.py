"""Atoms onto a grid: truncated Gaussians summed at the grid points around each atom.

Every kernel adds, for each atom and each grid point within its radius (in any periodic image),
occ sum_t A_t exp(-d Q_t d), where d is the vector from atom to point in grid steps,
Q_t the inverse of the tensor B + (b_t + blur) in those axes, times 4 pi^2, and
A_t = a_t (4 pi)^(3/2) det(B + (b_t + blur))^(-1/2).

The fast kernels use that such a Gaussian is a product of factors that each depend on two of the
three indices at most: the inner loop multiplies and adds, and evaluates no exponential.
They take Gaussians in groups of GROUP, narrow ones first, each group with its own radius; they
work in whole vectors along the last axis, so that the grid's rows are longer than the
cell (see `fold_rows`) and a few points beyond the radius are filled as well.

A thread is given the planes `first <= x < last` of the grid and writes nothing else: the
results do not depend on the number of threads.
"""

import math

import numpy as np
from numba import njit

from friedel.kernels.ellipsoids import GROUP, group_ellipsoids, row_exponent, row_in_ellipsoid
from friedel.kernels.gaussians import FAST, FOUR_PI, FOUR_PI2, exp_of_quadratic
from friedel.kernels.vectors import LANES, broadcast, load, multiply, multiply_add, store

PROFILE_FLOOR = -35.0
"""Exponent at which the factors of a separable Gaussian end: products stay normal numbers."""

PAIR_FLOOR = -85.0
"""Lowest exponent, at its centre, of a factor of two indices: exp(-85) is a float32 still."""

PAIR_CEILING = 40.0
"""Highest exponent of such a factor."""

BOX = 96
"""Largest number of grid points across an atom along one axis that the fast kernels take."""


@njit(cache=True, nogil=True)
def fold_rows(grid, nw, first, last):
    """Add what lies beyond the cell's `nw` points of each row to where it belongs."""
    width = grid.shape[2]
    for u in range(first, last):
        for v in range(grid.shape[1]):
            for start in range(nw, width, nw):
                for w in range(min(nw, width - start)):
                    grid[u, v, w] += grid[u, v, start + w]


@njit(cache=True, nogil=True)
def _whole_vectors(n):
    """The smallest multiple of LANES that is not below n."""
    return (n + LANES - 1) // LANES * LANES


@njit(cache=True, nogil=True, error_model="numpy")
def _span(center, half_width):
    """First grid index and number of indices within `half_width` of `center`."""
    first = math.ceil(center - half_width)
    return first, math.floor(center + half_width) - first + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _touches(start, n, size, first, last):
    """Whether any of n periodic indices from `start` lies in first <= index < last."""
    return n >= size or (first - start) % size < n or (start - first) % size < last - first


@njit(cache=True, nogil=True, error_model="numpy")
def _table_radius(radius_table, kind, group, b_position):
    index = min(int(b_position), radius_table.shape[2] - 2)
    fraction = b_position - index
    row = radius_table[kind, group]
    return row[index] * (1.0 - fraction) + row[index + 1] * fraction


@njit(cache=True, nogil=True, error_model="numpy")
def _disc_limits(low, high, ni, nj, dx, dy, xx, xy, yy, r2):
    """Rows j of each plane i of the box that cross the disc xx x^2 + 2 xy x y + yy y^2 <= r2."""
    for i in range(ni):
        x = dx + i
        middle = -xy / yy * x
        half = math.sqrt(max(r2 / yy - (xx / yy - (xy / yy) ** 2) * x * x, 0.0))
        low[i] = max(math.ceil(middle - half - dy), 0)
        high[i] = min(math.floor(middle + half - dy) + 1, nj)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_profile(out, first, n, start, q):
    """out[first + i] = exp(-q (start + i)^2)."""
    exp_of_quadratic(out, first, n, -q * start * start, -2.0 * q * start, -q, PROFILE_FLOOR)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_separable(grid, width, nu, nv, u, ni, v, k, low, high, first, last, x, y, z, block):
    """One vector along z of the product x y z of one group, over the rows of the disc."""
    z0 = load(z, np.uint64(block))
    z1 = load(z, np.uint64(BOX + block))
    z2 = load(z, np.uint64(2 * BOX + block))
    for i in range(ni):
        if u == nu:
            u = 0
        if first <= u < last:
            xi = np.uint64(i)
            xz0 = multiply(z0, broadcast(x, xi))
            xz1 = multiply(z1, broadcast(x, xi + np.uint64(BOX)))
            xz2 = multiply(z2, broadcast(x, xi + np.uint64(2 * BOX)))
            j = low[i]
            row = (v + j) % nv
            while j < high[i]:
                # A stretch of rows up to the periodic boundary
                stop = min(high[i], j + nv - row)
                offset = (u * nv + row) * width + k
                for m in range(j, stop):
                    yj, here = np.uint64(m), np.uint64(offset)
                    s = multiply_add(xz0, broadcast(y, yj), load(grid, here))
                    s = multiply_add(xz1, broadcast(y, yj + np.uint64(BOX)), s)
                    s = multiply_add(xz2, broadcast(y, yj + np.uint64(2 * BOX)), s)
                    store(grid, here, s)
                    offset += width
                j = stop
                row = 0
        u += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_orthogonal(
    grid,
    nw,
    spacing,
    frac,
    occ,
    b_iso,
    kind,
    a,
    b,
    blur,
    radius_table,
    b_first,
    b_step,
    first,
    last,
):
    """Isotropic atoms in a cell with right angles: every Gaussian is a product of three.

    `grid` is (nu, nv, width >= nw + BOX) with rows padded beyond the cell; `spacing` (3,) in A;
    `a`, `b` (n_kinds, n_groups * GROUP); `radius_table` (n_kinds, n_groups, n) at the
    B = b_first, b_first + b_step, ...
    """
    nu, nv, width = grid.shape
    flat = grid.reshape(-1)
    x = np.empty(GROUP * BOX, grid.dtype)
    y = np.empty(GROUP * BOX, grid.dtype)
    z = np.empty(GROUP * BOX, grid.dtype)
    low, high = np.empty(BOX, np.int64), np.empty(BOX, np.int64)
    hx2, hy2, hz2 = spacing[0] ** 2, spacing[1] ** 2, spacing[2] ** 2
    for atom in range(len(frac)):
        if occ[atom] == 0.0:
            continue
        cx, cy, cz = frac[atom, 0] * nu, frac[atom, 1] * nv, frac[atom, 2] * nw
        b_position = (b_iso[atom] - b_first) / b_step
        for group in range(radius_table.shape[1]):
            radius = _table_radius(radius_table, kind[atom], group, b_position)
            i0, ni = _span(cx, radius / spacing[0])
            if radius <= 0.0 or not _touches(i0, ni, nu, first, last):
                continue
            j0, nj = _span(cy, radius / spacing[1])
            k0, nk = _span(cz, radius / spacing[2])
            k0 -= (_whole_vectors(nk) - nk) // 2
            nk = _whole_vectors(nk)
            dx, dy, dz = i0 - cx, j0 - cy, k0 - cz
            for t in range(GROUP):
                term = GROUP * group + t
                tensor = b_iso[atom] + b[kind[atom], term] + blur
                q = FOUR_PI2 / tensor
                amplitude = occ[atom] * a[kind[atom], term] * (FOUR_PI / tensor) ** 1.5
                at = BOX * t
                _fill_profile(x, at, _whole_vectors(ni), dx, q * hx2)
                _fill_profile(y, at, _whole_vectors(nj), dy, q * hy2)
                _fill_profile(z, at, nk, dz, q * hz2)
                for i in range(at, at + ni):
                    x[i] *= amplitude
            for block in range(0, nk, LANES):
                # The sphere's cross section is smaller where all of the block is off centre
                near = max(dz + block, -(dz + block + LANES - 1), 0.0)
                r2 = radius * radius - hz2 * near * near
                _disc_limits(low, high, ni, nj, dx, dy, hx2, 0.0, hy2, r2)
                _add_separable(
                    flat, width, nu, nv, i0 % nu, ni, j0 % nv, k0 % nw + block,
                    low, high, first, last, x, y, z, block,
                )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_pair_table(out, start, rows, columns, row0, column0, rr, cc, rc, ratio, shrink):
    """out[start + r * columns + c] = exp(-(rr dr^2 / 2 + cc dc^2 / 2 + 2 rc dr dc)).

    dr = row0 + r, dc = column0 + c; `columns` is a multiple of LANES. From the row nearest to
    dr = 0 outward: the ratio of neighbouring rows is exp of a linear function, and itself
    shrinks by a constant factor.
    """
    middle = min(max(int(np.rint(-row0)), 0), rows - 1)
    dr = row0 + middle
    cross = 2.0 * rc * dr
    base = -0.5 * rr * dr * dr - column0 * (0.5 * cc * column0 + cross)
    slope = -cc * column0 - cross
    exp_of_quadratic(out, start + middle * columns, columns, base, slope, -0.5 * cc, PAIR_FLOOR)
    shrink[0] = math.exp(-rr)
    shrink_vector = broadcast(shrink, np.uint64(0))
    for direction in (1, -1):
        # the exponent of the next row, less that of this one
        base = -0.5 * rr * (1.0 + 2.0 * direction * dr) - 2.0 * rc * direction * column0
        exp_of_quadratic(ratio, 0, columns, base, -2.0 * rc * direction, 0.0, PAIR_FLOOR)
        count = rows - 1 - middle if direction == 1 else middle
        for c in range(0, columns, LANES):
            row = start + middle * columns + c
            value, change = load(out, np.uint64(row)), load(ratio, np.uint64(c))
            for _ in range(count):
                row += direction * columns
                value = multiply(value, change)
                change = multiply(change, shrink_vector)
                store(out, np.uint64(row), value)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_factored(
    grid, width, nu, nv, u, ni, v, nj, nj_table, k, nk, low, high, first, last, xz, yz, xy
):
    """The sum over one group of xz[i, k] yz[j, k] xy[i, j], over the rows of the disc."""
    size_xz, size_yz, size_xy = ni * nk, nj * nk, ni * nj_table
    for i in range(ni):
        if u == nu:
            u = 0
        if first <= u < last:
            row = (v + low[i]) % nv
            for j in range(low[i], high[i]):
                if row == nv:
                    row = 0
                offset = (u * nv + row) * width + k
                ij = np.uint64(i * nj_table + j)
                for block in range(0, nk, LANES):
                    here = np.uint64(offset + block)
                    ik, jk = np.uint64(i * nk + block), np.uint64(j * nk + block)
                    s = load(grid, here)
                    for t in range(GROUP):
                        pair = multiply(
                            load(xz, ik + np.uint64(t * size_xz)),
                            load(yz, jk + np.uint64(t * size_yz)),
                        )
                        s = multiply_add(pair, broadcast(xy, ij + np.uint64(t * size_xy)), s)
                    store(grid, here, s)
                row += 1
        u += 1


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
def _add_exact_group(grid, nw, cx, cy, cz, wx, wy, form, peak, limit, first, last):
    """One group of one atom, with an exponential a row and term: always safe, and slow.

    Points outside of the ellipsoid of the broadest Gaussian, d Q d <= limit, are left alone.
    """
    nu, nv = grid.shape[:2]
    broad = form[GROUP - 1]
    origin = math.floor(cz)
    pz = origin - cz
    i0, ni = _span(cx, wx)
    j0, nj = _span(cy, wy)
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
def is_factorable(q, half):
    """Whether the factors of the narrowest form stay within the range of float32."""
    x = math.sqrt(q[0]) * half[0]
    y = math.sqrt(q[1]) * half[1]
    z = math.sqrt(q[2]) * (half[2] + LANES // 2 + 1)
    if 0.5 * max(x, y, z) ** 2 > -PAIR_FLOOR:
        return False
    # a^2/2 + b^2/2 - 2 rho a b >= -(2 rho - 1) a b for |a| <= x, |b| <= y
    xy = (2.0 * abs(q[3]) / math.sqrt(q[0] * q[1]) - 1.0) * x * y
    xz = (2.0 * abs(q[4]) / math.sqrt(q[0] * q[2]) - 1.0) * x * z
    yz = (2.0 * abs(q[5]) / math.sqrt(q[1] * q[2]) - 1.0) * y * z
    return max(xy, xz, yz) < PAIR_CEILING


@njit(cache=True, nogil=True, error_model="numpy")
def add_oblique(
    grid, nw, step, frac, occ, b_tensor, b_broad, kind, a, b, blur, radius_table, b_first,
    b_step, first, last,
):  # fmt: skip
    """Atoms in oblique cells and anisotropic atoms: products of factors of two indices.

    Every diagonal of the form is shared half and half by two factors. A factor exceeds 1 only
    where a correlation |q_ij| / sqrt(q_ii q_jj) exceeds 1/2; as no exponent is cut off, the
    others make up for it. A group for which a factor would leave the range of float32, or
    whose box is too large, is added the exact way.

    `step` (3, 3) upper triangular turns steps along the grid axes into Cartesian A;
    `b_tensor` (n, 6) is Cartesian and `b_broad` (n,) its largest eigenvalue; the other
    arguments are those of `add_orthogonal`.
    """
    nu, nv, width = grid.shape
    flat = grid.reshape(-1)
    xz = np.empty(GROUP * BOX * BOX, grid.dtype)
    yz = np.empty(GROUP * BOX * BOX, grid.dtype)
    xy = np.empty(GROUP * BOX * BOX, grid.dtype)
    ratio, shrink = np.empty(BOX, grid.dtype), np.empty(1, grid.dtype)
    low, high = np.empty(BOX, np.int64), np.empty(BOX, np.int64)
    form, peak, inverse = np.empty((GROUP, 6)), np.empty(GROUP), np.empty((GROUP, 6))
    covariance, half = np.empty(6), np.empty(3)
    for atom in range(len(frac)):
        if occ[atom] == 0.0:
            continue
        cx, cy, cz = frac[atom, 0] * nu, frac[atom, 1] * nv, frac[atom, 2] * nw
        b_position = (b_broad[atom] - b_first) / b_step
        a_row, b_row = a[kind[atom]], b[kind[atom]]
        for group in range(radius_table.shape[1]):
            radius = _table_radius(radius_table, kind[atom], group, b_position)
            if radius <= 0.0:
                continue
            limit = group_ellipsoids(
                b_tensor[atom], b_broad[atom], b_row, blur, step, radius, group,
                form, peak, inverse, covariance, half,
            )  # fmt: skip
            for t in range(GROUP):
                peak[t] *= occ[atom] * a_row[GROUP * group + t]
            i0, ni = _span(cx, half[0])
            if not _touches(i0, ni, nu, first, last):
                continue
            j0, nj = _span(cy, half[1])
            k0, nk = _span(cz, half[2])
            nj_table = _whole_vectors(nj)
            k0 -= (_whole_vectors(nk) - nk) // 2
            nk = _whole_vectors(nk)
            too_large = max(ni, nj_table, nk) > BOX or nk > width - nw
            if too_large or not is_factorable(form[0], half):
                _add_exact_group(
                    grid, nw, cx, cy, cz, half[0], half[1], form, peak, limit, first, last
                )
                continue
            dx, dy, dz = i0 - cx, j0 - cy, k0 - cz
            for t in range(GROUP):
                q = form[t]
                at = t * ni * nk
                _fill_pair_table(xz, at, ni, nk, dx, dz, q[0], q[2], q[4], ratio, shrink)
                at = t * nj * nk
                _fill_pair_table(yz, at, nj, nk, dy, dz, q[1], q[2], q[5], ratio, shrink)
                at = t * ni * nj_table
                _fill_pair_table(xy, at, ni, nj_table, dx, dy, q[0], q[1], q[3], ratio, shrink)
                for m in range(at, at + ni * nj_table):
                    xy[m] *= peak[t]
            # The ellipsoid seen along z: Schur complement of its form
            q = form[GROUP - 1]
            disc_xx, disc_yy = q[0] - q[4] ** 2 / q[2], q[1] - q[5] ** 2 / q[2]
            disc_xy = q[3] - q[4] * q[5] / q[2]
            _disc_limits(low, high, ni, nj, dx, dy, disc_xx, disc_xy, disc_yy, limit)
            _add_factored(
                flat, width, nu, nv, i0 % nu, ni, j0 % nv, nj, nj_table, k0 % nw, nk,
                low, high, first, last, xz, yz, xy,
            )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def add_exact(
    grid, nw, step, frac, occ, b_tensor, b_broad, kind, a, b, blur, radius_table, b_first,
    b_step, first, last,
):  # fmt: skip
    """Any atoms in any cell, the exact way; arguments as in `add_oblique`."""
    nu, nv = grid.shape[:2]
    form, peak, inverse = np.empty((GROUP, 6)), np.empty(GROUP), np.empty((GROUP, 6))
    covariance, half = np.empty(6), np.empty(3)
    for atom in range(len(frac)):
        if occ[atom] == 0.0:
            continue
        cx, cy, cz = frac[atom, 0] * nu, frac[atom, 1] * nv, frac[atom, 2] * nw
        b_position = (b_broad[atom] - b_first) / b_step
        a_row, b_row = a[kind[atom]], b[kind[atom]]
        for group in range(radius_table.shape[1]):
            radius = _table_radius(radius_table, kind[atom], group, b_position)
            if radius <= 0.0:
                continue
            limit = group_ellipsoids(
                b_tensor[atom], b_broad[atom], b_row, blur, step, radius, group,
                form, peak, inverse, covariance, half,
            )  # fmt: skip
            for t in range(GROUP):
                peak[t] *= occ[atom] * a_row[GROUP * group + t]
            _add_exact_group(grid, nw, cx, cy, cz, half[0], half[1], form, peak, limit, first, last)
