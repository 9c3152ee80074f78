"""A map on a grid to the atoms: the transposes of the kernels that put atoms on a grid.

For a target T whose derivative by the density at point p is the map m(p), and an atom with
density occ sum_t A_t exp(-d Q_t d), d = p - c in grid steps, everything follows from moments of
the map under each Gaussian, taken over the points that the forward kernel fills,

    S0 = sum_p m exp(-d Q d)     S1 = sum_p m d exp(-d Q d)     S2 = sum_p m d d^T exp(-d Q d)

    dT/docc = sum_t A_t S0
    dT/dc   = sum_t 2 occ A_t Q_t S1
    dT/dB   = sum_t occ A_t (4 pi^2 V S2 V - V S0 / 2),   V the inverse of B + (b_t + blur)

(S2 and V on Cartesian axes; for isotropic B the trace of the last). Radii are held fixed: the
forward kernel ends an atom where its density is small, and what moving that end would contribute
is as small as the truncation error itself.

Each kernel visits the same points as its namesake `add_...`, in the same order and with
the same factors, so that the two are transposes of one another but for rounding. Like there,
one index at a time is summed: over y with the powers of dy in tables, then x, then z, so that a
grid point costs three multiply-adds for each Gaussian. `grid` has the rows that are
longer than the cell; `unfold_rows` fills what is beyond.

A thread is given atoms first <= j < last and writes their rows of `out` only. These are, for
unit occupancy, the derivatives by

    0      occupancy
    1:4    fractional coordinates
    4:10   B11, B22, B33, B12, B13, B23; the derivative by the one number that stands in two
           places of the tensor; for `gather_orthogonal` B in the first place, then zeros
    10     a number added to the form factor; only where the narrowest term of the atom's
           kind is a constant (b = 0), otherwise left alone
"""

import math

import numpy as np
from numba import njit

from friedel.kernels.boxes import BOX, place_sphere, sphere_rows, table_radius
from friedel.kernels.ellipsoids import GROUP
from friedel.kernels.factors import fill_profile
from friedel.kernels.gaussians import FAST, FOUR_PI, FOUR_PI2
from friedel.kernels.vectors import (
    LANES,
    add,
    broadcast_like,
    constant,
    lane_sum,
    load,
    load_like,
    multiply,
    multiply_add,
    steps,
    store,
    wide_zeros,
    zeros,
)

COLUMNS = 11
"""Numbers for each atom in `out`."""


@njit(cache=True, nogil=True)
def unfold_rows(grid, nw, first, last):
    """Repeat the beginning of each row behind the cell's `nw` points: transpose of `fold_rows`."""
    for u in range(first, last):
        for v in range(grid.shape[1]):
            for w in range(nw, grid.shape[2]):
                grid[u, v, w] = grid[u, v, w - nw]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _fill_moment_profiles(out, at, line, center, q, h2):
    """Three tables behind one another: exp(-q h2 d^2) times 1, d and h2 d^2; as `fill_profile`."""
    fill_profile(out, at, line, center, q * h2, 1.0)
    middle = int(np.rint(center))
    offset, square = constant(out, middle - center), constant(out, h2)
    for i in range(0, line[1], LANES):
        here = np.uint64(at + i)
        d = add(add(steps(out), constant(out, line[0] - middle + i)), offset)
        value = multiply(load(out, here), d)
        here += np.uint64(BOX)
        store(out, here, value)
        store(out, here + np.uint64(BOX), multiply(multiply(value, d), square))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _with_plane(total, x, at, s, sy, syy):
    """A term's sums over x and y, with a plane's sums over y times the profiles along x.

    `total` is for the moments 1, dx, dy and hx^2 dx^2 + hy^2 dy^2.
    """
    one, dx, dy, square = total
    x0 = broadcast_like(s, x, at)
    x1 = broadcast_like(s, x, at + np.uint64(BOX))
    x2 = broadcast_like(s, x, at + np.uint64(2 * BOX))
    return (
        multiply_add(s, x0, one),
        multiply_add(s, x1, dx),
        multiply_add(sy, x0, dy),
        multiply_add(s, x2, multiply_add(syy, x0, square)),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_moments(moments, total, z, at):
    """Add sums over x and y, times the profiles along z, to a term's moments (5,).

    These are 1, dx, dy, dz and |d|^2.
    """
    one, dx, dy, square = total
    z0 = load_like(one, z, at)
    z1 = load_like(one, z, at + np.uint64(BOX))
    z2 = load_like(one, z, at + np.uint64(2 * BOX))
    moments[0] += lane_sum(multiply(one, z0))
    moments[1] += lane_sum(multiply(dx, z0))
    moments[2] += lane_sum(multiply(dy, z0))
    moments[3] += lane_sum(multiply(one, z1))
    moments[4] += lane_sum(multiply_add(one, z2, multiply(square, z0)))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _gather_block(zero, grid, stored, width, nu, nv, k, box, low, high, x, y, z, block, moments):
    """Add the moments (GROUP, 5) of one group in as many points along z as `zero` is long."""
    none = (zero, zero, zero, zero)
    total0, total1, total2 = none, none, none
    u, v = box[0, 0] % nu, box[1, 0] % nv
    for i in range(box[0, 1]):
        s0, s1, s2 = zero, zero, zero
        sy0, sy1, sy2 = zero, zero, zero
        syy0, syy1, syy2 = zero, zero, zero
        j, row = low[i], v + low[i]
        while row >= nv:
            row -= nv
        while j < high[i]:
            # A stretch of rows up to the periodic boundary
            stop = min(high[i], j + nv - row)
            here = np.uint64((u * stored + row) * width + k + block)
            for at in range(np.uint64(j), np.uint64(stop)):
                value = load_like(zero, grid, here)
                s0 = multiply_add(value, broadcast_like(zero, y, at), s0)
                sy0 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(BOX)), sy0)
                syy0 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(2 * BOX)), syy0)
                s1 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(3 * BOX)), s1)
                sy1 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(4 * BOX)), sy1)
                syy1 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(5 * BOX)), syy1)
                s2 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(6 * BOX)), s2)
                sy2 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(7 * BOX)), sy2)
                syy2 = multiply_add(value, broadcast_like(zero, y, at + np.uint64(8 * BOX)), syy2)
                here += np.uint64(width)
            j, row = stop, 0
        at = np.uint64(i)
        total0 = _with_plane(total0, x, at, s0, sy0, syy0)
        total1 = _with_plane(total1, x, at + np.uint64(3 * BOX), s1, sy1, syy1)
        total2 = _with_plane(total2, x, at + np.uint64(6 * BOX), s2, sy2, syy2)
        u += 1
        if u == nu:
            u = 0
    at = np.uint64(block)
    _add_moments(moments[0], total0, z, at)
    _add_moments(moments[1], total1, z, at + np.uint64(3 * BOX))
    _add_moments(moments[2], total2, z, at + np.uint64(6 * BOX))


@njit(cache=True, nogil=True, error_model="numpy")
def gather_orthogonal(
    grid, shape, spacing, frac, b_iso, kind, a, b, blur, radius_table, b_first, b_step,
    first, last, out,
):  # fmt: skip
    """Isotropic atoms in a cell with right angles; arguments are those of `add_orthogonal`."""
    nu, nv, nw = shape
    stored, width = grid.shape[1:]
    flat = grid.reshape(-1)
    x = np.empty(3 * GROUP * BOX, grid.dtype)
    y = np.empty(3 * GROUP * BOX, grid.dtype)
    z = np.empty(3 * GROUP * BOX, grid.dtype)
    zero, wide_zero = zeros(flat), wide_zeros(flat)
    moments = np.empty((GROUP, 5))
    low, high = np.empty(BOX, np.int64), np.empty(BOX, np.int64)
    center, half, box = np.empty(3), np.empty(3), np.empty((3, 4), np.int64)
    hx2, hy2, hz2 = spacing[0] ** 2, spacing[1] ** 2, spacing[2] ** 2
    for atom in range(first, last):
        b_position = (b_iso[atom] - b_first) / b_step
        for group in range(radius_table.shape[1]):
            radius = table_radius(radius_table, kind[atom], group, b_position)
            if radius <= 0.0:
                continue
            place_sphere(frac[atom], radius, spacing, shape, center, half, box)
            sphere_rows(low, high, box, center, half, spacing)
            for t in range(GROUP):
                q = FOUR_PI2 / (b_iso[atom] + b[kind[atom], GROUP * group + t] + blur)
                at = 3 * BOX * t
                _fill_moment_profiles(x, at, box[0], center[0], q, hx2)
                _fill_moment_profiles(y, at, box[1], center[1], q, hy2)
                _fill_moment_profiles(z, at, box[2], center[2], q, hz2)
            moments[:] = 0.0
            k, block = box[2, 0] % nw, 0
            while block + LANES < box[2, 1]:
                _gather_block(
                    wide_zero, flat, stored, width, nu, nv, k, box, low, high, x, y, z, block,
                    moments,
                )  # fmt: skip
                block += 2 * LANES
            if block < box[2, 1]:
                _gather_block(
                    zero, flat, stored, width, nu, nv, k, box, low, high, x, y, z, block, moments
                )
            for t in range(GROUP):
                term = GROUP * group + t
                tensor = b_iso[atom] + b[kind[atom], term] + blur
                q = FOUR_PI2 / tensor
                peak = FOUR_PI / tensor * math.sqrt(FOUR_PI / tensor)
                amplitude = a[kind[atom], term] * peak
                s0, sx, sy, sz, square = moments[t]
                out[atom, 0] += amplitude * s0
                out[atom, 1] += 2.0 * amplitude * q * hx2 * nu * sx
                out[atom, 2] += 2.0 * amplitude * q * hy2 * nv * sy
                out[atom, 3] += 2.0 * amplitude * q * hz2 * nw * sz
                out[atom, 4] += amplitude / tensor * (q * square - 1.5 * s0)
                if term == 0 and b[kind[atom], 0] == 0.0:
                    out[atom, 10] = peak * s0
