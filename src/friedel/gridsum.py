"""Structure factors through a density on a grid: what holds while the atoms only move."""

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.density import sample_patch
from friedel.density_adjoint import gather
from friedel.fourier import SymmetrySum
from friedel.grid import Patch
from friedel.placement import AtomsOnGrid
from friedel.sampling import Plan


class GridSum:
    """Sums over atoms and symmetry operations, by the density on a grid and its transform.

    Parameters
    ----------
    crystal, atoms
        The model; it holds for all atoms that differ in their positions at most.
    plan
        How the density is sampled.
    a, b
        (n_kinds, n_terms) Gaussian coefficients of the form factors.
    f_double_prime
        (n_kinds,) imaginary parts of the form factors.
    terms
        From densities to the reflections.
    threads
        The results are the same bits for any number.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the plan's blur.
    """

    def __init__(
        self,
        crystal: Crystal,
        atoms: Atoms,
        plan: Plan,
        a: np.ndarray,
        b: np.ndarray,
        f_double_prime: np.ndarray,
        terms: SymmetrySum,
        threads: int = 1,
    ) -> None:
        self.atoms, self.plan = atoms, plan
        self._crystal, self._terms, self._threads = crystal, terms, threads
        self._f_double_prime = f_double_prime[:, None]
        self._real = self._on_grid(a, b)
        self._imaginary: AtomsOnGrid | None = None
        if f_double_prime.any():
            self._imaginary = self._of_constants(self._f_double_prime)

    def _on_grid(
        self, a: np.ndarray, b: np.ndarray, reach_of: np.ndarray | None = None
    ) -> AtomsOnGrid:
        plan = self.plan
        return AtomsOnGrid(
            self._crystal,
            self.atoms,
            a,
            b,
            plan.shape,
            blur=plan.blur,
            cutoff=plan.cutoff,
            reach_of=reach_of,
        )

    def _of_constants(
        self, constants: np.ndarray, reach_of: np.ndarray | None = None
    ) -> AtomsOnGrid:
        """Of form factors that are the same at all angles, (n_kinds, 1)."""
        return self._on_grid(constants, np.zeros_like(constants), reach_of)

    def structure_factors(self, frac: np.ndarray) -> np.ndarray:
        """(n,) complex128 sums for atoms at `frac` (n_atoms, 3)."""
        f = self._transformed(self._real, frac)
        if self._imaginary is not None:
            f += 1j * self._transformed(self._imaginary, frac)
        return f

    def _transformed(self, on_grid: AtomsOnGrid, frac: np.ndarray) -> np.ndarray:
        patch = sample_patch(on_grid, frac, self.plan.dtype, self._threads)
        return self._terms.structure_factors(patch, self.plan.blur, self._threads)

    def derivatives(
        self, frac: np.ndarray, w: np.ndarray, anomalous: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Derivatives of a target by the atoms, from those by the sums.

        Parameters
        ----------
        frac
            (n_atoms, 3) positions.
        w
            (n,) dT/dRe F + i dT/dIm F of the sums.
        anomalous
            Those by f' and f'' even if these take more transforms.

        Returns
        -------
        found
            (n_atoms, 10) by occupancies, positions (3) and tensors of B (6); see
            :mod:`friedel.kernels.density_adjoint`.
        f_prime, f_double_prime
            (n_atoms,), or None.
        """
        found = self._gathered(self._real, frac, w)
        f_prime: np.ndarray | None = found[:, 10].copy()
        f_double_prime: np.ndarray | None = None
        # F = S + i S'', and Re(conj(w) i dS'') = Re(conj(-i w) dS'')
        if self._imaginary is not None:
            # Atoms without f'' reach as far as for f'' = 1
            imaginary = self._f_double_prime
            reach_of = np.where(imaginary == 0.0, 1.0, imaginary)
            more = self._gathered(self._of_constants(imaginary, reach_of), frac, -1j * w)
            found[:, :10] += more[:, :10]
            f_double_prime = more[:, 10].copy()
        elif anomalous:
            f_double_prime = self._by_constants(frac, -1j * w)
        if np.isnan(found[:, 10]).any():
            f_prime = self._by_constants(frac, w) if anomalous else None
        return found[:, :10], f_prime, f_double_prime

    def _by_constants(self, frac: np.ndarray, w: np.ndarray) -> np.ndarray:
        """(n_atoms,) derivatives by a number added to each atom's form factor, which has none."""
        nothing = np.zeros_like(self._f_double_prime)
        return self._gathered(self._of_constants(nothing, nothing + 1.0), frac, w)[:, 10]

    def _gathered(self, on_grid: AtomsOnGrid, frac: np.ndarray, w: np.ndarray) -> np.ndarray:
        padded, origin = on_grid.room(frac, self.plan.dtype)
        patch = Patch(padded[:, :, : on_grid.shape[2]], origin, on_grid.shape)
        self._terms.density_gradient(w, patch, self.plan.blur, self._threads)
        return gather(on_grid, padded, frac, origin, self._threads)
