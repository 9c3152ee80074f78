"""gemmi's models, single atoms and unit cells as the engine's arrays."""

from typing import Any

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import AtomsError, CellError
from friedel.gemmi_package import gemmi
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.elements import make_label
from friedel.readers.gemmi_models import (
    atoms_from_arrays,
    atoms_from_gemmi_model,
    atoms_from_small,
    strict_ncs_of,
)
from friedel.readers.macromolecules import arrays_of_model
from friedel.readers.models import as_crystal

INTEGRAL = 1e-6
"""Largest deviation of a fractional symmetry operation from integers and 24ths."""


def atoms_of_model(crystal: Crystal, model: Any) -> Atoms:
    """The atoms of a ``gemmi.Model``; Atoms pass through.

    Raises
    ------
    AtomsError
        For anything else, and for numbers that are not finite.
    """
    if isinstance(model, Atoms):
        return model
    if isinstance(model, gemmi.Model):
        return atoms_from_gemmi_model(crystal, model)
    raise AtomsError(f"got {type(model).__name__}, expected a gemmi.Model such as structure[0]")


class KeptAtoms:
    """The atoms of the model that was given last, converted again only when it has changed.

    gemmi's models can be changed in place, and nothing tells that they were. All arrays of the
    model are read and compared, which takes about half of the time of a conversion; most of it
    goes into the tensors, which gemmi hands out one atom at a time.
    """

    def __init__(self) -> None:
        self._kept: tuple[Crystal, dict[str, Any], Atoms] | None = None

    def of_model(self, crystal: Crystal, model: Any) -> Atoms:
        """As :func:`atoms_of_model`."""
        if not isinstance(model, gemmi.Model):
            return atoms_of_model(crystal, model)
        arrays, kept = arrays_of_model(model), self._kept
        if kept is not None and kept[0] is crystal and _are_equal(arrays, kept[1]):
            return kept[2]
        atoms = atoms_from_arrays(crystal, arrays)
        self._kept = crystal, arrays, atoms
        return atoms


def _are_equal(arrays: dict[str, Any], others: dict[str, Any]) -> bool:
    return all(np.array_equal(value, others[name]) for name, value in arrays.items())


def atoms_of_small_structure(small: Any) -> Atoms:
    """The atoms of a ``gemmi.SmallStructure`` with unchanged occupancies.

    Raises
    ------
    AtomsError
        For anything else, and for numbers that are not finite.
    """
    if not isinstance(small, gemmi.SmallStructure):
        raise AtomsError(f"got {type(small).__name__}, expected a gemmi.SmallStructure")
    return atoms_from_small(small)


def atoms_of_atom(crystal: Crystal, atom: gemmi.Atom) -> Atoms:
    """One ``gemmi.Atom``."""
    u = atom.aniso
    return Atoms(
        (crystal.fractionalization @ atom.pos.tolist())[None],
        np.array([atom.occ]),
        np.array([atom.b_iso]),
        np.zeros(1, np.int32),
        (make_label(atom.element.name, atom.charge),),
        np.array([u.elements_pdb()]) if u.nonzero() else None,
    )


def symmetry_of(source: Any) -> tuple[Crystal, np.ndarray]:
    """The crystal, and the strict NCS as (m, 3, 4) Cartesian operators without the identity.

    The images of a ``gemmi.UnitCell`` are the space group times the NCS in one list. One
    image of each coset of the space group is taken for the NCS.

    Raises
    ------
    CellError
        When there is no cell, or its axes are not oriented as usual.
    """
    if not isinstance(source, gemmi.UnitCell):
        return as_crystal(source), strict_ncs_of(source)
    if not source.is_crystal():
        raise CellError(f"no unit cell: got {source.parameters}, expected that of a crystal")
    if source.explicit_matrices:
        raise CellError(
            "the unit cell is not in the standard orientation (SCALE records, a along x): "
            "coordinates would be misread"
        )
    images = [np.column_stack([im.mat.tolist(), im.vec.tolist()]) for im in source.images]
    operators = np.array([np.eye(3, 4), *images])
    scaled = operators * [1.0, 1.0, 1.0, TRANSLATION_DENOMINATOR]
    symmetric = (np.abs(scaled - np.rint(scaled)) < INTEGRAL).all(axis=(1, 2))
    exact = np.rint(scaled[symmetric]).astype(np.int64)
    crystal = Crystal(source.parameters, exact[..., :3], exact[..., 3])
    to_cart, to_frac = crystal.orthogonalization, crystal.fractionalization
    cosets = [
        np.column_stack([to_cart @ op[:, :3] @ to_frac, to_cart @ op[:, 3]])
        for op in _coset_representatives(crystal, operators[~symmetric])
    ]
    return crystal, np.array(cosets).reshape(-1, 3, 4)


def _coset_representatives(crystal: Crystal, operators: np.ndarray) -> list[np.ndarray]:
    """Fractional operators (3, 4), no two of which are related by the crystal's symmetry."""
    shifts = crystal.translations / TRANSLATION_DENOMINATOR
    representatives: list[np.ndarray] = []
    known = np.empty((0, 3, 4))
    for op in operators:
        difference = known - op
        difference[..., 3] -= np.rint(difference[..., 3])
        if (np.abs(difference) < 1e-4).all(axis=(1, 2)).any():
            continue
        representatives.append(op)
        mates = np.einsum("nij,jk->nik", crystal.rotations, op)
        mates[..., 3] += shifts
        known = np.concatenate([known, mates])
    return representatives
