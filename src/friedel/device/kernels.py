"""The kernels by name, compiled for the CPU or ready to be compiled for a GPU.

Nothing here needs PyTorch or a GPU.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any

from friedel.kernels.device import gather, splat, symmetry

CPU_KERNELS = {
    kernel.__name__: kernel
    for kernel in (
        splat.splat,
        splat.splat_bumps,
        gather.gather,
        gather.gather_bumps,
        gather.add_planes,
        symmetry.sum_terms,
        symmetry.spread_terms,
    )
}
"""The kernels, compiled for one thread of the CPU, each called as kernel(first, last, ...)."""

GPU_OPTIONS = {"fastmath": True}
"""Options of `numba.cuda.jit`."""


def gpu_source(name: str, cuda: Any) -> Callable[..., None]:
    """A kernel in which `threads` is the module `numba.cuda`, to be compiled by it."""
    kernel = CPU_KERNELS[name].py_func
    return FunctionType(kernel.__code__, {**kernel.__globals__, "threads": cuda}, name)
