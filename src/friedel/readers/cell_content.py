"""The mass in the cell, by its atoms and as stated: a check, and what tells the origin."""

import numpy as np

from friedel.errors import ElementError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.elements import element_record
from friedel.model.special_positions import site_symmetry_order
from friedel.notes import Note
from friedel.readers.stated_model import StatedModel

DALTONS_PER_DENSITY = 0.60221408
"""Mass in daltons of 1 Å^3 at 1 g/cm^3."""

LARGEST_DEVIATION = 0.1
"""Relative deviation of masses above which they contradict each other: hydrogens, which models
often lack, are 4 to 8 % of organic molecules."""


def stated_mass(crystal: Crystal, stated: StatedModel) -> float | None:
    """Mass of the cell's content by formula times Z, or by the density, daltons."""
    if stated.formula and stated.formula_units:
        try:
            weights = {symbol: element_record(symbol).weight for symbol in stated.formula}
        except ElementError:
            return None
        return stated.formula_units * sum(n * weights[s] for s, n in stated.formula.items())
    if stated.density:
        return stated.density * crystal.volume * DALTONS_PER_DENSITY
    return None


def mass_of_atoms(crystal: Crystal, atoms: Atoms) -> float:
    """Mass of all atoms of the cell with their crystallographic occupancies, daltons."""
    weights = np.array([element_record(symbol).weight for symbol in atoms.symbols])
    return float(atoms.occ @ weights[atoms.kind]) * crystal.n_operations


def decided_origin(
    crystal: Crystal, atoms: Atoms, stated: StatedModel
) -> tuple[Crystal, tuple[Note, ...]]:
    """The crystal with the origin that gives the stated mass, where the symbol leaves it open.

    Parameters
    ----------
    atoms
        Atoms with chemical occupancies.
    """
    from friedel.readers.symmetry import origins_of_symbol

    others = origins_of_symbol(crystal, stated.symmetry)
    if not others:
        return crystal, ()
    expected = stated_mass(crystal, stated)
    if expected:
        agreeing = [
            other
            for other in others
            if abs(_mass_at_sites(other, atoms) - expected) < LARGEST_DEVIATION * expected
        ]
        if len(agreeing) == 1:
            text = f"the mass of the cell's content tells the origin: {agreeing[0].name}"
            return agreeing[0], (Note(text, "default"),)
    names = " or ".join(other.name for other in others)
    text = f"the symbol {stated.symmetry.symbol} does not tell the origin: {crystal.name} is taken"
    give = f"give {names} as the symbol, or the operations"
    return crystal, (Note(text, "guess", give=give),)


def _mass_at_sites(crystal: Crystal, atoms: Atoms) -> float:
    order = site_symmetry_order(crystal, atoms.frac)
    return mass_of_atoms(crystal, atoms.replace(occ=atoms.occ / order))


def about_content(crystal: Crystal, atoms: Atoms, stated: StatedModel) -> tuple[Note, ...]:
    """A warning when the atoms do not have the stated mass, or nothing.

    Parameters
    ----------
    atoms
        Atoms with crystallographic occupancies.
    """
    expected, found = stated_mass(crystal, stated), mass_of_atoms(crystal, atoms)
    if not expected or abs(found - expected) < LARGEST_DEVIATION * expected:
        return ()
    by = "formula times Z" if stated.formula and stated.formula_units else "the density"
    text = (
        f"the atoms of the cell have {found / expected:.0%} of the mass that {by} gives: atoms, "
        "occupancies or symmetry may be wrong"
    )
    return (Note(text, "warning", found / expected),)
