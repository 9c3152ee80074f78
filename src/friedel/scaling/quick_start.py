"""Starting values for the fit: linear regression of logarithms of amplitudes."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from friedel.scaling.data import ScalingData
from friedel.scaling.parameters import UNIT_TENSOR, ScaleParameters, as_floats

MOST_BEYOND = 10.0
"""Amplitudes beyond this multiple of those of the strongest hundredth are outliers."""


def fit_isotropic_b(
    data: ScalingData, start: ScaleParameters | None = None, fixed: Collection[str] = ()
) -> ScaleParameters:
    """k_overall and one B from a straight line through log(F_obs / |F_model|) against stol2.

    The solvent is that of `start`. The result is a start for :func:`friedel.scaling.fit`.
    """
    # the unit tensor is invariant under any symmetry
    return _fit_log_ratio(data, start or ScaleParameters(), fixed, UNIT_TENSOR, data.stol2[None])


def fit_anisotropic_b(
    data: ScalingData, start: ScaleParameters | None = None, fixed: Collection[str] = ()
) -> ScaleParameters:
    """k_overall and B with all components that symmetry allows, by linear least squares."""
    return _fit_log_ratio(data, start or ScaleParameters(), fixed, data.b_basis, data.exponents)


def without_outliers(f_obs: np.ndarray) -> np.ndarray:
    """(n,) amplitudes, of which none is beyond ten times those of the strongest hundredth.

    A single wrong amplitude would otherwise determine the start.
    """
    if not len(f_obs):
        return f_obs
    at = len(f_obs) - 1 - max(1, len(f_obs) // 100)
    return np.minimum(f_obs, MOST_BEYOND * np.partition(f_obs, max(at, 0))[max(at, 0)])


def _fit_log_ratio(
    data: ScalingData,
    start: ScaleParameters,
    fixed: Collection[str],
    tensors: np.ndarray,
    exponents: np.ndarray,
) -> ScaleParameters:
    unscaled = data.unscaled_amplitudes(start.solvent_scale(data.stol2))
    usable = (data.f_obs > 0) & (unscaled > 0)
    f_obs, unscaled, exponents = data.f_obs[usable], unscaled[usable], exponents[:, usable]
    # The error of a logarithm is inversely proportional to its argument. Weights contain both
    # amplitudes: either alone would favour reflections where it happens to be the larger one.
    f_obs = without_outliers(f_obs)
    weights = f_obs * unscaled
    rows = []
    if "k_overall" in fixed:
        unscaled = unscaled * start.k_overall
    else:
        rows.append(np.ones((1, len(f_obs))))
    if "b_overall" in fixed:
        known = ScaleParameters(1.0, start.b_overall)
        unscaled = unscaled * known.overall_scale(data.crystal, data.hkl[usable])
    else:
        rows.append(-exponents)
    if not rows or len(f_obs) < 1 + len(tensors):
        return start
    columns = np.concatenate(rows)
    weighted = columns * weights
    logs = np.log(f_obs / unscaled)
    solution = np.linalg.lstsq(weighted @ columns.T, weighted @ logs, rcond=None)[0]
    result = start
    if "k_overall" not in fixed:
        result = replace(result, k_overall=float(np.exp(solution[0])))
        solution = solution[1:]
    if "b_overall" not in fixed:
        result = replace(result, b_overall=as_floats(solution @ tensors))
    return result
