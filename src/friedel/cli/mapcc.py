"""``friedel mapcc``: correlation of a map with a model, by residue and chain."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.command import Command
from friedel.cli.options import (
    THREADS,
    of_model,
    own_scattering,
    radiation,
)
from friedel.cli.output import (
    Output,
    chosen_files,
    echo,
    echo_notes,
    echo_written,
    file_options,
    stage,
    write_as,
)
from friedel.errors import ParameterError
from friedel.writers.formats import format_of

if TYPE_CHECKING:
    from friedel import MapModelCorrelation


def _plot_residues(found: "MapModelCorrelation", path: str, *, overwrite: bool) -> None:
    from friedel import plot_residues

    if found.residues is None:
        raise ParameterError("the residues are unknown: give the file of a macromolecule")
    plot_residues(found.residues, path, overwrite=overwrite)


def _plot_fsc(found: "MapModelCorrelation", path: str, *, overwrite: bool) -> None:
    from friedel import plot_fsc

    plot_fsc(found.fsc, path, overwrite=overwrite)


OUTPUTS = (
    Output.of_format(format_of("to_json"), "all numbers", partial(write_as, format_of("to_json"))),
    Output.of_format(format_of("to_csv"), "the residues", partial(write_as, format_of("to_csv"))),
    Output("--plot-residues", "Draw the correlation by residue (png, pdf).", _plot_residues),
    Output("--plot-fsc", "Draw the FSC of map and model.", _plot_fsc),
)
"""Output files."""


@click.command(
    "mapcc",
    cls=Command,
    short_help="correlation of a map with a model, by residue and chain",
    examples=(
        "friedel mapcc 5e5z.map 5e5z.pdb --dmin 2",
        "friedel mapcc 5e5z.map 5e5z.pdb --dmin 2 --plot-residues cc.png -o cc.csv",
    ),
)
@click.argument("density", type=click.Path(), metavar="MAP")
@click.argument("model", type=click.Path())
@click.option("--dmin", "d_min", type=float, required=True, metavar="NUM", help="Resolution, A.")
@click.option(
    "--radius",
    type=float,
    metavar="NUM",
    help="Compare points within this distance of atoms, A; default: dmin, but 3 to 10.",
)
@radiation(default="electron")
@of_model
@THREADS
@file_options(OUTPUTS)
def command(density: str, model: str, **options: Any) -> None:
    """Compare MAP with the density of MODEL, limited to the resolution --dmin.

    MAP may have any origin and order of axes. By default atoms scatter electrons.
    """
    from friedel import map_model_correlation

    overwrite = options.pop("overwrite")
    files = chosen_files(OUTPUTS, options, overwrite=overwrite)
    options |= own_scattering(options)
    with stage("comparing map and model"):
        found = map_model_correlation(density, model, **options)
    echo_notes(found.notes)
    echo(found.summary())
    for output, path in files:
        output.write(found, path, overwrite=overwrite)
        echo_written(path)
