"""dT/dF -> derivatives by the atoms' parameters: the stages of the calculation, transposed.

For a real target T of structure factors, w(h) = dT/dRe F(h) + i dT/dIm F(h), so that
dT = sum_h Re(conj(w) dF). Every stage of the forward calculation is linear in what the one
before gives; here they are transposed and run backwards.
"""

from dataclasses import dataclass

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.density_adjoint import Gatherer
from friedel.direct import DirectSum
from friedel.formfactors import ScatteringFactors
from friedel.fourier import SymmetrySum
from friedel.gradients import Gradients
from friedel.grid import Patch
from friedel.sampling import Plan


@dataclass(frozen=True, eq=False)
class DensityAdjoint:
    """Density, Fourier transform and symmetry sum of one model, transposed.

    Attributes
    ----------
    crystal, atoms
        The model.
    plan
        As the density was sampled.
    a, b
        (n_kinds, n_terms) Gaussian coefficients that were sampled.
    terms
        From densities to the reflections.
    threads
        The result is the same bits for any number.
    """

    crystal: Crystal
    atoms: Atoms
    plan: Plan
    a: np.ndarray
    b: np.ndarray
    terms: SymmetrySum
    threads: int = 1

    def gradients(
        self, w: np.ndarray, factors: ScatteringFactors, anomalous: bool = False
    ) -> Gradients:
        """Derivatives of a target of the sums over atoms, before any post-factor.

        With `anomalous` those by f' and f'' even if these take more transforms.
        """
        found = self._sums(w, self.a, self.b)
        f_prime: np.ndarray | None = found[:, 10].copy()
        f_double_prime: np.ndarray | None = None
        imaginary = factors.f_double_prime[:, None]
        # F = S + i S'', and Re(conj(w) i dS'') = Re(conj(-i w) dS'')
        if imaginary.any():
            # Atoms without f'' reach as far as for f'' = 1
            reach_of = np.where(imaginary == 0.0, 1.0, imaginary)
            more = self._sums(-1j * w, imaginary, np.zeros_like(imaginary), reach_of)
            found[:, :10] += more[:, :10]
            f_double_prime = more[:, 10].copy()
        elif anomalous:
            f_double_prime = self._by_constants(-1j * w)
        if np.isnan(found[:, 10]).any():
            f_prime = self._by_constants(w) if anomalous else None
        return Gradients.from_tensors(
            self.crystal, self.atoms, *_split(found), f_prime, f_double_prime
        )

    def _by_constants(self, w: np.ndarray) -> np.ndarray:
        """(n,) derivatives by a number added to each atom's form factor, which has none now."""
        nothing = np.zeros((len(self.atoms.scatterers), 1))
        return self._sums(w, nothing, nothing, nothing + 1.0)[:, 10]

    def _sums(
        self, w: np.ndarray, a: np.ndarray, b: np.ndarray, reach_of: np.ndarray | None = None
    ) -> np.ndarray:
        """The columns of :meth:`Gatherer.gather` for one set of Gaussian coefficients."""
        plan = self.plan
        gatherer = Gatherer(
            self.crystal,
            self.atoms,
            a,
            b,
            plan.shape,
            blur=plan.blur,
            cutoff=plan.cutoff,
            reach_of=reach_of,
        )
        padded = gatherer.room(plan.dtype)
        patch = Patch(padded[:, :, : plan.shape[2]], gatherer.origin, plan.shape)
        self.terms.density_gradient(w, patch, plan.blur, self.threads)
        return gatherer.gather(padded, patch.origin, self.threads)


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


def _split(found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives by fractional coordinates, occupancy and the B tensor."""
    return found[:, 1:4].copy(), found[:, 0].copy(), found[:, 4:10]


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
