"""Loops compiled by numba: scalars and arrays in, arrays out; no objects, and never raise.

What is compiled is kept, see :mod:`friedel.kernels.compiled`.
"""

from contextlib import suppress


def _start_numba_without_blas() -> None:
    """Let numba load without SciPy's linear algebra, a seventh of the time of a small job.

    It looks for the BLAS when it starts, though it needs it only to compile products of matrices,
    and then looks again. No kernel has any. It saves 0.12 s of 0.29 s to import this package,
    measured with numba 0.68.
    """
    from numba.np import linalg

    look_for_blas = linalg.ensure_blas
    linalg.ensure_blas = _nothing
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = look_for_blas


def _nothing() -> None:
    pass


with suppress(
    ImportError, AttributeError
):  # of a numba with other modules, which starts as it likes
    _start_numba_without_blas()
