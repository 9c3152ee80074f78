"""Reflections that maps lack, as they were not measured, and F_model there."""

from dataclasses import dataclass

import numpy as np

from friedel.fmodel.model_components import UnscaledModel
from friedel.model.arrays import as_keys
from friedel.model.crystal import Crystal
from friedel.scaling import ScaleParameters

MOST_MISSING = 1.0
"""Number of missing reflections per reflection used above which a map is not filled: it would
be that of the model. One reflection far from all others would make all between them missing."""


@dataclass(frozen=True, eq=False)
class NotMeasured:
    """Structure factors of reflections that are not in the list of the data.

    Attributes
    ----------
    hkl
        (m, 3) reflections.
    f_calc, f_mask, f_model
        (m,) complex structure factors of atoms and mask, on their own scale, and of the model on
        the scale of F_obs; F_mask is None without solvent.
    """

    hkl: np.ndarray
    f_calc: np.ndarray
    f_mask: np.ndarray | None
    f_model: np.ndarray


def missing_reflections(
    crystal: Crystal, hkl: np.ndarray, measured: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reflections within the range of d of the data, of which neither they nor mates are used.

    Parameters
    ----------
    hkl
        (n, 3) reflections.
    measured, used
        (n,) bool: reflections that have F_obs, and those of which it is used.

    Returns
    -------
    listed
        (n,) bool: those of `hkl`.
    others
        (m, 3) those not in `hkl`, unique.
    """
    nothing = np.zeros(len(hkl), bool), np.zeros((0, 3), np.int32)
    if not used.any():
        return nothing
    d = crystal.d_spacing(hkl[measured])
    at_least = 2.0 / 3.0 * np.pi * crystal.volume / (d.min() ** 3 * crystal.n_operations)
    if at_least > 4.0 * (1.0 + MOST_MISSING) * used.sum():
        return nothing  # the list could be too long to make
    possible = crystal.unique_reflections(float(d.min()), float(d.max()) * (1.0 + 1e-9))
    keys, possible_keys = as_keys(crystal.to_asu(hkl)[0]), as_keys(possible)
    is_missing = ~np.isin(possible_keys, keys[used])
    if is_missing.sum() > MOST_MISSING * used.sum():
        return nothing
    listed = ~used & np.isin(keys, possible_keys[is_missing])
    return listed, possible[is_missing & ~np.isin(possible_keys, keys)]


def not_measured(
    model: UnscaledModel, scales: ScaleParameters, hkl: np.ndarray, *, has_solvent: bool
) -> NotMeasured:
    """F_model of the reflections hkl (m, 3), as far as it can be calculated."""
    hkl = hkl[model.reaches(hkl)]
    if not len(hkl):
        nothing = np.zeros(0, complex)
        has_mask = model.babinet or model.masked is not None
        return NotMeasured(hkl, nothing, nothing if has_mask else None, nothing)
    f_calc, f_mask, f_layer = model.at(hkl)
    solvent = (f_mask, f_layer if scales.k_layer else None) if has_solvent else (None, None)
    f_all = f_calc if model.missing is None else f_calc + model.missing.at(hkl)
    f_model = scales.f_total(model.crystal, hkl, f_all, *solvent)
    return NotMeasured(hkl, f_calc, f_mask, f_model)
