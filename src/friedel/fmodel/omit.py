"""Omit maps: some atoms left out, the rest fitted, and the difference density where they were.

With the mask of the other atoms alone (omit) the solvent fills the site. With a mask from which the
site is excluded (polder) it does not, so that weak density is not hidden by the solvent
[Liebschner2017].
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.density.grid import Grid
from friedel.errors import AtomsError, ParameterError
from friedel.fmodel.difference_maps import labels_of
from friedel.fmodel.fitted import FittedModel, fitted_model
from friedel.fmodel.model_components import UnscaledModel
from friedel.fmodel.setup import Setup
from friedel.maps.coefficients import map_from_coefficients
from friedel.maps.difference_density import DifferenceDensity, difference_density
from friedel.maps.interpolation import values_at
from friedel.maps.near_atoms import NearAtoms
from friedel.maps.residue_agreement import correlation
from friedel.maps.symmetry_copies import symmetry_copies
from friedel.model.atoms import Atoms
from friedel.reflections.reflections import Reflections
from friedel.solvent.masked_solvent import MaskedSolvent

if TYPE_CHECKING:
    from friedel.fmodel.fmodel import FModel

POLDER_RADIUS = 5.0
"""Distance (Å) from an omitted atom within which there is no solvent, as in phenix.polder."""

CC_RADIUS = 2.0
"""Distance (Å) from an omitted atom within which maps are correlated, as in phenix.polder."""


@dataclass(frozen=True, eq=False, repr=False)
class OmitMap:
    """A model without some of its atoms, fitted, and the difference density where they were.

    Attributes
    ----------
    fitted
        The model without the atoms; its :meth:`~friedel.FittedModel.map_coefficients` are those of
        the omit map.
    omitted
        The atoms left out.
    labels
        Their names, or the labels of their types.
    polder
        Whether the solvent is kept away from their site.
    density
        (n,) mFo-DFc at the atoms, on the absolute scale (electrons/Å^3 for X-rays).
    deviation
        Standard deviation of the map over the unit cell.
    correlations
        For a polder map the three coefficients of [Liebschner2017] between maps near the site:
        ``"cc12"``, ``"cc13"``, ``"cc23"``, of data (1) calculated with the atoms, (2) calculated
        without them, with solvent in their place, (3) observed. Atoms are supported if cc13 is
        large, and larger than the others. Otherwise empty.
    """

    fitted: FittedModel
    omitted: Atoms
    labels: tuple[str, ...]
    polder: bool
    density: np.ndarray
    deviation: float
    correlations: Mapping[str, float]

    def __repr__(self) -> str:
        kind = "polder" if self.polder else "omit"
        return f"<friedel.OmitMap {kind}, {len(self.labels)} atoms, mean {self.sigma:.1f} sigma>"

    @property
    def mean(self) -> float:
        """Mean density at the omitted atoms."""
        return float(self.density.mean())

    @property
    def sigma(self) -> float:
        """The mean density in standard deviations of the map."""
        return self.mean / self.deviation if self.deviation > 0 else 0.0

    def peaks(self, n: int = 20) -> DifferenceDensity:
        """Peaks and holes of the map, with the nearest of the omitted atoms.

        Parameters
        ----------
        n
            Largest number of peaks and of holes.
        """
        return difference_density(
            self.fitted.difference_coefficients(), self.omitted, self.labels, n
        )

    def text(self, unit: str) -> str:
        """The result in a few lines; `unit` is that of the density."""
        lowest = int(np.argmin(self.density))
        kind = "polder" if self.polder else "omit"
        text = (
            f"{kind} map: mean mFo-DFc at {len(self.labels)} omitted atoms {self.mean:.3f} {unit}, "
            f"{self.sigma:.2f} sigma; lowest {self.density[lowest]:.3f} at {self.labels[lowest]}"
        )
        if self.correlations:
            one, two, three = (self.correlations[name] for name in ("cc12", "cc13", "cc23"))
            text += (
                f"\nmaps near them: CC(1,2) {one:.3f}, CC(1,3) {two:.3f}, CC(2,3) {three:.3f}; of "
                "data calculated with the atoms (1), without them (2), and observed (3)"
            )
        return text

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON, with the density at each atom."""
        at = zip(self.labels, self.density.tolist(), strict=True)
        return {
            "polder": self.polder,
            "n_atoms": len(self.labels),
            "mean": self.mean,
            "sigma": self.sigma,
            "atoms": [{"label": label, "density": value} for label, value in at],
            "correlations": dict(self.correlations) or None,
        }


def omit(
    model: FittedModel, selection: str | np.ndarray, *, polder: bool, radius: float = POLDER_RADIUS
) -> OmitMap:
    """Leave atoms out, fit the rest, and read the difference map where they were.

    Parameters and errors are those of :meth:`friedel.FittedModel.omit`.
    """
    # the density of omitted atoms must stay in the difference map
    model = model.without_missing_density()
    setup = replace(model._setup, missing_density=None)
    chosen = chosen_atoms(model, selection)
    if setup.components.is_by_atom:
        raise ParameterError("atoms with form factors of their own cannot be left out")
    omitted, rest = model.atoms.select(chosen), model.atoms.select(~chosen)
    if not len(rest):
        raise AtomsError("all atoms are left out, expected some that remain")
    masked = model.masked
    without = None if masked is None else replace(masked, atoms=rest)
    used = without if masked is None or not polder else _without_site(masked, omitted, radius)
    components = setup.components.without(chosen, used)
    setup = replace(
        setup,
        components=components,
        settings=replace(setup.settings, search_mask=False, hydrogens=None),
        source_of_atoms=setup.source_of_atoms.without(chosen),
    )
    fitted = fitted_model(setup)
    grid = map_from_coefficients(fitted.difference_coefficients())
    xyz = omitted.frac @ model.crystal.orthogonalization.T
    labels = _labels(model, chosen)
    found: dict[str, float] = {}
    if polder:
        calculated = _amplitudes_without(model, components.with_mask(without))
        found = _correlations(model, setup, calculated, grid, xyz)
    return OmitMap(
        fitted,
        omitted,
        labels,
        polder,
        values_at(grid, xyz),
        float(grid.array.std(dtype=float)),
        found,
    )


def chosen_atoms(model: "FModel | FittedModel", selection: str | np.ndarray) -> np.ndarray:
    """(n,) bool: the atoms that a selection chooses.

    Raises
    ------
    ParameterError
        As for :meth:`friedel.FittedModel.omit`.
    """
    chosen = model._setup.source_of_atoms.chosen(selection, len(model.atoms))
    if not chosen.any():
        raise ParameterError("the selection has no atoms")
    return chosen


def _labels(model: FittedModel, chosen: np.ndarray) -> tuple[str, ...]:
    atoms = model.atoms
    all_labels = labels_of(model) or tuple(atoms.scatterers[k] for k in atoms.kind)
    return tuple(all_labels[i] for i in np.flatnonzero(chosen))


def _without_site(masked: MaskedSolvent, omitted: Atoms, radius: float) -> MaskedSolvent:
    """The solvent of the whole model, kept away from a site, with all its symmetry copies."""
    crystal = masked.crystal
    mask = np.array(masked.mask, np.float32)
    copies = symmetry_copies(crystal, omitted.frac).reshape(-1, 3)
    near = NearAtoms(Grid(mask, crystal), radius)
    mask[near.mask(copies @ crystal.orthogonalization.T)] = 0.0
    return replace(masked, given=mask)


def _amplitudes_without(model: FittedModel, components: UnscaledModel) -> np.ndarray:
    """(n,) amplitudes without the atoms, with the scales of the fit to all of them."""
    scales, f_mask = model.scales, components.f_mask if model.has_solvent else None
    f_layer = None
    if components.masked is not None and f_mask is not None and scales.k_layer:
        f_layer = components.masked.f_layer
    total = scales.f_total(model.crystal, model.f_obs.hkl, components.f_calc, f_mask, f_layer)
    return np.abs(total)


def _correlations(
    model: FittedModel, setup: Setup, without: np.ndarray, observed: Grid, xyz: np.ndarray
) -> dict[str, float]:
    """The three coefficients of polder maps."""
    near = NearAtoms(observed, CC_RADIUS).indices(xyz)
    maps = [observed.array.reshape(-1)[near]]
    for amplitudes in (np.abs(model.f_model.values), without):
        found = fitted_model(_with_data(setup, amplitudes))
        grid = map_from_coefficients(found.difference_coefficients(), shape=observed.shape)
        maps.append(grid.array.reshape(-1)[near])
    third, first, second = (np.asarray(values, float) for values in maps)
    return {
        "cc12": correlation(first, second),
        "cc13": correlation(first, third),
        "cc23": correlation(second, third),
    }


def _with_data(setup: Setup, amplitudes: np.ndarray) -> Setup:
    """The set-up with calculated amplitudes as its data, of a single crystal."""
    observed = setup.observed
    f_obs = Reflections(
        observed.f_obs.crystal,
        observed.f_obs.hkl,
        amplitudes,
        observed.f_obs.sigmas,
        observed.f_obs.free,
        label=observed.f_obs.label,
    )
    settings = replace(setup.settings, twin_laws=())
    if observed.intensities is not None:
        settings = replace(settings, target="l1")
    kept = replace(observed, f_obs=f_obs, intensities=None, weights=None, pairs=None)
    return replace(setup, observed=kept, settings=settings)
