"""sigma_A: how well phases of a model can be trusted, and map coefficients that follow from it.

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
"""As many as resolve a dip at low resolution, the solvent's, from the fall at high."""

LEAST_VARIANCE = 1e-6
"""Of 1 - sigma_A^2, so that a perfect model does not divide by zero."""

STARTS = (-2.0, 0.0, 1.0, 2.0, 4.0, 8.0)
"""Logits of constant sigma_A, from 0.12 to 0.9997, of which the likeliest starts the fit."""

LEAST_FREE = 50
"""Smaller free sets cannot tell sigma_A."""


@dataclass(frozen=True)
class SigmaA:
    """sigma_A as a smooth function of resolution.

    Attributes
    ----------
    coefficients
        Of Chebyshev polynomials of 1/d for the logit of sigma_A.
    limits
        Least and greatest 1/d, 1/A; beyond, sigma_A is constant.
    n_reflections
        How many it was estimated from.
    log_likelihood
        Of these, in nats.
    """

    coefficients: tuple[float, ...]
    limits: tuple[float, float]
    n_reflections: int
    log_likelihood: float

    def __call__(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) sigma_A, between 0 and 1, at `stol2` (1/A^2)."""
        terms = resolution_terms(np.asarray(stol2), self.limits, len(self.coefficients))
        return _sigmoid(terms @ np.array(self.coefficients))


@dataclass(frozen=True, eq=False)
class PhaseStatistics:
    """What sigma_A says of each reflection.

    Attributes
    ----------
    sigma_a
        The curve.
    fom
        (n,) figure of merit: the mean cosine of the phase error.
    d
        (n,) D, on the scale of the amplitudes: the expected F is D F_model.
    """

    sigma_a: SigmaA
    fom: np.ndarray
    d: np.ndarray


def free_or_all(free: np.ndarray) -> np.ndarray:
    """(n,) bool: what to estimate sigma_A from, the free set unless it is too small."""
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
        (n, 3), not absent.
    f_obs, f_model
        (n,) amplitudes on one scale, F_obs > 0.
    estimate_from
        (n,) bool: the reflections to estimate sigma_A from. The free set, where there is one,
        for a model fitted to the others agrees with them too well.

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

    With the phases of `f_model` [Read1986].
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
    """sigma_A of most likelihood, given normalised amplitudes (n,).

    The number of coefficients grows with the number of reflections.
    """
    import scipy.optimize

    n_terms = int(np.clip(len(e_obs) // REFLECTIONS_PER_TERM, 1, MOST_TERMS))
    terms = resolution_terms(stol2, limits, n_terms)

    def surprise(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        s = _sigmoid(terms @ coefficients)
        value, slope = rice_surprise(e_obs, e_model, centric, s)
        # the mean, so that the minimiser's limits mean the same for any number of reflections
        return float(value.mean()), (slope * s * (1.0 - s)) @ terms / len(e_obs)

    constants = [np.eye(1, n_terms)[0] * logit for logit in STARTS]
    start = min(constants, key=lambda coefficients: surprise(coefficients)[0])
    found = scipy.optimize.minimize(surprise, start, jac=True, method="BFGS")
    coefficients = tuple(float(c) for c in found.x)
    return SigmaA(coefficients, limits, len(e_obs), -float(found.fun) * len(e_obs))


def rice_surprise(
    e_obs: np.ndarray, e_model: np.ndarray, centric: np.ndarray, sigma_a: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """-log p(E_obs | E_model) and its derivative by sigma_A, (n,) each [Read1990].

    Without terms of E_obs alone.
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
    # 1 - sigma_A stays above rounding: a perfect model, as in tests, is no infinity
    return 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 14.0)))
