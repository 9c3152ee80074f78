"""Structure factors through a density on a grid: what holds while atoms move, and its plan."""

import numpy as np

from friedel.accuracy.model import SAFETY, AccuracyModel
from friedel.accuracy.plan import FREE, Fixed, Plan
from friedel.accuracy.search import cheapest, predicted_error
from friedel.density.atoms_on_grid import AtomsOnGrid
from friedel.density.fourier import SymmetrySum
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.memory import check_memory


class GridSum:
    """Sums over atoms and symmetry operations, by the density on a grid and its transform.

    F(000) is not meant to be right: the density may lack its mean.

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
    ) -> None:
        def on_grid(a: np.ndarray, b: np.ndarray) -> AtomsOnGrid:
            options = {"blur": plan.blur, "cutoff": plan.cutoff}
            return AtomsOnGrid(crystal, atoms, a, b, plan.shape, **options)

        self.atoms, self.plan, self._terms = atoms, plan, terms
        self._real = on_grid(a, b)
        self._imaginary: AtomsOnGrid | None = None
        if f_double_prime.any():
            constants = f_double_prime[:, None]
            self._imaginary = on_grid(constants, np.zeros_like(constants))

    def structure_factors(self, frac: np.ndarray, threads: int = 1) -> np.ndarray:
        """(n,) complex128 sums for atoms at `frac` (n_atoms, 3), the same for any `threads`."""
        f = self._transformed(self._real, frac, threads)
        if self._imaginary is not None:
            f += 1j * self._transformed(self._imaginary, frac, threads)
        return f

    def _transformed(self, on_grid: AtomsOnGrid, frac: np.ndarray, threads: int) -> np.ndarray:
        patch = on_grid.density(frac, self.plan.dtype, threads)
        return self._terms.structure_factors(patch, self.plan.blur, threads)

    def derivatives(
        self, frac: np.ndarray, w: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Derivatives of a target by the atoms, from those by the sums.

        Parameters
        ----------
        frac
            (n_atoms, 3) positions.
        w
            (n,) dT/dRe F + i dT/dIm F of the sums.
        threads
            The result is the same bits for any number.

        Returns
        -------
        found
            (n_atoms, 10) by occupancies, positions (3) and tensors of B (6); see
            :mod:`friedel.kernels.grid.density_adjoint`.
        f_prime, f_double_prime
            (n_atoms,), None where they would take another transform.
        """
        found = self._gathered(self._real, frac, w, threads)
        by_addends = [found[:, 10], np.full(len(frac), np.nan)]
        # F = S + i S'', and Re(conj(w) i dS'') = Re(conj(-i w) dS'')
        if self._imaginary is not None:
            more = self._gathered(self._imaginary, frac, -1j * w, threads)
            found[:, :10] += more[:, :10]
            by_addends[1] = more[:, 10]
        f_prime, f_double_prime = (None if np.isnan(x).any() else x.copy() for x in by_addends)
        return found[:, :10], f_prime, f_double_prime

    def _gathered(
        self, on_grid: AtomsOnGrid, frac: np.ndarray, w: np.ndarray, threads: int
    ) -> np.ndarray:
        patch = on_grid.patch(frac, self.plan.dtype)
        self._terms.density_gradient(w, patch, self.plan.blur, threads)
        return on_grid.gather(patch, frac, threads)


class PlannedSum:
    """A :class:`GridSum` with a plan that is kept while it meets `rtol`, and else made anew.

    Parameters
    ----------
    crystal, atoms
        The model that is planned for.
    hkl, stol2
        (n, 3) reflections and their (sin theta / lambda)^2, 1/A^2.
    a, b, f_double_prime
        Form factors, as for :class:`GridSum`.
    rtol
        The error asked for.
    fixed
        What the user decided about the sampling.

    Attributes
    ----------
    plan
        The latest.

    Raises
    ------
    AccuracyError
        When no grid meets `rtol`.
    ParameterError
        When a fixed blur leaves some atom without density.
    """

    def __init__(
        self,
        crystal: Crystal,
        atoms: Atoms,
        hkl: np.ndarray,
        stol2: np.ndarray,
        a: np.ndarray,
        b: np.ndarray,
        f_double_prime: np.ndarray,
        rtol: float,
        fixed: Fixed = FREE,
    ) -> None:
        self._crystal, self._hkl, self._stol2 = crystal, hkl, stol2
        self._form_factors = a, b, f_double_prime
        self._d_min = 0.5 / float(np.sqrt(stol2.max()))
        self._rtol, self._fixed = rtol, fixed
        self._terms: SymmetrySum | None = None
        self._kept: GridSum | None = None
        self._planned_for = atoms
        self.plan = cheapest(self._accuracy_model(atoms), rtol, fixed)

    def at(self, atoms: Atoms, threads: int = 1) -> GridSum:
        """What holds for these atoms wherever they are; the form factors must be theirs.

        Raises
        ------
        AccuracyError, ParameterError
            As for the class.
        MemoryLimitError
            When a new plan needs more memory than there is.
        """
        kept = self._kept
        if kept is None or not atoms.alike(kept.atoms):
            plan = self._plan_for(atoms)
            terms = self._terms_for(plan.shape, threads)
            kept = GridSum(self._crystal, atoms, plan, *self._form_factors, terms)
            self.plan, self._planned_for, self._kept = plan, atoms, kept
        return kept

    def _plan_for(self, atoms: Atoms) -> Plan:
        """A new plan where these atoms are too sharp or too few for the present one."""
        plan = self.plan
        if atoms.alike(self._planned_for) or not atoms.occ.any():
            return plan
        model = self._accuracy_model(atoms)
        if predicted_error(model, plan) > max(self._rtol, SAFETY * plan.error):
            plan = cheapest(model, self._rtol, self._fixed)
            check_room(plan)
        return plan

    def _accuracy_model(self, atoms: Atoms) -> AccuracyModel:
        a, b, f_double_prime = self._form_factors
        if f_double_prime.any():
            # f'' is put on the same grid and does not fall off with angle
            a = np.column_stack([a, f_double_prime])
            b = np.column_stack([b, np.zeros(len(b))])
        return AccuracyModel(self._crystal, atoms, a, b, self._d_min)

    def _terms_for(self, shape: tuple[int, int, int], threads: int) -> SymmetrySum:
        terms = self._terms
        if terms is None or terms.shape != shape:
            terms = SymmetrySum(
                self._crystal,
                self._hkl,
                shape,
                stol2=self._stol2,
                threads=threads,
            )
            self._terms = terms
        return terms


def check_room(plan: Plan) -> None:
    """There must be memory for what is planned.

    Raises
    ------
    MemoryLimitError
        When there is not.
    """
    check_memory(plan.bytes, "a grid of {} x {} x {}".format(*plan.shape))
