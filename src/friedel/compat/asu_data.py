"""Structure factors in an asymmetric unit, with gemmi's interface."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from friedel.compat.float_grid import FloatGrid, copy_crystal, crystal_of_grid, take_crystal
from friedel.compat.reciprocal_grid import ReciprocalGrid, without_blur
from friedel.compat.transforms import f_phi_on_grid, transform_f_phi_grid_to_map
from friedel.errors import ParameterError, ResolutionError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections

XYZ = gemmi.AxisOrder.XYZ
BY_DEFAULT = (0, 0, 0)


class ComplexAsuData(gemmi.ComplexAsuData):
    """Structure factors in the asymmetric unit with changeable values: a ``gemmi.ComplexAsuData``.

    gemmi's functions take it. Maps of it are calculated here.

    Parameters
    ----------
    cell
        ``gemmi.UnitCell``; or complex :class:`friedel.Reflections`, alone.
    sg
        ``gemmi.SpaceGroup``; P 1 if not given.
    miller_array
        (n, 3) integers.
    value_array
        (n,) complex numbers, stored as complex64.

    Attributes
    ----------
    miller_array, value_array
        Views of the (n, 3) int32 indices and (n,) complex64 values.
    unit_cell, spacegroup
        gemmi's objects.

    Raises
    ------
    ParameterError
        When the arrays differ in length.
    """

    __slots__ = ("_taken",)

    def __init__(
        self, cell: Any, sg: Any = None, miller_array: Any = None, value_array: Any = None
    ) -> None:
        crystal = None
        if isinstance(cell, Reflections):
            crystal, miller_array, value_array = cell.crystal, cell.hkl, cell.values
            cell, sg = gemmi.UnitCell(), None
        hkl = np.ascontiguousarray(miller_array, np.int32).reshape(-1, 3)
        values = np.ascontiguousarray(value_array, np.complex64)
        if values.shape != (len(hkl),):
            raise ParameterError(f"got {values.shape} values for {len(hkl)} reflections")
        super().__init__(cell, sg or gemmi.SpaceGroup("P 1"), hkl, values)
        self._taken: Any = None
        if crystal is not None:
            take_crystal(self, crystal)

    def __reduce__(self) -> tuple[Any, ...]:
        return ComplexAsuData, (self.to_reflections(),)

    @property
    def crystal(self) -> Crystal:
        """Cell and symmetry.

        Raises
        ------
        CellError
            When there is no unit cell.
        """
        return crystal_of_grid(self)

    def copy(self) -> "ComplexAsuData":
        """An independent copy."""
        data = ComplexAsuData(self.unit_cell, self.spacegroup, self.miller_array, self.value_array)
        copy_crystal(data, self)
        return data

    def to_reflections(self) -> Reflections:
        """The same values as immutable Reflections."""
        return Reflections(self.crystal, self.miller_array, self.value_array.copy(), label="FC")

    def make_1_d2_array(self) -> np.ndarray:
        """(n,) 1/d^2, 1/Å^2."""
        return 4.0 * self.crystal.stol2(self.miller_array)

    def make_d_array(self) -> np.ndarray:
        """(n,) d, Å."""
        return self.crystal.d_spacing(self.miller_array)

    def get_f_phi_on_grid(  # type: ignore[override]
        self, size: Sequence[int], half_l: bool = False, order: gemmi.AxisOrder = XYZ
    ) -> ReciprocalGrid:
        """Structure factors and all that are equivalent to them on a grid; the rest is 0.

        Parameters
        ----------
        size
            (nu, nv, nw) of the map.
        half_l
            Keep only l >= 0.
        order
            ``gemmi.AxisOrder``.
        """
        return f_phi_on_grid(self, size, half_l, order)

    def transform_f_phi_to_map(
        self,
        min_size: Sequence[int] = BY_DEFAULT,
        sample_rate: float = 0.0,
        exact_size: Sequence[int] = BY_DEFAULT,
        order: gemmi.AxisOrder = XYZ,
    ) -> FloatGrid:
        """The map of the structure factors over the whole unit cell.

        Parameters
        ----------
        min_size
            Smallest size of the grid.
        sample_rate
            Grid points per smallest d along each cell edge.
        exact_size
            The size, instead of these two.
        order
            ``gemmi.AxisOrder.XYZ``.

        Raises
        ------
        ParameterError
            When the size does not fit the symmetry, and for another order.
        """
        size = exact_size if any(exact_size) else self.get_size_for_hkl(min_size, sample_rate)
        return transform_f_phi_grid_to_map(f_phi_on_grid(self, size, True, order))


def asu_data_from_grid(
    grid: ReciprocalGrid,
    dmin: float,
    unblur: float,
    with_000: bool,
    with_sys_abs: bool,
    mott_bethe: bool,
) -> ComplexAsuData:
    """Result of :meth:`ReciprocalGrid.prepare_asu_data`."""
    crystal = grid.crystal
    size = np.array([grid.nu, grid.nv, grid._nw_real])
    if dmin and (np.array(crystal.cell[:3]) / dmin > size // 2 + 1).any():
        raise ResolutionError(f"the grid {grid.shape} does not reach dmin = {dmin:g} A")
    limits = (size - 1) // 2  # at n/2 the transform of a real map is not F
    hkl = _reflections_to(crystal, dmin or _finest(crystal, limits), with_sys_abs)
    inside = (np.abs(hkl) <= limits).all(axis=1)
    if dmin:  # gemmi leaves out d = dmin; its rounding decides there
        inside &= grid.unit_cell.calculate_1_d2_array(hkl) < 1.0 / dmin**2
    hkl = hkl[inside]
    if with_000:
        hkl = np.concatenate([np.zeros((1, 3), np.int32), hkl])
        hkl = hkl[np.lexsort(hkl.T[::-1])]
    values = without_blur(grid.values(hkl), crystal.stol2(hkl), unblur, mott_bethe)
    data = ComplexAsuData(grid.unit_cell, grid.spacegroup, hkl, values)
    copy_crystal(data, grid)
    return data


def _finest(crystal: Crystal, limits: np.ndarray) -> float:
    """Just below the smallest d of all indices to these limits."""
    corners = np.array(list(itertools.product(*((-n, n) for n in limits.tolist()))))
    return float(crystal.d_spacing(corners).min()) * (1.0 - 1e-9)


def _reflections_to(crystal: Crystal, d_min: float, with_absent: bool) -> np.ndarray:
    if not with_absent:
        return crystal.unique_reflections(d_min)
    every = Crystal(crystal.cell).unique_reflections(d_min)
    return np.unique(crystal.to_asu(every)[0], axis=0)
