"""A model and its data before a fit: attributes that FModel and FittedModel share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.fmodel.fit import FitSettings
from friedel.fmodel.flat_solvent_fits import quick_start
from friedel.fmodel.model_components import UnscaledModel
from friedel.fmodel.observed import Observed
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.atom_names import AtomSource
from friedel.reflections.bijvoet import FriedelMates, friedel_mates
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters
from friedel.solvent.masked_solvent import MaskedSolvent
from friedel.structure_factors.with_hydrogens import hydrogens_of

if TYPE_CHECKING:
    from friedel.model.atom_names import AtomNames


@dataclass(frozen=True, eq=False)
class Setup:
    """Input of a fit.

    Attributes
    ----------
    name
        Name of the model.
    observed
        The data, and the use of each reflection.
    components
        F_calc of the atoms and F_mask of the solvent.
    settings
        Settings of the fit.
    use_free
        Whether the free set is left out of the fit.
    notes
        Decisions made while reading and preparing.
    wavelength
        Wavelength of f' and f'', else that stated by the data, Å; 0 if unknown.
    source_of_atoms
        What the atoms were read from, for their names.
    fill_missing, free_in_maps
        What maps contain; see :class:`friedel.FModel`.
    missing_density
        ``"auto"`` or ``"yes"`` to add density that the model lacks; None for the atoms alone.
    """

    name: str
    observed: Observed
    components: UnscaledModel
    settings: FitSettings
    use_free: bool
    notes: tuple[Note, ...]
    wavelength: float = 0.0
    source_of_atoms: AtomSource = field(default_factory=AtomSource)
    fill_missing: bool = True
    free_in_maps: bool = True
    missing_density: bool | str | None = None


class ModelAndData:
    """The attributes of a setup, read only."""

    _setup: Setup

    @property
    def name(self) -> str:
        """The name of the model."""
        return self._setup.name

    @property
    def crystal(self) -> Crystal:
        """Cell and symmetry of the model."""
        return self._setup.components.crystal

    @property
    def atoms(self) -> Atoms:
        """The atoms of the model, without riding hydrogens."""
        return self._setup.components.atoms

    @property
    def riding_hydrogens(self) -> Atoms | None:
        """The hydrogens that ride on the atoms, as far as they are added; None without any."""
        components = self._setup.components
        if components.riding is None:
            return None
        return hydrogens_of(components.riding, self.crystal, self.atoms)

    @property
    def atom_names(self) -> "AtomNames | None":
        """Chains, residues and names of the atoms; None where the model's source has none."""
        return self._setup.source_of_atoms.names(len(self.atoms))

    @property
    def source(self) -> str:
        """The radiation: ``"xray"``, ``"electron"``, ``"neutron"`` or ``"mott-bethe"``."""
        return self._setup.settings.source

    @property
    def solvent(self) -> str:
        """The option `solvent` as given."""
        return self._setup.settings.solvent

    @property
    def target(self) -> str:
        """The target that the fit minimises."""
        return self._setup.settings.target

    @property
    def use_free(self) -> bool:
        """Whether the free set is left out of the fit."""
        return self._setup.use_free

    @property
    def free_in_maps(self) -> bool:
        """Whether F_obs of the free set contributes to maps."""
        return self._setup.free_in_maps

    @property
    def f_obs(self) -> Reflections:
        """Observed amplitudes, in the unit cell of the model."""
        return self._setup.observed.f_obs

    @property
    def wavelength(self) -> float:
        """The wavelength of f' and f'', else that stated by the data, Å; 0 if unknown."""
        return self._setup.wavelength

    @property
    def friedel_mates(self) -> FriedelMates | None:
        """F(+) and F(-) of the data side by side; None if the data have no pairs."""
        pairs = self._setup.observed.pairs
        return None if pairs is None else friedel_mates(pairs)

    @property
    def usable(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` count in the R-factors.

        The fit uses those that are neither in `free` nor in `rejected`.
        """
        return read_only(self._setup.observed.usable)

    @property
    def free(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` are left out of the fit."""
        return read_only(self._setup.observed.free)

    @property
    def masked(self) -> MaskedSolvent | None:
        """The solvent's mask, and its structure factors; None when there is no mask."""
        return self._setup.components.masked

    @property
    def solvent_fraction(self) -> float | None:
        """Fraction of the cell that the mask takes as solvent; None when there is no mask."""
        return None if self.masked is None else self.masked.fraction

    @property
    def f_calc(self) -> Reflections:
        """Structure factors of the atoms and of riding hydrogens, on their own scale."""
        return self._reflections("FC", self._setup.components.f_calc)

    @property
    def f_mask(self) -> Reflections | None:
        """Structure factors that k_sol multiplies; None without solvent.

        They are those of the mask, 1 in the solvent and 0 elsewhere, or -F_calc for Babinet's
        solvent.
        """
        f_mask = self._setup.components.f_mask
        return None if f_mask is None else self._reflections("FMASK", f_mask)

    def _reflections(
        self, label: str, values: np.ndarray, hkl: np.ndarray | None = None
    ) -> Reflections:
        """Complex values at the reflections of `f_obs`, or at others."""
        description = f"{label} of {self.name}"
        at = self.f_obs.hkl if hkl is None else hkl
        return Reflections(
            self.crystal, at, read_only(values), label=label, description=description
        )

    def quick_start(self, **given: Any) -> ScaleParameters:
        """Starting values for a fit: some parameters given, k_overall and B from a straight line.

        Parameters
        ----------
        **given
            Any of `k_overall`, `b_overall`, `k_sol`, `b_sol`.

        Raises
        ------
        ParameterError
            When k_overall is not positive.
        """
        observed = self._setup.observed
        data = self._setup.components.scaling_data(observed.f_obs.values, observed.work)
        return quick_start(data, self.solvent, given)


def read_only(values: np.ndarray) -> np.ndarray:
    """A read-only view of the values."""
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view
