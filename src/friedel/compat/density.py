"""Density on a grid with gemmi's interface: DensityCalculatorX, E, N, C and Z."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from friedel.compat.addends import Addends, addends_by_symbol
from friedel.compat.coefficients import C4322, IT92, NEUTRON92, LiveTable, custom_form_factor
from friedel.compat.float_grid import (
    FloatGrid,
    checked_order,
    crystal_of_grid,
    symmetrize_sum,
)
from friedel.compat.models import atoms_of_atom, atoms_of_model
from friedel.compat.printing import PrintsAsGemmi
from friedel.constants import MOTT_BETHE, U_TO_B
from friedel.density import density
from friedel.density.atoms_on_grid import check_widths
from friedel.density.grid import grid_shape
from friedel.density.radii import radius_at_level
from friedel.errors import AtomsError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.scattering.formfactors import scattering_factors

REFMAC_BLUR = U_TO_B / 1.1
"""Refmac's blur is this times spacing^2, minus the smallest B of the model."""

_NO_CELL = Crystal((1.0, 1.0, 1.0, 90.0, 90.0, 90.0))
"""Placeholder crystal for reading displacement parameters, which need no cell."""


class _DensityCalculator(PrintsAsGemmi):
    """Density of the scatterer on a grid, to be transformed to structure factors.

    Attributes
    ----------
    d_min
        Resolution limit, Å; 0 for none.
    rate
        Oversampling: the grid spacing is d_min / (2 rate).
    blur
        B added to all atoms, Å^2.
    cutoff
        Density at which atoms end.
    addends
        Numbers added to the form factors of elements; gemmi's own can be assigned.
    grid
        The :class:`~friedel.compat.float_grid.FloatGrid` with the density. A ``gemmi.FloatGrid``
        can be assigned; the density is then put there.
    """

    __slots__ = ("_grid", "addends", "blur", "cutoff", "d_min", "rate")

    _live: ClassVar[LiveTable]
    _source: ClassVar[str]

    def __init__(self) -> None:
        self.d_min = 0.0
        self.rate = 1.5
        self.blur = 0.0
        self.cutoff = 1e-5
        self.addends = Addends()
        self._grid: gemmi.FloatGrid = FloatGrid()

    @property
    def grid(self) -> Any:
        """The grid with the density."""
        return self._grid

    @grid.setter
    def grid(self, grid: gemmi.FloatGrid) -> None:
        if not isinstance(grid, gemmi.FloatGrid):
            raise ParameterError(f"got {type(grid).__name__}, expected a FloatGrid")
        checked_order(grid)
        self._grid = grid

    def set_grid_cell_and_spacegroup(self, structure: Any) -> None:
        """Give the grid the cell and space group of a structure."""
        self.grid.setup_from(structure)

    def initialize_grid(self) -> None:
        """Set the grid to zero, sized by `d_min` and `rate`; without d_min the size is kept.

        Raises
        ------
        CellError
            When the grid has no unit cell yet.
        ParameterError
            When neither d_min nor the size of the grid is set, or d_min or rate is not usable.
        """
        spacing = self._spacing()
        if spacing > 0:
            self.grid.set_size(*grid_shape(self._crystal(), spacing))
            self.grid.fill(0.0)
        elif self.grid.point_count:
            self.grid.fill(0.0)
        else:
            raise ParameterError("set d_min, or the size of the grid, before the grid is filled")

    def add_model_density_to_grid(self, model: Any) -> None:
        """Add the atoms of a ``gemmi.Model``, without symmetry mates.

        Raises
        ------
        ElementError
            When an element has no form factor.
        ParameterError
            When an atom has no finite density; a blur helps.
        """
        self._add(*self._scattering(atoms_of_model(self._crystal(), model), model))

    def put_model_density_on_grid(self, model: Any) -> None:
        """The density of the crystal: initialize the grid, add the model, apply the symmetry."""
        self.initialize_grid()
        self.add_model_density_to_grid(model)
        symmetrize_sum(self.grid)

    def add_atom_density_to_grid(self, atom: Any) -> None:
        """Add one ``gemmi.Atom``, without symmetry mates."""
        self._add(*self._scattering(atoms_of_atom(self._crystal(), atom), atom))

    def add_c_contribution_to_grid(self, atom: Any, c: float) -> None:
        """Add a point scatterer of form factor `c` with the atom's position, ADP and occupancy."""
        atoms = atoms_of_atom(self._crystal(), atom)
        self._add(atoms, np.array([[float(c)]]), np.zeros((1, 1)))

    def estimate_radius(self, atom: Any) -> float:
        """Distance in Å at which the density of an atom of full occupancy falls to `cutoff`."""
        atoms, a, b = self._scattering(atoms_of_atom(_NO_CELL, atom), atom)
        check_widths(atoms, b, self.blur)
        widths = b + atoms.b_eigenvalues[:, 2:] + self.blur
        amplitude = np.abs(a) * (4.0 * np.pi / widths) ** 1.5
        return float(radius_at_level(amplitude, 4.0 * np.pi**2 / widths, self.cutoff)[0])

    def set_refmac_compatible_blur(self, model: Any, allow_negative: bool = False) -> None:
        """Set blur by Refmac's formula, from the grid spacing and the smallest B in the model.

        Atoms of zero occupancy are ignored; B of a tensor is by its smallest eigenvalue.

        Parameters
        ----------
        allow_negative
            Keep a negative value, as Servalcat does, instead of 0.

        Raises
        ------
        ParameterError
            When neither d_min nor the size of the grid is set.
        AtomsError
            When no atom has an occupancy.
        """
        spacing = self._spacing()
        if spacing == 0 and self.grid.point_count:
            shape = np.array(self.grid.shape)
            spacing = float((1.0 / (self._crystal().reciprocal_lengths * shape)).min())
        if spacing == 0:
            raise ParameterError("set d_min, or the size of the grid, before the blur is derived")
        atoms = atoms_of_model(_NO_CELL, model)
        if not (atoms.occ != 0).any():
            raise AtomsError("the model has no atoms of non-zero occupancy: there is no smallest B")
        smallest = float(atoms.b_eigenvalues[atoms.occ != 0].min())
        blur = REFMAC_BLUR * spacing**2 - smallest
        self.blur = blur if allow_negative else max(blur, 0.0)

    def reciprocal_space_multiplier(self, inv_d2: Any) -> Any:
        """exp(blur / (4 d^2)), which takes the blur out of F; `inv_d2` = 1/d^2 in 1/Å^2."""
        if np.ndim(inv_d2):
            return np.exp(0.25 * self.blur * np.asarray(inv_d2))
        return math.exp(0.25 * self.blur * inv_d2)

    def mott_bethe_factor(self, hkl: Sequence[int]) -> float:
        """-1 / (2 pi^2 a0 / d^2) times the multiplier of the blur; -inf at (0, 0, 0)."""
        stol2 = float(self._crystal().stol2(np.asarray(hkl)))
        if stol2 == 0.0:
            return -math.inf
        return -MOTT_BETHE / stol2 * float(self.reciprocal_space_multiplier(4.0 * stol2))

    def _spacing(self) -> float:
        """Requested grid spacing in Å, or 0 for none."""
        if not (math.isfinite(self.d_min) and self.d_min >= 0 and math.isfinite(self.rate)):
            raise ParameterError(f"got d_min = {self.d_min!r}, expected A, or 0 for none")
        if not self.rate > 0:
            raise ParameterError(f"got rate = {self.rate!r}, expected a positive number")
        return self.d_min / (2.0 * self.rate)

    def _crystal(self) -> Crystal:
        return crystal_of_grid(self.grid)

    def _scattering(self, atoms: Atoms, source: Any) -> tuple[Atoms, np.ndarray, np.ndarray]:
        """The atoms, and (n_kinds, n_terms) a and b of their form factors.

        `source` is the ``gemmi.Model`` or ``gemmi.Atom`` that the atoms are from.
        """
        del source
        factors = scattering_factors(
            atoms.scatterers,
            self._source,
            form_factors=self._live.sums(atoms.scatterers),
            addends=addends_by_symbol(self.addends),
        )
        return atoms, factors.a, factors.b

    def _add(self, atoms: Atoms, a: np.ndarray, b: np.ndarray) -> None:
        if not self.grid.point_count:
            raise ParameterError("the grid has no size yet: call initialize_grid()")
        density.add_atoms(
            self.grid.array, self._crystal(), atoms, a, b, blur=self.blur, cutoff=self.cutoff
        )


class DensityCalculatorX(_DensityCalculator):
    """Electron density [ITC1992], electrons/Å^3; see :class:`_DensityCalculator`."""

    __slots__ = ()

    _live, _source = IT92, "xray"


class DensityCalculatorE(_DensityCalculator):
    """Density whose transform is electron scattering [ITC2011], Å/Å^3."""

    __slots__ = ()

    _live, _source = C4322, "electron"


class DensityCalculatorN(_DensityCalculator):
    """Neutron scattering-length density [Sears1992], fm/Å^3."""

    __slots__ = ()

    _live, _source = NEUTRON92, "neutron"


class DensityCalculatorC(_DensityCalculator):
    """Density by form factors of each atom's own, see :func:`set_custom_form_factors`.

    The serial number of an atom is its place in the list, from 0. Addends do not count, as in
    gemmi.
    """

    __slots__ = ()

    def _scattering(self, atoms: Atoms, source: Any) -> tuple[Atoms, np.ndarray, np.ndarray]:
        if isinstance(source, gemmi.Model):
            serials = [cra.atom.serial for cra in source.all()]
        elif isinstance(source, gemmi.Atom):
            serials = [source.serial]
        else:
            raise AtomsError(f"got {type(source).__name__}, expected a gemmi.Model with serials")
        listed, kind = np.unique(serials, return_inverse=True)
        sums = [custom_form_factor(serial) for serial in listed.tolist()]
        a, b = (np.array([getattr(s, name) for s in sums]) for name in "ab")
        return atoms.replace(kind=kind, scatterers=("X",) * len(listed)), a, b


class DensityCalculatorZ(_DensityCalculator):
    """Density of the addends alone, as of point charges after :meth:`Addends.subtract_z`."""

    __slots__ = ()

    def _scattering(self, atoms: Atoms, source: Any) -> tuple[Atoms, np.ndarray, np.ndarray]:
        del source
        by_symbol = addends_by_symbol(self.addends)
        addends = [by_symbol.get(symbol, 0.0) for symbol in atoms.symbols]
        return atoms, np.array(addends)[:, None], np.zeros((len(addends), 1))
