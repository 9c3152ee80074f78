"""Arrays that a thread uses again and again.

The system takes freed memory back and hands it out page by page: for grids of a few megabytes that
costs as much as filling them. What is kept here is overwritten by the next user of its
name in the same thread, and must not leave the function that asked for it.
"""

import math
import threading

import numpy as np

LARGEST_KEPT = 512 * 2**20
"""Bytes; larger arrays are made anew, as the cost of their pages is small beside their use."""

_local = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array of this thread's, with any content."""
    dtype = np.dtype(dtype)
    needed = math.prod(shape) * dtype.itemsize
    if needed > LARGEST_KEPT:
        return np.empty(shape, dtype)
    kept: dict[str, np.ndarray] = _local.__dict__.setdefault("kept", {})
    memory = kept.get(name)
    if memory is None or not needed <= memory.size <= 4 * needed + 2**20:
        memory = kept[name] = np.empty(needed, np.uint8)
    return memory[:needed].view(dtype).reshape(shape)
