"""Compiled code and where it is kept: in a folder named after what all kernels do together.

Numba looks at the file of a kernel and not at those of the kernels that it calls, which are part of
its code. Here a kernel that changes takes the whole folder with it: code of any other state
of the kernels lies in another folder, wherever that is. Comments, docstrings and lines do
not count.
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
"""States of the kernels whose code is kept in one place, those used last; some 10 MB each."""

_HAS_DOCSTRING = 0x4000000
"""Flag of functions since Python 3.13; before that the first constant is a docstring or None."""


def njit(*, cache: bool = True, **options: object) -> Callable[[Callable], Callable]:
    """``numba.njit``, whose compiled code is found again as long as no kernel changes.

    Parameters
    ----------
    cache
        Whether compiled code is kept on disk.
    options
        As of ``numba.njit``.
    """

    def compiled(function: Callable) -> Callable:
        kernel = numba.njit(**options)(function)
        if cache and FOLDER is not None and hasattr(kernel, "enable_caching"):
            kernel._cache = _KernelCache(function)  # as its enable_caching does
        return kernel

    return compiled


class _KernelCache(FunctionCache):
    """Numba's cache of a function, in the folder of all kernels.

    A disk that is full, or a folder that went away, costs a compilation and nothing else.
    """

    def load_overload(self, sig, target_context):
        with suppress(OSError):
            return super().load_overload(sig, target_context)

    def save_overload(self, sig, data):
        with suppress(OSError):
            super().save_overload(sig, data)


class _Files(CompileResultCacheImpl):
    """Which files hold the code of a kernel, whatever numba's settings say of other functions."""

    def __init__(self, function):
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function)
        name = f"{function.__module__.removeprefix('friedel.kernels.')}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


_KernelCache._impl_class = _Files


class _Locator:
    """What numba's caches ask: where, of which state, and how to tell apart what has one name."""

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
    """A name for what the modules in `folder` do: no other state of them has it.

    None where there are no sources, as in an archive: then nothing can be said of their state.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    paths = sorted(folder.rglob("*.py"))
    for path in paths:
        # as Python loads them, from its own compiled code where that is fresh
        code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
        digest.update(repr(path.relative_to(folder).parts).encode() + _effect(code))
    return digest.hexdigest() if paths else None


def _effect(code: CodeType | None) -> bytes:
    """All of `code` but its lines, its docstring and the place of its file."""
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
        inner = b"".join(sorted(map(_constant, value)))  # whose order changes with the process
    else:
        inner = repr(value).encode()
    return b"(%s %d %s)" % (type(value).__name__.encode(), len(inner), inner)


def _provide_folder(state: str | None) -> Path | None:
    """A folder for the code of this state that can be written to, or None."""
    if state is None:
        return None
    for base in _places():
        folder = base / f"friedel-kernels-{state}"
        with suppress(OSError):
            is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                os.utime(folder)  # used last
                if is_new:
                    _drop_folders(base)
                return folder
    return None


def _places() -> Iterator[Path]:
    """Where compiled code may go: the first that can be written to is taken."""
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
        if status.st_uid == user and not status.st_mode & 0o077:  # else it may be another's code
            yield folder
    with suppress(OSError):
        yield Path(tempfile.mkdtemp(prefix="friedel-"))


def _drop_folders(base: Path) -> None:
    """Remove the code of all states but the :data:`FOLDERS_KEPT` used last."""
    from shutil import rmtree

    name = re.compile(rf"friedel-kernels-[0-9a-f]{{{2 * DIGEST_SIZE}}}")
    folders = [folder for folder in base.iterdir() if name.fullmatch(folder.name)]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[FOLDERS_KEPT:]:
        rmtree(folder, ignore_errors=True)


FOLDER = _provide_folder(state_of(KERNELS))
"""Where the compiled code of these kernels is kept; None where there is no place for it."""
