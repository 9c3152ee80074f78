"""Output: files checked before the work, tables for people and for programs."""

import json
from collections.abc import Mapping, Sequence

import click

from friedel.writers.json_files import plain
from friedel.writers.tables import csv_text

FORMAT = click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print.",
)


def check_files(files: Mapping[str, str], *, overwrite: bool) -> None:
    """Check all output files (paths by the option that names each) before any work is done.

    Raises
    ------
    MissingDependencyError
        When there is a figure among them and matplotlib is not installed.
    OutputError
        When one exists and `overwrite` is false, or cannot be written.
    """
    from friedel.writers.files import check_output

    for option, path in files.items():
        if option.startswith("plot"):
            from friedel.plots.style import check_figure

            check_figure(path, overwrite=overwrite)
        else:
            check_output(path, overwrite=overwrite)


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as comma-separated values under their names, without a last line end."""
    names = list(rows[0])
    return csv_text(names, ([row[name] for name in names] for row in rows)).rstrip("\n")


def as_json(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a JSON list of objects, one a line; numbers that are not finite become null."""
    lines = [json.dumps(plain(row)) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]"
