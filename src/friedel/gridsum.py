"""Structure factors through a density on a grid: what holds while the atoms only move."""

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.density import Sampler
from friedel.fourier import SymmetrySum
from friedel.sampling import Plan


class GridSum:
    """Sum over atoms and symmetry operations, by the density on a grid and its transform.

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
        def sampler(a: np.ndarray, b: np.ndarray) -> Sampler:
            return Sampler(
                crystal,
                atoms,
                a,
                b,
                plan.shape,
                dtype=plan.dtype,
                blur=plan.blur,
                cutoff=plan.cutoff,
            )

        self.atoms, self.plan = atoms, plan
        self._terms, self._threads = terms, threads
        self._real = sampler(a, b)
        self._imaginary: Sampler | None = None
        if f_double_prime.any():
            imaginary = f_double_prime[:, None]
            self._imaginary = sampler(imaginary, np.zeros_like(imaginary))

    def structure_factors(self, frac: np.ndarray) -> np.ndarray:
        """(n,) complex128 sums for atoms at `frac` (n_atoms, 3)."""
        f = self._transformed(self._real, frac)
        if self._imaginary is not None:
            f += 1j * self._transformed(self._imaginary, frac)
        return f

    def _transformed(self, sampler: Sampler, frac: np.ndarray) -> np.ndarray:
        patch = sampler.patch(frac, self._threads)
        return self._terms.structure_factors(patch, self.plan.blur, self._threads)
