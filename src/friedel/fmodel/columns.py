"""The columns that a fitted model writes to MTZ and mmCIF files."""

import dataclasses

import numpy as np

from friedel.fmodel.anomalous import anomalous_columns
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
    if (partner >= 0).any():
        # unpaired mates are written as their partners, which have the opposite phase
        _, _, is_mate = model.crystal.to_asu(hkl[chosen])
        sign = np.where(is_mate, -1, 1)
        hkl = hkl[chosen] * sign[:, None]
        columns = {name: values[chosen] for name, values in columns.items()}
        columns |= {name: sign * x for name, x in columns.items() if name.startswith("PH")}
    mates = model.friedel_mates
    if mates is None:
        return hkl, columns
    return hkl, columns | anomalous_columns(mates, model.anomalous_map_coefficients(), hkl)
