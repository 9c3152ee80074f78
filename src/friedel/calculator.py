"""Calculator: plan once, call many times. Chooses FFT or direct summation and wires them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from friedel import adjoint, density, direct, fourier, sampling
from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.errors import AccuracyError, AtomsError, FriedelWarning, ParameterError
from friedel.formfactors import FormFactorTable, GaussianSum, ScatteringFactors, scattering_factors
from friedel.gradients import Gradients, checked_weights
from friedel.io.models import as_model
from friedel.reflections import checked_hkl

METHODS = ("auto", "fft", "direct")

SECONDS_PER_DIRECT_TERM = 27e-9
"""Time of one (atom, operation, reflection) in direct summation."""
SECONDS_PER_GATHER = 10e-9
"""Time of one (operation, reflection) in reciprocal space."""
PLAN_SECONDS = 0.02
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
    plan
        Sampling of the density, None for direct summation.
    rtol
        The error asked for.
    dtype
        Type of the density grid that was asked for, or None.
    threads
        Used by the FFT.
    """

    crystal: Crystal
    atoms: Atoms
    hkl: np.ndarray
    factors: ScatteringFactors
    method: str
    plan: sampling.Plan | None
    rtol: float = 1e-4
    dtype: np.dtype | None = None
    threads: int = 1
    _planned_for: Atoms = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._planned_for = self.atoms

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
        table: str | FormFactorTable | None = None,
        use_charge: bool = False,
        unknown: str = "O",
        form_factors: Mapping[str, GaussianSum] | None = None,
        addends: Mapping[str, complex] | None = None,
        strict_ncs: bool = True,
        threads: int = 1,
    ) -> "Calculator":
        """Plan the calculation.

        Parameters
        ----------
        model
            A path, gemmi object or pair (crystal, atoms); see :func:`friedel.as_model`.
        d_min
            Resolution limit in A: all unique, non-absent reflections to it.
        hkl
            (n, 3) reflections wanted, instead of `d_min`; any indices in any order.
        source, table, use_charge, unknown, form_factors, addends
            What scatters; see :func:`friedel.formfactors.scattering_factors`.
        method
            ``"fft"``, ``"direct"``, or ``"auto"`` for the faster by predicted cost.
        rtol
            Relative rms error of F allowed in the worst of ten resolution shells.
        dtype
            float32 or float64 for the density grid; by default whichever suffices.
        strict_ncs
            Add the copies made by the file's strict NCS operators.
        threads
            Number of threads for the FFT.

        Raises
        ------
        FriedelError
            Of the kind that fits, for input that cannot be used.
        """
        if method not in METHODS:
            raise ParameterError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
        read = as_model(model, strict_ncs=strict_ncs)
        crystal, atoms = read.crystal, read.atoms
        rtol = sampling.checked_rtol(rtol)
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
        dtype = None if dtype is None else np.dtype(dtype)
        calculator = cls(crystal, atoms, wanted, factors, method, None, rtol, dtype, threads)
        calculator._check_range()
        calculator._choose(method)
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

    @cached_property
    def _absent(self) -> np.ndarray:
        return self.crystal.is_absent(self.hkl)

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
        return Evaluation(self, atoms, self._plan_for(atoms))

    def _forward(self, atoms: Atoms, plan: sampling.Plan | None) -> np.ndarray:
        f = self._sum(atoms, plan, self.factors.a, self.factors.b)
        if self.factors.f_double_prime.any():
            imaginary = self.factors.f_double_prime[:, None]
            f = f + 1j * self._sum(atoms, plan, imaginary, np.zeros_like(imaginary))
        if self.factors.mott_bethe:
            f *= self.factors.post_factor(self.stol2)
        at_origin = self.stol2 == 0.0
        if at_origin.any():
            f[at_origin] = self._forward_scattering(atoms)
        return f

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> Gradients:
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
            where they take another transform.

        Raises
        ------
        AtomsError
            When the atoms are of other kinds.
        ReflectionsError
            When there is not one finite number for each reflection.
        """
        return self.at(atoms).adjoint(w, anomalous=anomalous)

    def _adjoint(
        self, atoms: Atoms, plan: sampling.Plan | None, w: np.ndarray, anomalous: bool
    ) -> Gradients:
        w = checked_weights(w, len(self.hkl))
        at_origin = self.stol2 == 0.0
        inner = np.where(at_origin, 0.0, w * self.factors.post_factor(self.stol2))
        transposed: adjoint.DensityAdjoint | adjoint.DirectAdjoint
        if plan is None:
            transposed = adjoint.DirectAdjoint(
                self.crystal, atoms, self.hkl, self.stol2, self._absent, self.threads
            )
        else:
            transposed = adjoint.DensityAdjoint(
                self.crystal, atoms, self.hkl, plan, self._absent, self.threads
            )
        gradients = transposed.gradients(inner, self.factors, anomalous)
        if at_origin.any():
            origin = complex(w[at_origin].sum())
            return adjoint.add_forward_scattering(gradients, origin, atoms, self.factors)
        return gradients

    def _sum(
        self, atoms: Atoms, plan: sampling.Plan | None, a: np.ndarray, b: np.ndarray
    ) -> np.ndarray:
        """Sum over atoms and operations of one set of Gaussian coefficients."""
        if plan is None:
            f = (a[:, :, None] * np.exp(-b[:, :, None] * self.stol2)).sum(axis=1)
            return direct.structure_factors(self.crystal, atoms, self.hkl, f)
        sampled = density.sample(
            self.crystal,
            atoms,
            a,
            b,
            plan.shape,
            dtype=plan.dtype,
            blur=plan.blur,
            cutoff=plan.cutoff,
            threads=self.threads,
        )
        return fourier.structure_factors(
            sampled,
            self.crystal,
            self.hkl,
            blur=plan.blur,
            absent=self._absent,
            threads=self.threads,
        )

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

    def _plan_for(self, atoms: Atoms) -> sampling.Plan | None:
        """The plan, made anew when these atoms are sharper or fewer than those planned for."""
        if self.plan is None or atoms is self._planned_for or atoms.alike(self._planned_for):
            return self.plan
        if not atoms.occ.any():
            return self.plan
        if sampling.predicted_error(self._accuracy_model(atoms), self.plan) > self.rtol:
            self.plan = sampling.cheapest(self._accuracy_model(atoms), self.rtol, self.dtype)
        self._planned_for = atoms
        return self.plan

    def _accuracy_model(self, atoms: Atoms) -> sampling.AccuracyModel:
        d_min = 0.5 / float(np.sqrt(self.stol2.max()))
        return sampling.AccuracyModel(self.crystal, atoms, self.factors.a, self.factors.b, d_min)

    def _check_range(self) -> None:
        if len(self.hkl) and np.sqrt(self.stol2.max()) > self.factors.stol_max:
            import warnings

            warnings.warn(
                f"sin(theta)/lambda reaches {np.sqrt(self.stol2.max()):.2f} 1/A; the form factors "
                f"are fitted to {self.factors.stol_max:g} 1/A and extrapolated beyond",
                FriedelWarning,
                stacklevel=3,
            )

    def _choose(self, method: str) -> None:
        """Settle on a method and, for the FFT, a plan."""
        n_terms = len(self.hkl) * len(self.crystal.primitive_operations[0])
        direct_seconds = n_terms * len(self.atoms) * SECONDS_PER_DIRECT_TERM
        self.method, self.plan = "direct", None
        if method == "direct" or not self.stol2.any() or not self.atoms.occ.any():
            return
        if method == "auto" and direct_seconds < PLAN_SECONDS:
            return
        try:
            plan = sampling.cheapest(self._accuracy_model(self.atoms), self.rtol, self.dtype)
        except AccuracyError:
            if method == "fft":
                raise
            return
        if method == "fft" or plan.seconds + n_terms * SECONDS_PER_GATHER < direct_seconds:
            self.method, self.plan = "fft", plan


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A calculator at one set of parameters; see :meth:`Calculator.at`.

    Attributes
    ----------
    calculator, atoms
        As given.
    plan
        Sampling of the density for these atoms, None for direct summation.
    """

    calculator: Calculator
    atoms: Atoms
    plan: sampling.Plan | None

    def forward(self) -> np.ndarray:
        """(n,) complex128 structure factors."""
        return self.calculator._forward(self.atoms, self.plan)

    def adjoint(self, w: np.ndarray, *, anomalous: bool = False) -> Gradients:
        """Derivatives by the atoms' parameters; see :meth:`Calculator.adjoint`."""
        return self.calculator._adjoint(self.atoms, self.plan, w, anomalous)
