"""Refinement targets: functions of the structure factors, with their derivatives.

Every target takes calculated structure factors F (n,) complex and data, and returns the value T,
a float, and w (n,) complex with w = dT/dRe F + i dT/dIm F, as :meth:`friedel.Calculator.adjoint`
takes it. Targets do not depend on phases: w is dT/d|F| in the direction of F, and zero where F is
zero. Reflections whose observed value is NaN are excluded, and so are those where `use` (n,) bool
is false, such as the free ones.

`scale` (a number or (n,), real) multiplies F; pass an array for an hkl-dependent scale.
"""

import math
from typing import Any

import numpy as np

from friedel.errors import ParameterError, ReflectionsError
from friedel.reflections.distributions import HUBER_CORNER, amplitude_likelihood, huber_loss

Result = tuple[float, np.ndarray]


def least_squares(
    f_calc: np.ndarray,
    f_obs: np.ndarray,
    sigma: np.ndarray | float = 1.0,
    *,
    scale: np.ndarray | float = 1.0,
    use: np.ndarray | None = None,
) -> Result:
    """T = sum ((f_obs - scale abs(F)) / sigma)^2.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together.
    ParameterError
        For a sigma that is not positive where there is an observation.
    """
    data = _Data(f_calc, f_obs, sigma, scale, use)
    z = (data.scaled - data.observed) / data.sigma
    return data.result(z * z, 2.0 * z / data.sigma)


def huber(
    f_calc: np.ndarray,
    f_obs: np.ndarray,
    sigma: np.ndarray | float = 1.0,
    *,
    scale: np.ndarray | float = 1.0,
    use: np.ndarray | None = None,
    threshold: float = HUBER_CORNER,
) -> Result:
    """T = sum rho(z), z = (f_obs - scale abs(F)) / sigma: z^2, or linear beyond c.

    Beyond `threshold` c, rho is 2 c abs(z) - c^2: the influence of outliers is bounded. The default
    is 95 % efficient for normally distributed errors. Raises as :func:`least_squares`.
    """
    if not threshold > 0:
        raise ParameterError(f"got a threshold of {threshold!r}, expected a positive number")
    data = _Data(f_calc, f_obs, sigma, scale, use)
    z = (data.scaled - data.observed) / data.sigma
    loss, slope = huber_loss(z, threshold)
    return data.result(2.0 * loss, 2.0 * slope / data.sigma)


def least_squares_intensity(
    f_calc: np.ndarray,
    i_obs: np.ndarray,
    sigma: np.ndarray | float = 1.0,
    *,
    scale: np.ndarray | float = 1.0,
    use: np.ndarray | None = None,
) -> Result:
    """T = sum ((i_obs - (scale abs(F))^2) / sigma)^2; i_obs may be negative.

    Raises as :func:`least_squares`.
    """
    data = _Data(f_calc, i_obs, sigma, scale, use)
    z = (data.scaled**2 - data.observed) / data.sigma
    return data.result(z * z, 4.0 * z * data.scaled / data.sigma)


def maximum_likelihood(
    f_calc: np.ndarray,
    f_obs: np.ndarray,
    alpha: np.ndarray | float,
    beta: np.ndarray | float,
    *,
    centric: np.ndarray,
    epsilon: np.ndarray | float = 1.0,
    sigma: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 1.0,
    use: np.ndarray | None = None,
) -> Result:
    """T = -sum ln p(f_obs; F), the amplitude likelihood of an incomplete, erroneous model.

    With x = scale abs(F) and v = epsilon beta (+ 2 sigma^2 acentric, + sigma^2 centric) [Lunin2002]
    [Murshudov1997]::

        acentric  p = 2 f_obs / v exp(-(f_obs^2 + (alpha x)^2) / v) I0(2 f_obs alpha x / v)
        centric   p = sqrt(2 / (pi v)) exp(-(f_obs^2 + (alpha x)^2) / (2 v)) cosh(f_obs alpha x / v)

    Parameters
    ----------
    alpha, beta
        Fraction of F that is correct, often called D, and variance of the error; see
        :func:`alpha_beta`.
    centric
        (n,) bool, ``crystal.is_centric(hkl)``.
    epsilon
        (n,) ``crystal.epsilon(hkl)``.
    sigma
        Standard deviation of f_obs, on its scale; 0 by default.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together.
    ParameterError
        When some variance v is not positive.
    """
    data = _Data(f_calc, f_obs, 1.0, scale, use)
    alpha, beta, epsilon, sigma = (data.of_each(x) for x in (alpha, beta, epsilon, sigma))
    centric = data.of_each(centric).astype(bool)
    variance = epsilon * beta + np.where(centric, 1.0, 2.0) * sigma**2
    if not (variance > 0).all():
        raise ParameterError("maximum likelihood needs beta > 0 for each reflection")
    observed = np.maximum(data.observed, 0.0)
    values, slopes, _ = amplitude_likelihood(observed, alpha * data.scaled, variance, centric)
    of_observed = np.log(2.0 * np.maximum(observed, np.finfo(float).tiny))
    constants = np.where(centric, 0.5 * math.log(0.5 * math.pi), -of_observed)
    return data.result(values + constants, alpha * slopes)


def alpha_beta(
    sigma_a: np.ndarray | float, mean_obs: np.ndarray | float, mean_calc: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the likelihood from sigma_A and the mean intensities around a reflection.

    Parameters
    ----------
    sigma_a
        Correlation of the normalised structure factors, true and calculated, 0 to 1.
    mean_obs, mean_calc
        Mean of abs(F)^2 / epsilon, observed and calculated, on the same scale.

    Returns
    -------
    alpha, beta
        sigma_A sqrt(mean_obs / mean_calc) and mean_obs (1 - sigma_A^2).

    Raises
    ------
    ParameterError
        When sigma_a is not at least 0 and below 1.
    """
    sigma_a = np.asarray(sigma_a, np.float64)
    if not ((sigma_a >= 0) & (sigma_a < 1)).all():
        raise ParameterError("sigma_A must be at least 0 and below 1")
    alpha = sigma_a * np.sqrt(np.asarray(mean_obs) / np.asarray(mean_calc))
    return alpha, np.asarray(mean_obs) * (1.0 - sigma_a**2)


class _Data:
    """The reflections that are used, and the conversion of results to all reflections."""

    def __init__(self, f_calc: Any, observed: Any, sigma: Any, scale: Any, use: Any) -> None:
        self._f = np.asarray(f_calc, np.complex128)
        observed = np.asarray(observed, np.float64)
        if self._f.ndim != 1 or observed.shape != self._f.shape:
            raise ReflectionsError(
                f"F has shape {self._f.shape} and the data {observed.shape}, expected (n,) both"
            )
        self._chosen = ~np.isnan(observed)
        if use is not None:
            use = np.asarray(use)
            if use.shape != self._f.shape or use.dtype != bool:
                raise ReflectionsError(f"`use` must be a boolean array of length {len(self._f)}")
            self._chosen &= use
        self.observed = observed[self._chosen]
        self._scale = self.of_each(scale)
        self._amplitude = np.abs(self._f[self._chosen])
        self.scaled = self._scale * self._amplitude
        self.sigma = self.of_each(sigma)
        if not (self.sigma > 0).all():
            raise ParameterError("sigma must be positive wherever there is an observation")

    def of_each(self, value: Any) -> np.ndarray:
        """A number, or one per reflection, as an array for the reflections that are used."""
        array = np.asarray(value, np.float64)
        if array.shape not in ((), self._f.shape):
            raise ReflectionsError(
                f"got shape {array.shape}, expected a number or {len(self._f)}: one per reflection"
            )
        return np.broadcast_to(array, self._f.shape)[self._chosen]

    def result(self, values: np.ndarray, slopes: np.ndarray) -> Result:
        """The sum of `values`, and w from the derivatives by scale |F|."""
        f = self._f[self._chosen]
        direction = np.divide(f, self._amplitude, out=np.zeros_like(f), where=self._amplitude > 0)
        w = np.zeros(len(self._f), np.complex128)
        w[self._chosen] = slopes * self._scale * direction
        return float(values.sum()), w
