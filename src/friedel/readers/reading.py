"""Files as text, and all exceptions of readers as FileFormatError."""

import codecs
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

from friedel.errors import FileFormatError, FriedelError

MTZ = b"MTZ "
"""First bytes of MTZ files."""

GZIP = b"\x1f\x8b"
"""First bytes of gzipped files."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the bytes with which their files begin."""


@contextmanager
def reading(path: str | PathLike[str], what: str) -> Iterator[None]:
    """Context for reading a file, as gemmi's parsers raise many types of exceptions.

    Parameters
    ----------
    what
        Expected content of the file, such as ``"a CCP4 map"``.

    Raises
    ------
    FileFormatError
        When the file does not exist, or cannot be read for any reason.
    """
    if not Path(path).exists():
        raise FileFormatError(f"no such file: {fspath(path)}")
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


def read_bytes(path: str | PathLike[str], size: int = -1) -> bytes:
    """The first `size` bytes of a file, or all of them, decompressed if it is gzipped."""
    with open(path, "rb") as file:
        is_gzipped = file.read(len(GZIP)) == GZIP
    with gzip.open(path) if is_gzipped else open(path, "rb") as file:
        return file.read(size)


def read_text(path: str | PathLike[str]) -> str:
    """The text of a file, decompressed if it is gzipped, without a byte order mark.

    Bytes that are not UTF-8 are taken as Latin-1.

    Raises
    ------
    FileFormatError
        When it is missing or cannot be read.
    """
    with reading(path, "text"):
        data = read_bytes(path)
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if data.startswith(mark):
                return data.decode(encoding, "replace")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")


def looks_like_cif(text: str) -> bool:
    """Whether the first line that is not a comment begins a CIF block."""
    first = re.search(r"^[ \t]*([^#\s].*)$", text, re.MULTILINE)
    return first is not None and first[1].lower().startswith("data_")
