"""``friedel map``: a map of a model's density, or of map coefficients."""

from typing import TYPE_CHECKING, Any

import click

from friedel.cli.command import Command
from friedel.cli.options import (
    FORCE,
    THREADS,
    of_model,
    own_scattering,
    radiation,
)
from friedel.cli.output import (
    Output,
    OutputArgument,
    chosen_files,
    echo_notes,
    echo_written,
    file_options,
    stage,
)
from friedel.constants import DENSITY_UNITS
from friedel.errors import ParameterError
from friedel.writers.formats import format_of

if TYPE_CHECKING:
    from friedel import Grid, MapBox


def _write(density: "Grid | MapBox", path: str, *, overwrite: bool) -> None:
    density.to_ccp4(path, overwrite=overwrite)


OUTPUTS = (Output.of_format(format_of("to_ccp4"), "the map", _write),)
"""Output files."""

OF_MODELS = ("b", "like", "hydrogens", "tls", "block", "use_charge", "table", "source")
"""Options that apply to models only."""


@click.command(
    "map",
    cls=Command,
    short_help="a map of a model or of map coefficients",
    examples=(
        "friedel map quartz.cif quartz.map --dmin 0.8",
        "friedel map 5e5z.pdb 5e5z.map --dmin 2 --margin 5 --for electron",
        "friedel map fmodel.mtz:FWT,PHWT 2fofc.map --cover 5e5z.pdb",
    ),
)
@click.argument("given", type=click.Path(), metavar="MODEL|FILE:F,PHI")
@click.argument("output_file", type=click.Path(), metavar="MAP", cls=OutputArgument, required=False)
@click.option("--dmin", "d_min", type=float, metavar="NUM", help="Resolution limit, A.")
@radiation()
@click.option(
    "--like", type=click.Path(), metavar="FILE", help="Use the grid and the position of a map."
)
@click.option(
    "--margin",
    type=float,
    metavar="NUM",
    help="Put the model alone in a box that exceeds it by this much, A; with --cover: 5.",
)
@click.option(
    "--cover",
    type=click.Path(),
    metavar="MODEL",
    help="For coefficients: write the part of the map around a model, not the cell.",
)
@click.option("--spacing", type=float, metavar="NUM", help="Distance of points, A; default: d/4.")
@click.option("--b", type=float, metavar="NUM", help="B of all atoms, A^2; default: their own.")
@click.option(
    "--soft-edge",
    type=float,
    metavar="NUM",
    help="Let F fall off by a cosine over this part of the range of 1/d, as 0.2; default: 0.",
)
@of_model
@FORCE
@THREADS
@file_options(OUTPUTS)
def command(given: str, output_file: str | None, **options: Any) -> None:
    """Write the density of MODEL to a resolution limit, or the map of coefficients, as MAP.

    The coefficients are columns of an MTZ file or mmCIF, as in fmodel.mtz:FWT,PHWT. MAP covers the
    unit cell; with --like, --margin or --cover, and for models without cell, it is a box whose
    header says where it lies.
    """
    from friedel.readers.map_coefficients import has_coefficients

    overwrite, strict = options.pop("overwrite"), options.pop("strict")
    if output_file is not None:
        if output_file == "-" and options["write_map"] is None:
            options["write_map"] = output_file
        else:
            options["output"] = (*options["output"], output_file)
    files = chosen_files(OUTPUTS, options, overwrite=overwrite)
    if not files:
        raise ParameterError("give the name of the map to write: friedel map MODEL --dmin 3 MAP")
    with stage("calculating the map"):
        if has_coefficients(given):
            density, what = _of_coefficients(given, options)
        else:
            density, what = _of_model(given, options, strict=strict)
    for output, path in files:
        output.write(density, path, overwrite=overwrite)
        echo_written(path, f"{what}, {described(density)}")


def _of_model(path: str, options: dict[str, Any], *, strict: bool) -> "tuple[Grid | MapBox, str]":
    from friedel import map_of_model
    from friedel.maps.boxes import DEFAULT_MARGIN
    from friedel.notes import Notes
    from friedel.readers.model_decisions import NO_CELL
    from friedel.readers.models import as_model
    from friedel.structure_factors.scattering_options import decided_source

    if options.pop("cover") is not None:
        raise ParameterError("--cover is for map coefficients: for a model give --margin")
    if options["d_min"] is None:
        raise ParameterError("give the resolution limit of the map: --dmin")
    reading = {name: options.pop(name) for name in ("hydrogens", "tls", "block")}
    margin = options["margin"]
    read = as_model(
        path, source=options["source"] or "xray", margin=margin or DEFAULT_MARGIN, **reading
    )
    options["source"], about = decided_source(options["source"], read)
    notes = Notes(strict=strict)
    notes.extend([*read.notes, *about])
    echo_notes(note for note in notes.records() if not note.startswith(NO_CELL))
    options |= own_scattering(options)
    if options["soft_edge"] is None:
        options["soft_edge"] = 0.0
    density = map_of_model(read, **options)
    return (
        density,
        f"density of {read.name} to {options['d_min']:g} A in {DENSITY_UNITS[options['source']]}",
    )


def _of_coefficients(path: str, options: dict[str, Any]) -> "tuple[Grid | MapBox, str]":
    from friedel import as_model, map_from_coefficients, read_map_coefficients
    from friedel.maps.boxes import DEFAULT_MARGIN, box_around

    names = [name for name in OF_MODELS if options[name] not in (None, False, 0.0, "auto")]
    if names or options["scatter_as"] or options["soft_edge"]:
        named = " and ".join(f"--{name.replace('_', '-')}" for name in names) or "such options"
        raise ParameterError(f"{named}: these are options for models, got map coefficients")
    cover, margin, d_min = options["cover"], options["margin"], options["d_min"]
    if margin is not None and cover is None:
        raise ParameterError("--margin needs --cover MODEL where the map is of coefficients")
    coefficients = read_map_coefficients(path)
    echo_notes(coefficients.notes)
    if d_min is not None:
        coefficients = coefficients.select(coefficients.d_spacing >= d_min)
    grid = map_from_coefficients(coefficients, spacing=options["spacing"], force=options["force"])
    if cover is None:
        return grid, f"map of {coefficients.description}"
    model = as_model(cover)
    xyz = model.atoms.frac @ model.crystal.orthogonalization.T
    box = box_around(grid, xyz, DEFAULT_MARGIN if margin is None else margin)
    return box, f"map of {coefficients.description} around {model.name}"


def described(density: "Grid | MapBox") -> str:
    """Size, spacing and place of a map in words."""
    from friedel.density.grid import Grid
    from friedel.density.map_box import MapBox

    box = MapBox.of_grid(density) if isinstance(density, Grid) else density
    size = "{} x {} x {} points {:.3g} A apart".format(*box.shape, max(box.spacing))
    if box.is_whole_cell:
        return f"{size}, the unit cell"
    corner = ", ".join(f"{x + 0.0:.1f}" for x in box.first_point.round(1))
    return f"{size}, a box from ({corner}) A"
