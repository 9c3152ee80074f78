"""Fourier transforms of real grids, pruned to the required frequencies and points.

They use ducc0 if it is installed, which is faster, otherwise scipy. Both transform as many lines
at a time as a vector register holds, and those that remain one by one, with other rounding errors.
Lines are therefore always given to them in the same groups: the result has the same bits however
the groups are divided among threads.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from friedel.runtime import scipy_parts
from friedel.runtime.memory import scratch
from friedel.runtime.threads import in_stretches

POINTS_AT_A_TIME = 2**17
"""Number of grid points per block that is transformed along two axes."""

TIME_OF_POINT = 1e-8
"""Rough time (s) per grid point and axis of a transform, to divide long calls."""

COLUMNS_AT_A_TIME = 2**16
"""Number of points per group of lines that are transformed along the first axis."""

LINES_AT_A_TIME = 64
"""The number of these lines is a multiple of this: whole vector registers, and cache lines."""

POINTS_PER_THREAD = 200_000
"""Smallest number of grid points per thread for which it saves time."""


@cache
def _fft() -> Any:
    """The functions r2c, c2c and c2r of ducc0, or of SciPy with the same interface."""
    try:
        import ducc0
    except ImportError:
        return scipy_parts.fft()
    return ducc0.fft


def pruned_transform(
    density: np.ndarray,
    origin: tuple[int, int],
    shape: tuple[int, int, int],
    k_max: int,
    l_max: int,
    threads: int = 1,
) -> np.ndarray:
    """Discrete Fourier transform with the sign exp(-2 pi i h.x), not scaled, of part of its size.

    Parameters
    ----------
    density
        (n_u, n_v, nw) real values, the part of the grid that is not empty.
    origin
        Indices (u, v) of its first point, from which it extends periodically.
    shape
        (nu, nv, nw) of the whole grid.
    k_max, l_max
        Largest |k| and l required, at most half of nv and nw.

    Returns
    -------
    (nu, n_k, l_max + 1) complex, overwritten by the next call in this thread
        n_k = min(2 k_max + 1, nv). Negative h and k count from the end. Empty or
        unused lines are skipped along each axis.
    """
    return _pruned(density, origin, shape, k_max, l_max + 1, threads)


def pruned_transform_of_rows(
    rows: np.ndarray, origin: tuple[int, int], shape: tuple[int, int, int], k_max: int, threads: int
) -> np.ndarray:
    """:func:`pruned_transform` where the transform along w is known.

    Parameters
    ----------
    rows
        (n_u, n_v, l_max + 1) complex, that transform.
    """
    return _pruned(rows, origin, shape, k_max, rows.shape[2], threads)


def _pruned(
    values: np.ndarray,
    origin: tuple[int, int],
    shape: tuple[int, int, int],
    k_max: int,
    n_l: int,
    threads: int,
) -> np.ndarray:
    nu, nv, nw = shape
    n_u = len(values)
    n_k = min(2 * k_max + 1, nv)
    dtype = np.result_type(values.dtype, np.complex64)
    kept = scratch("kept", (nu, n_k, n_l), dtype)
    of_u = _periodic_parts(origin[0], n_u, nu)
    for part in _gaps(of_u, nu):
        kept[part] = 0.0

    def transform_planes(begin: int, end: int) -> None:
        planes = _transformed_planes(values[begin:end], origin[1], nv, n_l, dtype)
        for there, here in _periodic_parts(origin[0] + begin, end - begin, nu):
            kept[there, : k_max + 1] = planes[here, : k_max + 1]
            kept[there, k_max + 1 :] = planes[here, nv - (n_k - k_max - 1) :]

    _in_groups(transform_planes, n_u, nv * nw, _planes_at_a_time(nv * nw), threads)
    return _along_first_axis(kept, threads)


def points_of_planes(shape: tuple[int, int, int]) -> int:
    """Number of complex values, of each thread, while planes of a grid are transformed."""
    _, nv, nw = shape
    return min(shape[0], _planes_at_a_time(nv * nw)) * nv * (nw // 2 + 1)


def _planes_at_a_time(points: int) -> int:
    """Number of planes per group, few, so that they stay in the cache between the axes."""
    return max(1, POINTS_AT_A_TIME // points)


def _in_groups(
    transform: Callable[[int, int], None], n: int, points: int, size: int, threads: int
) -> None:
    """Call transform(first, last) for groups of `size` of n lines or planes of `points` points."""

    def some(first: int, last: int) -> None:
        for group in range(first, last):
            transform(group * size, min((group + 1) * size, n))

    threads = min(threads, n * points // POINTS_PER_THREAD)
    in_stretches(some, -(-n // size), threads, seconds=TIME_OF_POINT * n * points)


def _transformed_planes(
    planes: np.ndarray, v: int, nv: int, n_l: int, dtype: np.dtype
) -> np.ndarray:
    """(n, nv, n_l) transform, along the last two axes, of planes whose rows begin at index v.

    That along the last axis is known where the planes are complex.
    """
    n, n_v, nw = planes.shape
    is_real = planes.dtype.kind == "f"
    rows = scratch("rows", (n, nv, nw // 2 + 1 if is_real else n_l), dtype)
    parts = _periodic_parts(v, n_v, nv)
    for part in _gaps(parts, nv):
        rows[:, part] = 0.0
    for there, here in parts:
        if is_real:
            _fft().r2c(planes[:, here], axes=(2,), out=rows[:, there])
        else:
            rows[:, there] = planes[:, here]
    rows = rows[:, :, :n_l]
    return _fft().c2c(rows, axes=(1,), out=rows)


def _along_first_axis(kept: np.ndarray, threads: int, *, forward: bool = True) -> np.ndarray:
    """The transform along the first axis, not scaled; the argument is overwritten."""
    n = len(kept)
    lines = kept.reshape(n, -1)
    size = LINES_AT_A_TIME * max(1, COLUMNS_AT_A_TIME // (n * LINES_AT_A_TIME))

    def transform(first: int, last: int) -> None:
        some = lines[:, first:last]
        _fft().c2c(some, axes=(0,), forward=forward, out=some)

    _in_groups(transform, lines.shape[1], n, size, threads)
    return kept


def _periodic_parts(first: int, n: int, size: int) -> list[tuple[slice, slice]]:
    """Slices of a periodic axis with n items from `first` on, and the matching slices of items."""
    first %= size
    until_end = min(n, size - first)
    parts = [(slice(first, first + until_end), slice(0, until_end))]
    if until_end < n:
        parts.append((slice(0, n - until_end), slice(until_end, n)))
    return parts


def _gaps(parts: list[tuple[slice, slice]], size: int) -> list[slice]:
    """Slices of an axis that are not in any of its parts."""
    edges = sorted((there.start, there.stop) for there, _ in parts)
    starts = [0, *(stop for _, stop in edges)]
    stops = [*(start for start, _ in edges), size]
    return [slice(a, b) for a, b in zip(starts, stops, strict=True) if a < b]


def pruned_inverse(
    half: np.ndarray,
    origin: tuple[int, int],
    shape: tuple[int, int, int],
    out: np.ndarray,
    threads: int = 1,
) -> None:
    """Part of a real inverse transform with the sign exp(+2 pi i h.x), not scaled.

    Parameters
    ----------
    half
        (nu, n_k, l_max + 1) complex as :func:`pruned_transform` gives it; overwritten.
        Other coefficients are zero, and those of l < 0 are complex conjugates.
    origin
        Indices (u, v) of the first required point.
    shape
        (nu, nv, nw) of the whole grid.
    out
        (n_u, n_v, nw) real, set to the values from there on, periodically; it need not be
        contiguous.
    """
    nu, nv, nw = shape
    n_u = len(out)
    kept = _along_first_axis(half, threads, forward=False)

    def transform_planes(begin: int, end: int) -> None:
        for there, here in _periodic_parts(origin[0] + begin, end - begin, nu):
            planes = out[begin:end][here]
            _inverse_of_planes(kept[there], origin[1], nv, nw, planes)

    _in_groups(transform_planes, n_u, nv * nw, _planes_at_a_time(nv * nw), threads)


def _inverse_of_planes(kept: np.ndarray, v: int, nv: int, nw: int, out: np.ndarray) -> None:
    """Real transform of planes (n, n_k, n_l) along the last two axes, from row v on, into `out`."""
    n, n_k, n_l = kept.shape
    n_positive = n_k // 2 + 1
    first_negative = nv - (n_k - n_positive)
    rows = scratch("rows", (n, nv, nw // 2 + 1), kept.dtype)
    columns = rows[:, :, :n_l]
    columns[:, :n_positive] = kept[:, :n_positive]
    columns[:, n_positive:first_negative] = 0.0
    columns[:, first_negative:] = kept[:, n_positive:]
    parts = _periodic_parts(v, out.shape[1], nv)
    _fft().c2c(columns, axes=(1,), forward=False, out=columns)
    for there, here in parts:
        rows[:, there, n_l:] = 0.0
        _fft().c2r(rows[:, there], axes=(2,), lastsize=nw, forward=False, out=out[:, here])
