"""What of the observed data can be used with a model: cell, resolution, values, free set."""

import numpy as np

from friedel.crystal import Crystal, checked_d_min
from friedel.errors import CellError, ReflectionsError, ResolutionError, SymmetryError
from friedel.reflections import Reflections

SMALL_FREE_SET = 200
"""Fewer free reflections give only a rough R_free."""

NOTED_CELL_DIFFERENCE = 1e-3
"""A larger relative difference between the cells of model and data is worth a note."""


def compare_crystals(model: Crystal, data: Crystal) -> tuple[str, ...]:
    """Notes on small differences.

    Raises
    ------
    CellError, SymmetryError
        For those that are not small.
    """
    cells = ["(" + ", ".join(f"{x:g}" for x in crystal.cell) + ")" for crystal in (model, data)]
    if not model.is_similar(data):
        raise CellError(f"the cell of the model {cells[0]} is not that of the data {cells[1]}")
    if not model.has_same_symmetry(data):
        names = [c.name or f"{c.n_operations} operations" for c in (model, data)]
        raise SymmetryError(
            f"the symmetry of the model ({names[0]}) is not that of the data ({names[1]})"
        )
    if model.is_similar(data, NOTED_CELL_DIFFERENCE):
        return ()
    return (f"the cell of the model {cells[0]} is used; that of the data is {cells[1]}",)


def within_resolution(data: Reflections, d_min: float | None) -> Reflections:
    """The reflections with d >= `d_min` (A); all when it is None.

    Raises
    ------
    ResolutionError
        When there are none.
    """
    if d_min is None:
        return data
    limit = checked_d_min(d_min)
    inside = data.d_spacing >= limit * (1.0 - 1e-9)
    if not inside.any():
        finest = float(data.d_spacing.min(initial=np.inf))
        raise ResolutionError(
            f"no reflections with d >= {limit:g} A: the data reach to {finest:.2f} A"
        )
    return data.select(inside)


def usable_reflections(data: Reflections) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) bool: to be fitted to or counted in R; and notes on how many are not, and why."""
    sigmas = np.ones(len(data)) if data.sigmas is None else data.sigmas
    # one reason each, the first that applies
    reasons = {
        "missing": ~(np.isfinite(data.values) & np.isfinite(sigmas)),
        "absent by symmetry": data.crystal.is_absent(data.hkl) | ~data.hkl.any(axis=1),
        "with F <= 0": data.values <= 0,
        "with sigma <= 0": sigmas <= 0,
    }
    usable = np.ones(len(data), bool)
    notes = []
    for reason, applies in reasons.items():
        if (usable & applies).any():
            notes.append(f"{int((usable & applies).sum())} reflections {reason} are not used")
        usable &= ~applies
    if not usable.any():
        raise ReflectionsError(f"no usable reflections among {len(data)}: {'; '.join(notes)}")
    return usable, tuple(notes)


def free_set(
    data: Reflections, usable: np.ndarray, use_free: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) bool: left out of the fit; and notes."""
    nothing = np.zeros(len(data), bool)
    if data.free is None:
        return nothing, ("no free set: R_work is of all reflections and there is no R_free",)
    if not use_free:
        return nothing, ("the free set is fitted to as well, as was asked: there is no R_free",)
    free = data.free.astype(bool)
    n_free, n_work = int((usable & free).sum()), int((usable & ~free).sum())
    if not (n_free and n_work):
        return nothing, (f"the free set has {n_free} of the reflections and is not used",)
    if n_free < SMALL_FREE_SET:
        return free, (f"R_free rests on only {n_free} reflections",)
    return free, ()
