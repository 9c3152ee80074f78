"""gemmi's models, single atoms and unit cells as the engine's arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import AtomsError, CellError
from friedel.gemmi_package import gemmi
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.elements import make_label
from friedel.readers.gemmi_models import (
    atoms_from_gemmi_model,
    atoms_from_small,
    strict_ncs_of,
)
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


def state_of(source: Any) -> bytes | None:
    """All that an object of gemmi holds, as it is pickled; None where gemmi does not pickle it.

    gemmi's objects can be changed in place, and nothing tells that they were: what depends on one
    is kept together with its state. gemmi writes that in a fraction of the time of a conversion.
    """
    state = source.__getstate__()
    return state if isinstance(state, bytes) else None


class KeptAtoms:
    """The atoms of the model that was given last, converted again only when it has changed."""

    def __init__(self, crystal: Crystal) -> None:
        self._crystal = crystal
        self._state: Any = None
        self._atoms: Atoms | None = None

    def of_model(self, model: Any) -> Atoms:
        """As :func:`atoms_of_model`."""
        state = state_of(model) if isinstance(model, gemmi.Model) else None
        return self._converted(state, lambda: atoms_of_model(self._crystal, model))

    def of_small_structure(self, small: Any) -> Atoms:
        """As :func:`atoms_of_small_structure`."""
        state = _state_of_small(small) if isinstance(small, gemmi.SmallStructure) else None
        return self._converted(state, lambda: atoms_of_small_structure(small))

    def _converted(self, state: Any, convert: Callable[[], Atoms]) -> Atoms:
        if state is None or self._atoms is None or state != self._state:
            self._atoms = convert()
            self._state = state
        return self._atoms


def _state_of_small(small: gemmi.SmallStructure) -> list[Any]:
    """All that :func:`atoms_of_small_structure` reads; gemmi does not pickle small structures."""
    sites = [
        (
            site.label,
            site.type_symbol,
            site.element.name,
            site.charge,
            site.fract.tolist(),
            site.occ,
            site.u_iso,
            site.aniso.elements_pdb(),
        )
        for site in small.sites
    ]
    return [small.cell.parameters, *sites]


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
