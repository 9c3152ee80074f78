"""The fits of :class:`friedel.FModel`: first mask, then twin law, then shape of the scale."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from friedel.fmodel.flat_solvent_fits import best_fit, mask_that_fits, start_of_flat_fit
from friedel.fmodel.hydrogens import about_hydrogens
from friedel.fmodel.model_components import UnscaledModel
from friedel.fmodel.observed import Observed
from friedel.fmodel.twin_evidence import supported_domains
from friedel.fmodel.twinning import TwinDomain, TwinLaws, best_twin
from friedel.model.riding_hydrogens import RidingHydrogens
from friedel.notes import Note
from friedel.reflections.agreement import r_factor
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit, fit
from friedel.scaling.choice import (
    EQUIVALENCE_LIMIT,
    FLAT,
    LIMIT_FOR_SEARCHED,
    Shape,
    candidates,
    choose_shape,
)
from friedel.scaling.rejection import about_rejected, near_model
from friedel.scaling.targets import TARGETS
from friedel.scaling.undetermined import other_notes
from friedel.solvent.mask_parameters import MaskParameters

OTHER_RADII = "cctbx"
"""Radii of a mask that is empty by those that are the default."""


@dataclass(frozen=True)
class FitSettings:
    """How to fit; the names are those of :class:`friedel.FModel`.

    Attributes
    ----------
    twin_laws
        Laws of each possible twin, of which the best is chosen; empty for no twin.
    tests_twins
        Whether a law is only taken if the data are of a twin by it.
    hydrogens
        Riding hydrogens that are added if R falls; None for those of the model alone.
    other_radii_if_empty
        Whether a mask that is empty is made by cctbx's radii instead; the likelihood of reflections
        left out then decides whether there is solvent.
    """

    source: str
    solvent: str
    target: str
    search_mask: bool
    reject_outliers: bool
    twin_laws: Sequence[TwinLaws]
    tests_twins: bool
    progress: Callable[[Sequence[Any]], Any]
    hydrogens: RidingHydrogens | None = None
    other_radii_if_empty: bool = False

    @property
    def rejects(self) -> bool:
        """Whether outliers are left out of the last fit."""
        return self.reject_outliers and TARGETS[self.target].is_robust

    @property
    def k_sol_min(self) -> float:
        """The least k_sol: a solvent of H2O has a negative scattering density for neutrons."""
        return -np.inf if self.source == "neutron" else 0.0


@dataclass(frozen=True, eq=False)
class FModelFit:
    """The result of a fit.

    Attributes
    ----------
    unscaled
        The model to which the scales apply, with the mask that was found.
    scaling
        The scales, the value of the target, the number of parameters, and notes.
    rejected
        (n,) bool: outliers rejected in the last fit.
    shape
        Parameters fitted besides k_overall and B.
    twins
        The further domains of a twin; empty without twinning.
    before
        The fit before density that the model lacks was added; None if there was none.
    """

    unscaled: UnscaledModel
    scaling: ScalingFit
    rejected: np.ndarray
    shape: Shape = FLAT
    twins: tuple[TwinDomain, ...] = ()
    before: "FModelFit | None" = None


def fit_fmodel(
    unscaled: UnscaledModel,
    observed: Observed,
    settings: FitSettings,
    start: ScaleParameters | None = None,
    fixed: Collection[str] = (),
) -> FModelFit:
    """Fit scales, and mask and twin law if requested, to all reflections outside of the free set.

    Parameters
    ----------
    start, fixed
        See :meth:`friedel.FModel.fit`.
    """
    chosen = observed.work
    weights = None if observed.weights is None else observed.weights[chosen]
    options: dict[str, Any] = {
        "target": settings.target,
        "fixed": fixed,
        "k_sol_min": settings.k_sol_min,
        "weights": weights,
    }
    about_model: tuple[Note, ...] = ()
    if settings.other_radii_if_empty:
        unscaled, about_model = _with_some_solvent(unscaled)
    if settings.hydrogens is not None:
        unscaled = unscaled.with_riding(None)
    if settings.search_mask:
        unscaled = _with_best_mask(unscaled, observed, settings, start, options)
    data = unscaled.scaling_data(observed.f_obs.values, chosen, observed.i_obs)
    flat = _best_flat_fit(data, settings, start, options)
    if settings.hydrogens is not None:
        unscaled, data, flat, about = _with_hydrogens(
            unscaled.with_riding(settings.hydrogens),
            unscaled,
            data,
            flat,
            observed,
            settings,
            options,
        )
        about_model += about
    twins, data, fitted, about_law = _fit_twin(
        unscaled, data, flat, settings, observed.f_obs, chosen, options
    )
    shape, fitted, near, notes = _choose_and_reject(data, fitted, settings, weights, options)
    about_twin = [*about_law, *(note for domain in twins for note in domain.notes)]
    notes = *about_model, *dict.fromkeys(fitted.notes + notes), *about_twin, *about_rejected(near)
    # r_probe and r_shrink count as fitted unless the chosen shape has no solvent
    n = fitted.n_parameters + 2 * (settings.search_mask and shape.solvent)
    rejected = chosen.copy()
    rejected[chosen] = ~near
    fitted = replace(fitted, notes=notes, n_parameters=n)
    return FModelFit(unscaled, fitted, rejected, shape, twins)


def _with_some_solvent(unscaled: UnscaledModel) -> tuple[UnscaledModel, tuple[Note, ...]]:
    """The model with the mask of cctbx's radii if its own is empty, and that one is not."""
    masked = unscaled.masked
    if masked is None or masked.given is not None:
        return unscaled, ()
    used = masked
    if masked.parameters.radii != OTHER_RADII:  # which an earlier fit may have taken
        if masked.fraction > 0.0:
            return unscaled, ()
        used = replace(masked, parameters=MaskParameters.for_radii(OTHER_RADII))
        if not used.fraction > 0.0:
            return unscaled, ()
    text = (
        f"the solvent mask by Refmac's radii is empty: those of {OTHER_RADII} are used, solvent "
        f"fraction {used.fraction:.3f}"
    )
    return unscaled.with_mask(used), (Note(text, "default", used.fraction),)


def _with_hydrogens(
    tried: UnscaledModel,
    unscaled: UnscaledModel,
    data: ScalingData,
    flat: ScalingFit,
    observed: Observed,
    settings: FitSettings,
    options: dict[str, Any],
) -> tuple[UnscaledModel, ScalingData, ScalingFit, tuple[Note, ...]]:
    """The model, its data and fit with riding hydrogens (`tried`) if R is lower, and a note.

    No parameter is fitted in addition: R of the reflections that are fitted decides.
    """
    with_them = tried.scaling_data(observed.f_obs.values, observed.work, observed.i_obs)
    fitted = _best_flat_fit(with_them, settings, flat.parameters, options)
    r_without, r_with = _r_factor(data, flat), _r_factor(with_them, fitted)
    assert tried.riding is not None
    note = about_hydrogens(len(tried.riding), r_with, r_without)
    if r_with < r_without:
        return tried, with_them, fitted, (note,)
    return unscaled, data, flat, (note,)


def _r_factor(data: ScalingData, fitted: ScalingFit) -> float:
    """R of the reflections of a fit."""
    return r_factor(data.f_obs, data.amplitudes(fitted.parameters))


def _fit_twin(
    unscaled: UnscaledModel,
    data: ScalingData,
    flat: ScalingFit,
    settings: FitSettings,
    f_obs: Reflections,
    chosen: np.ndarray,
    options: dict[str, Any],
) -> tuple[tuple[TwinDomain, ...], ScalingData, ScalingFit, tuple[Note, ...]]:
    """The domains of the twin that fits best, the data with them, the fit, and notes on the law."""
    notes: tuple[Note, ...] = ()
    tried = [tuple(map(unscaled.twin_domain, laws)) for laws in settings.twin_laws]
    if settings.tests_twins and tried:
        tried, notes = supported_domains(tried, data, flat.parameters, f_obs, chosen)
    if not tried:
        return (), data, flat, notes
    twins, twinned, fitted = best_twin(data, flat, tried, chosen, options)
    if settings.tests_twins:
        without = _r_factor(data, flat)
        text = (
            f"taken as a twin by {twins[0].law.name}: R of a flat solvent is "
            f"{_r_factor(twinned, fitted):.4f}, without twinning {without:.4f}"
        )
        give = "to leave twinning out give twin='none' (--twin none)"
        notes = *notes, Note(text, "fit", without, give=give)
    return twins, twinned, fitted, notes


def _choose_and_reject(
    data: ScalingData,
    fitted: ScalingFit,
    settings: FitSettings,
    weights: np.ndarray | None,
    options: dict[str, Any],
) -> tuple[Shape, ScalingFit, np.ndarray, tuple[Note, ...]]:
    """The chosen shape, its fit to all but outliers, (n,) bool: not outliers, and notes.

    The choice leaves out the outliers of a flat-solvent fit; the last fit leaves out those of the
    chosen scale.
    """

    def part(near: np.ndarray) -> tuple[ScalingData, dict[str, Any]]:
        if near.all():
            return data, options
        kept = None if weights is None else weights[near]
        return data.select(near), options | {"weights": kept}

    rejects = settings.rejects
    near = near_model(data, fitted, weights) if rejects else np.ones(len(data), bool)
    kind = "flat" if settings.solvent == "babinet" else settings.solvent
    shape, notes = FLAT, tuple[Note, ...]()
    shapes = candidates(data, kind, options["fixed"])
    if shapes != [FLAT] or not near.all():
        kept, about = part(near)
        limit = LIMIT_FOR_SEARCHED if settings.search_mask else EQUIVALENCE_LIMIT
        shape, fitted, notes = choose_shape(
            kept, shapes, fitted.parameters, limit=limit, progress=settings.progress, **about
        )
    nearer = near_model(data, fitted, weights) if rejects else near
    if (nearer != near).any():
        kept, about = part(nearer)
        about = about | {"fixed": shape.held | set(options["fixed"])}
        fitted = fit(kept, start=fitted.parameters, **about)
        notes = other_notes(notes)
    return shape, fitted, nearer, notes


def _best_flat_fit(
    data: ScalingData,
    settings: FitSettings,
    start: ScaleParameters | None,
    options: dict[str, Any],
) -> ScalingFit:
    if start is None:
        start = start_of_flat_fit(data, settings.solvent, options)
    else:
        start = FLAT.start(data, start, options["fixed"])
    return best_fit(data, [start], options)


def _with_best_mask(
    unscaled: UnscaledModel,
    observed: Observed,
    settings: FitSettings,
    start: ScaleParameters | None,
    options: dict[str, Any],
) -> UnscaledModel:
    chosen = observed.work
    assert unscaled.masked is not None
    data = unscaled.scaling_data(observed.f_obs.values, chosen, observed.i_obs)
    near = _best_flat_fit(data, settings, start, options).parameters
    found = mask_that_fits(unscaled.masked, data, chosen, near, options, settings.progress)
    return unscaled.with_mask(found)
