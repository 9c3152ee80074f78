"""Output files: written completely or not at all, and replaced only if requested.

Files are written under a temporary name in the same folder and renamed when complete. A symbolic
link is followed: the file it leads to is written. A file that is replaced passes on its mode, and
its owner where the system allows it.
"""

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path

from friedel.errors import OutputError
from friedel.runtime.paths import exists, is_same_file, shown

NEW_FILE, PRIVATE = 0o666, 0o600
"""Modes with which files are created, before the umask: new ones, and those that replace one."""


def check_output(
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | PathLike[str]] = (),
) -> Path:
    """The path of the file itself, symbolic links followed, after checking that it can be written.

    Parameters
    ----------
    inputs
        Files that are read, none of which may be replaced.

    Raises
    ------
    OutputError
        When the name is empty or too long, the folder is missing or not writable, the path is
        not that of a file, the file is one of the inputs, or it exists and `overwrite` is false.
    """
    name = shown(path)
    if not os.fspath(path):
        raise OutputError("got an empty name for an output file, expected the name of a file")
    for source in inputs:
        if is_same_file(path, source):
            raise OutputError(f"cannot write {name}: it is an input, {shown(source)}")
    try:
        target = Path(os.path.realpath(path))
        found = stat.S_IFMT(os.lstat(target).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        found = 0
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {name}: {reason}") from None
    if found == stat.S_IFDIR:
        raise OutputError(f"cannot write {name}: it is a folder")
    if found == stat.S_IFLNK:
        raise OutputError(f"cannot write {name}: it is a link that leads to itself")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {name}: no folder {shown(target.parent)}")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"cannot write {name}: no permission in {shown(target.parent)}")
    if found and found != stat.S_IFREG:
        raise OutputError(f"cannot write {name}: it is not a file but a device, pipe or socket")
    if found and not overwrite:
        raise _exists(path)
    return target


def write_atomically(
    path: str | PathLike[str], write: Callable[[str], object], *, overwrite: bool = False
) -> None:
    """Call ``write(temporary_name)``, then rename the file to `path`.

    A file that another process creates there meanwhile is kept, unless `overwrite` is true.

    Raises
    ------
    OutputError
        When the file cannot be written, as on a full disk, or exists and `overwrite` is false.
    """
    target = check_output(path, overwrite=overwrite)
    # The suffix tells some writers the format; the name is short where that of the file is long
    temporary = target.with_name(f".{os.urandom(8).hex()}{target.suffix[:16]}")
    try:
        replaced = os.stat(target) if exists(target) else None
        mode = NEW_FILE if replaced is None else PRIVATE
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        write(str(temporary))
        if replaced is not None:
            _pass_on(replaced, temporary)
        if overwrite:
            os.replace(temporary, target)
        else:
            _give_new_name(temporary, target)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise OutputError(f"cannot write {shown(path)}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """Write text completely or not at all; bytes of names that are not text become escapes.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """

    def write(name: str) -> None:
        Path(name).write_text(text, encoding="utf-8", errors="backslashreplace")

    write_atomically(path, write, overwrite=overwrite)


def _exists(path: str | PathLike[str]) -> OutputError:
    return OutputError(f"{shown(path)} exists; to replace it use overwrite=True (--overwrite)")


def _pass_on(replaced: os.stat_result, temporary: Path) -> None:
    """Give a file the owner, the group and the mode of that which it replaces."""
    for owner, group in ((-1, replaced.st_gid), (replaced.st_uid, -1)):
        # Only the system's administrator may give files away; without os.chown there are no owners
        with suppress(OSError, AttributeError):
            os.chown(temporary, owner, group)
    os.chmod(temporary, stat.S_IMODE(replaced.st_mode))  # last: a new owner takes some bits away


def _give_new_name(temporary: Path, target: Path) -> None:
    """Rename a file without replacing an existing one, as a plain rename would.

    Raises
    ------
    FileExistsError
        When `target` exists.
    """
    try:
        os.link(temporary, target)
        return
    except FileExistsError:
        raise
    except OSError:
        pass  # a file system without hard links
    # An empty file reserves the name until the rename
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    os.replace(temporary, target)
