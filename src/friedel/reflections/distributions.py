"""Distributions of residuals and of amplitudes, as negative logarithms with their derivatives.

Refinement targets, the scaling and the estimate of sigma_A use these.
"""

import numpy as np

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
        (n,) as for :func:`amplitude_likelihood`.

    Returns
    -------
    cosine, component
        (n,) each: the mean cosine, and the mean of F along the expected F.
    """
    parts = [
        _moments(*(values[i : i + REFLECTIONS_AT_ONCE] for values in
                   (observed, sigma, expected, variance, centric)))
        for i in range(0, len(observed), REFLECTIONS_AT_ONCE)
    ]  # fmt: skip
    if not parts:
        return np.zeros(0), np.zeros(0)
    cosine, component = (np.concatenate(part) for part in zip(*parts, strict=True))
    return cosine, component


def _moments(
    observed: np.ndarray,
    sigma: np.ndarray,
    expected: np.ndarray,
    variance: np.ndarray,
    centric: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    # Both laws are nearly normal in F where F is well determined: so is their product
    of_model = np.where(centric, variance, 0.5 * variance)
    share = of_model / (of_model + sigma**2)
    centre = np.abs(expected) + share * (observed - np.abs(expected))
    half = HALF_WIDTH * np.sqrt(share) * sigma
    low = np.maximum(centre - half, 0.0)
    high = np.maximum(centre + half, 1.5 * half)
    f = low[:, None] + 0.5 * (high - low)[:, None] * (nodes + 1.0)

    def column(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values[:, None], f.shape)

    loss, _, _ = amplitude_likelihood(f, column(expected), column(variance), column(centric))
    # amplitude_likelihood omits the factor F of Rice's law
    logarithm = np.where(centric[:, None], 0.0, np.log(f)) - loss
    logarithm -= 0.5 * ((f - observed[:, None]) / sigma[:, None]) ** 2
    probability = weights * np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    cosine = mean_cosine(f * column(expected) / column(variance), column(centric))
    # a sum of probabilities may exceed 1 by rounding
    return np.minimum((probability * cosine).sum(axis=1), 1.0), (probability * f * cosine).sum(
        axis=1
    )
