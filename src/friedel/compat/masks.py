"""The bulk-solvent mask with gemmi's interface: SolventMasker."""

import enum
from dataclasses import replace
from typing import Any

import numpy as np

from friedel.compat.float_grid import checked_order, crystal_of_grid
from friedel.compat.models import atoms_of_model
from friedel.compat.printing import PrintsAsGemmi
from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.solvent.flat_mask import MaskParameters, solvent_mask


class AtomicRadiiSet(enum.Enum):
    """Sets of atomic radii for masks."""

    VanDerWaals = 0
    Cctbx = 1
    Refmac = 2
    Constant = 3

    def __repr__(self) -> str:
        return str(self)  # as in gemmi


_ENGINE_NAMES = {
    AtomicRadiiSet.VanDerWaals: "vdw",
    AtomicRadiiSet.Cctbx: "cctbx",
    AtomicRadiiSet.Refmac: "refmac",
    AtomicRadiiSet.Constant: "constant",
}


class SolventMasker(PrintsAsGemmi):
    """Marks the region of bulk solvent on a grid.

    Parameters
    ----------
    choice
        Set of radii.
    constant_r
        Radius of all atoms for ``AtomicRadiiSet.Constant``, Å. With other sets it is added to
        their radii, as in gemmi.

    Attributes
    ----------
    atomic_radii_set, constant_r
        The set of radii and `constant_r` as given.
    rprobe, rshrink
        Probe radius added to the radii, and shrinkage distance of the mask's boundary, Å.
    island_min_volume
        Solvent pockets of at most this volume (Å^3) are filled.
    ignore_hydrogen, ignore_zero_occupancy_atoms
        Whether the mask ignores these atoms.
    """

    ignore_hydrogen: bool
    ignore_zero_occupancy_atoms: bool

    def __init__(self, choice: Any, constant_r: float = 0.0) -> None:
        self.set_radii(choice, constant_r)

    @property
    def use_atom_occupancy(self) -> bool:
        """False: masks here are of whole atoms. Setting it to True is an error."""
        return False

    @use_atom_occupancy.setter
    def use_atom_occupancy(self, value: bool) -> None:
        if value:
            raise ParameterError("masks weighted by occupancy are not available: got True")

    def set_radii(self, choice: Any, constant_r: float = 0.0) -> None:
        """Choose a set of radii, and reset all parameters to those of the set.

        Raises
        ------
        ParameterError
            For an unknown set.
        """
        name = getattr(choice, "name", choice)
        if name not in AtomicRadiiSet.__members__:
            known = ", ".join(AtomicRadiiSet.__members__)
            raise ParameterError(f"unknown set of radii {choice!r}: expected one of {known}")
        self.atomic_radii_set = AtomicRadiiSet[name]
        self.constant_r = constant_r
        self.ignore_hydrogen = self.ignore_zero_occupancy_atoms = True
        defaults = MaskParameters.for_radii(_ENGINE_NAMES[self.atomic_radii_set])
        self.rprobe, self.rshrink = defaults.r_probe, defaults.r_shrink
        self.island_min_volume = defaults.island_min_volume

    def put_mask_on_float_grid(self, grid: gemmi.FloatGrid, model: Any) -> None:
        """Set the grid to 1 in the solvent and 0 elsewhere.

        Parameters
        ----------
        grid
            Grid of friedel or gemmi with cell, symmetry and size.
        model
            ``gemmi.Model``.

        Raises
        ------
        ParameterError
            When the grid has no size, or a parameter is not usable.
        CellError
            When the grid has no unit cell.
        """
        mask = self._mask(grid, model, self._parameters())
        grid.fill(0)  # gives a grid with copied metadata its values
        grid.array[...] = mask

    def put_mask_on_int8_grid(self, grid: gemmi.Int8Grid, model: Any) -> None:
        """Do as :meth:`put_mask_on_float_grid` with a ``gemmi.Int8Grid``."""
        self.put_mask_on_float_grid(grid, model)  # type: ignore[arg-type]

    def set_to_zero(self, grid: gemmi.FloatGrid, model: Any) -> None:
        """Set the grid to 0 within radius + rprobe of the atoms, and leave the rest as it is."""
        near = replace(self._parameters(), r_shrink=0.0, island_min_volume=0.0)
        grid.array[self._mask(grid, model, near) == 0] = 0

    def _parameters(self) -> MaskParameters:
        constant = self.atomic_radii_set is AtomicRadiiSet.Constant
        return MaskParameters(
            0.0 if constant else _ENGINE_NAMES[self.atomic_radii_set],
            self.rprobe + self.constant_r,
            self.rshrink,
            self.island_min_volume,
            self.ignore_hydrogen,
            self.ignore_zero_occupancy_atoms,
        )

    def _mask(self, grid: Any, model: Any, parameters: MaskParameters) -> np.ndarray:
        if not grid.point_count:
            raise ParameterError("the grid has no size: call setup_from() with a spacing")
        checked_order(grid)
        crystal = crystal_of_grid(grid)
        shape = (grid.nu, grid.nv, grid.nw)
        return solvent_mask(crystal, atoms_of_model(crystal, model), shape, parameters)
