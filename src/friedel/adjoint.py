"""dT/dF -> derivatives by the atoms' parameters: the stages of the calculation, transposed.

For a real target T of structure factors, w(h) = dT/dRe F(h) + i dT/dIm F(h), so that
dT = sum_h Re(conj(w) dF). Every stage of the forward calculation is linear in what the one
before gives; here they are transposed and run backwards.
"""

from dataclasses import dataclass

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.direct import DirectSum
from friedel.formfactors import ScatteringFactors
from friedel.gradients import Gradients
from friedel.gridsum import GridSum


@dataclass(frozen=True, eq=False)
class DensityAdjoint:
    """Density, Fourier transform and symmetry sum of one model, transposed.

    Attributes
    ----------
    crystal, atoms
        The model.
    planned
        The sum for atoms that differ from these in their positions at most.
    """

    crystal: Crystal
    atoms: Atoms
    planned: GridSum

    def gradients(
        self, w: np.ndarray, factors: ScatteringFactors, anomalous: bool = False
    ) -> Gradients:
        """Derivatives of a target of the sums over atoms, before any post-factor.

        With `anomalous` those by f' and f'' even if these take more transforms.
        """
        found, *by_addends = self.planned.derivatives(self.atoms.frac, w, anomalous)
        frac, occ, tensors = found[:, 1:4].copy(), found[:, 0].copy(), found[:, 4:]
        return Gradients.from_tensors(self.crystal, self.atoms, frac, occ, tensors, *by_addends)


@dataclass(frozen=True, eq=False)
class DirectAdjoint:
    """Direct summation over the atoms of one model, transposed.

    Attributes
    ----------
    planned
        The sum over the same reflections.
    atoms
        The model's.
    f
        (n_kinds, n) form factors at the reflections, complex where there is some f''.
    """

    planned: DirectSum
    atoms: Atoms
    f: np.ndarray

    def gradients(
        self, w: np.ndarray, factors: ScatteringFactors, anomalous: bool = False
    ) -> Gradients:
        """Derivatives of a target of the sums over atoms, before any post-factor.

        Those by f' and f'' if `anomalous`, or where some atom has an f''.
        """
        found = self.planned.derivatives(self.atoms, w, self.f)
        f_prime = f_double_prime = None
        if anomalous or factors.f_double_prime.any():
            f_prime, f_double_prime = self.planned.derivatives_by_constants(self.atoms, w).T.copy()
        return Gradients.from_tensors(
            self.planned.crystal, self.atoms, *found, f_prime, f_double_prime
        )


def add_forward_scattering(
    gradients: Gradients, w: complex, atoms: Atoms, factors: ScatteringFactors
) -> Gradients:
    """The same with what F(000) adds: the sum of occupancies times the limits of f at 0."""
    n = gradients.crystal.n_operations
    limit = (factors.forward_limit() + 1j * factors.f_double_prime)[atoms.kind]
    occ = gradients.occ + n * (np.conj(w) * limit).real
    f_prime, f_double_prime = gradients.f_prime, gradients.f_double_prime
    if f_prime is not None and not factors.mott_bethe:
        f_prime = f_prime + n * atoms.occ * w.real
    if f_double_prime is not None:
        f_double_prime = f_double_prime + n * atoms.occ * w.imag
    return gradients.replace(occ=occ, f_prime=f_prime, f_double_prime=f_double_prime)
