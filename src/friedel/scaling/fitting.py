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
from friedel.scaling.reweighting import TOLERANCE, Evaluated, reweighted_fit
from friedel.scaling.solvent_grid import few_reflections, solvent_start
from friedel.scaling.targets import TARGETS, Target
from friedel.scaling.undetermined import about_undetermined

NEGLIGIBLE_K_SOL = 3e-4
"""Smallest k_sol of a solvent, relative to the density of the atoms: B_sol of less solvent is
undetermined."""

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
        Where to start; by default :func:`start_of_fit`. The lengths of its curves are the numbers
        of coefficients that are fitted.
    fixed
        Parameters to hold fixed: any of ``"k_overall"``, ``"b_overall"``, ``"k_sol"``, ``"b_sol"``,
        ``"k_layer"``, ``"overall_curve"``, ``"anisotropic_curve"``, ``"solvent_curve"``,
        ``"twin_fractions"``. Parameters of the solvent and of twins are also fixed where there is
        no solvent or no twin.
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
        When there are not more reflections than parameters, or F_calc falls off so steeply that
        scaled amplitudes overflow.
    """
    if target not in TARGETS:
        raise ParameterError(f"unknown target {target!r}: expected one of {', '.join(TARGETS)}")
    held, notes = _held_parameters(data, fixed)
    start = start or start_of_fit(
        data, target=target, fixed=fixed, weights=weights, k_sol_min=k_sol_min
    )
    if start.k_overall <= 0:
        raise ParameterError(f"k_overall starts at {start.k_overall:g}, expected more than 0")
    of_intensities = TARGETS[target].of_intensities
    problem = problem_of(data, start, held, weights, of_intensities)
    result = _minimise(problem, target, k_sol_min, tolerance)
    limited = "k_sol" not in held and not start.solvent_curve
    least = NEGLIGIBLE_K_SOL * data.matching_density
    if limited and result.parameters.k_sol - k_sol_min < least:
        # B_sol of no solvent is undetermined and would be reported as if it were known
        text = f"k_sol falls to its lower limit and is set to {k_sol_min:g}"
        notes += (Note(text, "fit", k_sol_min),)
        start = replace(result.parameters, k_sol=k_sol_min, b_sol=start.b_sol, k_layer=0.0)
        held |= {"k_sol", "k_layer"}
        problem = problem_of(data, start, held, weights, of_intensities)
        result = _minimise(problem, target, k_sol_min, tolerance)
    return replace(result, notes=notes + result.notes)


def start_of_fit(
    data: ScalingData,
    near: ScaleParameters | None = None,
    *,
    target: str = "ls",
    fixed: Collection[str] = (),
    weights: np.ndarray | None = None,
    k_sol_min: float = 0.0,
) -> ScaleParameters:
    """A start from which :func:`fit` finds the best flat solvent, without a start near it.

    It is the best node of a coarse grid over k_sol and B_sol. Near the density that matches the
    atoms, F_total changes its sign at low resolution, and least squares end in a local minimum if
    they start with the wrong sign; a fit of sums of absolute residuals does not. The start for
    least squares is therefore such a fit to some of the reflections.

    Parameters
    ----------
    near
        Values of fixed parameters and of those that are not searched.
    target, fixed, weights, k_sol_min
        See :func:`fit`.
    """
    held, _ = _held_parameters(data, fixed)
    near = near or ScaleParameters()
    if not data.has_solvent:
        return fit_isotropic_b(data, near, held)
    some = few_reflections(data.stol2)
    few, weights = data.select(some), None if weights is None else weights[some]
    start = solvent_start(few, near, held, weights, k_sol_min)
    if TARGETS[target].is_robust:
        return start
    if TARGETS[target].of_intensities:
        weights = None  # those of intensities are not those of amplitudes
    problem = problem_of(few, start, held, weights)
    if len(some) <= problem.free.sum():
        return start
    return problem.parameters(_minimum(problem, "l1", k_sol_min, TOLERANCE)[0])


def is_exact(result: ScalingFit, data: ScalingData) -> bool:
    """Whether a fit reproduces the data to rounding, so that residuals carry no information."""
    observed, scale = np.abs(data.observed(result.target.of_intensities)), result.target.scale
    # the median as well, since one wrong amplitude can dominate the mean
    return scale < EXACT * float(np.mean(observed)) and scale < EXACT * float(np.median(observed))


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


def _minimum(
    problem: Problem, target: str, k_sol_min: float, tolerance: float
) -> tuple[np.ndarray, Evaluated, Target, int, bool, np.ndarray]:
    """What :func:`friedel.scaling.reweighting.reweighted_fit` finds, checked."""
    n, free = len(problem.data), problem.free
    if n <= free.sum():
        raise ReflectionsError(f"got {n} reflections to fit {free.sum()} parameters, expected more")
    found = reweighted_fit(
        problem,
        TARGETS[target],
        problem.start_vector[free],
        problem.limits(k_sol_min),
        problem.prior,
        tolerance,
    )
    x, at = found[:2]
    if not (np.isfinite(at.residuals).all() and problem.parameters(x).k_overall > 0.0):
        size = np.abs(problem.data.f_calc)
        raise ReflectionsError(
            f"F_calc ranges from {size.min():.1e} to {size.max():.1e}, which no scale can fit: are "
            "B of the atoms too large?"
        )
    return found


def _minimise(problem: Problem, target: str, k_sol_min: float, tolerance: float) -> ScalingFit:
    x, at, adapted, evaluations, converged, curvature = _minimum(
        problem, target, k_sol_min, tolerance
    )
    data, of_b, prior = problem.data, problem.is_of("b_overall"), problem.prior.curvature
    negative_log_likelihood = float(adapted.negative_log_likelihood(at.residuals).sum())
    return ScalingFit(
        value=negative_log_likelihood if adapted.is_robust else float((at.residuals**2).sum()),
        parameters=problem.parameters(x),
        n_parameters=len(x),
        n_reflections=len(data),
        converged=converged,
        target=adapted,
        notes=about_undetermined(data.crystal, curvature, of_b, prior, data.b_basis),
        stats={
            "evaluations": evaluations,
            "message": "converged" if converged else "iteration limit reached",
        },
    )
