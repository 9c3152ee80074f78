"""Calculator: plan once, call many times. Chooses FFT or direct summation and wires them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from friedel import direct
from friedel.accuracy.plan import FREE, Fixed, Plan, checked_rtol
from friedel.errors import AccuracyError, AtomsError, ParameterError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.models import as_model
from friedel.reflections.reflections import checked_hkl
from friedel.runtime.threads import usable_cores
from friedel.scattering.formfactors import FormFactorTable, ScatteringFactors, scattering_factors
from friedel.scattering.formfactors.refits import with_fewest_gaussians
from friedel.scattering.formfactors.scattering import CustomFormFactor
from friedel.structure_factors import adjoint
from friedel.structure_factors.gradients import Gradients, checked_weights
from friedel.structure_factors.grid_sum import GridSum, PlannedSum, check_room

METHODS = ("auto", "fft", "direct")

SECONDS_PER_GATHER = 5e-9
"""Time of one (operation, reflection) in reciprocal space."""
REFIT_SHARE = 0.2
"""Relative error of form factors on a grid, as a share of rtol."""
PLAN_SECONDS = 0.002
"""Direct summation that takes less than this is not worth a plan."""


@dataclass(eq=False)
class Calculator:
    """Structure factors of one model at fixed reflections, for any coordinates.

    Made by :meth:`from_model`. The plan is kept while atoms move, and made anew when their
    occupancies or displacement parameters change so that it would no longer meet `rtol`.

    Attributes
    ----------
    crystal, atoms
        As planned.
    hkl
        (n, 3) int32 reflections, in the order of the results.
    factors
        Form factors by kind of atom.
    method
        ``"fft"`` or ``"direct"``, as chosen.
    rtol
        The error asked for.
    fixed
        What the user decided about the sampling.
    threads
        Used by the density and the FFT; the results are the same bits for any number.
    """

    crystal: Crystal
    atoms: Atoms
    hkl: np.ndarray
    factors: ScatteringFactors
    method: str
    rtol: float = 1e-4
    fixed: Fixed = FREE
    threads: int = 1
    _on_grid: PlannedSum | None = field(init=False, repr=False, default=None)
    _only_fft: bool = field(init=False, repr=False, default=False)

    @classmethod
    def from_model(
        cls,
        model: Any,
        *,
        d_min: float | None = None,
        hkl: np.ndarray | None = None,
        source: str = "xray",
        method: str = "auto",
        rtol: float = 1e-4,
        dtype: Any = None,
        rate: float | None = None,
        blur: float | None = None,
        cutoff: float | None = None,
        table: str | FormFactorTable | None = None,
        use_charge: bool = False,
        unknown: str = "O",
        form_factors: Mapping[str, CustomFormFactor] | None = None,
        addends: Mapping[str, complex] | None = None,
        strict_ncs: bool = True,
        threads: int | None = None,
    ) -> "Calculator":
        """Plan the calculation.

        Parameters
        ----------
        model
            A path, gemmi object or pair (crystal, atoms); see :func:`friedel.as_model`, which
            also adds hydrogens.
        d_min
            Resolution limit in A: all unique, non-absent reflections to it.
        hkl
            (n, 3) reflections wanted, instead of `d_min`; any indices in any order.
        source, table, use_charge, unknown, form_factors, addends
            What scatters; see :func:`friedel.scattering.formfactors.scattering_factors`.
        method
            ``"fft"``, ``"direct"``, or ``"auto"`` for the faster by predicted cost.
        rtol
            Relative rms error of F allowed in the worst of ten resolution shells.
        dtype
            float32 or float64 for the density grid; by default whichever suffices.
        rate, blur, cutoff
            Sampling decided beforehand, see :class:`friedel.accuracy.plan.Fixed`; the plan says
            what error follows. They mean method="fft".
        strict_ncs
            Add the copies made by the file's strict NCS operators.
        threads
            Number of threads; by default one for each core.

        Raises
        ------
        FriedelError
            Of the kind that fits, for input that cannot be used.
        """
        if method not in METHODS:
            raise ParameterError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
        read = as_model(model, strict_ncs=strict_ncs)
        crystal, atoms = read.crystal, read.atoms
        rtol = checked_rtol(rtol)
        if d_min is not None and hkl is None:
            wanted = crystal.unique_reflections(d_min)
        elif hkl is not None and d_min is None:
            wanted = checked_hkl(hkl)
        else:
            raise ParameterError("give either d_min or hkl, and not both")
        factors = scattering_factors(
            atoms.scatterers,
            source,
            table=table,
            use_charge=use_charge,
            unknown=unknown,
            form_factors=form_factors,
            addends=addends,
        )
        fixed = Fixed(rate, blur, cutoff, dtype)
        threads = checked_threads(threads)
        calculator = cls(crystal, atoms, wanted, factors, method, rtol, fixed, threads)
        calculator._check_range()
        calculator._choose("fft" if fixed.is_binding and method == "auto" else method)
        return calculator

    def __repr__(self) -> str:
        return f"<friedel.Calculator {len(self.hkl)} reflections, {self.describe()}>"

    def describe(self) -> str:
        """Method and sampling in words."""
        return f"FFT: {self.plan}" if self.plan is not None else "direct summation"

    @cached_property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2 of the reflections, 1/A^2."""
        return self.crystal.stol2(self.hkl)

    @property
    def plan(self) -> Plan | None:
        """Sampling of the density, None for direct summation."""
        return None if self._on_grid is None else self._on_grid.plan

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

        Unlike the calculator it never changes: several may be at work in threads. Arguments
        and errors are those of :meth:`forward`.
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
        at_origin = self.stol2 == 0.0
        if at_origin.any():
            f[at_origin] = self._forward_scattering(atoms)
        return f

    def adjoint(self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives of a target by the atoms' parameters, from those by the structure factors.

        The transpose of what :meth:`forward` does, with the radii of the atoms held fixed.

        Parameters
        ----------
        atoms
            As for :meth:`forward`.
        w
            (n,) complex: dT/dRe F + i dT/dIm F at each reflection.
        anomalous
            Derivatives by f' and f'' in any case. By default they are left out (None)
            where they take another transform, as for f'' unless all kinds of atoms have some.

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
        at_origin = self.stol2 == 0.0
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
        """(n_atoms,) derivatives by a number added to each form factor, on a grid of their own.

        One that suits form factors which do not fall off with angle.
        """
        try:
            sums = self._of_constants.at(atoms, self.threads)
        except AccuracyError:
            return self._direct_sum.derivatives_by_constants(atoms, w)[:, 0]
        return atoms.occ * sums.derivatives(atoms.frac, w, self.threads)[0][:, 0]

    @cached_property
    def _of_constants(self) -> PlannedSum:
        n = len(self.atoms.scatterers)
        fixed = Fixed(dtype=self.fixed.dtype)
        return self._planned_sum(np.ones((n, 1)), np.zeros((n, 1)), np.zeros(n), fixed)

    @property
    def _direct_sum(self) -> direct.DirectSum:
        planned = self._planned_direct_sum
        planned.threads = self.threads  # which may have changed
        return planned

    @cached_property
    def _planned_direct_sum(self) -> direct.DirectSum:
        return direct.DirectSum(self.crystal, self.hkl)

    @cached_property
    def _form_factors(self) -> np.ndarray:
        """(n_kinds, n) form factors at the reflections, complex where there is some f''."""
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
                f"planned for {self.atoms.scatterers}, got atoms of kinds {atoms.scatterers}"
            )
        return atoms

    def _grid_sum_for(self, atoms: Atoms) -> GridSum | None:
        """What holds for these atoms wherever they are; None for direct summation."""
        if self._on_grid is None or not len(atoms):
            return None
        try:
            return self._on_grid.at(atoms, self.threads)
        except AccuracyError:
            if self._only_fft:
                raise
            return None

    @cached_property
    def _fewest_gaussians(self) -> tuple[np.ndarray, np.ndarray]:
        if self.factors.mott_bethe:  # what is left of f - Z would amplify the error of f
            return self.factors.a, self.factors.b
        tolerance = REFIT_SHARE * self.rtol
        return with_fewest_gaussians(self.factors.a, self.factors.b, self._d_min, tolerance)

    @cached_property
    def _d_min(self) -> float:
        return 0.5 / float(np.sqrt(self.stol2.max()))

    def _planned_sum(
        self, a: np.ndarray, b: np.ndarray, f_double_prime: np.ndarray, fixed: Fixed
    ) -> PlannedSum:
        return PlannedSum(
            self.crystal,
            self.atoms,
            self.hkl,
            self.stol2,
            a,
            b,
            f_double_prime,
            self.rtol,
            fixed,
        )

    def _check_range(self) -> None:
        if len(self.hkl):
            self.factors.warn_beyond(float(np.sqrt(self.stol2.max())))

    def _choose(self, method: str) -> None:
        """Settle on a method and, for the FFT, a plan."""
        direct_seconds = direct.predicted_seconds(self.crystal, self.atoms, len(self.hkl))
        self.method, self._only_fft = "direct", method == "fft"
        if method == "direct" or not self.stol2.any() or not self.atoms.occ.any():
            return
        if method == "auto" and direct_seconds < PLAN_SECONDS:
            return
        try:
            on_grid = self._planned_sum(
                *self._fewest_gaussians, self.factors.f_double_prime, self.fixed
            )
        except AccuracyError:
            if method == "fft":
                raise
            return
        n_terms = len(self.hkl) * len(self.crystal.primitive_operations[0])
        # Neither counts its plan, which this one has by now
        direct_seconds = direct.predicted_seconds(
            self.crystal, self.atoms, len(self.hkl), planned=True
        )
        fft_seconds = on_grid.plan.seconds + n_terms * SECONDS_PER_GATHER
        if method == "fft" or fft_seconds < direct_seconds:
            check_room(on_grid.plan)
            self.method, self._on_grid = "fft", on_grid


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A calculator at one set of parameters; see :meth:`Calculator.at`.

    Attributes
    ----------
    calculator, atoms
        As given.
    grid_sum
        With the sampling of the density for these atoms, None for direct summation.
    """

    calculator: Calculator
    atoms: Atoms
    grid_sum: GridSum | None

    def forward(self) -> np.ndarray:
        """(n,) complex128 structure factors."""
        return self.calculator._forward(self.atoms, self.grid_sum)

    def adjoint(self, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives by the atoms' parameters; see :meth:`Calculator.adjoint`."""
        return self.calculator._adjoint(self.atoms, self.grid_sum, w, anomalous)


def checked_threads(threads: int | None) -> int:
    """A number of threads; that of the cores which this process may use for None.

    Raises
    ------
    ParameterError
        When it is not a positive integer.
    """
    if threads is None:
        return usable_cores()
    if int(threads) != threads or threads < 1:
        raise ParameterError(f"got threads = {threads!r}, expected a positive integer")
    return int(threads)
