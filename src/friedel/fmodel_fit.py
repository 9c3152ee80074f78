"""What :class:`friedel.FModel` fits, one after the other: mask, twin law, shape of the scale."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from friedel import starts
from friedel.observed import Observed
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit
from friedel.scaling.choice import FLAT, Shape, candidates, choose_shape
from friedel.scaling.rejection import refit_without_outliers
from friedel.twinning import TwinDomain, best_twin
from friedel.unscaled import UnscaledModel


@dataclass(frozen=True)
class FitSettings:
    """How to fit; the names are those of :class:`friedel.FModel`.

    Attributes
    ----------
    twin_laws
        Matrices by law, of which the best is taken; empty for no twin.
    """

    source: str
    solvent: str
    target: str
    search_mask: bool
    twin_laws: Mapping[str, np.ndarray]
    progress: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, eq=False)
class FModelFit:
    """The outcome.

    Attributes
    ----------
    unscaled
        The model that the scales belong to, with the mask that was found.
    scaling
        The scales, how well they fit, how many numbers were fitted, and notes.
    shape
        What was fitted besides k_overall and B.
    twin
        The other domain; None without twinning.
    """

    unscaled: UnscaledModel
    scaling: ScalingFit
    shape: Shape = FLAT
    twin: TwinDomain | None = None


def fit_fmodel(
    unscaled: UnscaledModel,
    observed: Observed,
    settings: FitSettings,
    start: ScaleParameters | None = None,
    fixed: Collection[str] = (),
) -> FModelFit:
    """Fit scales, and whatever else is asked for, to the reflections that are not left out.

    Parameters
    ----------
    start, fixed
        See :meth:`friedel.FModel.fit`.
    """
    chosen = observed.work
    options: dict[str, Any] = {
        "target": settings.target,
        "fixed": fixed,
        "k_sol_min": -np.inf if settings.source == "neutron" else 0.0,
        "weights": None if observed.weights is None else observed.weights[chosen],
    }
    searched = settings.search_mask and unscaled.masked is not None
    if searched:
        unscaled = _with_best_mask(unscaled, observed, settings, start, options)
    data = unscaled.scaling_data(observed.f_obs.values, chosen)
    flat = _best_flat_fit(data, settings, start, options)
    shape, fitted, twin, notes = FLAT, flat, None, tuple[str, ...]()
    if settings.twin_laws:
        domains = (unscaled.twin_domain(*law) for law in settings.twin_laws.items())
        twin, data, fitted = best_twin(data, flat, domains, chosen, options)
    kind = "flat" if settings.solvent == "babinet" else settings.solvent
    shapes = candidates(data, kind, fixed)
    if shapes != [FLAT]:
        shape, fitted, notes = choose_shape(
            data, shapes, fitted.parameters, progress=settings.progress, **options
        )
    if settings.target != "ls":
        options["fixed"] = shape.held | set(fixed)
        fitted = refit_without_outliers(data, fitted, **options)
    n, notes = fitted.n_parameters + 2 * searched, fitted.notes + notes
    return FModelFit(unscaled, replace(fitted, notes=notes, n_parameters=n), shape, twin)


def _best_flat_fit(
    data: ScalingData,
    settings: FitSettings,
    start: ScaleParameters | None,
    options: dict[str, Any],
) -> ScalingFit:
    solvent = "babinet" if settings.solvent == "babinet" else settings.source
    usual = [start] if start else starts.usual_starts(data, solvent, options["fixed"])
    return starts.best_fit(data, usual, options)


def _with_best_mask(
    unscaled: UnscaledModel,
    observed: Observed,
    settings: FitSettings,
    start: ScaleParameters | None,
    options: dict[str, Any],
) -> UnscaledModel:
    chosen = observed.work
    assert unscaled.masked is not None
    data = unscaled.scaling_data(observed.f_obs.values, chosen)
    near = _best_flat_fit(data, settings, start, options).parameters
    found = starts.mask_that_fits(unscaled.masked, data, chosen, near, options, settings.progress)
    return unscaled.with_mask(found)
