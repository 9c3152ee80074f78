"""F_model as a function of atoms and scales, and its adjoint, with a fixed or a moving mask.

A mask with sharp boundary changes by whole grid points and has no derivative: it is held fixed,
and should be recalculated after large shifts of atoms. A smooth mask moves with the atoms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from friedel.errors import ParameterError, ReflectionsError
from friedel.fmodel.twinning import twinned_amplitudes
from friedel.model.atoms import Atoms
from friedel.scaling.curves import anisotropic_terms, curve_terms
from friedel.scaling.parameters import ScaleParameters, harmonic_rows, quadratic_terms
from friedel.solvent.smooth_mask import SmoothMask, SmoothMaskOfAtoms
from friedel.structure_factors.gradients import Gradients, checked_weights
from friedel.structure_factors.with_hydrogens import AnyCalculator


@dataclass(frozen=True, eq=False)
class ScaleGradients:
    """Derivatives of a target by the parameters of :class:`friedel.scaling.ScaleParameters`.

    Attributes
    ----------
    k_overall, k_sol, b_sol, k_layer
        Derivatives by these numbers; zero without solvent or layer.
    b_overall
        (6,) derivatives by Cartesian B11, B22, B33, B12, B13, B23, each independent of the others;
        off the diagonal by the stored number, which is both elements of the symmetric tensor.
        Derivatives along symmetry-allowed tensors are ``symmetric_tensors(crystal) @ b_overall``.
    overall_curve, solvent_curve
        Derivatives by each coefficient of the curves.
    twin_fractions
        (k,) derivatives by the twin fractions, each independent of the others; empty without
        twinning.
    anisotropic_curve
        (k, 6) derivatives by each number of its tensors, as for `b_overall`.
    """

    k_overall: float
    b_overall: np.ndarray
    k_sol: float
    b_sol: float
    k_layer: float
    overall_curve: np.ndarray
    solvent_curve: np.ndarray
    twin_fractions: np.ndarray = field(default_factory=lambda: np.zeros(0))
    anisotropic_curve: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))


@dataclass(frozen=True, eq=False)
class FModelGradients:
    """Derivatives of a target by the parameters of atoms and by those of the scales."""

    atoms: Gradients
    scales: ScaleGradients


@dataclass(frozen=True, eq=False)
class FixedMaskModel:
    """F_model as a function of atoms and scales, with a fixed mask.

    Parameters
    ----------
    calculator
        Calculator of F_calc, perhaps with riding hydrogens; its reflections are those of F_model.
    scales
        Scales of F_model.
    f_mask, f_layer
        (n,) complex transforms of mask and layer; None without them.
    babinet
        Whether F_mask is -F_calc, which follows the atoms.
    scaled_at
        (n, 3) reflections at which to evaluate the scales, for a calculator of twin mates.
    f_missing
        (n,) complex structure factors on the scale of F_calc that do not depend on the atoms,
        those of density that the model lacks; None without.

    Raises
    ------
    ReflectionsError
        When F_mask or F_layer differ in length from the calculator's reflections.
    """

    calculator: AnyCalculator
    scales: ScaleParameters
    f_mask: np.ndarray | None = None
    f_layer: np.ndarray | None = None
    babinet: bool = False
    scaled_at: np.ndarray | None = None
    f_missing: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.calculator.hkl)
        for name, values in (("F_mask", self.f_mask), ("F_layer", self.f_layer)):
            if values is not None and np.shape(values) != (n,):
                raise ReflectionsError(f"{name} has shape {np.shape(values)}, expected ({n},)")

    def forward(self, atoms: Atoms | None = None) -> np.ndarray:
        """(n,) complex F_model; arguments and errors are those of the calculator's."""
        return self.scaled(self.calculator.forward(atoms))

    def scaled(self, f_calc: np.ndarray) -> np.ndarray:
        """(n,) complex F_model, from F_calc (n,)."""
        f_mask = -f_calc if self.babinet else self.f_mask
        crystal = self.calculator.crystal
        f_all = self._with_missing(f_calc)
        return self.scales.f_total(crystal, self._scaled_at, f_all, f_mask, self.f_layer)

    def _with_missing(self, f_calc: np.ndarray) -> np.ndarray:
        return f_calc if self.f_missing is None else f_calc + self.f_missing

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """Derivatives of a target T by atoms and scales, from those by F_model.

        Takes w = dT/dRe F_model + i dT/dIm F_model (n,); the other arguments and the errors
        are those of :meth:`friedel.Calculator.adjoint`.
        """
        calculator, scales = self.calculator, self.scales
        w = checked_weights(w, len(calculator.hkl))
        at = calculator.at(atoms)
        f_calc = at.forward()
        f_mask, f_layer = self._solvent_parts(f_calc)
        per_k, per_k_sol = self._curves()
        overall, solvent = scales.k_overall * per_k, scales.k_sol * per_k_sol
        # T rises by Re conj(w) F when F is enlarged, and so along the logarithm of its scale
        f_solvent = f_mask + scales.k_layer * f_layer
        along_k = per_k * _real_product(w, self._with_missing(f_calc) + solvent * f_solvent)
        along_k_sol = overall * per_k_sol * _real_product(w, f_solvent)
        along_overall, along_solvent = scales.k_overall * along_k, scales.k_sol * along_k_sol
        by_scales = ScaleGradients(
            k_overall=float(along_k.sum()),
            b_overall=-along_overall @ quadratic_terms(calculator.crystal, self._scaled_at),
            k_sol=float(along_k_sol.sum()),
            b_sol=-float(along_solvent @ self._stol2),
            k_layer=float((overall * solvent) @ _real_product(w, f_layer)),
            overall_curve=self._by_curve(along_overall, scales.overall_curve),
            solvent_curve=self._by_curve(along_solvent, scales.solvent_curve),
            anisotropic_curve=self._by_anisotropic_curve(along_overall),
        )
        factor = overall * (1.0 - solvent) if self.babinet else overall
        return FModelGradients(at.adjoint(factor * w, anomalous=anomalous), by_scales)

    def by_solvent(self, w: np.ndarray) -> np.ndarray:
        """(n,) derivatives by the solvent's structure factors, from those by F_model."""
        per_k, per_k_sol = self._curves()
        return self.scales.k_overall * self.scales.k_sol * per_k * per_k_sol * w

    def _curves(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) overall and solvent scale, divided by k_overall and k_sol (which may be zero)."""
        crystal, scales = self.calculator.crystal, self.scales
        overall = replace(scales, k_overall=1.0).overall_scale(crystal, self._scaled_at)
        return overall, replace(scales, k_sol=1.0).solvent_scale(self._stol2)

    @property
    def _scaled_at(self) -> np.ndarray:
        return self.calculator.hkl if self.scaled_at is None else self.scaled_at

    @property
    def _stol2(self) -> np.ndarray:
        calculator, at = self.calculator, self.scaled_at
        return calculator.stol2 if at is None else calculator.crystal.stol2(at)

    def _solvent_parts(self, f_calc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) F_mask and F_layer; zero without them."""
        nothing = np.zeros_like(f_calc)
        f_mask = -f_calc if self.babinet else self.f_mask
        if f_mask is None:
            return nothing, nothing
        return f_mask, nothing if self.f_layer is None else self.f_layer

    def _by_curve(self, along: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
        if not coefficients:
            return np.zeros(0)
        terms = curve_terms(self._stol2, self.scales.curve_range, len(coefficients))
        return along @ terms

    def _by_anisotropic_curve(self, along: np.ndarray) -> np.ndarray:
        n, stol2 = len(self.scales.anisotropic_curve), self._stol2
        if not n:
            return np.zeros((0, 6))
        terms = anisotropic_terms(stol2, self.scales.curve_range, n)
        harmonics = harmonic_rows(self.calculator.crystal, self._scaled_at, np.eye(6), stol2)
        return (along[:, None] * terms).T @ harmonics.T


@dataclass(frozen=True, eq=False)
class MovingMaskModel:
    """F_model as a function of atoms and scales, with a smooth mask that follows the atoms.

    Parameters
    ----------
    calculator, scales, scaled_at, f_missing
        As for :class:`FixedMaskModel`.
    mask
        Mask of the solvent.
    nearer
        Mask of the solvent including the layer next to the atoms; None without layer.
    """

    calculator: AnyCalculator
    scales: ScaleParameters
    mask: SmoothMask
    nearer: SmoothMask | None = None
    scaled_at: np.ndarray | None = None
    f_missing: np.ndarray | None = None

    def at(self, atoms: Atoms | None = None) -> "MovingMaskOfAtoms":
        """F_model and derivatives for some atoms (default: its own), whose masks are made once."""
        return MovingMaskOfAtoms(self, self.calculator.atoms if atoms is None else atoms)

    def forward(self, atoms: Atoms | None = None) -> np.ndarray:
        """(n,) complex F_model; arguments and errors are those of the calculator's."""
        return self.at(atoms).forward()

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """As :meth:`FixedMaskModel.adjoint`, including the mask's part of derivatives by atoms."""
        return self.at(atoms).adjoint(w, anomalous=anomalous)


@dataclass(frozen=True, eq=False)
class MovingMaskOfAtoms:
    """F_model of some atoms with their smooth mask; see :meth:`MovingMaskModel.at`."""

    model: MovingMaskModel
    atoms: Atoms

    def forward(self) -> np.ndarray:
        """(n,) complex F_model."""
        return self.fixed.forward(self.atoms)

    @cached_property
    def fixed(self) -> FixedMaskModel:
        """The model with the mask fixed at that of these atoms."""
        f_masks = [mask.forward() for mask in self._masks]
        f_layer = f_masks[1] - f_masks[0] if len(f_masks) > 1 else None
        model = self.model
        return FixedMaskModel(
            model.calculator,
            model.scales,
            f_masks[0],
            f_layer,
            scaled_at=model.scaled_at,
            f_missing=model.f_missing,
        )

    def adjoint(self, w: np.ndarray, *, anomalous: bool = False) -> FModelGradients:
        """Derivatives as given by :meth:`MovingMaskModel.adjoint`."""
        found = self.fixed.adjoint(self.atoms, w, anomalous=anomalous)
        # The solvent is (1 - k_layer) F_mask + k_layer F_nearer
        k_layer = 0.0 if self.model.nearer is None else self.model.scales.k_layer
        frac, occ = found.atoms.frac, found.atoms.occ
        by_solvent = self.fixed.by_solvent(np.asarray(w))
        for mask, share in zip(self._masks, (1.0 - k_layer, k_layer), strict=False):
            by_mask = mask.adjoint(share * by_solvent)
            frac, occ = frac + by_mask.frac, occ + by_mask.occ
        return replace(found, atoms=found.atoms.replace(frac=frac, occ=occ))

    @cached_property
    def _masks(self) -> list[SmoothMaskOfAtoms]:
        masks = (self.model.mask, self.model.nearer)
        return [mask.at(self.atoms) for mask in masks if mask is not None]


@dataclass(frozen=True, eq=False)
class TwinnedModel:
    """Amplitudes of a twin as a function of atoms and scales.

    Parameters
    ----------
    first
        F_model of n reflections in the first domain.
    others
        F_model of their mates in each further domain.
    exist
        (n,) bool for each further domain: which reflections have a mate.
    """

    first: FixedMaskModel | MovingMaskModel
    others: Sequence[FixedMaskModel | MovingMaskModel]
    exist: Sequence[np.ndarray]

    def forward(self, atoms: Atoms | None = None) -> np.ndarray:
        """(n,) square roots of the weighted mean abs(F_model)^2 of the domains."""
        return self._parts(atoms)[0]

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """Derivatives of a target T by atoms and scales, from those by the amplitudes.

        Takes w = dT/dF (n,), real; the other arguments and the errors are those of
        :meth:`friedel.Calculator.adjoint`.

        Raises
        ------
        ParameterError
            When w are complex.
        """
        if np.iscomplexobj(w):
            raise ParameterError("got complex w, expected real dT/dF by the amplitudes of a twin")
        amplitudes, f_first, f_others = self._parts(atoms)
        w = checked_weights(w, len(f_first)).real
        scales = self.first.scales
        per_f = np.divide(w, amplitudes, out=np.zeros_like(w), where=amplitudes > 0.0)
        of_first = (1.0 - scales.twin_fraction) * per_f * f_first
        found = self.first.adjoint(atoms, of_first, anomalous=anomalous)
        by_atoms, by_scales, by_fractions = found.atoms, found.scales, []
        for fraction, other, exist, f_other in zip(
            scales.twin_fractions, self.others, self.exist, f_others, strict=True
        ):
            of_mates = fraction * (per_f * f_other)[exist]
            found = other.adjoint(atoms, of_mates, anomalous=anomalous)
            by_atoms, by_scales = _sum(by_atoms, found.atoms), _sum(by_scales, found.scales)
            by_fraction = per_f @ (np.abs(f_other) ** 2 - np.abs(f_first) ** 2)
            by_fractions.append(0.5 * float(by_fraction))
        by_scales = replace(by_scales, twin_fractions=np.array(by_fractions))
        return FModelGradients(by_atoms, by_scales)

    def _parts(self, atoms: Atoms | None) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """(n,) amplitudes; (n,) F_model of the first and of each further domain.

        F_model is zero where there is no mate.
        """
        f_first = self.first.forward(atoms)
        f_others = []
        for other, exist in zip(self.others, self.exist, strict=True):
            f_other = np.zeros_like(f_first)
            f_other[exist] = other.forward(atoms)
            f_others.append(f_other)
        amplitudes = twinned_amplitudes(f_first, f_others, self.first.scales.twin_fractions)
        return amplitudes, f_first, f_others


_Some = TypeVar("_Some", Gradients, ScaleGradients)


def _sum(first: _Some, second: _Some) -> _Some:
    """Sum of two sets of derivatives by the same parameters."""
    summed: dict[str, Any] = {}
    for name in (one.name for one in fields(first) if one.name != "crystal"):
        one, other = getattr(first, name), getattr(second, name)
        summed[name] = None if one is None else one + other
    return replace(first, **summed)


def _real_product(w: np.ndarray, f: np.ndarray) -> np.ndarray:
    """(n,) Re conj(w) F."""
    return w.real * f.real + w.imag * f.imag
