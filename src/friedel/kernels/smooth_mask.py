"""Sums of bumps (1 - d^2 / reach^2)^3 around atoms on a periodic grid, and the transpose of that.

A bump and its first two derivatives vanish at its reach, so sums of them are smooth in the
positions. Distances are in A; `metric` (3, 3) is that of the grid's steps, in A^2, and `extent`
(3,) the half-widths in steps of a sphere of 1 A. Points are taken modulo the grid, so that all
images count in cells smaller than a bump.
"""

import math

from numba import njit

from friedel.kernels.boxes import span
from friedel.kernels.mask import _wrapped


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
    nu, nv, nw = out.shape
    zz = metric[2, 2]
    for j in range(len(frac)):
        cx, cy, cz = frac[j, 0] * nu, frac[j, 1] * nv, frac[j, 2] * nw
        reach2 = reach[j] * reach[j]
        per_reach2 = 1.0 / reach2
        first_u, n_u = span(cx, reach[j] * extent[0])
        first_v, n_v = span(cy, reach[j] * extent[1])
        for u in range(first_u, first_u + n_u):
            plane = out[_wrapped(u, nu)]
            for v in range(first_v, first_v + n_v):
                flat, slope, enters, leaves = _chord(metric, u - cx, v - cy, reach2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                while first <= last:
                    row = _stretch(plane[_wrapped(v, nv)], first, last)
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
    nu, nv, nw = values.shape
    zz = metric[2, 2]
    for j in range(len(frac)):
        cx, cy, cz = frac[j, 0] * nu, frac[j, 1] * nv, frac[j, 2] * nw
        reach2 = reach[j] * reach[j]
        per_reach2 = 1.0 / reach2
        first_u, n_u = span(cx, reach[j] * extent[0])
        first_v, n_v = span(cy, reach[j] * extent[1])
        total, along_u, along_v, along_w = 0.0, 0.0, 0.0, 0.0
        for u in range(first_u, first_u + n_u):
            plane = values[_wrapped(u, nu)]
            for v in range(first_v, first_v + n_v):
                flat, slope, enters, leaves = _chord(metric, u - cx, v - cy, reach2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                by_row = 0.0
                while first <= last:
                    row = _stretch(plane[_wrapped(v, nv)], first, last)
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
