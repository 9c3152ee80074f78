"""Loops compiled by numba: scalars and arrays in, arrays out; no objects, and never raise.

Compiled code is kept beside this file, or in the user's cache folder. Where neither can be
written to, as with a read-only installation and no home, it goes to a folder for temporary files.
"""

import os
import tempfile

import numba


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


def _nothing() -> None:
    pass


_provide_cache()
