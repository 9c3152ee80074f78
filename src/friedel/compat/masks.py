"""The bulk-solvent mask with gemmi's interface: SolventMasker."""

import enum
from dataclasses import replace
from typing import Any

import numpy as np

from friedel.compat.float_grid import checked_order, crystal_of_grid
from friedel.compat.models import atoms_of_model
from friedel.compat.printing import PrintsAsGemmi
from friedel.errors import AtomsError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.solvent.flat_mask import MaskParameters, solvent_beside, solvent_mask


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
    use_atom_occupancy
        Whether :meth:`put_mask_on_float_grid` leaves 1 - occupancy where partial atoms are.
    """

    __slots__ = (
        "atomic_radii_set",
        "constant_r",
        "ignore_hydrogen",
        "ignore_zero_occupancy_atoms",
        "island_min_volume",
        "rprobe",
        "rshrink",
        "use_atom_occupancy",
    )

    ignore_hydrogen: bool
    ignore_zero_occupancy_atoms: bool

    def __init__(self, choice: Any, constant_r: float = 0.0) -> None:
        self.use_atom_occupancy = False
        self.set_radii(choice, constant_r)

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
        if self.use_atom_occupancy:
            self._put_partial_mask(grid, model)
        else:
            _put(grid, self._mask(grid, model, self._parameters()))

    def put_mask_on_int8_grid(self, grid: gemmi.Int8Grid, model: Any) -> None:
        """Set a ``gemmi.Int8Grid`` to 1 in the solvent and 0 elsewhere.

        Occupancies do not count, except those of zero. Errors are as for the other method.
        """
        _put(grid, self._mask(grid, model, self._parameters()))

    def set_to_zero(self, grid: gemmi.FloatGrid, model: Any) -> None:
        """Set the grid to 0 within radius + rprobe of the atoms, and leave the rest as it is."""
        grid.array[self._mask(grid, model, _up_to_probe(self._parameters())) == 0] = 0

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
        crystal, shape = _geometry(grid)
        return solvent_mask(crystal, atoms_of_model(crystal, model), shape, parameters)

    def _put_partial_mask(self, grid: Any, model: gemmi.Model) -> None:
        """The mask with partial atoms, as gemmi defines it.

        In each conformation the largest occupancy of the atoms at a point counts, and the
        occupancies of the conformations add up. Of symmetry mates the least solvent counts.
        Islands and margins are those of the points that no atom covers. (gemmi's search for
        islands, by its own remark, does not work with partial atoms: it removes them.)
        """
        if not isinstance(model, gemmi.Model):
            raise AtomsError(f"got {type(model).__name__}, expected a gemmi.Model")
        crystal, shape = _geometry(grid)
        parameters = self._parameters()
        lattice = Crystal(crystal.cell)
        every_atom = atoms_of_model(lattice, model)
        counted = parameters.counts(every_atom) & (every_atom.occ > 0)
        atoms = every_atom.select(counted)
        conformations = np.array([cra.atom.altloc for cra in model.all()])[counted]
        mask = np.ones(shape, np.float32)
        for conformation in np.unique(conformations):
            together = atoms.select(conformations == conformation)
            covered = np.zeros(shape, np.float32)
            for occupancy in np.unique(together.occ):  # the largest comes last
                some = together.select(together.occ == occupancy)
                near = solvent_mask(lattice, some, shape, _up_to_probe(parameters))
                covered[near == 0] = occupancy
            mask -= covered
        _put(grid, np.maximum(mask, 0.0))
        grid.symmetrize_min()
        free = grid.array >= 1.0
        solvent = solvent_beside(crystal, ~free, parameters)
        grid.array[free] = 0.0  # islands too small to stay
        grid.array[solvent == 1.0] = 1.0


def _up_to_probe(parameters: MaskParameters) -> MaskParameters:
    """The same radii, for a mask that ends at the probe and has islands of any size."""
    return replace(parameters, r_shrink=0.0, island_min_volume=0.0)


def _geometry(grid: Any) -> tuple[Crystal, tuple[int, int, int]]:
    if not grid.point_count:
        raise ParameterError("the grid has no size: call setup_from() with a spacing")
    checked_order(grid)
    return crystal_of_grid(grid), (grid.nu, grid.nv, grid.nw)


def _put(grid: Any, values: np.ndarray) -> None:
    grid.fill(0)  # gives a grid with copied metadata its values
    grid.array[...] = values
