"""gemmi's cells, structures and models as Crystal and Atoms."""

from typing import Any

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import CellError, MissingCellError, SymmetryError
from friedel.gemmi_package import gemmi
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Notes
from friedel.readers.macromolecules import arrays_of_model, operators_of_structure
from friedel.readers.model_decisions import atoms_of_stated
from friedel.readers.scale_records import frame_of_scale, scale_of_cell
from friedel.readers.small_structures import stated_of_small
from friedel.readers.stated_model import StatedModel, StatedSymmetry
from friedel.readers.symmetry import crystal_from_gemmi, crystal_of_stated


def crystal_of(source: Any) -> Crystal:
    """The crystal of a gemmi object; the images of a UnitCell are its symmetry.

    Raises
    ------
    CellError, SymmetryError
        When there is no usable cell, or the space group is unknown.
    """
    if isinstance(source, gemmi.Structure):
        cell = _checked_cell(source.cell).parameters
        symbol = source.spacegroup_hm.strip()
        return crystal_of_stated(cell, StatedSymmetry(symbol=symbol or "P 1"))[0]
    if isinstance(source, gemmi.SmallStructure):
        cell = _checked_cell(source.cell).parameters
        symmetry = stated_of_small(source).symmetry
        if not symmetry:
            raise SymmetryError(f"no known space group in {source.name!r}")
        return crystal_of_stated(cell, symmetry)[0]
    if isinstance(source, gemmi.UnitCell):
        return _crystal_from_images(source)
    holder = getattr(source, "cell", None) or getattr(source, "unit_cell", None)
    if isinstance(holder, gemmi.UnitCell):
        return crystal_from_gemmi(_checked_cell(holder), source.spacegroup)
    raise CellError(f"cannot take a unit cell and symmetry from {type(source).__name__}")


def _checked_cell(cell: gemmi.UnitCell) -> gemmi.UnitCell:
    if not cell.is_crystal():
        raise MissingCellError(
            f"no unit cell: got {tuple(cell.parameters)}, expected that of a crystal; for an "
            "isolated molecule give a margin"
        )
    return cell


def _crystal_from_images(cell: gemmi.UnitCell) -> Crystal:
    """Crystal from a UnitCell whose images are its symmetry; strict NCS images are left out."""
    _checked_cell(cell)
    rotations, translations = [np.eye(3)], [np.zeros(3)]
    for image in cell.images:
        rotation = np.array(image.mat.tolist())
        if np.abs(rotation - np.rint(rotation)).max() < 1e-6:
            rotations.append(np.rint(rotation))
            translations.append(np.rint(np.array(image.vec.tolist()) * TRANSLATION_DENOMINATOR))
    return Crystal(cell.parameters, np.array(rotations), np.array(translations))


def atoms_from_gemmi_model(
    crystal: Crystal, model: gemmi.Model, cell: gemmi.UnitCell | None = None
) -> Atoms:
    """All atoms of a gemmi.Model: hydrogens and alternate conformations with their occupancy.

    Parameters
    ----------
    cell
        Cell that defines the frame of the atoms if SCALE records give an unusual orientation.

    Raises
    ------
    CellError
        When the SCALE records are left-handed.
    """
    stated = StatedModel(
        name="", cell=crystal.cell, symmetry=StatedSymmetry(), **arrays_of_model(model)
    )
    frame, _ = frame_of_scale(crystal, scale_of_cell(cell))
    return atoms_of_stated(crystal, stated, frame, Notes())


def atoms_from_small(small: gemmi.SmallStructure) -> Atoms:
    """All sites of a small structure, with unchanged occupancies."""
    crystal = Crystal(_checked_cell(small.cell).parameters)
    return atoms_of_stated(crystal, stated_of_small(small), None, Notes())


def strict_ncs_of(source: Any) -> np.ndarray:
    """(m, 3, 4) Cartesian strict NCS operators whose copies are not in the file."""
    if not isinstance(source, gemmi.Structure):
        return np.empty((0, 3, 4))
    operators = operators_of_structure(source)
    frame, _ = frame_of_scale(crystal_of(source), scale_of_cell(source.cell))
    return operators if frame is None else frame.operators(operators)
