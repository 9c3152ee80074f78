"""Memory: arrays that a thread uses again and again, and what the machine has left.

The system takes freed memory back and hands it out page by page: for grids of a few megabytes that
costs as much as filling them. What is kept here is overwritten by the next user of its
name in the same thread, and must not leave the function that asked for it.
"""

import math
import os
import threading

import numpy as np

from friedel.errors import MemoryLimitError

LARGEST_KEPT = 512 * 2**20
"""Bytes; larger arrays are made anew, as the cost of their pages is small beside their use."""

CACHE_LINE = 64
"""Bytes."""

MEMORY_SHARE = 0.9
"""Of the memory that is left, what one calculation may take."""

_local = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array of this thread's, with any content."""
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    if needed > LARGEST_KEPT:
        return _aligned(needed).view(dtype).reshape(shape)
    kept: dict[str, np.ndarray] = _local.__dict__.setdefault("kept", {})
    memory = kept.get(name)
    if memory is None or not needed <= memory.size <= 4 * needed + 2**20:
        memory = kept[name] = _aligned(needed)
    return memory[:needed].view(dtype).reshape(shape)


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
