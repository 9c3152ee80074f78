"""The kernels by name, compiled for the CPU or ready to be compiled for a GPU.

Nothing here needs PyTorch or a GPU.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any

from friedel.kernels.compiled import njit
from friedel.kernels.device import gather, splat, symmetry
from friedel.kernels.grid.gaussians import FAST

KERNELS = {
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
"""The kernels, each called as kernel(first, last, ...)."""

GPU_OPTIONS = {"fastmath": True}
"""Options of `numba.cuda.jit`."""

_CPU_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": FAST, "error_model": "numpy"}

CPU_KERNELS = {name: njit(**_CPU_OPTIONS)(kernel) for name, kernel in KERNELS.items()}
"""The kernels compiled for one thread of the CPU."""


def gpu_source(name: str, cuda: Any) -> Callable[..., None]:
    """A kernel in which `threads` is the module `numba.cuda`, to be compiled by it."""
    kernel = KERNELS[name]
    return FunctionType(kernel.__code__, {**kernel.__globals__, "threads": cuda}, name)
