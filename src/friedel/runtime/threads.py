"""Work divided among threads, each with a stretch of its own.

The threads are kept: to make them takes as long as they save on a small protein. A forked process
makes its own.
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
"""Work that takes less is not shared among threads."""


def checked_threads(threads: int | None) -> int:
    """A number of threads; that of the cores which this process may use for None.

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
    """Call work(first, last) for stretches that cover range(n), each in a thread of its own.

    The kernels let other threads run; what each writes must be its own. `work` must not
    divide itself among threads again. All stretches have ended when this returns or raises, and the
    error of the first that failed, in their order, is the one raised.

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
    pending: list[Future[None]] = []
    try:
        pending.extend(_threads().submit(work, *pair) for pair in others)
        work(first, last)
    finally:
        _await_all(pending)
    for other in pending:
        other.result()


def _await_all(pending: list[Future[None]]) -> None:
    """Wait also after Ctrl-C: who still works writes into memory that the next call uses."""
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
    """Call kernel(first, last, *arguments) for stretches that begin and end at edges.

    The pieces between edges take about the same time, and all of them perhaps so many seconds.
    """
    if threads == 1 or seconds < SECONDS_OF_THREADS:
        kernel(edges[0], edges[-1], *arguments)
        return

    def work(first: int, last: int) -> None:
        kernel(edges[first], edges[last], *arguments)

    in_stretches(work, len(edges) - 1, threads)


def usable_cores() -> int:
    """Cores that this process may use, by its affinity and the quota of its control groups."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        cores = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count()
    return max(1, min([cores or 1, *map(math.ceil, _quotas())]))


def _quotas(root: Path = Path("/")) -> Iterator[float]:
    """Cores' worth of time that containers and batch systems on Linux allow; nothing elsewhere.

    Each group that the process is in has its own limit, and so have the groups around it. A
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
                if float(quota) > 0:  # "max" is no number
                    yield float(quota) / float(period)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="friedel")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)
