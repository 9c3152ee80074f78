"""Memory: arrays that a thread uses again and again, and what the machine has left.

The system takes freed memory back and hands it out page by page: for grids of a few megabytes that
costs as much as filling them. What is kept here is overwritten by the next user of its
name in the same thread, and must not leave the function that asked for it.
"""

import math
import os
import threading
from itertools import count
from operator import itemgetter
from weakref import WeakSet

import numpy as np

from friedel.errors import MemoryLimitError

MEMORY_KEPT = 512 * 2**20
"""Bytes that are kept for all names of all threads together; what was kept first is dropped first.

Larger arrays are made anew each time, as the cost of their pages is small beside their use.
"""

CACHE_LINE = 64
"""Bytes."""

MEMORY_SHARE = 0.9
"""Of the memory that is left, what one calculation may take."""


class _Kept:
    """Memory of one thread by name, each with its turn among all that was kept.

    Who uses an array holds it himself: to drop it here, from any thread, takes it from nobody.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, tuple[int, np.ndarray]] = {}


_local = threading.local()
_of_threads: WeakSet[_Kept] = WeakSet()
"""What each thread keeps; it goes away with the thread."""
_turns = count()
_lock = threading.Lock()
"""For every change to what is kept."""


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array of this thread's, with any content."""
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    mine: _Kept | None = getattr(_local, "kept", None)
    _, memory = mine.arrays.get(name, (0, None)) if mine is not None else (0, None)
    if memory is None or not needed <= memory.size <= 4 * needed + 2**20:
        memory = _aligned(needed)
        _keep(name, memory)
    return memory[:needed].view(dtype).reshape(shape)


def release_memory() -> int:
    """Give memory back that is kept between calculations, at most 512 MiB, and return its bytes.

    Calculations take memory anew when they need it. Other threads may calculate meanwhile; a
    thread that ends gives its own back.

    Returns
    -------
    int
        Bytes that were kept.
    """
    with _lock:
        released = _size_kept()
        for kept in _of_threads:
            kept.arrays.clear()
    return released


def _keep(name: str, memory: np.ndarray) -> None:
    """Keep memory of this thread, and drop what was kept first where there is too much."""
    with _lock:
        mine: _Kept | None = getattr(_local, "kept", None)
        if mine is None:
            mine = _local.kept = _Kept()
            _of_threads.add(mine)
        mine.arrays.pop(name, None)
        if memory.size > MEMORY_KEPT:
            return
        mine.arrays[name] = next(_turns), memory
        too_much = _size_kept() - MEMORY_KEPT
        while too_much > 0:
            all_kept = [(turn, x, key) for x in _of_threads for key, (turn, _) in x.arrays.items()]
            _, owner, first = min(all_kept, key=itemgetter(0))
            too_much -= owner.arrays.pop(first)[1].size


def _size_kept() -> int:
    return sum(memory.size for kept in _of_threads for _, memory in kept.arrays.values())


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a thread that the child has not may have held it
    os.register_at_fork(after_in_child=_renew_lock)


def _aligned(n: int) -> np.ndarray:
    """N bytes that begin where a line of the cache does."""
    memory = np.empty(n + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + n]


def available_memory() -> float:
    """Bytes that can be had without swapping; infinite where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        return 1024.0 * float(kilobytes)
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * float(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def check_memory(needed: float, what: str) -> None:
    """Refuse work that would not fit, before it starts.

    Parameters
    ----------
    needed
        Bytes.
    what
        For the message, such as ``"a grid of 900 x 900 x 900"``.

    Raises
    ------
    MemoryLimitError
        With what is needed and what there is.
    """
    available = MEMORY_SHARE * available_memory()
    if needed > available:
        raise MemoryLimitError(
            f"{what} needs {needed / 2**30:.1f} GiB of memory, {available / 2**30:.1f} GiB can be "
            "had; take a lower resolution or a larger rtol"
        )
