"""Riding hydrogens of a fit: which are tried, and what is said of them."""

from typing import Any

from friedel.errors import ElementError
from friedel.model.atoms import Atoms
from friedel.model.riding_hydrogens import RidingHydrogens
from friedel.notes import Note
from friedel.readers.models import hydrogens_note, no_hydrogens
from friedel.structure_factors.options import CalculationOptions


def hydrogens_for(
    wanted: bool | str | None,
    structure: Any,
    atoms: Atoms,
    source: str,
    options: CalculationOptions,
) -> tuple[RidingHydrogens | None, tuple[Note, ...]]:
    """The hydrogens that are added, or tried for ``"auto"``, and notes on those asked for.

    Parameters
    ----------
    wanted
        None, ``"auto"`` or True.
    structure
        The ``gemmi.Structure`` of the atoms, or None, for which ``"auto"`` tries none.
    atoms
        The atoms, with copies by strict NCS.
    source
        The radiation.
    options
        Form factors, which may lack hydrogen.

    Raises
    ------
    ParameterError
        When hydrogens are asked for and there is no structure.
    """
    if wanted is None or (wanted == "auto" and atoms.is_hydrogen.any()):
        return None, ()
    if structure is None:
        if wanted is True:
            raise no_hydrogens("a model without residues")
        return None, ()
    from friedel.readers.added_hydrogens import hydrogens_to_add

    found = hydrogens_to_add(structure, source)
    notes: tuple[Note, ...] = ()
    if wanted is True:
        notes = (hydrogens_note(len(found.riding), found.n_kept),)
    elif options.is_by_atom or not _has_hydrogen(options):
        return None, ()
    if not len(found.riding) or len(atoms) % found.n_atoms:
        return None, notes
    return found.riding.copied(found.n_atoms, len(atoms) // found.n_atoms), notes


def _has_hydrogen(options: CalculationOptions) -> bool:
    try:
        options.factors(("H",))
    except ElementError:
        return False
    return True


def about_hydrogens(n: int, r_with: float, r_without: float) -> Note:
    """The note on hydrogens that were tried, with R of the fits with and without them."""
    if r_with < r_without:
        text = (
            f"{n} hydrogens are added, riding on C and N: R of a flat solvent is {r_with:.4f}, "
            f"without them {r_without:.4f}"
        )
        give = "to leave them out give hydrogens=None (--hydrogens none)"
    else:
        text = (
            f"no hydrogens are added: R of a flat solvent is {r_without:.4f}, with {n} riding on "
            f"C and N {r_with:.4f}"
        )
        give = "to add them give hydrogens=True (--hydrogens yes)"
    return Note(text, "fit", n, give=give)
