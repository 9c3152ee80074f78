"""dT/dF -> derivatives by the atoms' parameters: the stages of the calculation, transposed.

For a real target T of structure factors, w(h) = dT/dRe F(h) + i dT/dIm F(h), so that
dT = sum_h Re(conj(w) dF). Every stage of the forward calculation is linear in what the one
before gives; here they are transposed and run backwards.
"""

from dataclasses import dataclass

import numpy as np

from friedel.atoms import VOIGT, Atoms
from friedel.crystal import Crystal
from friedel.density_adjoint import Gatherer
from friedel.direct import beta_tensors
from friedel.formfactors import ScatteringFactors
from friedel.fourier import SymmetrySum
from friedel.gradients import Gradients
from friedel.kernels import direct_adjoint as kernels
from friedel.kernels.fourier import largest_indices
from friedel.kernels.vectors import LANES
from friedel.parallel import in_stretches
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
        padded = self.terms.density_gradient(
            w, plan.blur, dtype=plan.dtype, padding=gatherer.padding, threads=self.threads
        )
        return gatherer.gather(padded, self.threads)


@dataclass(frozen=True, eq=False)
class DirectAdjoint:
    """Direct summation over the atoms of one model, transposed.

    Attributes
    ----------
    crystal, atoms, hkl, absent, threads
        As for :class:`DensityAdjoint`.
    stol2
        (n,) (sin theta / lambda)^2 of the reflections.
    """

    crystal: Crystal
    atoms: Atoms
    hkl: np.ndarray
    stol2: np.ndarray
    absent: np.ndarray
    threads: int = 1

    def gradients(
        self, w: np.ndarray, factors: ScatteringFactors, anomalous: bool = False
    ) -> Gradients:
        """Derivatives of a target of the sums over atoms, before any post-factor.

        Those by f' and f'' if `anomalous`, or where some atom has an f''.
        """
        f = factors.f(self.stol2) + 1j * factors.f_double_prime[:, None]
        out = self._sums(w, f, self.atoms.kind)
        f_prime = f_double_prime = None
        if anomalous or factors.f_double_prime.any():
            one_kind = np.zeros(len(self.atoms), np.int32)
            f_prime, f_double_prime = (
                self.atoms.occ * self._sums(w, np.full((1, len(w)), unit), one_kind)[:, 0]
                for unit in (1.0 + 0.0j, 1.0j)
            )
        out[:, 4:10] = _by_b_tensor(self.crystal, out[:, 4:10])
        return Gradients.from_tensors(
            self.crystal, self.atoms, *_split(out), f_prime, f_double_prime
        )

    def _sums(self, w: np.ndarray, f: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """The columns of `kernels.gather_along_rows`, for the atoms' occupancies."""
        crystal, atoms = self.crystal, self.atoms
        # Rows run along the longest axis
        axes = np.argsort(crystal.cell[:3], kind="stable")
        rotations, translations = crystal.primitive_operations
        rotations = np.ascontiguousarray(rotations[:, axes][:, :, axes])
        translations = np.ascontiguousarray(translations[:, axes])
        hkl = np.ascontiguousarray(self.hkl[:, axes], np.int64)
        limits = largest_indices(hkl, rotations)
        h, k, l = limits
        n_l = -(-(2 * l + 1) // LANES) * LANES
        v = np.zeros((len(f), 2, h + 1, 2 * k + 1, n_l))
        present = np.where(self.absent, 0.0, w * len(crystal.centring_translations))
        kernels.spread(hkl, rotations, translations, present, f, k, l, v)
        ends = np.empty((h + 1, 2 * k + 1, 2), np.int64)
        kernels.row_ends(v, ends)
        frac = np.ascontiguousarray(atoms.frac[:, axes])
        tensors = beta_tensors(crystal, atoms)[:, VOIGT][:, axes][:, :, axes]
        beta = np.ascontiguousarray(tensors[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])
        out = np.empty((len(atoms), kernels.COLUMNS))

        def work(first: int, last: int) -> None:
            kernels.gather_along_rows(v, ends, k, l, frac, beta, kind, first, last, out)

        in_stretches(work, len(atoms), self.threads)
        out[:, 1:] *= atoms.occ[:, None]
        back = np.argsort(axes)
        both = np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
        moved = (both * out[:, 4:10])[:, VOIGT][:, back][:, :, back]
        out[:, 1:4] = out[:, 1:4][:, back]
        out[:, 4:10] = moved[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] / both
        return out


def _by_b_tensor(crystal: Crystal, by_beta: np.ndarray) -> np.ndarray:
    """(n, 6) derivatives by Cartesian B, from those by beta = (a*, b*, c*) B (a*, b*, c*)^T / 4."""
    both = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    axes = crystal.fractionalization
    tensors = 0.25 * axes.T @ (by_beta / both)[:, VOIGT] @ axes
    return both * tensors[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


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
