"""Files as text, and the exceptions of gemmi's readers as FileFormatError."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

from friedel.errors import FileFormatError, FriedelError


@contextmanager
def reading(path: str | PathLike[str], what: str) -> Iterator[None]:
    """Context for calls of gemmi's readers, whose parsers raise many types of exceptions.

    Parameters
    ----------
    what
        Expected content of the file, such as ``"a CCP4 map"``.

    Raises
    ------
    FileFormatError
        When the file cannot be read, for any reason.
    """
    try:
        yield
    except FriedelError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"cannot read {fspath(path)} as {what}: {reason}") from None


@contextmanager
def decoded(path: str | PathLike[str]) -> Iterator[None]:
    """Context for access to text of a file through gemmi, which decodes it on access.

    Raises
    ------
    FileFormatError
        When it is not UTF-8.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise FileFormatError(f"{fspath(path)} has text that is not UTF-8") from None


def read_text(path: Path) -> str:
    """The text of a file, decompressed if it is gzipped: UTF-8, or else Latin-1.

    Raises
    ------
    FileFormatError
        When it is missing or cannot be read.
    """
    if not path.exists():
        raise FileFormatError(f"no such file: {fspath(path)}")
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"cannot read {fspath(path)}: {error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
