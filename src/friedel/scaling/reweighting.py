"""Iteratively reweighted least squares with Levenberg's damping and limits."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from friedel.scaling.targets import Target

MAX_STEPS = 200
"""Iteration limit. Robust fits of scales take 4 to 20 steps."""

TOLERANCE = 1e-7
"""Default tolerance (nats per reflection): smaller gains are not significant for 10^6 data."""

MIN_DAMPING, FIRST_DAMPING, MAX_DAMPING = 1e-12, 1e-6, 1e12

MIN_CURVATURE = 0.2
"""Least curvature of a target relative to its weights; it limits the steps when few residuals are
near zero."""

ADAPTATIONS = 10
"""Number of steps after which the scale of the residuals is updated only every so many steps."""


@dataclass(frozen=True)
class Prior:
    """Independent normal distributions of parameters, of infinite width where there is no prior.

    Parameters
    ----------
    centre, width
        (m,) means and standard deviations.
    """

    centre: np.ndarray
    width: np.ndarray

    @property
    def curvature(self) -> np.ndarray:
        """(m,) second derivatives of the loss."""
        return 1.0 / self.width**2

    def loss(self, x: np.ndarray) -> float:
        """Negative logarithm of the density, without constants."""
        return float(0.5 * (((x - self.centre) / self.width) ** 2).sum())

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """(m,) derivatives of the loss."""
        return (x - self.centre) / self.width**2


class Evaluated(Protocol):
    """A model at one vector of parameters."""

    @property
    def residuals(self) -> np.ndarray:
        """(n,) residuals."""


class Fitted(Protocol):
    """A problem that can be fitted: residuals as functions of (m,) parameters."""

    def evaluate(self, x: np.ndarray) -> Evaluated:
        """The model at `x`."""

    def normal_equations(self, at: Any, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, m) J^T W J and (m,) J^T W r with the derivatives J of the residuals r."""


@np.errstate(over="ignore", invalid="ignore")
def reweighted_fit(
    problem: Fitted,
    target: Target,
    x: np.ndarray,
    limits: np.ndarray,
    prior: Prior,
    tolerance: float = TOLERANCE,
) -> tuple[np.ndarray, Evaluated, Target, int, bool, np.ndarray]:
    """The minimum of a target and a prior near `x`.

    Parameters
    ----------
    problem
        Residuals and normal equations.
    target
        Distribution of the residuals; its scale is updated during the fit.
    x
        (m,) start.
    limits
        (2, m) lower and upper limits of the parameters.
    prior
        Prior distribution of the parameters.
    tolerance
        The fit has converged when a step gains less than this (nats per reflection).

    Returns
    -------
    x, at, target, evaluations, converged, curvature
        Parameters, the model there, the target with its final scale, the number of evaluations of
        the residuals, whether the fit converged (not where the target overflows), and (m, m)
        second derivatives of target and prior at the last step.
    """
    x = np.clip(x, *limits)
    at = problem.evaluate(x)
    target = target.adapted(at.residuals)
    damping, evaluations, settled = FIRST_DAMPING, 1, 0
    after = _objective(at, x, target, prior)
    normal = np.zeros((len(x), len(x)))
    for step in range(MAX_STEPS):
        if not len(x) or not np.isfinite(after):
            return x, at, target, evaluations, not len(x), normal
        before = after
        adapts = step < ADAPTATIONS or step % ADAPTATIONS == 0 or settled > 0
        if adapts:
            target = target.adapted(at.residuals)
        weights = step_weights(target, at.residuals)
        normal, gradient = problem.normal_equations(at, weights)
        normal *= curvature_share(target, at.residuals, weights)
        gradient += prior.gradient(x)
        _diagonal(normal)[:] += prior.curvature
        moved, at, after, damping, tried = _damped_step(
            problem, target, prior, x, at, normal, gradient, limits, damping
        )
        evaluations += tried
        if moved is None and adapts:
            return x, at, target, evaluations, True, normal
        x = x if moved is None else moved
        gain = abs(before - after)
        # two small gains are needed, as scale and parameters are updated alternately
        settled = settled + 1 if gain < tolerance else 0
        if settled == (2 if target.is_robust else 1):
            return x, at, target.adapted(at.residuals), evaluations, True, normal
    return x, at, target, evaluations, False, normal


def step_weights(target: Target, residuals: np.ndarray) -> np.ndarray:
    """(n,) loss'(r) / r."""
    return target.weights(residuals) / target.scale**2


def curvature_share(
    target: Target, residuals: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Mean second derivative of the loss over the mean weight.

    Weights alone overestimate the curvature of the target, for l1 three times, and steps would be
    too short by the same factor. `weights` (n,) are those of :func:`step_weights`, if known.
    """
    if not target.is_robust:
        return 1.0
    weights = step_weights(target, residuals) if weights is None else weights
    share = target.curvature(residuals).mean() / (weights.mean() * target.scale**2)
    return float(np.clip(share, MIN_CURVATURE, 1.0))


def _objective(at: Evaluated, x: np.ndarray, target: Target, prior: Prior) -> float:
    """Negative log-likelihood and loss of the prior (nats per reflection)."""
    return target.mean_loss(at.residuals) + prior.loss(x) / len(at.residuals)


def _damped_step(
    problem: Fitted,
    target: Target,
    prior: Prior,
    x: np.ndarray,
    at: Evaluated,
    normal: np.ndarray,
    gradient: np.ndarray,
    limits: np.ndarray,
    damping: float,
) -> tuple[np.ndarray | None, Evaluated, float, float, int]:
    """A step that lowers the target, or None; the model and objective there, damping, trials."""
    tried = 0
    before = _objective(at, x, target, prior)
    may_move = movable(x, gradient, limits)
    while damping < MAX_DAMPING and may_move.any():
        proposed = np.clip(x + damped_solution(normal, gradient, may_move, damping), *limits)
        there = problem.evaluate(proposed)
        after = _objective(there, proposed, target, prior)
        tried += 1
        if after < before:
            return proposed, there, after, max(damping / 10.0, MIN_DAMPING), tried
        damping = max(10.0 * damping, 1e-3)
    return None, at, before, damping, tried


def movable(x: np.ndarray, gradient: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(m,) bool: parameters that are not at a limit, or move away from it."""
    return ((x > limits[0]) | (gradient < 0)) & ((x < limits[1]) | (gradient > 0))


def damped_solution(
    normal: np.ndarray, gradient: np.ndarray, movable: np.ndarray, damping: float
) -> np.ndarray:
    """(m,) step by the damped normal equations; parameters without effect do not change."""
    diagonal = _diagonal(normal)
    unit = np.where(diagonal > 0, np.sqrt(diagonal), 1.0)
    chosen = np.flatnonzero(movable & (diagonal > 0))
    scaled = normal / np.outer(unit, unit)
    if len(chosen) < len(normal):
        scaled = scaled[np.ix_(chosen, chosen)]
    _diagonal(scaled)[:] += damping
    step = np.zeros_like(gradient)
    step[chosen] = -np.linalg.solve(scaled, gradient[chosen] / unit[chosen]) / unit[chosen]
    return step


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    """(m,) view of the diagonal of a contiguous matrix (m, m)."""
    return matrix.reshape(-1)[:: len(matrix) + 1]
