"""The fit: least squares and robust targets, by iteratively reweighted least squares."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from friedel.errors import ParameterError, ReflectionsError
from friedel.notes import Note
from friedel.scaling.data import ScalingData
from friedel.scaling.parameters import PARAMETERS, ScaleParameters
from friedel.scaling.problem import Problem
from friedel.scaling.quick_start import fit_isotropic_b
from friedel.scaling.reweighting import TOLERANCE, reweighted_fit
from friedel.scaling.targets import TARGETS, Target

NEGLIGIBLE_K_SOL = 1e-4
"""Smallest k_sol of a solvent (electrons/Å^3; water has 0.33); below, B_sol is undetermined."""

OLD_NAMES = {"twin_fraction": "twin_fractions"}
"""Names of parameters to hold fixed that 0.1.0 had."""

EXACT = 1e-6
"""Residuals below this fraction of the amplitudes are rounding errors."""


@dataclass(frozen=True)
class ScalingFit:
    """The outcome of a fit.

    Attributes
    ----------
    value
        The target at its minimum; for ``"ls"`` and ``"ls-i"`` the sum of squared residuals, else
        the negative logarithm of the likelihood of all residuals.
    parameters
        The parameters at the minimum.
    n_parameters
        Number of fitted parameters.
    n_reflections
        Number of reflections in the fit.
    converged
        Whether the fit converged.
    target
        The distribution of residuals at the minimum.
    notes
        Decisions made during the fit, in words.
    stats
        ``"evaluations"`` of the residuals, ``"message"`` of the minimiser.
    """

    value: float
    parameters: ScaleParameters
    n_parameters: int
    n_reflections: int
    converged: bool
    target: Target = field(default_factory=Target)
    notes: tuple[Note, ...] = ()
    stats: dict[str, Any] = field(default_factory=dict)


def fit(
    data: ScalingData,
    *,
    target: str = "ls",
    start: ScaleParameters | None = None,
    fixed: Collection[str] = (),
    weights: np.ndarray | None = None,
    k_sol_min: float = 0.0,
    tolerance: float = TOLERANCE,
) -> ScalingFit:
    """Fit the parameters to F_obs, or to intensities.

    Parameters
    ----------
    data
        Reflections to fit to.
    target
        ``"ls"``: least sum of (|F_total| - F_obs)^2; ``"ls-i"``: of (|F_total|^2 - I_obs)^2.
        Robust against outliers: ``"huber"``, ``"l1"`` (nearest to the R-factor) and
        ``"student-t"``; see :mod:`friedel.scaling.targets`.
    start
        Where to start; by default the average solvent and :func:`fit_isotropic_b`. The
        lengths of its curves are the numbers of coefficients that are fitted.
    fixed
        Parameters to hold fixed: any of ``"k_overall"``, ``"b_overall"``, ``"k_sol"``, ``"b_sol"``,
        ``"k_layer"``, ``"overall_curve"``, ``"solvent_curve"``, ``"twin_fractions"``. Parameters of
        the solvent and of twins are also fixed where there is no solvent or no twin.
    weights
        (n,) factors of the residuals, such as 1/sigma (of intensities for ``"ls-i"``); 1 by
        default.
    k_sol_min
        Least k_sol allowed. 0 suits X-rays and electrons; for neutrons light water has a
        negative density. B_sol is never negative, unless there is a solvent curve.
    tolerance
        A robust fit has converged when a step gains less than this (nats per reflection).

    Raises
    ------
    ParameterError
        For an unknown target or parameter, or a start with k_overall <= 0 or with more twin
        fractions than domains.
    ReflectionsError
        When there are not more reflections than parameters.
    """
    if target not in TARGETS:
        raise ParameterError(f"unknown target {target!r}: expected one of {', '.join(TARGETS)}")
    held, notes = _held_parameters(data, fixed)
    start = start or fit_isotropic_b(data, fixed=held)
    if start.k_overall <= 0:
        raise ParameterError(f"k_overall starts at {start.k_overall:g}, expected more than 0")
    of_intensities = TARGETS[target].of_intensities
    problem = problem_of(data, start, held, weights, of_intensities)
    result = _minimise(problem, target, k_sol_min, tolerance)
    limited = "k_sol" not in held and not start.solvent_curve
    if limited and result.parameters.k_sol - k_sol_min < NEGLIGIBLE_K_SOL:
        # B_sol of no solvent is undetermined and would be reported as if it were known
        text = f"k_sol falls to its lower limit and is set to {k_sol_min:g}"
        notes += (Note(text, "fit", k_sol_min),)
        start = replace(result.parameters, k_sol=k_sol_min, b_sol=start.b_sol, k_layer=0.0)
        held |= {"k_sol", "k_layer"}
        problem = problem_of(data, start, held, weights, of_intensities)
        result = _minimise(problem, target, k_sol_min, tolerance)
    return replace(result, notes=notes)


def is_exact(result: ScalingFit, data: ScalingData) -> bool:
    """Whether a fit reproduces the data to rounding, so that residuals carry no information."""
    observed = data.observed(result.target.of_intensities)
    return result.target.scale < EXACT * float(np.mean(np.abs(observed)))


def problem_of(
    data: ScalingData,
    start: ScaleParameters,
    fixed: Collection[str],
    weights: np.ndarray | None = None,
    of_intensities: bool = False,
) -> Problem:
    """The problem that :func:`fit` solves; parameters that data or start lack are fixed."""
    held, _ = _held_parameters(data, fixed)
    if start.k_sol == 0.0 and "k_sol" in held:
        held |= {"b_sol", "solvent_curve", "k_layer"}
    return Problem(data, _with_all_fractions(start, data.n_twins), held, weights, of_intensities)


def _with_all_fractions(start: ScaleParameters, n_twins: int) -> ScaleParameters:
    """The start with a fraction for each twin domain; those that it lacks are 0."""
    given = start.twin_fractions
    if not n_twins or len(given) == n_twins:
        return start
    if len(given) > n_twins:
        raise ParameterError(f"got {len(given)} twin fractions, expected {n_twins}, one per law")
    return replace(start, twin_fractions=(*given, *(0.0,) * (n_twins - len(given))))


def _held_parameters(
    data: ScalingData, fixed: Collection[str]
) -> tuple[frozenset[str], tuple[Note, ...]]:
    """Parameters fixed by the caller or because there is no solvent, with notes."""
    held = frozenset(OLD_NAMES.get(name, name) for name in fixed)
    unknown = held - set(PARAMETERS)
    if unknown:
        raise ParameterError(
            f"cannot fix {', '.join(sorted(unknown))}: the parameters are {', '.join(PARAMETERS)}"
        )
    if not data.has_layer:
        held |= {"k_layer"}
    if data.twin is None:
        held |= {"twin_fractions"}
    if data.has_solvent:
        return held, ()
    empty = Note("F_mask is zero: k_sol and B_sol are not fitted", "fit")
    notes = () if data.f_mask is None else (empty,)
    return held | {"k_sol", "b_sol", "solvent_curve"}, notes


def _minimise(problem: Problem, target: str, k_sol_min: float, tolerance: float) -> ScalingFit:
    n, free = len(problem.data), problem.free
    if n <= free.sum():
        raise ReflectionsError(f"got {n} reflections to fit {free.sum()} parameters, expected more")
    x, at, adapted, evaluations, converged = reweighted_fit(
        problem,
        TARGETS[target],
        problem.start_vector[free],
        problem.limits(k_sol_min),
        problem.prior,
        tolerance,
    )
    negative_log_likelihood = float(adapted.negative_log_likelihood(at.residuals).sum())
    return ScalingFit(
        value=negative_log_likelihood if adapted.is_robust else float((at.residuals**2).sum()),
        parameters=problem.parameters(x),
        n_parameters=len(x),
        n_reflections=n,
        converged=converged,
        target=adapted,
        stats={
            "evaluations": evaluations,
            "message": "converged" if converged else "iteration limit reached",
        },
    )
