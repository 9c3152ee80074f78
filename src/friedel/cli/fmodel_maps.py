"""Options of ``friedel fmodel`` that read a fit out: peaks, residues, groups, omit maps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.output import Files, Output, echo, echo_notes
from friedel.constants import PRINTED_DENSITY_UNITS
from friedel.errors import FileFormatError, ParameterError
from friedel.runtime.paths import exists, shown

if TYPE_CHECKING:
    from friedel import FittedModel, FModel

WORST = 10
"""Number of residues of lowest correlation that are printed."""

PEAKS = click.option(
    "--peaks",
    type=click.IntRange(min=1),
    metavar="N",
    help="List the N highest peaks and deepest holes of the difference map, with nearest atoms.",
)

OPTIONS = (
    PEAKS,
    click.option(
        "--residues", is_flag=True, help="List the correlation of maps (RSCC) and RSR by residue."
    ),
    click.option(
        "--groups",
        is_flag=True,
        help="List scale and B of groups of atoms that fit DATA better: main chain, side chains, "
        "ligands, water, chains. No model is changed.",
    ),
    click.option(
        "--omit",
        metavar="SELECTION",
        help="Leave atoms out of F_calc and mask, such as A/10-12 or '//B/(LIG)'; the results are "
        "those of the other atoms, with mFo-DFc at the ones left out.",
    ),
    click.option(
        "--polder", is_flag=True, help="With --omit: keep the solvent away from these atoms."
    ),
    click.option(
        "--minus",
        type=click.Path(),
        metavar="FILE",
        help="List peaks of the isomorphous difference DATA minus FILE, with phases of MODEL.",
    ),
    click.option(
        "--centre",
        metavar="SELECTION|X,Y,Z",
        help="Centre of --plot-map: an atom (A/12/CB), a residue (A/12) or a position, A.",
    ),
)


def map_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options above as one decorator."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass
class Done:
    """A fitted model and what was read out of its maps, for files of any kind.

    Attributes
    ----------
    fitted
        The fitted model; with ``--omit`` that of the atoms that remain.
    centre
        Centre of a section of its maps, as :func:`friedel.plot_map` takes it.
    more
        Results by their names in JSON.
    """

    fitted: "FittedModel"
    centre: str | tuple[float, ...] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def residues(self) -> Any:
        """Agreement of the maps by residue, calculated on first use."""
        if "residues" not in self.more:
            self.more["residues"] = self.fitted.residues()
        return self.more["residues"]


def write_minus(done: Done, path: str, *, overwrite: bool) -> None:
    """Write the coefficients of the isomorphous difference map."""
    from friedel.cli.output import command_line

    done.more["isomorphous"].coefficients.to_mtz(path, overwrite=overwrite, command=command_line())


def plot_residues(done: Done, path: str, *, overwrite: bool) -> None:
    """Draw the correlation of maps by residue."""
    from friedel import plot_residues

    plot_residues(done.residues, path, overwrite=overwrite)


MINUS = Output("--write-minus", "Write the isomorphous difference (FISO) as MTZ.", write_minus)
PLOT_RESIDUES = Output("--plot-residues", "Draw RSCC by residue.", plot_residues)
OUTPUTS = (MINUS, PLOT_RESIDUES)
"""Output files of these options."""


def take_options(options: dict[str, Any], files: Files) -> dict[str, Any]:
    """The options above, taken out of those given, checked against each other.

    Raises
    ------
    ParameterError
        When one needs another that was not given.
    FileFormatError
        When the other data do not exist.
    """
    from friedel.readers.reading import split_labels

    names = ("peaks", "residues", "groups", "omit", "polder", "minus", "centre")
    given = {name: options.pop(name) for name in names}
    if given["polder"] and given["omit"] is None:
        raise ParameterError("--polder needs the atoms: give --omit SELECTION")
    outputs = [output for output, _ in files]
    if MINUS in outputs and given["minus"] is None:
        raise ParameterError("--write-minus needs the other data: give --minus FILE")
    if given["centre"] is not None and "--plot-map" not in [x.option for x in outputs]:
        raise ParameterError("--centre is that of a section: give --plot-map FILE")
    given["centre"] = parse_centre(given["centre"])
    if given["minus"] is not None and not exists(path := split_labels(given["minus"])[0]):
        raise FileFormatError(f"no such file: {shown(path)}")
    return given


def resolve_selections(fmodel: "FModel", given: dict[str, Any]) -> None:
    """Check, before the fit, that selections of atoms choose some; that of a centre becomes xyz.

    Raises
    ------
    ParameterError
        For a selection that cannot be read or has no atoms.
    """
    if given["omit"] is None and not isinstance(given["centre"], str):
        return
    from friedel.fmodel.omit import chosen_atoms

    if given["omit"] is not None:
        chosen_atoms(fmodel, given["omit"])
    if isinstance(given["centre"], str):  # atoms that --omit leaves out may be the centre
        frac = fmodel.atoms.frac[chosen_atoms(fmodel, given["centre"])].mean(axis=0)
        given["centre"] = tuple((fmodel.crystal.orthogonalization @ frac).tolist())


def parse_centre(text: str | None) -> str | tuple[float, ...] | None:
    """``"1,2,3"`` -> (1.0, 2.0, 3.0); any other text is a selection."""
    parts = [] if text is None else text.replace(",", " ").split()
    try:
        return tuple(float(part) for part in parts) if len(parts) == 3 else text
    except ValueError:
        return text


def read_out(fitted: "FittedModel", given: dict[str, Any]) -> tuple[Done, list[str]]:
    """What the options ask for, and the texts to print after the summary."""
    more: dict[str, Any] = {}
    texts, unit = [], PRINTED_DENSITY_UNITS[fitted.source]
    if given["omit"] is not None:
        omitted = fitted.omit(given["omit"], polder=given["polder"])
        fitted = omitted.fitted
        more["omit"] = omitted
        texts.append(omitted.text(unit))
    done = Done(fitted, given["centre"], more)
    if n := given["peaks"]:
        more["difference_density"] = fitted.difference_density(n)
        texts.append(more["difference_density"].text(unit))
        mates = fitted.friedel_mates
        if mates is not None and mates.are_pairs.any():
            more["anomalous_density"] = fitted.anomalous_density(n)
            texts.append(more["anomalous_density"].text(unit, "anomalous difference map"))
    if given["residues"]:
        found = done.residues
        texts.append(f"2mFo-DFc against F_model within {found.radius:g} Å of atoms:\n{found}")
        texts.append(f"lowest correlation\n{found.worst(WORST)}")
    if given["groups"]:
        more["groups"] = fitted.groups()
        texts.append(f"scale and B of groups, relative to a reference\n{more['groups']}")
    if given["minus"] is not None:
        difference = fitted.isomorphous_difference(given["minus"])
        echo_notes(difference.notes)
        more["isomorphous"] = difference
        density = difference.density(n or 10)
        more["isomorphous_density"] = density
        texts.append(density.text(unit, "isomorphous difference map"))
    return done, texts


def print_texts(texts: list[str]) -> None:
    """Print the texts, with a blank line before each."""
    for text in texts:
        echo(f"\n{text}")
