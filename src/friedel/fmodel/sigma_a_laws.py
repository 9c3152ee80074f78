"""What sigma_A says of normalised amplitudes: their likelihood, and moments of the true ones."""

import numpy as np

from friedel.fmodel.twin_overlap import TwinOverlap
from friedel.reflections.distributions import amplitude_likelihood, amplitude_moments, mean_cosine
from friedel.reflections.twinned_distributions import (
    two_amplitudes_likelihood,
    two_amplitudes_moments,
)

LEAST_VARIANCE = 1e-6
"""Lower limit of 1 - sigma_A^2, which avoids a division by zero for a perfect model."""


def negative_log_likelihood(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None = None,
    twin: TwinOverlap | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """-log p(E_obs | E_model) and its derivative by sigma_A, (n,) each.

    Terms of E_obs alone are left out.

    Parameters
    ----------
    e_obs, e_model, centric
        (n,) normalised amplitudes, of all domains of a twin and of the model of the first domain;
        and whether they are centric.
    sigma_a
        (n,) sigma_A.
    e_sigma
        (n,) standard uncertainties of `e_obs`, or None.
    twin
        The further domains of a twin, with normalised amplitudes, or None.
    """
    if twin is None:
        return rice_negative_log_likelihood(e_obs, e_model, centric, sigma_a, e_sigma)
    return _twinned_negative_log_likelihood(e_obs, e_model, centric, sigma_a, e_sigma, twin)


def rice_negative_log_likelihood(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """-log p(E_obs | E_model) and its derivative by sigma_A, (n,) each [Read1990].

    Terms of E_obs alone are left out. Standard uncertainties of E_obs add to the variance: once for
    centric reflections; twice for acentric ones, whose variance is that of two components of F, of
    which the measurement sees one [Murshudov2011].
    """
    variance = np.maximum(1.0 - sigma_a**2, LEAST_VARIANCE)
    if e_sigma is not None:
        variance = variance + np.where(centric, 1.0, 2.0) * e_sigma**2
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


def moments(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None = None,
    twin: TwinOverlap | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) mean cosine of the phase error, and mean of E along E_model.

    The parameters are those of :func:`negative_log_likelihood`; both are of the first domain.
    """
    if twin is not None:
        return _twinned_moments(e_obs, e_model, centric, sigma_a, e_sigma, twin)
    if e_sigma is None:
        cosine = figure_of_merit(e_obs, e_model, centric, sigma_a)
        return cosine, cosine * e_obs
    variance = np.maximum(1.0 - sigma_a**2, LEAST_VARIANCE)
    return amplitude_moments(e_obs, e_sigma, sigma_a * e_model, variance, centric)


def _twinned_negative_log_likelihood(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None,
    twin: TwinOverlap,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`negative_log_likelihood`, with the errors of E_obs integrated over."""
    given = e_obs, e_model, centric, sigma_a, e_sigma, twin
    value, slope = np.empty((2, len(e_obs)))
    i = np.flatnonzero(twin.is_single)
    value[i], slope[i] = rice_negative_log_likelihood(*_of_one_domain(i, *given))
    i = np.flatnonzero(~twin.is_single)
    value[i], by_expected, by_variance = two_amplitudes_likelihood(*_of_two_domains(i, *given))
    expected_by, variance_by = twin[i].derivatives_of_two(e_model[i], sigma_a[i])
    slope[i] = (by_expected * expected_by + by_variance * variance_by).sum(axis=0)
    return value, slope


def _twinned_moments(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None,
    twin: TwinOverlap,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`moments`, of a twin."""
    given = e_obs, e_model, centric, sigma_a, e_sigma, twin
    cosine, component = np.empty((2, len(e_obs)))
    i = np.flatnonzero(twin.is_single)
    cosine[i], component[i] = moments(*_of_one_domain(i, *given))
    i = np.flatnonzero(~twin.is_single)
    cosine[i], component[i] = two_amplitudes_moments(*_of_two_domains(i, *given))
    component[i] /= np.sqrt(twin.shares[0, i])
    return cosine, component


def _of_one_domain(
    i: np.ndarray,
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None,
    twin: TwinOverlap,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Arguments of the laws without twinning, for reflections i that the first domain has alone."""
    weight = np.sqrt(twin.shares[0, i])
    sigma = None if e_sigma is None else e_sigma[i] / weight
    return e_obs[i] / weight, e_model[i], centric[i], sigma_a[i], sigma


def _of_two_domains(
    i: np.ndarray,
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    sigma_a: np.ndarray,
    e_sigma: np.ndarray | None,
    twin: TwinOverlap,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of the laws of two amplitudes, for reflections i of several domains."""
    variance = np.maximum(1.0 - sigma_a[i] ** 2, LEAST_VARIANCE)
    expected, variances = twin[i].two_domains(e_model[i], sigma_a[i], variance)
    sigma = None if e_sigma is None else e_sigma[i]
    return e_obs[i], sigma, expected, variances, centric[i]
