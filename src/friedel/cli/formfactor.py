"""``friedel formfactor``: f(s) of atoms and ions from the published tables."""

from functools import partial
from typing import Any

import click
import numpy as np

from friedel.cli.command import Command
from friedel.cli.output import (
    FORMAT,
    TO_CSV,
    TO_JSON,
    Output,
    Table,
    chosen_files,
    echo,
    echo_notes,
    echo_written,
    file_options,
    print_as_before,
)
from friedel.errors import ElementError, ParameterError
from friedel.notes import Note
from friedel.scattering.formfactors import SOURCES, TABLES

DEFAULT_STOL_MAX = 2.0

PLOT = Output(
    "--plot", "Draw them (png, pdf, svg).", lambda draw, path, **options: draw(path, **options)
)
OUTPUTS = (TO_CSV, TO_JSON, PLOT)
"""Output files."""


@click.command(
    "formfactor",
    cls=Command,
    short_help="form factors f(s) of atoms and ions",
    examples=(
        "friedel formfactor Fe Fe2+ Fe3+ --stol-max 1 -n 5",
        "friedel formfactor C N O -t it92 -t lobato14 --plot f.png",
        "friedel formfactor H D 6Li -t neutron92 -n 2 --to-csv -",
        "friedel formfactor --list",
    ),
)
@click.argument("labels", nargs=-1, metavar="ATOM...")
@click.option(
    "-t",
    "--table",
    "tables",
    multiple=True,
    default=(SOURCES["xray"][0],),
    show_default=True,
    metavar="NAME",
    help=f"Table: {', '.join(TABLES)}; can be given many times.",
)
@click.option(
    "--stol-max",
    type=float,
    default=DEFAULT_STOL_MAX,
    show_default=True,
    metavar="NUM",
    help="Largest sin(theta)/lambda, 1/A.",
)
@click.option(
    "-n", "n_values", type=int, default=21, show_default=True, metavar="N", help="Rows from 0."
)
@click.option("--list", "list_tables", is_flag=True, help="Describe all tables and exit.")
@file_options(OUTPUTS)
@FORMAT
def command(
    labels: tuple[str, ...],
    tables: tuple[str, ...],
    stol_max: float,
    n_values: int,
    style: str | None,
    list_tables: bool,
    overwrite: bool,
    **given: Any,
) -> None:
    """Print f of each ATOM or ion (Fe, Fe3+, Cval, 6Li) against sin(theta)/lambda.

    X-rays: electrons; electron tables: A; neutrons: fm, real part, the imaginary part as a note.
    Where a table has no entry of that name, the others are shown; an ATOM that none has is left
    out of a list.
    """
    from friedel.model.elements import scatterer_label
    from friedel.scattering.formfactors import form_factor_table

    if list_tables:
        echo("\n\n".join(str(form_factor_table(name)) for name in TABLES))
        return
    if not labels:
        raise ParameterError("give at least one atom or ion, such as Fe or Fe3+")
    if not (0 < stol_max < np.inf):
        raise ParameterError(f"got --stol-max {stol_max:g}, expected a positive number, 1/A")
    if n_values < 2:
        raise ParameterError(f"got -n {n_values}, expected at least 2")
    files = chosen_files(OUTPUTS, given, overwrite=overwrite)
    found = [form_factor_table(name) for name in dict.fromkeys(tables)]
    wanted = []
    for label in dict.fromkeys(labels):
        try:
            wanted.append(scatterer_label(label))
        except ElementError:  # the table says that it has no such entry
            wanted.append(label)
    stol = np.linspace(0.0, stol_max, n_values)
    columns: dict[str, Any] = {}
    notes: list[Note] = []
    reasons = []
    for label in wanted:
        having = [table for table in found if label in table.labels]
        if not having:
            try:
                found[0].f(label, stol**2)
            except ElementError as error:
                reasons.append(error)
        for table in having:
            columns[f"{label} {table.name}"] = table.f(label, stol**2)
            if table.imaginary.get(label):
                text = f"{label} of {table.name} absorbs: imaginary part {table.imaginary[label]:g}"
                notes.append(Note(f"{text} fm for neutrons of 1.798 A", "warning"))
    if not columns:
        raise reasons[0]
    if missing := [x for x in wanted if not any(x in table.labels for table in found)]:
        text = f"{', '.join(missing)} left out: {reasons[0]}"
        notes.append(Note(text, "left out", len(missing)))
    echo_notes(notes)
    rows: list[dict[str, object]] = [
        {"stol": float(x), **dict(zip(columns, map(float, f), strict=True))}
        for x, f in zip(stol, np.column_stack(list(columns.values())), strict=True)
    ]
    known = [label for label in wanted if label not in missing]
    draw = partial(_plot, known, [table.name for table in found], stol_max)
    for output, path in files:
        output.write(draw if output == PLOT else Table(rows, notes), path, overwrite=overwrite)
        echo_written(path)
    is_printed = print_as_before(style, rows) or any(output != PLOT for output, _ in files)
    if not is_printed:
        widths = [max(11, len(name)) for name in columns]
        header = [f"{name:>{w}}" for name, w in zip(columns, widths, strict=True)]
        echo("  ".join(["stol[1/Å]", *header]))
        for x, values in zip(stol, np.column_stack(list(columns.values())), strict=True):
            cells = [f"{f:{w}.5f}" for f, w in zip(values, widths, strict=True)]
            echo("  ".join([f"{x:9.3f}", *cells]))


def _plot(
    labels: list[str], tables: list[str], stol_max: float, path: str, *, overwrite: bool
) -> None:
    from friedel.plots.scattering import plot_form_factors

    plot_form_factors(labels, path, tables=tables, stol_max=stol_max, overwrite=overwrite)
