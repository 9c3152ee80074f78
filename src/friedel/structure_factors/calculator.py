"""Calculator: plan once, call many times, by FFT or direct summation."""

from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Unpack

import numpy as np

from friedel import direct
from friedel.accuracy.plan import Fixed, Plan
from friedel.errors import AccuracyError, AtomsError, ParameterError
from friedel.kernels.compiled import expect
from friedel.model.arrays import checked_hkl, frozen_copy
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.runtime.limits import check_time, longest_for
from friedel.runtime.memory import check_memory
from friedel.scattering.atom_form_factors import AtomFormFactors
from friedel.scattering.formfactors import ScatteringFactors
from friedel.scattering.formfactors.refits import refit_error, with_fewest_gaussians
from friedel.structure_factors import adjoint
from friedel.structure_factors.gradients import Gradients, checked_weights
from friedel.structure_factors.grid_sum import GridSum, check_memory_for
from friedel.structure_factors.options import CalculationOptions, Keywords, parsed_options
from friedel.structure_factors.scattering_options import (
    read_for_calculation,
    reflections_to,
    warn_of_doubts,
)  # fmt: skip

SECONDS_PER_GATHER = 5e-9
"""Time per reflection and operation in reciprocal space (s)."""
REFIT_SHARE = 0.2
"""Relative error of form factors on a grid, as a fraction of rtol."""
SURELY_FFT = 0.02
"""Time of direct summation (s) above which the FFT is faster in nearly all cases."""
FLOAT32_RTOL = 1e-4
"""Smallest rtol for which float32 suffices in most cases."""
PLAN_SECONDS = 0.002
"""Below this time of direct summation (s), the FFT is not planned."""


@dataclass(frozen=True, eq=False)
class Calculator:
    """Structure factors of one model at fixed reflections, for any coordinates.

    The calculation is planned on construction, usually by :meth:`from_model`. The plan is kept
    while atoms move, and renewed when occupancies or displacement parameters change so that it
    would not meet `rtol`.

    Parameters
    ----------
    crystal, atoms
        The model to plan for; one asymmetric unit.
    hkl
        (n, 3) int32 reflections, in the order of the results.
    factors
        Form factors by kind of atom.
    options
        Method, accuracy, sampling and threads. Their options of scattering are not used: form
        factors are in `factors`.

    Attributes
    ----------
    method
        ``"fft"`` or ``"direct"``, as chosen.

    Raises
    ------
    ParameterError, AccuracyError, MemoryLimitError
        When there is no plan with these options.
    """

    crystal: Crystal
    atoms: Atoms
    hkl: np.ndarray
    factors: ScatteringFactors
    options: CalculationOptions = field(default_factory=CalculationOptions)
    method: str = field(init=False)
    _on_grid: GridSum | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.options, CalculationOptions):
            raise ParameterError(f"options are {self.options!r}, expected CalculationOptions")
        object.__setattr__(self, "hkl", frozen_copy(checked_hkl(self.hkl)))
        if self.by_atom is not None and len(self.by_atom.labels) != len(self.atoms):
            raise AtomsError(
                f"got form factors of {len(self.by_atom.labels)} atoms for {len(self.atoms)} atoms"
            )
        if len(self.hkl):
            self.factors.warn_beyond(float(np.sqrt(self.stol2.max())))
        method, on_grid = self._chosen()
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "_on_grid", on_grid)

    @classmethod
    def from_model(
        cls,
        model: Any,
        *,
        d_min: float | None = None,
        hkl: np.ndarray | None = None,
        options: CalculationOptions | None = None,
        **keywords: Unpack[Keywords],
    ) -> "Calculator":
        """Plan the calculation.

        Parameters
        ----------
        model
            A path, gemmi object or pair (crystal, atoms); see :func:`friedel.as_model`.
        d_min
            Resolution limit in Å: all unique, non-absent reflections to it.
        hkl
            (n, 3) reflections, instead of `d_min`; any indices in any order.
        options
            Options, of which keyword arguments replace some; by default the default options.
        **keywords
            The fields of :class:`CalculationOptions` (`source`, `table`, `method`, `rtol`,
            `wavelength`, `threads`, ...), and of :func:`friedel.as_model` `strict_ncs`,
            `margin`, `hydrogens` and `tls`.

        Raises
        ------
        TypeError
            For an unknown keyword argument.
        FriedelError
            For input that cannot be used, as the subclass that describes the problem.
        """
        own = ("d_min", "hkl", "options")
        reading, options = parsed_options("Calculator.from_model", keywords, own, options)
        read, options, notes = read_for_calculation(model, reading, options)
        warn_of_doubts(read, notes)
        return cls.of(read, d_min=d_min, hkl=hkl, options=options)

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        d_min: float | None = None,
        hkl: np.ndarray | None = None,
        options: CalculationOptions,
    ) -> "Calculator":
        """Plan the calculation for a model that has been read, with f' and f'' in `addends`.

        Raises
        ------
        FriedelError
            For input that cannot be used, as the subclass that describes the problem.
        """
        if d_min is not None and hkl is None:
            hkl, _ = reflections_to(model.crystal, d_min, options)
        elif hkl is None or d_min is not None:
            raise ParameterError("give either d_min or hkl, and not both")
        factors = options.factors(model.atoms.scatterers)
        return cls(model.crystal, model.atoms, hkl, factors, options)

    def with_threads(self, threads: int | None) -> "Calculator":
        """A calculator with the same plan and another number of threads."""
        other = copy(self)
        object.__setattr__(other, "options", self.options.replace(threads=threads))
        if "_direct_sum" in self.__dict__:
            of_threads = self._direct_sum.with_threads(other.threads)
            object.__setattr__(other, "_direct_sum", of_threads)
        return other

    def detached(self) -> "Calculator":
        """A calculator with the same plan, which later calls of this one do not change.

        A plan is kept for atoms with other B or occupancies while it meets `rtol`, so that F
        depends, within `rtol`, on the atoms of the calls before.
        """
        other = copy(self)
        if self._on_grid is not None:
            object.__setattr__(other, "_on_grid", copy(self._on_grid))
        return other

    @property
    def rtol(self) -> float:
        """Relative rms error of F in the worst of ten shells that is expected at most."""
        return self.options.rtol

    @property
    def threads(self) -> int:
        """Number of threads; results are bitwise identical for any number."""
        return self.options.n_threads

    def __repr__(self) -> str:
        return f"<friedel.Calculator {len(self.hkl)} reflections, {self.describe()}>"

    def describe(self) -> str:
        """A description of method and sampling."""
        return f"FFT: {self.plan}" if self.plan is not None else "direct summation"

    @property
    def by_atom(self) -> AtomFormFactors | None:
        """Form factors of individual atoms, None for form factors by kind of atom."""
        return self.factors.by_atom

    @cached_property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2 of the reflections, 1/Å^2."""
        return self.crystal.stol2(self.hkl)

    @property
    def plan(self) -> Plan | None:
        """Sampling of the density, None for direct summation."""
        return None if self._on_grid is None else self._on_grid.latest.plan

    def forward(self, atoms: Atoms | None = None) -> np.ndarray:
        """(n,) complex128 structure factors.

        Parameters
        ----------
        atoms
            The same kinds of atoms with other parameters; by default those planned for.

        Raises
        ------
        AtomsError
            When the atoms are of other kinds.
        """
        return self.at(atoms).forward()

    def at(self, atoms: Atoms | None = None) -> "Evaluation":
        """Structure factors and derivatives at one set of parameters, with the plan for it.

        Unlike the calculator it never changes: several may be used in threads at the same time.
        Arguments and errors are those of :meth:`forward`.
        """
        atoms = self._checked(atoms)
        return Evaluation(self, atoms, self._grid_sum_for(atoms))

    def _forward(self, atoms: Atoms, grid_sum: GridSum | None) -> np.ndarray:
        if grid_sum is None:
            f = self._direct_sum.structure_factors(atoms, self._form_factors)
        else:
            f = grid_sum.structure_factors(atoms.frac, self.threads)
        if self.factors.mott_bethe:
            f *= self.factors.post_factor(self.stol2)
        at_origin = self._at_origin
        if at_origin.any():
            f[at_origin] = self._forward_scattering(atoms)
        return f

    def adjoint(self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives of a target by the atoms' parameters, from those by the structure factors.

        The transpose of :meth:`forward`, with the radii of the atoms held fixed.

        Parameters
        ----------
        atoms
            As for :meth:`forward`.
        w
            (n,) complex: dT/dRe F + i dT/dIm F at each reflection.
        anomalous
            Whether to calculate derivatives by f' and f'' in all cases. By default they are None
            where they need another transform, as for f'' unless all kinds of atoms have one.

        Raises
        ------
        AtomsError
            When the atoms are of other kinds.
        ReflectionsError
            When there is not one finite number for each reflection.
        """
        return self.at(atoms).adjoint(w, anomalous=anomalous)

    def _adjoint(
        self, atoms: Atoms, grid_sum: GridSum | None, w: np.ndarray, anomalous: bool
    ) -> Gradients:
        w = checked_weights(w, len(self.hkl))
        at_origin = self._at_origin
        inner = np.where(at_origin, 0.0, w * self.factors.post_factor(self.stol2))
        if grid_sum is None:
            f = self._form_factors
            gradients = adjoint.through_direct_sum(self._direct_sum, atoms, f, inner, anomalous)
        else:
            by_constants = partial(self._by_constants, atoms) if anomalous else None
            gradients = adjoint.through_grid(
                self.crystal, atoms, grid_sum, inner, by_constants, self.threads
            )
        if at_origin.any():
            origin = complex(w[at_origin].sum())
            return adjoint.add_forward_scattering(gradients, origin, atoms, self.factors)
        return gradients

    def _by_constants(self, atoms: Atoms, w: np.ndarray) -> np.ndarray:
        """(n_atoms,) derivatives by a constant added to each form factor, on a separate grid.

        This grid is planned for form factors that do not fall off with angle.
        """
        try:
            sums = self._of_constants.at(atoms, self.threads)
        except AccuracyError:
            return self._direct_sum.derivatives_by_constants(atoms, w)[:, 0]
        return atoms.occ * sums.derivatives(atoms.frac, w, self.threads)[0][:, 0]

    @cached_property
    def _of_constants(self) -> GridSum:
        n = len(self.atoms.scatterers)
        fixed = Fixed(dtype=self.options.dtype, multiple_of=self.options.multiple_of)
        of_ones = self._planned_sum(np.ones((n, 1)), np.zeros((n, 1)), np.zeros(n), fixed)
        check_memory_for(of_ones, force=self.options.force)
        return of_ones

    @cached_property
    def _at_origin(self) -> np.ndarray:
        """(n,) bool: reflections (0, 0, 0) whose F is calculated from the limits of f at 0."""
        return (self.stol2 == 0.0) & (self.by_atom is None)

    @cached_property
    def _direct_sum(self) -> direct.DirectSum | direct.AsymmetricUnitSum:
        if self.by_atom is not None:
            return direct.AsymmetricUnitSum(self.crystal, self.hkl, self.threads)
        return direct.DirectSum(self.crystal, self.hkl, self.threads)

    @cached_property
    def _form_factors(self) -> np.ndarray:
        """(n_kinds, n) form factors at the reflections, complex where there is some f''.

        Those of individual atoms are (n_atoms, m), at all equivalents of the reflections.
        """
        if self.by_atom is not None:
            assert isinstance(self._direct_sum, direct.AsymmetricUnitSum)
            f = self.by_atom.at(self._direct_sum.indices)
            dispersion = self.factors.a.sum(axis=1) + 1j * self.factors.f_double_prime
            f += dispersion[self.atoms.kind][:, None]
            return f
        f = self.factors.f(self.stol2)
        imaginary = self.factors.f_double_prime
        return f + 1j * imaginary[:, None] if imaginary.any() else f

    def _forward_scattering(self, atoms: Atoms) -> complex:
        """F(000), which a truncated density would underestimate."""
        per_kind = self.factors.forward_limit() + 1j * self.factors.f_double_prime
        return complex(self.crystal.n_operations * (atoms.occ * per_kind[atoms.kind]).sum())

    def _checked(self, atoms: Atoms | None) -> Atoms:
        if atoms is None:
            return self.atoms
        if atoms.scatterers != self.atoms.scatterers:
            raise AtomsError(
                f"got atoms of kinds {atoms.scatterers}, planned for {self.atoms.scatterers}"
            )
        if self.by_atom is not None and len(atoms) != len(self.atoms):
            raise AtomsError(f"got {len(atoms)} atoms, planned for {len(self.atoms)}")
        return atoms

    def _grid_sum_for(self, atoms: Atoms) -> GridSum | None:
        """The sum on a grid for these atoms at any positions; None for direct summation."""
        if self._on_grid is None or not len(atoms):
            return None
        try:
            return self._on_grid.at(atoms, self.threads)
        except AccuracyError:
            if self._asked == "fft":
                raise
            return None

    @cached_property
    def _d_min(self) -> float:
        return 0.5 / float(np.sqrt(self.stol2.max()))

    def _planned_sum(
        self,
        a: np.ndarray,
        b: np.ndarray,
        f_double_prime: np.ndarray,
        fixed: Fixed,
        refit_error: float = 0.0,
    ) -> GridSum:
        return GridSum(
            self.crystal,
            self.atoms,
            self.hkl,
            self.stol2,
            a,
            b,
            f_double_prime,
            self.rtol,
            fixed,
            self.factors.post_factor(self.stol2) if self.factors.mott_bethe else None,
            refit_error,
            self.options.force,
        )

    def _planned_with_refits(self, imaginary: np.ndarray) -> GridSum:
        """The planned sum, with refitted form factors where they cost nothing of its accuracy."""
        fixed, exact = self.options.fixed, (self.factors.a, self.factors.b)
        if self.factors.mott_bethe:  # cancellation in Z - f would amplify the error of f
            return self._planned_sum(*exact, imaginary, fixed)
        tolerance, on_grid = REFIT_SHARE * self.rtol, None
        if fixed.is_binding:
            # The plan may be much more accurate than rtol
            on_grid = self._planned_sum(*exact, imaginary, fixed)
            tolerance = REFIT_SHARE * on_grid.plan.error
        found = with_fewest_gaussians(*exact, self._d_min, tolerance)
        if on_grid is not None and np.array_equal(found[0], exact[0]):
            return on_grid
        return self._planned_sum(*found, imaginary, fixed, refit_error(*found, *exact, self._d_min))

    def _chosen(self) -> tuple[str, GridSum | None]:
        """The method, and for the FFT the planned sum."""
        asked, n = self._asked, len(self.hkl)
        if self.by_atom is not None:
            if asked == "fft":
                raise ParameterError("form factors of individual atoms are summed directly")
            return "direct", None
        imaginary = self.factors.f_double_prime
        nothing_to_sum = not self.stol2.any() or not self.atoms.occ.any()
        if asked == "fft" and not nothing_to_sum:
            self._expect_kernels()
            on_grid = self._planned_with_refits(imaginary)
            check_memory_for(on_grid, force=self.options.force)
            return "fft", on_grid
        direct_seconds = direct.predicted_seconds(self.crystal, self.atoms, n)
        if asked == "direct" or nothing_to_sum:
            return self._checked_direct(direct_seconds)
        if direct_seconds < PLAN_SECONDS:
            return "direct", None
        if direct_seconds > SURELY_FFT:
            self._expect_kernels()
        try:
            on_grid = self._planned_with_refits(imaginary)
        except AccuracyError:
            return self._checked_direct(direct_seconds)
        n_terms = n * len(self.crystal.primitive_operations[0])
        # Neither time includes planning, which is already done for the FFT
        direct_seconds = direct.predicted_seconds(self.crystal, self.atoms, n, planned=True)
        if direct_seconds <= on_grid.plan.seconds + n_terms * SECONDS_PER_GATHER:
            return self._checked_direct(direct_seconds)
        check_memory_for(on_grid, force=self.options.force)
        return "fft", on_grid

    def _checked_direct(self, seconds: float) -> tuple[str, None]:
        n, force = len(self.atoms), self.options.force
        what = f"direct summation of {n} atoms at {len(self.hkl)} reflections"
        check_time(seconds / self.threads, what, force=force, longest=longest_for(n))
        check_memory(self._bytes_of_direct_sum, what, force=force)
        return "direct", None

    @property
    def _bytes_of_direct_sum(self) -> float:
        size_of_f = self.factors.a.shape if self.by_atom is None else (len(self.atoms), 0)
        is_complex = self.by_atom is not None or bool(self.factors.f_double_prime.any())
        sizes = (len(self.atoms), len(self.hkl), *size_of_f)
        return direct.predicted_bytes(self.crystal, *sizes, is_complex=is_complex)

    def _expect_kernels(self) -> None:
        """Have the kernels of the grid compiled, if some are missing, during the planning."""
        angles = "right angles" if self.crystal.cell[3:] == (90.0, 90.0, 90.0) else "any angles"
        kind = "anisotropic" if self.atoms.is_aniso.any() else "isotropic"
        dtype = self.options.fixed.dtype or (np.float32 if self.rtol >= FLOAT32_RTOL else None)
        if dtype is not None:
            expect(f"{angles}, {kind}, fft, {np.dtype(dtype)}, F")

    @property
    def _asked(self) -> str:
        """The requested method: the FFT if sampling options are given."""
        is_binding = self.options.fixed.is_binding
        return "fft" if is_binding and self.options.method == "auto" else self.options.method


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A calculator at one set of parameters; see :meth:`Calculator.at`.

    Attributes
    ----------
    calculator, atoms
        The calculator and the parameters of the atoms.
    grid_sum
        Sum with the sampling of the density for these atoms, None for direct summation.
    """

    calculator: Calculator
    atoms: Atoms
    grid_sum: GridSum | None

    def forward(self) -> np.ndarray:
        """(n,) complex128 structure factors.

        Raises
        ------
        AtomsError
            When they overflow, as those of atoms with very negative B do.
        """
        f = self.calculator._forward(self.atoms, self.grid_sum)
        if not np.isfinite(f).all():
            raise AtomsError("F overflows: are B or U of the atoms very negative?")
        return f

    def adjoint(self, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives by the atoms' parameters; see :meth:`Calculator.adjoint`."""
        return self.calculator._adjoint(self.atoms, self.grid_sum, w, anomalous)
