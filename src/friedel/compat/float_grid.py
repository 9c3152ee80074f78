"""FloatGrid: gemmi's grid of real values, with the symmetry and the sizes of this package."""

from functools import lru_cache
from os import PathLike
from typing import Any

import numpy as np

from friedel.density.grid import checked_values, grid_shape, symmetrized_sum
from friedel.errors import CellError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.readers.models import as_crystal
from friedel.readers.symmetry import crystal_from_gemmi
from friedel.writers.gemmi_objects import find_gemmi_spacegroup, to_gemmi_cell
from friedel.writers.maps import write_ccp4_map

UP = gemmi.GridSizeRounding.Up


class GridSizeError(ParameterError, RuntimeError):
    """A size that does not fit the symmetry: gemmi raises RuntimeError for it."""


class FloatGrid(gemmi.FloatGrid):
    """Real values on a grid over the whole unit cell: a ``gemmi.FloatGrid``.

    gemmi's functions take it, and the methods that it has from gemmi (interpolation, iteration,
    `masked_asu`, `normalize`, ...) work on the same values.

    Parameters
    ----------
    *size
        Nothing (an empty grid), three sizes nu, nv, nw, or an array (nu, nv, nw), which is copied
        as float32, and then a ``gemmi.UnitCell`` and a ``gemmi.SpaceGroup``.
    cell, spacegroup
        The same by name.
    crystal
        Cell and symmetry as one object, or any object that has them.

    Attributes
    ----------
    unit_cell, spacegroup
        gemmi's objects.

    Raises
    ------
    ParameterError
        When the arguments are anything else, or the size does not fit the symmetry.
    """

    __slots__ = ("_taken",)

    def __init__(
        self, *size: Any, cell: Any = None, spacegroup: Any = None, crystal: Any = None
    ) -> None:
        super().__init__()
        # The crystal that was taken from a source, with the gemmi objects that stand for it then
        self._taken: tuple[Crystal, list[float], gemmi.SpaceGroup] | None = None
        if 1 <= len(size) <= 3 and np.ndim(size[0]):
            values = checked_values(size[0])
            cell, spacegroup = [*size[1:], *(cell, spacegroup)[len(size) - 1 :]]
            self.set_size(*values.shape)
            self.array[...] = values
        elif len(size) == 3:
            self.set_size(*size)
        elif size:
            raise ParameterError(f"a grid takes no size, an array or three sizes; got {size!r}")
        if crystal is not None:
            take_crystal(self, as_crystal(crystal))
        if cell is not None:
            self.set_unit_cell(cell)
        if spacegroup is not None:
            self.spacegroup = spacegroup

    def __reduce__(self) -> tuple[Any, ...]:
        crystal = self.crystal if self.unit_cell.is_crystal() else None
        return _unpickled, (np.array(self.array), crystal)

    @property
    def array(self) -> np.ndarray:
        """(nu, nv, nw) float32 view of the values; assigning copies values, with their shape.

        Resizing the grid makes the view invalid.
        """
        view: np.ndarray = super().array
        return view

    @array.setter
    def array(self, values: np.ndarray) -> None:
        values = checked_values(values)
        if values.shape != self.shape:
            self.set_size(*values.shape)
        self.array[...] = values

    @property
    def crystal(self) -> Crystal:
        """Cell and symmetry.

        Raises
        ------
        CellError
            When the grid has none yet.
        """
        return crystal_of_grid(self)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances between planes of grid points, Å."""
        lengths = 1.0 / (self.crystal.reciprocal_lengths * np.array(self.shape))
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    def setup_from(self, st: Any, spacing: float = 0.0) -> None:
        """Take cell and symmetry from a structure or crystal; set the size if `spacing` (Å) > 0."""
        take_crystal(self, as_crystal(st), getattr(st, "cell", None))
        if spacing > 0:
            self.set_size_from_spacing(spacing)

    def copy_metadata_from(self, other: gemmi.GridMeta) -> None:
        """Take cell, symmetry and size of another grid; where the size changes, values become 0."""
        before = self.shape
        super().copy_metadata_from(other)
        if self.shape != before:
            self.fill(0.0)

    def set_size(self, nu: int, nv: int, nw: int) -> None:
        """Resize the grid and set it to zero.

        Raises
        ------
        ParameterError
            When the size does not fit the symmetry. It is a RuntimeError too.
        """
        try:
            super().set_size(nu, nv, nw)
        except RuntimeError as error:
            raise GridSizeError(f"got a grid of {nu} x {nv} x {nw} points: {error}") from None
        self.fill(0.0)

    def set_size_from_spacing(
        self, spacing: float, rounding: gemmi.GridSizeRounding | None = None
    ) -> None:
        """Set a symmetric, FFT-friendly size, and zeros.

        Parameters
        ----------
        spacing
            Spacing of the points along each cell edge, Å.
        rounding
            ``GridSizeRounding.Up`` (as by default): the spacing is at most that; or gemmi's others.
        """
        if rounding is None or rounding == UP:
            self.set_size(*grid_shape(self.crystal, spacing))
        else:
            super().set_size_from_spacing(spacing, rounding)
            self.fill(0.0)

    def sum(self) -> float:
        """Sum over all points."""
        return float(self.array.sum(dtype=np.float64))

    def symmetrize_sum(self) -> None:
        """Replace each value by the sum over its symmetry mates, one term per operation."""
        symmetrize_sum(self)

    def clone(self) -> "FloatGrid":
        """An independent copy."""
        grid = FloatGrid()
        grid.copy_metadata_from(self)
        grid._taken = self._taken
        grid.array[...] = self.array
        return grid

    def to_ccp4(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a CCP4 map of the whole cell.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        write_ccp4_map(path, self.crystal, self.array, overwrite=overwrite)


def take_crystal(holder: Any, crystal: Crystal, cell: Any = None) -> None:
    """Give a grid or AsuData the cell and symmetry of a crystal.

    `cell` is its ``gemmi.UnitCell``, if there is one.

    The space group is P 1 where gemmi has no setting with these operations; the holder
    remembers the crystal as well.
    """
    _set_cell(holder, cell if isinstance(cell, gemmi.UnitCell) else to_gemmi_cell(crystal))
    holder.spacegroup = find_gemmi_spacegroup(crystal) or gemmi.SpaceGroup("P 1")
    holder._taken = crystal, list(holder.unit_cell.parameters), holder.spacegroup


def copy_crystal(holder: Any, source: Any) -> None:
    """Give a new grid or AsuData the cell and symmetry of another one."""
    _set_cell(holder, source.unit_cell)
    if source.spacegroup is not None:  # gemmi does not accept None
        holder.spacegroup = source.spacegroup
    holder._taken = getattr(source, "_taken", None)


def _set_cell(holder: Any, cell: gemmi.UnitCell) -> None:
    if isinstance(holder, gemmi.FloatGrid):
        holder.set_unit_cell(cell)  # which, unlike assignment, updates gemmi's spacing
    else:
        holder.unit_cell = cell


def crystal_of_grid(holder: Any) -> Crystal:
    """Cell and symmetry of a grid or AsuData, of this package or of gemmi.

    Raises
    ------
    CellError
        When it has no unit cell.
    """
    cell, group = holder.unit_cell, holder.spacegroup
    if not cell.is_crystal():
        raise CellError("the grid has no unit cell yet: call setup_from() first")
    taken = getattr(holder, "_taken", None)
    if taken is not None and taken[1] == list(cell.parameters) and taken[2] == group:
        crystal: Crystal = taken[0]
        return crystal  # also with operations that no tabulated space group has
    return _tabulated(tuple(cell.parameters), None if group is None else group.xhm())


@lru_cache(maxsize=64)
def _tabulated(parameters: tuple[float, ...], name: str | None) -> Crystal:
    group = None if name is None else gemmi.SpaceGroup(name)
    return crystal_from_gemmi(gemmi.UnitCell(*parameters), group)


def symmetrize_sum(grid: gemmi.FloatGrid) -> None:
    """Replace each value by the sum over its symmetry mates, one term per operation.

    Raises
    ------
    ParameterError
        When an operation does not map grid points to grid points.
    """
    grid.array[...] = symmetrized_sum(np.ascontiguousarray(grid.array), crystal_of_grid(grid))


def checked_order(grid: Any) -> None:
    """Refuse grids that are stored in the order z, y, x.

    Raises
    ------
    ParameterError
        For such a grid.
    """
    if grid.axis_order == gemmi.AxisOrder.ZYX:
        raise ParameterError("got a grid in the order ZYX, expected XYZ")


def _unpickled(array: np.ndarray, crystal: Crystal | None) -> FloatGrid:
    return FloatGrid(array, crystal=crystal)
