"""Division of work among threads, each with its own contiguous range.

The threads are kept between calls: starting them takes as long as they save on a small protein. A
forked process starts its own.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from friedel.errors import ParameterError

SECONDS_OF_THREADS = 1e-3
"""Shortest time (s) of work that is divided among threads."""


def checked_threads(threads: int | None) -> int:
    """A number of threads; for None the number of cores that this process may use.

    Raises
    ------
    ParameterError
        When it is not a positive integer.
    """
    if threads is None:
        return usable_cores()
    if int(threads) != threads or threads < 1:
        raise ParameterError(f"got threads = {threads!r}, expected a positive integer")
    return int(threads)


def in_stretches(
    work: Callable[[int, int], None], n: int, threads: int, load: np.ndarray | None = None
) -> None:
    """Call work(first, last) for ranges that cover range(n), each in its own thread.

    The kernels release the GIL; each call must write to its own memory. `work` must not divide
    itself among threads again. All ranges are finished when this returns or raises, and the
    error of the first range that failed, in their order, is the one raised.

    Parameters
    ----------
    load
        (n,) relative work of each item; by default all are equal.
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
    pending: list[Future[None]] = []
    try:
        pending.extend(_threads().submit(work, *pair) for pair in others)
        work(first, last)
    finally:
        _await_all(pending)
    for other in pending:
        other.result()


def _await_all(pending: list[Future[None]]) -> None:
    """Wait for all, even after Ctrl-C: running threads write to memory that the next call uses."""
    try:
        wait(pending)
    except BaseException:
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
    if threads == 1 or seconds < SECONDS_OF_THREADS:
        kernel(edges[0], edges[-1], *arguments)
        return

    def work(first: int, last: int) -> None:
        kernel(edges[first], edges[last], *arguments)

    in_stretches(work, len(edges) - 1, threads)


def usable_cores() -> int:
    """Number of cores that this process may use, by its affinity and control-group quotas."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        cores = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count()
    return max(1, min([cores or 1, *map(math.ceil, _quotas())]))


def _quotas(root: Path = Path("/")) -> Iterator[float]:
    """CPU quotas (cores) set by containers and batch systems on Linux; nothing on other systems.

    Each control group of the process has its own limit, and so have the enclosing groups. A
    container may see its own group as the outermost.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers  # version 2 has no controllers here
        around = [top / group.lstrip("/"), *(top / group.lstrip("/")).parents]
        for folder in around[: around.index(top) + 1]:
            with suppress(OSError, ValueError):
                if controllers:
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
