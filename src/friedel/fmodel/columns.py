"""The columns that a fitted model writes to MTZ and mmCIF files."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from friedel.fmodel.anomalous import anomalous_columns
from friedel.fmodel.scaled import ScaledModel
from friedel.fmodel.sigma_a import doubled
from friedel.notes import Note
from friedel.reflections.bijvoet import one_of_each
from friedel.reflections.reflections import Reflections

if TYPE_CHECKING:
    from friedel.fmodel.missing_density import MissingDensity


def mtz_columns(
    model: ScaledModel,
) -> tuple[np.ndarray, dict[str, np.ndarray], tuple[Note, ...]]:
    """One hkl (n, 3) per Friedel pair, columns, and notes on what those of maps hold.

    For :meth:`friedel.FittedModel.to_mtz`.
    """
    observed = dataclasses.replace(model.f_obs, label="FP")
    columns = observed.columns() | model.f_calc.columns()
    if model.masked is not None and model.f_mask is not None:
        columns |= {"FMASK": model.f_mask.amplitudes, "PHIMASK": model.f_mask.phases}
    columns |= model.f_model.columns() | {"FOM": model.phase_statistics.fom}
    fwt, difference = model.map_coefficients()
    n, n_all = len(observed), len(fwt)
    columns = _with_missing(model, columns, n_all - n)
    delfwt = doubled(difference.values, model.crystal.is_centric(difference.hkl))
    for reflections in (fwt, dataclasses.replace(difference, values=delfwt, label="DELFWT")):
        columns |= reflections.columns()
    if model.missing_density is not None:
        columns |= _with_and_without(model, model.missing_density, fwt.hkl)
    is_filled = np.isfinite(fwt.values) & np.isnan(difference.values)
    columns["FILLED"] = is_filled.astype(np.int32)
    notes = _map_notes(model, int(is_filled.sum()))
    hkl = fwt.hkl
    chosen, partner = one_of_each(hkl)
    if (partner >= 0).any():
        # unpaired mates are written as their partners, which have the opposite phase
        _, _, is_mate = model.crystal.to_asu(hkl[chosen])
        sign = np.where(is_mate, -1, 1)
        hkl = hkl[chosen] * sign[:, None]
        columns = {name: values[chosen] for name, values in columns.items()}
        columns |= {name: sign * x for name, x in columns.items() if name.startswith("PH")}
    mates = model.friedel_mates
    if mates is not None:
        columns |= anomalous_columns(mates, model.anomalous_map_coefficients(), hkl)
    return hkl, columns, notes


def _with_missing(
    model: ScaledModel, columns: dict[str, np.ndarray], n: int
) -> dict[str, np.ndarray]:
    """The columns with `n` more rows, of reflections that are not in the data."""
    if not n:
        return columns
    others = model.not_measured
    known = {"FC": others.f_calc, "FMODEL": others.f_model}
    if others.f_mask is not None:
        known["FMASK"] = others.f_mask
    calculated: dict[str, np.ndarray] = {}
    for label, values in known.items():
        found = Reflections(model.crystal, others.hkl, values, label=label)
        phase = "PHIMASK" if label == "FMASK" else list(found.columns())[1]
        calculated |= {label: found.amplitudes, phase: found.phases}
    nothing = np.full(n, np.nan)
    return {
        label: np.concatenate([values, calculated.get(label, nothing)])
        for label, values in columns.items()
    }


def _with_and_without(
    model: ScaledModel, missing: "MissingDensity", hkl: np.ndarray
) -> dict[str, np.ndarray]:
    """F of the added density, and map coefficients without it, at the reflections hkl (n, 3)."""
    fwt, difference = model.without_missing_density().map_coefficients()
    delfwt = doubled(difference.values, model.crystal.is_centric(hkl))
    added = model.scales.overall_scale(model.crystal, hkl) * missing.at(hkl)
    columns: dict[str, np.ndarray] = {}
    for label, phase, values in (
        ("FMISS", "PHIMISS", added),
        ("FWT_ATOMS", "PHWT_ATOMS", fwt.values),
        ("DELFWT_ATOMS", "PHDELWT_ATOMS", delfwt),
    ):
        columns |= {label: np.abs(values), phase: np.degrees(np.angle(values))}
    return columns


def _map_notes(model: ScaledModel, n_filled: int) -> tuple[Note, ...]:
    """What the columns of map coefficients hold, for the history of a file."""
    texts = [
        "FWT is 2mFo-DFc, mFo of centric reflections; DELFWT is 2(mFo-DFc), mFo-DFc of centric ones"
    ]
    if n_filled:
        texts.append(f"FWT is DFc for {n_filled} reflections without Fo in maps, where FILLED is 1")
    if not model.free_in_maps:
        texts.append("maps do not contain Fo of the free set")
    if model.missing_density is not None:
        texts.append(
            "FMODEL, FWT, DELFWT contain density that the model lacks, for each fitted Fo from a "
            "map without it; FMISS is its F from all fitted Fo; the columns with _ATOMS are without"
        )
    return tuple(Note(text, "file") for text in texts)
