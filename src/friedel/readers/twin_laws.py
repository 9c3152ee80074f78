"""Laws of twinning by merohedry and pseudo-merohedry, from gemmi's search."""

import numpy as np

from friedel.errors import SymmetryError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.writers.gemmi_objects import to_gemmi_cell, to_gemmi_spacegroup

MAX_OBLIQUITY = 3.0
"""Largest obliquity (degrees) of the lattices of two domains, as in gemmi and cctbx."""


def find_twin_laws(crystal: Crystal, wanted: str = "auto") -> dict[str, TwinLaw]:
    """Twin laws by name, such as ``"-h,-k,l"``.

    Parameters
    ----------
    wanted
        One law; by default all laws that the lattice allows and the symmetry does not contain,
        one for each possible relation of two domains.

    Raises
    ------
    ParameterError
        When `wanted` is not a twin law.
    SymmetryError
        When it is a symmetry operation or changes the lattice, or no law exists.
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

    The matrices are of integers if there are no fractions. The errors are those of
    :func:`find_twin_laws`.
    """
    return {name: law.matrix for name, law in find_twin_laws(crystal, wanted).items()}


def lattice_operations(crystal: Crystal) -> list[TwinLaw]:
    """The rotations of the lattice, which include those of the crystal and all its twin laws.

    The lattice is given the highest point symmetry that an obliquity of 3 degrees allows.

    Raises
    ------
    SymmetryError
        When the symmetry is not that of a tabulated space group.
    """
    centring = to_gemmi_spacegroup(crystal).centring_type()
    group = gemmi.find_lattice_symmetry(to_gemmi_cell(crystal), centring, MAX_OBLIQUITY)
    return [TwinLaw.parse(operation.as_hkl().triplet()) for operation in group.sym_ops]


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
    """Whether the law is in the group of the lattice's two-fold axes, whatever its obliquity."""
    names = _names_of_laws(crystal, all_of_them=True)
    known = [sign * TwinLaw.parse(name).matrix for name in names for sign in (1, -1)]
    return any(np.allclose(law.matrix, matrix) for matrix in known)


def _names_of_laws(crystal: Crystal, *, all_of_them: bool) -> list[str]:
    cell, group = to_gemmi_cell(crystal), to_gemmi_spacegroup(crystal)
    found = gemmi.find_twin_laws(cell, group, MAX_OBLIQUITY, all_of_them)
    return [law.as_hkl().triplet() for law in found]
