"""F^2 of a model with scale, extinction and twin fractions; derivatives; fit by least squares."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from friedel.errors import ParameterError

MAX_CYCLES = 100
"""Largest number of cycles; each is a fit of a few steps with fixed weights."""
MAX_EVALUATIONS = 1000
"""Largest number of evaluations of the residuals in all cycles; real data take less than 100. Data
that determine nothing could take minutes."""
DISTINCT = 1e-6
"""Relative rms difference of two domains' |F|^2 below which they are treated as equal."""
CONVERGED = 1e-9
"""Relative change of F^2 between cycles below which the fit has converged."""


@dataclass(frozen=True, eq=False)
class IntensityModel:
    """F^2_model = k^2 T / sqrt(1 + x e T), T = sum over domains of fraction |F|^2.

    Extinction applies to the sum over domains, whose reflections have the same angle.

    Attributes
    ----------
    domains
        (n_domains, n) |F_calc|^2.
    extinction_per_x
        (n,) e = 0.001 lambda^3 / sin(2 theta), Å^3.
    refines_extinction
        Whether x is a parameter.
    """

    domains: np.ndarray
    extinction_per_x: np.ndarray
    refines_extinction: bool = False
    held_extinction: float = 0.0

    @property
    def n_parameters(self) -> int:
        """Number of parameters: k^2, x if it is refined, and all fractions but the first."""
        return len(self.domains) + int(self.refines_extinction)

    def split(self, parameters: np.ndarray) -> tuple[float, float, np.ndarray]:
        """k^2, x, and the fractions of all domains."""
        first = 1 + int(self.refines_extinction)
        x = parameters[1] if self.refines_extinction else self.held_extinction
        others = parameters[first:]
        return float(parameters[0]), float(x), np.concatenate([[1.0 - others.sum()], others])

    def calculate(self, parameters: np.ndarray) -> np.ndarray:
        """(n,) F^2_model."""
        _, _, fractions = self.split(parameters)
        return self.correction(parameters) * (fractions @ self.domains)

    def correction(self, parameters: np.ndarray) -> np.ndarray:
        """(n,) k^2 / sqrt(1 + x e T): factor from T to F^2 in the data."""
        scale, x, fractions = self.split(parameters)
        return scale / np.sqrt(self._dimming(x, fractions @ self.domains))

    def jacobian(self, parameters: np.ndarray) -> np.ndarray:
        """(n, n_parameters) derivatives of :meth:`calculate`."""
        scale, x, fractions = self.split(parameters)
        total = fractions @ self.domains
        dimming = self._dimming(x, total)
        columns = [total / np.sqrt(dimming)]
        if self.refines_extinction:
            columns.append(-0.5 * scale * self.extinction_per_x * total**2 * dimming**-1.5)
        by_total = scale * (1.0 + 0.5 * x * self.extinction_per_x * total) * dimming**-1.5
        columns += list(by_total * (self.domains[1:] - self.domains[0]))
        return np.column_stack(columns)

    def _dimming(self, x: float, total: np.ndarray) -> np.ndarray:
        # fractions during the fit may make a negative sum, which has no root
        return np.maximum(1.0 + x * self.extinction_per_x * total, 1e-3)


@dataclass(frozen=True, eq=False)
class FittedIntensities:
    """Parameters (n_parameters,), their covariance; F^2_model, correction and weights (n,)."""

    parameters: np.ndarray
    covariance: np.ndarray
    f2_model: np.ndarray
    correction: np.ndarray
    weights: np.ndarray
    n_cycles: int
    converged: bool


def extinction_per_x(stol2: np.ndarray, wavelength: float) -> np.ndarray:
    """(n,) 0.001 lambda^3 / sin(2 theta), Å^3, at stol2 (1/Å^2).

    Raises
    ------
    ParameterError
        When the wavelength (Å) cannot reach one of the reflections.
    """
    sin2 = stol2 * wavelength**2
    if not (wavelength > 0 and (sin2 < 1.0).all()):
        d = 0.5 / np.sqrt(stol2.max())
        raise ParameterError(
            f"wavelength {wavelength:g} A does not reach reflections of d = {d:.3f} A"
        )
    return 0.001 * wavelength**3 / (2.0 * np.sqrt(sin2 * (1.0 - sin2)))


def shelx_weights(
    f2: np.ndarray,
    sigmas: np.ndarray,
    f2_model: np.ndarray,
    correction: np.ndarray | float,
    a: float,
    b: float,
    c: float = 0.0,
    d: float = 0.0,
    e: float = 0.0,
    f: float = 1.0 / 3.0,
    *,
    stol2: np.ndarray | float = 0.0,
    wavelength: float = 0.0,
) -> np.ndarray:
    """(n,) q / (sigma^2 + (a P)^2 + b P + d + e sin theta), P = f max(F^2, 0) + (1 - f) F^2_model.

    q is 1 for c = 0, exp(c stol2) for c > 0 and 1 - exp(c stol2) for c < 0. SHELXL first divides
    F^2 and sigma by k^2 and the extinction factor. Here they are as measured, and the weights
    give the same w (F^2 - F^2_model)^2: b, d and e, which are not dimensionless, take the
    correction.
    """
    p = (3.0 * f * np.maximum(f2, 0.0) + (3.0 - 3.0 * f) * f2_model) / 3.0
    more = (d + e * wavelength * np.sqrt(stol2)) * correction**2
    q = 1.0 if c == 0 else np.exp(c * stol2) if c > 0 else 1.0 - np.exp(c * stol2)
    weights: np.ndarray = q / (sigmas**2 + (a * p) ** 2 + b * correction * p + more)
    return weights


def fit_scales(
    model: IntensityModel,
    f2: np.ndarray,
    sigmas: np.ndarray,
    weights: tuple[float, ...],
    extinction: float = 0.0,
    *,
    stol2: np.ndarray | float = 0.0,
    wavelength: float = 0.0,
) -> FittedIntensities:
    """Least squares with weights fixed in each cycle and updated after it, until convergence.

    Parameters
    ----------
    f2, sigmas
        (n,) measured F^2.
    weights
        Parameters a and b of :func:`shelx_weights`, or all of a to f.
    extinction
        Starting value of x.
    stol2, wavelength
        (n,) 1/Å^2 and Å, for weights with c, d and e.

    Raises
    ------
    ParameterError
        When all calculated F^2 are 0, or those of two domains are the same.
    """
    _check_distinct(model.domains)
    n_domains = len(model.domains)
    parameters = np.ones(model.n_parameters)
    first = 1 + int(model.refines_extinction)
    parameters[first:] = 1.0 / n_domains
    lower = np.full(len(parameters), -np.inf)
    lower[0] = 0.0
    if model.refines_extinction:
        parameters[1], lower[1] = max(extinction, 1e-6), 0.0
    f2_model = model.calculate(parameters)
    if not (f2_model @ f2_model > 0 and f2 @ f2_model > 0):
        raise ParameterError("the calculated F^2 of all these reflections are 0")
    parameters[0] = f2 @ f2_model / (f2_model @ f2_model)
    f2_model, cycle, converged = parameters[0] * f2_model, 0, False

    def weights_at(f2_model: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = shelx_weights(
                f2,
                sigmas,
                np.maximum(f2_model, 0.0),
                model.correction(parameters),
                *weights,
                stol2=stol2,
                wavelength=wavelength,
            )
        if not (np.isfinite(found).all() and found.any()):
            raise ParameterError(f"weights {weights} give no finite weights of these reflections")
        return found

    evaluations = 0
    while not converged and cycle < MAX_CYCLES and evaluations < MAX_EVALUATIONS:
        root = np.sqrt(weights_at(f2_model))

        def residuals(p: np.ndarray, root: np.ndarray = root) -> np.ndarray:
            return root * (model.calculate(p) - f2)

        def derivatives(p: np.ndarray, root: np.ndarray = root) -> np.ndarray:
            return root[:, None] * model.jacobian(p)

        parameters, evaluated = _minimised(residuals, derivatives, parameters, lower)
        cycle, evaluations = cycle + 1, evaluations + evaluated
        before, f2_model = f2_model, model.calculate(parameters)
        change = np.abs(f2_model - before).max() / np.abs(f2_model).max()
        converged = bool(change < CONVERGED)
    w = weights_at(f2_model)
    jacobian = np.sqrt(w)[:, None] * model.jacobian(parameters)
    correction = model.correction(parameters)
    return FittedIntensities(
        parameters, _covariance(jacobian), f2_model, correction, w, cycle, converged
    )


def _minimised(
    residuals: Callable[[np.ndarray], np.ndarray],
    derivatives: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    lower: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Parameters of least squares, near the start and not below the limits; evaluations needed.

    Raises
    ------
    ParameterError
        When numbers overflow.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            found = least_squares(
                residuals,
                start,
                derivatives,
                bounds=(lower, np.inf),
                x_scale="jac",
                xtol=1e-14,
                ftol=1e-14,
                gtol=1e-14,
                max_nfev=MAX_EVALUATIONS // 5,
            )
            at = found.x
            overflows = not (np.isfinite(at).all() and np.isfinite(residuals(at)).all())
        except (ValueError, np.linalg.LinAlgError):  # residuals or derivatives that are not finite
            overflows = True
    if overflows:
        raise ParameterError(
            "the fit of the scales overflows: F^2, sigmas or B of the atoms are too far from "
            "those of a crystal"
        )
    return at, found.nfev


def _covariance(jacobian: np.ndarray) -> np.ndarray:
    """Inverse of the normal matrix, whose parameters may differ by many orders of magnitude."""
    lengths = np.linalg.norm(jacobian, axis=0)
    lengths[lengths == 0.0] = 1.0
    unit = jacobian / lengths
    inverse: np.ndarray = np.linalg.pinv(unit.T @ unit, hermitian=True)
    return inverse / np.outer(lengths, lengths)


def _check_distinct(domains: np.ndarray) -> None:
    for i in range(1, len(domains)):
        for j in range(i):
            difference = np.linalg.norm(domains[i] - domains[j])
            if difference <= DISTINCT * np.linalg.norm(domains[j]):
                raise ParameterError(
                    f"twin domains {j + 1} and {i + 1} have the same intensities, as the twin law "
                    "relates equivalent reflections: their fractions cannot be told apart"
                )
