"""Mean intensity as a smooth function of resolution."""

import numpy as np

from friedel.model.crystal import Crystal
from friedel.runtime.minimizers import SearchOptions, trust_exact

REFLECTIONS_PER_TERM = 60
"""Reflections per term of a curve; sets with fewer reflections get fewer terms."""

MEAN_TERMS = 6
"""Number of terms of the smooth mean intensity of all reflections."""

SEARCH = SearchOptions(gtol=1e-9, initial_trust_radius=1.0, max_trust_radius=2.0, maxiter=30)
"""Options of the search for the coefficients, which needs 5 to 15 steps. If all intensities of a
shell are zero, the likeliest mean is zero, and few, short steps keep its logarithm finite."""


LOWEST_LOG = -700.0
"""Lowest logarithm of a mean, relative to that of all: that of the smallest numbers."""

LARGEST_LOG = 300.0
"""Largest logarithm of a mean that the search tries: its exponential must be finite."""


def mean_intensity(crystal: Crystal, hkl: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """(n,) smooth mean of F^2 / epsilon at the resolution of each reflection."""
    return mean_of_intensities(crystal, hkl, amplitudes**2)


def mean_of_intensities(
    crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray, sigmas: np.ndarray | None = None
) -> np.ndarray:
    """(n,) smooth mean of I / epsilon at the resolution of each reflection.

    The mean is the exponential of a polynomial in 1/d that maximises the likelihood of Wilson's
    distribution (which gives the few strongest reflections less weight than least squares). It
    is positive; see :func:`positive_mean`.

    Parameters
    ----------
    hkl
        (n, 3) reflections.
    intensity
        (n,) intensities; with sigmas they may be negative.
    sigmas
        (n,) uncertainties, or None.
    """
    return mean_and_error(crystal, hkl, intensity, sigmas)[0]


def mean_and_error(
    crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray, sigmas: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) mean as :func:`mean_of_intensities`, and (n,) the error that limits it from below."""
    stol2 = crystal.stol2(hkl)
    epsilon = crystal.epsilon(hkl)
    intensity = intensity / epsilon
    limits = resolution_limits(stol2)
    n_terms = int(np.clip(len(hkl) // REFLECTIONS_PER_TERM, 1, MEAN_TERMS))
    terms = resolution_terms(stol2, limits, n_terms)
    if sigmas is not None and (sigmas > 0).any():
        return positive_mean(terms, intensity, smooth_noise(terms, sigmas / epsilon))
    overall, no_error = float(intensity.mean()), np.zeros(len(hkl))
    if overall <= 0.0:
        return np.ones(len(hkl)), no_error
    return overall * np.exp(terms @ log_mean_fit(terms, intensity / overall)), no_error


def smooth_noise(terms: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """(n,) root mean square of the sigmas (n,) as a smooth function; some sigmas are positive.

    Sigmas themselves grow with I, and weights by them would make the mean too small.
    """
    squares = sigmas**2
    overall = float(squares.mean())
    return np.sqrt(overall * np.exp(terms @ log_mean_fit(terms, squares / overall)))


def least_mean(terms: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """(n,) error of a mean of as many reflections as there are for each of the terms (n, m).

    A smaller mean intensity is not distinguishable from 0.
    """
    n, m = terms.shape
    return noise * np.sqrt(m / n)


def positive_mean(
    terms: np.ndarray,
    intensity: np.ndarray,
    noise: np.ndarray,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) mean of intensities that may be negative, never below its own error, and that error.

    Parameters
    ----------
    terms
        (n, m) terms of the logarithm of the mean.
    intensity
        (n,) I / epsilon.
    noise
        (n,) errors of these as a smooth function.
    weights
        As for :func:`log_mean_fit`.
    """
    least = least_mean(terms, noise)
    unit = max(float(intensity.mean()), float(least.mean()))
    found = log_mean_fit(terms, intensity / unit, weights, noise / unit)
    return np.maximum(unit * np.exp(np.maximum(terms @ found, LOWEST_LOG)), least), least


def log_mean_fit(
    terms: np.ndarray,
    relative: np.ndarray,
    weights: np.ndarray | None = None,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """(m,) coefficients of the logarithm of the mean S that maximise Wilson's likelihood.

    Without noise the loss of an intensity I is log S + I / S. With negative intensities it has no
    lower limit. With noise s the variance of I is S^2 + s^2, and the loss whose derivative is
    (S - I) / (S^2 + s^2), the quasi-likelihood [Wedderburn1974],

        log(S^2 + s^2) / 2 + (I / s) atan(s / S),

    which tends to the former for s << S, and to a constant for S << s. In both, errors of I make
    no bias, because the derivative is linear in I.

    Parameters
    ----------
    terms
        (n, m) terms of the logarithm of the mean at each reflection.
    relative
        (n,) I / epsilon over its overall mean; with noise, values may be negative.
    weights
        (n,) weights of the losses; by default 1.
    noise
        (n,) errors of `relative` as a smooth function, all positive; by default 0.
    """
    n = len(relative)
    weights = np.ones(n) if weights is None else weights

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        log_mean = np.clip(terms @ coefficients, -LARGEST_LOG, LARGEST_LOG)
        if noise is None:
            ratio = relative * np.exp(-log_mean)
            value, slope = log_mean + ratio, 1.0 - ratio
        else:
            mean = np.exp(log_mean)
            value = np.log(np.hypot(mean, noise)) + relative / noise * np.arctan2(noise, mean)
            slope = mean * (mean - relative) / (mean**2 + noise**2)
        return float((weights * value).mean()), (weights * slope) @ terms / n

    def curvature(coefficients: np.ndarray) -> np.ndarray:
        log_mean = np.clip(terms @ coefficients, -LARGEST_LOG, LARGEST_LOG)
        if noise is None:
            second = relative * np.exp(-log_mean)
        else:
            mean = np.exp(log_mean)
            squares = mean**2 + noise**2
            second = mean * (relative * (mean**2 - noise**2) + 2.0 * mean * noise**2) / squares**2
        return (terms * (weights * second)[:, None]).T @ terms / n

    start = np.zeros(terms.shape[1])
    return trust_exact(loss, curvature, start, SEARCH)


def resolution_limits(stol2: np.ndarray) -> tuple[float, float]:
    """The smallest and largest 1/d (1/Å)."""
    return 2.0 * float(np.sqrt(stol2.min())), 2.0 * float(np.sqrt(stol2.max()))


def resolution_terms(stol2: np.ndarray, limits: tuple[float, float], n: int) -> np.ndarray:
    """(..., n) Chebyshev polynomials T0, T1, .. of 1/d scaled to -1..1 in `limits`."""
    low, high = limits
    width = max(high - low, 1e-12)
    x = np.clip(2.0 * (2.0 * np.sqrt(stol2) - low) / width - 1.0, -1.0, 1.0)
    return np.polynomial.chebyshev.chebvander(x, n - 1)
