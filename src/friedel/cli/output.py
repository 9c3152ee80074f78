"""Output: printed text, files that a command writes, tables for people and for programs."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from friedel.cli.streams import (
    STDOUT,
    copy_to_stdout,
    is_stdout_taken,
    readable,
    take_stdout,
    temporary_folder,
)
from friedel.errors import OutputError
from friedel.runtime.paths import exists, is_same_file, printable, shown
from friedel.runtime.progress import LINE, Stage
from friedel.writers.files import write_text
from friedel.writers.formats import Format, format_of
from friedel.writers.json_files import plain, write_json
from friedel.writers.tables import csv_text


class OutputOption(click.Option):
    """An option that names a file to be written."""


class OutputArgument(click.Argument):
    """An argument that names a file to be written."""


OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace files that exist.")


QUIET, VERBOSE = "friedel.quiet", "friedel.verbose"
"""Keys of click's `ctx.meta` for ``--quiet`` and ``--verbose``."""


def asked_for(key: str) -> bool:
    """Whether ``--quiet`` or ``--verbose`` was given to the running command."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(key))


def echo(text: str, *, err: bool = False) -> None:
    """Print a line to stdout, or to stderr if `err`, with "A" for "Å" if the stream lacks it.

    Streams whose encoding lacks Å are ASCII ones, as in the C locale, and some Windows code pages.
    With ``--quiet`` nothing goes to stderr, and all text does where a file takes stdout.
    """
    err = err or is_stdout_taken()
    if err and asked_for(QUIET):
        return
    stream = sys.stderr if err else sys.stdout
    try:
        "Å".encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = text.replace("Å", "A")
    LINE.show("")
    click.echo(text, err=err)


def echo_notes(notes: Iterable[str]) -> None:
    """Print decisions made while reading to stderr, one line each."""
    for note in notes:
        echo(printable(readable(f"friedel: note: {note}")), err=True)


def echo_written(path: str, what: object = "") -> None:
    """Print the name of a file that was written, and what it holds, to stderr.

    The content of a file that stands for ``-`` is printed itself.
    """
    if click.get_current_context().meta.get(STDOUT) == path:
        copy_to_stdout(path)
    else:
        echo(f"wrote {shown(path)}" + (f": {what}" if what else ""), err=True)


def name_of(path: str) -> str:
    """The name of an output file in messages."""
    context = click.get_current_context()
    return "standard output" if context.meta.get(STDOUT) == path else shown(path)


@contextmanager
def stage(text: str) -> Iterator[Stage]:
    """A part of the work, named on a terminal while it lasts, and timed with ``--verbose``."""
    start = time.perf_counter()
    with LINE.stage(text) as now:
        yield now
    if asked_for(VERBOSE):
        echo(f"friedel: {readable(text)}: {time.perf_counter() - start:.2f} s", err=True)


def command_line() -> str:
    """The running command as typed in a shell, for the history of files."""
    return shlex.join(["friedel", *map(str, click.get_current_context().obj or ())])


@dataclass(frozen=True)
class Output:
    """A kind of file that a command writes.

    Parameters
    ----------
    option
        Option that names the file: ``"--to-mtz"``.
    text
        Text of the help.
    writer
        Called with what the command has calculated, the path, and `overwrite` by name.
    endings
        Endings of file names for which ``--output`` chooses this kind; empty if it never does.
    is_text
        Whether its files are text, which may be printed on a terminal.
    """

    option: str
    text: str
    writer: Callable[..., object]
    endings: tuple[str, ...] = ()
    is_text: bool = False

    @classmethod
    def of_format(cls, form: Format, content: str, write: Callable[..., object]) -> "Output":
        """The output file of one format, for content such as ``"F"``."""
        text = f"Write {content} as {form.title}."
        return cls(form.option, text, write, form.endings, form.is_text)

    def write(self, result: Any, path: str, **keywords: Any) -> object:
        """Write the file, which a terminal shows if it takes long; what the writer returns."""
        with stage(f"writing {name_of(path)}"):
            return self.writer(result, path, **keywords)

    @property
    def parameter(self) -> str:
        """Name of the parameter that click makes of the option."""
        return self.option.removeprefix("--").replace("-", "_")

    @property
    def is_figure(self) -> bool:
        """Whether its files are figures."""
        return self.option.startswith("--plot")


def write_as(form: Format, result: Any, path: str, **options: Any) -> None:
    """Write a result in a format, with the command line if the format stores it."""
    told = {"command": command_line()} if form.has_history else {}
    getattr(result, form.method)(path, **options, **told)


def file_options(outputs: Sequence[Output]) -> Callable[[Any], Any]:
    """The options of all outputs, ``--output`` and ``--overwrite``, as one decorator."""
    endings = ", ".join(output.endings[0] for output in outputs if output.endings)
    options = [
        click.option(
            *("-o", "--output"),
            multiple=True,
            cls=OutputOption,
            type=click.Path(),
            metavar="FILE",
            help=f"Write a file of the kind given by its ending ({endings}); can be repeated. "
            "With the options below, - is standard output.",
        ),
        *(
            click.option(
                output.option,
                cls=OutputOption,
                type=click.Path(allow_dash=True),
                metavar="FILE|-" if output.option == "--json" else "FILE",
                help=output.text,
            )
            for output in outputs
        ),
        OVERWRITE,
    ]

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


Files = list[tuple[Output, str]]


def chosen_files(
    outputs: Sequence[Output],
    given: dict[str, Any],
    *,
    overwrite: bool,
) -> Files:
    """The files to be written, checked before any work is done.

    Parameters
    ----------
    given
        Options by parameter; those of :func:`file_options` except ``overwrite`` are removed.

    Raises
    ------
    MissingDependencyError
        When the package that writes one of them, matplotlib or h5py, is not installed.
    OutputError
        When one is an input, exists and `overwrite` is false, cannot be written, or has an
        ending of none of the outputs, or two have one name.
    """
    files = [(_by_ending(outputs, path), path) for path in given.pop("output")]
    for output in outputs:
        if (path := given.pop(output.parameter)) is not None:
            files.append((output, _on_stdout(output) if path == "-" else path))
    for i, (output, path) in enumerate(files):
        check_files({output.parameter: path}, overwrite=overwrite)
        for _, other in files[:i]:
            if is_same_file(path, other):
                raise OutputError(f"{shown(path)} is given for two outputs")
    return files


def _on_stdout(output: Output) -> str:
    """The path of a temporary file for what goes to standard output, which it reserves."""
    context = click.get_current_context()
    take_stdout(context, output.option, is_binary=not output.is_text)
    ending = output.endings[0] if output.endings else ".png" if output.is_figure else ""
    path = str(temporary_folder(context) / f"stdout{ending}")
    context.meta[STDOUT] = path
    return path


def _by_ending(outputs: Sequence[Output], path: str) -> Output:
    ending = Path(path).suffix.lower()
    for output in outputs:
        if ending in output.endings:
            return output
    known = ", ".join(ending for output in outputs for ending in output.endings)
    if path == "-":
        options = ", ".join(output.option for output in outputs if output.endings)
        raise OutputError(f"--output - does not say what to write: use {options} with -")
    raise OutputError(
        f"cannot tell what to write to {shown(path)}: expected an ending among {known}"
    )


def check_files(files: Mapping[str, str], *, overwrite: bool) -> None:
    """Check all output files (paths by the option that names each) before any work is done.

    Raises
    ------
    MissingDependencyError
        When the package that writes one of them, matplotlib or h5py, is not installed.
    OutputError
        When one is an input, exists and `overwrite` is false, or cannot be written.
    """
    from friedel.writers.files import check_output

    inputs = _inputs()
    for option, path in files.items():
        if option.startswith("plot"):
            from friedel.plots.style import check_figure

            check_figure(path, overwrite=overwrite, inputs=inputs)
        else:
            check_output(path, overwrite=overwrite, inputs=inputs)
        if option == "to_nexus":
            from friedel.writers.nexus import need_h5py

            need_h5py()


def _inputs() -> list[str]:
    """Names that the running command may read: all values of its arguments and options.

    Without those of the options that name output files, which these set aside when they are
    defined. Labels of columns that follow a name, and the kind of an atom before it, are left out.
    """
    from friedel.readers.reading import split_labels

    context = click.get_current_context(silent=True)
    if context is None:
        return []
    others = {
        x.name
        for x in context.command.params
        if isinstance(x, OutputOption | OutputArgument) or isinstance(x.type, click.Choice)
    }
    found = []
    for name, value in context.params.items():
        if name not in others:
            values = value if isinstance(value, tuple) else (value,)
            texts = [text for text in values if isinstance(text, str)]
            found += [split_labels(y)[0] for x in texts for y in (x, x.partition("=")[2])]
    return [path for path in found if exists(path)]


Rows = Sequence[Mapping[str, object]]


def as_csv(rows: Rows) -> str:
    """Rows as comma-separated values with a header line, without final newline."""
    names = list(rows[0])
    return csv_text(names, ([row[name] for name in names] for row in rows)).rstrip("\n")


def as_json(rows: Rows) -> str:
    """Rows as a JSON list of objects, one per line; numbers that are not finite become null."""
    lines = [json.dumps(plain(row)) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]"


PRINTED: dict[str, Callable[[Rows], str]] = {"csv": as_csv, "json": as_json}
"""Machine-readable formats of printed rows; the default is a table of each command's own."""

FORMAT = click.option("--format", "style", type=click.Choice(["table", *PRINTED]), hidden=True)
"""How tables were printed as CSV and JSON in 0.1.0."""


def _write_csv(table: "Table", path: str, *, overwrite: bool) -> None:
    write_text(path, as_csv(table.rows) + "\n", overwrite=overwrite)


def _write_json(table: "Table", path: str, *, overwrite: bool) -> None:
    from friedel.notes import friedel_version

    told = {"version": friedel_version(), "command": command_line(), "notes": table.notes}
    write_json(path, told | {"rows": [dict(row) for row in table.rows]}, overwrite=overwrite)


@dataclass(frozen=True)
class Table:
    """Rows for a file, and the notes on them."""

    rows: Rows
    notes: Sequence[Any] = ()


TO_CSV = Output.of_format(format_of("to_csv"), "the table", _write_csv)
TO_JSON = Output.of_format(format_of("to_json"), "the table", _write_json)
"""Files of printed tables."""


def print_as_before(style: str | None, rows: Rows) -> bool:
    """Print rows as ``--format`` of 0.1.0 asks, with a note; whether it does."""
    if style is None or style == "table":
        return False
    option = {"csv": TO_CSV, "json": TO_JSON}[style].option
    echo_notes([f"--format {style} is {option} - now"])
    echo(PRINTED[style](rows))
    return True
