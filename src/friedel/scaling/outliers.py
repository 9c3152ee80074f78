"""Reflections that are far from the model: which, how far, and what may be the reason."""

import math
from dataclasses import dataclass

import numpy as np

from friedel.crystal import Crystal
from friedel.scaling.targets import MAD_TO_SIGMA

FAR = 6.0
"""Robust standard deviations of the residuals at similar resolution; of normal ones, 2 in 10^9."""

SHELL_SIZE = 200
"""Reflections from which the width of the residuals at a resolution is estimated."""

WILSON_CHANCE = 0.01
"""Amplitudes so great that so many are expected among all the data are called improbable."""

STRONG, WEAK = 2.0, 0.5
"""F_obs / F_model from which on a reflection is called much too strong or much too weak."""

BEAM_STOP_D = 10.0
"""Spacings (A) that a beam stop may hide."""

ICE_RINGS = (3.897, 3.669, 3.441, 2.671, 2.249, 2.072, 1.948, 1.918, 1.883, 1.721)
"""Spacings of hexagonal ice, A [Garman1997]."""
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
        Spacing, A.
    f_obs, f_model
        Amplitudes.
    distance
        F_obs - F_model in robust standard deviations of those at similar resolution.
    reason
        What may be wrong with it, in words.
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
            f"Fmodel {self.f_model:9.4g}  {self.distance:+6.1f} sigma  {self.reason}"
        )


def find_outliers(
    crystal: Crystal,
    hkl: np.ndarray,
    f_obs: np.ndarray,
    f_model: np.ndarray,
    *,
    far: float = FAR,
) -> list[Outlier]:
    """Reflections whose residual is improbable, the farthest first.

    Parameters
    ----------
    hkl
        (n, 3).
    f_obs, f_model
        (n,) amplitudes on one scale.
    far
        How many robust standard deviations are too many.
    """
    if len(f_obs) < 2:
        return []
    residual = f_obs - f_model
    distance = residual / local_scale(crystal.stol2(hkl), residual)
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


def local_scale(stol2: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """(n,) robust standard deviation of the residuals at the resolution of each."""
    order = np.argsort(stol2, kind="stable")
    shells = np.array_split(order, max(1, len(order) // SHELL_SIZE))
    middles = [float(stol2[shell].mean()) for shell in shells]
    widths = [MAD_TO_SIGMA * float(np.median(np.abs(residual[shell]))) for shell in shells]
    least = 1e-9 * float(np.abs(residual).max(initial=0.0)) + 1e-300
    return np.maximum(np.interp(stol2, middles, widths), least)


def _improbable_by_wilson(crystal: Crystal, hkl: np.ndarray, f_obs: np.ndarray) -> np.ndarray:
    """(n,) bool: stronger than Wilson's statistics let expect among so many [Read1999]."""
    from friedel.sigmaa import mean_intensity

    centric = crystal.is_centric(hkl)
    e2 = f_obs**2 / (crystal.epsilon(hkl) * mean_intensity(crystal, hkl, f_obs))
    chance = WILSON_CHANCE / len(f_obs)
    # exp(-E^2) for acentric, erfc(E / sqrt 2) for centric reflections
    acentric_limit = -math.log(chance)
    centric_limit = 2.0 * acentric_limit  # erfc(x) < exp(-x^2): a little strict, never lax
    return e2 > np.where(centric, centric_limit, acentric_limit)


def _reason(d: float, f_obs: float, f_model: float, improbable: bool) -> str:
    if improbable:
        return "stronger than Wilson statistics allow: not a measured amplitude?"
    if any(abs(d / ring - 1.0) < ICE_WIDTH for ring in ICE_RINGS) and f_obs > f_model:
        return "on an ice ring"
    if d > BEAM_STOP_D and f_obs < WEAK * f_model:
        return "too weak at low resolution: behind the beam stop?"
    if d > BEAM_STOP_D:
        return "low resolution: solvent model, or overload?"
    if f_obs > STRONG * f_model:
        return "much stronger than the model"
    if f_obs < WEAK * f_model:
        return "much weaker than the model"
    return "differs from the model"
