"""Sums of bumps (1 - d^2 / radius^2)^3 around atoms on a periodic grid, and the transpose.

A bump and its first two derivatives vanish at its radius, so sums of them are smooth in the
positions. Distances are in steps along w; `form` is that of their squares, see
:func:`friedel.kernels.grid.periodic.row_distances`, and `extent` (2,) the half-widths along u and
v of a sphere of radius 1. Indices are taken modulo the grid, so that all images are included in
cells smaller than a bump.
"""

import math

from friedel.kernels.compiled import njit
from friedel.kernels.grid.periodic import chord, row_distances, wrapped


@njit(nogil=True)
def _box(frac, radius, extent, shape):
    """Centre in steps, and the first u, v within the radius and those after the last."""
    cx, cy, cz = frac[0] * shape[0], frac[1] * shape[1], frac[2] * shape[2]
    wx, wy = radius * extent[0], radius * extent[1]
    first = math.ceil(cx - wx), math.ceil(cy - wy)
    end = math.floor(cx + wx) + 1, math.floor(cy + wy) + 1
    return (cx, cy, cz), first, end


@njit(nogil=True)
def _stretch(row, first, last):
    """The points first .. last of a periodic row, up to the end of the row in memory."""
    start = wrapped(first, len(row))
    return row[start : start + last - first + 1]


@njit(nogil=True, error_model="numpy")
def add_bumps(frac, radius, weight, form, extent, out):
    """Add weight_j (1 - d^2 / radius_j^2)^3 to out (nu, nv, nw) for each atom j."""
    for j in range(len(frac)):
        radius2 = radius[j] * radius[j]
        per_radius2 = 1.0 / radius2
        (cx, cy, cz), start, end = _box(frac[j], radius[j], extent, out.shape)
        for u in range(start[0], end[0]):
            plane = out[wrapped(u, len(out))]
            for v in range(start[1], end[1]):
                flat, slope = row_distances(form, u - cx, v - cy)
                enters, leaves = chord(flat, slope, radius2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                while first <= last:
                    row = _stretch(plane[wrapped(v, len(plane))], first, last)
                    for k in range(len(row)):
                        z = first - cz + k
                        t = 1.0 - (flat + (2.0 * slope + z) * z) * per_radius2
                        row[k] += weight[j] * t * t * t
                    first += len(row)


@njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def gather_bumps(frac, radius, form, extent, values, out):
    """Derivatives of sum_p values(p) bump_j(p) for each atom j of weight 1.

    out[j] (4,) is set to that sum itself, and its derivatives by frac_j.
    """
    for j in range(len(frac)):
        radius2 = radius[j] * radius[j]
        per_radius2 = 1.0 / radius2
        total, along_u, along_v, along_w = 0.0, 0.0, 0.0, 0.0
        (cx, cy, cz), start, end = _box(frac[j], radius[j], extent, values.shape)
        for u in range(start[0], end[0]):
            plane = values[wrapped(u, len(values))]
            for v in range(start[1], end[1]):
                flat, slope = row_distances(form, u - cx, v - cy)
                enters, leaves = chord(flat, slope, radius2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                by_row = 0.0
                while first <= last:
                    row = _stretch(plane[wrapped(v, len(plane))], first, last)
                    for k in range(len(row)):
                        z = first - cz + k
                        t = 1.0 - (flat + (2.0 * slope + z) * z) * per_radius2
                        share = row[k] * t * t
                        total += share * t
                        by_row += share
                        along_w += share * z
                    first += len(row)
                along_u += by_row * (u - cx)
                along_v += by_row * (v - cy)
        out[j, 0] = total
        # d(t^3)/d(centre) is 6 t^2 / radius^2 times the matrix of the form @ distance, per step
        by_u = form[0] * along_u + form[2] * along_v + form[3] * along_w
        by_v = form[2] * along_u + form[1] * along_v + form[4] * along_w
        by_w = form[3] * along_u + form[4] * along_v + along_w
        out[j, 1] = 6.0 * per_radius2 * by_u * values.shape[0]
        out[j, 2] = 6.0 * per_radius2 * by_v * values.shape[1]
        out[j, 3] = 6.0 * per_radius2 * by_w * values.shape[2]
