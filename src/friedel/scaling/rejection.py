"""Which reflections a fit should not be moved by: those that are far from the model.

A robust target bounds what an outlier can do to the scales; left out, it does nothing at all. Which
are outliers can only be told by a model that has hardly been moved by them, hence several fits.
"""

import math

import numpy as np

from friedel.notes import Note
from friedel.scaling.data import ScalingData
from friedel.scaling.fitting import ScalingFit, is_exact
from friedel.scaling.outliers import FAR, residual_scale

MOST = 0.02
"""The greatest share of the data that is taken for outliers. Where more are far from the model it
is likely to be the model that is wrong, and good data would go first where they tell so."""


def near_model(
    data: ScalingData, fitted: ScalingFit, weights: np.ndarray | None = None
) -> np.ndarray:
    """(n,) bool: the data without the outliers of a fit by a robust target.

    These are residuals, weighted if the fit was, beyond :data:`friedel.scaling.outliers.FAR`
    robust standard deviations of reflections like them; no more than :data:`MOST` of all, the
    farthest. Of data that are met exactly, and of so few that they would not do for the fit, none.

    Parameters
    ----------
    data
        Not only those that were fitted to.
    weights
        (n,) factors of the residuals, or None for 1.
    """
    residuals = data.residuals(fitted.parameters, weights)
    distance = np.abs(residuals) / residual_scale(data.crystal, data.hkl, residuals)
    most = _most(len(data))
    near = distance <= max(FAR, float(np.partition(distance, -most - 1)[-most - 1]))
    if is_exact(fitted, data) or near.sum() <= fitted.n_parameters:
        return np.ones(len(data), bool)
    return near


def about_rejected(near: np.ndarray) -> tuple[Note, ...]:
    """What to say of the reflections that are not in `near` (n,)."""
    n = int((~near).sum())
    if n == 0:
        return ()
    text = f"{n} outlier{' is' if n == 1 else 's are'} left out of the last fit"
    if n == _most(len(near)):
        text += f", the farthest; more than {MOST:.0%} of the data never are"
    return (Note(text, "left out", n),)


def _most(n: int) -> int:
    return min(math.ceil(MOST * n), n - 1)
