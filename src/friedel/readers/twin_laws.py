"""Laws of twinning by merohedry and pseudo-merohedry, from gemmi's search."""

import gemmi
import numpy as np

from friedel.errors import SymmetryError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.writers.gemmi_objects import to_gemmi_cell, to_gemmi_spacegroup

MAX_OBLIQUITY = 3.0
"""Degrees by which the lattices of two domains may disagree; as in gemmi and cctbx."""


def find_twin_laws(crystal: Crystal, wanted: str = "auto") -> dict[str, TwinLaw]:
    """Laws by name, such as ``"-h,-k,l"``.

    Parameters
    ----------
    wanted
        One law; by default all that the lattice allows and the symmetry does not contain, one
        for each way in which two domains can be related.

    Raises
    ------
    ParameterError
        When the law is none.
    SymmetryError
        When it is a symmetry operation, changes the lattice, or there is no law at all.
    """
    if wanted != "auto":
        return {wanted: _checked_law(crystal, wanted)}
    found = {name: TwinLaw.parse(name) for name in _names_of_laws(crystal, all_of_them=False)}
    if not found:
        raise SymmetryError(
            f"crystals of {crystal.name or 'this symmetry'} with this cell have no twin law"
        )
    return found


def twin_laws(crystal: Crystal, wanted: str = "auto") -> dict[str, np.ndarray]:
    """The matrices of :func:`find_twin_laws`, (3, 3): the mate is hkl @ matrix.

    Integers, where there are no fractions. Errors are those of :func:`find_twin_laws`.
    """
    return {name: law.matrix for name, law in find_twin_laws(crystal, wanted).items()}


def _checked_law(crystal: Crystal, text: str) -> TwinLaw:
    law = TwinLaw.parse(text)
    if law.is_symmetry(crystal):
        raise SymmetryError(f"the twin law {text!r} is a symmetry operation of the crystal")
    if law.obliquity(crystal) > MAX_OBLIQUITY and not _is_product(crystal, law):
        raise SymmetryError(
            f"the twin law {text!r} does not keep the lattice of {crystal.cell}: the domains "
            f"differ by {law.obliquity(crystal):.1f} degrees, expected {MAX_OBLIQUITY:g} at most"
        )
    return law


def _is_product(crystal: Crystal, law: TwinLaw) -> bool:
    """Whether it is in the group of the lattice's two-fold axes, though it may deform more."""
    names = _names_of_laws(crystal, all_of_them=True)
    known = [sign * TwinLaw.parse(name).matrix for name in names for sign in (1, -1)]
    return any(np.allclose(law.matrix, matrix) for matrix in known)


def _names_of_laws(crystal: Crystal, *, all_of_them: bool) -> list[str]:
    cell, group = to_gemmi_cell(crystal), to_gemmi_spacegroup(crystal)
    found = gemmi.find_twin_laws(cell, group, MAX_OBLIQUITY, all_of_them)
    return [law.as_hkl().triplet() for law in found]
