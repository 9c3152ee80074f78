"""The scale of F_model for arrays of any library, shared by the bridges.

The formulas take the library's module `xp` (torch or jax.numpy) and constants of its arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.adjoint import FixedMaskModel, MovingMaskModel, TwinnedModel
from friedel.scaling.curves import anisotropic_terms, curve_terms
from friedel.scaling.parameters import ScaleParameters, harmonic_rows, quadratic_terms

SCALES = (
    "k_overall",
    "b_overall",
    "k_sol",
    "b_sol",
    "k_layer",
    "overall_curve",
    "solvent_curve",
    "twin_fractions",
    "anisotropic_curve",
)
"""Names of the parameters of the scale, as in :class:`friedel.scaling.ScaleParameters`."""

Function = FixedMaskModel | MovingMaskModel


@dataclass(frozen=True, eq=False)
class ScaleTerms:
    """Constants of the scale at n reflections.

    Attributes
    ----------
    stol2
        (n,) 1/Å^2.
    quadratic
        (n, 6) coefficients of the B tensor in the exponent.
    overall_terms, solvent_terms
        (n, k) terms of the curves.
    anisotropic
        (n, k, 6) coefficients of the tensors of the anisotropic curve in the exponent.
    f_mask, f_layer
        (n,) complex transforms of a fixed mask and layer, or None.
    babinet
        Whether F_mask is -F_calc.
    """

    stol2: Any
    quadratic: Any
    overall_terms: Any
    solvent_terms: Any
    anisotropic: Any
    f_mask: Any
    f_layer: Any
    babinet: bool

    @classmethod
    def of(cls, model: Function) -> "ScaleTerms":
        """The constants of a model, as numpy arrays."""
        calculator, scales = model.calculator, model.scales
        hkl = calculator.hkl if model.scaled_at is None else model.scaled_at
        stol2 = calculator.crystal.stol2(hkl)
        overall, solvent = (
            curve_terms(stol2, scales.curve_range, len(coefficients))
            if coefficients
            else np.zeros((len(hkl), 0))
            for coefficients in (scales.overall_curve, scales.solvent_curve)
        )
        quadratic = quadratic_terms(calculator.crystal, hkl)
        anisotropic = np.zeros((len(hkl), 0, 6))
        if n := len(scales.anisotropic_curve):
            harmonics = harmonic_rows(calculator.crystal, hkl, np.eye(6), stol2).T
            terms = anisotropic_terms(stol2, scales.curve_range, n)
            anisotropic = terms[:, :, None] * harmonics[:, None]
        of_scale = stol2, quadratic, overall, solvent, anisotropic
        if isinstance(model, MovingMaskModel):
            return cls(*of_scale, None, None, False)
        return cls(*of_scale, model.f_mask, model.f_layer, model.babinet)

    def map(self, convert: Any) -> "ScaleTerms":
        """The constants with all arrays converted by a function."""
        values = (getattr(self, field.name) for field in fields(self))
        return ScaleTerms(*(convert(x) if isinstance(x, np.ndarray) else x for x in values))


def f_model(
    xp: Any, terms: ScaleTerms, scales: Mapping[str, Any], f_calc: Any, f_mask: Any, f_layer: Any
) -> Any:
    """(..., n) complex F_model from F_calc (..., n) and, unless they are None, the masks.

    The same as :meth:`friedel.scaling.ScaleParameters.f_total`.
    """
    exponent = (terms.overall_terms * scales["overall_curve"]).sum(-1)
    exponent = exponent - (terms.quadratic * scales["b_overall"]).sum(-1)
    exponent = exponent + (terms.anisotropic * scales["anisotropic_curve"]).sum((-1, -2))
    total = f_calc
    if terms.babinet:
        f_mask = -f_calc
    if f_mask is not None:
        if f_layer is not None:
            f_mask = f_mask + scales["k_layer"] * f_layer
        curve = (terms.solvent_terms * scales["solvent_curve"]).sum(-1)
        solvent = scales["k_sol"] * xp.exp(curve - scales["b_sol"] * terms.stol2)
        total = f_calc + solvent * f_mask
    return scales["k_overall"] * xp.exp(exponent) * total


def square(x: Any) -> Any:
    """The square of the absolute value of complex numbers, differentiable at zero."""
    return x.real**2 + x.imag**2


def root(xp: Any, x: Any) -> Any:
    """Square roots, whose derivative at zero is taken as zero."""
    positive = x > 0.0
    return xp.where(positive, xp.sqrt(xp.where(positive, x, xp.ones_like(x))), xp.zeros_like(x))


def function_of(model: Any) -> FixedMaskModel | MovingMaskModel | TwinnedModel:
    """F_model as a function: of a fit, or what was given.

    Raises
    ------
    ParameterError
        When density that the model lacks was added: F_model is not that of its atoms.
    """
    given = isinstance(model, FixedMaskModel | MovingMaskModel | TwinnedModel)
    found: FixedMaskModel | MovingMaskModel | TwinnedModel = model if given else model.as_function
    if any(part.f_missing is not None for part in parts_of(found)):
        raise ParameterError(
            "F_model contains added density: give fitted.without_missing_density()"
        )
    return found


def parts_of(model: FixedMaskModel | MovingMaskModel | TwinnedModel) -> list[Function]:
    """The domains of a twin, or the only one."""
    if isinstance(model, TwinnedModel):
        return [model.first, *model.others]
    return [model]


def values_of(scales: ScaleParameters) -> dict[str, np.ndarray]:
    """The parameters of the scale as float64 arrays."""
    values = {name: np.array(getattr(scales, name), np.float64) for name in SCALES}
    return values | {"anisotropic_curve": values["anisotropic_curve"].reshape(-1, 6)}


def _as_plain(x: np.ndarray) -> Any:
    """Numbers, or tuples of tuples of numbers."""
    return float(x) if x.ndim == 0 else tuple(_as_plain(part) for part in x)


def scale_parameters(
    template: ScaleParameters, values: Mapping[str, np.ndarray]
) -> ScaleParameters:
    """Parameters of the scale with other values.

    Raises
    ------
    ParameterError
        When twin fractions are negative or their sum exceeds 1.
    """
    found: dict[str, Any] = {name: _as_plain(np.asarray(x)) for name, x in values.items()}
    return replace(template, **found)
