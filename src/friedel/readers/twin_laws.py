"""Laws of twinning by merohedry and pseudo-merohedry, from gemmi's search."""

import gemmi
import numpy as np

from friedel.errors import ParameterError, SymmetryError
from friedel.model.crystal import Crystal
from friedel.writers.gemmi_objects import to_gemmi_cell, to_gemmi_spacegroup

MAX_OBLIQUITY = 1.0
"""Degrees by which the lattices of two domains may disagree."""


def twin_laws(crystal: Crystal, wanted: str = "auto") -> dict[str, np.ndarray]:
    """Laws by name, such as ``"-h,-k,l"``, with matrices that take hkl to its twin mate.

    Parameters
    ----------
    wanted
        One law; by default all that the lattice allows and the symmetry does not contain.

    Returns
    -------
    dict
        Integer matrices (3, 3): the mate is hkl @ matrix.

    Raises
    ------
    ParameterError
        When the law is none.
    SymmetryError
        When it is a symmetry operation, changes the lattice, or there is no law at all.
    """
    if wanted != "auto":
        matrix = _checked_law(crystal, wanted)
        return {wanted: matrix}
    cell, group = to_gemmi_cell(crystal), to_gemmi_spacegroup(crystal)
    found = gemmi.find_twin_laws(cell, group, MAX_OBLIQUITY, False)
    if not found:
        raise SymmetryError(
            f"crystals of {crystal.name or 'this symmetry'} with this cell have no twin law"
        )
    return {law.as_hkl().triplet(): _matrix(law) for law in found}


def _checked_law(crystal: Crystal, text: str) -> np.ndarray:
    try:
        operation = gemmi.Op(text)
    except RuntimeError:
        raise ParameterError(
            f"got twin law {text!r}, expected one such as '-h,-k,l', or 'auto'"
        ) from None
    matrix = _matrix(operation)
    if round(abs(np.linalg.det(matrix))) != 1 or any(operation.tran):
        raise ParameterError(f"the twin law {text!r} is no operation on reflections")
    metric = crystal.reciprocal_metric
    change = np.abs(matrix @ metric @ matrix.T - metric).max() / metric.max()
    if change > 2.0 * np.radians(2.0 * MAX_OBLIQUITY):
        raise SymmetryError(f"the twin law {text!r} does not keep the lattice of {crystal.cell}")
    rotations, _ = crystal.primitive_operations
    if any((sign * matrix == rotation).all() for rotation in rotations for sign in (1, -1)):
        raise SymmetryError(f"the twin law {text!r} is a symmetry operation of the crystal")
    return matrix


def _matrix(law: gemmi.Op) -> np.ndarray:
    return np.array([law.apply_to_hkl(index) for index in np.eye(3, dtype=int).tolist()])
