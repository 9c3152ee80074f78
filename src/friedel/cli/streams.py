"""Standard input and output in place of a file: ``-`` on the command line."""

import sys
from pathlib import Path
from typing import Any

import click

from friedel.errors import FileFormatError, OutputError, ParameterError

STDIN = "\x1astdin"
"""What stands for ``-`` in ``-:LABELS`` until the file is there."""

SHOWN = "friedel.stdin"
"""Key of click's `ctx.meta` for the path of the file that holds standard input."""

STDOUT = "friedel.file"
"""Key of click's `ctx.meta` for the path of the file whose content goes to standard output."""

TAKEN = "friedel.stdout"
"""Key of click's `ctx.meta` for whether standard output takes a file."""

STDIN_KIND = click.Option(
    ["--stdin-as"],
    metavar="ENDING",
    help="Kind of the file that - reads from standard input, by an ending such as pdb, cif, mtz, "
    "hkl; default: as its content tells.",
)

SIGNATURES = ((0, b"MTZ ", ".mtz"), (208, b"MAP ", ".map"), (0, b"\x1f\x8b", ".gz"))
"""Offsets and bytes by which binary files are recognised, and their endings."""


def with_stdin(value: Any, kind: str | None, context: click.Context) -> Any:
    """The value of an argument, with the path of a file that holds standard input for ``-``.

    Raises
    ------
    FileFormatError
        When standard input is a terminal or empty.
    ParameterError
        When it is asked for twice.
    """
    if isinstance(value, tuple):
        return tuple(with_stdin(x, kind, context) for x in value)
    if value == "-":
        return _spooled(kind, context)
    if isinstance(value, str) and value.startswith(STDIN):
        return _spooled(kind, context) + value.removeprefix(STDIN)
    return value


def _spooled(kind: str | None, context: click.Context) -> str:
    """Standard input as a file, which is removed when the command ends."""
    if SHOWN in context.meta:
        raise ParameterError("standard input (-) can be one file only; it was given twice")
    if sys.stdin is None or sys.stdin.isatty():
        raise FileFormatError("standard input (-) is a terminal, expected a file or a pipe")
    import shutil

    folder = temporary_folder(context)
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with path.open("rb") as file:
        begin = file.read(212)
    if not begin:
        raise FileFormatError("standard input (-) is empty")
    ending = f".{kind.lstrip('.')}" if kind else ending_of(begin)
    named = path.rename(folder / f"stdin{ending}")
    context.meta[SHOWN] = str(named)
    return str(named)


def temporary_folder(context: click.Context) -> Path:
    """A folder of this command's own, removed when it ends."""
    import tempfile

    root = context.find_root()
    folder = tempfile.TemporaryDirectory(prefix="friedel-", ignore_cleanup_errors=True)
    root.call_on_close(folder.cleanup)
    return Path(folder.name)


def ending_of(begin: bytes) -> str:
    """The ending of files that begin so, as far as it tells more than the content does."""
    for offset, signature, ending in SIGNATURES:
        if begin[offset : offset + len(signature)] == signature:
            return ending
    return ".cif" if begin.lstrip().lower().startswith(b"data_") else ""


def readable(text: str) -> str:
    """A message that names standard input or output, not the files that stand for them."""
    context = click.get_current_context(silent=True)
    for key, name in ((SHOWN, "standard input"), (STDOUT, "standard output")):
        if context is not None and key in context.meta:
            text = text.replace(context.meta[key], name)
    return text


def take_stdout(context: click.Context, option: str, *, is_binary: bool) -> None:
    """Reserve standard output for one file: all other text goes to standard error.

    Raises
    ------
    OutputError
        When it is reserved already, or a terminal that would get a binary file.
    """
    if TAKEN in context.meta:
        raise OutputError(
            f"standard output (-) can take one file: got {context.meta[TAKEN]} and {option}"
        )
    if is_binary and sys.stdout.isatty():
        raise OutputError(
            f"{option} - would write a binary file to the terminal: send it to a file or a pipe"
        )
    context.meta[TAKEN] = option


def is_stdout_taken() -> bool:
    """Whether standard output takes a file, and nothing else may be printed there."""
    context = click.get_current_context(silent=True)
    return context is not None and TAKEN in context.meta


def copy_to_stdout(path: str) -> None:
    """Copy a file to standard output."""
    import shutil

    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    with open(path, "rb") as file:
        if binary is None:
            sys.stdout.write(file.read().decode())
        else:
            shutil.copyfileobj(file, binary)
            binary.flush()
