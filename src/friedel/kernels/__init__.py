"""Loops compiled by numba: they take scalars and arrays, return arrays, and never raise.

Compiled code is kept on disk, see :mod:`friedel.kernels.compiled`.
"""

from contextlib import suppress


def _start_numba_without_blas() -> None:
    """Let numba load without SciPy's linear algebra, which takes a seventh of a small job's time.

    Numba looks for the BLAS when it starts, though it needs it only to compile matrix products, and
    then looks again. No kernel has any. This saves 0.12 s of the 0.29 s to import this package,
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


with suppress(ImportError, AttributeError):  # a numba with other modules starts in the usual way
    _start_numba_without_blas()
