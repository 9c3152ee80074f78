"""Targets: assumed distributions of the residuals |F_total| - F_obs, or |F_total|^2 - I_obs.

Each target is the negative logarithm of a probability density of r = residual / scale, whose
`scale` is estimated from the residuals themselves. The weight w(r) = loss'(r) / r turns the fit
into a sequence of weighted least-squares problems: iterative reweighting [Holland1977]. Weights
that decrease with |r| limit the influence of outliers.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Self

import numpy as np

from friedel.reflections.distributions import HUBER_CORNER, huber_loss
from friedel.runtime import scipy_parts

MAD_TO_SIGMA = 1.482602218505602
"""Standard deviation of a normal distribution over its median absolute deviation."""

L1_ROUNDING = 0.5
"""Half width of the rounded minimum of |r|, where the mean |r| is 1.1. Without rounding there is no
derivative at 0, and a few reflections with zero residuals would determine the scales."""

L1_DOMINANT, L1_FARTHEST = 0.1, 1000.0
"""Where one residual makes up this share of their sum, those of more than so many medians count as
that many: the width of Laplace's distribution is a mean, which one wrong amplitude can dominate."""

L1_STEPS = 3
"""Number of iterations for the maximum-likelihood width; each leaves a sixth of the error."""

DOF_RANGE = (1.0, 200.0)
"""Range of the degrees of freedom of Student's t: Cauchy to nearly normal distribution."""

MIN_SCALE = 1e-12
"""Least scale, as a fraction of the largest residual: residuals of an exact fit can be divided
by it."""

LEAST_SCALE = 1e-100
"""Least scale where all residuals are 0: weights, its inverse square, must be finite."""


@dataclass(frozen=True)
class Target:
    """A distribution of residuals; this one is the normal distribution of least squares.

    Attributes
    ----------
    scale
        Width of the distribution, in the units of the residuals.
    """

    scale: float = 1.0
    name: ClassVar[str] = "ls"
    is_robust: ClassVar[bool] = False
    """Whether outliers have less influence than in least squares."""
    of_intensities: ClassVar[bool] = False
    """Whether residuals are those of intensities, not of amplitudes."""

    def adapted(self, residuals: np.ndarray) -> Self:
        """The same kind of distribution with its width (and shape) fitted to residuals."""
        # The root mean square is not small beside the largest residual
        return replace(self, scale=max(math.sqrt(_mean_square(residuals)), LEAST_SCALE))

    def weights(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) loss'(r) / r, positive."""
        return np.ones_like(residuals)

    def curvature(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) second derivatives loss''(r) on the scale of the weights; may be negative."""
        return np.ones_like(residuals)

    def loss(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) negative logarithms of the density, without the constant of the scale."""
        return 0.5 * (residuals / self.scale) ** 2 + 0.5 * math.log(2.0 * math.pi)

    def negative_log_likelihood(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) negative logarithms of the density of the residuals, in nats."""
        return self.loss(residuals) + math.log(self.scale)

    def mean_loss(self, residuals: np.ndarray) -> float:
        """Mean of :meth:`negative_log_likelihood`."""
        if self.is_robust:
            return float(self.negative_log_likelihood(residuals).mean())
        mean_square = _mean_square(residuals) / (self.scale * self.scale)
        return 0.5 * (mean_square + math.log(2.0 * math.pi)) + math.log(self.scale)


class IntensityLeastSquares(Target):
    """Normal distribution of the residuals of intensities, which are not those of amplitudes."""

    name = "ls-i"
    of_intensities = True


class Huber(Target):
    """Normal in the middle, exponential beyond [Holland1977]."""

    name = "huber"
    is_robust = True

    def adapted(self, residuals: np.ndarray) -> Self:
        """The distribution with the width from the median absolute residual."""
        width = MAD_TO_SIGMA * float(np.median(np.abs(residuals)))
        return replace(self, scale=max(width, _least_scale(residuals)))

    def weights(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) 1 up to HUBER_CORNER, decreasing as 1/|r| beyond."""
        r = np.abs(residuals) / self.scale
        return HUBER_CORNER / np.maximum(r, HUBER_CORNER)

    def curvature(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) 1 up to HUBER_CORNER, 0 beyond."""
        return (np.abs(residuals) < HUBER_CORNER * self.scale).astype(np.float64)

    def loss(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) quadratic up to HUBER_CORNER, linear beyond; normalised."""
        c = HUBER_CORNER
        inside = math.sqrt(2.0 * math.pi) * math.erf(c / math.sqrt(2.0))
        norm = inside + 2.0 / c * math.exp(-0.5 * c * c)
        return huber_loss(residuals / self.scale, c)[0] + math.log(norm)


class L1(Target):
    """Laplace's distribution: the sum of absolute residuals, as in the R-factor."""

    name = "l1"
    is_robust = True

    def adapted(self, residuals: np.ndarray) -> Self:
        """The distribution of maximum-likelihood width, where the mean of r loss'(r) is 1."""
        sizes = np.abs(residuals)
        if sizes.max(initial=0.0) > L1_DOMINANT * sizes.sum():
            farthest = L1_FARTHEST * float(np.median(sizes))
            residuals = np.minimum(sizes, farthest) if farthest > 0.0 else residuals
            sizes = np.abs(residuals)
        squares, least = residuals**2, _least_scale(sizes)
        scale = max(float(sizes.mean()), least)
        for _ in range(L1_STEPS):
            width = L1_ROUNDING * scale
            rounded = np.sqrt(squares + width * width)  # width**2 would raise OverflowError
            scale = max(float((squares / rounded).mean()), least)
        return replace(self, scale=scale)

    def weights(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) 1/|r|, finite at 0."""
        return 1.0 / self._rounded(residuals)

    def curvature(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) second derivatives, concentrated near 0."""
        rounded = self._rounded(residuals)
        return L1_ROUNDING**2 / (rounded * rounded * rounded)  # a power takes five times as long

    def loss(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) |r| with a rounded minimum; normalised."""
        return self._rounded(residuals) + _log_norm_of_l1()

    def _rounded(self, residuals: np.ndarray) -> np.ndarray:
        return np.sqrt((residuals / self.scale) ** 2 + L1_ROUNDING**2)


@cache
def _log_norm_of_l1() -> float:
    """The logarithm of the integral of exp(-loss) over r."""
    return math.log(2.0 * L1_ROUNDING * scipy_parts.special().k1(L1_ROUNDING))


@dataclass(frozen=True)
class StudentT(Target):
    """Student's t with estimated degrees of freedom: outliers have hardly any influence.

    Attributes
    ----------
    tail
        Degrees of freedom: small for heavy tails [Lange1989].
    """

    tail: float = 4.0
    name: ClassVar[str] = "student-t"
    is_robust: ClassVar[bool] = True

    def adapted(self, residuals: np.ndarray) -> Self:
        """The distribution with width and degrees of freedom after one ECM step [Lange1989]."""
        import scipy.optimize

        scale, tail, least = self.scale, self.tail, _least_scale(residuals)
        if scale == 1.0:  # not adapted yet
            scale = max(MAD_TO_SIGMA * float(np.median(np.abs(residuals))), least)
        squares = residuals**2
        weights = (tail + 1.0) / (tail + squares / (scale * scale))
        scale = max(math.sqrt(float(np.mean(weights * squares))), least)
        # 2000 residuals are enough for the tail; equal steps make the result reproducible
        few = residuals[:: max(1, len(residuals) // 2000)]
        found = scipy.optimize.minimize_scalar(
            lambda log_tail: float(StudentT(scale, math.exp(log_tail)).loss(few).mean()),
            bounds=tuple(math.log(limit) for limit in DOF_RANGE),
            method="bounded",
            options={"xatol": 1e-2},
        )
        tail = math.exp(float(found.x))
        return replace(self, scale=scale, tail=tail)

    def weights(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) (tail + 1) / (tail + r^2)."""
        return (self.tail + 1.0) / (self.tail + (residuals / self.scale) ** 2)

    def curvature(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) second derivatives, negative in the tails."""
        squares = (residuals / self.scale) ** 2
        return (self.tail + 1.0) * (self.tail - squares) / (self.tail + squares) ** 2

    def loss(self, residuals: np.ndarray) -> np.ndarray:
        """(n,) logarithmic in the tails; normalised."""
        tail = self.tail
        norm = math.lgamma(tail / 2) - math.lgamma((tail + 1) / 2) + 0.5 * math.log(tail * math.pi)
        return 0.5 * (tail + 1) * np.log1p((residuals / self.scale) ** 2 / tail) + norm


TARGETS: dict[str, Target] = {
    target.name: target for target in (Target(), IntensityLeastSquares(), Huber(), L1(), StudentT())
}
"""The targets by name."""


def _mean_square(residuals: np.ndarray) -> float:
    return float(np.einsum("i,i->", residuals, residuals)) / len(residuals)


def _least_scale(residuals: np.ndarray) -> float:
    """The least width of a distribution of these residuals; it is positive."""
    return max(MIN_SCALE * float(np.abs(residuals).max(initial=0.0)), LEAST_SCALE)
