"""Search for the cheapest grid, blur and density level for a given error."""

from dataclasses import replace

import numpy as np

from friedel.accuracy.model import MIN_WIDTH, SAFETY, AccuracyModel
from friedel.accuracy.plan import FREE, Fixed, Plan, checked_rtol
from friedel.errors import AccuracyError

SINGLE_PRECISION_RTOL = 3e-5
"""Largest rtol for which float64 on a coarser grid may be cheaper than float32, as a rule."""
NOISY = 0.35
"""Rounding error, relative to what is allowed, above which it may be cheaper in any case."""
SLOWER = 1.5
"""Time of a kept plan for other atoms, relative to that for its own, above which it is renewed."""


def cheapest(
    model: AccuracyModel, rtol: float, fixed: Fixed = FREE, *, force: bool = False
) -> Plan:
    """The cheapest grid, blur and density level that meet `rtol`.

    Parameters
    ----------
    fixed
        Fixed choices; by default float32 is used if it suffices.
    force
        Whether fixed choices are used even if no digit of the result would be right.

    Raises
    ------
    ParameterError
        When `rtol` is not between 0 and 1, or with a fixed blur some atom has no finite density.
    AccuracyError
        When no grid meets `rtol`, or no digit of the result would be right.
    """
    rtol = checked_rtol(rtol)
    dtypes = [np.dtype(t) for t in ((fixed.dtype,) if fixed.dtype else (np.float32, np.float64))]
    if fixed.is_binding:
        if rtol > SINGLE_PRECISION_RTOL:
            del dtypes[1:]
        plans = (model.closest(rtol, fixed, dtype) for dtype in dtypes)
        closest = min(plans, key=lambda plan: max(plan.error, rtol / SAFETY))
        if not (force or closest.error < 1.0):
            given = {"rate": fixed.rate, "blur": fixed.blur, "cutoff": fixed.cutoff}
            choices = ", ".join(f"{k} = {v:g}" for k, v in given.items() if v is not None)
            raise AccuracyError(
                f"with {choices} the predicted relative error is {closest.error:.2g}: no digit "
                "would be right; to go on use force=True (--force)"
            )
        return closest
    found = []
    for dtype in dtypes:
        plan = model.cheapest(rtol, dtype)
        if plan is not None:
            found.append(plan)
            is_noisy = model.rounding_error(plan) > NOISY * rtol / SAFETY
            if rtol > SINGLE_PRECISION_RTOL and not is_noisy:
                break
    if not found:
        raise AccuracyError(
            f"no grid meets rtol = {rtol:g} at d_min = {model.d_min:g} A with "
            f"{dtypes[-1]}; direct summation does"
        )
    return min(found, key=lambda plan: plan.seconds)


def predicted_error(model: AccuracyModel, plan: Plan) -> float:
    """Relative rms error of a plan in the worst shell, for atoms other than those of the plan.

    The error is multiplied by SAFETY, for comparison with rtol; it is infinite if some atom has no
    finite density.
    """
    return SAFETY * _replanned(model, plan).error


def is_kept(model: AccuracyModel, plan: Plan, allowed: float) -> bool:
    """Whether a plan meets a relative error for other atoms, and is not much slower for them."""
    same = _replanned(model, plan)
    return SAFETY * same.error <= allowed and same.seconds <= SLOWER * plan.seconds


def _replanned(model: AccuracyModel, plan: Plan) -> Plan:
    if plan.blur < model.min_blur - MIN_WIDTH:
        return replace(plan, error=np.inf)
    return model.replanned(plan)
