"""From a map on a grid to atoms: the transposes of the kernels that add atoms to a grid.

For a target T whose derivative by the density at point p is the map m(p), and an atom with
density occ sum_t A_t exp(-d Q_t d), d = p - c in grid steps, the derivatives follow from moments
of the map under each Gaussian, taken over the points that the forward kernel fills,

    S0 = sum_p m exp(-d Q d)     S1 = sum_p m d exp(-d Q d)     S2 = sum_p m d d^T exp(-d Q d)

    dT/docc = sum_t A_t S0
    dT/dc   = sum_t 2 occ A_t Q_t S1
    dT/dB   = sum_t occ A_t (4 pi^2 V S2 V - V S0 / 2),   V the inverse of B + (b_t + blur)

(S2 and V on Cartesian axes; for isotropic B the trace of the last). Radii are held fixed: the
forward kernel ends an atom where its density is small, and what moving that end would contribute
is as small as the truncation error itself.

Each kernel visits the same points as its namesake `add_...`, in the same order and with
the same factors, so that the two are transposes of one another up to rounding. As there, one
index at a time is summed: over y with the powers of dy in tables, then x, then z, so that a grid
point costs three multiply-adds for each Gaussian. Where possible two vectors along z are handled
as one, whose sums stay in registers if the processor has some of that length. The rows of `grid`
are longer than the cell; `unfold_rows` fills the padding.

A thread handles the atoms which[first:last] and writes their rows of `out` only. The columns are,
for unit occupancy, the derivatives by

    0      occupancy
    1:4    fractional coordinates
    4:10   B11, B22, B33, B12, B13, B23; off-diagonal ones are by the number that fills both
           elements of the tensor; for `gather_orthogonal` B in the first column, then zeros
    10     a number added to the form factor; only where the narrowest term of the atom's
           type is a constant (b = 0), otherwise not changed
"""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.arguments import atoms_and_groups, flat_grid
from friedel.kernels.grid.boxes import BOX, new_place, new_rows, place_sphere, sphere_rows
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.grid.gaussians import FAST, FOUR_PI, FOUR_PI2
from friedel.kernels.grid.separable_gaussians import distances, fill_profile
from friedel.kernels.simd import (
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
"""Number of columns of `out`."""


class Crossed(NamedTuple):
    """Factors of y and z, for `sum_plane`.

    Attributes
    ----------
    yz
        The flat table.
    at
        Offset of the factors of the first row.
    row, term
        Strides between rows, and between Gaussians.
    """

    yz: np.ndarray
    at: int
    row: int
    term: int


class MomentProfiles(NamedTuple):
    """Gaussians of a group along each axis, each times 1, d and h^2 d^2. Scratch memory.

    Attributes
    ----------
    x, y, z
        (3 GROUP BOX,) flat [t, power of d, i].
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


@njit(nogil=True)
def unfold_rows(grid, nw, first, last):
    """Repeat the beginning of each row after the cell's `nw` points: transpose of `fold_rows`."""
    for u in range(first, last):
        for v in range(grid.shape[1]):
            for w in range(nw, grid.shape[2]):
                grid[u, v, w] = grid[u, v, w - nw]


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def fill_distances(out, at, line, center):
    """out[at + i] = d and out[at + BOX + i] = d^2, with d as in `fill_profile`."""
    for i in range(0, line[1], LANES):
        d = distances(out, add(steps(out), constant(out, i)), line, center)
        store(out, np.uint64(at + i), d)
        store(out, np.uint64(at + BOX + i), multiply(d, d))


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _fill_moment_profiles(out, at, line, center, d, here, q, h2):
    """Fill three consecutive tables: exp(-q h2 d^2) times 1, d and h2 d^2.

    `d` from `here` on has the distances of the same line, by `fill_distances`.
    """
    fill_profile(out, at, line, center, q * h2, 1.0)
    square = constant(out, h2)
    for i in range(0, line[1], LANES):
        value = load(out, np.uint64(at + i))
        d1, d2 = load(d, np.uint64(here + i)), load(d, np.uint64(here + BOX + i))
        store(out, np.uint64(at + BOX + i), multiply(value, d1))
        store(out, np.uint64(at + 2 * BOX + i), multiply(value, multiply(d2, square)))


# Inlined: a function cannot return so many vectors in registers
@njit(nogil=True, error_model="numpy", fastmath=FAST, forceinline=True)
def sum_plane(zero, flat, plane, row, n, xy, at, term, power, crossed):
    """Sums over y of the map times 1, dy and dy^2 under each term's Gaussian, in three tuples.

    The length of `zero` is the number of points along z that are summed at once.

    Inputs
    ------
    flat, plane
        The map, and the offset in it of the first of these points in the first row of the plane.
    row, n
        Index of the first row, and number of rows, periodic.
    xy, at, term, power
        Factors xy[at + j] of row j, with the strides `term` between terms and `power` between
        powers of dy.
    crossed
        :class:`Crossed` for factors that change along z, or None.
    """
    grid, nv, width = flat.values, flat.nv, flat.width
    term, power = np.uint64(term), np.uint64(power)
    s0, s1, s2 = zero, zero, zero
    sy0, sy1, sy2 = zero, zero, zero
    syy0, syy1, syy2 = zero, zero, zero
    jk = np.uint64(0)
    if crossed is not None:
        jk = np.uint64(crossed.at)
    while row >= nv:
        row -= nv
    end = at + n
    while at < end:
        # A range of rows up to the periodic boundary
        stop = min(end, at + nv - row)
        here = np.uint64(plane + row * width)
        for j in range(np.uint64(at), np.uint64(stop)):
            value0 = value1 = value2 = load_like(zero, grid, here)
            if crossed is not None:
                size = np.uint64(crossed.term)
                value0 = multiply(value0, load_like(zero, crossed.yz, jk))
                value1 = multiply(value1, load_like(zero, crossed.yz, jk + size))
                value2 = multiply(value2, load_like(zero, crossed.yz, jk + size + size))
                jk += np.uint64(crossed.row)
            s0 = multiply_add(value0, broadcast_like(zero, xy, j), s0)
            sy0 = multiply_add(value0, broadcast_like(zero, xy, j + power), sy0)
            syy0 = multiply_add(value0, broadcast_like(zero, xy, j + power + power), syy0)
            j1 = j + term
            s1 = multiply_add(value1, broadcast_like(zero, xy, j1), s1)
            sy1 = multiply_add(value1, broadcast_like(zero, xy, j1 + power), sy1)
            syy1 = multiply_add(value1, broadcast_like(zero, xy, j1 + power + power), syy1)
            j2 = j1 + term
            s2 = multiply_add(value2, broadcast_like(zero, xy, j2), s2)
            sy2 = multiply_add(value2, broadcast_like(zero, xy, j2 + power), sy2)
            syy2 = multiply_add(value2, broadcast_like(zero, xy, j2 + power + power), syy2)
            here += np.uint64(width)
        at, row = stop, 0
    return (s0, sy0, syy0), (s1, sy1, syy1), (s2, sy2, syy2)


@njit(nogil=True, error_model="numpy", fastmath=FAST, forceinline=True)
def _with_plane(total, x, at, sums):
    """The sums over x and y of a term, after adding a plane's sums over y times the profiles in x.

    `total` is for the moments 1, dx, dy and hx^2 dx^2 + hy^2 dy^2.
    """
    one, dx, dy, square = total
    s, sy, syy = sums
    x0 = broadcast_like(s, x, at)
    x1 = broadcast_like(s, x, at + np.uint64(BOX))
    x2 = broadcast_like(s, x, at + np.uint64(2 * BOX))
    return (
        multiply_add(s, x0, one),
        multiply_add(s, x1, dx),
        multiply_add(sy, x0, dy),
        multiply_add(s, x2, multiply_add(syy, x0, square)),
    )


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _add_moments(moments, total, z, at):
    """Add sums over x and y, times the profiles along z, to a term's moments (5,).

    The moments are those of 1, dx, dy, dz and |d|^2.
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


@njit(nogil=True, error_model="numpy", fastmath=FAST)
def _gather_separable(zero, flat, box, rows, profiles, at, moments):
    """Add to `moments` (GROUP, 5) of one group the sums over some points along z.

    They are the points of the box from `at` on, as many as `zero` is long, in the map `flat`.
    """
    low, high = rows.low, rows.high
    x, y, z = profiles
    nu, nv, k = flat.nu, flat.nv, box[2, 0] % flat.nw
    none = (zero, zero, zero, zero)
    total0, total1, total2 = none, none, none
    u, v = box[0, 0] % nu, box[1, 0] % nv
    for plane in range(box[0, 1]):
        sum0, sum1, sum2 = sum_plane(
            zero, flat, u * flat.n_v * flat.width + k + at, v + low[plane],
            high[plane] - low[plane], y, low[plane], 3 * BOX, BOX, None,
        )  # fmt: skip
        i = np.uint64(plane)
        total0 = _with_plane(total0, x, i, sum0)
        total1 = _with_plane(total1, x, i + np.uint64(3 * BOX), sum1)
        total2 = _with_plane(total2, x, i + np.uint64(6 * BOX), sum2)
        u += 1
        if u == nu:
            u = 0
    here = np.uint64(at)
    _add_moments(moments[0], total0, z, here)
    _add_moments(moments[1], total1, z, here + np.uint64(3 * BOX))
    _add_moments(moments[2], total2, z, here + np.uint64(6 * BOX))


@njit(nogil=True, error_model="numpy")
def gather_orthogonal(grid, axes, atoms, gaussians, which, first, last, out):
    """Isotropic atoms in a cell with right angles: the transpose of `add_orthogonal`.

    Inputs
    ------
    grid
        (n_u, n_v, row_length) map, repeated after the cell by `unfold_rows`.
    axes, atoms, gaussians
        The same as for `add_orthogonal`; the occupancies are not used.
    which, first, last
        The atoms which[first:last] are handled.

    Outputs
    -------
    out
        (n_atoms, COLUMNS), added to in the rows of these atoms.
    """
    frac, _, b_iso, kinds, radius = atoms
    a, b, blur = gaussians
    flat, spacing = flat_grid(grid, axes.shape), axes.step
    place, rows = new_place(), new_rows()
    center, box = place.center, place.box
    x = np.empty(3 * GROUP * BOX, grid.dtype)
    y = np.empty(3 * GROUP * BOX, grid.dtype)
    z = np.empty(3 * GROUP * BOX, grid.dtype)
    profiles = MomentProfiles(x, y, z)
    d = np.empty(6 * BOX, grid.dtype)
    zero, wide_zero = zeros(flat.values), wide_zeros(flat.values)
    moments = np.empty((GROUP, 5))
    # With a literal 0 numba would compile the called functions a second time
    start = np.int64(0)
    hx2, hy2, hz2 = spacing[0] ** 2, spacing[1] ** 2, spacing[2] ** 2
    for atom, group in zip(*atoms_and_groups(which[first:last], radius)):
        place_sphere(place, frac[atom], radius[atom, group], axes)
        sphere_rows(rows, place, spacing)
        for axis in range(3):
            fill_distances(d, 2 * BOX * axis, box[axis], center[axis])
        kind = kinds[atom]
        for t in range(GROUP):
            q = FOUR_PI2 / (b_iso[atom] + b[kind, GROUP * group + t] + blur)
            at = 3 * BOX * t
            _fill_moment_profiles(x, at, box[0], center[0], d, start, q, hx2)
            _fill_moment_profiles(y, at, box[1], center[1], d, start + 2 * BOX, q, hy2)
            _fill_moment_profiles(z, at, box[2], center[2], d, start + 4 * BOX, q, hz2)
        moments[:] = 0.0
        at = start
        while at + LANES < box[2, 1]:
            _gather_separable(wide_zero, flat, box, rows, profiles, at, moments)
            at += 2 * LANES
        if at < box[2, 1]:
            _gather_separable(zero, flat, box, rows, profiles, at, moments)
        for t in range(GROUP):
            term = GROUP * group + t
            tensor = b_iso[atom] + b[kind, term] + blur
            q = FOUR_PI2 / tensor
            peak = FOUR_PI / tensor * math.sqrt(FOUR_PI / tensor)
            amplitude = a[kind, term] * peak
            s0, sx, sy, sz, square = moments[t]
            out[atom, 0] += amplitude * s0
            out[atom, 1] += 2.0 * amplitude * q * hx2 * flat.nu * sx
            out[atom, 2] += 2.0 * amplitude * q * hy2 * flat.nv * sy
            out[atom, 3] += 2.0 * amplitude * q * hz2 * flat.nw * sz
            out[atom, 4] += amplitude / tensor * (q * square - 1.5 * s0)
            if term == 0 and b[kind, 0] == 0.0:
                out[atom, 10] = peak * s0
