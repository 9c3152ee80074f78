"""Fit of a Gaussian sum to a form factor given as a table or formula, with its error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.scattering.formfactors.gaussians import GaussianSum

BROADEST, NARROWEST = 600.0, 0.5
"""Range of the initial exponents: from BROADEST (Å^2) down to NARROWEST / stol_max^2."""


@dataclass(frozen=True)
class FittedSum(GaussianSum):
    """A Gaussian sum that approximates a curve.

    Parameters
    ----------
    a, b
        Coefficients of a `GaussianSum`.
    max_error
        Largest deviation from the curve at its points, in the unit of f.
    stol_max
        Upper end of the curve, sin(theta)/lambda in 1/Å.
    """

    max_error: float = 0.0
    stol_max: float = np.inf


def fit_gaussians(
    stol: Sequence[float] | np.ndarray,
    f: Sequence[float] | np.ndarray,
    *,
    n_terms: int = 6,
    sigma: Sequence[float] | np.ndarray | float = 1.0,
) -> FittedSum:
    """The Gaussian sum nearest to a tabulated form factor.

    Parameters
    ----------
    stol
        (n,) sin(theta)/lambda, 1/Å; at least twice as many as terms.
    f
        (n,) form factor at these points, in any unit.
    n_terms
        Number of Gaussians.
    sigma
        (n,) or one number: differences are divided by it; ``sigma=f`` fits relative errors.

    Returns
    -------
    FittedSum
        The sum with its largest error, which the caller should check: not every curve is a sum
        of few Gaussians.

    Raises
    ------
    ParameterError
        When there are too few points, or they are not finite or have negative stol.

    Notes
    -----
    For given exponents the best amplitudes follow from linear least squares, so that only
    the logarithms of the exponents are searched for [Golub1973].
    """
    from scipy.optimize import least_squares

    x, y = np.asarray(stol, np.float64), np.asarray(f, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2 * n_terms or n_terms < 1:
        raise ParameterError(
            f"got stol of shape {x.shape} and f of shape {y.shape}; expected two equally long "
            f"lists of at least {2 * max(n_terms, 1)} numbers for {n_terms} Gaussians"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x >= 0).all() and x.any()):
        raise ParameterError("a tabulated form factor needs finite numbers and stol >= 0")
    weight = 1.0 / np.broadcast_to(np.asarray(sigma, np.float64), x.shape)
    if not np.isfinite(weight).all():
        raise ParameterError("sigma must be finite numbers other than 0")

    def amplitudes(log_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        basis = np.exp(-np.exp(log_b) * x[:, None] ** 2)
        a = np.linalg.lstsq(basis * weight[:, None], y * weight, rcond=1e-12)[0]
        return a, basis @ a - y

    low, high = float(np.log(NARROWEST / x.max() ** 2)), float(np.log(BROADEST))
    found = least_squares(
        lambda log_b: amplitudes(log_b)[1] * weight,
        np.linspace(low, high, n_terms + 2)[1:-1],
        # Bounds between a constant and a term that no crystal resolves, to keep the search stable
        bounds=(low - 3.0, high + 3.0),
        x_scale=1.0,
        max_nfev=200,
    )
    a, difference = amplitudes(found.x)
    return FittedSum(
        tuple(a), tuple(np.exp(found.x)), float(np.abs(difference).max()), float(x.max())
    )
