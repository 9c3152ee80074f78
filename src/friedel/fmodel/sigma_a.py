"""sigma_A: the reliability of a model's phases, and map coefficients that follow from it.

sigma_A(d) is the correlation of the normalised structure factors of model and crystal. Given it,
the distribution of F_obs around F_model is known (Rice's for acentric, a folded normal one for
centric reflections), and from it the mean cosine of the phase error (figure of merit m) and the
factor D that takes F_model to its expectation [Read1986] [Read1990].
"""

from dataclasses import dataclass

import numpy as np

from friedel.errors import ReflectionsError
from friedel.model.crystal import Crystal
from friedel.reflections.distributions import amplitude_likelihood, mean_cosine
from friedel.reflections.mean_intensity import (
    REFLECTIONS_PER_TERM,
    mean_intensity,
    resolution_limits,
    resolution_terms,
)

MOST_TERMS = 6
"""Largest number of coefficients: enough to resolve the solvent's dip at low resolution."""

LEAST_VARIANCE = 1e-6
"""Lower limit of 1 - sigma_A^2, which avoids a division by zero for a perfect model."""

STARTS = (-2.0, 0.0, 1.0, 2.0, 4.0, 8.0)
"""Logits of constant sigma_A (0.12 to 0.9997); the fit starts from the likeliest."""

LEAST_FREE = 50
"""Number of free reflections below which sigma_A is estimated from all reflections."""


@dataclass(frozen=True)
class SigmaA:
    """sigma_A as a smooth function of resolution.

    Attributes
    ----------
    coefficients
        Coefficients of Chebyshev polynomials in 1/d for the logit of sigma_A.
    limits
        Least and greatest 1/d, 1/Å; beyond, sigma_A is constant.
    n_reflections
        Number of reflections that it was estimated from.
    log_likelihood
        Log-likelihood of these, in nats.
    """

    coefficients: tuple[float, ...]
    limits: tuple[float, float]
    n_reflections: int
    log_likelihood: float

    def __call__(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) sigma_A, between 0 and 1, at `stol2` (1/Å^2)."""
        terms = resolution_terms(np.asarray(stol2), self.limits, len(self.coefficients))
        return _sigmoid(terms @ np.array(self.coefficients))


@dataclass(frozen=True, eq=False)
class PhaseStatistics:
    """Figure of merit and D of each reflection, which follow from sigma_A.

    Attributes
    ----------
    sigma_a
        sigma_A as a function of resolution.
    fom
        (n,) figure of merit: the mean cosine of the phase error.
    d
        (n,) D, on the scale of the amplitudes: the expected F is D F_model.
    """

    sigma_a: SigmaA
    fom: np.ndarray
    d: np.ndarray


def free_or_all(free: np.ndarray) -> np.ndarray:
    """(n,) bool: reflections to estimate sigma_A from, the free set unless it is too small."""
    return free if free.sum() >= LEAST_FREE else np.ones(len(free), bool)


def phase_statistics(
    crystal: Crystal,
    hkl: np.ndarray,
    f_obs: np.ndarray,
    f_model: np.ndarray,
    estimate_from: np.ndarray,
) -> PhaseStatistics:
    """sigma_A at maximum likelihood, and the figure of merit and D of each reflection.

    Parameters
    ----------
    hkl
        (n, 3) indices, none systematically absent.
    f_obs, f_model
        (n,) amplitudes on one scale, F_obs > 0.
    estimate_from
        (n,) bool: the reflections to estimate sigma_A from. It should be the free set if
        there is one: a model agrees too well with reflections that it was fitted to.

    Raises
    ------
    ReflectionsError
        When there are less than 10 reflections to estimate from.
    """
    n = int(estimate_from.sum())
    if n < 10:
        raise ReflectionsError(f"got {n} reflections to estimate sigma_A from, expected 10 or more")
    centric, stol2 = crystal.is_centric(hkl), crystal.stol2(hkl)
    mean_obs = mean_intensity(crystal, hkl, f_obs)
    mean_model = mean_intensity(crystal, hkl, f_model)
    epsilon = crystal.epsilon(hkl)
    e_obs, e_model = f_obs / np.sqrt(epsilon * mean_obs), f_model / np.sqrt(epsilon * mean_model)
    limits = resolution_limits(stol2)
    sigma_a = estimate(
        e_obs[estimate_from],
        e_model[estimate_from],
        centric[estimate_from],
        stol2[estimate_from],
        limits,
    )
    value = sigma_a(stol2)
    fom = figure_of_merit(e_obs, e_model, centric, value)
    return PhaseStatistics(sigma_a, fom, value * np.sqrt(mean_obs / mean_model))


def map_coefficients(
    f_obs: np.ndarray, f_model: np.ndarray, centric: np.ndarray, statistics: PhaseStatistics
) -> tuple[np.ndarray, np.ndarray]:
    """Complex 2 m F_obs - D F_model (m F_obs for centric reflections), and m F_obs - D F_model.

    Their phases are those of `f_model` [Read1986].
    """
    m_f_obs, d_f_model = statistics.fom * f_obs, statistics.d * np.abs(f_model)
    unit = np.exp(1j * np.angle(f_model))
    fwt = np.where(centric, m_f_obs, 2.0 * m_f_obs - d_f_model) * unit
    return fwt, (m_f_obs - d_f_model) * unit


def estimate(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    stol2: np.ndarray,
    limits: tuple[float, float],
) -> SigmaA:
    """Maximum-likelihood sigma_A, given normalised amplitudes (n,).

    The number of coefficients grows with the number of reflections.
    """
    import scipy.optimize

    n_terms = int(np.clip(len(e_obs) // REFLECTIONS_PER_TERM, 1, MOST_TERMS))
    terms = resolution_terms(stol2, limits, n_terms)

    def negative_log_likelihood(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        s = _sigmoid(terms @ coefficients)
        value, slope = rice_negative_log_likelihood(e_obs, e_model, centric, s)
        # the mean, so that the minimiser's limits mean the same for any number of reflections
        return float(value.mean()), (slope * s * (1.0 - s)) @ terms / len(e_obs)

    constants = [np.eye(1, n_terms)[0] * logit for logit in STARTS]
    start = min(constants, key=lambda coefficients: negative_log_likelihood(coefficients)[0])
    found = scipy.optimize.minimize(negative_log_likelihood, start, jac=True, method="BFGS")
    coefficients = tuple(float(c) for c in found.x)
    return SigmaA(coefficients, limits, len(e_obs), -float(found.fun) * len(e_obs))


def rice_negative_log_likelihood(
    e_obs: np.ndarray, e_model: np.ndarray, centric: np.ndarray, sigma_a: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """-log p(E_obs | E_model) and its derivative by sigma_A, (n,) each [Read1990].

    Terms of E_obs alone are left out.
    """
    variance = np.maximum(1.0 - sigma_a**2, LEAST_VARIANCE)
    value, by_expected, by_variance = amplitude_likelihood(
        e_obs, sigma_a * e_model, variance, centric
    )
    return value, e_model * by_expected - 2.0 * sigma_a * by_variance


def figure_of_merit(
    e_obs: np.ndarray, e_model: np.ndarray, centric: np.ndarray, sigma_a: np.ndarray
) -> np.ndarray:
    """(n,) mean cosine of the phase error: I1(2x) / I0(2x), for centric reflections tanh(x)."""
    variance = np.maximum(1.0 - sigma_a**2, LEAST_VARIANCE)
    return mean_cosine(sigma_a * e_obs * e_model / variance, centric)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # 1 - sigma_A stays above rounding: a perfect model, as in tests, gives no infinity
    return 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 14.0)))
