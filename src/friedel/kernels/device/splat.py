"""Atoms onto a grid: each thread owns a column of points and gathers the atoms near it.

No thread writes what another writes, so there are no atomic additions, and sums have one order.

The grid of a cell is divided into tiles of TILE^3 points. Atoms are sorted by member of the batch
and tile, and a table lists for each tile along each axis the tiles whose atoms can reach it. A
thread has one of the TILE^2 columns along z of one tile of one member. Arrays of the kernels:

density
    (members * nx * ny * nz,) flat grids of the members.
starts
    (members * tiles + 1,) int32: the atoms of tile i are starts[i] <= atom < starts[i + 1].
places
    (atoms, 10) int32: grid point before the atom (3), member, and the first (3) and last (3) point
    under the atom along each axis, relative to that grid point.
values
    (atoms, 4 + 8 terms): remainder of the position in steps (3), weight, and for each term its
    peak, its form Q in steps (xx, yy, zz, xy, xz, yz) and exp(-2 Q_zz).
near
    (3, tiles, runs, 3) int32: first and last tile of a run of tiles whose atoms can reach a tile,
    and the shift of their image in grid points; a run with first > last is none.
sizes
    (9,) int32: points and tiles along each axis, and the largest distance of a point under an atom.
"""

import math

from friedel.kernels.device import one_thread as threads
from friedel.kernels.device.one_thread import for_one_thread

TILE = 8
"""Grid points along each edge of a tile; the columns of the kernels are unrolled by hand for 8."""


@for_one_thread
def splat(first, last, level, largest, density, starts, places, values, near, sizes):
    """Set each point to `level` plus the sum of peak exp(-d Q d) of the atoms times their weights.

    Along the column each Gaussian is a recurrence of two multiplications from the middle outward.

    Parameters
    ----------
    first, last
        Range of columns: TILE^2 for each tile of each member.
    level
        Constant, of the type of the density.
    largest
        A Gaussian below exp(-largest) in the middle of a column is left out of the column: further
        out, the recurrence could multiply zero by infinity. It is of the type of the density.
    """
    real = density.dtype.type
    one, two, four = real(1), real(2), real(4)
    nx, ny, nz = sizes[0], sizes[1], sizes[2]
    ntx, nty, ntz = sizes[3], sizes[4], sizes[5]
    far_x, far_y = sizes[6], sizes[7]
    n_terms = (values.shape[1] - 4) // 8
    for column in range(first + threads.grid(1), last, threads.gridsize(1)):
        tile = column // 64
        in_tile = column - 64 * tile
        tz = tile % ntz
        ty = (tile // ntz) % nty
        tx = (tile // (ntz * nty)) % ntx
        member = tile // (ntz * nty * ntx)
        gx, gy, gz = 8 * tx + in_tile // 8, 8 * ty + in_tile % 8, 8 * tz
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = real(level)
        for runs_x in range(near.shape[2]):
            px = gx + near[0, tx, runs_x, 2]
            for cx in range(near[0, tx, runs_x, 0], near[0, tx, runs_x, 1] + 1):
                # The atoms of a tile can reach the tile of the column, but not the column
                if px - 8 * cx < -far_x or px - 8 * cx - 7 > far_x:
                    continue
                for runs_y in range(near.shape[2]):
                    py = gy + near[1, ty, runs_y, 2]
                    for cy in range(near[1, ty, runs_y, 0], near[1, ty, runs_y, 1] + 1):
                        if py - 8 * cy < -far_y or py - 8 * cy - 7 > far_y:
                            continue
                        row = ((member * ntx + cx) * nty + cy) * ntz
                        for runs_z in range(near.shape[2]):
                            low, high = near[2, tz, runs_z, 0], near[2, tz, runs_z, 1]
                            if low > high:
                                continue
                            pz = gz + near[2, tz, runs_z, 2]
                            for p in range(starts[row + low], starts[row + high + 1]):
                                ix, iy = px - places[p, 0], py - places[p, 1]
                                iz = pz - places[p, 2]
                                z_first, z_last = places[p, 6] - iz, places[p, 9] - iz
                                if ix < places[p, 4] or ix > places[p, 7]:
                                    continue
                                if iy < places[p, 5] or iy > places[p, 8]:
                                    continue
                                if z_last < 0 or z_first > 7:
                                    continue
                                x = real(ix) - values[p, 0]
                                y = real(iy) - values[p, 1]
                                z = real(iz) - values[p, 2] + four
                                weight = values[p, 3]
                                t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = real(0)
                                for term in range(n_terms):
                                    k = 4 + 8 * term
                                    qz = values[p, k + 3]
                                    slope = two * (values[p, k + 5] * x + values[p, k + 6] * y)
                                    exponent = x * (
                                        values[p, k + 1] * x + two * values[p, k + 4] * y
                                    )
                                    exponent += values[p, k + 2] * y * y + z * (slope + qz * z)
                                    if exponent > largest:
                                        continue
                                    middle = values[p, k] * math.exp(-exponent)
                                    up = math.exp(-(slope + qz * (two * z + one)))
                                    change = values[p, k + 7]
                                    down = change / up
                                    t4 += middle
                                    e = middle * up
                                    t5 += e
                                    up *= change
                                    e *= up
                                    t6 += e
                                    up *= change
                                    e *= up
                                    t7 += e
                                    e = middle * down
                                    t3 += e
                                    down *= change
                                    e *= down
                                    t2 += e
                                    down *= change
                                    e *= down
                                    t1 += e
                                    down *= change
                                    e *= down
                                    t0 += e
                                if z_first <= 0 <= z_last:
                                    s0 += weight * t0
                                if z_first <= 1 <= z_last:
                                    s1 += weight * t1
                                if z_first <= 2 <= z_last:
                                    s2 += weight * t2
                                if z_first <= 3 <= z_last:
                                    s3 += weight * t3
                                if z_first <= 4 <= z_last:
                                    s4 += weight * t4
                                if z_first <= 5 <= z_last:
                                    s5 += weight * t5
                                if z_first <= 6 <= z_last:
                                    s6 += weight * t6
                                if z_first <= 7 <= z_last:
                                    s7 += weight * t7
        if gx < nx and gy < ny:
            at = ((member * nx + gx) * ny + gy) * nz + gz
            density[at] = s0
            if gz + 1 < nz:
                density[at + 1] = s1
            if gz + 2 < nz:
                density[at + 2] = s2
            if gz + 3 < nz:
                density[at + 3] = s3
            if gz + 4 < nz:
                density[at + 4] = s4
            if gz + 5 < nz:
                density[at + 5] = s5
            if gz + 6 < nz:
                density[at + 6] = s6
            if gz + 7 < nz:
                density[at + 7] = s7


@for_one_thread
def splat_bumps(first, last, level, density, starts, places, values, near, sizes):
    """Set each point to the sum of (1 - d Q d)^3 inside the bumps, times their weights, plus level.

    The arguments are those of :func:`splat`, with one term, whose peak is not used.
    """
    real = density.dtype.type
    one, two, zero = real(1), real(2), real(0)
    nx, ny, nz = sizes[0], sizes[1], sizes[2]
    ntx, nty, ntz = sizes[3], sizes[4], sizes[5]
    far_x, far_y = sizes[6], sizes[7]
    for column in range(first + threads.grid(1), last, threads.gridsize(1)):
        tile = column // 64
        in_tile = column - 64 * tile
        tz = tile % ntz
        ty = (tile // ntz) % nty
        tx = (tile // (ntz * nty)) % ntx
        member = tile // (ntz * nty * ntx)
        gx, gy, gz = 8 * tx + in_tile // 8, 8 * ty + in_tile % 8, 8 * tz
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = real(level)
        for runs_x in range(near.shape[2]):
            px = gx + near[0, tx, runs_x, 2]
            for cx in range(near[0, tx, runs_x, 0], near[0, tx, runs_x, 1] + 1):
                # The atoms of a tile can reach the tile of the column, but not the column
                if px - 8 * cx < -far_x or px - 8 * cx - 7 > far_x:
                    continue
                for runs_y in range(near.shape[2]):
                    py = gy + near[1, ty, runs_y, 2]
                    for cy in range(near[1, ty, runs_y, 0], near[1, ty, runs_y, 1] + 1):
                        if py - 8 * cy < -far_y or py - 8 * cy - 7 > far_y:
                            continue
                        row = ((member * ntx + cx) * nty + cy) * ntz
                        for runs_z in range(near.shape[2]):
                            low, high = near[2, tz, runs_z, 0], near[2, tz, runs_z, 1]
                            if low > high:
                                continue
                            pz = gz + near[2, tz, runs_z, 2]
                            for p in range(starts[row + low], starts[row + high + 1]):
                                ix, iy = px - places[p, 0], py - places[p, 1]
                                iz = pz - places[p, 2]
                                if ix < places[p, 4] or ix > places[p, 7]:
                                    continue
                                if iy < places[p, 5] or iy > places[p, 8]:
                                    continue
                                if iz > places[p, 9] or iz + 7 < places[p, 6]:
                                    continue
                                x = real(ix) - values[p, 0]
                                y = real(iy) - values[p, 1]
                                z = real(iz) - values[p, 2]
                                weight = values[p, 3]
                                qz = values[p, 7]
                                slope = two * (values[p, 9] * x + values[p, 10] * y)
                                flat = x * (values[p, 5] * x + two * values[p, 8] * y)
                                flat = one - flat - values[p, 6] * y * y
                                t = max(flat - z * (slope + qz * z), zero)
                                s0 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s1 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s2 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s3 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s4 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s5 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s6 += weight * t * t * t
                                z += one
                                t = max(flat - z * (slope + qz * z), zero)
                                s7 += weight * t * t * t
        if gx < nx and gy < ny:
            at = ((member * nx + gx) * ny + gy) * nz + gz
            density[at] = s0
            if gz + 1 < nz:
                density[at + 1] = s1
            if gz + 2 < nz:
                density[at + 2] = s2
            if gz + 3 < nz:
                density[at + 3] = s3
            if gz + 4 < nz:
                density[at + 4] = s4
            if gz + 5 < nz:
                density[at + 5] = s5
            if gz + 6 < nz:
                density[at + 6] = s6
            if gz + 7 < nz:
                density[at + 7] = s7
