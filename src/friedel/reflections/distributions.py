"""Distributions of residuals and of amplitudes, as negative logarithms with their derivatives.

Refinement targets, the scaling and the estimate of sigma_A use these.
"""

import numpy as np

HUBER_CORNER = 1.345
"""Residual above which Huber's loss is linear: 95 % efficiency for normal errors [Holland1977]."""


def huber_loss(residuals: np.ndarray, corner: float) -> tuple[np.ndarray, np.ndarray]:
    """Huber's loss, r^2 / 2 and beyond the corner linear, and its derivative; (n,) each."""
    slope = np.clip(residuals, -corner, corner)
    return slope * (residuals - 0.5 * slope), slope


def amplitude_likelihood(
    observed: np.ndarray, expected: np.ndarray, variance: np.ndarray, centric: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Negative log-likelihood of amplitudes around an expected F: Rice's, or a folded normal, law.

    With o observed, e expected and v the variance, and omitting terms of o alone, it is

        acentric  ln v + (o^2 + e^2) / v - ln I0(2 o e / v)
        centric   (ln v + (o^2 + e^2) / v) / 2 - ln cosh(o e / v)

    Parameters
    ----------
    observed
        (n,) amplitudes, not negative.
    expected
        (n,) amplitudes of the expected F; a sign makes no difference.
    variance
        (n,) variance of F around the expected F, positive.
    centric
        (n,) bool.

    Returns
    -------
    value, by_expected, by_variance
        (n,) each: the negative log-likelihood (nats), and its derivatives.
    """
    from scipy.special import i0e

    share = np.where(centric, 0.5, 1.0)
    x = observed * expected / variance
    cosine = mean_cosine(x, centric)
    # ln I0 and ln cosh without their exponential growth, which is added to the square
    log_bessel = np.log(i0e(2.0 * x))
    log_cosh = np.log1p(np.exp(-2.0 * np.abs(x))) - np.log(2.0)
    square = (observed - np.abs(expected)) ** 2 / variance
    value = share * (np.log(variance) + square) - np.where(centric, log_cosh, log_bessel)
    by_expected = 2.0 * share * (expected - cosine * observed) / variance
    spread = observed**2 + expected**2 - 2.0 * cosine * observed * expected
    return value, by_expected, share * (1.0 - spread / variance) / variance


def mean_cosine(x: np.ndarray, centric: np.ndarray) -> np.ndarray:
    """(n,) mean cosine of the phase error: I1(2x) / I0(2x), for centric reflections tanh(x).

    `x` (n,) is observed times expected amplitude over the variance.
    """
    from scipy.special import i0e, i1e

    return np.where(centric, np.tanh(x), i1e(2.0 * x) / i0e(2.0 * x))
