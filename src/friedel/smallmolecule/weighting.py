"""Weights chosen so that the goodness of fit is 1 in all ranges of intensity and resolution."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from friedel.smallmolecule.intensities import FittedIntensities, shelx_weights

N_RANGES = 10
"""Number of ranges of intensity, and of resolution, each with as many reflections."""

LARGEST_A = 0.2
"""Largest a, as in SHELXL."""

MAX_CYCLES = 10
"""Largest number of cycles of fitting scales and weights."""

CONVERGED = 1e-4
"""Change of a and b below which the weights have converged: they have four decimals."""


def fit_weights(
    fit: Callable[[tuple[float, float]], FittedIntensities],
    f2: np.ndarray,
    sigmas: np.ndarray,
    stol2: np.ndarray,
    n_parameters: int,
) -> tuple[tuple[float, float], FittedIntensities]:
    """A and b of WGHT as SHELXL suggests them, and the fit with them.

    The scales are fitted with fixed a and b, and then a and b to the residuals, in turn.

    Parameters
    ----------
    fit
        The fit of the scales with given a and b.
    f2, sigmas, stol2
        (n,) measured F^2, its standard uncertainties, and (sin theta / lambda)^2, 1/Å^2.
    n_parameters
        Parameters of the whole refinement.
    """
    chosen = (0.0, 0.0)
    fitted = fit(chosen)
    for _ in range(MAX_CYCLES):
        before = chosen
        chosen = suggested_weights(
            f2, sigmas, fitted.f2_model, fitted.correction, stol2, n_parameters
        )
        fitted = fit(chosen)
        if not fitted.converged or np.abs(np.subtract(chosen, before)).max() <= CONVERGED:
            break
    return chosen, fitted


def suggested_weights(
    f2: np.ndarray,
    sigmas: np.ndarray,
    f2_model: np.ndarray,
    correction: np.ndarray,
    stol2: np.ndarray,
    n_parameters: int,
) -> tuple[float, float]:
    """A and b (four decimals) for which the goodness of fit varies least and is nearest to 1.

    Minimised is the sum of (S - 1)^2 over ten ranges of the calculated F^2 and ten of the
    resolution, S being the goodness of fit in the range; SHELXL's analysis of variance
    [Sheldrick2015] has such ranges.

    Parameters
    ----------
    f2_model, correction
        (n,) as of :class:`friedel.smallmolecule.intensities.FittedIntensities`.
    """
    n = len(f2)
    freedom = max(n - n_parameters, 1)
    n_ranges = min(N_RANGES, max(n // N_RANGES, 1))
    ranges = [
        part
        for values in (f2_model, stol2)
        for part in np.array_split(np.argsort(values), n_ranges)
    ]
    squares = (f2 - f2_model) ** 2
    positive = np.maximum(f2_model, 0.0)  # as in the fit

    def variation(scaled: np.ndarray) -> float:
        a, b = scaled * units
        weighted = squares * shelx_weights(f2, sigmas, positive, correction, a, b)
        goodness = [np.sqrt(weighted[part].mean() * n / freedom) for part in ranges]
        return float(((np.array(goodness) - 1.0) ** 2).sum())

    p = (np.maximum(f2, 0.0) + 2.0 * np.maximum(f2_model, 0.0)) / 3.0
    ratio = np.median(sigmas**2 / np.maximum(correction * p, 1e-3 * p.max() * correction))
    units = np.array([0.02, max(float(ratio), 1e-12)])
    starts = [(a, b) for a in (0.0, 0.5, 1.5, 4.0) for b in (0.0, 0.3, 2.0, 10.0)]
    first = min(starts, key=lambda start: variation(np.array(start)))
    bounds = [(0.0, LARGEST_A / units[0]), (0.0, None)]
    found = minimize(
        variation,
        first,
        method="Nelder-Mead",
        bounds=bounds,
        options={"xatol": 1e-4, "fatol": 1e-9},
    )
    a, b = found.x * units
    return round(float(a), 4), round(float(b), 4)
