"""Spheres on a periodic grid, and what is left between them as runs of points along w.

A mask is held by rows: row u * nv + v consists of the points (u, v, 0..nw-1). `row_start`
(n_rows + 1,) says where the runs of each row stand in `first` and `last`, the first and last
point of each run. A run ends at the end of its row even when it goes on at the start.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _chord(form, px, py, r2):
    """Where the row at (px, py) enters and leaves a sphere at the origin, in steps along w.

    Squared distances are form_0 px^2 + form_1 py^2 + 2 form_2 px py + 2 (form_3 px + form_4 py) pz
    + pz^2. Without a common point the second number is the smaller one.
    """
    middle = -(form[3] * px + form[4] * py)
    flat = form[0] * px * px + form[1] * py * py + 2.0 * form[2] * px * py
    rest = middle * middle + r2 - flat
    if rest < 0.0:
        return 1.0, 0.0
    half = math.sqrt(rest)
    return middle - half, middle + half


@njit(cache=True, nogil=True)
def _wrapped(i, n):
    """The index i modulo n for i that is not far outside, faster than a division."""
    while i < 0:
        i += n
    while i >= n:
        i -= n
    return i


@njit(cache=True, nogil=True)
def _fill(row, first, last, value):
    """row[first .. last] = value with periodic indices."""
    nw = len(row)
    n = min(last - first + 1, nw)
    start = _wrapped(first, nw)
    # Unsigned: numba need not ask whether an index counts from the end, three times the speed
    for k in range(np.uint64(start), np.uint64(min(start + n, nw))):
        row[k] = value
    if start + n > nw:
        for k in range(np.uint64(start + n - nw)):
            row[k] = value


@njit(cache=True, nogil=True)
def mark_spheres(protein, form, extent, frac, radius):
    """Set to 1 the points of `protein` (nu, nv, nw) within radius_j of frac_j, which is in [0, 1].

    Radii are in steps along w. `form` is that of squared distances, see :func:`_chord`; `extent`
    (2,) is the half-width along u and v of a sphere of radius 1.
    """
    nu, nv, nw = protein.shape
    for j in range(len(frac)):
        cx, cy, cz = frac[j, 0] * nu, frac[j, 1] * nv, frac[j, 2] * nw
        wx, wy = radius[j] * extent[0], radius[j] * extent[1]
        for i in range(math.ceil(cx - wx), math.floor(cx + wx) + 1):
            plane = protein[_wrapped(i, nu)]
            for m in range(math.ceil(cy - wy), math.floor(cy + wy) + 1):
                enters, leaves = _chord(form, i - cx, m - cy, radius[j] * radius[j])
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                if first <= last:
                    _fill(plane[_wrapped(m, nv)], first, last, 1)


@njit(cache=True, nogil=True)
def ball_rows(form, extent, radius):
    """(n, 4) rows du, dv of a ball around a grid point, each with its first and last dw."""
    limit_u, limit_v = math.floor(radius * extent[0]), math.floor(radius * extent[1])
    rows = np.empty(((2 * limit_u + 1) * (2 * limit_v + 1), 4), np.int64)
    n = 0
    for du in range(-limit_u, limit_u + 1):
        for dv in range(-limit_v, limit_v + 1):
            enters, leaves = _chord(form, du, dv, radius * radius)
            first, last = math.ceil(enters), math.floor(leaves)
            if first <= last:
                rows[n] = du, dv, first, last
                n += 1
    return rows[:n]


@njit(cache=True, nogil=True)
def _count_runs(row):
    """Number of runs of zeros in a row, written without branches so that it vectorizes."""
    n = int(row[0] == 0)
    for k in range(1, len(row)):
        n += int(row[k] == 0) & int(row[k - 1] != 0)
    return n


@njit(cache=True, nogil=True)
def find_runs(protein):
    """Runs of zeros of `protein` (nu, nv, nw): `row_start`, `first`, `last`."""
    nu, nv, nw = protein.shape
    row_start = np.zeros(nu * nv + 1, np.int64)
    for row in range(nu * nv):
        row_start[row + 1] = row_start[row] + _count_runs(protein[row // nv, row % nv])
    first, last = np.empty(row_start[-1], np.int32), np.empty(row_start[-1], np.int32)
    for row in range(nu * nv):
        points = protein[row // nv, row % nv]
        k = 0
        for run in range(row_start[row], row_start[row + 1]):
            while points[k] != 0:
                k += 1
            first[run] = k
            while k < nw and points[k] == 0:
                k += 1
            last[run] = k - 1
    return row_start, first, last


@njit(cache=True, nogil=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _join(parent, i, j):
    i, j = _root(parent, i), _root(parent, j)
    parent[max(i, j)] = min(i, j)


@njit(cache=True, nogil=True)
def _join_rows(parent, first, last, nw, i, i_end, j, j_end):
    """Join the touching runs i, i+1, .. of one row and j, j+1, .. of a neighbour or of itself."""
    if i == i_end or j == j_end:
        return
    if first[i] == 0 and last[j_end - 1] == nw - 1:
        _join(parent, i, j_end - 1)
    if first[j] == 0 and last[i_end - 1] == nw - 1:
        _join(parent, j, i_end - 1)
    while i < i_end and j < j_end:
        if last[i] + 1 < first[j]:
            i += 1
        elif last[j] + 1 < first[i]:
            j += 1
        else:
            _join(parent, i, j)
            if last[i] < last[j]:
                i += 1
            else:
                j += 1


@njit(cache=True, nogil=True)
def island_sizes(row_start, first, last, nu, nv, nw):
    """(n_runs,) number of points in the island of each run; islands touch also across corners."""
    n = len(first)
    parent = np.arange(n)
    for u in range(nu):
        for v in range(nv):
            row = u * nv + v
            i, i_end = row_start[row], row_start[row + 1]
            # Half of the eight neighbours: the others find this row as their neighbour
            for du, dv in ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1)):
                other = _wrapped(u + du, nu) * nv + _wrapped(v + dv, nv)
                j, j_end = row_start[other], row_start[other + 1]
                _join_rows(parent, first, last, nw, i, i_end, j, j_end)
    size = np.zeros(n, np.int64)
    for i in range(n):
        size[_root(parent, i)] += last[i] - first[i] + 1
    for i in range(n):
        size[i] = size[_root(parent, i)]
    return size


@njit(cache=True, nogil=True)
def paint_runs(row_start, first, last, keep, ball, out):
    """Set `out` (nu, nv, nw) to 1 within a ball of any point of the kept runs, else to 0."""
    nu, nv, nw = out.shape
    for u in range(nu):
        for v in range(nv):
            row = out[u, v]
            i, i_end = row_start[u * nv + v], row_start[u * nv + v + 1]
            if i < i_end and keep[i] and first[i] == 0 and last[i] == nw - 1:
                row[:] = 1.0  # solvent throughout, nothing to grow into
                continue
            row[:] = 0.0
            for b in range(len(ball)):
                source = _wrapped(u - ball[b, 0], nu) * nv + _wrapped(v - ball[b, 1], nv)
                for i in range(row_start[source], row_start[source + 1]):
                    if keep[i]:
                        _fill(row, first[i] + ball[b, 2], last[i] + ball[b, 3], 1.0)
