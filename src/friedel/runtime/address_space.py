"""The limit of a process's address space, as ``ulimit -v`` sets it.

Where it is exceeded, the BLAS library of scipy asks for memory in an endless loop while it is
loaded, and that of numpy ends the process. Limits with which this may happen are refused before.
This module needs no other package, and can be used before numpy is loaded.
"""

import math
import os

from friedel.errors import MemoryLimitError

NEEDED_BY_LIBRARIES = 0.6 * 2**30
"""Address space (bytes) that Python, numpy, numba, scipy and gemmi take with one BLAS thread."""

NEEDED_BY_TABLES = 0.35 * 2**30
"""Address space (bytes) that numpy and the tables of form factors take."""

NEEDED_BY_BLAS_THREAD = 0.08 * 2**30
"""Address space (bytes) of each further thread of the two BLAS libraries."""


def address_space() -> float:
    """The largest address space (bytes) that the process may have; infinite without a limit."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        return math.inf if limit == resource.RLIM_INFINITY else float(limit)
    except (ImportError, AttributeError, OSError, ValueError):
        return math.inf


def left_of_address_space() -> float:
    """Address space (bytes) that the process may still take; infinite without a limit."""
    limit = address_space()
    if limit == math.inf:
        return limit
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return max(0.0, limit - float(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return limit


def use_one_blas_thread() -> None:
    """Let BLAS take little address space if that is limited; before numpy is loaded."""
    if address_space() < math.inf:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def check_address_space(needed: float = NEEDED_BY_LIBRARIES) -> None:
    """Check that the libraries can be loaded.

    Parameters
    ----------
    needed
        Address space (bytes) needed with one BLAS thread.

    Raises
    ------
    MemoryLimitError
        When the address space is limited to less than they need.
    """
    limit = address_space()
    if limit == math.inf:
        return
    given = os.environ.get("OPENBLAS_NUM_THREADS", "")
    threads = int(given) if given.isdecimal() and int(given) > 0 else os.cpu_count() or 1
    needed += NEEDED_BY_BLAS_THREAD * (threads - 1)
    if limit < needed:
        raise MemoryLimitError(
            f"the libraries of friedel need {as_gib(needed)} of address space, but ulimit -v "
            f"allows {as_gib(limit)}"
        )


def as_gib(number: float) -> str:
    """A number of bytes for people to read."""
    gib = number / 2**30
    return f"{gib:.1f} GiB" if gib >= 1.0 else f"{gib:.2g} GiB"
