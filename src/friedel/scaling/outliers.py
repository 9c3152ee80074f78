"""Outliers: reflections far from the model, their distance, and possible reasons."""

import math
from dataclasses import dataclass

import numpy as np

from friedel.model.crystal import Crystal
from friedel.writers.number_text import fixed

OUTLIER_SIGMA = 6.0
"""Distance from which on a residual is an outlier (robust standard deviations). Of normally
distributed residuals 2 in 10^9 are farther, of Laplace-distributed ones 1 in 10^4."""

UPPER_FRACTION, NORMAL_QUANTILE = 0.05, 1.959964
"""The width is estimated from the quantile that this fraction of the residuals exceeds, relative to
that quantile of the standard normal distribution. The median is not used: where most reflections
are weak, it depends only on the weak ones."""

TERMS, REFLECTIONS_PER_TERM = 4, 20
"""Number of terms of the polynomial in 1/d, and the least number of reflections per term."""

MIN_SIZE = 0.02
"""Smallest residual, as a fraction of the median: smaller ones are small by chance."""

WILSON_CHANCE = 0.01
"""Amplitudes are improbable if fewer than this number as large are expected in all the data."""

TOO_STRONG, TOO_WEAK = 2.0, 0.5
"""F_obs / F_model above or below which a reflection is much too strong or much too weak."""

BEAM_STOP_D = 10.0
"""Spacings (Å) that a beam stop may hide."""

ICE_RINGS = (3.897, 3.669, 3.441, 2.671, 2.249, 2.072, 1.948, 1.918, 1.883, 1.721)
"""Spacings of hexagonal ice, Å [Garman1997]."""
ICE_WIDTH = 0.01
"""Relative width of an ice ring in d."""


@dataclass(frozen=True)
class Outlier:
    """One reflection far from the model.

    Attributes
    ----------
    hkl
        Miller indices.
    d
        Spacing, Å.
    f_obs, f_model
        Amplitudes.
    distance
        F_obs - F_model in robust standard deviations of similar reflections.
    reason
        The likely reason, in words.
    """

    hkl: tuple[int, int, int]
    d: float
    f_obs: float
    f_model: float
    distance: float
    reason: str

    def __str__(self) -> str:
        h, k, l = self.hkl
        return (
            f"({h:3d} {k:3d} {l:3d}) {self.d:6.2f} A  Fobs {self.f_obs:9.4g}  "
            f"Fmodel {self.f_model:9.4g}  {fixed(self.distance, 1, '+'):>6s} sigma  {self.reason}"
        )


def find_outliers(
    crystal: Crystal,
    hkl: np.ndarray,
    f_obs: np.ndarray,
    f_model: np.ndarray,
    *,
    far: float = OUTLIER_SIGMA,
) -> list[Outlier]:
    """Reflections whose residual is improbable, the farthest first.

    Parameters
    ----------
    hkl
        (n, 3).
    f_obs, f_model
        (n,) amplitudes on one scale.
    far
        Distance from which on a reflection is an outlier, in robust standard deviations.
    """
    if len(f_obs) < 2:
        return []
    residual = f_obs - f_model
    distance = residual / residual_scale(crystal, hkl, residual)
    chosen = np.flatnonzero(np.abs(distance) > far)
    chosen = chosen[np.argsort(-np.abs(distance[chosen]), kind="stable")]
    improbable = _improbable_by_wilson(crystal, hkl, f_obs)
    return [
        Outlier(
            tuple(int(i) for i in hkl[j]),  # type: ignore[arg-type]
            float(d),
            float(f_obs[j]),
            float(f_model[j]),
            float(distance[j]),
            _reason(float(d), float(f_obs[j]), float(f_model[j]), bool(improbable[j])),
        )
        for j, d in zip(chosen, crystal.d_spacing(hkl[chosen]), strict=True)
    ]


def residual_scale(crystal: Crystal, hkl: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """(n,) robust standard deviation of the residuals of similar reflections.

    It depends on resolution, and is proportional to the root of epsilon (times 2 for centric
    reflections), like differences of amplitudes in Wilson statistics [Read1986]. Its logarithm is
    a cubic in 1/d, a least-squares fit to log |residual|, where an outlier is only a few units
    off; the factor is such that 5 % of the residuals are beyond 1.96. It does not depend on
    |F_model|: where a pseudo-translation or anisotropy separates strong from weak reflections,
    good data would be outliers because the model predicts them to be weak.

    Parameters
    ----------
    hkl
        (n, 3).
    residual
        (n,) differences of amplitudes, weighted or not.
    """
    root = np.sqrt(crystal.epsilon(hkl) * (1.0 + crystal.is_centric(hkl)))
    size = np.abs(residual) / root
    least = max(MIN_SIZE * float(np.median(size)), 1e-9 * float(size.max()), 1e-300)
    terms = _powers(np.sqrt(crystal.stol2(hkl)), len(size) // REFLECTIONS_PER_TERM)
    logs = np.log(np.maximum(size, least))
    shape = np.exp(terms @ np.linalg.lstsq(terms, logs, rcond=None)[0])
    width = float(np.quantile(size / shape, 1.0 - UPPER_FRACTION)) / NORMAL_QUANTILE
    return np.maximum(width * shape, least) * root


def _powers(stol: np.ndarray, affordable: int) -> np.ndarray:
    """(n, m) powers of `stol` scaled to -1..1."""
    middle, half = 0.5 * (stol.min() + stol.max()), 0.5 * float(np.ptp(stol)) + 1e-12
    return np.vander((stol - middle) / half, int(np.clip(affordable, 1, TERMS)), increasing=True)


def _improbable_by_wilson(crystal: Crystal, hkl: np.ndarray, f_obs: np.ndarray) -> np.ndarray:
    """(n,) bool: improbably strong by Wilson statistics for this number of data [Read1999]."""
    from friedel.reflections.mean_intensity import mean_intensity

    centric = crystal.is_centric(hkl)
    e2 = f_obs**2 / (crystal.epsilon(hkl) * mean_intensity(crystal, hkl, f_obs))
    chance = WILSON_CHANCE / len(f_obs)
    # The chance of a larger E is exp(-E^2) for acentric, erfc(E / sqrt 2) for centric reflections.
    # As erfc(x) < exp(-x^2), the limit for these is slightly too high, never too low
    acentric_limit = -math.log(chance)
    return e2 > np.where(centric, 2.0 * acentric_limit, acentric_limit)


def _reason(d: float, f_obs: float, f_model: float, improbable: bool) -> str:
    if improbable:
        return "stronger than Wilson statistics allow: not a measured amplitude?"
    if any(abs(d / ring - 1.0) < ICE_WIDTH for ring in ICE_RINGS) and f_obs > f_model:
        return "on an ice ring"
    if d > BEAM_STOP_D and f_obs < TOO_WEAK * f_model:
        return "too weak at low resolution: behind the beam stop?"
    if d > BEAM_STOP_D:
        return "low resolution: solvent model, or overload?"
    if f_obs > TOO_STRONG * f_model:
        return "much stronger than the model"
    if f_obs < TOO_WEAK * f_model:
        return "much weaker than the model"
    return "differs from the model"
