"""``friedel fprime``: anomalous scattering factors f' and f''."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import click
import numpy as np

from friedel.cli.command import Command
from friedel.cli.options import F_PRIME, choice
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
from friedel.constants import HC
from friedel.errors import ElementError, EnergyError, ParameterError
from friedel.notes import Note
from friedel.scattering.dispersion import SOURCES
from friedel.scattering.dispersion.edges import ORBITALS

COLUMNS = ("element", "energy_eV", "wavelength_A", "f_prime", "f_double_prime")

PLOT = Output(
    "--plot",
    "Draw f' and f'' over the range of energies, or around an edge (png, pdf, svg).",
    lambda draw, path, **options: draw(path, **options),
)
OUTPUTS = (TO_CSV, TO_JSON, PLOT)
"""Output files."""


@click.command(
    "fprime",
    cls=Command,
    short_help="anomalous scattering factors f' and f''",
    examples=(
        "friedel fprime Se",
        "friedel fprime Se Fe -w 0.97",
        "friedel fprime Se -e 12600:12700 --step 20 --anomalous chantler",
        "friedel fprime Se -e 12662 --plot se.png --zoom K",
    ),
    old_names={"--source": "--anomalous"},
)
@click.argument("elements", nargs=-1, required=True, metavar="ELEMENT...")
@click.option(
    "-e",
    "--energy",
    "energies",
    multiple=True,
    metavar="EV",
    help="Energy in eV, or a range such as 8000:14000; can be given many times.",
)
@click.option(
    "-w",
    "--wavelength",
    "wavelengths",
    multiple=True,
    metavar="A",
    help="Wavelength in A, or a range such as 0.5:0.9; can be given many times.",
)
@click.option("-s", "--step", type=float, metavar="STEP", help="Step of a range.")
@click.option("-n", "n_values", type=int, metavar="N", help="Number of values in a range.")
@choice(
    "--anomalous",
    "source",
    among=F_PRIME,
    default=SOURCES[0],
    text="Source of the values; repaired: without the false resonances of the original.",
)
@click.option("--zoom", type=click.Choice(ORBITALS), help="With --plot: draw 1 % around this edge.")
@file_options(OUTPUTS)
@FORMAT
def command(
    elements: tuple[str, ...],
    energies: tuple[str, ...],
    wavelengths: tuple[str, ...],
    step: float | None,
    n_values: int | None,
    source: str,
    zoom: str | None,
    style: str | None,
    overwrite: bool,
    **given: Any,
) -> None:
    """Print f' and f'' of each ELEMENT at X-ray energies or wavelengths.

    Without these, its edges, and f' and f'' at common wavelengths and around the highest edge
    between 3 and 50 keV, which --plot shows as well.
    """
    from friedel.model.elements import element_record
    from friedel.scattering.dispersion import SHORT_NAMES, amplitudes, dispersion_notes
    from friedel.scattering.dispersion.common_energies import common_energies

    files = chosen_files(OUTPUTS, given, overwrite=overwrite)
    is_drawn = PLOT in (output for output, _ in files)
    if zoom is not None and not is_drawn:
        raise ParameterError("--zoom is for a figure: give --plot FILE")
    symbols = list(dict.fromkeys(element_record(element).symbol for element in elements))
    values = [expand(text, step, n_values) for text in energies]
    values += [HC / expand(text, step, n_values) for text in wavelengths]
    # Calculate everything before printing: an error must not leave half a table
    found: dict[str, tuple[Sequence[str] | None, np.ndarray]] = {}
    reasons: list[ElementError | EnergyError] = []
    for symbol in symbols:
        names, energy = (
            (None, np.concatenate(values)) if values else common_energies(symbol, source)
        )
        try:
            (f1, f2), _ = amplitudes(symbol, energy=energy, source=source)
        except (ElementError, EnergyError) as error:
            reasons.append(error)
            continue
        found[symbol] = names, np.column_stack([energy, HC / energy, f1, f2])
    if not found:
        raise reasons[0]
    left = [symbol for symbol in symbols if symbol not in found]
    notes = []
    if left:
        text = f"{', '.join(left)} left out: {reasons[0]}"
        notes.append(Note(text, "left out", len(left)))
    for symbol, (_, table) in found.items():
        notes += dispersion_notes(symbol, table[:, 0], SHORT_NAMES.get(source, source))
    echo_notes(notes)
    rows = [
        dict(zip(COLUMNS, (symbol, *map(float, row)), strict=True))
        | ({} if names is None else {"at": names[i]})
        for symbol, (names, table) in found.items()
        for i, row in enumerate(table)
    ]
    draw = partial(_draw, [*found], values, zoom)
    for output, path in files:
        output.write(draw if output == PLOT else Table(rows, notes), path, overwrite=overwrite)
        echo_written(path)
    if print_as_before(style, rows) or any(output != PLOT for output, _ in files):
        return
    if is_drawn and not values:
        return
    if values:
        echo("Element\t E[eV]\tWavelength[A]\t   f'   \t  f\"")
        for symbol, (_, table) in found.items():
            for e, wavelength, f1, f2 in table:
                echo(f"{symbol}\t{e:#.6g}\t{wavelength:#.6g}\t{f1:8.5f}\t{f2:.5f}")
    else:
        echo("\n\n".join(_in_words(symbol, *found[symbol]) for symbol in found))


def _in_words(symbol: str, names: Sequence[str] | None, table: np.ndarray) -> str:
    """The edges of an element, and its f' and f'' at energies that have names."""
    from friedel.scattering.dispersion.edges import absorption_edges

    edges = ", ".join(f"{name} {energy:g}" for name, energy in absorption_edges(symbol).items())
    lines = [f"{symbol}: edges {edges} eV" if edges else f"{symbol}: no edges in the tables"]
    lines.append(f"{'':20}    E[eV]  Wavelength[A]       f'        f\"")
    lines += [
        f"{name:20}{e:#9.6g}{wavelength:#15.6g}{f1:9.4f}{f2:10.4f}"
        for name, (e, wavelength, f1, f2) in zip(names or (), table, strict=True)
    ]
    return "\n".join(lines)


def _draw(
    symbols: list[str],
    values: Sequence[np.ndarray],
    zoom: str | None,
    path: str,
    *,
    overwrite: bool,
) -> None:
    """Draw the range of the energies asked for, or around an edge; single energies are marked."""
    from friedel.plots.scattering import plot_dispersion

    limits = None
    if values and zoom is None:
        energy = np.concatenate(values)
        limits = float(energy.min()), float(energy.max())
        if limits[0] == limits[1]:
            limits = 0.9 * limits[0], 1.1 * limits[1]
    plot_dispersion(
        symbols,
        path,
        energy=limits,
        marks=[float(x[0]) for x in values if len(x) == 1],
        zoom=zoom,
        overwrite=overwrite,
    )


def expand(text: str, step: float | None, n_values: int | None) -> np.ndarray:
    """The values given by a number or a range ``"low:high"``.

    Raises
    ------
    ParameterError
        For text that is neither, or a range without a step or a number of values.
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or not all(np.isfinite(x) and x > 0 for x in numbers):
        raise ParameterError(f"got {text!r}, expected a positive number or a range low:high")
    if len(numbers) == 1:
        return np.array(numbers)
    low, high = numbers
    if (step is None) == (n_values is None):
        raise ParameterError(f"the range {text} needs either --step or -n")
    if step is not None:
        if not step > 0:
            raise ParameterError(f"got --step {step:g}, expected a positive number")
        return np.arange(low, high + 1e-9 * step, step)
    if n_values is None or n_values < 1:
        raise ParameterError(f"got -n {n_values}, expected at least 1")
    return np.linspace(low, high, n_values)
