"""Options and small conversions that several commands share."""

import shlex
from collections.abc import Iterable

import click
import numpy as np

from friedel.errors import ParameterError
from friedel.model.model import Model

OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace files that exist.")
STRICT = click.option(
    "--strict", is_flag=True, help="Guess nothing: what would be a note of a guess is an error."
)
HYDROGENS = click.option(
    "--hydrogens", is_flag=True, help="Add those of C-H and N-H groups that MODEL lacks."
)


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


def command_line() -> str:
    """The command that runs, as it would be typed, for files to tell."""
    return shlex.join(["friedel", *map(str, click.get_current_context().obj or ())])


def echo_notes(notes: Iterable[str]) -> None:
    """What was decided while reading, one line each, on stderr."""
    for note in notes:
        click.echo(f"friedel: note: {note}", err=True)
