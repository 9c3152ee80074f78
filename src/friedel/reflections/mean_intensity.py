"""Mean intensity as a smooth function of resolution, from amplitudes alone."""

import numpy as np

from friedel.model.crystal import Crystal

REFLECTIONS_PER_TERM = 60
"""Reflections per term of a curve; sets with fewer reflections get fewer terms."""

MEAN_TERMS = 6
"""Number of terms of the smooth mean intensity of all reflections."""

SEARCH = {"gtol": 1e-9, "initial_trust_radius": 1.0, "max_trust_radius": 2.0, "maxiter": 30}
"""Options of the search for the coefficients, which needs 5 to 15 steps. If all intensities of a
shell are zero, the likeliest mean is zero, and few, short steps keep its logarithm finite."""


def mean_intensity(crystal: Crystal, hkl: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """(n,) smooth mean of F^2 / epsilon at the resolution of each reflection."""
    return mean_of_intensities(crystal, hkl, amplitudes**2)


def mean_of_intensities(crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    """(n,) smooth mean of I / epsilon at the resolution of each reflection; I may be negative.

    The mean is the exponential of a polynomial in 1/d that maximises the likelihood of Wilson's
    distribution (which gives the few strongest reflections less weight than least squares).
    """
    stol2 = crystal.stol2(hkl)
    intensity = intensity / crystal.epsilon(hkl)
    limits = resolution_limits(stol2)
    n_terms = int(np.clip(len(hkl) // REFLECTIONS_PER_TERM, 1, MEAN_TERMS))
    terms = resolution_terms(stol2, limits, n_terms)
    overall = float(intensity.mean())
    if overall <= 0.0:
        return np.ones(len(hkl))
    return overall * np.exp(terms @ log_mean_fit(terms, intensity / overall))


def log_mean_fit(
    terms: np.ndarray, relative: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """(m,) coefficients of the logarithm of the mean that maximise Wilson's likelihood.

    Parameters
    ----------
    terms
        (n, m) terms of the logarithm of the mean at each reflection.
    relative
        (n,) I / epsilon over its overall mean; values may be negative.
    weights
        (n,) weights of the logarithms of the likelihoods, 1 for acentric reflections whose errors
        are small; by default 1.
    """
    import scipy.optimize

    n = len(relative)
    weights = np.ones(n) if weights is None else weights

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean of log S + I / S with log S = terms @ coefficients, which is convex."""
        log_mean = terms @ coefficients
        ratio = relative * np.exp(-log_mean)
        value = float((weights * (log_mean + ratio)).mean())
        return value, (weights * (1.0 - ratio)) @ terms / n

    def curvature(coefficients: np.ndarray) -> np.ndarray:
        ratio = weights * relative * np.exp(-terms @ coefficients)
        return (terms * ratio[:, None]).T @ terms / n

    start = np.zeros(terms.shape[1])
    found = scipy.optimize.minimize(
        loss, start, jac=True, hess=curvature, method="trust-exact", options=SEARCH
    )
    return np.asarray(found.x)


def resolution_limits(stol2: np.ndarray) -> tuple[float, float]:
    """The smallest and largest 1/d (1/Å)."""
    return 2.0 * float(np.sqrt(stol2.min())), 2.0 * float(np.sqrt(stol2.max()))


def resolution_terms(stol2: np.ndarray, limits: tuple[float, float], n: int) -> np.ndarray:
    """(..., n) Chebyshev polynomials T0, T1, .. of 1/d scaled to -1..1 in `limits`."""
    low, high = limits
    width = max(high - low, 1e-12)
    x = np.clip(2.0 * (2.0 * np.sqrt(stol2) - low) / width - 1.0, -1.0, 1.0)
    return np.polynomial.chebyshev.chebvander(x, n - 1)
