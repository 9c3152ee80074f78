"""F_model as a function of atoms and scales, and its adjoint; the mask stays as it is.

How the mask follows the atoms is left out: a flat mask changes by whole grid points, and has
no derivative. Whoever moves atoms far renews it now and then.
"""

from dataclasses import dataclass, replace

import numpy as np

from friedel.atoms import Atoms
from friedel.calculator import Calculator
from friedel.errors import ReflectionsError
from friedel.gradients import Gradients, checked_weights
from friedel.scaling.parameters import ScaleParameters, curve_terms, quadratic_terms


@dataclass(frozen=True, eq=False)
class ScaleGradients:
    """Derivatives of a target by the parameters of :class:`friedel.scaling.ScaleParameters`.

    Attributes
    ----------
    k_overall, k_sol, b_sol, k_layer
        Numbers; zero for those of a solvent or layer that is not there.
    b_overall
        (6,) by B11, B22, B33, B12, B13, B23, Cartesian, each independent of the others. Off
        the diagonal by the one stored number, which stands in both places of the tensor. Along
        the tensors that the symmetry allows: ``symmetric_tensors(crystal) @ b_overall``.
    overall_curve, solvent_curve
        By each coefficient of the curves.
    """

    k_overall: float
    b_overall: np.ndarray
    k_sol: float
    b_sol: float
    k_layer: float
    overall_curve: np.ndarray
    solvent_curve: np.ndarray


@dataclass(frozen=True, eq=False)
class FModelGradients:
    """Derivatives of a target by the parameters of atoms and by those of the scales."""

    atoms: Gradients
    scales: ScaleGradients


@dataclass(frozen=True, eq=False)
class FixedMaskModel:
    """F_model of atoms and scales that may change, with a mask that does not.

    Parameters
    ----------
    calculator
        Of F_calc; its reflections are those of F_model.
    scales
        Of F_model.
    f_mask, f_layer
        (n,) complex transforms of mask and layer, None where there are none.
    babinet
        Whether -F_calc stands for F_mask, and so follows the atoms.

    Raises
    ------
    ReflectionsError
        When F_mask or F_layer are not of the calculator's reflections.
    """

    calculator: Calculator
    scales: ScaleParameters
    f_mask: np.ndarray | None = None
    f_layer: np.ndarray | None = None
    babinet: bool = False

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
        crystal, hkl = self.calculator.crystal, self.calculator.hkl
        return self.scales.f_total(crystal, hkl, f_calc, f_mask, self.f_layer)

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """Derivatives of a target T by atoms and scales, from those by F_model.

        Parameters
        ----------
        atoms, anomalous
            As for :meth:`friedel.Calculator.adjoint`.
        w
            (n,) complex: dT/dRe F_model + i dT/dIm F_model at each reflection.

        Raises
        ------
        AtomsError
            When the atoms are of other kinds.
        ReflectionsError
            When there is not one finite number for each reflection.
        """
        calculator, scales = self.calculator, self.scales
        w = checked_weights(w, len(calculator.hkl))
        at = calculator.at(atoms)
        f_calc = at.forward()
        unscaled_w = scales.overall_scale(calculator.crystal, calculator.hkl) * w
        of_atoms = unscaled_w
        if self.babinet:
            of_atoms = unscaled_w * (1.0 - scales.solvent_scale(calculator.stol2))
        by_scales = self._by_scales(w, unscaled_w, f_calc)
        return FModelGradients(at.adjoint(of_atoms, anomalous=anomalous), by_scales)

    def _by_scales(
        self, w: np.ndarray, unscaled_w: np.ndarray, f_calc: np.ndarray
    ) -> ScaleGradients:
        """From w, by F_model and by what the overall scale multiplies."""
        calculator, scales = self.calculator, self.scales
        unit = replace(self, scales=replace(scales, k_overall=1.0)).scaled(f_calc)
        f_mask, f_layer = self._solvent_parts(f_calc)
        # T rises by Re conj(w) F when F is enlarged, and so along the logarithm of its scale
        along_overall = _real_product(w, self.scaled(f_calc))
        along_k_sol = _real_product(unscaled_w, f_mask + scales.k_layer * f_layer)
        along_k_sol *= replace(scales, k_sol=1.0).solvent_scale(calculator.stol2)
        along_solvent = scales.k_sol * along_k_sol
        along_layer = _real_product(unscaled_w, f_layer)
        along_layer *= scales.solvent_scale(calculator.stol2)
        return ScaleGradients(
            k_overall=float(_real_product(w, unit).sum()),
            b_overall=-along_overall @ quadratic_terms(calculator.crystal, calculator.hkl),
            k_sol=float(along_k_sol.sum()),
            b_sol=-float(along_solvent @ calculator.stol2),
            k_layer=float(along_layer.sum()),
            overall_curve=self._by_curve(along_overall, scales.overall_curve),
            solvent_curve=self._by_curve(along_solvent, scales.solvent_curve),
        )

    def _solvent_parts(self, f_calc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) F_mask and F_layer, zero where there are none."""
        nothing = np.zeros_like(f_calc)
        f_mask = -f_calc if self.babinet else self.f_mask
        if f_mask is None:
            return nothing, nothing
        return f_mask, nothing if self.f_layer is None else self.f_layer

    def _by_curve(self, along: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
        terms = curve_terms(self.calculator.stol2, self.scales.curve_range, len(coefficients))
        return along @ terms


def _real_product(w: np.ndarray, f: np.ndarray) -> np.ndarray:
    """(n,) Re conj(w) F."""
    return w.real * f.real + w.imag * f.imag
