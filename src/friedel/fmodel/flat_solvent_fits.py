"""Fits of a flat solvent, their starts, and the search of its mask."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from friedel import scaling
from friedel.errors import ParameterError
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit
from friedel.scaling.choice import FLAT
from friedel.solvent.masked_solvent import MaskedSolvent, best_mask

BABINET_START = ScaleParameters(k_sol=0.8, b_sol=200.0)
"""Density of solvent divided by that of protein, and B (Å^2) of its boundary [Moews1975]."""


def quick_start(data: ScalingData, solvent: str, given: dict[str, Any]) -> ScaleParameters:
    """Given parameters, averages for others; k_overall and B from a straight line.

    Raises
    ------
    ParameterError
        When k_overall is not positive.
    """
    if given.get("k_overall", 1.0) <= 0:
        raise ParameterError(f"got k_overall = {given['k_overall']:g}, expected more than 0")
    average = BABINET_START if solvent == "babinet" else ScaleParameters()
    return scaling.fit_isotropic_b(data, replace(average, **given), fixed=given)


def start_of_flat_fit(data: ScalingData, solvent: str, options: dict[str, Any]) -> ScaleParameters:
    """Where a fit of a flat solvent starts; `options` are those of :func:`scaling.fit`."""
    average = BABINET_START if solvent == "babinet" else ScaleParameters()
    near = average if data.has_solvent else replace(average, k_sol=0.0)
    return scaling.start_of_fit(data, near, **_of_flat_fit(options))


def best_fit(
    data: ScalingData, starts: Sequence[ScaleParameters], options: dict[str, Any]
) -> ScalingFit:
    """The best of the fits of a flat solvent; `options` are those of :func:`scaling.fit`."""
    options = _of_flat_fit(options)
    return min((scaling.fit(data, start=s, **options) for s in starts), key=lambda f: f.value)


def _of_flat_fit(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"fixed": FLAT.held | set(options["fixed"])}


def mask_that_fits(
    masked: MaskedSolvent,
    data: ScalingData,
    chosen: np.ndarray,
    near: ScaleParameters,
    options: dict[str, Any],
    progress: Callable[[Sequence[Any]], Any],
) -> MaskedSolvent:
    """The mask of the best flat-solvent fit, searched from a starting mask.

    Parameters
    ----------
    chosen
        (m,) bool: which reflections of the solvent are those of `data`.
    near
        Scales at which each fit starts.
    """
    data = replace(data, f_layer=None)

    def misfit(tried: MaskedSolvent) -> float:
        with_it = replace(data, f_mask=tried.f_mask[chosen])
        return scaling.fit(with_it, start=near, **options).value

    return best_mask(masked, misfit, progress)
