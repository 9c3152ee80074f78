"""Files with the machine code of kernels, in a folder named by a hash of all kernels.

The code of a kernel contains that of the kernels that it calls. A change of any kernel changes the
folder: code of another version of the kernels is in another folder. Comments, docstrings and line
numbers have no effect.

Each kernel has one file per combination of types, which is complete or absent, and is checked when
it is read: processes may compile the same kernel at the same time, or be killed.
"""

import functools
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import PathFinder, SourceFileLoader
from inspect import CO_VARARGS, CO_VARKEYWORDS
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

FOLDERS_KEPT = 8
"""Number of versions of the kernels whose code is kept, those used last; some MB each."""

DIGEST_SIZE = 10

_HAS_DOCSTRING = 0x4000000
"""Code flag since Python 3.13; before that the first constant is a docstring or None."""


class Kept(NamedTuple):
    """The machine code of a kernel for one combination of types.

    Attributes
    ----------
    symbol
        Name of the function in the code.
    result
        What it returns: layout as for :mod:`struct`; for each element None if it is a number, or
        dtype and dimensions of an array; whether it is a tuple. None if it returns nothing.
    symbols
        Functions of other libraries that it calls.
    code
        An object file.
    """

    symbol: str
    result: tuple[str, list[Any], bool] | None
    symbols: list[str]
    code: bytes

    def as_bytes(self, key: str) -> bytes:
        """A checksum, what the code was compiled for, and the code."""
        head = json.dumps([key, *self[:-1]]).encode()
        content = head + b"\n" + self.code
        return digest(content).encode() + b"\n" + content


def from_bytes(data: bytes, key: str) -> Kept | None:
    """What :meth:`Kept.as_bytes` made; None if it is damaged, or was made for another key."""
    checksum, _, content = data.partition(b"\n")
    if checksum != digest(content).encode():
        return None
    head, _, code = content.partition(b"\n")
    kept_for, symbol, result, symbols = json.loads(head)
    return Kept(symbol, result, symbols, code) if kept_for == key else None


class Store:
    """The files for one version of the kernels.

    A full disk, or a folder that was deleted, only costs a compilation.

    Parameters
    ----------
    sources
        The folder of the modules that contain the kernels.
    """

    def __init__(self, sources: Path):
        self.sources = sources
        self.folder, self._others = find_folders(state_of(sources, Path(__file__).parent), sources)
        """Folder for code that is compiled; None if no folder is writeable."""

    def read(self, name: str, types: str) -> Kept | None:
        """The code of a kernel for these types; None if none is kept."""
        key = self.key(name, types)
        for path in self.paths(name, types):
            with suppress(OSError):
                kept = from_bytes(path.read_bytes(), key)
                if kept is not None:
                    return kept
        return None

    def write(self, name: str, types: str, data: bytes) -> bool:
        """Keep :meth:`Kept.as_bytes`; whether this was possible.

        The file is written under another name first, so that it is complete or absent.
        """
        if self.folder is None:
            return False
        path = self.paths(name, types)[0]
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(suffix=".tmp", dir=path.parent)
        except OSError:
            return False
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(unfinished, path)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(unfinished)
            if isinstance(error, OSError):
                return False
            raise
        return True

    def paths(self, name: str, types: str) -> list[Path]:
        """Where the file for a kernel and types may be; the first is where it is written to."""
        short = ".".join(name.split(".")[2:])
        file = f"{short}-{digest(self.key(name, types).encode())}.kernel"
        return [folder / file for folder in (self.folder, *self._others) if folder is not None]

    @staticmethod
    def key(name: str, types: str) -> str:
        """Everything that the code depends on, except the kernels, which the folder stands for."""
        return repr((name, types, *environment()))


@functools.cache
def environment() -> tuple[object, ...]:
    """Processor, versions, and offsets in Python's objects, which machine code depends on."""
    import llvmlite
    import llvmlite.binding as llvm

    cpu = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    offsets = object.__basicsize__, tuple.__basicsize__, float.__basicsize__
    return (
        llvm.get_process_triple(),
        cpu,
        features,
        llvmlite.__version__,
        numba_version(),
        offsets,
    )


def numba_version() -> str:
    """The version of numba, which is not imported; empty if it is not installed."""
    spec = PathFinder.find_spec("numba")
    if spec is None or spec.origin is None:
        return ""
    text = Path(spec.origin).with_name("_version.py").read_text(encoding="utf-8")
    found = re.search(r'"version": "([^"]+)"', text)
    return found[1] if found else digest(text.encode())


def digest(data: bytes) -> str:
    """A short hash."""
    return hashlib.blake2b(data, digest_size=DIGEST_SIZE).hexdigest()


def state_of(*folders: Path) -> str | None:
    """A hash of the code of the modules in some folders.

    None if there are no sources, as in an archive: then their version is unknown.
    """
    state = hashlib.blake2b(digest_size=DIGEST_SIZE)
    for folder in folders:
        paths = sorted([*folder.rglob("*.py"), *folder.rglob("*.ll")])
        if not paths:
            return None
        for path in paths:
            state.update(repr(path.relative_to(folder).parts).encode())
            if path.suffix == ".py":
                # as Python loads them, from its own compiled code if up to date
                state.update(_effect(SourceFileLoader(path.stem, str(path)).get_code(path.stem)))
            else:
                state.update(path.read_bytes())
    return state.hexdigest()


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


def find_folders(state: str | None, sources: Path) -> tuple[Path | None, list[Path]]:
    """A writeable folder for the code of this version, or None, and others that contain code."""
    others: list[Path] = []
    for base in _candidate_folders(sources) if state else ():
        folder = base / f"friedel-kernels-{state}"
        with suppress(OSError):
            is_new = not folder.exists()
            if is_new:
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not _is_trusted(folder):
                continue
            if os.access(folder, os.W_OK | os.X_OK):
                os.utime(folder)  # marks it as used last
                if is_new:
                    _drop_folders(base)
                return folder, others
            others.append(folder)
    return None, others


def _candidate_folders(sources: Path) -> Iterator[Path]:
    """Candidate folders for compiled code: the first that can be used is."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"])
    yield sources / "__pycache__"
    with suppress(RuntimeError):  # without a home
        cache = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        yield Path(cache).expanduser() / "friedel"
    with suppress(OSError):
        folder = Path(tempfile.gettempdir(), f"friedel-{_user()}")
        folder.mkdir(0o700, exist_ok=True)
        if _is_trusted(folder):
            yield folder
    with suppress(OSError):
        yield Path(tempfile.mkdtemp(prefix="friedel-"))


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _is_trusted(folder: Path) -> bool:
    """Whether nobody but this user and root can have written the code in a folder."""
    status = folder.stat()
    return os.name == "nt" or (status.st_uid in (0, _user()) and not status.st_mode & 0o022)


def _drop_folders(base: Path) -> None:
    """Remove the code of all versions except the :data:`FOLDERS_KEPT` used last."""
    from shutil import rmtree

    name = re.compile(rf"friedel-kernels-[0-9a-f]{{{2 * DIGEST_SIZE}}}")
    folders = [folder for folder in base.iterdir() if name.fullmatch(folder.name)]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[FOLDERS_KEPT:]:
        rmtree(folder, ignore_errors=True)
