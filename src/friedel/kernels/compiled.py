"""Cache of compiled code, in a folder named by a hash of all kernels.

Numba checks the file of a kernel but not those of the kernels that it calls, which are part of its
code. Here a change of any kernel changes the folder: code of another version of the kernels is in
another folder. Comments, docstrings and line numbers have no effect.
"""

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from inspect import CO_VARARGS, CO_VARKEYWORDS
from pathlib import Path
from types import CodeType

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache

KERNELS = Path(__file__).parent

FOLDERS_KEPT = 8
"""Number of versions of the kernels whose code is kept, those used last; some 10 MB each."""

_HAS_DOCSTRING = 0x4000000
"""Code flag since Python 3.13; before that the first constant is a docstring or None."""


def njit(*, cache: bool = True, **options: object) -> Callable[[Callable], Callable]:
    """``numba.njit`` with a cache that is valid as long as no kernel changes.

    Parameters
    ----------
    cache
        Whether compiled code is kept on disk.
    options
        Options of ``numba.njit``.
    """

    def compiled(function: Callable) -> Callable:
        kernel = numba.njit(**options)(function)
        if cache and FOLDER is not None and hasattr(kernel, "enable_caching"):
            kernel._cache = _KernelCache(function)  # as its enable_caching does
        return kernel

    return compiled


class _KernelCache(FunctionCache):
    """Numba's cache of a function, in the folder of all kernels.

    A full disk, or a folder that was deleted, only costs a compilation.
    """

    def load_overload(self, sig, target_context):
        with suppress(OSError):
            return super().load_overload(sig, target_context)

    def save_overload(self, sig, data):
        with suppress(OSError):
            super().save_overload(sig, data)


class _Files(CompileResultCacheImpl):
    """Files with the code of a kernel, independent of numba's settings for other functions."""

    def __init__(self, function):
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function)
        name = f"{function.__module__.removeprefix('friedel.kernels.')}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


_KernelCache._impl_class = _Files


class _Locator:
    """Locator for numba's caches: folder, version, and how to distinguish functions of one name."""

    def __init__(self, function):
        self._py_file = function.__code__.co_filename
        self._code = function.__code__

    def get_cache_path(self) -> str:
        return str(FOLDER)

    def ensure_cache_path(self) -> None:
        os.makedirs(self.get_cache_path(), exist_ok=True)

    def get_source_stamp(self) -> str:
        return self.get_cache_path()[-2 * DIGEST_SIZE :]

    def get_disambiguator(self) -> str:
        digest = hashlib.blake2b(digest_size=4)
        digest.update(_effect(self._code))
        return digest.hexdigest()


DIGEST_SIZE = 10


def state_of(folder: Path) -> str | None:
    """A hash of the code of the modules in `folder`.

    None if there are no sources, as in an archive: then their version is unknown.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    paths = sorted(folder.rglob("*.py"))
    for path in paths:
        # as Python loads them, from its own compiled code if up to date
        code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
        digest.update(repr(path.relative_to(folder).parts).encode() + _effect(code))
    return digest.hexdigest() if paths else None


def _effect(code: CodeType | None) -> bytes:
    """All of `code` except line numbers, docstring and file name."""
    if code is None:
        return b""
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and _begins_with_docstring(code):
        constants[0] = None
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    kinds = code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    head = repr((arguments, kinds, names, code.co_code, code.co_exceptiontable))
    return b"".join([head.encode(), *map(_constant, constants)])


def _begins_with_docstring(code: CodeType) -> bool:
    if code.co_name == "<module>":
        return code.co_names[:1] == ("__doc__",)
    if sys.version_info >= (3, 13):
        return bool(code.co_flags & _HAS_DOCSTRING)
    return code.co_name[0] != "<" and "__qualname__" not in code.co_names  # a function


def _constant(value: object) -> bytes:
    if isinstance(value, CodeType):
        inner = _effect(value)
    elif isinstance(value, tuple):
        inner = b"".join(map(_constant, value))
    elif isinstance(value, frozenset):
        # the order of a set changes with the process
        inner = b"".join(sorted(map(_constant, value)))
    else:
        inner = repr(value).encode()
    return b"(%s %d %s)" % (type(value).__name__.encode(), len(inner), inner)


def _provide_folder(state: str | None) -> Path | None:
    """A writeable folder for the code of this version, or None."""
    if state is None:
        return None
    for base in _candidate_folders():
        folder = base / f"friedel-kernels-{state}"
        with suppress(OSError):
            is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                os.utime(folder)  # marks it as used last
                if is_new:
                    _drop_folders(base)
                return folder
    return None


def _candidate_folders() -> Iterator[Path]:
    """Candidate folders for compiled code: the first that is writeable is used."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
    yield KERNELS / "__pycache__"
    with suppress(RuntimeError):  # without a home
        cache = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        yield Path(cache).expanduser() / "friedel"
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir(), f"friedel-{user}")
    with suppress(OSError):
        folder.mkdir(0o700, exist_ok=True)
        status = folder.stat()
        # otherwise another user may have written the code
        if status.st_uid == user and not status.st_mode & 0o077:
            yield folder
    with suppress(OSError):
        yield Path(tempfile.mkdtemp(prefix="friedel-"))


def _drop_folders(base: Path) -> None:
    """Remove the code of all versions except the :data:`FOLDERS_KEPT` used last."""
    from shutil import rmtree

    name = re.compile(rf"friedel-kernels-[0-9a-f]{{{2 * DIGEST_SIZE}}}")
    folders = [folder for folder in base.iterdir() if name.fullmatch(folder.name)]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[FOLDERS_KEPT:]:
        rmtree(folder, ignore_errors=True)


FOLDER = _provide_folder(state_of(KERNELS))
"""Folder with the compiled code of these kernels; None if no folder is writeable."""
