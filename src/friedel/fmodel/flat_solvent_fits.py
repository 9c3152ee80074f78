"""Starting values of flat-solvent fits for each radiation, and the best of several fits."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from friedel import scaling
from friedel.errors import ParameterError
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit
from friedel.scaling.choice import FLAT
from friedel.solvent.masked_solvent import MaskedSolvent, best_mask

SOLVENT_DENSITIES = {
    "xray": (scaling.MEAN_K_SOL,),
    "electron": (0.05, 0.20),
    "mott-bethe": (0.05, 0.20),
    "neutron": (-0.056, 0.30, 0.64),
}
"""Starting values of k_sol, of which the best fit is kept. Water has 0.10 Å/Å^3 for electrons;
the outer values for neutrons are those of light and heavy water, fm/Å^3."""

BABINET_START = ScaleParameters(k_sol=0.8, b_sol=200.0)
"""Density of solvent divided by that of protein, and B (Å^2) of its boundary [Moews1975]."""


def usual_starts(data: ScalingData, source: str, fixed: Collection[str]) -> list[ScaleParameters]:
    """Starts for usual solvents of a source, or ``"babinet"``; k_overall and B by a linear fit."""
    if source == "babinet":
        averages = [BABINET_START]
    else:
        averages = [ScaleParameters(k_sol=k) for k in SOLVENT_DENSITIES[source]]
    if not data.has_solvent:
        averages = [ScaleParameters(k_sol=0.0)]
    return [scaling.fit_isotropic_b(data, average, fixed) for average in averages]


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


def best_fit(
    data: ScalingData, starts: Sequence[ScaleParameters], options: dict[str, Any]
) -> ScalingFit:
    """The best of the fits of a flat solvent; `options` are those of :func:`scaling.fit`."""
    options = options | {"fixed": FLAT.held | set(options["fixed"])}
    return min((scaling.fit(data, start=s, **options) for s in starts), key=lambda f: f.value)


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
