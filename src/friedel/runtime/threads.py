"""Work divided among threads, each with a stretch of its own.

The threads are kept: to make them takes as long as they save on a small protein. A forked process
makes its own.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from friedel.errors import ParameterError

SECONDS_OF_THREADS = 1e-3
"""Work that takes less is not shared among threads."""


def checked_threads(threads: int | None) -> int:
    """A number of threads; that of the cores for None.

    Raises
    ------
    ParameterError
        When it is not a positive integer.
    """
    if threads is None:
        return os.cpu_count() or 1
    if int(threads) != threads or threads < 1:
        raise ParameterError(f"got threads = {threads!r}, expected a positive integer")
    return int(threads)


def in_stretches(
    work: Callable[[int, int], None], n: int, threads: int, load: np.ndarray | None = None
) -> None:
    """Call work(first, last) for stretches that cover range(n), each in a thread of its own.

    The kernels let other threads run; what each writes must be its own. `work` must not
    divide itself among threads again.

    Parameters
    ----------
    load
        (n,) share of the work that each item is; by default they are alike.
    """
    threads = min(threads, n)
    if threads <= 1:
        work(0, n)
        return
    if load is None:
        edges = [n * i // threads for i in range(threads + 1)]
    else:
        done = np.cumsum(load)
        inner = np.searchsorted(done, done[-1] * np.arange(1, threads) / threads) + 1
        edges = [0, *inner.tolist(), n]
    (first, last), *others = pairwise(edges)
    pending = [_threads().submit(work, *pair) for pair in others]
    try:
        work(first, last)
    finally:
        for other in pending:
            other.result()


def in_pieces(
    kernel: Callable[..., None],
    arguments: tuple[Any, ...],
    edges: Sequence[int],
    seconds: float,
    threads: int,
) -> None:
    """Call kernel(first, last, *arguments) for stretches that begin and end at edges.

    The pieces between edges take about the same time, and all of them perhaps so many seconds.
    """
    if threads == 1 or seconds < SECONDS_OF_THREADS:
        kernel(edges[0], edges[-1], *arguments)
        return

    def work(first: int, last: int) -> None:
        kernel(edges[first], edges[last], *arguments)

    in_stretches(work, len(edges) - 1, threads)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="friedel")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)
