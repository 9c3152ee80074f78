"""Sums of bumps (1 - d^2 / reach^2)^3 around atoms on a periodic grid, and the transpose of that.

A bump and its first two derivatives vanish at its reach, so sums of them are smooth in the
positions. Distances are in A; `metric` (3, 3) is that of the grid's steps, in A^2, and `extent`
(3,) the half-widths in steps of a sphere of 1 A. Points are taken modulo the grid, so that all
images count in cells smaller than a bump.
"""

import math

from numba import njit

from friedel.kernels.mask import _wrapped


@njit(cache=True, nogil=True)
def _box(frac, reach, extent, shape):
    """Centre in steps, and the first u, v and those after the last within reach."""
    cx, cy, cz = frac[0] * shape[0], frac[1] * shape[1], frac[2] * shape[2]
    wx, wy = reach * extent[0], reach * extent[1]
    first = math.ceil(cx - wx), math.ceil(cy - wy)
    end = math.floor(cx + wx) + 1, math.floor(cy + wy) + 1
    return (cx, cy, cz), first, end


@njit(cache=True, nogil=True, error_model="numpy")
def _chord(metric, x, y, reach2):
    """Of the row at (x, y) steps from the centre, d^2 = flat + 2 slope z + zz z^2.

    Returns flat, slope, and where the row enters and leaves the sphere; without a common point
    the last is the smaller one.
    """
    flat = metric[0, 0] * x * x + 2.0 * metric[0, 1] * x * y + metric[1, 1] * y * y
    slope, zz = metric[0, 2] * x + metric[1, 2] * y, metric[2, 2]
    rest = slope * slope - zz * (flat - reach2)
    if rest < 0.0:
        return flat, slope, 1.0, 0.0
    half = math.sqrt(rest)
    return flat, slope, (-slope - half) / zz, (-slope + half) / zz


@njit(cache=True, nogil=True)
def _stretch(row, first, last):
    """The points first .. last of a periodic row, as far as they follow one another in memory."""
    start = _wrapped(first, len(row))
    return row[start : start + last - first + 1]


@njit(cache=True, nogil=True, error_model="numpy")
def add_bumps(frac, reach, weight, metric, extent, out):
    """Add weight_j (1 - d^2 / reach_j^2)^3 to out (nu, nv, nw) for each atom j."""
    zz = metric[2, 2]
    for j in range(len(frac)):
        reach2 = reach[j] * reach[j]
        per_reach2 = 1.0 / reach2
        (cx, cy, cz), start, end = _box(frac[j], reach[j], extent, out.shape)
        for u in range(start[0], end[0]):
            plane = out[_wrapped(u, len(out))]
            for v in range(start[1], end[1]):
                flat, slope, enters, leaves = _chord(metric, u - cx, v - cy, reach2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                while first <= last:
                    row = _stretch(plane[_wrapped(v, len(plane))], first, last)
                    for k in range(len(row)):
                        z = first - cz + k
                        t = 1.0 - (flat + (2.0 * slope + zz * z) * z) * per_reach2
                        row[k] += weight[j] * t * t * t
                    first += len(row)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def gather_bumps(frac, reach, metric, extent, values, out):
    """Derivatives of sum_p values(p) bump_j(p) for each atom j of weight 1.

    out[j] (4,) is set to that sum itself, and its derivatives by frac_j.
    """
    zz = metric[2, 2]
    for j in range(len(frac)):
        reach2 = reach[j] * reach[j]
        per_reach2 = 1.0 / reach2
        total, along_u, along_v, along_w = 0.0, 0.0, 0.0, 0.0
        (cx, cy, cz), start, end = _box(frac[j], reach[j], extent, values.shape)
        for u in range(start[0], end[0]):
            plane = values[_wrapped(u, len(values))]
            for v in range(start[1], end[1]):
                flat, slope, enters, leaves = _chord(metric, u - cx, v - cy, reach2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                by_row = 0.0
                while first <= last:
                    row = _stretch(plane[_wrapped(v, len(plane))], first, last)
                    for k in range(len(row)):
                        z = first - cz + k
                        t = 1.0 - (flat + (2.0 * slope + zz * z) * z) * per_reach2
                        share = row[k] * t * t
                        total += share * t
                        by_row += share
                        along_w += share * z
                    first += len(row)
                along_u += by_row * (u - cx)
                along_v += by_row * (v - cy)
        out[j, 0] = total
        # d(t^3)/d(centre) is 6 t^2 / reach^2 times metric @ distance, per step
        for axis in range(3):
            a, b, c = metric[axis, 0], metric[axis, 1], metric[axis, 2]
            along = a * along_u + b * along_v + c * along_w
            out[j, 1 + axis] = 6.0 * per_reach2 * along * values.shape[axis]
