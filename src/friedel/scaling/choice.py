"""Selecting the scale model by cross-validation."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from friedel.notes import Note
from friedel.scaling.data import ScalingData
from friedel.scaling.fitting import ScalingFit, fit, is_exact, problem_of
from friedel.scaling.parameters import ScaleParameters
from friedel.scaling.reweighting import (
    MIN_DAMPING,
    curvature_share,
    damped_solution,
    movable,
    step_weights,
)
from friedel.scaling.undetermined import other_notes

N_FOLDS = 5
"""Number of folds of the cross-validation; each fit leaves one fold of the reflections out."""

STEPS = 3
"""Number of steps of each fit that leaves reflections out, from the fit to all."""

SEED = 20021
"""Seed of the division into folds, so that results are reproducible."""

WELL_DIVIDED, MOST_DIVISIONS = 20000, 4
"""Few reflections are divided several times, as many as together are about so many but at most four
times, and the likelihoods averaged: a single division can decide by chance."""

COARSE_TOLERANCE = 1e-5
"""Tolerance of fits to be compared (nats per reflection): differences of 1e-3 and more matter."""

EQUIVALENCE_LIMIT = 0.5
"""Largest difference of scales that predict equally well (standard errors). With 0.25 the choice
depends more on chance, and with 1 scales are too simple: tuned on reflections of ten pairs that
were used in neither fit nor choice; docs/scaling.md quotes others."""

LIMIT_FOR_SEARCHED = 1.5
"""The same where the mask was searched: that has already seen the reflections that are left out."""

REFLECTIONS_PER_PARAMETER = 10
"""Least number of reflections per parameter for which a scale with more parameters is tried."""


@dataclass(frozen=True)
class Shape:
    """The components of a scale besides k_overall and B.

    Parameters
    ----------
    overall_terms, solvent_terms
        Number of coefficients of the curves.
    solvent, layer
        Whether there is solvent, and a layer with a different density.
    anisotropic_terms
        Number of tensors by which the anisotropy depends on resolution.
    """

    overall_terms: int = 0
    solvent_terms: int = 0
    solvent: bool = True
    layer: bool = False
    anisotropic_terms: int = 0

    @property
    def held(self) -> frozenset[str]:
        """Parameters that this shape lacks; they are fixed at the values of :meth:`start`."""
        held: frozenset[str] = frozenset() if self.layer else frozenset({"k_layer"})
        return held if self.solvent else held | {"k_sol", "b_sol", "k_layer"}

    def start(
        self, data: ScalingData, near: ScaleParameters, fixed: Collection[str] = ()
    ) -> ScaleParameters:
        """The start of a fit, from other parameters; those that are `fixed` are not changed."""
        parts: dict[str, Any] = {
            "k_sol": near.k_sol if self.solvent else 0.0,
            "k_layer": near.k_layer if self.layer else 0.0,
            "overall_curve": _lengthened(near.overall_curve, self.overall_terms),
            "solvent_curve": _lengthened(near.solvent_curve, self.solvent_terms),
            "anisotropic_curve": (*near.anisotropic_curve, *[NO_TENSOR] * self.anisotropic_terms)[
                : self.anisotropic_terms
            ],
        }
        start = replace(near, **{name: parts[name] for name in parts if name not in fixed})
        curves = "overall_curve", "solvent_curve", "anisotropic_curve"
        if any(getattr(near, name) for name in set(curves) & set(fixed)):
            return start  # the coefficients of a fixed curve are valid for its own range only
        curved = self.overall_terms or self.solvent_terms or self.anisotropic_terms
        return replace(start, curve_range=data.curve_range if curved else near.curve_range)

    def __str__(self) -> str:
        parts = ["flat solvent" if self.solvent else "no solvent"]
        if self.layer:
            parts.append("a layer")
        if self.overall_terms or self.solvent_terms:
            parts.append(f"curves of {self.overall_terms} + {self.solvent_terms} terms")
        if self.anisotropic_terms:
            parts.append("anisotropy that depends on resolution")
        return ", ".join(parts)


FLAT = Shape()
NO_SOLVENT = Shape(solvent=False)
SMOOTH = Shape(7, 3, layer=True, anisotropic_terms=3)
"""All that the data may support. Its priors keep it harmless where the data say little, so that
there are no shapes between: twice the terms gain nothing on real data."""

NO_TENSOR = (0.0,) * 6


def candidates(data: ScalingData, kind: str, fixed: Collection[str]) -> list[Shape]:
    """Shapes to choose from, the simplest first.

    Parameters
    ----------
    kind
        ``"none"``, ``"flat"``, ``"smooth"`` (flat, or with curves) or ``"auto"`` (all of these).
    fixed
        Curves of fixed scales are not fitted, and solvent is included if its k_sol is fixed.
    """
    if kind == "none" or not data.has_solvent:
        shapes = [NO_SOLVENT]
    else:
        optional = kind == "auto" and "k_sol" not in fixed
        shapes = [NO_SOLVENT, FLAT] if optional else [FLAT]
    if kind in ("smooth", "auto"):
        for shape in (SMOOTH, replace(SMOOTH, anisotropic_terms=0)):
            smooth = _restricted(shape, data, fixed)
            if _n_terms(smooth, data) + 9 <= len(data) / REFLECTIONS_PER_PARAMETER:
                shapes.append(smooth)
                break
    return list(dict.fromkeys(shapes))


def choose_shape(
    data: ScalingData,
    shapes: Sequence[Shape],
    first: ScaleParameters,
    *,
    target: str,
    weights: np.ndarray | None = None,
    fixed: Collection[str] = (),
    limit: float = EQUIVALENCE_LIMIT,
    progress: Callable[[Sequence[Shape]], Any] = iter,
    **options: Any,
) -> tuple[Shape, ScalingFit, tuple[Note, ...]]:
    """The simplest shape that predicts reflections left out of the fit as well as the best.

    The predictions are equally good if the mean difference of the log-likelihoods of the
    reflections is less than `limit` times its standard error [Hastie2009].

    Parameters
    ----------
    data
        Reflections to fit to.
    shapes
        Shapes to choose from, the simplest first.
    first
        Start of the fit of the simplest shape.
    target, weights, fixed, options
        See :func:`fit`.
    limit
        Largest difference of scales that predict equally well, standard errors.
    progress
        Wraps the sequence of shapes, to show progress.

    Returns
    -------
    shape, fit, notes
        The choice, its fit to all of `data`, and notes on both.
    """

    def fitted(shape: Shape, near: ScaleParameters, **others: Any) -> ScalingFit:
        if shape.solvent and near.k_sol == 0.0:
            near = first  # all of it, as k_overall and B of a fit without solvent can be far off
        start = shape.start(data, near, fixed)
        held = shape.held | set(fixed)
        others |= options | {"target": target, "weights": weights, "fixed": held}
        return fit(data, start=start, **others)

    if len(shapes) == 1:
        return shapes[0], fitted(shapes[0], first), ()
    divisions = [_shuffled(data, weights, SEED + i) for i in range(_n_divisions(len(data)))]
    _, data, weights = divisions[0]
    fits: dict[Shape, ScalingFit] = {}
    left_out: dict[Shape, np.ndarray] = {}
    near = first
    for shape in progress(shapes):
        fits[shape] = fitted(shape, near, tolerance=COARSE_TOLERANCE)
        near = fits[shape].parameters
        if is_exact(fits[shape], data):
            left_out = {shape: np.zeros(len(data))}  # nothing can predict better
            break
        held = shape.held | set(fixed)
        left_out[shape] = np.zeros(len(data))
        for which, divided, of_division in divisions:
            left_out[shape][which] += left_out_negative_log_likelihood(
                divided, fits[shape], of_division, held, **options
            )
        left_out[shape] /= len(divisions)
    chosen, note = _chosen(fits, left_out, limit)
    final = fitted(chosen, fits[chosen].parameters)
    # a note of both the coarse and the last fit is given once
    notes = (*other_notes(fits[chosen].notes), note, *final.notes)
    return chosen, replace(final, notes=()), tuple(dict.fromkeys(notes))


def _n_divisions(n: int) -> int:
    return max(1, min(MOST_DIVISIONS, WELL_DIVIDED // n))


def _shuffled(
    data: ScalingData, weights: np.ndarray | None, seed: int
) -> tuple[np.ndarray, ScalingData, np.ndarray | None]:
    """A random order, and data and weights in it, of which contiguous ranges are folds."""
    order = np.random.default_rng(seed).permutation(len(data))
    return order, data.select(order), None if weights is None else weights[order]


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def left_out_negative_log_likelihood(
    data: ScalingData,
    near: ScalingFit,
    weights: np.ndarray | None = None,
    fixed: Collection[str] = (),
    k_sol_min: float = 0.0,
) -> np.ndarray:
    """(n,) nats: negative log-likelihood of each reflection by a fit that left it out.

    They are not finite if the reflections that remain do not determine the fit.

    The folds are contiguous ranges of the data, which should be in random order. The fits start
    from the fit to all data and take a few steps, which are enough for so small a change.

    Parameters
    ----------
    near
        Fit to all of the data.
    weights, fixed, k_sol_min
        See :func:`friedel.scaling.fit`.
    """
    target = near.target
    problem = problem_of(data, near.parameters, fixed, weights, target.of_intensities)
    limits, prior = problem.limits(k_sol_min), problem.prior
    near_at = problem.evaluate(problem.start_vector[problem.free])
    if not np.isfinite(near_at.residuals).all():
        return np.full(len(data), np.inf)
    edges = np.linspace(0, len(data), N_FOLDS + 1).round().astype(int).tolist()
    folds = [slice(first, last) for first, last in pairwise(edges)]
    values = np.empty(len(data))
    near_weights = step_weights(target, near_at.residuals)
    near_share = curvature_share(target, near_at.residuals, near_weights)
    near_sums = problem.normal_equations_of(near_at, near_weights, folds)
    for i, fold in enumerate(folds):
        rest = [slice(0, fold.start), slice(fold.stop, len(data))]
        # the first step of all folds begins at the same parameters
        at, share, sums = near_at, near_share, near_sums[:i] + near_sums[i + 1 :]
        for n_left in reversed(range(STEPS)):
            x = at.x
            normal = share * np.sum([one for one, _ in sums], axis=0)
            gradient = np.sum([one for _, one in sums], axis=0) + prior.gradient(x)
            normal[np.diag_indices_from(normal)] += prior.curvature
            step = damped_solution(normal, gradient, movable(x, gradient, limits), MIN_DAMPING)
            at = problem.evaluate(np.clip(x + step, *limits))
            if n_left:
                if not np.isfinite(at.residuals).all():
                    return np.full(len(data), np.inf)
                weights_there = step_weights(target, at.residuals)
                share = curvature_share(target, at.residuals, weights_there)
                sums = problem.normal_equations_of(at, weights_there, rest)
        values[fold] = target.negative_log_likelihood(at.residuals[fold])
    return values


left_out_surprise = left_out_negative_log_likelihood
"""The name that 0.1.0 had."""


def _chosen(
    fits: Collection[Shape], left_out: dict[Shape, np.ndarray], limit: float
) -> tuple[Shape, Note]:
    """The simplest of the shapes that predict about as well as the best, and a note."""
    predicting = {s: values for s, values in left_out.items() if np.isfinite(values).all()}
    if not predicting:
        shape = next(iter(fits))
        text = f"{shape}: no scale predicts the reflections left out of its fit"
        return shape, Note(text, "warning", len(fits))
    best = min(predicting, key=lambda s: predicting[s].mean())
    shape = next(s for s in predicting if _is_equivalent(predicting[s], predicting[best], limit))
    text = f"{shape}, chosen of {len(fits)} scales by the likelihood of reflections left out"
    return shape, Note(text, "fit", len(fits))


def _is_equivalent(values: np.ndarray, best: np.ndarray, limit: float) -> bool:
    difference = values - best
    with np.errstate(over="ignore"):  # an infinite error where one fit predicts nothing
        error = float(difference.std()) / np.sqrt(len(difference))
    return bool(difference.mean() <= limit * error)


def _restricted(shape: Shape, data: ScalingData, fixed: Collection[str]) -> Shape:
    """The shape without what is fixed, the symmetry does not allow, or needs a mask."""
    if {"k_overall", "b_overall", "overall_curve"} & set(fixed):
        shape = replace(shape, overall_terms=0)
    if {"k_overall", "b_overall", "anisotropic_curve"} & set(fixed) or len(data.b_basis) == 1:
        shape = replace(shape, anisotropic_terms=0)
    if not data.has_solvent:
        return replace(shape, solvent=False, solvent_terms=0, layer=False)
    if {"k_sol", "b_sol", "solvent_curve"} & set(fixed):
        shape = replace(shape, solvent_terms=0)
    if "k_layer" in fixed or not data.has_layer:
        shape = replace(shape, layer=False)
    return shape


def _n_terms(shape: Shape, data: ScalingData) -> int:
    anisotropic = shape.anisotropic_terms * (len(data.b_basis) - 1)
    return shape.overall_terms + shape.solvent_terms + shape.layer + anisotropic


def _lengthened(curve: tuple[float, ...], n: int) -> tuple[float, ...]:
    return (*curve, *(0.0,) * n)[:n]
