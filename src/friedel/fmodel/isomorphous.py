"""Isomorphous difference maps: F_obs of two data sets, with the phases of one model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.errors import ReflectionsError
from friedel.fmodel.anomalous import mean_over_mates
from friedel.fmodel.difference_maps import labels_of
from friedel.fmodel.observed import compare_crystals, read_data
from friedel.fmodel.scaled import ScaledModel
from friedel.maps.difference_density import DifferenceDensity, difference_density
from friedel.model.atoms import Atoms
from friedel.notes import Note
from friedel.reflections.agreement import r_factor
from friedel.reflections.merging import grouped
from friedel.reflections.reflections import Reflections, match
from friedel.scaling import ScaleParameters, ScalingData, fit, fit_isotropic_b
from friedel.scaling.choice import FLAT

LABEL = "FISO"
FEWEST = 50
"""Smallest number of common reflections."""


@dataclass(frozen=True, eq=False, repr=False)
class IsomorphousDifference:
    """Weighted differences of two sets of amplitudes with the phases of a model.

    Attributes
    ----------
    coefficients
        w (F_obs - k F_other) exp(i phi), complex, on the absolute scale of the model; phi is the
        phase of F_model, and k the scale by which the other amplitudes are multiplied.
    scales
        Scale k and B by which the other amplitudes are multiplied.
    r_iso
        sum abs(F_obs - k F_other) / sum F_obs.
    weights
        (n,) w = 1 / (1 + sigma^2 / <sigma^2> + D^2 / <D^2>) [Ren2001], divided by their mean, of
        differences D with uncertainties sigma. Without sigmas their term is 0.
    notes
        What was scaled, and how it is weighted.
    atoms, labels
        The atoms of the model, and their names, or None where they are unknown: peaks of the map
        are named by the nearest.
    """

    coefficients: Reflections
    scales: ScaleParameters
    r_iso: float
    weights: np.ndarray
    notes: tuple[Note, ...]
    atoms: Atoms
    labels: tuple[str, ...] | None

    def __repr__(self) -> str:
        n = len(self.coefficients)
        return f"<friedel.IsomorphousDifference {n} reflections, R_iso {self.r_iso:.4f}>"

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON."""
        return {
            "data": self.coefficients.description,
            "n_reflections": len(self.coefficients),
            "r_iso": self.r_iso,
            "k": self.scales.k_overall,
            "b": list(self.scales.b_overall),
            "notes": [note.to_dict() for note in self.notes],
        }

    def density(self, n: int = 20) -> DifferenceDensity:
        """Extremes of the map, and its highest peaks and deepest holes, with the nearest atoms.

        Parameters
        ----------
        n
            Largest number of peaks and of holes.
        """
        return difference_density(self.coefficients, self.atoms, self.labels, n)


def isomorphous_difference(model: ScaledModel, other: Any) -> IsomorphousDifference:
    """F_obs of a fitted model minus other amplitudes, scaled and weighted.

    Parameters and errors are those of :meth:`friedel.FittedModel.isomorphous_difference`.
    """
    crystal = model.crystal
    found = read_data(other, crystal).means
    about = compare_crystals(crystal, found.crystal)
    first, second = _means(model.f_obs, model.usable), _means(found, np.isfinite(found.values))
    i, j = match(first.hkl, second.hkl)
    if len(i) < FEWEST:
        raise ReflectionsError(
            f"{found.description or found.label} has {len(i)} reflections in common with "
            f"{model.f_obs.description or model.f_obs.label}, expected at least {FEWEST}"
        )
    hkl, f_first, f_second = first.hkl[i], first.values[i], second.values[j]
    data = ScalingData(crystal, hkl, f_first, f_second.astype(complex))
    near = fit_isotropic_b(data, ScaleParameters(k_sol=0.0), fixed=("k_sol", "b_sol"))
    scales = fit(data, target="l1", start=near, fixed=FLAT.held).parameters
    k = scales.overall_scale(crystal, hkl)
    difference = f_first - k * f_second
    weights, how = _weights(difference, _sigmas(first, i), _sigmas(second, j), k)
    phases = mean_over_mates(model.f_model)
    row, _ = match(phases.hkl, hkl)
    values = weights * difference * np.exp(1j * np.angle(phases.values[row]))
    r_iso = r_factor(f_first, k * f_second)
    name = found.description or found.label
    notes = (
        *found.notes,
        *about,
        Note(
            f"{name} is multiplied by {scales.k_overall:.4g} exp(-B stol2) with B = "
            f"{scales.b_iso:.2f} A^2 and its anisotropy: R_iso {r_iso:.4f} of {len(i)} reflections",
            "fit",
            r_iso,
        ),
        Note(f"weights of the differences are {how}, with a mean of 1", "default"),
    )
    coefficients = Reflections(
        crystal,
        hkl,
        values / model.scales.k_overall,
        label=LABEL,
        description=f"{model.f_obs.description or model.f_obs.label} minus {name}",
        notes=notes,
    )
    return IsomorphousDifference(
        coefficients, scales, r_iso, weights, notes, model.atoms, labels_of(model)
    )


def _means(data: Reflections, usable: np.ndarray) -> Reflections:
    """Means of equivalent reflections and Friedel mates, in the asymmetric unit, sorted."""
    groups = grouped(data.crystal, data.hkl[usable], friedel_mates=True)
    sigmas = None
    if data.sigmas is not None:
        sigmas = np.sqrt(groups.total(np.asarray(data.sigmas, float)[usable] ** 2)) / groups.counts
    values = groups.total(np.asarray(data.values, float)[usable]) / groups.counts
    return Reflections(data.crystal, groups.hkl, values, sigmas)


def _sigmas(data: Reflections, rows: np.ndarray) -> np.ndarray | None:
    return None if data.sigmas is None else data.sigmas[rows]


def _weights(
    difference: np.ndarray, first: np.ndarray | None, second: np.ndarray | None, k: np.ndarray
) -> tuple[np.ndarray, str]:
    """(n,) weights, and their formula."""
    squared = difference**2
    terms, how = 1.0 + squared / max(squared.mean(), 1e-300), "1 / (1 + D^2/<D^2>)"
    if first is not None and second is not None:
        variance = first**2 + (k * second) ** 2
        known = np.isfinite(variance)
        if known.any() and variance[known].mean() > 0:
            variance = np.where(known, variance, variance[known].mean())
            terms = terms + variance / variance.mean()
            how = "1 / (1 + sigma^2/<sigma^2> + D^2/<D^2>)"
    weights = 1.0 / terms
    return weights / weights.mean(), how
