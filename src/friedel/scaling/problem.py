"""Residuals and the normal equations as functions of the vector of free parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.kernels.reciprocal.scaling import (
    normal_equations,
    scaled_amplitudes,
    slopes,
    squares,
)
from friedel.scaling.curves import anisotropic_terms, curve_terms
from friedel.scaling.data import ScalingData
from friedel.scaling.parameters import (
    MEAN_B_SOL,
    PARAMETERS,
    ScaleParameters,
    anisotropic_curve,
    as_floats,
    fractions_of_parts,
    parts_of_fractions,
    quadratic_rows,
)
from friedel.scaling.reweighting import Prior

CURVE_WIDTH = 3.0
"""Prior standard deviation of the logarithm of k_sol: factors of 20 are common."""

OVERALL_WIDTH, SOLVENT_WIDTH, DECAY = 0.3, 1.0, 1.5
"""Prior standard deviations of the first coefficient of either curve; that of the k-th is smaller
by k^DECAY, as curves are smooth. They matter for a few thousand reflections and less."""

ANISOTROPIC_WIDTH = 0.1
"""Prior standard deviation of coefficients of the anisotropic curve."""

K_SOL_WIDTH = 3.0
"""Prior standard deviation of k_sol, relative to the root mean squares of F_calc and F_mask."""

B_SOL_WIDTH = 300.0
"""Prior standard deviation of B_sol (Å^2): published values are hardly as large as this."""

B_WIDTHS = (200.0, 30.0)
"""Prior standard deviations (Å^2) of the isotropic B and of each component of the anisotropy. Both
are wider than what is observed, so that they matter only where the data do not determine B."""

OVERALL, SOLVENT = PARAMETERS[:4], PARAMETERS[4:6]
"""Names of the exponents of the overall and the solvent scale."""


@dataclass(frozen=True, eq=False)
class ScaledAmplitudes:
    """Amplitudes and scales at one vector of free parameters.

    Attributes
    ----------
    x
        (m,) parameters.
    residuals
        (n,) |F_total| - F_obs or |F_total|^2 - I_obs, weighted.
    overall, per_k_sol, unscaled
        (n,) overall scale, solvent scale for k_sol = 1, amplitudes before the overall scale.
    """

    x: np.ndarray
    residuals: np.ndarray
    overall: np.ndarray
    per_k_sol: np.ndarray
    unscaled: np.ndarray


@dataclass(frozen=True, eq=False)
class Problem:
    """The least-squares problem of the fit: residuals, derivatives, limits and prior.

    The vector of all parameters is (log k_overall, components of B in the basis, overall curve,
    components of the tensors of the anisotropic curve in the basis, B_sol, solvent curve, k_sol,
    k_layer, parts of the twin domains). Curves have as many terms as in `start`; parts of domains
    define their fractions, see :func:`fractions_of_parts`.
    With a solvent curve, log |k_sol| replaces k_sol: the correlation of log |k_sol| with B_sol
    and the curve is then linear, and steps can be long.

    Parameters
    ----------
    data
        Reflections to fit to.
    start
        Start of the fit, and the values of the fixed parameters.
    fixed
        Names of the fixed parameters.
    weights
        (n,) factors of the residuals, or None for 1.
    of_intensities
        Whether residuals are |F_total|^2 - I_obs rather than |F_total| - F_obs.
    """

    data: ScalingData
    start: ScaleParameters
    fixed: frozenset[str]
    weights: np.ndarray | None = None
    of_intensities: bool = False

    @cached_property
    def _lengths(self) -> dict[str, int]:
        lengths = dict.fromkeys(PARAMETERS, 1)
        return lengths | {
            "b_overall": len(self.data.b_basis),
            "overall_curve": len(self.start.overall_curve),
            "anisotropic_curve": len(self.start.anisotropic_curve) * (len(self.data.b_basis) - 1),
            "solvent_curve": len(self.start.solvent_curve),
            "twin_fractions": self.data.n_twins,
        }

    @cached_property
    def _slices(self) -> dict[str, slice]:
        """The slice of each parameter in the vector of all."""
        ends = np.cumsum([self._lengths[name] for name in PARAMETERS])
        return {
            name: slice(end - self._lengths[name], end)
            for name, end in zip(PARAMETERS, ends.tolist(), strict=True)
        }

    @cached_property
    def free(self) -> np.ndarray:
        """(m,) bool: parameters that are fitted."""
        free = [name not in self.fixed for name in PARAMETERS]
        return np.repeat(free, [self._lengths[name] for name in PARAMETERS])

    def is_of(self, name: str) -> np.ndarray:
        """(m,) bool: which of the free parameters are those of this name."""
        of_name = np.zeros(len(self.free), bool)
        of_name[self._slices[name]] = True
        return of_name[self.free]

    @cached_property
    def start_vector(self) -> np.ndarray:
        """(m,) all parameters at the start; B is projected on the tensors allowed by symmetry."""
        start = self.start
        k_sol = np.log(abs(start.k_sol)) if self._is_logarithmic else start.k_sol
        overall = np.log(start.k_overall), *self.data.b_components(start.b_overall)
        solvent = start.b_sol, *start.solvent_curve
        twin = parts_of_fractions(start.twin_fractions[: self.data.n_twins])
        factors = k_sol, start.k_layer, *twin
        anisotropic = [
            x for tensor in start.anisotropic_curve for x in self.data.b_components(tensor)[1:]
        ]
        return np.array([*overall, *start.overall_curve, *anisotropic, *solvent, *factors])

    @property
    def _is_logarithmic(self) -> bool:
        return bool(self.start.solvent_curve) and self.start.k_sol != 0.0

    def limits(self, k_sol_min: float) -> np.ndarray:
        """(2, m) limits of the free parameters. With a solvent curve, B_sol has none."""
        limits = np.array([[-np.inf], [np.inf]]) * np.ones(len(self.free))
        limits[:, self._slices["twin_fractions"]] = [[0.0], [1.0]]
        if not self.start.solvent_curve:
            limits[0, self._slices["k_sol"]] = k_sol_min
            limits[0, self._slices["b_sol"]] = 0.0
        return limits[:, self.free]

    @cached_property
    def prior(self) -> Prior:
        """The prior of the free parameters: wide, on B, k_sol, B_sol and curves.

        The data usually determine these far better. Where they do not, as in a crystal nearly
        without solvent or for the reflections of one zone, the prior keeps them from diverging.
        """
        centre, width = self.start_vector.copy(), np.full(len(self.free), np.inf)
        isotropic, anisotropic = B_WIDTHS
        centre[self._slices["b_overall"]], width[self._slices["b_overall"]] = 0.0, anisotropic
        width[self._slices["b_overall"].start] = isotropic * np.sqrt(3.0)  # of a unit tensor
        for name, first in (("overall_curve", OVERALL_WIDTH), ("solvent_curve", SOLVENT_WIDTH)):
            rank = np.arange(1, self._lengths[name] + 1)
            centre[self._slices[name]], width[self._slices[name]] = 0.0, first / rank**DECAY
        width[self._slices["anisotropic_curve"]] = ANISOTROPIC_WIDTH
        centre[self._slices["anisotropic_curve"]] = 0.0
        centre[self._slices["b_sol"]], width[self._slices["b_sol"]] = MEAN_B_SOL, B_SOL_WIDTH
        width[self._slices["k_sol"]] = CURVE_WIDTH
        if not self._is_logarithmic:
            centre[self._slices["k_sol"]] = 0.0
            width[self._slices["k_sol"]] = K_SOL_WIDTH * self.data.ratio_to_mask
        return Prior(centre[self.free], width[self.free])

    def vector(self, x: np.ndarray) -> np.ndarray:
        """(m,) all parameters, from the free ones."""
        values = self.start_vector.copy()
        values[self.free] = x
        return values

    def parameters(self, x: np.ndarray) -> ScaleParameters:
        """The scale parameters of a vector of free parameters."""
        values = self.vector(x)
        part = {name: values[place] for name, place in self._slices.items()}
        in_basis = len(self.start.anisotropic_curve), len(self.data.b_basis) - 1
        tensors = part["anisotropic_curve"].reshape(in_basis) @ self.data.b_basis[1:]
        fitted = ScaleParameters(
            float(np.exp(part["k_overall"][0])),
            as_floats(part["b_overall"] @ self.data.b_basis),
            self._linear_k_sol(part["k_sol"][0]),
            float(part["b_sol"][0]),
            float(part["k_layer"][0]),
            as_floats(part["overall_curve"]),
            as_floats(part["solvent_curve"]),
            self.start.curve_range,
            as_floats(fractions_of_parts(part["twin_fractions"])[0]),
            tuple(as_floats(tensor) for tensor in tensors),
        )
        kept: dict[str, Any] = {name: getattr(self.start, name) for name in self.fixed}
        return replace(fitted, **kept)

    @cached_property
    def _observed(self) -> np.ndarray:
        return self.data.observed(self.of_intensities)

    @cached_property
    def _exponents(self) -> tuple[tuple[np.ndarray | None, np.ndarray], ...]:
        """Exponents of both scales: the fixed part, (n,) or None, and (m, n) rows of the others."""
        data, start = self.data, self.start
        overall = np.concatenate([np.ones((1, len(data))), -data.exponents])
        solvent = -data.stol2[None]
        if start.overall_curve or start.solvent_curve:
            of_overall, of_solvent = (
                curve_terms(data.stol2, start.curve_range, len(curve)).T
                for curve in (start.overall_curve, start.solvent_curve)
            )
            overall = np.concatenate([overall, of_overall])
            solvent = np.concatenate([solvent, of_solvent])
        if start.anisotropic_curve:
            terms = anisotropic_terms(data.stol2, start.curve_range, len(start.anisotropic_curve))
            products = terms.T[:, None] * data.harmonics
            overall = np.concatenate([overall, products.reshape(-1, len(data))])
        static = np.zeros(len(data))
        if "b_overall" in self.fixed:
            # a fixed B is used as it is given, even where the symmetry does not allow it
            allowed = data.b_components(start.b_overall) @ data.b_basis
            static = -quadratic_rows(data.crystal, data.hkl, (start.b_overall - allowed)[None])[0]
        if "anisotropic_curve" in self.fixed and start.anisotropic_curve:
            given = np.array(start.anisotropic_curve)
            of_allowed = np.array([data.b_components(x)[1:] @ data.b_basis[1:] for x in given])
            static += anisotropic_curve(
                data.crystal, data.hkl, data.stol2, start.curve_range, given - of_allowed
            )
        found = []
        for names, rows, fixed in ((OVERALL, overall, static), (SOLVENT, solvent, 0.0)):
            place = slice(self._slices[names[0]].start, self._slices[names[-1]].stop)
            free = self.free[place]
            constant = fixed + self.start_vector[place][~free] @ rows[~free]
            found.append((constant if constant.any() else None, rows if free.all() else rows[free]))
        return tuple(found)

    @np.errstate(over="ignore", invalid="ignore")
    def evaluate(self, x: np.ndarray) -> ScaledAmplitudes:
        """The model at free parameters `x`; where scales overflow, residuals are not finite."""
        data = self.data
        (overall_static, overall_rows), (solvent_static, solvent_rows) = self._exponents
        n, end = len(overall_rows), len(overall_rows) + len(solvent_rows)
        overall, per_k_sol = x[:n] @ overall_rows, x[n:end] @ solvent_rows
        for exponent, static in ((overall, overall_static), (per_k_sol, solvent_static)):
            if static is not None:
                exponent += static
            np.exp(exponent, out=exponent)
        k_sol, k_layer, twin_parts = self._factors(x)
        fractions, _ = fractions_of_parts(twin_parts)
        unscaled, residuals = np.empty((2, len(data)))
        scaled_amplitudes(
            data.products(fractions.tolist()), overall, per_k_sol, self._linear_k_sol(k_sol),
            k_layer, self._observed, self.of_intensities, unscaled, residuals,
        )  # fmt: skip
        if self.weights is not None:
            residuals *= self.weights
        return ScaledAmplitudes(x, residuals, overall, per_k_sol, unscaled)

    def normal_equations(
        self, at: ScaledAmplitudes, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(m, m) J W J^T and (m,) J W r with the derivatives J of the residuals r.

        Parameters
        ----------
        at
            The model at some parameters.
        weights
            (n,) W.
        """
        return self.normal_equations_of(at, weights, [slice(0, len(self.data))])[0]

    @np.errstate(over="ignore", invalid="ignore")
    def normal_equations_of(
        self, at: ScaledAmplitudes, weights: np.ndarray, stretches: Sequence[slice]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """:meth:`normal_equations` for each of some contiguous ranges of the reflections."""
        along_overall = at.overall if self.weights is None else at.overall * self.weights
        if self.of_intensities:  # of F^2, from those of F
            along_overall = 2.0 * at.overall * at.unscaled * along_overall
        along_solvent, others = self._slopes(at)
        factors = np.empty((3, len(self.data)))
        np.multiply(at.unscaled, along_overall, out=factors[0])
        np.multiply(along_solvent, along_overall, out=factors[1])
        factors[2] = along_overall
        (_, overall_rows), (_, solvent_rows) = self._exponents
        found = []
        for part in stretches:
            normal, gradient = np.zeros((len(at.x), len(at.x))), np.zeros(len(at.x))
            normal_equations(
                overall_rows, solvent_rows, others, factors, weights, at.residuals,
                part.start, part.stop, normal, gradient,
            )  # fmt: skip
            found.append((normal, gradient))
        return found

    def _slopes(self, at: ScaledAmplitudes) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the unscaled amplitudes: (n,) by log k_sol, (m, n) by other factors."""
        k_sol, k_layer, twin_parts = self._factors(at.x)
        fractions, by_parts = fractions_of_parts(twin_parts)
        solvent = self._linear_k_sol(k_sol) * at.per_k_sol
        along_solvent, along_layer = np.empty((2, len(solvent)))
        products = self.data.products(fractions.tolist())
        slopes(products, solvent, k_layer, at.unscaled, along_solvent, along_layer)
        rows = []
        if "k_sol" not in self.fixed:
            rows.append(along_solvent * (solvent if self._is_logarithmic else at.per_k_sol))
        if "k_layer" not in self.fixed:
            rows.append(along_layer)
        if "twin_fractions" not in self.fixed:
            differences = np.empty((len(fractions), len(solvent)))
            for of_domain, difference in zip(self.data.twin_difference, differences, strict=True):
                squares(of_domain, solvent, k_layer, difference)
            # where amplitudes vanish, their derivatives do as well
            halves = 0.5 * (by_parts @ differences)
            some = at.unscaled > 0.0
            rows += list(np.divide(halves, at.unscaled, out=np.zeros_like(halves), where=some))
        return along_solvent * solvent, np.array(rows).reshape(len(rows), len(solvent))

    def _factors(self, x: np.ndarray) -> tuple[float, float, np.ndarray]:
        """k_sol (or its logarithm), k_layer, and (k,) parts of the twin domains."""
        values = self.vector(x)
        k_sol, k_layer = (float(values[self._slices[name].start]) for name in ("k_sol", "k_layer"))
        return k_sol, k_layer, values[self._slices["twin_fractions"]]

    def _linear_k_sol(self, value: float) -> float:
        if not self._is_logarithmic:
            return float(value)
        return float(np.copysign(np.exp(value), self.start.k_sol))
