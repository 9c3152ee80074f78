"""Memory: scratch arrays that a thread reuses, and the memory available on the machine.

The system reclaims freed memory and returns it page by page: for grids of a few megabytes this
costs as much as filling them. A scratch array is overwritten by the next request for its name in
the same thread, and must not leave the function that requested it.
"""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import count
from operator import itemgetter
from pathlib import Path
from weakref import WeakSet

import numpy as np

from friedel.errors import MemoryLimitError
from friedel.runtime.address_space import as_gib as as_gib, left_of_address_space
from friedel.runtime.control_groups import control_groups

MEMORY_KEPT = 512 * 2**20
"""Largest total size (bytes) of kept scratch arrays; the oldest are dropped first.

Larger arrays are allocated each time, as that cost is small compared with that of their use.
"""

CACHE_LINE = 64
"""Bytes."""

SMALL = 2**24
"""Memory (bytes) that is not asked for: looking at what is available takes as long as some uses."""

LEARNT = 2**25 - 2**16
"""Size (bytes) of the block that teaches the allocator to keep what is freed, at most 32 MiB."""

NO_LIMIT = 2.0**62
"""Limit (bytes) from which control groups of version 1 mean that there is none."""

MEMORY_SHARE = 0.9
"""Largest fraction of the available memory that one calculation may use."""


class _Kept:
    """Scratch memory of one thread by name, each with its rank in the order of keeping.

    Users of an array hold their own reference: dropping it here, from any thread, is safe.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, tuple[int, np.ndarray]] = {}


_local = threading.local()
_of_threads: WeakSet[_Kept] = WeakSet()
"""Scratch memory of all threads; it is freed when its thread ends."""
_turns = count()
_lock = threading.Lock()
"""Lock for every change to the kept memory."""


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """A scratch array of this thread, with undefined content."""
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    mine: _Kept | None = getattr(_local, "kept", None)
    _, memory = mine.arrays.get(name, (0, None)) if mine is not None else (0, None)
    if memory is None or not needed <= memory.size <= 4 * needed + 2**20:
        memory = _aligned(needed)
        _keep(name, memory)
    return memory[:needed].view(dtype).reshape(shape)


def release_memory() -> int:
    """Free the memory that is kept between calculations, at most 512 MiB.

    Later calculations allocate memory when they need it. Other threads may calculate meanwhile;
    the memory of a thread is freed when it ends.

    Returns
    -------
    int
        Bytes that were freed.
    """
    with _lock:
        released = _size_kept()
        for kept in _of_threads:
            kept.arrays.clear()
    return released


def _keep(name: str, memory: np.ndarray) -> None:
    """Keep memory of this thread, and drop the oldest if the total is too large."""
    with _lock:
        mine: _Kept | None = getattr(_local, "kept", None)
        if mine is None:
            _keep_freed_memory()
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


@cache
def _keep_freed_memory() -> None:
    """Let the allocator keep freed arrays of a few megabytes for the next ones.

    The C library of Linux returns what is above a limit to the system, and raises the limit when
    a larger block is freed, to twice its size. This block is never touched and takes no memory.
    """
    np.empty(LEARNT, np.uint8)


def _size_kept() -> int:
    return sum(memory.size for kept in _of_threads for _, memory in kept.arrays.values())


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


# A thread that does not exist in the child may have held the lock
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _aligned(n: int) -> np.ndarray:
    """An array of n bytes, aligned to a cache line."""
    memory = np.empty(n + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + n]


def available_memory() -> float:
    """Memory available without swapping (bytes); infinite if the system does not state it.

    Limits of the process (``ulimit -v``) and of its control groups, as containers have them, count.
    """
    return min(_memory_of_machine(), left_of_address_space(), *_left_of_groups())


@cache
def _groups(root: Path) -> tuple[tuple[Path, int], ...]:
    """The control groups of the process, looked up once."""
    return tuple(control_groups("memory", root))


def _left_of_groups(root: Path = Path("/")) -> Iterator[float]:
    """Memory (bytes) that each control group of the process has left, without its caches."""
    for folder, version in _groups(root):
        names = ("memory.max", "memory.current", "inactive_file")
        if version == 1:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        with suppress(OSError, ValueError):
            limit = float((folder / names[0]).read_text())  # "max" is not a number
            if limit >= NO_LIMIT:
                continue
            used = float((folder / names[1]).read_text())
            with suppress(OSError, ValueError, KeyError):
                lines = (folder / "memory.stat").read_text().splitlines()
                used -= float(dict(line.split() for line in lines)[names[2]])
            yield max(0.0, limit - used)


def _memory_of_machine() -> float:
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


def check_memory(needed: float, what: str, *, force: bool | None = None) -> None:
    """Raise an error if a calculation would need more memory than is available.

    Parameters
    ----------
    needed
        Memory needed, bytes.
    what
        Description for the message, such as ``"a grid of 900 x 900 x 900"``.
    force
        Whether to go on in any case; None where the caller has no such option.

    Raises
    ------
    MemoryLimitError
        When more is needed than is available; the message gives both.
    """
    if force or needed < SMALL:
        return
    available = MEMORY_SHARE * available_memory()
    if needed > available:
        other = "" if force is None else ", or to go on, force=True (--force)"
        raise MemoryLimitError(
            f"{what} needs {as_gib(needed)} of memory, {as_gib(available)} are available; "
            f"use a lower resolution or a larger rtol{other}"
        )
