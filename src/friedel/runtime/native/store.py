"""Files with the machine code of kernels, in a folder named by a hash of all kernels.

The code of a kernel contains that of the kernels that it calls. A change of any kernel changes the
folder: code of another version of the kernels is in another folder. Comments, docstrings and line
numbers have no effect, except the line where a class begins, since Python 3.13.

Each kernel has one file per combination of types, which is complete or absent, and is checked when
it is read: processes may compile the same kernel at the same time, or be killed.
"""

import functools
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

from friedel.runtime.native.kept import (
    DIGEST_SIZE,
    Kept,
    blake2b,
    digest,
    file_name,
    from_bytes,
    is_trusted,
    user_number,
)
from friedel.runtime.native.shipped import places

FOLDERS_KEPT = 8
"""Number of versions of the kernels whose code is kept, those used last; some MB each."""

_HAS_DOCSTRING = 0x4000000
"""Code flag since Python 3.14; before that the first constant is a docstring or None."""


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

    @functools.cached_property
    def _folders(self) -> tuple[Path | None, list[Path]]:
        return find_folders(state_of(self.sources, Path(__file__).parent), self.sources)

    @property
    def folder(self) -> Path | None:
        """Folder for code that is compiled; None if no folder is writeable."""
        return self._folders[0]

    def read(self, name: str, types: str) -> Kept | None:
        """The code of a kernel for these types; None if none is kept."""
        for path, key in self._places(name, types):
            with suppress(OSError):
                kept = from_bytes(path.read_bytes(), key)
                if kept is not None:
                    return kept
        return None

    def has(self, name: str, types: str) -> bool:
        """Whether there is a file for a kernel and types."""
        return any(path.exists() for path, _ in self._places(name, types))

    def _places(self, name: str, types: str) -> Iterator[tuple[Path, str]]:
        """Where the code of a kernel may be, with its key: first that of a platform wheel."""
        yield from places(self.sources, name, types)
        key = self.key(name, types)
        for path in self.paths(name, types):
            yield path, key

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
        """Where compiled code of a kernel may be; the first path is where it is written to."""
        file = file_name(name, self.key(name, types))
        folder, others = self._folders
        return [x / file for x in (folder, *others) if x is not None]

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
    offsets = object.__basicsize__, float.__basicsize__
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


def state_of(*folders: Path) -> str | None:
    """A hash of the code of the modules in some folders.

    None if there are no sources, as in an archive: then their version is unknown.
    """
    state = blake2b(digest_size=DIGEST_SIZE)
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
    if sys.version_info >= (3, 14):
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
            if not is_trusted(folder):
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
        folder = Path(tempfile.gettempdir(), f"friedel-{user_number()}")
        folder.mkdir(0o700, exist_ok=True)
        if is_trusted(folder):
            yield folder


def _drop_folders(base: Path) -> None:
    """Remove the code of all versions except the :data:`FOLDERS_KEPT` used last."""
    from shutil import rmtree

    name = re.compile(rf"friedel-kernels-[0-9a-f]{{{2 * DIGEST_SIZE}}}")
    folders = [folder for folder in base.iterdir() if name.fullmatch(folder.name)]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[FOLDERS_KEPT:]:
        rmtree(folder, ignore_errors=True)
