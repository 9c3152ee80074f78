"""What ``friedel fcalc`` writes and prints."""

from typing import Any

import click
import numpy as np

from friedel.cli.options import command_line
from friedel.model.model import Model
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections

FILES = (
    "to_mtz",
    "to_cif",
    "to_hkl",
    "to_hkl3",
    "to_csv",
    "write_map",
    "plot_section",
    "plot_cost",
)
"""Options that name files to be written."""

SECTION_RATE = 3.0
"""Finer than what a transform needs: a picture is looked at."""

OF_DENSITY = ("write_map", "plot_section", "plot_cost")
"""Those that need a resolution limit."""


def write_file(
    name: str,
    path: str,
    overwrite: bool,
    result: Reflections,
    model: Model,
    d_min: float,
    sampling: dict[str, float | None],
    options: dict[str, Any],
) -> None:
    """Write what one of :data:`FILES` asks for."""
    if name == "to_mtz":
        result.to_mtz(path, overwrite=overwrite, command=command_line())
    elif name == "to_cif":
        result.to_cif(path, overwrite=overwrite, command=command_line())
    elif name == "to_csv":
        result.to_csv(path, overwrite=overwrite)
    elif name in ("to_hkl", "to_hkl3"):
        result.to_hklf(path, code=3 if name == "to_hkl3" else 4, overwrite=overwrite)
    elif name == "plot_cost":
        from friedel import plot_cost

        plot_cost(model, path, d_min=d_min, source=options["source"], overwrite=overwrite)
    else:
        from friedel import model_density, plot_section
        from friedel.fmodel.report import UNITS

        decided: dict[str, Any] = {k: x for k, x in sampling.items() if x is not None}
        if name == "plot_section":
            decided = {"rate": SECTION_RATE} | decided
        grid = model_density(model, d_min=d_min, **decided, **options)
        if name == "write_map":
            grid.to_ccp4(path, overwrite=overwrite)
        else:
            plot_section(grid, path, unit=UNITS[options["source"]], overwrite=overwrite)


def print_table(result: Reflections) -> None:
    """H k l, amplitude and phase of F(h), and of F(-h) where there are pairs."""
    columns = [result.amplitudes, result.phases]
    if isinstance(result, FriedelPairs):
        columns += [np.abs(result.minus), np.degrees(np.angle(result.minus))]
    lines = []
    for (h, k, l), *values in zip(result.hkl, *columns, strict=True):
        pairs = (f"{a:14.6f} {p:10.4f}" for a, p in zip(values[::2], values[1::2], strict=True))
        lines.append(" ".join([f"{h:4d} {k:4d} {l:4d}", *pairs]))
    click.echo("\n".join(lines))
