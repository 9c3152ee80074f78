"""Difference maps of a fitted model read out: peaks, holes, and agreement by residue."""

from dataclasses import replace

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.scaled import ScaledModel
from friedel.maps.coefficients import map_from_coefficients
from friedel.maps.difference_density import DifferenceDensity, difference_density
from friedel.maps.residue_agreement import ResidueAgreement, residue_agreement

RADII = ((1.0, 1.0), (2.0, 1.5), (4.0, 2.0), (np.inf, 2.5))
"""Radius (Å) around atoms in which maps are compared, by resolution: those of
phenix.real_space_correlation."""


def difference_peaks(model: ScaledModel, n: int) -> DifferenceDensity:
    """Extremes of the mFo-DFc map, and at most `n` peaks and holes.

    See :meth:`friedel.FittedModel.difference_density`.
    """
    return difference_density(model.difference_coefficients(), model.atoms, labels_of(model), n)


def anomalous_peaks(model: ScaledModel, n: int) -> DifferenceDensity:
    """Extremes of the anomalous difference map, and at most `n` peaks and holes.

    See :meth:`friedel.FittedModel.anomalous_density`.
    """
    found = model.anomalous_map_coefficients()
    scaled = replace(found, values=found.values / model.scales.k_overall)
    return difference_density(scaled, model.atoms, labels_of(model), n)


def labels_of(model: ScaledModel) -> tuple[str, ...] | None:
    """The names of the atoms; None where they are unknown."""
    names = model.atom_names
    return model.atoms.site_labels if names is None else names.labels


def residues_of(model: ScaledModel, radius: float | None = None) -> ResidueAgreement:
    """Agreement of the 2mFo-DFc map with that of F_model near each residue.

    See :meth:`friedel.FittedModel.residues`.
    """
    names = model.atom_names
    if names is None:
        raise ParameterError(
            "the residues are unknown: give the file of a macromolecule or its gemmi.Structure"
        )
    # D F_model in place of missing F_obs would agree with F_model too well
    fwt, _ = model.map_coefficients(fill_missing=False)
    present = np.isfinite(fwt.values)
    d_min = float(fwt.d_spacing[present].min())
    observed = map_from_coefficients(fwt)
    calculated = map_from_coefficients(model.f_model.select(present), shape=observed.shape)
    if radius is None:
        radius = next(r for d, r in RADII if d_min < d)
    xyz = model.atoms.frac @ model.crystal.orthogonalization.T
    return residue_agreement(observed, calculated, xyz, model.atoms, names.residues(), radius)
