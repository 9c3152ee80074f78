"""Residuals and their derivatives as functions of the vector of free parameters."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.scaling.data import ScalingData
from friedel.scaling.parameters import (
    MEAN_B_SOL,
    PARAMETERS,
    ScaleParameters,
    as_floats,
    curve_terms,
    quadratic_terms,
)
from friedel.scaling.reweighting import Prior

CURVE_WIDTH = 3.0
"""Standard deviation of coefficients in the logarithm of a scale: factors of 20 are common."""

B_SOL_WIDTH = 300.0
"""Of B_sol, A^2: the values published hardly reach this."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a minimiser needs to know.

    All parameters are the vector (log k_overall, components of B in the basis, k_sol, B_sol,
    k_layer, overall curve, solvent curve). How many terms the curves have, `start` says.
    With a curve for the solvent, log |k_sol| takes the place of k_sol: its valley with B_sol
    and the curve is then straight, and steps along it are long.

    Parameters
    ----------
    data
        Reflections to fit to.
    start
        Where to start, and the values of those that are fixed.
    fixed
        Names of parameters that stay.
    weights
        (n,) factors of the residuals, or None for 1.
    """

    data: ScalingData
    start: ScaleParameters
    fixed: frozenset[str]
    weights: np.ndarray | None = None

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        curves = len(self.start.overall_curve), len(self.start.solvent_curve)
        return 1, len(self.data.b_basis), 1, 1, 1, *curves

    @cached_property
    def free(self) -> np.ndarray:
        """(m,) bool: which of all parameters are fitted."""
        return np.repeat([name not in self.fixed for name in PARAMETERS], self._lengths)

    @cached_property
    def start_vector(self) -> np.ndarray:
        """(m,) all parameters at the start; B without what the symmetry forbids."""
        start = self.start
        b = self.data.b_components(start.b_overall)
        k_sol = np.log(abs(start.k_sol)) if self._is_logarithmic else start.k_sol
        solvent = k_sol, start.b_sol, start.k_layer
        curves = *start.overall_curve, *start.solvent_curve
        return np.array([np.log(start.k_overall), *b, *solvent, *curves])

    @property
    def _is_logarithmic(self) -> bool:
        return bool(self.start.solvent_curve) and self.start.k_sol != 0.0

    def lower_limits(self, k_sol_min: float) -> np.ndarray:
        """(m,) of all parameters. With a curve, B_sol alone says nothing and has no limit."""
        least = np.full(len(self.free), -np.inf)
        k_sol = 1 + len(self.data.b_basis)
        if not self.start.solvent_curve:
            least[k_sol : k_sol + 2] = k_sol_min, 0.0
        return least

    @property
    def prior(self) -> Prior:
        """Of all free parameters: wide, and only on B_sol and curves.

        Data determine these far better. Where they do not, as in a crystal nearly without
        solvent, the prior keeps them from running away.
        """
        centre, width = self.start_vector.copy(), np.full(len(self.free), np.inf)
        width[len(width) - sum(self._lengths[-2:]) :] = CURVE_WIDTH
        centre[len(width) - sum(self._lengths[-2:]) :] = 0.0
        k_sol = 1 + len(self.data.b_basis)
        centre[k_sol + 1], width[k_sol + 1] = MEAN_B_SOL, B_SOL_WIDTH
        if self._is_logarithmic:
            width[k_sol] = CURVE_WIDTH
        return Prior(centre[self.free], width[self.free])

    @cached_property
    def _static_scale(self) -> np.ndarray | float:
        """The part of a B held fixed that the symmetry forbids: taken as it is given."""
        if "b_overall" not in self.fixed:
            return 1.0
        allowed = self.data.b_components(self.start.b_overall) @ self.data.b_basis
        rest = np.array(self.start.b_overall) - allowed
        return np.exp(-quadratic_terms(self.data.crystal, self.data.hkl) @ rest)

    @cached_property
    def _curve_terms(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(  # type: ignore[return-value]
            curve_terms(self.data.stol2, self.start.curve_range, n) for n in self._lengths[-2:]
        )

    def vector(self, x: np.ndarray) -> np.ndarray:
        """(m,) all parameters, from the free ones."""
        values = self.start_vector.copy()
        values[self.free] = x
        return values

    def _parts(self, x: np.ndarray) -> list[np.ndarray]:
        """All parameters, in the order of their names."""
        return np.split(self.vector(x), np.cumsum(self._lengths)[:-1])

    def parameters(self, x: np.ndarray) -> ScaleParameters:
        """The scale that a vector of free parameters means."""
        log_k, b, k_sol, b_sol, k_layer, overall_curve, solvent_curve = self._parts(x)
        fitted = ScaleParameters(
            float(np.exp(log_k[0])),
            as_floats(b @ self.data.b_basis),
            self._linear_k_sol(k_sol[0]),
            float(b_sol[0]),
            float(k_layer[0]),
            as_floats(overall_curve),
            as_floats(solvent_curve),
            self.start.curve_range,
        )
        kept: dict[str, Any] = {name: getattr(self.start, name) for name in self.fixed}
        return replace(fitted, **kept)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """(n,) |F_total| - F_obs, weighted."""
        overall, solvent, _ = self._scales(x)
        unscaled = self.data.unscaled_amplitudes(solvent, self._k_layer(x))
        return self._weighted(overall * unscaled - self.data.f_obs)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, number of free parameters) derivatives of the residuals."""
        data, k_layer = self.data, self._k_layer(x)
        overall, solvent, per_k_sol = self._scales(x)
        amplitudes = overall * data.unscaled_amplitudes(solvent, k_layer)
        slope = overall * data.unscaled_slope(solvent, k_layer)
        per_log_solvent = slope * solvent
        blocks = {
            "k_overall": lambda: amplitudes[None],
            "b_overall": lambda: -data.exponents.T * amplitudes,
            "k_sol": lambda: (per_log_solvent if self._is_logarithmic else slope * per_k_sol)[None],
            "b_sol": lambda: -(per_log_solvent * data.stol2)[None],
            "k_layer": lambda: (overall * data.layer_slope(solvent, k_layer))[None],
            "overall_curve": lambda: self._curve_terms[0].T * amplitudes,
            "solvent_curve": lambda: self._curve_terms[1].T * per_log_solvent,
        }
        rows = [blocks[name]() for name in PARAMETERS if name not in self.fixed]
        return self._weighted(np.concatenate(rows)).T

    def _k_layer(self, x: np.ndarray) -> float:
        return float(self._parts(x)[4][0])

    def _scales(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Overall scale, solvent scale, and the latter for k_sol = 1."""
        log_k, b, k_sol, b_sol, _, overall_curve, solvent_curve = self._parts(x)
        exponent = log_k - self.data.exponents @ b
        solvent_exponent = -b_sol * self.data.stol2
        if len(overall_curve):
            exponent += self._curve_terms[0] @ overall_curve
        if len(solvent_curve):
            solvent_exponent += self._curve_terms[1] @ solvent_curve
        per_k_sol = np.exp(solvent_exponent)
        solvent = self._linear_k_sol(k_sol[0]) * per_k_sol
        return self._static_scale * np.exp(exponent), solvent, per_k_sol

    def _linear_k_sol(self, value: float) -> float:
        if not self._is_logarithmic:
            return float(value)
        return float(np.copysign(np.exp(value), self.start.k_sol))

    def _weighted(self, values: np.ndarray) -> np.ndarray:
        return values if self.weights is None else values * self.weights
