"""Wilson plot: scale and overall B of intensities from a straight line [Wilson1942].

The mean intensity of atoms at random positions is epsilon k S exp(-2 B stol2), where S is the sum
of f^2 over the atoms of the cell and k the scale. Hence ln(<I / epsilon> / S) falls linearly with
stol2 = (sin theta / lambda)^2. Proteins deviate from the line at low resolution: they are no random
arrangements, and solvent surrounds them.
"""

from dataclasses import dataclass

import numpy as np

from friedel.model.crystal import Crystal

LINE_BEGINS = 4.0
"""Spacing (Å) below which the plot is taken as a straight line, as in TRUNCATE of CCP4."""
LEAST_RANGE = 3.5
"""Spacing (Å) that data must reach for a line from LINE_BEGINS; others use all reflections, whose
intensities are not on a line, so that their B is no more than a rough value."""
REFLECTIONS_PER_POINT, MOST_POINTS, LEAST_POINTS = 30, 40, 4


@dataclass(frozen=True)
class WilsonLine:
    """A straight line fitted to a Wilson plot.

    Attributes
    ----------
    b, b_sigma
        Overall B of the data, Å^2, and its standard uncertainty from the scatter of the points.
    scale
        k: intensities of the data over those in electrons^2.
    d_max, d_min
        Range of the line, Å.
    stol2, log_ratio
        Points of the plot: mean stol2 (1/Å^2) and ln(<I / epsilon> / S), of the whole range.
    fitted
        Which of the points the line was fitted to.
    """

    b: float
    b_sigma: float
    scale: float
    d_max: float
    d_min: float
    stol2: tuple[float, ...]
    log_ratio: tuple[float, ...]
    fitted: tuple[bool, ...]


def wilson_line(
    crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray, expected: np.ndarray
) -> WilsonLine | str:
    """Fit the line of a Wilson plot; text that gives the reason if that is impossible.

    Parameters
    ----------
    hkl
        (n, 3) unique reflections.
    intensity
        (n,) measured intensities, of any sign.
    expected
        (n,) sum of f^2 over all atoms of the cell, electrons^2, without displacements.
    """
    stol2 = crystal.stol2(hkl)
    # F of a centred cell is a multiple of that of a primitive one: S m instead of S
    multiple = len(crystal.centring_translations)
    ratio = intensity / (crystal.epsilon(hkl) * expected * multiple)
    n_points = int(np.clip(len(hkl) // REFLECTIONS_PER_POINT, 1, MOST_POINTS))
    shells = np.array_split(np.argsort(stol2, kind="stable"), n_points)
    x = np.array([stol2[shell].mean() for shell in shells])
    means = np.array([ratio[shell].mean() for shell in shells])
    n = np.array([len(shell) for shell in shells], float)
    usable = means > 0.0
    x, y, n = x[usable], np.log(means[usable]), n[usable]
    finest = 0.5 / np.sqrt(stol2.max())
    fitted = x > 0.25 / LINE_BEGINS**2 if finest <= LEAST_RANGE else np.ones(len(x), bool)
    if fitted.sum() < LEAST_POINTS:
        return (
            f"{len(hkl)} reflections give {int(fitted.sum())} points of a Wilson plot with "
            f"positive means, and a line needs {LEAST_POINTS}"
        )
    slope, intercept, slope_sigma = _line(x[fitted], y[fitted], n[fitted])
    return WilsonLine(
        b=-0.5 * slope,
        b_sigma=0.5 * slope_sigma,
        scale=float(np.exp(intercept)),
        d_max=0.5 / float(np.sqrt(x[fitted].min())),
        d_min=0.5 / float(np.sqrt(x[fitted].max())),
        stol2=tuple(x.tolist()),
        log_ratio=tuple(y.tolist()),
        fitted=tuple(fitted.tolist()),
    )


def _line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Slope, intercept and the uncertainty of the slope, by weighted least squares."""
    centre, height = np.average(x, weights=weights), np.average(y, weights=weights)
    spread = float((weights * (x - centre) ** 2).sum())
    slope = float((weights * (x - centre) * (y - height)).sum()) / spread
    residuals = y - height - slope * (x - centre)
    variance = float((weights * residuals**2).sum()) / max(len(x) - 2, 1)
    return slope, float(height - slope * centre), float(np.sqrt(variance / spread))
