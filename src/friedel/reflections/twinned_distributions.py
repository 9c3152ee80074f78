"""Distributions of amplitudes of two domains of a twin, of which one amplitude was measured.

The intensity of a twin is the sum of those of its domains. With x and y the amplitudes of two,
weighted by the roots of their fractions, the measured amplitude is r = sqrt(x^2 + y^2). Each has
Rice's law, or that of a folded normal one, around the amplitude that is expected from a model. In
polar coordinates, x = r cos t and y = r sin t, what r does not tell is an integral over t.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from friedel.runtime import scipy_parts

ANGLES, WIDTH_OF_ANGLES = 12, 4.5
"""Nodes of the integral over t, and half of its range in standard deviations."""

RADII, WIDTH_OF_RADII = 8, 4.0
"""The same of the integral over r along each direction, where this range includes r = 0."""

HERMITE_RADII = 5
"""Nodes of the integral over r elsewhere. Moments are good to 0.002."""

GRID = 12
"""Angles at which the integrand is estimated in order to find where it is large."""

MOST_GRIDS, SHRINKS = 8, 0.8
"""Largest number of such grids, each in the range that the last one left; the search ends when a
range is more than this fraction of the last one."""

REFLECTIONS_AT_ONCE = 2_000
"""Reflections integrated together, which limits the memory to about 20 MB."""


@dataclass(frozen=True, eq=False)
class Integrand:
    """Probabilities at the nodes of the integral behind each of m observed amplitudes.

    Attributes
    ----------
    rows
        (m,) indices of the reflections, all centric or all acentric.
    centric
        Whether they are centric.
    amplitudes
        (2, m, nodes): x and y.
    cosines
        (2, m, nodes): the mean cosines of the phase errors of x and y.
    probability
        (m, nodes) probability of each node, with the sum 1.
    log_integral
        (m,) logarithm of the integral, without the factors of the laws that depend on the variance
        alone.
    """

    rows: np.ndarray
    centric: bool
    amplitudes: np.ndarray
    cosines: np.ndarray
    probability: np.ndarray
    log_integral: np.ndarray


def two_amplitudes_likelihood(
    observed: np.ndarray,
    sigma: np.ndarray | None,
    expected: np.ndarray,
    variance: np.ndarray,
    centric: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Negative log-likelihood of amplitudes of a twin of two domains.

    Parameters
    ----------
    observed, sigma
        (n,) amplitudes r, positive, and their standard uncertainties; None for exact amplitudes.
    expected, variance
        (2, n) amplitude of the expected F of each domain, not negative, and the variance of F
        around it, positive; both of F weighted by the root of the fraction.
    centric
        (n,) bool.

    Returns
    -------
    value, by_expected, by_variance
        (n,), (2, n) and (2, n): the negative log-likelihood (nats) without terms of `observed`
        alone, and its derivatives. If one domain vanishes, the value for exact amplitudes is that
        of :func:`friedel.reflections.distributions.amplitude_likelihood`.
    """
    value = np.empty(len(observed))
    by_expected, by_variance = np.empty((2, 2, len(observed)))
    for part in _integrands(observed, sigma, expected, variance, centric):
        i, share = part.rows, 0.5 if part.centric else 1.0
        value[i] = share * np.log(variance[:, i]).sum(axis=0) - part.log_integral
        for k in (0, 1):
            e, v = expected[k, i], variance[k, i]
            along = (part.probability * part.cosines[k] * part.amplitudes[k]).sum(axis=1)
            square = (part.probability * part.amplitudes[k] ** 2).sum(axis=1)
            by_expected[k, i] = 2.0 * share * (e - along) / v
            by_variance[k, i] = share * (1.0 - (square + e * e - 2.0 * e * along) / v) / v
    return value, by_expected, by_variance


def two_amplitudes_moments(
    observed: np.ndarray,
    sigma: np.ndarray | None,
    expected: np.ndarray,
    variance: np.ndarray,
    centric: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean cosine of the phase error of the first of two domains of a twin, and mean x cos.

    The parameters are those of :func:`two_amplitudes_likelihood`.

    Returns
    -------
    cosine, component
        (n,) each: the mean cosine, and the mean of the first amplitude x along the expected F.
    """
    cosine, component = np.empty((2, len(observed)))
    for part in _integrands(observed, sigma, expected, variance, centric):
        weighted = part.probability * part.cosines[0]
        # a sum of probabilities may exceed 1 by rounding
        cosine[part.rows] = np.minimum(weighted.sum(axis=1), 1.0)
        component[part.rows] = (weighted * part.amplitudes[0]).sum(axis=1)
    return cosine, component


def _integrands(
    observed: np.ndarray,
    sigma: np.ndarray | None,
    expected: np.ndarray,
    variance: np.ndarray,
    centric: np.ndarray,
) -> Iterator[Integrand]:
    """The integrands of all reflections, in parts of one kind."""
    for kind in (False, True):
        of_kind = np.flatnonzero(centric == kind)
        for first in range(0, len(of_kind), REFLECTIONS_AT_ONCE):
            i = of_kind[first : first + REFLECTIONS_AT_ONCE]
            # an acentric F has two components, of which the amplitude is along one
            of_amplitude = (1.0 if kind else 0.5) * variance[:, i, None]
            one = None if sigma is None else sigma[i, None]
            laws = _Laws(kind, observed[i, None], one, expected[:, i, None], of_amplitude)
            yield from _of_laws(i, laws)


@dataclass(frozen=True, eq=False)
class _Laws:
    """The laws of the two amplitudes, and of the measurement, of some reflections.

    Attributes
    ----------
    centric
        Whether the reflections are centric.
    observed, sigma
        (m, 1) amplitudes and their standard uncertainties; None for exact amplitudes.
    expected, variance
        (2, m, 1) expected amplitudes of both domains, and the variances of amplitudes around these.
    """

    centric: bool
    observed: np.ndarray
    sigma: np.ndarray | None
    expected: np.ndarray
    variance: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "_Laws":
        return _Laws(
            self.centric,
            self.observed[rows],
            None if self.sigma is None else self.sigma[rows],
            self.expected[:, rows],
            self.variance[:, rows],
        )

    def along(self, cos: np.ndarray, sin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, k) mean and standard deviation of r in the directions t, but for Bessel functions.

        The exponents of the laws and of the measurement are quadratic in r.
        """
        if self.sigma is None:
            return np.broadcast_to(self.observed, cos.shape), np.zeros(1)
        weights = cos / self.variance[0], sin / self.variance[1], self.sigma**-2.0
        precision = weights[0] * cos + weights[1] * sin + weights[2]
        along = weights[0] * self.expected[0] + weights[1] * self.expected[1]
        return (along + weights[2] * self.observed) / precision, precision**-0.5

    def exponent(self, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
        """(m, k) exponent of the laws and of the measurement, with the sign of a loss."""
        value = (x - self.expected[0]) ** 2 * (0.5 / self.variance[0])
        value += (y - self.expected[1]) ** 2 * (0.5 / self.variance[1])
        if self.sigma is not None:
            value += ((r - self.observed) * (np.sqrt(0.5) / self.sigma)) ** 2
        return value

    def estimate(self, t: np.ndarray) -> np.ndarray:
        """(m, k) the integrand at the directions t, integrated over r, nearly; the largest is 1."""
        cos, sin = np.cos(t), np.sin(t)
        r, width = self.along(cos, sin)
        log_p = -self.exponent(r * cos, r * sin, r)
        if self.sigma is not None:
            log_p += np.log(width)
        if not self.centric:
            # I0(z) exp(-z) is about 1 / sqrt(1 + 2 pi z)
            away = np.hypot(r, width)
            x, y = away * cos, away * sin
            z0 = x * (2.0 * np.pi * self.expected[0] / self.variance[0])
            z1 = y * (2.0 * np.pi * self.expected[1] / self.variance[1])
            log_p += 0.5 * np.log((x * y) ** 2 / ((1.0 + z0) * (1.0 + z1)))
        return np.asarray(np.exp(log_p - log_p.max(axis=1, keepdims=True)))


def _of_laws(rows: np.ndarray, laws: _Laws) -> Iterator[Integrand]:
    """The integrands of some reflections (m,)."""
    low, high = _ranges(laws)
    nodes, weights = np.polynomial.legendre.leggauss(ANGLES)
    span = 0.5 * (high - low)
    t, factor = low + span * (nodes + 1.0), weights * span
    direction = np.array([np.cos(t), np.sin(t)])
    r, width = laws.along(*direction)
    if laws.sigma is None:
        yield _integrand(rows, laws, direction * r, r, r * factor)
        return
    factor = factor / (np.sqrt(2.0 * np.pi) * laws.sigma)
    is_far = (r > WIDTH_OF_RADII * width).all(axis=1)
    for rule, of_rule in ((_hermite_radii, is_far), (_legendre_radii, ~is_far)):
        i = np.flatnonzero(of_rule)
        if not len(i):
            continue
        radii, weights = rule(r[i, :, None], width[i, :, None])
        shape = len(i), -1
        yield _integrand(
            rows[i],
            laws[i],
            (direction[:, i, :, None] * radii).reshape(2, *shape),
            radii.reshape(shape),
            (radii * weights * factor[i, :, None]).reshape(shape),
        )


def _hermite_radii(r: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, k, nodes) r and weights, for the mean r and its standard deviation (m, k, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(HERMITE_RADII)
    # the normal law, which is part of these weights, is in the exponent
    return r + width * nodes, width * (weights * np.exp(0.5 * nodes**2))


def _legendre_radii(r: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_hermite_radii`, not below zero."""
    nodes, weights = np.polynomial.legendre.leggauss(RADII)
    half = WIDTH_OF_RADII * width
    nearest, farthest = np.maximum(r - half, 0.0), np.maximum(r + half, 1.5 * half)
    span = 0.5 * (farthest - nearest)
    return nearest + span * (nodes + 1.0), span * weights


def _integrand(
    rows: np.ndarray, laws: _Laws, amplitudes: np.ndarray, r: np.ndarray, area: np.ndarray
) -> Integrand:
    """The integrand, divided by `observed` for acentric reflections.

    Parameters
    ----------
    amplitudes, r, area
        (2, m, nodes), (m, nodes), (m, nodes): x and y, r, and the area that each node stands for.
    """
    exponent = laws.exponent(amplitudes[0], amplitudes[1], r)
    factor = area
    bessel = scipy_parts.special()
    cosines = []
    for f, e, v in zip(amplitudes, laws.expected, laws.variance, strict=True):
        z = f * (e / v)
        # Bessel functions and cosh without their exponential growth, which is in the exponent
        if laws.centric:
            factor = factor * (0.5 + 0.5 * np.exp(-2.0 * z))
            cosines.append(np.tanh(z))
        else:
            i0 = bessel.i0e(z)
            cosines.append(bessel.i1e(z) / i0)
            factor = factor * i0 * f
    least = exponent.min(axis=1, keepdims=True)
    probability = factor * np.exp(least - exponent)
    total = probability.sum(axis=1, keepdims=True)
    probability /= total
    # the laws have the factors 2 f / v, and sqrt(2 / (pi v)); those of one domain are left out
    constant = np.sqrt(2.0 / np.pi) if laws.centric else 2.0 / laws.observed
    log_integral = (np.log(constant * total) - least)[:, 0]
    return Integrand(rows, laws.centric, amplitudes, np.array(cosines), probability, log_integral)


def _ranges(laws: _Laws) -> tuple[np.ndarray, np.ndarray]:
    """(m, 1) least and largest t between which the integrand is not negligible.

    The range is that of some standard deviations around the mean of an estimate on a grid,
    repeated in the range found, because a grid may be coarser than the peak. The first grid is
    finer near both ends, where the peak is if one fraction is small.
    """
    middle = (np.arange(GRID) + 0.5) / GRID
    at, size = np.sin(0.5 * np.pi * middle) ** 2, 0.5 * np.pi / GRID * np.sin(np.pi * middle)
    low, high = np.zeros(laws.observed.shape), np.full(laws.observed.shape, 0.5 * np.pi)
    active = np.arange(len(low))
    for _ in range(MOST_GRIDS):
        first, width = low[active], high[active] - low[active]
        p = laws[active].estimate(first + width * at) * size
        p /= p.sum(axis=1, keepdims=True)
        mean = (p @ at)[:, None]
        spread = np.sqrt((p * ((at - mean) ** 2 + size**2 / 12.0)).sum(axis=1, keepdims=True))
        low[active] = first + width * np.maximum(mean - WIDTH_OF_ANGLES * spread, 0.0)
        high[active] = first + width * np.minimum(mean + WIDTH_OF_ANGLES * spread, 1.0)
        active = active[(high[active] - low[active] < SHRINKS * width)[:, 0]]
        if not len(active):
            break
        at, size = middle, np.full(GRID, 1.0 / GRID)
    return low, high
