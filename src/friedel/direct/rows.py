"""The plan of a direct sum: the rows of reciprocal space and the position of each h R in them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.direct.symmetry import Setting
from friedel.kernels.direct import rows as kernels, symmetry

PIECES = 60
"""Number of pieces of work for threads: large, and divisible by many numbers of threads."""

MAX_ROWS_PER_TERM = 100
"""Most rows for each (reflection, operation) pair; with more, rows are not used."""


class Rows(NamedTuple):
    """The rows of :func:`kernels.sum_rows`, and `point` and `turn` of :func:`symmetry.locate`.

    `edges` divide the table into pieces that take about the same time. `limits` are the largest
    |h|, |k| and |l|.
    """

    table: np.ndarray
    stride: int
    step_k: int
    edges: list[int]
    limits: tuple[int, int, int]
    point: np.ndarray
    turn: np.ndarray

    @property
    def n_points(self) -> int:
        """Number of points in all rows."""
        return int(self.table[-1, 4])

    @property
    def table_lengths(self) -> tuple[int, int, int]:
        """Entries in an atom's tables: h >= 0, all k, and l >= 0 for two steps at a time."""
        h, k, l = self.limits
        return h + 1, 2 * k + 1, l + 2 * self.stride

    def stretches(self, n_points: int) -> Iterator[np.ndarray]:
        """The table in parts of about `n_points` points, each of whole tiles."""
        top, last = 0, len(self.table) - 1
        while top < last:
            end = int(np.searchsorted(self.table[:, 4], self.table[top, 4] + n_points))
            end = min(max(end // kernels.TILE * kernels.TILE, top + kernels.TILE), last)
            yield self.table[top : end + 1]
            top = end


def rows_that_hold(
    setting: Setting, hkl: np.ndarray, absent: np.ndarray, limits: tuple[int, int, int]
) -> Rows | None:
    """The rows for all h R of the reflections, or None where most points would be unused.

    Parameters
    ----------
    hkl
        (n, 3) int32, in the axes of the setting.
    absent
        (n,) bool: reflections that are left out.
    limits
        Largest |h|, |k| and |l| of all h R.
    """
    rotations, translations, _ = setting.operations
    limit_h, limit_k, _ = limits
    n_terms = len(hkl) * len(rotations)
    if absent.all() or 2 * limit_h * limit_k > MAX_ROWS_PER_TERM * n_terms:
        return None
    where, stride = (hkl, absent, rotations), setting.stride
    first_l = _first_l(setting, limit_h, limit_k)
    steps = symmetry.steps_along_rows(*where, first_l, stride)
    table, first_point = _row_table(steps, first_l)
    point, turn = symmetry.locate(*where, translations, first_point, first_l, stride)
    h, k = np.abs(table[:, :2]).max(axis=0).tolist()
    l = int((table[:, 5] + stride * (table[:, 2:4].max(axis=1) - 1)).max())
    step_k = _most_frequent_step(table)
    return Rows(table, stride, step_k, _row_edges(table), (h, k, l), point, turn)


def _first_l(setting: Setting, limit_h: int, limit_k: int) -> np.ndarray:
    """(h, k + limit_k): the least |l| of each row, 1 where centring allows odd l only."""
    h, k = np.mgrid[: limit_h + 1, -limit_k : limit_k + 1]
    if setting.stride == 1:
        return np.zeros(h.shape, np.int64)
    shift = h[..., None] * setting.centring[:, 0] + k[..., None] * setting.centring[:, 1]
    return (shift % TRANSLATION_DENOMINATOR != 0).any(axis=-1).astype(np.int64)


def _row_table(steps: np.ndarray, first_l: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The table for :func:`kernels.sum_rows`, and the first point of each row of `steps`."""
    h, column = np.nonzero(steps.any(axis=2))
    parity = first_l[h, column]
    order = np.argsort(parity, kind="stable")
    h, column, parity = h[order], column[order], parity[order]
    # Rows that are summed together begin at the same |l|
    n_even = int(np.searchsorted(parity, 1))
    padding = _whole(n_even) - n_even
    place = np.arange(len(h)) + padding * parity
    n = _whole(len(h) + padding)
    table = np.zeros((n + 1, 6), np.int64)
    table[place, 0] = h
    table[place, 1] = column - steps.shape[1] // 2
    table[place, 2:4] = steps[h, column]
    table[_whole(n_even) : n, 5] = 1
    # All are as long as the longest of them, and of an even number of steps
    longest = table[:n, 2:4].reshape(-1, 2 * kernels.ROWS_TOGETHER).max(axis=1)
    length = np.repeat((longest + 1) // 2 * 2, kernels.ROWS_TOGETHER)
    table[1:, 4] = np.cumsum(2 * length)
    first_point = np.zeros(steps.shape[:2], np.int64)
    first_point[h, column] = table[place, 4]
    return table, first_point


def _whole(n: int) -> int:
    """The next multiple of ROWS_TOGETHER."""
    return -(-n // kernels.ROWS_TOGETHER) * kernels.ROWS_TOGETHER


def _most_frequent_step(table: np.ndarray) -> int:
    """The most frequent step in k between rows: 2 where centring excludes every second k."""
    steps = np.diff(table[:-1, 1])
    return 2 if np.count_nonzero(steps == 2) > np.count_nonzero(steps == 1) else 1


def _row_edges(table: np.ndarray) -> list[int]:
    """Bounds of at most PIECES pieces of about as many points, each of whole tiles."""
    first_point = table[:, 4]
    shares = np.linspace(0, first_point[-1], PIECES, endpoint=False)
    edges = np.searchsorted(first_point, shares) // kernels.TILE * kernels.TILE
    return [*np.unique(edges).tolist(), len(table) - 1]
