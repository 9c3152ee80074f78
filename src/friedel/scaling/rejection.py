"""Rejection of outliers: reflections far from the model are excluded from the fit.

A robust target limits the influence of outliers on the scales; excluding them removes it. Only a
model that they have hardly influenced can identify outliers, hence several fits are needed.
"""

import math

import numpy as np

from friedel.notes import Note
from friedel.scaling.data import ScalingData
from friedel.scaling.fitting import ScalingFit, is_exact
from friedel.scaling.outliers import OUTLIER_SIGMA, residual_scale

MAX_REJECTED = 0.02
"""Largest fraction of the data that is rejected. Where more reflections are far from the model, the
model is probably wrong, and the data that show this must not be rejected."""


def near_model(
    data: ScalingData, fitted: ScalingFit, weights: np.ndarray | None = None
) -> np.ndarray:
    """(n,) bool: true for the data that are not outliers of a fit by a robust target.

    Outliers have residuals (weighted if the fit was) larger than
    :data:`friedel.scaling.outliers.OUTLIER_SIGMA` robust standard deviations of similar
    reflections. At most a fraction :data:`MAX_REJECTED` is rejected, the largest residuals first.
    Nothing is rejected when the fit is exact, or when too few reflections would remain.

    Parameters
    ----------
    data
        Reflections to check; they may include some that were not in the fit.
    weights
        (n,) factors of the residuals, or None for 1.
    """
    residuals = data.residuals(fitted.parameters, weights)
    distance = np.abs(residuals) / residual_scale(data.crystal, data.hkl, residuals)
    most = _max_rejected(len(data))
    near = distance <= max(OUTLIER_SIGMA, float(np.partition(distance, -most - 1)[-most - 1]))
    if is_exact(fitted, data) or near.sum() <= fitted.n_parameters:
        return np.ones(len(data), bool)
    return near


def about_rejected(near: np.ndarray) -> tuple[Note, ...]:
    """The note on the reflections that are not in `near` (n,)."""
    n = int((~near).sum())
    if n == 0:
        return ()
    text = f"{n} outlier{' is' if n == 1 else 's are'} left out of the last fit"
    if n == _max_rejected(len(near)):
        text += (
            f", those farthest from the model; at most {MAX_REJECTED:.0%} of the data are rejected"
        )
    return (Note(text, "left out", n),)


def _max_rejected(n: int) -> int:
    return min(math.ceil(MAX_REJECTED * n), n - 1)
