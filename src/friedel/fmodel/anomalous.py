"""Anomalous differences of data that a model phases: columns of files, and map coefficients."""

import dataclasses

import numpy as np

from friedel.reflections.bijvoet import FriedelMates
from friedel.reflections.merging import grouped
from friedel.reflections.reflections import Reflections, as_keys


def anomalous_coefficients(mates: FriedelMates, f_model: Reflections) -> Reflections:
    """(F(+) - F(-)) exp(i (phi - 90 degrees)) with the phase of F_model, where both are known.

    Parameters
    ----------
    mates
        Amplitudes of Friedel mates.
    f_model
        Complex F_model, at h, -h, or both; phi is the phase of the mean of F_model(h) and
        conj F_model(-h).
    """
    averaged = mean_over_mates(f_model)
    row = _rows(averaged.hkl, mates.hkl)
    chosen = mates.are_pairs & (row >= 0)
    phase_factor = np.exp(1j * np.angle(averaged.values[row[chosen]]))
    values = -1j * phase_factor * mates.differences[chosen]
    return dataclasses.replace(f_model, hkl=mates.hkl[chosen], values=values, label="ANOM")


def mean_over_mates(f_model: Reflections) -> Reflections:
    """The mean of F(h) and conj F(-h), where both are listed, in the asymmetric unit, sorted."""
    crystal = f_model.crystal
    groups = grouped(crystal, f_model.hkl, friedel_mates=True)
    _, shift, is_mate = crystal.to_asu(f_model.hkl)
    folded = np.where(is_mate, f_model.values.conj(), f_model.values) * np.exp(-1j * shift)
    total = groups.total(folded.real) + 1j * groups.total(folded.imag)
    return Reflections(crystal, groups.hkl, total / groups.counts, label=f_model.label)


def anomalous_columns(
    mates: FriedelMates, coefficients: Reflections, hkl: np.ndarray
) -> dict[str, np.ndarray]:
    """F(+), F(-), DANO, their sigmas, ANOM and PHANOM at the reflections hkl (n, 3).

    DANO is F(+) - F(-), as in files of CCP4; missing for centric reflections and where one mate was
    not measured.
    """
    folded, shift, is_mate = coefficients.crystal.to_asu(hkl)
    is_mate &= ~coefficients.crystal.is_centric(hkl)
    row = _rows(mates.hkl, folded)

    def at(values: np.ndarray) -> np.ndarray:
        return np.where(row >= 0, values[row], np.nan)

    plus, minus = at(mates.plus), at(mates.minus)
    columns = {"F(+)": np.where(is_mate, minus, plus)}
    sigmas = None
    if mates.plus_sigmas is not None and mates.minus_sigmas is not None:
        sigmas = at(mates.plus_sigmas), at(mates.minus_sigmas)
        columns["SIGF(+)"] = np.where(is_mate, sigmas[1], sigmas[0])
    columns["F(-)"] = np.where(is_mate, plus, minus)
    if sigmas is not None:
        columns["SIGF(-)"] = np.where(is_mate, sigmas[0], sigmas[1])
    columns["DANO"] = columns["F(+)"] - columns["F(-)"]
    if sigmas is not None:
        columns["SIGDANO"] = np.hypot(*sigmas)
    row = _rows(coefficients.hkl, folded)
    values = np.where(row >= 0, coefficients.values[row], np.nan) * np.exp(1j * shift)
    values = np.where(is_mate, values.conj(), values)
    return columns | {"ANOM": np.abs(values), "PHANOM": np.degrees(np.angle(values))}


def _rows(sorted_hkl: np.ndarray, hkl: np.ndarray) -> np.ndarray:
    """(n,) the row of each reflection in a sorted list, or -1."""
    keys = as_keys(sorted_hkl)
    row = np.searchsorted(keys, as_keys(hkl))
    row[row == len(keys)] = -1
    row[keys[row] != as_keys(hkl)] = -1
    return row
