"""The bulk-solvent mask with gemmi's interface: SolventMasker."""

import enum
from dataclasses import replace
from typing import Any

import numpy as np

from friedel.compat.float_grid import FloatGrid
from friedel.compat.models import atoms_of_model
from friedel.compat.printing import PrintsAsGemmi
from friedel.errors import ParameterError
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
        self.ignore_hydrogen = True
        self.ignore_zero_occupancy_atoms = True
        self.set_radii(choice, constant_r)

    def set_radii(self, choice: Any, constant_r: float = 0.0) -> None:
        """Choose a set of radii, with its probe, shrinkage and island volume.

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
        defaults = MaskParameters.for_radii(_ENGINE_NAMES[self.atomic_radii_set])
        self.rprobe, self.rshrink = defaults.r_probe, defaults.r_shrink
        self.island_min_volume = defaults.island_min_volume

    def put_mask_on_float_grid(self, grid: FloatGrid, model: Any) -> None:
        """Set the grid to 1 in the solvent and 0 elsewhere.

        Parameters
        ----------
        grid
            Grid with cell, symmetry and size.
        model
            ``gemmi.Model``.

        Raises
        ------
        ParameterError
            When the grid has no size, or a parameter is not usable.
        CellError
            When the grid has no unit cell.
        """
        grid.array[...] = self._mask(grid, model, self._parameters())

    def set_to_zero(self, grid: FloatGrid, model: Any) -> None:
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

    def _mask(self, grid: FloatGrid, model: Any, parameters: MaskParameters) -> np.ndarray:
        if not grid.point_count:
            raise ParameterError("the grid has no size: call setup_from() with a spacing")
        crystal = grid.crystal
        return solvent_mask(crystal, atoms_of_model(crystal, model), grid.shape, parameters)
