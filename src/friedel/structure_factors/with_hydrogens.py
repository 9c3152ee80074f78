"""Structure factors of atoms and of hydrogens that ride on them, as functions of the atoms alone.

The position of a hydrogen is a function of those of two to four atoms, its B is 1.2 times that of
its parent (the mean of the eigenvalues of an anisotropic B), its occupancy that of its parent. The
chain rule takes derivatives by hydrogens to these atoms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from friedel.constants import U_TO_B
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.riding_hydrogens import B_RATIO, RidingHydrogens
from friedel.scattering.formfactors import ScatteringFactors
from friedel.structure_factors.calculator import Calculator, Evaluation
from friedel.structure_factors.gradients import Gradients

MEAN_OF_U = U_TO_B / 3.0
"""Share of U11, U22 and U33 each (Å^2) in the equivalent B (Å^2)."""

Parameters = tuple[Any, Any, Any, Any]
"""Coordinates (Å), B, U and occupancies as arrays of any library, or None."""


def hydrogens_of(riding: RidingHydrogens, crystal: Crystal, atoms: Atoms) -> Atoms:
    """The hydrogens that ride on atoms, as atoms."""
    xyz = riding.positions(atoms.frac @ crystal.orthogonalization.T)
    parents, b = riding.parents, atoms.b_iso
    if atoms.u_aniso is not None:
        equivalent = MEAN_OF_U * atoms.u_aniso[:, :3].sum(axis=1)
        b = np.where(atoms.is_aniso, equivalent, b)
    kind = np.zeros(len(parents), np.int32)
    frac = xyz @ crystal.fractionalization.T
    return Atoms(frac, atoms.occ[parents], B_RATIO * b[parents], kind, ("H",))


@dataclass(frozen=True, eq=False)
class CalculatorWithHydrogens:
    """A calculator of F of atoms and of hydrogens that ride on them.

    It is used like :class:`friedel.Calculator`; `atoms`, and derivatives, are those of the atoms
    without the hydrogens. The two sums have each their own grid.

    Parameters
    ----------
    of_atoms
        Calculator of the atoms.
    riding
        The hydrogens.
    factors
        Form factors of hydrogen.
    """

    of_atoms: Calculator
    riding: RidingHydrogens
    factors: ScatteringFactors

    @property
    def crystal(self) -> Crystal:
        """Cell and symmetry."""
        return self.of_atoms.crystal

    @property
    def atoms(self) -> Atoms:
        """The atoms without the hydrogens."""
        return self.of_atoms.atoms

    @property
    def hkl(self) -> np.ndarray:
        """(n, 3) reflections."""
        return self.of_atoms.hkl

    @property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2 of the reflections, 1/Å^2."""
        return self.of_atoms.stol2

    @cached_property
    def of_hydrogens(self) -> Calculator:
        """Calculator of the hydrogens."""
        of_atoms = self.of_atoms
        hydrogens = hydrogens_of(self.riding, self.crystal, self.atoms)
        return Calculator(self.crystal, hydrogens, self.hkl, self.factors, of_atoms.options)

    def forward(self, atoms: Atoms | None = None) -> np.ndarray:
        """(n,) complex structure factors; arguments and errors are those of the calculator's."""
        return self.at(atoms).forward()

    def at(self, atoms: Atoms | None = None) -> "EvaluationWithHydrogens":
        """Structure factors and derivatives at one set of parameters of the atoms."""
        of_atoms = self.of_atoms.at(atoms)
        hydrogens = None if atoms is None else hydrogens_of(self.riding, self.crystal, atoms)
        return EvaluationWithHydrogens(of_atoms, self.of_hydrogens.at(hydrogens), self.riding)

    def adjoint(self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives by the atoms' parameters; see :meth:`friedel.Calculator.adjoint`."""
        return self.at(atoms).adjoint(w, anomalous=anomalous)

    def hydrogen_parameters(
        self, xp: Any, given: Parameters, as_array: Callable[[Any], Any]
    ) -> Parameters:
        """The parameters of the hydrogens from those of the atoms, by an array library.

        Parameters
        ----------
        xp
            torch or jax.numpy, which differentiate the result.
        given
            (..., n, 3) coordinates (Å), (..., n) B, (..., n, 6) U and (..., n) occupancies; those
            that are None are the planned ones, and so are then those of the hydrogens.
        as_array
            Converts numbers and indices to arrays of the library.
        """
        xyz, b, u, occ = given
        parents, atoms = as_array(self.riding.parents), self.atoms
        if xyz is not None:
            xyz = self.riding.positions_by(xp, xyz, as_array)
        b_of = None
        if b is not None or u is not None:
            if u is None and atoms.u_aniso is not None:
                u = as_array(np.array(atoms.u_aniso))
            b_of = as_array(np.array(atoms.b_iso)) if b is None else b
            if u is not None:
                is_aniso = (u != 0.0).any(-1)
                b_of = xp.where(is_aniso, MEAN_OF_U * u[..., :3].sum(-1), b_of)
            b_of = B_RATIO * b_of[..., parents]
        return xyz, b_of, None, None if occ is None else occ[..., parents]


@dataclass(frozen=True, eq=False)
class EvaluationWithHydrogens:
    """F of atoms and riding hydrogens; see :meth:`CalculatorWithHydrogens.at`."""

    of_atoms: Evaluation
    of_hydrogens: Evaluation
    riding: RidingHydrogens

    def forward(self) -> np.ndarray:
        """(n,) complex structure factors."""
        return self.of_atoms.forward() + self.of_hydrogens.forward()

    def adjoint(self, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives by the parameters of the atoms, those by the hydrogens folded onto them.

        Those by f' and f'' are of the atoms alone.
        """
        found = self.of_atoms.adjoint(w, anomalous=anomalous)
        by_hydrogens, atoms = self.of_hydrogens.adjoint(w), self.of_atoms.atoms
        crystal, parents = found.crystal, self.riding.parents
        xyz = atoms.frac @ crystal.orthogonalization.T
        by_xyz = self.riding.folded(xyz, by_hydrogens.xyz)
        by_occ, by_b = (
            np.bincount(parents, values, len(atoms))
            for values in (by_hydrogens.occ, B_RATIO * by_hydrogens.b_iso)
        )
        u_aniso = np.array(found.u_aniso)
        u_aniso[:, :3] += MEAN_OF_U * np.where(atoms.is_aniso, by_b, 0.0)[:, None]
        return found.replace(
            frac=found.frac + by_xyz @ crystal.orthogonalization,
            occ=found.occ + by_occ,
            b_iso=found.b_iso + np.where(atoms.is_aniso, 0.0, by_b),
            u_aniso=u_aniso,
        )


AnyCalculator = Calculator | CalculatorWithHydrogens
