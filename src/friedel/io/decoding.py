"""Files whose text cannot be decoded: found only when some text of theirs is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

from friedel.errors import FileFormatError


@contextmanager
def decoded(path: str | PathLike[str]) -> Iterator[None]:
    """Where text of a file is looked at through gemmi.

    Raises
    ------
    FileFormatError
        When it is not UTF-8.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise FileFormatError(f"{fspath(path)} has text that is not UTF-8") from None
