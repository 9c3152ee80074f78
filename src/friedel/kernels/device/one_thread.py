"""The number of a thread and of all threads where there is one thread, as `numba.cuda` has them.

A kernel of this package calls `threads.grid(1)` and `threads.gridsize(1)`. Its global name
`threads` is this module when the kernel is compiled for the CPU, and `numba.cuda` when it is for a
GPU: the kernel itself is the same text. A function called by a kernel would not do, because numba
asks the driver for a GPU when it compiles a call of a device function.
"""

from friedel.kernels.compiled import njit
from friedel.kernels.grid.gaussians import FAST

for_one_thread = njit(nogil=True, fastmath=FAST, error_model="numpy")
"""Decorator of the kernels, which compiles them for one thread of the CPU."""


@njit(nogil=True)
def grid(dimensions):
    """The number of this thread."""
    return 0


@njit(nogil=True)
def gridsize(dimensions):
    """The number of all threads."""
    return 1
