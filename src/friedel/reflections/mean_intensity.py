"""Mean intensity as a smooth function of resolution, from amplitudes alone."""

import numpy as np

from friedel.model.crystal import Crystal

REFLECTIONS_PER_TERM = 60
"""A set of a few hundred reflections gets all terms of a curve; smaller sets get fewer."""

MEAN_TERMS = 6
"""Number of terms of the smooth mean intensity of all reflections."""


def mean_intensity(crystal: Crystal, hkl: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """(n,) smooth mean of F^2 / epsilon at the resolution of each reflection."""
    return mean_of_intensities(crystal, hkl, amplitudes**2)


def mean_of_intensities(crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    """(n,) smooth mean of I / epsilon at the resolution of each reflection; I may be negative.

    The exponential of a polynomial in 1/d, at the maximum of the likelihood of Wilson's
    distribution (in which the few strongest reflections do not weigh as in least squares).
    """
    stol2 = crystal.stol2(hkl)
    intensity = intensity / crystal.epsilon(hkl)
    limits = 2.0 * float(np.sqrt(stol2.min())), 2.0 * float(np.sqrt(stol2.max()))
    n_terms = int(np.clip(len(hkl) // REFLECTIONS_PER_TERM, 1, MEAN_TERMS))
    terms = resolution_terms(stol2, limits, n_terms)
    overall = float(intensity.mean())
    if overall <= 0.0:
        return np.ones(len(hkl))
    coefficients = np.zeros(n_terms)
    # Newton's method on mean(log S + I / S), log S = log overall + terms @ coefficients: convex
    for _ in range(30):
        ratio = np.exp(-terms @ coefficients) * (intensity / overall)
        gradient = terms.T @ (1.0 - ratio)
        curvature = (terms * ratio[:, None]).T @ terms
        ridge = 1e-9 * np.trace(curvature) * np.eye(n_terms)
        step = np.linalg.solve(curvature + ridge, gradient)
        # steps of at most a factor of e keep Newton's method in hand far from the minimum
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        coefficients -= step
        if np.abs(step).max() < 1e-9:
            break
    return overall * np.exp(terms @ coefficients)


def resolution_terms(stol2: np.ndarray, limits: tuple[float, float], n: int) -> np.ndarray:
    """(..., n) Chebyshev polynomials T0, T1, .. of 1/d scaled to -1..1 in `limits`."""
    low, high = limits
    width = max(high - low, 1e-12)
    x = np.clip(2.0 * (2.0 * np.sqrt(stol2) - low) / width - 1.0, -1.0, 1.0)
    return np.polynomial.chebyshev.chebvander(x, n - 1)
