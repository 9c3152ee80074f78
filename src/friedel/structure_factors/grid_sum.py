"""Structure factors by way of a density on a grid, its plan, and the transpose."""

from copy import copy
from dataclasses import replace

import numpy as np

from friedel.accuracy.model import SAFETY, AccuracyModel
from friedel.accuracy.plan import FREE, Fixed, Plan
from friedel.accuracy.search import cheapest, is_kept
from friedel.density.atoms_on_grid import AtomsOnGrid, points_near_atoms
from friedel.density.fourier import SymmetrySum
from friedel.density.pruned_fft import points_of_planes
from friedel.kernels.reciprocal.indices import largest_indices
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.limits import check_time, longest_for
from friedel.runtime.memory import SMALL, check_memory

_Parts = tuple[SymmetrySum, AtomsOnGrid, AtomsOnGrid | None]
"""The transform, and atoms on the grid with real and with imaginary form factors."""


BYTES_PER_TERM = 4 + 1
"""Memory (bytes) for the place of a term of the symmetry sum in the transform, and its phase."""

BYTES_PER_REFLECTION = 8 + 8 + 16
"""Memory (bytes) for each reflection: the scale and the factor of its sum; and F, or the weights
of a target."""

BYTES_OF_F_DOUBLE_PRIME = 16 + 16
"""The same for sums with f'': i F'', and F'' itself or the products of weights."""

BYTES_PER_ATOM = 24 + 8 + 16
"""Memory (bytes) for each atom while it is added to a grid: the position in the patch, the place in
the order of columns, and two radii."""

BYTES_PER_TENSOR = 48 + 24 + 8
"""The same for an atom with a tensor, or any atom in an oblique cell: the tensor, its eigenvalues
and the largest."""

BYTES_PER_GRADIENT = 8 * 11 + 8 * (3 + 1 + 1 + 6) + 8 * 6
"""Memory (bytes) for each atom's derivatives: as gathered, as returned, and tensors on the way."""


class GridSum:
    """Sums over atoms and symmetry operations, by the density on a grid and its transform.

    It is valid for all atoms that differ from those planned for in positions only; :meth:`at`
    gives the sum for other displacement parameters and occupancies. F(000) is not accurate: the
    density may lack its mean.

    Parameters
    ----------
    crystal, atoms
        The model to plan for.
    hkl, stol2
        (n, 3) reflections and their (sin theta / lambda)^2, 1/Å^2.
    a, b
        (n_kinds, n_terms) Gaussian coefficients of the form factors.
    f_double_prime
        (n_kinds,) imaginary parts of the form factors.
    rtol
        Relative rms error allowed.
    fixed
        Sampling parameters given by the user.
    factor
        (n,) factors by which the sums are multiplied to give F; None for 1.
    refit_error
        Relative error of the form factors themselves, for the predicted error.
    force
        Whether plans are used that are predicted to take too long or too much memory, or with no
        digit right.

    Attributes
    ----------
    atoms
        Atoms for which the sum is valid.
    plan
        Sampling of their density.

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
        factor: np.ndarray | None = None,
        refit_error: float = 0.0,
        force: bool = False,
    ) -> None:
        self.atoms = atoms
        self._crystal, self._hkl, self._stol2 = crystal, hkl, stol2
        self._form_factors = a, b, f_double_prime
        self._rtol, self._fixed, self._factor = rtol, fixed, factor
        self._refit_error, self._force = refit_error, force
        self.plan: Plan
        self._gradients_fit: bool
        self._plan_anew(self._accuracy_model(atoms))
        self._latest: GridSum | None = None
        # Prepared when first needed: the plan may not be used because it is slow
        self._parts: _Parts | None = None

    @property
    def latest(self) -> "GridSum":
        """The last result of :meth:`at`; before the first call, this sum itself."""
        return self if self._latest is None else self._latest

    @property
    def form_factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The Gaussians a, b (n_kinds, n_terms) and the f'' (n_kinds,) that are summed."""
        return self._form_factors

    def is_kept_for(self, atoms: Atoms) -> bool:
        """Whether the plan meets the accuracy for these atoms, and is fast enough.

        Raises
        ------
        AccuracyError, ParameterError
            As for the class.
        """
        return is_kept(self._accuracy_model(atoms), self.plan, self._tolerance)

    @property
    def _tolerance(self) -> float:
        """Error up to which a plan is kept: fixed choices may not meet rtol at all."""
        return max(self._rtol, SAFETY * self._error_of_sampling)

    @property
    def bytes(self) -> float:
        """Predicted peak memory (bytes) of F, beside that of the model and the reflections.

        It is the sum of the arrays that exist at the same time while the transform is read out.
        Measured peaks differ by less than 20 % for 10^5 atoms.
        """
        plan, (a, b, _) = self.plan, self._form_factors
        rotations, _ = self._crystal.primitive_operations
        nu, nv, _ = plan.shape
        # The density in a patch of padded rows
        near = points_near_atoms(
            self._crystal, self.atoms, a, b, plan.shape, plan.blur, plan.cutoff
        )
        # The part of its transform that the reflections need, complex, and planes of a thread
        _, k_max, l_max = largest_indices(np.ascontiguousarray(self._hkl, np.int32), rotations)
        kept = nu * min(2 * k_max + 1, nv) * (l_max + 1)
        of_grid = (near + 2 * (kept + points_of_planes(plan.shape))) * plan.dtype.itemsize
        of_terms = self.bytes_of_terms * (1.0 if kept < 2**32 else 2.0)
        return float(of_grid + of_terms + self._bytes_per_atom * len(self.atoms))

    @property
    def bytes_of_terms(self) -> float:
        """Predicted memory (bytes) for reflections and the terms of their symmetry sums."""
        of_one = BYTES_PER_REFLECTION + len(self._crystal.primitive_operations[0]) * BYTES_PER_TERM
        if self._form_factors[2].any():
            of_one += BYTES_OF_F_DOUBLE_PRIME
        return float(len(self._hkl) * of_one)

    @property
    def is_large(self) -> bool:
        """Whether the memory is worth a closer look, by a rough prediction."""
        return self.plan.bytes + self.bytes_of_terms > 0.5 * SMALL

    @property
    def _bytes_per_atom(self) -> int:
        separable = self._crystal.cell[3:] == (90.0, 90.0, 90.0) and not self.atoms.is_aniso.any()
        return BYTES_PER_ATOM + (0 if separable else BYTES_PER_TENSOR)

    @property
    def bytes_of_gradients(self) -> float:
        """Predicted peak memory (bytes) of derivatives, as :attr:`bytes`."""
        return self.bytes + BYTES_PER_GRADIENT * len(self.atoms)

    def at(self, atoms: Atoms, threads: int = 1) -> "GridSum":
        """The sum for these atoms at any positions; they must have the same form factors.

        The latest plan is kept while it meets `rtol`, and renewed otherwise.

        Raises
        ------
        AccuracyError, ParameterError
            As for the class.
        MemoryLimitError
            When a new plan needs more memory than there is.
        """
        latest = self._latest
        if latest is None or not atoms.alike(latest.atoms):
            # A returned sum never changes: other threads may be using it
            following = copy(self.latest)
            following._latest = None
            following._adapt_to(atoms)
            following._prepare(threads)
            self._latest = latest = following
        return latest

    def structure_factors(self, frac: np.ndarray, threads: int = 1) -> np.ndarray:
        """(n,) complex128 sums for atoms at `frac` (n_atoms, 3), the same for any `threads`."""
        transform, real, imaginary = self._parts or self._prepare(threads)

        def transformed(on_grid: AtomsOnGrid) -> np.ndarray:
            patch = on_grid.density(frac, self.plan.dtype, threads)
            return transform.structure_factors(patch, self.plan.blur, threads)

        f = transformed(real)
        if imaginary is not None:
            f += 1j * transformed(imaginary)
        return f

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
            Number of threads; results are bitwise identical for any number.

        Returns
        -------
        found
            (n_atoms, 10) derivatives by occupancies, positions (3) and B tensors (6); see
            :mod:`friedel.kernels.grid.density_adjoint`.
        f_prime, f_double_prime
            (n_atoms,), None where they would need another transform.

        Raises
        ------
        MemoryLimitError
            When they need more memory than there is; F may need less.
        """
        self._check_gradients()
        transform, real, imaginary = self._parts or self._prepare(threads)

        def gathered(on_grid: AtomsOnGrid, w: np.ndarray) -> np.ndarray:
            patch = on_grid.patch(frac, self.plan.dtype)
            transform.density_gradient(w, patch, self.plan.blur, threads)
            return on_grid.gather(patch, frac, threads)

        found = gathered(real, w)
        by_addends = [found[:, 10], np.full(len(frac), np.nan)]
        # F = S + i S'', and Re(conj(w) i dS'') = Re(conj(-i w) dS'')
        if imaginary is not None:
            more = gathered(imaginary, -1j * w)
            found[:, :10] += more[:, :10]
            by_addends[1] = more[:, 10]
        f_prime, f_double_prime = (None if np.isnan(x).any() else x.copy() for x in by_addends)
        return found[:, :10], f_prime, f_double_prime

    def _check_gradients(self) -> None:
        """Ask, once for each plan, for the memory of derivatives."""
        if not self._gradients_fit and self.is_large:
            what = "a grid of {} x {} x {} and derivatives by atoms".format(*self.plan.shape)
            check_memory(self.bytes_of_gradients, what, force=self._force)
        self._gradients_fit = True

    def _prepare(self, threads: int) -> _Parts:
        """Calculate everything that does not depend on the atoms' positions."""
        plan, (a, b, f_double_prime) = self.plan, self._form_factors

        def on_grid(a: np.ndarray, b: np.ndarray) -> AtomsOnGrid:
            options = {"blur": plan.blur, "cutoff": plan.cutoff}
            return AtomsOnGrid(self._crystal, self.atoms, a, b, plan.shape, **options)

        transform = self._parts[0] if self._parts is not None else None
        if transform is None or transform.shape != plan.shape:
            transform = SymmetrySum(
                self._crystal, self._hkl, plan.shape, stol2=self._stol2, threads=threads
            )
        imaginary = None
        if f_double_prime.any():
            constants = f_double_prime[:, None]
            imaginary = on_grid(constants, np.zeros_like(constants))
        self._parts = transform, on_grid(a, b), imaginary
        return self._parts

    def _adapt_to(self, atoms: Atoms) -> None:
        """Take other atoms: with a new plan if the present one misses `rtol`, or is slow."""
        same = atoms.alike(self.atoms) or not atoms.occ.any()
        self.atoms = atoms
        if same:
            return
        model = self._accuracy_model(atoms)
        if not is_kept(model, self.plan, self._tolerance):
            self._plan_anew(model)
            check_memory_for(self, force=self._force)

    def _plan_anew(self, model: AccuracyModel) -> None:
        plan = cheapest(model, self._rtol, self._fixed, force=self._force)
        self._error_of_sampling = plan.error
        self.plan = replace(plan, error=float(np.hypot(plan.error, self._refit_error)))
        self._gradients_fit = False

    def _accuracy_model(self, atoms: Atoms) -> AccuracyModel:
        a, b, f_double_prime = self._form_factors
        if f_double_prime.any():
            # f'' is sampled on the same grid and does not fall off with angle
            a = np.column_stack([a, f_double_prime])
            b = np.column_stack([b, np.zeros(len(b))])
        d_min = 0.5 / float(np.sqrt(self._stol2.max()))
        divisors = self._fixed.multiple_of
        return AccuracyModel(self._crystal, atoms, a, b, d_min, self._hkl, self._factor, divisors)


def check_memory_for(on_grid: GridSum, *, force: bool = False) -> None:
    """Check that there is enough memory for a planned sum, and that it is not absurdly slow.

    Raises
    ------
    MemoryLimitError
        When the plan needs more memory than there is.
    TimeLimitError
        When it is predicted to take longer than an hour with one thread, or longer than is
        reasonable for the number of atoms; see :func:`friedel.runtime.limits.longest_for`.
    """
    what = "a grid of {} x {} x {}".format(*on_grid.plan.shape)
    check_memory(on_grid.bytes if on_grid.is_large else on_grid.plan.bytes, what, force=force)
    longest = longest_for(len(on_grid.atoms))
    check_time(on_grid.plan.seconds, what, force=force, longest=longest)
