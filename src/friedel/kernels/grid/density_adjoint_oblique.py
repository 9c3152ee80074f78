"""From a map on a grid to atoms in oblique cells and to anisotropic atoms: the transposes.

`friedel.kernels.grid.density_adjoint` has the mathematics and the meaning of `out`. Here all ten
moments S0, S1, S2 are needed for each Gaussian, in grid steps, and turned into derivatives
by `_add_derivatives`.
"""

import math

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.arguments import atoms_and_groups, flat_grid
from friedel.kernels.grid.boxes import (
    BOX,
    ellipsoid_rows,
    fits_tables,
    new_place,
    new_rows,
    span,
)
from friedel.kernels.grid.density_adjoint import Crossed, fill_distances, sum_plane
from friedel.kernels.grid.ellipsoids import (
    GROUP,
    new_ellipsoids,
    place_ellipsoid,
    row_exponent,
    row_in_ellipsoid,
)
from friedel.kernels.grid.gaussians import FAST, FOUR_PI2
from friedel.kernels.grid.separable_gaussians import (
    fill_pair_tables,
    has_cross_term,
    is_factorable,
    new_pair_tables,
)
from friedel.kernels.simd import (
    LANES,
    add,
    broadcast_like,
    lane_sum,
    load,
    load_like,
    multiply,
    multiply_add,
    store,
    wide_zeros,
    zeros,
)

MOMENTS = 10
"""Number of moments: S0; S1 along x, y, z; S2 in the order xx, yy, zz, xy, xz, yz."""


@njit(nogil=True, error_model="numpy")
def _add_derivatives(out, amplitude, s, form, inverse, axes):
    """Add to `out` (COLUMNS,) the derivatives from the moments `s` (MOMENTS,) of a term.

    `form` (6,) is Q on the grid's axes, `inverse` (6,) is V on Cartesian ones.
    """
    shape, step = axes
    out[0] += amplitude * s[0]
    out[1] += 2.0 * amplitude * shape[0] * (form[0] * s[1] + form[3] * s[2] + form[4] * s[3])
    out[2] += 2.0 * amplitude * shape[1] * (form[3] * s[1] + form[1] * s[2] + form[5] * s[3])
    out[3] += 2.0 * amplitude * shape[2] * (form[4] * s[1] + form[5] * s[2] + form[2] * s[3])
    # rows of V step, so that V S2 V is e S2 e^T; step is upper triangular
    for column in range(6):
        i, j = column, column
        if column > 2:
            i, j = (0, column - 2) if column < 5 else (1, 2)
        e0, e1, e2 = _row_of_product(inverse, step, i)
        f0, f1, f2 = _row_of_product(inverse, step, j)
        second = e0 * f0 * s[4] + e1 * f1 * s[5] + e2 * f2 * s[6]
        second += (e0 * f1 + e1 * f0) * s[7] + (e0 * f2 + e2 * f0) * s[8]
        second += (e1 * f2 + e2 * f1) * s[9]
        both = 1.0 if column < 3 else 2.0
        out[4 + column] += amplitude * both * (FOUR_PI2 * second - 0.5 * inverse[column] * s[0])


@njit(nogil=True)
def _row_of_product(v, step, i):
    """Row i of V step, with a symmetric tensor v of six numbers."""
    if i == 0:
        p, q, r = v[0], v[3], v[4]
    elif i == 1:
        p, q, r = v[3], v[1], v[5]
    else:
        p, q, r = v[4], v[5], v[2]
    return (
        p * step[0, 0],
        p * step[0, 1] + q * step[1, 1],
        p * step[0, 2] + q * step[1, 2] + r * step[2, 2],
    )


@njit(nogil=True, error_model="numpy", fastmath=FAST, forceinline=True)
def _with_pair_plane(total, xz, ik, d, i, sums):
    """The sums over x and y of a term, after adding a plane's sums over y times the factor of x, z.

    `total` is for the moments 1, dx, dy, dx^2, dx dy, dy^2; `d` holds dx and, BOX further, dx^2.
    """
    one, dx, dy, dxx, dxy, dyy = total
    factor = load_like(one, xz, ik)
    d1, d2 = broadcast_like(one, d, i), broadcast_like(one, d, i + np.uint64(BOX))
    s, sy = multiply(sums[0], factor), multiply(sums[1], factor)
    return (
        add(one, s),
        multiply_add(s, d1, dx),
        add(dy, sy),
        multiply_add(s, d2, dxx),
        multiply_add(sy, d1, dxy),
        multiply_add(sums[2], factor, dyy),
    )


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _add_moments(moments, total, d, k):
    """Add sums over x and y to a term's moments; `d` from `k` on is dz and, BOX further, dz^2."""
    one, dx, dy, dxx, dxy, dyy = total
    dz, dzz = load_like(one, d, k), load_like(one, d, k + np.uint64(BOX))
    moments[0] += lane_sum(one)
    moments[1] += lane_sum(dx)
    moments[2] += lane_sum(dy)
    moments[3] += lane_sum(multiply(one, dz))
    moments[4] += lane_sum(dxx)
    moments[5] += lane_sum(dyy)
    moments[6] += lane_sum(multiply(one, dzz))
    moments[7] += lane_sum(dxy)
    moments[8] += lane_sum(multiply(dx, dz))
    moments[9] += lane_sum(multiply(dy, dz))


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _gather_factored(zero, flat, box, rows, xz, xy, yz, d, at, moments):
    """Add to `moments` (GROUP, MOMENTS) of one group the sums over some points along z.

    They are the points of the box from `at` on, as many as `zero` is long, in the map `flat`; `yz`
    is None if all factors of y and z are 1.
    """
    low, high = rows.low, rows.high
    ni, nj, nk = box[0, 1], box[1, 1], box[2, 1]
    nu, nv, k = flat.nu, flat.nv, box[2, 0] % flat.nw
    none = (zero, zero, zero, zero, zero, zero)
    total0, total1, total2 = none, none, none
    u, v = box[0, 0] % nu, box[1, 0] % nv
    for plane in range(ni):
        first = low[plane]
        n, begin = high[plane] - first, u * flat.n_v * flat.width + k + at
        ij = plane * nj + first
        crossed = None if yz is None else Crossed(yz, first * nk + at, nk, nj * nk)
        sum0, sum1, sum2 = sum_plane(
            zero, flat, begin, v + first, n, xy, ij, ni * nj, GROUP * ni * nj, crossed
        )
        i, ik, size = np.uint64(plane), np.uint64(plane * nk + at), np.uint64(ni * nk)
        total0 = _with_pair_plane(total0, xz, ik, d, i, sum0)
        total1 = _with_pair_plane(total1, xz, ik + size, d, i, sum1)
        total2 = _with_pair_plane(total2, xz, ik + size + size, d, i, sum2)
        u += 1
        if u == nu:
            u = 0
    here = np.uint64(4 * BOX + at)
    _add_moments(moments[0], total0, d, here)
    _add_moments(moments[1], total1, d, here)
    _add_moments(moments[2], total2, d, here)


@njit(nogil=True)
def _gather_box(flat, box, rows, xz, xy, yz, d, moments):
    """Moments (GROUP, MOMENTS) of one group, two vectors along z at a time."""
    at = np.int64(0)  # with a literal numba would compile the function below again
    while at + LANES < box[2, 1]:
        _gather_factored(wide_zeros(flat.values), flat, box, rows, xz, xy, yz, d, at, moments)
        at += 2 * LANES
    if at < box[2, 1]:
        _gather_factored(zeros(flat.values), flat, box, rows, xz, xy, yz, d, at, moments)


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _fill_powers_of_y(xy, box, d):
    """Fill the tables xy[t, i, j] times dy, and times dy^2, after those of all terms.

    `d` from 2 BOX on is dy and, BOX further, dy^2.
    """
    nj = box[1, 1]
    size = GROUP * box[0, 1] * nj
    for start in range(0, size, nj):
        for j in range(0, nj, LANES):
            here = np.uint64(start + j)
            value, dy = load(xy, here), np.uint64(2 * BOX + j)
            here += np.uint64(size)
            store(xy, here, multiply(value, load(d, dy)))
            store(xy, here + np.uint64(size), multiply(value, load(d, dy + np.uint64(BOX))))


@njit(nogil=True)
def _row_moments(row, origin, first, last, c0, c1, c2):
    """Sums over first <= k <= last of row[origin + k] exp(-(c0 + c1 k + c2 k^2)) times 1, k, k^2.

    The transpose of `_add_gaussian_row`, by the same recurrence.
    """
    nw = len(row)
    top = min(max(int(np.rint(-0.5 * c1 / c2)), first), last)
    change = math.exp(-2.0 * c2)
    peak = math.exp(-(c0 + c1 * top + c2 * top * top))
    s0, s1, s2 = 0.0, 0.0, 0.0
    for direction in (1, -1):
        value = peak
        ratio = math.exp(-direction * (c1 + c2 * (2 * top + direction)))
        index = (origin + top) % nw
        k = top
        if direction == 1:
            count = last - top + 1
        else:
            count = top - first
            index = (index - 1) % nw
            k -= 1
            value *= ratio
            ratio *= change
        for _ in range(count):
            part = row[index] * value
            s0 += part
            s1 += part * k
            s2 += part * k * k
            value *= ratio
            ratio *= change
            index += direction
            k += direction
            if index == nw:
                index = 0
            elif index < 0:
                index = nw - 1
    return s0, s1, s2


@njit(nogil=True)
def _gather_exact_group(grid, shape, place, form, limit, moments):
    """Moments (GROUP, MOMENTS) of one group of one atom: the transpose of `_add_exact_group`."""
    nu, nv, nw = shape
    center, half = place.center, place.half
    cx, cy, cz = center
    broad = form[GROUP - 1]
    origin = math.floor(cz)
    pz = origin - cz
    i0, ni = span(cx, half[0])
    j0, nj = span(cy, half[1])
    for i in range(i0, i0 + ni):
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
                s0, s1, s2 = _row_moments(row, origin, start, stop, c0, c1, q[2])
                s2 += pz * (2.0 * s1 + pz * s0)
                s1 += pz * s0
                s = moments[t]
                s[0] += s0
                s[1] += px * s0
                s[2] += py * s0
                s[3] += s1
                s[4] += px * px * s0
                s[5] += py * py * s0
                s[6] += s2
                s[7] += px * py * s0
                s[8] += px * s1
                s[9] += py * s1


@njit(nogil=True, error_model="numpy")
def gather_oblique(grid, axes, atoms, gaussians, which, first, last, out):
    """Atoms in oblique cells and anisotropic atoms: the transpose of `add_oblique`.

    Inputs, outputs
    ---------------
    The same as for `gather_orthogonal`, with atoms as `AnyAtoms`.
    """
    kinds, radius, a, b = atoms.kind, atoms.radius, gaussians.a, gaussians.b
    flat = flat_grid(grid, axes.shape)
    place, rows, ellipsoids = new_place(), new_rows(), new_ellipsoids()
    center, half, box = place
    form, peak, inverse, _ = ellipsoids
    tables = new_pair_tables(grid, 3)
    xz, xy, yz = tables.xz, tables.xy, tables.yz
    d, moments = np.empty(6 * BOX, grid.dtype), np.empty((GROUP, MOMENTS))
    for atom, group in zip(*atoms_and_groups(which[first:last], radius)):
        limit = place_ellipsoid(place, ellipsoids, atom, group, atoms, gaussians, axes)
        moments[:] = 0.0
        if not fits_tables(box, flat) or not is_factorable(form[0], half):
            _gather_exact_group(grid, axes.shape, place, form, limit, moments)
        else:
            for axis in range(3):
                fill_distances(d, 2 * BOX * axis, box[axis], center[axis])
            ellipsoid_rows(rows, place, form[GROUP - 1], limit)
            crossed = has_cross_term(form, 1, 2)
            fill_pair_tables(tables, place, form, crossed)
            _fill_powers_of_y(xy, box, d)
            if crossed:
                _gather_box(flat, box, rows, xz, xy, yz, d, moments)
            else:
                _gather_box(flat, box, rows, xz, xy, None, d, moments)
        a_row, b_row = a[kinds[atom]], b[kinds[atom]]
        for t in range(GROUP):
            term = GROUP * group + t
            amplitude = a_row[term] * peak[t]
            _add_derivatives(out[atom], amplitude, moments[t], form[t], inverse[t], axes)
            if term == 0 and b_row[0] == 0.0:
                out[atom, 10] = peak[t] * moments[t, 0]
