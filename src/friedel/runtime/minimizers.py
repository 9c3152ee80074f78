"""Minimisers for few parameters: the steps of ``scipy.optimize``, without its import.

Importing SciPy's minimisers takes longer than all fits of a protein. Only the usual course of each
method is here; where it is left, SciPy does the whole minimisation. The results have the same bits.
"""

from collections.abc import Callable
from typing import TypedDict

import numpy as np

from friedel.runtime import scipy_parts

SCORING_STEPS, SHORTEST_STEP, LONGEST_STEP = 30, 2e-3, 2.0
"""Largest number of steps of :func:`scoring`; lengths at which it stops, and that it may not
exceed."""

LEAST_INFORMATION = 1e-9
"""Added to the information, which avoids a division by zero."""

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""A function of the parameters that returns its value and its gradient (m,)."""

Curvature = Callable[[np.ndarray], np.ndarray]
"""A function of the parameters that returns the second derivatives (m, m)."""

GRADIENT_TOLERANCE = 1e-5
"""Largest element of the gradient at which :func:`bfgs` stops."""

STEPS_PER_PARAMETER = 200

ACCEPTED_RATIO = 0.15
"""Smallest ratio of the actual to the predicted decrease of an accepted step."""

RADIUS_TOLERANCE = 0.1
"""Largest relative difference of the length of a step from the radius that it should have."""

LEAST_SHARE = 0.01
"""Fraction of the range of possible shifts of the eigenvalues at which the search begins."""

SHIFTS = 20
"""Number of shifts of the eigenvalues that are tried; two or three suffice."""


def bfgs(function: Function, start: np.ndarray) -> np.ndarray:
    """Parameters (m,) at the minimum, as by SciPy's ``minimize(method="BFGS")``."""
    found = _bfgs(_Remembered(function), start)
    if found is not None:
        return found
    import scipy.optimize

    result = scipy.optimize.minimize(function, start, jac=True, method="BFGS")
    return np.asarray(result.x)


def _bfgs(function: "_Remembered", x: np.ndarray) -> np.ndarray | None:
    search = scipy_parts.line_search()
    if search is None:
        return None
    value, gradient = function.value(x), function.gradient(x)
    before = value + np.linalg.norm(gradient) / 2
    identity = np.eye(len(x), dtype=int)
    inverse = identity
    for _ in range(STEPS_PER_PARAMETER * len(x)):
        if not np.abs(gradient).max() > GRADIENT_TOLERANCE:
            break
        direction = -np.dot(inverse, gradient)
        length, _, _, new_value, before, new_gradient = search(
            function.value, function.gradient, x, direction, gradient, value, before,
            amin=1e-100, amax=1e100, c1=1e-4, c2=0.9,
        )  # fmt: skip
        if length is None or new_gradient is None or not np.isfinite(new_value):
            return None
        step = length * direction
        x, value = x + step, new_value
        change, gradient = new_gradient - gradient, new_gradient
        along = np.dot(change, step)
        if along == 0.0:
            return None
        scale = 1.0 / along
        left = identity - step[:, None] * change[None, :] * scale
        right = identity - change[:, None] * step[None, :] * scale
        inverse = np.dot(left, np.dot(inverse, right)) + scale * step[:, None] * step[None, :]
    return x


def scoring(
    function: Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]], start: np.ndarray
) -> np.ndarray:
    """Parameters (m,) at the minimum of a negative log-likelihood, by Fisher's scoring.

    Few evaluations suffice, and small errors of the function do no harm.

    Parameters
    ----------
    function
        The value, its gradient (m,), and the information (m, m): the sum of the outer products of
        the gradients of all observations, positive definite.
    start
        (m,) parameters.
    """
    x, (value, gradient, information) = start, function(start)
    for _ in range(SCORING_STEPS):
        step = -np.linalg.solve(information + LEAST_INFORMATION * np.eye(len(x)), gradient)
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), LEAST_INFORMATION))
        if np.abs(step).max() < SHORTEST_STEP:
            break
        new = function(x + step)
        while new[0] > value and np.abs(step).max() >= SHORTEST_STEP:
            step = 0.5 * step
            new = function(x + step)
        if new[0] > value:
            break
        x, (value, gradient, information) = x + step, new
    return x


class SearchOptions(TypedDict):
    """Options of SciPy's trust-exact."""

    gtol: float
    initial_trust_radius: float
    max_trust_radius: float
    maxiter: int


def trust_exact(
    function: Function, curvature: Curvature, start: np.ndarray, options: SearchOptions
) -> np.ndarray:
    """Parameters (m,) at the minimum, as by SciPy's ``minimize(method="trust-exact")``."""
    found = _trust_exact(function, curvature, start, options)
    if found is not None:
        return found
    import scipy.optimize

    result = scipy.optimize.minimize(
        function, start, jac=True, hess=curvature, method="trust-exact", options=options
    )
    return np.asarray(result.x)


def _trust_exact(
    function: Function, curvature: Curvature, x: np.ndarray, options: SearchOptions
) -> np.ndarray | None:
    if scipy_parts.lapack() is None or scipy_parts.blas() is None:
        return None
    norm = scipy_parts.blas().dnrm2
    radius = options["initial_trust_radius"]
    value, gradient = function(x)
    form = None
    for _ in range(options["maxiter"]):
        if not norm(gradient) >= options["gtol"]:
            break
        if form is None:
            form = _QuadraticForm(curvature(x), gradient)
        found = form.step(radius)
        if found is None:
            return None
        step, at_boundary = found
        predicted = value - (
            value + np.dot(gradient, step) + 0.5 * np.dot(step, form.hessian @ step)
        )
        new_value, new_gradient = function(x + step)
        if not predicted > 0.0:
            break
        ratio = (value - new_value) / predicted
        if ratio < 0.25:
            radius *= 0.25
        elif ratio > 0.75 and at_boundary:
            radius = min(2.0 * radius, options["max_trust_radius"])
        if ratio > ACCEPTED_RATIO:
            x, value, gradient, form = x + step, new_value, new_gradient, None
    return x


class _QuadraticForm:
    """A function to second order at one point, and the steps to its minimum inside radii.

    Parameters
    ----------
    hessian, gradient
        (m, m) and (m,) derivatives at the point.
    """

    def __init__(self, hessian: np.ndarray, gradient: np.ndarray):
        self.hessian, self._gradient = hessian, gradient
        self._norm, self._lapack = scipy_parts.blas().dnrm2, scipy_parts.lapack()
        self._size = self._norm(gradient)
        self._diagonal, sums = np.diag(hessian), np.abs(hessian).sum(axis=1)
        norms = np.linalg.norm(hessian), self._lapack.dlange("1", hessian.T)
        # Bounds of the eigenvalues, by Gershgorin and by norms
        self._least = min(-min(self._diagonal + np.abs(self._diagonal) - sums), *norms)
        self._largest = min(max(self._diagonal - np.abs(self._diagonal) + sums), *norms)
        self._is_flat = self._size <= len(gradient) * np.finfo(float).eps * norms[1]
        self._lower, self._radius = 0.0, -1.0

    def step(self, radius: float) -> tuple[np.ndarray, bool] | None:
        """The step (m,), and whether it has the length of the radius.

        None where shifting the eigenvalues does not lead from longer steps to that of the radius.
        """
        lower = max(0.0, -min(self._diagonal), self._size / radius - self._largest)
        upper = max(0.0, self._size / radius + self._least)
        if radius < self._radius:
            lower = max(self._lower, lower)
        shift = lower and max(np.sqrt(lower * upper), lower + LEAST_SHARE * (upper - lower))
        self._lower, self._radius = lower, radius
        if self._is_flat:
            return None
        identity = np.eye(len(self._gradient))
        for _ in range(SHIFTS):
            factor, failed = self._lapack.dpotrf(
                self.hessian + shift * identity, lower=False, overwrite_a=False, clean=True
            )
            if failed:
                return None
            step, _ = self._lapack.dpotrs(factor, -self._gradient, lower=False)
            length = self._norm(step)
            if length <= radius and shift == 0.0:
                return step, False
            if length < radius:
                return None
            if (length - radius) / radius <= RADIUS_TOLERANCE:
                return step, True
            slope, _ = self._lapack.dtrtrs(factor, step, trans=1)
            self._lower = shift
            shift += (length / self._norm(slope)) ** 2 * (length - radius) / radius
        return None


class _Remembered:
    """Value and gradient of a function apart, calculated once at each point."""

    def __init__(self, function: Function):
        self._function = function
        self._x: np.ndarray | None = None

    def value(self, x: np.ndarray) -> float:
        return self._at(x)[0]

    def gradient(self, x: np.ndarray) -> np.ndarray:
        return self._at(x)[1]

    def _at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        if self._x is None or not np.array_equal(x, self._x):
            self._x, self._found = x.copy(), self._function(x)
        return self._found
