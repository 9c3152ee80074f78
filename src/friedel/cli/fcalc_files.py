"""Files and printed output of ``friedel fcalc``."""

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from friedel.cli.output import Output, echo, write_as
from friedel.model.model import Model
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections
from friedel.writers.formats import Format, format_of, formats_of

LINES_AT_A_TIME = 10_000
"""Lines of a table that are printed together."""

SECTION_RATE = 3.0
"""Oversampling of a drawn density: finer than a transform needs, for a smooth picture."""


@dataclass(frozen=True)
class Calculation:
    """Calculated structure factors and their settings, for files of any kind.

    Attributes
    ----------
    result
        Structure factors.
    model, d_min
        Model, and resolution limit (Å), 0 for none.
    sampling
        Rate, blur and cutoff as given.
    options
        Options of the atoms' scattering, as :func:`friedel.fcalc` takes them.
    margin
        Margin of the box around atoms without a cell, Å, as given.
    """

    result: Reflections
    model: Model
    d_min: float
    sampling: dict[str, float | None]
    options: dict[str, Any]
    margin: float | None = None

    @property
    def on_grid(self) -> Any:
        """The density on the grid that was asked for, if rate, blur or cutoff were given."""
        return self.density() if any(x is not None for x in self.sampling.values()) else None

    def density(self, **defaults: float) -> Any:
        """The density on a grid; `defaults` apply where rate, blur or cutoff are not given."""
        from friedel import model_density

        given = {name: value for name, value in self.sampling.items() if value is not None}
        options: dict[str, Any] = defaults | given | self.options
        options.pop("threads", None)  # one thread suffices
        return model_density(self.model, d_min=self.d_min, **options)


def _write_f(
    form: Format, done: Calculation, path: str, *, overwrite: bool, **options: Any
) -> None:
    write_as(form, done.result, path, overwrite=overwrite, **options)


def _write_map(done: Calculation, path: str, *, overwrite: bool) -> str:
    """Write the density to the resolution limit, or that on the grid that was asked for.

    The latter ends where the atoms are cut off, not at a resolution. Returns what was written.
    """
    from friedel.cli.map import described
    from friedel.constants import DENSITY_UNITS
    from friedel.maps.model_map import has_no_cell, map_of_model

    unit, density = DENSITY_UNITS[done.options["source"]], done.on_grid
    if density is None:
        # that of a cell is the sum of both sides
        margin = 0.5 * done.margin if done.margin and has_no_cell(done.model) else None
        density = map_of_model(done.model, d_min=done.d_min, margin=margin, **done.options)
        what = f"density to {done.d_min:g} A in {unit}"
    else:
        what = f"density of atoms, not limited to {done.d_min:g} A, in {unit}"
    density.to_ccp4(path, overwrite=overwrite)
    return f"{what}, {described(density)}"


def _plot_section(done: Calculation, path: str, *, overwrite: bool) -> None:
    from friedel import plot_section
    from friedel.constants import DENSITY_UNITS

    unit = DENSITY_UNITS[done.options["source"]]
    plot_section(done.density(rate=SECTION_RATE), path, unit=unit, overwrite=overwrite)


def _plot_cost(done: Calculation, path: str, *, overwrite: bool) -> None:
    from friedel import plot_cost

    source = done.options["source"]
    plot_cost(done.model, path, d_min=done.d_min, source=source, overwrite=overwrite)


OF_F = (
    *(Output.of_format(x, "F", partial(_write_f, x)) for x in formats_of(Reflections)),
    Output(
        "--to-hkl3",
        "Write F as SHELX HKLF 3.",
        partial(_write_f, format_of("to_hklf"), code=3),
        is_text=True,
    ),
)
"""Output files of structure factors: every format that reflections can be written in."""

OF_DENSITY = (
    Output.of_format(format_of("to_ccp4"), "the density", _write_map),
    Output("--plot-section", "Draw the density at c = 0.", _plot_section),
    Output("--plot-cost", "Draw error against time (slow).", _plot_cost),
)
"""Output files that need a resolution limit."""


def _without_minus(phases: np.ndarray) -> np.ndarray:
    """Phases that would be printed as -0.0000 or -180.0000 are 0 and 180."""
    half = 0.5e-4  # of the last digit
    phases = np.where(np.abs(phases) < half, 0.0, phases)
    return np.where(phases < half - 180.0, 180.0, phases)


def print_table(result: Reflections) -> None:
    """H k l, amplitude and phase of F(h), and of F(-h) where there are pairs."""
    columns = [result.amplitudes, _without_minus(result.phases)]
    if isinstance(result, FriedelPairs):
        phases = np.degrees(np.angle(result.minus))
        columns += [np.abs(result.minus), _without_minus(phases)]
    line = "%4d %4d %4d" + " %14.6f %10.4f" * (len(columns) // 2)
    columns = [*result.hkl.T, *columns]
    for first in range(0, max(1, len(result)), LINES_AT_A_TIME):
        rows = zip(*(x[first : first + LINES_AT_A_TIME].tolist() for x in columns), strict=True)
        values = tuple(chain.from_iterable(rows))
        echo("\n".join([line] * (len(values) // len(columns))) % values)
