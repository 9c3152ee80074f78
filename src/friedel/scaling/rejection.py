"""The last fit, to the reflections that are not far from the model.

A robust target bounds what an outlier can do to the scales; left out, it does nothing at all. Which
are outliers can only be told by a model that has hardly been moved by them, hence two fits.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from friedel.scaling.choice import EXACT
from friedel.scaling.data import ScalingData
from friedel.scaling.fitting import ScalingFit, fit
from friedel.scaling.outliers import FAR, local_scale


def refit_without_outliers(
    data: ScalingData,
    first: ScalingFit,
    *,
    weights: np.ndarray | None = None,
    **options: Any,
) -> ScalingFit:
    """The same fit without reflections beyond :data:`friedel.scaling.outliers.FAR`.

    Distances are in robust standard deviations of (weighted) residuals at similar resolution, so
    that strong reflections at low resolution, which tell of the solvent, stay.

    Parameters
    ----------
    first
        The fit to all of `data`, by a robust target.
    weights, options
        See :func:`friedel.scaling.fit`.
    """
    residuals = data.amplitudes(first.parameters) - data.f_obs
    if weights is not None:
        residuals *= weights
    near = np.abs(residuals) <= FAR * local_scale(data.stol2, residuals)
    is_exact = first.target.scale < EXACT * float(np.mean(data.f_obs))
    if near.all() or is_exact or near.sum() <= first.n_parameters:
        return first
    kept = None if weights is None else weights[near]
    last = fit(data.select(near), start=first.parameters, weights=kept, **options)
    n_far = int((~near).sum())
    far = "1 reflection is" if n_far == 1 else f"{n_far} reflections are"
    note = f"{far} far from the model and left out of the last fit"
    return replace(last, notes=(*dict.fromkeys(first.notes + last.notes), note))
