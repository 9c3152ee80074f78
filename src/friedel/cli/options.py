"""Options and small conversions that several commands share.

Choices are read from the modules that define them, so that additions there appear in the
commands. These modules import neither numba nor scipy nor gemmi, which keeps --help fast.
"""

from collections.abc import Callable, Iterable
from typing import Any

import click
import numpy as np

from friedel.errors import ParameterError
from friedel.model.model import Model
from friedel.scattering.dispersion import SHORT_NAMES, SOURCES as ANOMALOUS
from friedel.scattering.formfactors import SOURCES

STRICT = click.option("--strict", is_flag=True, help="Treat guesses as errors instead of notes.")

RADIATION = tuple(SOURCES)
"""Choices of ``--for``."""

F_PRIME = (*SHORT_NAMES, *ANOMALOUS)
"""Sources of f' and f''."""

TABLE = click.option("--table", metavar="NAME", help="Form factors: see friedel formfactor --list.")
USE_CHARGE = click.option(
    "--use-charge", is_flag=True, help="Form factors of ions where tabulated."
)
FORM_FACTORS = click.option(
    "--form-factors",
    type=click.Path(),
    metavar="FILE",
    help="Form factors of each atom at each reflection: a .tsc or .tscb file.",
)
HYDROGENS = click.option(
    "--hydrogens", is_flag=True, help="Add hydrogens of C-H and N-H groups that MODEL lacks."
)


def choice(
    *names: str, among: Iterable[str], default: str | None = None, text: str
) -> Callable[[Any], Any]:
    """An option with listed values, and its default if there is one."""
    return click.option(
        *names, type=click.Choice(list(among)), default=default, show_default=True, help=text
    )


BLOCK = click.option("--block", metavar="NAME", help="Block of the CIF with the model.")


def radiation(*among: str) -> Callable[[Any], Any]:
    """The option ``--for``; by default with all kinds of radiation."""
    text = "Radiation; default: as the CIF of a small structure states, or xray."
    return choice("--for", "source", among=among or RADIATION, text=text)


def parse_hkl(text: str) -> tuple[int, int, int]:
    """``"1,2,3"`` -> (1, 2, 3).

    Raises
    ------
    ParameterError
        When the text is not three integers.
    """
    parts = text.replace(",", " ").split()
    try:
        h, k, l = (int(part) for part in parts)
    except ValueError:
        raise ParameterError(f"got reflection {text!r}, expected three integers H,K,L") from None
    return h, k, l


def summary_line(model: Model) -> str:
    """Name, space group, cell and content of a model in one line."""
    atoms, crystal = model.atoms, model.crystal
    counts = np.bincount(atoms.kind, minlength=len(atoms.scatterers))
    content = ", ".join(f"{n} {s}" for s, n in zip(atoms.scatterers, counts, strict=True))
    group = crystal.name or f"{crystal.n_operations} symmetry operations"
    cell = " ".join(f"{x:g}" for x in crystal.cell)
    aniso = int(atoms.is_aniso.sum())
    return (
        f"{model.name}: {group}, cell {cell}; {len(atoms)} atoms ({content}), {aniso} anisotropic"
    )
