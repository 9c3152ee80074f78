"""What kernels are compiled by, and where their machine code is kept."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from friedel.runtime.native.loader import Kernel
from friedel.runtime.native.store import Store

KERNELS = Path(__file__).parent

BY_NUMBA = os.environ.get("FRIEDEL_KERNELS") == "numba"
"""Whether kernels are numba's own functions, for debugging and for the coverage of tests."""

STORE = Store(KERNELS)


def njit(**options: object) -> Callable[[Callable], Any]:
    """``numba.njit`` with machine code that is kept as long as no kernel changes.

    Parameters
    ----------
    options
        Options of ``numba.njit``.
    """

    def compiled(function: Callable) -> Any:
        if BY_NUMBA:
            import numba

            return numba.njit(**options)(function)
        return Kernel(function, options, STORE)

    return compiled


class Operation:
    """A function that numba replaces by instructions in the kernels that call it.

    Python cannot call it, and numba is imported only to compile.
    """

    def __init__(self, name: str):
        self._name = name

    def for_numba(self) -> Any:
        """The function of :mod:`friedel.kernels.simd_llvm`."""
        from friedel.kernels import simd_llvm

        return getattr(simd_llvm, self._name)


def operation(name: str) -> Any:
    """A function of :mod:`friedel.kernels.simd_llvm` for the use in kernels."""
    found = Operation(name)
    return found.for_numba() if BY_NUMBA else found


def expect(job: str) -> None:
    """Say which job of `jobs.json` follows, so that its missing kernels are compiled meanwhile."""
    processes = sys.modules.get("friedel.runtime.native.processes")
    if processes is not None:  # otherwise no kernel has been missing
        processes.expect(STORE, job)
