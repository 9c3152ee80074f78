"""Distributions of residuals and of amplitudes, as negative logarithms with their derivatives.

Refinement targets, the scaling and the estimate of sigma_A use these.
"""

import numpy as np

from friedel.runtime import scipy_parts

NODES = 12
"""Nodes of the integral over the amplitude behind each observation: moments good to 0.002."""

HALF_WIDTH = 4.5
"""Half of the range of that integral, in standard deviations of the amplitude."""

REFLECTIONS_AT_ONCE = 20_000
"""Reflections integrated together, which limits the memory to about 20 MB."""

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
    share = np.where(centric, 0.5, 1.0)
    x = observed * expected / variance
    cosine = mean_cosine(x, centric)
    # ln I0 and ln cosh without their exponential growth, which is added to the square
    log_bessel = np.log(scipy_parts.special().i0e(2.0 * x))
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
    bessel = scipy_parts.special()
    return np.where(centric, np.tanh(x), bessel.i1e(2.0 * x) / bessel.i0e(2.0 * x))


def amplitude_moments(
    observed: np.ndarray,
    sigma: np.ndarray,
    expected: np.ndarray,
    variance: np.ndarray,
    centric: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosine of the phase error, and mean F cos, behind amplitudes measured with errors.

    The true amplitude F has the distribution p(F | observed) = normal(observed - F, sigma) times
    Rice's law (or that of a folded normal) around the expected F; its phase error given F has the
    mean cosine of :func:`mean_cosine`. Both are averaged over F by Gauss-Legendre quadrature.

    Parameters
    ----------
    observed, sigma
        (n,) amplitudes, not negative, and their standard uncertainties, positive.
    expected, variance, centric
        (n,) as for :func:`amplitude_likelihood`, the expected amplitudes not negative.

    Returns
    -------
    cosine, component
        (n,) each: the mean cosine, and the mean of F along the expected F.
    """
    cosine, component = np.empty(len(observed)), np.empty(len(observed))
    for kind in (False, True):
        of_kind = np.flatnonzero(centric == kind)
        for first in range(0, len(of_kind), REFLECTIONS_AT_ONCE):
            i = of_kind[first : first + REFLECTIONS_AT_ONCE]
            law = observed[i], sigma[i], expected[i], variance[i]
            cosine[i], component[i] = _moments(*law, centric=kind)
    return cosine, component


def _moments(
    observed: np.ndarray,
    sigma: np.ndarray,
    expected: np.ndarray,
    variance: np.ndarray,
    *,
    centric: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`amplitude_moments`, for reflections of one kind."""
    bessel = scipy_parts.special()
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    # Both laws are nearly normal in F where F is well determined: so is their product
    of_model = variance if centric else 0.5 * variance
    share = of_model / (of_model + sigma**2)
    centre = expected + share * (observed - expected)
    half = HALF_WIDTH * np.sqrt(share) * sigma
    low = np.maximum(centre - half, 0.0)
    high = np.maximum(centre + half, 1.5 * half)
    observed, sigma, expected, of_model = (
        values[:, None] for values in (observed, sigma, expected, of_model)
    )
    f = low[:, None] + 0.5 * (high - low)[:, None] * (nodes + 1.0)
    exponent = 0.5 * ((f - expected) ** 2 / of_model + ((f - observed) / sigma) ** 2)
    x = f * expected / of_model
    # Bessel functions and cosh without their exponential growth, which is in the exponent
    if centric:
        growth, cosine = 1.0 + np.exp(-2.0 * x), np.tanh(x)
    else:
        growth = bessel.i0e(x)
        cosine = bessel.i1e(x) / growth
        growth *= f
    probability = weights * growth * np.exp(exponent.min(axis=1, keepdims=True) - exponent)
    probability /= probability.sum(axis=1, keepdims=True)
    cosine *= probability
    # a sum of probabilities may exceed 1 by rounding
    return np.minimum(cosine.sum(axis=1), 1.0), (f * cosine).sum(axis=1)
