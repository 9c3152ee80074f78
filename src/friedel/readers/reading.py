"""What gemmi's readers and the objects they return may raise, in friedel's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

from friedel.errors import FileFormatError, FriedelError


@contextmanager
def reading(path: str | PathLike[str], what: str) -> Iterator[None]:
    """Where gemmi's readers are at work; they raise whatever their parsers met.

    Parameters
    ----------
    what
        The file is read as, such as ``"a CCP4 map"``.

    Raises
    ------
    FileFormatError
        Whatever went wrong: the file is unreadable.
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
    """Where text of a file is looked at through gemmi, which decodes it only then.

    Raises
    ------
    FileFormatError
        When it is not UTF-8.
    """
    try:
        yield
    except UnicodeDecodeError:
        raise FileFormatError(f"{fspath(path)} has text that is not UTF-8") from None
