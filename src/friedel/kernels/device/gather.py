"""Derivatives by the atoms from a map on the grid: each thread owns one plane of one atom's box.

The transposes of :mod:`friedel.kernels.device.splat`, whose docstring describes the arrays; they
take the same points under the same functions.
"""

import math

from friedel.kernels.device import one_thread as threads
from friedel.kernels.device.one_thread import for_one_thread

COLUMNS = 10
"""Derivatives of an atom with Gaussians: 1 by weight, 3 by position, 6 by the B tensor."""

BUMP_COLUMNS = 4
"""Derivatives of a bump: 1 by weight, 3 by position."""


@for_one_thread
def gather(first, last, slope, places, values, sizes, parts):
    """Add the part of each plane of each atom to the derivatives of sum_p slope(p) density(p).

    With d the distances in steps, s0, s1, s2 the moments of order 0, 1 and 2 in d of slope times
    peak exp(-d Q d) for each term, the columns are, summed over terms, s0, Q s1 (3), and
    Q s2 Q - s0 Q / 2 (xx, yy, zz, xy, xz, yz), all of weight 1.

    Parameters
    ----------
    first, last
        Range of planes: `parts.shape[1]` for each atom.
    slope
        (members * nx * ny * nz,) flat maps.
    parts
        (atoms, planes, COLUMNS), zeros on input.
    """
    real = slope.dtype.type
    zero, half, one, two = real(0), real(0.5), real(1), real(2)
    nx, ny, nz = sizes[0], sizes[1], sizes[2]
    n_planes = parts.shape[1]
    n_terms = (values.shape[1] - 4) // 8
    for thread in range(first + threads.grid(1), last, threads.gridsize(1)):
        p = thread // n_planes
        plane = thread - p * n_planes
        ix = places[p, 4] + plane
        if ix > places[p, 7]:
            continue
        x = real(ix) - values[p, 0]
        plane_at = (places[p, 3] * nx + (places[p, 0] + ix) % nx) * ny
        z_first, z_last = places[p, 6], places[p, 9]
        for term in range(n_terms):
            k = 4 + 8 * term
            qx, qy, qz = values[p, k + 1], values[p, k + 2], values[p, k + 3]
            qxy, qxz, qyz = values[p, k + 4], values[p, k + 5], values[p, k + 6]
            change = values[p, k + 7]
            b0 = b1 = b2 = by = byz = byy = zero
            for iy in range(places[p, 5], places[p, 8] + 1):
                y = real(iy) - values[p, 1]
                along = two * (qxz * x + qyz * y)
                # The recurrence starts at the row's largest value, so that it only decreases
                middle = values[p, 2] - along / (two * qz) + half
                # Rounded down without math.floor, which in float32 is a function of the C library
                top = int(middle)
                if real(top) > middle:
                    top -= 1
                top = min(max(top, z_first), z_last)
                z = real(top) - values[p, 2]
                exponent = x * (qx * x + two * qxy * y) + qy * y * y + z * (along + qz * z)
                peak = math.exp(-exponent)
                up = math.exp(-(along + qz * (two * z + one)))
                down = change / up
                row = (plane_at + (places[p, 1] + iy) % ny) * nz
                start = (places[p, 2] + top) % nz
                r0 = r1 = r2 = zero
                e, at, here = peak, start, z
                for _ in range(top, z_last + 1):
                    w = e * slope[row + at]
                    r0 += w
                    w *= here
                    r1 += w
                    r2 += w * here
                    e *= up
                    up *= change
                    here += one
                    at += 1
                    if at == nz:
                        at = 0
                e, at, here = peak, start, z
                for _ in range(z_first, top):
                    e *= down
                    down *= change
                    here -= one
                    at -= 1
                    if at < 0:
                        at = nz - 1
                    w = e * slope[row + at]
                    r0 += w
                    w *= here
                    r1 += w
                    r2 += w * here
                b0 += r0
                b1 += r1
                b2 += r2
                by += r0 * y
                byz += r1 * y
                byy += r0 * y * y
            peak = values[p, k]
            b0 *= peak
            b1 *= peak
            b2 *= peak
            by *= peak
            byz *= peak
            byy *= peak
            parts[p, plane, 0] += b0
            parts[p, plane, 1] += qx * b0 * x + qxy * by + qxz * b1
            parts[p, plane, 2] += qxy * b0 * x + qy * by + qyz * b1
            parts[p, plane, 3] += qxz * b0 * x + qyz * by + qz * b1
            # Rows of s2 Q, then Q s2 Q
            xx, xy, xz = b0 * x * x, by * x, b1 * x
            ax, ay, az = (
                xx * qx + xy * qxy + xz * qxz,
                xy * qx + byy * qxy + byz * qxz,
                xz * qx + byz * qxy + b2 * qxz,
            )
            parts[p, plane, 4] += qx * ax + qxy * ay + qxz * az - half * b0 * qx
            parts[p, plane, 7] += qxy * ax + qy * ay + qyz * az - half * b0 * qxy
            parts[p, plane, 8] += qxz * ax + qyz * ay + qz * az - half * b0 * qxz
            ax, ay, az = (
                xx * qxy + xy * qy + xz * qyz,
                xy * qxy + byy * qy + byz * qyz,
                xz * qxy + byz * qy + b2 * qyz,
            )
            parts[p, plane, 5] += qxy * ax + qy * ay + qyz * az - half * b0 * qy
            parts[p, plane, 9] += qxz * ax + qyz * ay + qz * az - half * b0 * qyz
            ax, ay, az = (
                xx * qxz + xy * qyz + xz * qz,
                xy * qxz + byy * qyz + byz * qz,
                xz * qxz + byz * qyz + b2 * qz,
            )
            parts[p, plane, 6] += qxz * ax + qyz * ay + qz * az - half * b0 * qz


@for_one_thread
def gather_bumps(first, last, slope, places, values, sizes, parts):
    """Set the part of each plane of each bump in the derivatives of sum_p slope(p) bumps(p).

    The columns are the sum over the bump, and its derivatives by the position in steps, of weight
    1. The arguments are those of :func:`gather`.
    """
    real = slope.dtype.type
    zero, one, two, six = real(0), real(1), real(2), real(6)
    nx, ny, nz = sizes[0], sizes[1], sizes[2]
    n_planes = parts.shape[1]
    for thread in range(first + threads.grid(1), last, threads.gridsize(1)):
        p = thread // n_planes
        plane = thread - p * n_planes
        ix = places[p, 4] + plane
        if ix > places[p, 7]:
            continue
        x = real(ix) - values[p, 0]
        plane_at = (places[p, 3] * nx + (places[p, 0] + ix) % nx) * ny
        z_first, z_last = places[p, 6], places[p, 9]
        qx, qy, qz = values[p, 5], values[p, 6], values[p, 7]
        qxy, qxz, qyz = values[p, 8], values[p, 9], values[p, 10]
        total = flat = along_y = along_z = zero
        for iy in range(places[p, 5], places[p, 8] + 1):
            y = real(iy) - values[p, 1]
            along = two * (qxz * x + qyz * y)
            rest = one - x * (qx * x + two * qxy * y) - qy * y * y
            row = (plane_at + (places[p, 1] + iy) % ny) * nz
            at = (places[p, 2] + z_first) % nz
            z = real(z_first) - values[p, 2]
            by_row = zero
            for _ in range(z_first, z_last + 1):
                t = max(rest - z * (along + qz * z), zero)
                w = slope[row + at] * t * t
                total += w * t
                by_row += w
                along_z += w * z
                z += one
                at += 1
                if at == nz:
                    at = 0
            flat += by_row
            along_y += by_row * y
        parts[p, plane, 0] = total
        parts[p, plane, 1] = six * (qx * flat * x + qxy * along_y + qxz * along_z)
        parts[p, plane, 2] = six * (qxy * flat * x + qy * along_y + qyz * along_z)
        parts[p, plane, 3] = six * (qxz * flat * x + qyz * along_y + qz * along_z)


@for_one_thread
def add_planes(first, last, parts, sums):
    """Set sums (atoms, columns) to those of parts (atoms, planes, columns), in the planes' order.

    Parameters
    ----------
    first, last
        Range of elements of the flat sums.
    """
    real = parts.dtype.type
    n_columns = parts.shape[2]
    for thread in range(first + threads.grid(1), last, threads.gridsize(1)):
        p = thread // n_columns
        column = thread - p * n_columns
        total = real(0)
        for plane in range(parts.shape[1]):
            total += parts[p, plane, column]
        sums[p, column] = total
