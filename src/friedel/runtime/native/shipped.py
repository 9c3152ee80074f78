"""Machine code that a platform wheel contains, for levels of processors: nothing is compiled.

It is made by `tools/platform_wheel.py`, and depends neither on the version of Python nor on those
of numpy, numba and llvmlite: it reads objects of numpy by its binary interface, which all versions
since 1.7 have in common, the start of a tuple's elements is told by the loader, functions of Python
are those of the stable interface, and object files have the format of the system.
"""

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from friedel.runtime.native.kept import DIGEST_SIZE, blake2b, file_name, is_trusted

FOLDER = "machine_code"
"""Its folder beside the kernels, with a folder for each level."""

_V3 = frozenset(
    {
        *("cx16", "sahf", "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2"),
        *("bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"),
    }
)
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
LEVELS = {"x86-64-v4": _V4, "x86-64-v3": _V3}
"""Levels of the psABI of x86-64, best first, and the features that LLVM must find for each."""


def places(sources: Path, name: str, types: str) -> Iterator[tuple[Path, str]]:
    """Where code of a kernel for this processor may be, best first, with the keys of the files.

    Parameters
    ----------
    sources
        The folder of the modules that contain the kernels.
    name, types
        The kernel, and the text of the types of its arguments.
    """
    for level in usable_levels(sources):
        yield place(sources, name, types, level)


def place(sources: Path, name: str, types: str, level: str) -> tuple[Path, str]:
    """The file for a kernel and a level, and its key: everything that the code depends on.

    The key contains a hash of the sources: what is edited after the installation is compiled anew.
    """
    layout = (sys.platform, sys.implementation.name, object.__basicsize__, float.__basicsize__)
    key = repr((name, types, level, *layout, _hash_of_sources(sources)))
    return sources / FOLDER / level / file_name(name, key), key


@functools.cache
def usable_levels(sources: Path) -> tuple[str, ...]:
    """The levels that this processor has and whose code is there and can be trusted."""
    folder = sources / FOLDER
    if not folder.is_dir() or not is_trusted(folder):
        return ()
    found = []
    for level in levels_here():
        of_level = folder / level
        if of_level.is_dir() and is_trusted(of_level):
            found.append(level)
    return tuple(found)


def levels_here() -> list[str]:
    """The levels of this processor, best first; if NUMBA_CPU_NAME is set, no other than that."""
    import llvmlite.binding as llvm

    asked_for = os.environ.get("NUMBA_CPU_NAME")
    if os.environ.get("NUMBA_CPU_FEATURES"):
        return []
    here = {feature for feature, is_here in llvm.get_host_cpu_features().items() if is_here}
    return [
        level
        for level, needed in LEVELS.items()
        if needed <= here and asked_for in (None, "", level)
    ]


@functools.cache
def _hash_of_sources(sources: Path) -> str:
    """A hash of the text of the kernels and of what compiles them."""
    found = blake2b(digest_size=DIGEST_SIZE)
    for folder in (sources, Path(__file__).parent):
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.ll")]):
            content = path.read_bytes()
            found.update(repr((path.relative_to(folder).parts, len(content))).encode())
            found.update(content)
    return found.hexdigest()
