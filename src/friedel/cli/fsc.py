"""``friedel fsc``: Fourier shell correlation of half maps, or of a map and a model."""

from pathlib import Path
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
)
from friedel.errors import ParameterError
from friedel.runtime.paths import shown
from friedel.writers.formats import format_of

if TYPE_CHECKING:
    from friedel import FSC

MAP_ENDINGS = format_of("to_ccp4").endings
"""Endings of the names of maps, which may be followed by .gz."""

RADIUS = 5.0
"""Radius (Å) of the mask of a model by default."""

ROWS = 25
"""Largest number of shells that are printed."""


def _write_json(found: "FSC", path: str, *, overwrite: bool) -> None:
    from friedel.cli.output import command_line
    from friedel.notes import friedel_version
    from friedel.writers.json_files import write_json

    told = {"version": friedel_version(), "command": command_line()}
    write_json(path, told | found.to_dict(), overwrite=overwrite)


def _write_csv(found: "FSC", path: str, *, overwrite: bool) -> None:
    found.to_csv(path, overwrite=overwrite)


def _plot(found: "FSC", path: str, *, overwrite: bool) -> None:
    from friedel import plot_fsc

    plot_fsc(found, path, overwrite=overwrite)


OUTPUTS = (
    Output.of_format(format_of("to_json"), "the curve", _write_json),
    Output.of_format(format_of("to_csv"), "the curve", _write_csv),
    Output("--plot", "Draw the curve (png, pdf).", _plot),
)
"""Output files."""


def is_map(path: str) -> bool:
    """Whether a name is that of a map, by its ending."""
    name = Path(path).name.lower().removesuffix(".gz")
    return name.endswith(MAP_ENDINGS)


@click.command(
    "fsc",
    cls=Command,
    short_help="Fourier shell correlation of half maps, or map and model",
    examples=(
        "friedel fsc 5e5z.map 5e5z.pdb --plot fsc.png",
        "friedel fsc 5e5z.map 5e5z.pdb --mask 5e5z.pdb --json fsc.json",
        "friedel fsc half1.map half2.map --to-csv - | head",
    ),
)
@click.argument("first", type=click.Path(), metavar="MAP")
@click.argument("second", type=click.Path(), metavar="MAP|MODEL")
@click.option("--dmin", "d_min", type=float, metavar="NUM", help="Resolution limit, A.")
@click.option(
    "--mask", type=click.Path(), metavar="MAP|MODEL", help="Soft mask, or a model to make it of."
)
@click.option(
    "--radius",
    type=float,
    metavar="NUM",
    help=f"Radius of the mask of a model, A; default: {RADIUS:g}.",
)
@click.option(
    "--no-correction",
    is_flag=True,
    help="Do not correct the FSC of masked half maps by random phases.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random phases.")
@radiation(default="electron")
@of_model
@THREADS
@file_options(OUTPUTS)
def command(first: str, second: str, **options: Any) -> None:
    """Correlate MAP with another half map, or with the density of MODEL, by shells.

    With --mask the FSC of half maps is corrected for the correlation that the mask makes. The
    resolution is where the FSC falls below 0.143 (half maps) or 0.5 (map and model).
    """
    from friedel import fourier_shell_correlation, map_of_model, read_map_box
    from friedel.map_model.correlation import read_model
    from friedel.maps.model_map import as_map_box

    overwrite = options.pop("overwrite")
    files = chosen_files(OUTPUTS, options, overwrite=overwrite)
    names = ("d_min", "mask", "radius", "no_correction", "seed")
    d_min, mask, radius, uncorrected, seed = (options.pop(name) for name in names)
    is_half = is_map(second)
    with stage(f"reading {shown(first)}"):
        one = read_map_box(first)
    with stage(f"reading {shown(second)}"):
        if is_half:
            other = read_map_box(second)
        else:
            options |= own_scattering(options)
            model, notes, scattering = read_model(second, **options)
            echo_notes(notes.records())
            limit = d_min or 2.0 * max(one.spacing)
            other = as_map_box(map_of_model(model, d_min=limit, like=one, **scattering))
    if radius is not None and (mask is None or is_map(mask)):
        raise ParameterError("--radius is that of a mask around a model: give --mask MODEL")
    with stage("correlating the maps"):
        found = fourier_shell_correlation(
            one,
            other,
            mask=None if mask is None else _mask(one, mask, radius),
            correct=is_half and mask is not None and not uncorrected,
            d_min=d_min,
            seed=seed,
        )
    every = -(-len(found) // ROWS)
    echo(found.text(every=every))
    for threshold in (0.143, 0.5):
        echo(f"FSC {found.limit_text(threshold)}")
    echo(f"mean FSC {found.mean:.4f}")
    for output, path in files:
        output.write(found, path, overwrite=overwrite)
        echo_written(path)


def _mask(box: Any, given: str, radius: float | None) -> Any:
    from friedel import as_model, read_map_box, soft_mask
    from friedel.maps.boxes import DEFAULT_MARGIN

    if is_map(given):
        return read_map_box(given).array
    return soft_mask(
        box, as_model(given, margin=DEFAULT_MARGIN), RADIUS if radius is None else radius
    )
