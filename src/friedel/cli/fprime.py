"""``friedel fprime``: anomalous scattering factors f' and f''."""

import click
import numpy as np

from friedel.cli.options import F_PRIME, choice
from friedel.cli.output import (
    FORMAT,
    OVERWRITE,
    PRINTED,
    OutputOption,
    check_files,
    echo,
    echo_notes,
    echo_written,
)
from friedel.constants import HC
from friedel.errors import ParameterError
from friedel.scattering.dispersion import SOURCES

COLUMNS = ("element", "energy_eV", "wavelength_A", "f_prime", "f_double_prime")


@click.command("fprime", short_help="anomalous scattering factors f' and f''")
@click.argument("elements", nargs=-1, required=True, metavar="ELEMENT...")
@click.option(
    "-e",
    "--energy",
    "energies",
    multiple=True,
    metavar="ENERGY",
    help="Energy in eV, or a range such as 8000:14000; can be given many times.",
)
@click.option(
    "-w",
    "--wavelength",
    "wavelengths",
    multiple=True,
    metavar="LAMBDA",
    help="Wavelength in A, or a range such as 0.5:0.9; can be given many times.",
)
@click.option("-s", "--step", type=float, metavar="STEP", help="Step of a range.")
@click.option("-n", "n_values", type=int, metavar="N", help="Number of values in a range.")
@choice(
    "--anomalous",
    "--source",
    "source",
    among=F_PRIME,
    default=SOURCES[0],
    text="Source of the values; repaired: without the false resonances of the original.",
)
@FORMAT
@click.option(
    "--plot",
    cls=OutputOption,
    type=click.Path(),
    metavar="FILE",
    help="Draw f' and f'' over the range of energies, or around an edge (png, pdf, svg).",
)
@OVERWRITE
def command(
    elements: tuple[str, ...],
    energies: tuple[str, ...],
    wavelengths: tuple[str, ...],
    step: float | None,
    n_values: int | None,
    source: str,
    style: str,
    plot: str | None,
    overwrite: bool,
) -> None:
    """Print f' and f'' of each ELEMENT at X-ray energies or wavelengths.

    With --plot alone the figure shows the highest edge between 3 and 50 keV.
    """
    from friedel.model.elements import element_record
    from friedel.scattering.dispersion import SHORT_NAMES, amplitudes, dispersion_notes

    check_files({} if plot is None else {"plot": plot}, overwrite=overwrite)
    values = [expand(text, step, n_values) for text in energies]
    values += [HC / expand(text, step, n_values) for text in wavelengths]
    if not values and not plot:
        raise ParameterError("give at least one energy (-e) or wavelength (-w)")
    energy = np.concatenate(values) if values else np.empty(0)
    symbols = [element_record(element).symbol for element in elements]
    # Calculate everything before printing: an error must not leave half a table
    factors = {symbol: amplitudes(symbol, energy=energy, source=source)[0] for symbol in symbols}
    for element in factors:
        echo_notes(dispersion_notes(element, energy, SHORT_NAMES.get(source, source)))
    if plot:
        _plot(symbols, energy, plot, overwrite)
    rows = [
        dict(zip(COLUMNS, (symbol, *map(float, (e, HC / e, f1, f2))), strict=True))
        for symbol, (f_prime, f_double_prime) in factors.items()
        for e, f1, f2 in np.column_stack([energy, f_prime, f_double_prime])
    ]
    if not rows:
        return
    if style == "table":
        echo("Element\t E[eV]\tWavelength[A]\t   f'   \t  f\"")
        for symbol, e, wavelength, f1, f2 in (row.values() for row in rows):
            echo(f"{symbol}\t{e:#.6g}\t{wavelength:#.6g}\t{f1:8.5f}\t{f2:.5f}")
    else:
        echo(PRINTED[style](rows))


def _plot(symbols: list[str], energy: np.ndarray, path: str, overwrite: bool) -> None:
    from friedel.plots.scattering import plot_dispersion

    limits = (float(energy.min()), float(energy.max())) if len(energy) > 1 else None
    if len(energy) == 1:  # a single energy: draw a range around it
        limits = (0.9 * float(energy[0]), 1.1 * float(energy[0]))
    plot_dispersion(symbols, path, energy=limits, overwrite=overwrite)
    echo_written(path)


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
