"""Names of files: as they are printed, and whether something has them."""

import os
from os import PathLike
from pathlib import Path

LONGEST_SHOWN = 200
"""Number of characters from which on a name is printed in short."""


def shown(path: str | PathLike[str]) -> str:
    r"""A path as printed in messages: control characters as escapes, very long ones in short.

    A newline would break a message in two, and ESC sequences change the settings of a terminal.
    Bytes that are not text become ``\udc80`` and the like.
    """
    text = printable(os.fspath(path))
    if len(text) > LONGEST_SHOWN:
        half = LONGEST_SHOWN // 2
        text = f"{text[:half]}...{text[-half:]}"
    return text


def printable(text: str) -> str:
    """Text with the characters that cannot be printed as escapes."""
    if text.isprintable():
        return text
    escape = "unicode_escape"
    return "".join(x if x.isprintable() else x.encode(escape).decode("ascii") for x in text)


def shown_name(path: str | PathLike[str]) -> str:
    """The last part of a path, as :func:`shown` gives it."""
    return shown(Path(path).name)


def exists(path: str | PathLike[str]) -> bool:
    """Whether there is a file or folder of this name; false for names that no file can have."""
    try:
        os.stat(path)
    except (OSError, ValueError):  # a name that is too long, or contains a null character
        return False
    return True


def is_same_file(first: str | PathLike[str], second: str | PathLike[str]) -> bool:
    """Whether two names lead to one file, by links too; the file need not exist."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        pass
    try:
        return os.path.realpath(first) == os.path.realpath(second)
    except (OSError, ValueError):
        return os.fspath(first) == os.fspath(second)
