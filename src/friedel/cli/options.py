"""Options and small conversions that several commands share.

Choices are read from the modules that define them, so that additions there appear in the
commands. These modules import neither numba nor scipy nor gemmi, which keeps --help fast.
"""

from collections.abc import Callable, Iterable
from typing import Any

import click
import numpy as np

from friedel.cli.command import OnceAFlag
from friedel.errors import ParameterError
from friedel.model.elements import scatterer_label
from friedel.model.model import Model
from friedel.scattering.dispersion import SHORT_NAMES, SOURCES as ANOMALOUS
from friedel.scattering.formfactors import SOURCES

STRICT = click.option("--strict", is_flag=True, help="Treat guesses as errors instead of notes.")

FORCE = click.option(
    "--force", is_flag=True, help="Go on with a calculation refused for its time or memory."
)

RADIATION = tuple(SOURCES)
"""Choices of ``--for``."""

F_PRIME = (*SHORT_NAMES, *ANOMALOUS)
"""Sources of f' and f''."""

NONE = "none"
"""The choice of nothing, among sources of f' and f'' as among others."""

TABLE = click.option("--table", metavar="NAME", help="Form factors: see friedel formfactor --list.")
USE_CHARGE = click.option(
    "--use-charge", is_flag=True, help="Form factors of ions where tabulated."
)
SCATTER_AS = click.option(
    "--scatter-as",
    multiple=True,
    metavar="KIND=ENTRY",
    help="Entry of the table, or mixture, for one kind of atom: H=Hiso, Fe=Fe3+, Li=6Li, "
    "H=0.6H+0.4D, Li=0.9*6Li+0.1*7Li; can be repeated.",
)
FPRIME = click.option(
    "--fprime",
    multiple=True,
    metavar="KIND=F',F''|FILE",
    help="f' and f'' of one kind of atom (Se=-8.0,4.5), of the atoms of one name (SE1=-8,4.5), or "
    "of a scan at the energy: CHOOCH's .efs, or text with energy, f', f''; can be repeated.",
)
FORM_FACTORS = click.option(
    "--form-factors",
    type=click.Path(),
    metavar="FILE",
    help="Form factors of each atom at each reflection: a .tsc or .tscb file.",
)
HYDROGENS = click.option(
    "--hydrogens",
    cls=OnceAFlag,
    type=click.Choice([NONE, "yes"]),
    default=NONE,
    show_default=True,
    callback=lambda _context, _parameter, value: value == "yes",
    help="Riding hydrogens of C-H and N-H groups that MODEL lacks (yes, or no value).",
)
TLS = click.option(
    "--tls",
    type=click.Choice(["auto", "residual", "none", "no"]),
    default="auto",
    show_default=True,
    help="TLS groups of MODEL: add them where its B are residual (auto), in any case, or never.",
)


class NumberOrFile(click.ParamType):
    """A number, or the word ``file`` for the number that a file states."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """The number, or ``"file"``."""
        if value == "file":
            return "file"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'file'", param, ctx)


ENERGY = click.option(
    "-e", "--energy", type=float, metavar="EV", help="Photon energy, eV; adds f' and f''."
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of threads; default: one per core. Results do not depend on it.",
)


def wavelength(text: str) -> Callable[[Any], Any]:
    """The option ``--wavelength``, a number in Å or ``file``."""
    names = "-w", "--wavelength"
    return click.option(*names, type=NumberOrFile(), metavar="A|file", help=text)


def choice(
    *names: str, among: Iterable[str], default: str | None = None, text: str
) -> Callable[[Any], Any]:
    """An option with listed values, and its default if there is one."""
    return click.option(
        *names, type=click.Choice(list(among)), default=default, show_default=True, help=text
    )


ANOMALOUS_OPTION = choice(
    "--anomalous",
    among=(*F_PRIME, NONE),
    text="Source of f' and f''; default: cl (Cromer-Liberman).",
)
BLOCK = click.option("--block", metavar="NAME", help="Block of the CIF with the model.")


def of_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a model that is read and scatters: its atoms, form factors, and block."""
    options = HYDROGENS, TLS, TABLE, SCATTER_AS, USE_CHARGE, BLOCK, STRICT
    for option in reversed(options):  # the last decorator is the first that is applied
        command = option(command)
    return command


def radiation(
    *among: str, default: str = "as the CIF of a small structure states, or xray"
) -> Callable[[Any], Any]:
    """The option ``--for``, among all kinds of radiation if none are given."""
    text = f"Radiation; default: {default}."
    return choice("--for", "source", among=among or RADIATION, text=text)


def parse_choices(texts: Iterable[str]) -> dict[str, str]:
    """``("H=Hiso",)`` -> ``{"H": "Hiso"}``.

    Raises
    ------
    ParameterError
        For a text that is not two names joined by an equals sign.
    """
    choices = {}
    for text in texts:
        kind, _, entry = (part.strip() for part in text.partition("="))
        if not kind or not entry:
            raise ParameterError(f"got --scatter-as {text!r}, expected KIND=ENTRY such as H=Hiso")
        choices[scatterer_label(kind)] = entry
    return choices


def parse_fprime(texts: Iterable[str]) -> dict[str, complex | str]:
    """``("Se=-8.0,4.5", "Fe=scan.efs")`` -> ``{"Se": -8+4.5j, "Fe": "scan.efs"}``.

    Raises
    ------
    ParameterError
        For a text that is not a name, an equals sign, and two numbers or a path.
    """
    found: dict[str, complex | str] = {}
    for text in texts:
        kind, _, value = (part.strip() for part in text.partition("="))
        if not kind or not value:
            raise ParameterError(
                f"got --fprime {text!r}, expected KIND=F',F'' such as Se=-8.0,4.5, or KIND=FILE"
            )
        try:
            numbers = [float(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) == 2:
            found[kind] = complex(*numbers)
        elif len(numbers) == 0:
            found[kind] = value
        else:
            raise ParameterError(f"got --fprime {text!r}, expected two numbers, f' and f''")
    return found


def own_scattering(given: dict[str, Any]) -> dict[str, Any]:
    """The options ``--scatter-as``, ``--form-factors`` and ``--fprime``, for Python.

    They are taken out of those given; a command may lack the last two.

    Raises
    ------
    ParameterError
        When one of them cannot be read, or f' is given for anything but X-rays.
    """
    addends = parse_fprime(given.pop("fprime", ()))
    if addends and given["source"] not in (None, "xray"):
        raise ParameterError(f"--fprime is for X-rays; got --for {given['source']}")
    entries, by_atom = parse_choices(given.pop("scatter_as")), given.pop("form_factors", None)
    if entries and by_atom:
        raise ParameterError("give either --form-factors or --scatter-as")
    return {"form_factors": by_atom or entries or None, "addends": addends or None}


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
