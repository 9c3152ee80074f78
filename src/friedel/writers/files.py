"""Output files: complete or absent, and never replaced unless that is asked for.

Files are written under a temporary name and renamed when complete.
"""

import os
import tempfile
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

from friedel.errors import OutputError


def check_output(path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """The path, if a file may be written there.

    Raises
    ------
    OutputError
        When the folder is missing or not writable, or the file exists and `overwrite` is false.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {fspath(path)}: it is a folder")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {fspath(path)}: no folder {fspath(target.parent)}")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"cannot write {fspath(path)}: no permission in {fspath(target.parent)}")
    if target.exists() and not overwrite:
        raise OutputError(f"{fspath(path)} exists; it is not overwritten unless that is asked for")
    return target


def write_atomically(
    path: str | PathLike[str], write: Callable[[str], object], *, overwrite: bool = False
) -> None:
    """Call ``write(temporary_name)``, then give the result its name.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    target = check_output(path, overwrite=overwrite)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=target.suffix)
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {fspath(path)}: {error}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_text(path: str | PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """Write text, whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    write_atomically(
        path, lambda name: Path(name).write_text(text, encoding="utf-8"), overwrite=overwrite
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
