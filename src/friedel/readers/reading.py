"""Files as text, and all exceptions of readers as FileFormatError."""

import codecs
import gzip
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

from friedel.errors import FileFormatError, FriedelError, MemoryLimitError
from friedel.notes import Note
from friedel.runtime.memory import MEMORY_SHARE, as_gib, available_memory, check_memory
from friedel.runtime.paths import exists, printable, shown

COPIES_OF_FILE = 3
"""Memory that reading needs at least, as a multiple of the file's size: bytes, text, and what
becomes of them."""

LARGEST_RATIO = 1032
"""Largest ratio of compression by gzip."""

PIECE = 2**22
"""Number of bytes that are decompressed at a time."""

MTZ = b"MTZ "
"""First bytes of MTZ files."""

GZIP = b"\x1f\x8b"
"""First bytes of gzipped files."""

CONTROL = re.compile("[\\x00-\\x08\\x0e-\\x19\\x1b-\\x1f\\x7f]")
"""Characters that text of data does not have; form feeds, and Ctrl-Z at the end, are found."""

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
    if not exists(path):
        raise FileFormatError(f"no such file: {shown(path)}")
    try:
        yield
    except FriedelError:
        raise
    except Exception as error:
        reason = printable(str(error).splitlines()[0]) if str(error) else type(error).__name__
        raise FileFormatError(f"cannot read {shown(path)} as {what}: {reason}") from None


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
        raise FileFormatError(f"{shown(path)} has text that is not UTF-8") from None


def check_file(path: str | PathLike[str]) -> None:
    """Check, before gemmi reads a file itself, that it can, and that the content fits into memory.

    Raises
    ------
    FileFormatError
        When the name is not UTF-8, which gemmi needs.
    MemoryLimitError
        When its content, decompressed if it is gzipped, needs more memory than there is.
    """
    try:
        fspath(path).encode()
    except UnicodeEncodeError:
        raise FileFormatError(f"cannot read {shown(path)}: its name is not UTF-8") from None
    size = os.path.getsize(path)
    if not _is_gzipped(path):
        check_memory(COPIES_OF_FILE * size, f"the content of {shown(path)}")
    elif COPIES_OF_FILE * size * LARGEST_RATIO > MEMORY_SHARE * available_memory():
        for _ in _unpacked(path):
            pass


def read_bytes(path: str | PathLike[str], size: int = -1) -> bytes:
    """The first `size` bytes of a file, or all of them, decompressed if it is gzipped.

    Raises
    ------
    MemoryLimitError
        When all of them need more memory than there is.
    """
    is_gzipped = _is_gzipped(path)
    if is_gzipped and size < 0:
        return b"".join(_unpacked(path))
    if size < 0:
        check_memory(COPIES_OF_FILE * os.path.getsize(path), f"the content of {shown(path)}")
    with gzip.open(path) if is_gzipped else open(path, "rb") as file:
        return file.read(size)


def _is_gzipped(path: str | PathLike[str]) -> bool:
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


def _unpacked(path: str | PathLike[str]) -> Iterator[bytes]:
    """The decompressed content of a gzipped file in pieces, as far as it fits into memory.

    Raises
    ------
    MemoryLimitError
        When it does not fit.
    """
    available = MEMORY_SHARE * available_memory()
    size = 0
    with gzip.open(path) as file:
        while piece := file.read(PIECE):
            size += len(piece)
            if COPIES_OF_FILE * size > available:
                raise MemoryLimitError(
                    f"{shown(path)} has more than {as_gib(size)} when decompressed, which need "
                    f"{as_gib(COPIES_OF_FILE * size)} of memory; {as_gib(available)} are available"
                )
            yield piece


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


def check_characters(text: str, name: str) -> None:
    """Raise an error for text with control characters, which no format has.

    A stretch of zeros or of other bytes in a damaged file otherwise hides the lines in it.

    Raises
    ------
    FileFormatError
        When there are some; the message gives the line.
    """
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise FileFormatError(f"{name} is damaged: line {line} has the character {found[0]!r}")


def about_end(text: str, name: str) -> tuple[Note, ...]:
    """A note on text that ends within a line, as that of a file that was cut off."""
    if not text or text.endswith(("\n", "\r", "\x1a")):
        return ()
    return (Note(f"{name} ends within a line: it may have been cut off", "warning"),)


def about_end_of_cif(text: str, name: str) -> tuple[Note, ...]:
    """The same for a CIF, whose last line may be a comment or end a text."""
    last = text[text.rfind("\n") + 1 :]
    return () if last.startswith(("#", ";")) else about_end(text, name)


def looks_like_cif(text: str) -> bool:
    """Whether the first line that is not a comment begins a CIF block."""
    first = re.search(r"^[ \t]*([^#\s].*)$", text, re.MULTILINE)
    return first is not None and first[1].lower().startswith("data_")


def split_labels(text: str) -> tuple[str, tuple[str, ...]]:
    """``"file.mtz:FP,SIGFP"`` -> ``("file.mtz", ("FP", "SIGFP"))``.

    The name of a file that exists is never divided, such as ``"run.mtz:2.mtz"``.
    """
    ending = r"(?<=.)\.(?:mtz|cif|mmcif|ent|fcf|hkl|sca|cv|fobs|nxs|nx5|h5)(?:\.gz)?(?=:[^\\]+$)"
    paths = [text[: match.end()] for match in re.finditer(ending, text, re.IGNORECASE)]
    if not paths or exists(text):
        return text, ()
    path = next(filter(exists, reversed(paths)), paths[0])
    labels = re.split("[:,]", text[len(path) + 1 :])
    return path, tuple(label for label in labels if label)
