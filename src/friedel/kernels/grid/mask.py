"""Spheres on a periodic grid, and the region between them as runs of points along w.

A region is held as bits, (nu, nv, n_words) uint64 whose bit w is the point (u, v, w), or by rows:
row u * nv + v consists of the points (u, v, 0..nw-1), and its runs are listed in :class:`Runs`. A
run ends at the end of its row even if it continues at the start.
"""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.periodic import chord, row_distances, wrapped

ONE, SIX, LOW_SIX = np.uint64(1), np.uint64(6), np.uint64(63)
"""Shifts and masks, unsigned, as numba converts a mixture with signed numbers to floats."""
ALL, NONE = np.uint64(2**64 - 1), np.uint64(0)

DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
BIT_OF_PRODUCT = np.zeros(64, np.int64)
for _bit in range(64):
    BIT_OF_PRODUCT[((1 << _bit) * int(DE_BRUIJN) % 2**64) >> 58] = _bit
"""Index of a single bit, by the six highest bits of its product with De Bruijn's number."""


class Runs(NamedTuple):
    """The runs of points of a region, row by row.

    `row_start` (n_rows + 1,) has the index of the first run of each row, `first` and `last`
    (n_runs,) the first and last point of each run.
    """

    row_start: np.ndarray
    first: np.ndarray
    last: np.ndarray


@njit(nogil=True)
def _set_bits(bits, u, v, first, last):
    """Set points first .. last of row (u, v), which must be in range."""
    a, b = np.uint64(first), np.uint64(last)
    i, j = a >> SIX, b >> SIX
    low, high = ALL << (a & LOW_SIX), ALL >> (LOW_SIX - (b & LOW_SIX))
    if i == j:
        bits[u, v, i] |= low & high
        return
    bits[u, v, i] |= low
    for k in range(i + ONE, j):
        bits[u, v, k] = ALL
    bits[u, v, j] |= high


@njit(nogil=True)
def _set_range(bits, u, v, nw, first, last):
    """Set points first .. last of row (u, v) with periodic indices."""
    if first >= 0 and last < nw:
        _set_bits(bits, u, v, first, last)
        return
    n = last - first + 1
    if n >= nw:
        _set_bits(bits, u, v, 0, nw - 1)
        return
    start = wrapped(first, nw)
    end = start + n - 1
    if end < nw:
        _set_bits(bits, u, v, start, end)
    else:
        _set_bits(bits, u, v, start, nw - 1)
        _set_bits(bits, u, v, 0, end - nw)


@njit(nogil=True)
def mark_spheres(bits, nw, form, extent, frac, radius):
    """Set the points within radius_j of frac_j, which is in [0, 1].

    Radii are in steps along w. `form` is that of squared distances, see
    :func:`friedel.kernels.grid.periodic.row_distances`; `extent` is the half-width along u of a
    sphere of radius 1.
    """
    nu, nv, _ = bits.shape
    # The projection of a sphere along w is an ellipse a px^2 + 2 b px py + c py^2 < r^2
    b, c = form[2] - form[3] * form[4], form[1] - form[4] * form[4]
    a = form[0] - form[3] * form[3]
    for j in range(len(frac)):
        cx, cy, cz = frac[j, 0] * nu, frac[j, 1] * nv, frac[j, 2] * nw
        wx, r2 = radius[j] * extent, radius[j] * radius[j]
        for i in range(math.ceil(cx - wx), math.floor(cx + wx) + 1):
            u, px = np.uint64(wrapped(i, nu)), i - cx
            middle = cy - b / c * px
            wy = math.sqrt(max(r2 - (a - b * b / c) * px * px, 0.0) / c)
            for m in range(math.ceil(middle - wy), math.floor(middle + wy) + 1):
                flat, slope = row_distances(form, px, m - cy)
                enters, leaves = chord(flat, slope, r2)
                first, last = math.ceil(cz + enters), math.floor(cz + leaves)
                if first <= last:
                    _set_range(bits, u, np.uint64(wrapped(m, nv)), nw, first, last)


@njit(nogil=True)
def map_runs(runs, matrix, shift, nw, bits, begin, end):
    """Set the images of the runs with begin <= u < end under an operation that maps rows to rows.

    In grid steps the operation is p -> matrix p + shift, with matrix[0, 2] = matrix[1, 2] = 0 and
    matrix[2, 2] = 1 or -1.
    """
    row_start, first, last = runs
    nu, nv, _ = bits.shape
    by_v_u, by_v_v, by_v_w = matrix[0, 1] % nu, matrix[1, 1] % nv, matrix[2, 1] % nw
    for u in range(begin, end):
        to_u = (matrix[0, 0] * u + shift[0]) % nu
        to_v = (matrix[1, 0] * u + shift[1]) % nv
        offset = (matrix[2, 0] * u + shift[2]) % nw
        for v in range(nv):
            row = u * nv + v
            for run in range(row_start[row], row_start[row + 1]):
                if matrix[2, 2] > 0:
                    begins, ends = offset + first[run], offset + last[run]
                else:
                    begins, ends = offset - last[run], offset - first[run]
                _set_range(bits, np.uint64(to_u), np.uint64(to_v), nw, begins, ends)
            # Divisions would take longer than all else
            to_u, to_v = wrapped(to_u + by_v_u, nu), wrapped(to_v + by_v_v, nv)
            offset = wrapped(offset + by_v_w, nw)


@njit(nogil=True)
def ball_rows(form, extent, radius):
    """(n, 4) rows (du, dv) of a ball around a grid point, each with its first and last dw."""
    limit_u, limit_v = math.floor(radius * extent[0]), math.floor(radius * extent[1])
    rows = np.empty(((2 * limit_u + 1) * (2 * limit_v + 1), 4), np.int64)
    n = 0
    for du in range(-limit_u, limit_u + 1):
        for dv in range(-limit_v, limit_v + 1):
            flat, slope = row_distances(form, du, dv)
            enters, leaves = chord(flat, slope, radius * radius)
            first, last = math.ceil(enters), math.floor(leaves)
            if first <= last:
                rows[n] = du, dv, first, last
                n += 1
    return rows[:n]


@njit(nogil=True)
def _changes(words, k, flip):
    """Bits of word k of a row that differ from the preceding point; before the first it is 0."""
    word = words[k] ^ flip
    before = (words[k - 1] ^ flip) >> LOW_SIX if k > 0 else NONE
    return word ^ ((word << ONE) | before)


@njit(nogil=True)
def _inside(k, nw):
    """The bits of word k that are points of a row of nw."""
    rest = nw - 64 * k
    return ALL if rest >= 64 else ALL >> np.uint64(64 - rest)


@njit(nogil=True)
def find_runs(bits, nw, value):
    """The runs of points whose bit is `value`."""
    nu, nv, n_words = bits.shape
    flip = NONE if value else ALL
    row_start = np.zeros(nu * nv + 1, np.int64)
    for row in range(nu * nv):
        words, n = bits[row // nv, row % nv], 0
        for k in range(n_words):
            starts = _changes(words, k, flip) & (words[k] ^ flip) & _inside(k, nw)
            while starts != NONE:
                starts &= starts - ONE
                n += 1
        row_start[row + 1] = row_start[row] + n
    first, last = np.empty(row_start[-1], np.int32), np.empty(row_start[-1], np.int32)
    for row in range(nu * nv):
        words, run, is_open = bits[row // nv, row % nv], row_start[row], False
        for k in range(n_words):
            changes = _changes(words, k, flip) & _inside(k, nw)
            while changes != NONE:
                lowest = changes & (NONE - changes)
                point = 64 * k + BIT_OF_PRODUCT[(lowest * DE_BRUIJN) >> np.uint64(58)]
                if is_open:
                    last[run] = point - 1
                    run += 1
                else:
                    first[run] = point
                is_open = not is_open
                changes &= changes - ONE
        if is_open:
            last[run] = nw - 1
    return Runs(row_start, first, last)


@njit(nogil=True)
def _touch(first, last, nw, i, j):
    """Whether runs of neighbouring rows, or of one row, touch, also at a corner."""
    if first[j] <= last[i] + 1 and first[i] <= last[j] + 1:
        return True
    return (first[i] == 0 and last[j] == nw - 1) or (first[j] == 0 and last[i] == nw - 1)


@njit(nogil=True)
def in_large_islands(runs, shape, limit, begin, end):
    """(n_runs,) bool: runs of islands with more than `limit` points, connected also at corners.

    Runs with begin <= u < end are told from others, of which some are left out. The search of an
    island ends at the limit, or at a run that is known to belong to a large island: most runs need
    only one neighbour.
    """
    row_start, first, last = runs
    nu, nv, nw = shape
    n_runs = len(first)
    large, seen = np.zeros(n_runs, np.bool_), np.zeros(n_runs, np.bool_)
    row_of, island = np.empty(n_runs, np.int32), np.empty(n_runs, np.int32)
    for row in range(nu * nv):
        row_of[row_start[row] : row_start[row + 1]] = row
    for start in range(row_start[begin * nv], row_start[end * nv]):
        if seen[start]:
            continue
        seen[start], island[0] = True, start
        n_met, n_done, n_points = 1, 0, last[start] - first[start] + 1
        while n_done < n_met and n_points <= limit:
            i = island[n_done]
            n_done += 1
            u, v = row_of[i] // nv, row_of[i] % nv
            for neighbour in range(9):
                to_u = wrapped(u + neighbour // 3 - 1, nu)
                to_v = wrapped(v + neighbour % 3 - 1, nv)
                row = to_u * nv + to_v
                for j in range(row_start[row], row_start[row + 1]):
                    if not _touch(first, last, nw, i, j):
                        continue
                    if large[j]:
                        n_points = limit + 1
                        break
                    if not seen[j]:
                        seen[j], island[n_met] = True, j
                        n_met += 1
                        n_points += last[j] - first[j] + 1
                if n_points > limit:
                    break
        if n_points > limit:
            for i in range(n_met):
                large[island[i]] = True
    return large


@njit(nogil=True)
def grow_runs(runs, keep, ball, nw, bits, begin, end):
    """Set the points within a ball of any point of the kept runs with begin <= u < end.

    A row is grown once for all consecutive rows of the ball that have the same length.
    """
    row_start, first, last = runs
    nu, nv, n_words = bits.shape
    grown = np.zeros((1, 1, n_words), np.uint64)
    for u in range(begin, end):
        for v in range(nv):
            i, i_end = row_start[u * nv + v], row_start[u * nv + v + 1]
            if i == i_end:
                continue
            before, after = 1, 0
            for b in range(len(ball)):
                if ball[b, 2] != before or ball[b, 3] != after:
                    before, after = ball[b, 2], ball[b, 3]
                    grown[:] = NONE
                    for run in range(i, i_end):
                        if keep[run]:
                            _set_range(
                                grown, NONE, NONE, nw, first[run] + before, last[run] + after
                            )
                to_u = np.uint64(wrapped(u + ball[b, 0], nu))
                to_v = np.uint64(wrapped(v + ball[b, 1], nv))
                for k in range(n_words):
                    bits[to_u, to_v, k] |= grown[0, 0, k]


@njit(nogil=True)
def unpack(bits, out):
    """Set out[u, v, w] = 1 where the bit is set, else 0; return the number of ones."""
    nu, nv, nw = out.shape
    n = 0
    for u in range(nu):
        for v in range(nv):
            for k in range(bits.shape[2]):
                word, part = bits[u, v, k], out[u, v, 64 * k : min(64 * k + 64, nw)]
                in_word = np.uint64(0)
                for i in range(len(part)):
                    bit = (word >> np.uint64(i)) & ONE
                    part[i] = np.float32(bit)
                    in_word += bit
                n += np.int64(in_word)
    return n


@njit(nogil=True)
def transform_runs(runs, weights, ends, out, begin, end):
    """Set the planes begin .. end - 1 of `out` to the transform along w of the runs' points.

    out[u, v, l] is the sum of exp(-2 pi i l w / nw) over the points of row (u, v), times
    weights[u]. Sums of geometric series have two terms: that of a run is ends[first] -
    ends[last + 1].

    Parameters
    ----------
    ends
        (nw + 1, 2 n_l) float64: real and imaginary parts, in turn.
    out
        (nu, nv, 2 n_l), likewise.
    """
    row_start, first, last = runs
    nv, n = out.shape[1], out.shape[2]
    total = np.empty(n)
    for u in range(begin, end):
        for v in range(nv):
            total[:] = 0.0
            for run in range(row_start[u * nv + v], row_start[u * nv + v + 1]):
                start, stop = ends[first[run]], ends[last[run] + 1]
                for i in range(n):
                    total[i] += start[i] - stop[i]
            for i in range(n):
                out[u, v, i] = weights[u] * total[i]
