"""Crystals and reflections as gemmi's objects."""

from typing import Any

import numpy as np

from friedel.errors import SymmetryError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal


def to_gemmi_cell(crystal: Crystal) -> gemmi.UnitCell:
    """The cell as a gemmi.UnitCell (without symmetry images)."""
    return gemmi.UnitCell(*crystal.cell)


def find_gemmi_spacegroup(crystal: Crystal) -> gemmi.SpaceGroup | None:
    """The space group in gemmi's tables with exactly these operations, or None."""
    operations = gemmi.GroupOps([gemmi.Op(text) for text in triplets(crystal)])
    return gemmi.find_spacegroup_by_ops(operations)


def to_gemmi_spacegroup(crystal: Crystal) -> gemmi.SpaceGroup:
    """The space group in gemmi's tables with exactly these operations.

    Raises
    ------
    SymmetryError
        When no tabulated setting has these operations.
    """
    space_group = find_gemmi_spacegroup(crystal)
    if space_group is None:
        raise SymmetryError(
            f"the {crystal.n_operations} operations are not a tabulated space-group setting"
        )
    return space_group


def triplets(crystal: Crystal) -> list[str]:
    """The operations as triplets such as ``"-x,y+1/2,-z"``."""
    operations = []
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        operation = gemmi.Op("x,y,z")
        operation.rot = (rotation * gemmi.Op.DEN).tolist()
        operation.tran = translation.tolist()
        operations.append(operation.triplet())
    return operations


def to_asu_data(
    crystal: Crystal, hkl: np.ndarray, values: np.ndarray, sigmas: np.ndarray | None
) -> Any:
    """The reflections as a gemmi ComplexAsuData, ValueSigmaAsuData or FloatAsuData."""
    cell, space_group = to_gemmi_cell(crystal), to_gemmi_spacegroup(crystal)
    if np.iscomplexobj(values):
        return gemmi.ComplexAsuData(cell, space_group, hkl, values.astype(np.complex64))
    if sigmas is not None:
        pairs = np.column_stack([values, sigmas]).astype(np.float32)
        return gemmi.ValueSigmaAsuData(cell, space_group, hkl, pairs)
    return gemmi.FloatAsuData(cell, space_group, hkl, values.astype(np.float32))
