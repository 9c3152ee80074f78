"""Output files: written completely or not at all, and replaced only if requested.

Files are written under a temporary name in the same folder and renamed when complete.
"""

import os
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

from friedel.errors import OutputError


def check_output(path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """The path, after checking that a file can be written there.

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
        raise OutputError(f"{fspath(path)} exists; to replace it use overwrite=True (--overwrite)")
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
    temporary = target.with_name(f".{os.urandom(8).hex()}{target.suffix}")
    try:
        # The mode of new files is set by the system, according to the umask of the process
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        write(str(temporary))
        if overwrite:
            os.replace(temporary, target)
        else:
            _give_new_name(temporary, target)
    except FileExistsError:
        raise OutputError(
            f"{fspath(path)} exists; to replace it use overwrite=True (--overwrite)"
        ) from None
    except OSError as error:
        raise OutputError(f"cannot write {fspath(path)}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """Write text completely or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    write_atomically(
        path, lambda name: Path(name).write_text(text, encoding="utf-8"), overwrite=overwrite
    )


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
