"""Division of work among threads, each with its own contiguous range, and into short stretches.

Python handles Ctrl-C between two calls of compiled code, which therefore are kept short: a long
range is divided so that each call takes about `LONGEST_CALL`.

The threads are kept between calls: starting them takes as long as they save on a small protein. A
forked process starts its own.
"""

import math
import operator
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from friedel.errors import ParameterError
from friedel.runtime import progress
from friedel.runtime.control_groups import control_groups

SECONDS_OF_THREADS = 1e-3
"""Shortest time (s) of work that is divided among threads."""


LONGEST_CALL = 0.4
"""Time (s) of one call of compiled code, after which Ctrl-C is handled."""


def checked_threads(threads: int | None) -> int:
    """A number of threads; for None the number of cores that this process may use.

    Raises
    ------
    ParameterError
        When it is not a positive integer.
    """
    if threads is None:
        return usable_cores()
    try:
        number = operator.index(threads)
    except TypeError:
        # A float is accepted if it is whole: numbers that come from JSON are floats
        is_whole = isinstance(threads, float | np.floating) and float(threads).is_integer()
        number = int(threads) if is_whole else 0
    if number < 1:
        raise ParameterError(f"got threads = {threads!r}, expected a positive integer")
    return number


def in_stretches(
    work: Callable[[int, int], None],
    n: int,
    threads: int,
    load: np.ndarray | None = None,
    seconds: float = 0.0,
) -> None:
    """Call work(first, last) for ranges that cover range(n), divided among threads.

    The kernels release the GIL; each call must write to its own memory. `work` must not divide
    itself among threads again, and its result must not depend on the division. Nothing is running
    any more when this returns or raises. The error of the first range that failed, in their order,
    is the one raised. After Ctrl-C no further range is begun.

    Parameters
    ----------
    load
        (n,) relative work of each item; by default all are equal.
    seconds
        Predicted time of all the work with one thread. Each thread divides its range into
        stretches of about `LONGEST_CALL`, whose size follows the time that they take. The line of
        :mod:`friedel.runtime.progress` is told of each.
    """
    threads = max(1, min(threads, n))
    interrupted = Event()

    def in_turn(first: int, last: int) -> None:
        share = seconds * (last - first) / n if n else 0.0
        if not share > LONGEST_CALL:
            work(first, last)
            progress.advance(share / threads)
            return
        progress.advance(0.0)
        # The first is short, as the time is only predicted
        size = max(1, int((last - first) * 0.25 * LONGEST_CALL / share))
        while first < last and not interrupted.is_set():
            end = min(first + size, last)
            start = time.perf_counter()
            work(first, end)
            took = max(time.perf_counter() - start, 1e-6)
            progress.advance(seconds * (end - first) / (n * threads))
            first, size = end, max(1, int(size * min(4.0, LONGEST_CALL / took)))

    if threads == 1:
        in_turn(0, n)
        return
    if load is None:
        edges = [n * i // threads for i in range(threads + 1)]
    else:
        done = np.cumsum(load)
        inner = np.searchsorted(done, done[-1] * np.arange(1, threads) / threads) + 1
        edges = [0, *inner.tolist(), n]
    (first, last), *others = pairwise(edges)
    pending: list[Future[None]] = []
    try:
        pending.extend(_threads().submit(in_turn, *pair) for pair in others)
        in_turn(first, last)
    except BaseException:
        interrupted.set()
        raise
    finally:
        _await_all(pending, interrupted)
    for other in pending:
        other.result()


def _await_all(pending: list[Future[None]], interrupted: Event) -> None:
    """Wait for all, even after Ctrl-C: running threads write to memory that the next call uses."""
    try:
        wait(pending)
    except BaseException:
        interrupted.set()
        wait(pending)
        raise


def in_pieces(
    kernel: Callable[..., None],
    arguments: tuple[Any, ...],
    edges: Sequence[int],
    seconds: float,
    threads: int,
) -> None:
    """Call kernel(first, last, *arguments) for ranges that begin and end at edges.

    The pieces between edges take about the same time, and together about `seconds`.
    """
    if seconds < SECONDS_OF_THREADS:
        kernel(edges[0], edges[-1], *arguments)
        return

    def work(first: int, last: int) -> None:
        kernel(edges[first], edges[last], *arguments)

    in_stretches(work, len(edges) - 1, threads, seconds=seconds)


def usable_cores() -> int:
    """Number of cores that this process may use, by its affinity and control-group quotas."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        cores: int | None = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count()
    return max(1, min([cores or 1, *map(math.ceil, _quotas())]))


def _quotas(root: Path = Path("/")) -> Iterator[float]:
    """CPU quotas (cores) set by containers and batch systems on Linux; nothing on other systems."""
    for folder, version in control_groups("cpu", root):
        with suppress(OSError, ValueError):
            if version == 1:
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            else:
                quota, period = (folder / "cpu.max").read_text().split()
            if float(quota) > 0:  # "max" is not a number
                yield float(quota) / float(period)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="friedel")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)
