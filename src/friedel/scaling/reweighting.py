"""Iteratively reweighted least squares with Levenberg's damping and lower limits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from friedel.scaling.targets import Target

MAX_STEPS = 200
"""Robust fits of scales take 5 to 40."""

ENOUGH = 1e-7
"""Nats per reflection: a million of them could not tell a smaller gain in likelihood."""

LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e12

ADAPTATIONS = 10
"""Steps after which a scale that still changes is kept, so that the rest can settle."""


@dataclass(frozen=True)
class Prior:
    """Independent normal distributions of parameters; of infinite width where nothing is known.

    Parameters
    ----------
    centre, width
        (m,).
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
        """(m,) of the loss."""
        return (x - self.centre) / self.width**2


def reweighted_fit(
    residuals: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    target: Target,
    x: np.ndarray,
    limits: np.ndarray,
    prior: Prior,
    tolerance: float = ENOUGH,
) -> tuple[np.ndarray, Target, int, bool]:
    """The minimum of a target and a prior near `x`.

    Parameters
    ----------
    residuals, jacobian
        Of (m,) parameters: (n,) and (n, m).
    target
        Its scale is adapted on the way.
    x
        (m,) start.
    limits
        (m,) lower limits of the parameters.
    prior
        What is known of them.
    tolerance
        Gain in nats per reflection that is not worth another step.

    Returns
    -------
    x, target, evaluations, converged
        Parameters, the adapted target, how often residuals were evaluated, whether the
        target stopped falling.
    """
    x = np.maximum(x, limits)
    r = residuals(x)
    target = target.adapted(r)
    damping, evaluations, settled = 1e-3, 1, 0
    for step in range(MAX_STEPS):
        if not len(x):
            return x, target, evaluations, True
        before = target.surprise(r).mean() + prior.loss(x) / len(r)
        if step < ADAPTATIONS or step % ADAPTATIONS == 0:
            target = target.adapted(r)
        normal, gradient = _normal_equations(jacobian(x), r, target)
        gradient += prior.gradient(x)
        normal[np.diag_indices_from(normal)] += prior.curvature

        def loss(residuals: np.ndarray, x: np.ndarray, target: Target = target) -> float:
            return float(target.loss(residuals).sum()) + prior.loss(x)

        moved, r_moved, damping, tried = _damped_step(
            residuals, loss, x, r, normal, gradient, limits, damping
        )
        evaluations += tried
        if moved is None:
            return x, target, evaluations, True
        x, r = moved, r_moved
        gain = abs(before - target.surprise(r).mean() - prior.loss(x) / len(r))
        # twice, as the scale and the parameters take turns
        settled = settled + 1 if gain < tolerance else 0
        if settled == 2:
            return x, target.adapted(r), evaluations, True
    return x, target, evaluations, False


def _normal_equations(
    jacobian: np.ndarray, r: np.ndarray, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    # in the transpose the rows are contiguous
    weighted = jacobian.T * (target.weights(r) / target.scale**2)
    return weighted @ jacobian, weighted @ r


def _damped_step(
    residuals: Callable[[np.ndarray], np.ndarray],
    loss: Callable[[np.ndarray, np.ndarray], float],
    x: np.ndarray,
    r: np.ndarray,
    normal: np.ndarray,
    gradient: np.ndarray,
    limits: np.ndarray,
    damping: float,
) -> tuple[np.ndarray | None, np.ndarray, float, int]:
    """A step that lowers the target, or None; the residuals after it, damping, trials."""
    before, tried = loss(r, x), 0
    movable = (x > limits) | (gradient < 0)
    while damping < MOST_DAMPING and movable.any():
        proposed = np.maximum(x + _step(normal, gradient, movable, damping), limits)
        with np.errstate(over="ignore", invalid="ignore"):
            r_proposed = residuals(proposed)
            after = loss(r_proposed, proposed)
        tried += 1
        if after < before:
            return proposed, r_proposed, max(damping / 10.0, LEAST_DAMPING), tried
        damping *= 10.0
    return None, r, damping, tried


def _step(
    normal: np.ndarray, gradient: np.ndarray, movable: np.ndarray, damping: float
) -> np.ndarray:
    """Solution of the damped normal equations; parameters without effect do not move."""
    diagonal = np.diag(normal)
    unit = np.where(diagonal > 0, np.sqrt(diagonal), 1.0)
    chosen = np.flatnonzero(movable & (diagonal > 0))
    scaled = normal[np.ix_(chosen, chosen)] / np.outer(unit[chosen], unit[chosen])
    scaled[np.diag_indices_from(scaled)] += damping
    step = np.zeros_like(gradient)
    step[chosen] = -np.linalg.solve(scaled, gradient[chosen] / unit[chosen]) / unit[chosen]
    return step
