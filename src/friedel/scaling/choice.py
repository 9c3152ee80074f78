"""How rich a scale the data support, by the likelihood of reflections left out of the fit."""

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
    LEAST_DAMPING,
    curvature_share,
    damped_solution,
    movable,
    step_weights,
)

N_FOLDS = 5
"""Each fit of the cross-validation leaves a fifth of the reflections out."""

STEPS = 3
"""Of the fits that leave reflections out, from the fit to all."""

SEED = 20021
"""Of the division into folds, so that a choice can be repeated."""

ROUGHLY = 1e-5
"""Nats per reflection to which fits are compared: differences that count are 1e-3 and more."""

AS_GOOD = 0.5
"""Standard errors. With one, scales are too simple: tuned on reflections of the six pairs of
benchmarks/rfactors.py (seeds 0 to 2) that neither fit nor choice had seen. docs/scaling.md
quotes other seeds, of the same pairs."""

REFLECTIONS_PER_PARAMETER = 10
"""A richer scale is tried only where it leaves this many for each parameter."""


@dataclass(frozen=True)
class Shape:
    """What a scale has besides k_overall and B.

    Parameters
    ----------
    overall_terms, solvent_terms
        Number of coefficients of the curves.
    solvent, layer
        Whether there is solvent, and a layer with a density of its own.
    """

    overall_terms: int = 0
    solvent_terms: int = 0
    solvent: bool = True
    layer: bool = False

    @property
    def held(self) -> frozenset[str]:
        """Parameters that this shape has not, and that stay as :meth:`start` gives them."""
        held: frozenset[str] = frozenset() if self.layer else frozenset({"k_layer"})
        return held if self.solvent else held | {"k_sol", "b_sol", "k_layer"}

    def start(
        self, data: ScalingData, near: ScaleParameters, fixed: Collection[str] = ()
    ) -> ScaleParameters:
        """The start of a fit, from other parameters; those that are `fixed` stay as they are."""
        parts: dict[str, Any] = {
            "k_sol": near.k_sol if self.solvent else 0.0,
            "k_layer": near.k_layer if self.layer else 0.0,
            "overall_curve": _lengthened(near.overall_curve, self.overall_terms),
            "solvent_curve": _lengthened(near.solvent_curve, self.solvent_terms),
        }
        start = replace(near, **{name: parts[name] for name in parts if name not in fixed})
        kept = {"overall_curve", "solvent_curve"} & set(fixed)
        if any(getattr(near, name) for name in kept):
            return start  # a curve that stays means what it does in its own range alone
        curved = self.overall_terms or self.solvent_terms
        return replace(start, curve_range=data.curve_range if curved else near.curve_range)

    def __str__(self) -> str:
        parts = ["flat solvent" if self.solvent else "no solvent"]
        if self.layer:
            parts.append("a layer")
        if self.overall_terms or self.solvent_terms:
            parts.append(f"curves of {self.overall_terms} + {self.solvent_terms} terms")
        return ", ".join(parts)


FLAT = Shape()
NO_SOLVENT = Shape(solvent=False)
SMOOTH = (Shape(1, 0), Shape(3, 1), Shape(7, 3))
"""Ever richer curves. Twice the terms of the last gain nothing on real data."""


def candidates(data: ScalingData, kind: str, fixed: Collection[str]) -> list[Shape]:
    """Shapes to choose from, the simplest first.

    Parameters
    ----------
    kind
        ``"none"``, ``"flat"``, ``"smooth"`` (curves as well) or ``"auto"`` (all of these).
    fixed
        Curves of scales that are fixed are not fitted, and solvent whose k_sol is fixed is there.
    """
    if kind == "none" or not data.has_solvent:
        shapes = [NO_SOLVENT]
    else:
        optional = kind == "auto" and "k_sol" not in fixed
        shapes = [NO_SOLVENT, FLAT] if optional else [FLAT]
    if kind in ("smooth", "auto"):
        richer = [_restricted(shape, data, fixed) for shape in SMOOTH]
        if data.has_layer and "k_layer" not in fixed:
            richer += [replace(shape, layer=True) for shape in richer[1:]]
        shapes += richer
    affordable = len(data) / REFLECTIONS_PER_PARAMETER
    shapes = list(dict.fromkeys(shapes))
    return [s for s in shapes if not _n_terms(s) or _n_terms(s) + 9 <= affordable]


def choose_shape(
    data: ScalingData,
    shapes: Sequence[Shape],
    first: ScaleParameters,
    *,
    target: str,
    weights: np.ndarray | None = None,
    fixed: Collection[str] = (),
    progress: Callable[[Sequence[Shape]], Any] = iter,
    **options: Any,
) -> tuple[Shape, ScalingFit, tuple[Note, ...]]:
    """The simplest shape that predicts reflections left out as well as any other does.

    As well as: the mean difference of log-likelihoods to the best, reflection by
    reflection, is less than half of its own standard error [Hastie2009].

    Parameters
    ----------
    data
        Reflections to fit to.
    shapes
        To choose from, the simplest first.
    first
        Where the fit of the simplest shape starts.
    target, weights, fixed, options
        See :func:`fit`.
    progress
        Wraps the sequence of shapes, to show how far the work is.

    Returns
    -------
    shape, fit, notes
        The choice, its fit to all of `data`, and what to say of it.
    """

    def fitted(shape: Shape, near: ScaleParameters, **others: Any) -> ScalingFit:
        start = shape.start(data, near, fixed)
        if shape.solvent and start.k_sol == 0.0:
            start = replace(start, k_sol=first.k_sol, b_sol=first.b_sol)
        held = shape.held | set(fixed)
        others |= options | {"target": target, "weights": weights, "fixed": held}
        return fit(data, start=start, **others)

    if len(shapes) == 1:
        return shapes[0], fitted(shapes[0], first), ()
    # shuffled, so that folds are stretches
    order = np.random.default_rng(SEED).permutation(len(data))
    data, weights = data.select(order), None if weights is None else weights[order]
    fits: dict[Shape, ScalingFit] = {}
    surprises: dict[Shape, np.ndarray] = {}
    near = first
    for shape in progress(shapes):
        fits[shape] = fitted(shape, near, tolerance=ROUGHLY)
        near = fits[shape].parameters
        held = shape.held | set(fixed)
        surprises[shape] = left_out_surprise(data, fits[shape], weights, held, **options)
        if is_exact(fits[shape], data):
            break
    best = min(surprises, key=lambda s: surprises[s].mean())
    chosen = next(s for s in fits if _as_good(surprises[s], surprises[best]))
    final = fitted(chosen, fits[chosen].parameters)
    text = f"{chosen}, chosen of {len(fits)} scales by the likelihood of reflections left out"
    notes = (*fits[chosen].notes, Note(text, "fit", len(fits)), *final.notes)
    # what was decided for the rough fit need not be said again
    return chosen, replace(final, notes=()), tuple(dict.fromkeys(notes))


def left_out_surprise(
    data: ScalingData,
    near: ScalingFit,
    weights: np.ndarray | None = None,
    fixed: Collection[str] = (),
    k_sol_min: float = 0.0,
) -> np.ndarray:
    """(n,) nats: negative log-likelihood of each reflection by a fit that left it out.

    The reflections left out are stretches of the data, which should be in random order. The fits
    start from that to all data and take a few steps, which suffice for so small a change.

    Parameters
    ----------
    near
        Fit to all of the data.
    weights, fixed, k_sol_min
        See :func:`friedel.scaling.fit`.
    """
    problem = problem_of(data, near.parameters, fixed, weights)
    limits, prior, target = problem.limits(k_sol_min), problem.prior, near.target
    near_at = problem.evaluate(problem.start_vector[problem.free])
    edges = np.linspace(0, len(data), N_FOLDS + 1).round().astype(int).tolist()
    surprise = np.empty(len(data))
    for first, last in pairwise(edges):
        at, rest = near_at, [slice(0, first), slice(last, len(data))]
        for _ in range(STEPS):
            x, step_weight = at.x, step_weights(target, at.residuals)
            sums = problem.normal_equations_of(at, step_weight, rest)
            normal = curvature_share(target, at.residuals) * (sums[0][0] + sums[1][0])
            gradient = sums[0][1] + sums[1][1] + prior.gradient(x)
            normal[np.diag_indices_from(normal)] += prior.curvature
            step = damped_solution(normal, gradient, movable(x, gradient, limits), LEAST_DAMPING)
            at = problem.evaluate(np.clip(x + step, *limits))
        surprise[first:last] = target.surprise(at.residuals[first:last])
    return surprise


def _as_good(surprise: np.ndarray, best: np.ndarray) -> bool:
    difference = surprise - best
    error = float(difference.std()) / np.sqrt(len(difference))
    return bool(difference.mean() <= AS_GOOD * error)


def _restricted(shape: Shape, data: ScalingData, fixed: Collection[str]) -> Shape:
    """Without curves of fixed scales, and without solvent where there is none."""
    if {"k_overall", "b_overall", "overall_curve"} & set(fixed):
        shape = replace(shape, overall_terms=0)
    if not data.has_solvent:
        return replace(shape, solvent=False, solvent_terms=0)
    if {"k_sol", "b_sol", "solvent_curve"} & set(fixed):
        shape = replace(shape, solvent_terms=0)
    return shape


def _n_terms(shape: Shape) -> int:
    return shape.overall_terms + shape.solvent_terms + shape.layer


def _lengthened(curve: tuple[float, ...], n: int) -> tuple[float, ...]:
    return (*curve, *(0.0,) * n)[:n]
