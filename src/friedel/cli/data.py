"""``friedel data``: what a reflection file says, its statistics, twin tests and free set."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.command import Command
from friedel.cli.options import STRICT
from friedel.cli.output import (
    Output,
    chosen_files,
    command_line,
    echo,
    echo_notes,
    echo_written,
    file_options,
    stage,
    write_as,
)
from friedel.errors import ParameterError
from friedel.runtime.paths import shown
from friedel.writers.formats import format_of

if TYPE_CHECKING:
    from friedel import DataReport


def _write_amplitudes(report: "DataReport", path: str, **options: Any) -> None:
    report.to_mtz(path, command=command_line(), **options)


def _plot(report: "DataReport", path: str, *, overwrite: bool) -> None:
    from friedel import plot_data_report

    plot_data_report(report, path, overwrite=overwrite)


AMPLITUDES = Output(
    "--to-mtz", "Write amplitudes of French and Wilson as MTZ.", _write_amplitudes, (".mtz",)
)
JSON = Output.of_format(
    format_of("to_json"), "all numbers", partial(write_as, format_of("to_json"))
)
PLOT = Output("--plot", "Draw a Wilson plot, and signal and completeness (png, pdf).", _plot)
OUTPUTS = (AMPLITUDES, JSON, PLOT)
"""Output files."""


@click.command(
    "data",
    cls=Command,
    short_help="what a reflection file says: statistics, twin tests, free set",
    examples=(
        "friedel data 5e5z.mtz --plot data.png",
        "friedel data 5e5z.mtz:I,SIGI --to-mtz f.mtz",
        "friedel data 5e5z.mtz --json - | head",
    ),
)
@click.argument("file", type=click.Path(), metavar="FILE")
@click.option(
    "--model",
    type=click.Path(),
    metavar="FILE",
    help="Model that gives cell and symmetry if FILE has none, and the content of the cell.",
)
@click.option("--free-label", metavar="NAME", help="Column of the R-free flags.")
@click.option("--free-value", type=int, metavar="INT", help="Flag value of the free set.")
@click.option("--block", metavar="NAME", help="Block of the mmCIF file with the data.")
@click.option(
    "--data-set", metavar="NAME", help="Data set of the MTZ file, or wavelength_id/crystal_id."
)
@click.option("--shells", "n_shells", type=int, metavar="N", help="Number of resolution shells.")
@click.option(
    "--make-free",
    type=float,
    metavar="PERCENT",
    help="Add a free set to the amplitudes, equal for mates by the symmetry of the lattice.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the free set.")
@STRICT
@file_options(OUTPUTS)
def command(file: str, make_free: float | None, seed: int, **options: Any) -> None:
    """Say what the reflection file FILE says.

    FILE is an MTZ file, a structure-factor mmCIF, or a list of CNS, scalepack, XDS or SHELX;
    columns may follow, as in data.mtz:I,SIGI.
    """
    from friedel import describe_data

    overwrite = options.pop("overwrite")
    files = chosen_files(OUTPUTS, options, overwrite=overwrite)
    if make_free is not None and AMPLITUDES not in (output for output, _ in files):
        raise ParameterError("--make-free needs a file for the flags: give --to-mtz FILE")
    with stage(f"reading {shown(file)}"):
        report = describe_data(file, **options)
    if make_free is not None:
        echo_notes([report.new_free_set(make_free, seed)[1]])
    echo_notes(report.notes)
    echo(report.summary(notes=False))
    for output, path in files:
        free = {"free_per_cent": make_free, "seed": seed} if output == AMPLITUDES else {}
        output.write(report, path, overwrite=overwrite, **free)
        echo_written(path)
