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
from friedel.kernels.vectors import LANES, broadcast, load, multiply_add, store

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
    for i in range(line[1]):
        d = line[0] + i - center
        value = out[at + i]
        out[at + BOX + i] = value * d
        out[at + 2 * BOX + i] = value * (h2 * d * d)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _fold_plane(total, t, x, at, s, sy, syy):
    """Add a plane's sums over y, times the profiles along x, to the sums of term t over x and y.

    `total` holds four vectors for each term: moments 1, dx, dy and hx^2 dx^2 + hy^2 dy^2.
    """
    x0 = broadcast(x, at)
    x1 = broadcast(x, at + np.uint64(BOX))
    x2 = broadcast(x, at + np.uint64(2 * BOX))
    here = np.uint64(4 * LANES * t)
    there = here + np.uint64(LANES)
    store(total, here, multiply_add(s, x0, load(total, here)))
    store(total, there, multiply_add(s, x1, load(total, there)))
    there += np.uint64(LANES)
    store(total, there, multiply_add(sy, x0, load(total, there)))
    there += np.uint64(LANES)
    store(total, there, multiply_add(s, x2, multiply_add(syy, x0, load(total, there))))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _gather_separable(grid, width, nu, nv, u, ni, v, k, low, high, x, y, total):
    """Sums over x and y of one vector along z times the profiles of one group, into `total`."""
    total[:] = 0.0
    zero = load(total, np.uint64(0))
    for i in range(ni):
        if u == nu:
            u = 0
        s0, s1, s2 = zero, zero, zero
        sy0, sy1, sy2 = zero, zero, zero
        syy0, syy1, syy2 = zero, zero, zero
        j = low[i]
        row = (v + j) % nv
        while j < high[i]:
            # A stretch of rows up to the periodic boundary
            stop = min(high[i], j + nv - row)
            offset = (u * nv + row) * width + k
            for m in range(j, stop):
                value, at = load(grid, np.uint64(offset)), np.uint64(m)
                s0 = multiply_add(value, broadcast(y, at), s0)
                sy0 = multiply_add(value, broadcast(y, at + np.uint64(BOX)), sy0)
                syy0 = multiply_add(value, broadcast(y, at + np.uint64(2 * BOX)), syy0)
                s1 = multiply_add(value, broadcast(y, at + np.uint64(3 * BOX)), s1)
                sy1 = multiply_add(value, broadcast(y, at + np.uint64(4 * BOX)), sy1)
                syy1 = multiply_add(value, broadcast(y, at + np.uint64(5 * BOX)), syy1)
                s2 = multiply_add(value, broadcast(y, at + np.uint64(6 * BOX)), s2)
                sy2 = multiply_add(value, broadcast(y, at + np.uint64(7 * BOX)), sy2)
                syy2 = multiply_add(value, broadcast(y, at + np.uint64(8 * BOX)), syy2)
                offset += width
            j = stop
            row = 0
        if high[i] > low[i]:
            at = np.uint64(i)
            _fold_plane(total, 0, x, at, s0, sy0, syy0)
            _fold_plane(total, 1, x, at + np.uint64(3 * BOX), s1, sy1, syy1)
            _fold_plane(total, 2, x, at + np.uint64(6 * BOX), s2, sy2, syy2)
        u += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _fold_block(moments, total, z, block):
    """Add a block's sums over x and y, times the profiles along z, to the `moments` of each term.

    Five vectors for each term: moments 1, dx, dy, dz and |d|^2.
    """
    for t in range(GROUP):
        at = np.uint64(3 * BOX * t + block)
        z0 = load(z, at)
        z1 = load(z, at + np.uint64(BOX))
        z2 = load(z, at + np.uint64(2 * BOX))
        here, there = np.uint64(4 * LANES * t), np.uint64(5 * LANES * t)
        s = load(total, here)
        sx = load(total, here + np.uint64(LANES))
        sy = load(total, here + np.uint64(2 * LANES))
        square = load(total, here + np.uint64(3 * LANES))
        store(moments, there, multiply_add(s, z0, load(moments, there)))
        there += np.uint64(LANES)
        store(moments, there, multiply_add(sx, z0, load(moments, there)))
        there += np.uint64(LANES)
        store(moments, there, multiply_add(sy, z0, load(moments, there)))
        there += np.uint64(LANES)
        store(moments, there, multiply_add(s, z1, load(moments, there)))
        there += np.uint64(LANES)
        square = multiply_add(square, z0, load(moments, there))
        store(moments, there, multiply_add(s, z2, square))


@njit(cache=True, nogil=True)
def _lane_sum(vectors, index):
    """Sum of the elements of a vector."""
    total = 0.0
    for lane in range(index * LANES, (index + 1) * LANES):
        total += vectors[lane]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def gather_orthogonal(
    grid, nw, spacing, frac, b_iso, kind, a, b, blur, radius_table, b_first, b_step,
    first, last, out,
):  # fmt: skip
    """Isotropic atoms in a cell with right angles; arguments are those of `add_orthogonal`."""
    nu, nv, width = grid.shape
    flat = grid.reshape(-1)
    x = np.empty(3 * GROUP * BOX, grid.dtype)
    y = np.empty(3 * GROUP * BOX, grid.dtype)
    z = np.empty(3 * GROUP * BOX, grid.dtype)
    total = np.empty(4 * GROUP * LANES, grid.dtype)
    moments = np.empty(5 * GROUP * LANES, grid.dtype)
    low, high = np.empty(BOX, np.int64), np.empty(BOX, np.int64)
    center, half, box = np.empty(3), np.empty(3), np.empty((3, 4), np.int64)
    shape = (nu, nv, nw)
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
            u, v, k = box[0, 0] % nu, box[1, 0] % nv, box[2, 0] % nw
            for block in range(0, box[2, 1], LANES):
                _gather_separable(
                    flat, width, nu, nv, u, box[0, 1], v, k + block, low, high, x, y, total
                )
                _fold_block(moments, total, z, block)
            for t in range(GROUP):
                term = GROUP * group + t
                tensor = b_iso[atom] + b[kind[atom], term] + blur
                q = FOUR_PI2 / tensor
                peak = FOUR_PI / tensor * math.sqrt(FOUR_PI / tensor)
                amplitude = a[kind[atom], term] * peak
                s0 = _lane_sum(moments, 5 * t)
                out[atom, 0] += amplitude * s0
                out[atom, 1] += 2.0 * amplitude * q * hx2 * nu * _lane_sum(moments, 5 * t + 1)
                out[atom, 2] += 2.0 * amplitude * q * hy2 * nv * _lane_sum(moments, 5 * t + 2)
                out[atom, 3] += 2.0 * amplitude * q * hz2 * nw * _lane_sum(moments, 5 * t + 3)
                square = _lane_sum(moments, 5 * t + 4)
                out[atom, 4] += amplitude / tensor * (q * square - 1.5 * s0)
                if term == 0 and b[kind[atom], 0] == 0.0:
                    out[atom, 10] = peak * s0
