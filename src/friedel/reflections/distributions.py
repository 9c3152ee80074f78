"""Distributions of residuals and of amplitudes, as negative logarithms with their derivatives.

Targets of refinement, the scaling and the estimate of sigma_A share these.
"""

import numpy as np

HUBER_CORNER = 1.345
"""Where Huber's loss turns linear: 95 % efficiency for normal errors [Holland1977]."""


def huber_loss(residuals: np.ndarray, corner: float) -> tuple[np.ndarray, np.ndarray]:
    """r^2 / 2, beyond the corner linear in abs(r), and its derivative; (n,) each [Holland1977]."""
    slope = np.clip(residuals, -corner, corner)
    return slope * (residuals - 0.5 * slope), slope


def amplitude_likelihood(
    observed: np.ndarray, expected: np.ndarray, variance: np.ndarray, centric: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-ln p of amplitudes around an expected F: Rice's distribution, or a folded normal one.

    With o observed, e expected and v the variance, and without terms of o alone,

        acentric  ln v + (o^2 + e^2) / v - ln I0(2 o e / v)
        centric   (ln v + (o^2 + e^2) / v) / 2 - ln cosh(o e / v)

    Parameters
    ----------
    observed
        (n,) amplitudes, not negative.
    expected
        (n,) amplitudes of the expected F; a sign makes no difference.
    variance
        (n,) of F around that, positive.
    centric
        (n,) bool.

    Returns
    -------
    value, by_expected, by_variance
        (n,) each: in nats, and the derivatives.
    """
    from scipy.special import i0e

    share = np.where(centric, 0.5, 1.0)
    x = observed * expected / variance
    cosine = mean_cosine(x, centric)
    # ln I0 and ln cosh without their exponential growth, which joins the square
    log_bessel = np.log(i0e(2.0 * x))
    log_cosh = np.log1p(np.exp(-2.0 * np.abs(x))) - np.log(2.0)
    square = (observed - np.abs(expected)) ** 2 / variance
    value = share * (np.log(variance) + square) - np.where(centric, log_cosh, log_bessel)
    by_expected = 2.0 * share * (expected - cosine * observed) / variance
    spread = observed**2 + expected**2 - 2.0 * cosine * observed * expected
    return value, by_expected, share * (1.0 - spread / variance) / variance


def mean_cosine(x: np.ndarray, centric: np.ndarray) -> np.ndarray:
    """(n,) of the phase around the expected one: I1(2x) / I0(2x), for centric reflections tanh(x).

    `x` (n,) is observed times expected amplitude over the variance.
    """
    from scipy.special import i0e, i1e

    return np.where(centric, np.tanh(x), i1e(2.0 * x) / i0e(2.0 * x))
