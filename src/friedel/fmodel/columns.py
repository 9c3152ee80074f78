"""The columns that a fitted model writes to MTZ and mmCIF files."""

import dataclasses

import numpy as np

from friedel.fmodel.scaled import ScaledModel
from friedel.reflections.bijvoet import one_of_each


def mtz_columns(model: ScaledModel) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One hkl (n, 3) per Friedel pair, and columns, for :meth:`friedel.FittedModel.to_mtz`."""
    observed = dataclasses.replace(model.f_obs, label="FP")
    columns = observed.columns() | model.f_calc.columns()
    if model.masked is not None and model.f_mask is not None:
        columns |= {"FMASK": model.f_mask.amplitudes, "PHIMASK": model.f_mask.phases}
    columns |= model.f_model.columns() | {"FOM": model.phase_statistics.fom}
    for reflections in model.map_coefficients():
        columns |= reflections.columns()
    hkl = observed.hkl
    chosen, partner = one_of_each(hkl)
    if not (partner >= 0).any():
        return hkl, columns
    # unpaired mates are written as their partners, which have the opposite phase
    _, _, is_mate = model.crystal.to_asu(hkl[chosen])
    sign = np.where(is_mate, -1, 1)
    measured = {"F": observed.values}
    if observed.sigmas is not None:
        measured["SIGF"] = observed.sigmas
    one = {name: values[chosen] for name, values in columns.items()}
    phases = {name: sign * values for name, values in one.items() if name.startswith("PH")}
    both = {}
    for name, values in measured.items():
        first, second = values[chosen], np.where(partner >= 0, values[partner], np.nan)
        both[f"{name}(+)"] = np.where(is_mate, second, first)
        both[f"{name}(-)"] = np.where(is_mate, first, second)
    return hkl[chosen] * sign[:, None], one | phases | both
