"""Loops compiled by numba: scalars and arrays in, arrays out; no objects, and never raise.

Compiled code is kept beside this file, or in the user's cache folder. Where neither can be
written to, as with a read-only installation and no home, it goes to a folder for temporary files.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numba


def _drop_stale_code(folder: Path) -> None:
    """Remove what was compiled beside the kernels in `folder` from any other state of them.

    Numba looks at the file of a kernel, and not at those of the kernels that it calls.
    """
    sources = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))
    state = hashlib.blake2b(sources, digest_size=16).hexdigest()
    cache = folder / "__pycache__"
    stamp = cache / "kernels.state"
    with suppress(OSError):
        if stamp.read_text(encoding="ascii") == state:
            return
    with suppress(OSError):
        cache.mkdir(exist_ok=True)
        for pattern in ("*.nbi", "*.nbc"):
            for compiled in folder.rglob(f"__pycache__/{pattern}"):
                compiled.unlink(missing_ok=True)
        stamp.write_text(state, encoding="ascii")


def _provide_cache() -> None:
    """Make sure that numba finds a place for compiled code; without one it refuses to start."""
    try:
        numba.njit(cache=True)(_nothing)
    except RuntimeError:
        user = os.getuid() if hasattr(os, "getuid") else 0
        folder = os.path.join(tempfile.gettempdir(), f"friedel-{user}")
        os.makedirs(folder, 0o700, exist_ok=True)
        status = os.stat(folder)
        if status.st_uid != user or status.st_mode & 0o077:  # it might hold someone else's code
            folder = tempfile.mkdtemp(prefix="friedel-")
        os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = folder


def _start_numba_without_blas() -> None:
    """Let numba load without SciPy's linear algebra, a seventh of the time of a small job.

    It looks for the BLAS when it starts, though it needs it only to compile products of matrices,
    and then looks again. No kernel has any.
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


_drop_stale_code(Path(__file__).parent)
_provide_cache()
with suppress(
    ImportError, AttributeError
):  # of a numba with other modules, which starts as it likes
    _start_numba_without_blas()
