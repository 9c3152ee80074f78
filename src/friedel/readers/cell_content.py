"""The mass in the cell, by its atoms and as stated: a check, and what tells the origin."""

from collections import defaultdict
from collections.abc import Mapping

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
"""Relative deviation of the mass above which atoms contradict what is stated: hydrogens, which
models often lack, are 4 to 8 % of organic molecules and do not count beside a formula."""

HYDROGENS = ("H", "D")


def deviation(crystal: Crystal, atoms: Atoms, stated: StatedModel) -> float | None:
    """How far the atoms are from the stated content, relative to its mass; None if none is stated.

    By formula times Z: the differences of the mass of each element but hydrogen, added up; or else
    by the density: the difference of all mass.

    Parameters
    ----------
    atoms
        Atoms with crystallographic occupancies.
    """
    masses = _masses(crystal, atoms)
    if stated.formula and stated.formula_units:
        # pymatgen states the atoms of the whole cell as the formula, beside Z
        units = (stated.formula_units, 1.0)
        found = [_from_formula(masses, stated.formula, z) for z in units]
        return None if None in found else min(x for x in found if x is not None)
    if stated.density:
        total = stated.density * crystal.volume * DALTONS_PER_DENSITY
        return abs(sum(masses.values()) - total) / total
    return None


def _from_formula(
    masses: Mapping[str, float], formula: Mapping[str, float], units: float
) -> float | None:
    """Differences of the masses of all elements but hydrogen, relative to the formula's mass."""
    try:
        expected = {s: n * units * element_record(s).weight for s, n in formula.items()}
    except ElementError:
        return None
    heavy = {symbol for symbol in (*expected, *masses) if symbol not in HYDROGENS}
    total = sum(expected.get(symbol, 0.0) for symbol in heavy)
    if not total:
        return None
    return sum(abs(masses.get(s, 0.0) - expected.get(s, 0.0)) for s in heavy) / total


def _masses(crystal: Crystal, atoms: Atoms) -> dict[str, float]:
    """Mass of the cell's content by element, daltons."""
    counts = crystal.n_operations * np.bincount(atoms.kind, atoms.occ, len(atoms.scatterers))
    masses: dict[str, float] = defaultdict(float)
    for symbol, count in zip(atoms.symbols, counts, strict=True):
        masses[symbol] += float(count) * element_record(symbol).weight
    return dict(masses)


def decided_origin(
    crystal: Crystal, atoms: Atoms, stated: StatedModel
) -> tuple[Crystal, tuple[Note, ...]]:
    """The crystal with the origin that gives the stated content, if the symbol leaves it open.

    Parameters
    ----------
    atoms
        Atoms with chemical occupancies.
    """
    from friedel.readers.symmetry import origins_of_symbol

    others = origins_of_symbol(crystal, stated.symmetry)
    if not others:
        return crystal, ()
    found = [deviation(other, _at_sites(other, atoms), stated) for other in others]
    agreeing = [
        other
        for other, how_far in zip(others, found, strict=True)
        if how_far is not None and how_far < LARGEST_DEVIATION
    ]
    if len(agreeing) == 1:
        text = f"the content of the cell tells the origin: {agreeing[0].name}"
        return agreeing[0], (Note(text, "default"),)
    names = " or ".join(other.name for other in others)
    text = f"the symbol {stated.symmetry.symbol} does not tell the origin: {crystal.name} is taken"
    give = f"give {names} as the symbol, or the operations"
    return crystal, (Note(text, "guess", give=give),)


def _at_sites(crystal: Crystal, atoms: Atoms) -> Atoms:
    return atoms.replace(occ=atoms.occ / site_symmetry_order(crystal, atoms.frac))


def about_content(crystal: Crystal, atoms: Atoms, stated: StatedModel) -> tuple[Note, ...]:
    """A warning when the atoms do not have the stated content, or nothing.

    Parameters
    ----------
    atoms
        Atoms with crystallographic occupancies.
    """
    how_far = deviation(crystal, atoms, stated)
    if how_far is None or how_far < LARGEST_DEVIATION:
        return ()
    by = "formula times Z" if stated.formula and stated.formula_units else "the stated density"
    text = (
        f"the content of the cell differs from {by} by {how_far:.0%} of its mass: atoms, "
        "occupancies or symmetry may be wrong"
    )
    return (Note(text, "warning", how_far),)
