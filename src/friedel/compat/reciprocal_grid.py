"""Structure factors on the grid of a discrete Fourier transform, with gemmi's interface."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.compat.float_grid import checked_order, crystal_of_grid, take_crystal
from friedel.constants import MOTT_BETHE
from friedel.errors import ParameterError, ReflectionsError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal

if TYPE_CHECKING:
    from friedel.compat.asu_data import ComplexAsuData


class OutsideGridError(ReflectionsError, IndexError):
    """Miller indices that a grid does not hold: gemmi raises IndexError for them."""


class ReciprocalGrid:
    """Structure factors on the grid of a discrete Fourier transform, with gemmi's interface.

    Parameters
    ----------
    *size
        Nothing, three sizes, or a (nu, nv, nw) complex array of F at h, k, l modulo the size,
        and then cell and symmetry: a `Crystal`, or a ``gemmi.UnitCell`` and a
        ``gemmi.SpaceGroup``.
    cell, spacegroup
        The same by name.
    half_l
        Whether the array holds only l >= 0.
    nw_real
        Number of real-space points along c; by default the largest even one with `half_l`.
    axis_order
        ``gemmi.AxisOrder``.

    Attributes
    ----------
    array
        The values: complex128 if a transform calculated them, complex64 if only sizes were given.
    unit_cell, spacegroup
        gemmi's objects.
    """

    __slots__ = (
        "_nw_real",
        "_taken",
        "array",
        "axis_order",
        "half_l",
        "spacegroup",
        "unit_cell",
    )

    def __init__(
        self,
        *size: Any,
        cell: Any = None,
        spacegroup: Any = None,
        half_l: bool = False,
        nw_real: int | None = None,
        axis_order: Any = gemmi.AxisOrder.XYZ,
    ) -> None:
        self.unit_cell, self.spacegroup = gemmi.UnitCell(), None
        self._taken: Any = None
        self.half_l, self.axis_order = half_l, axis_order
        if 1 <= len(size) <= 3 and np.ndim(size[0]):
            self.array = np.asarray(size[0])
            cell, spacegroup = [*size[1:], *(cell, spacegroup)[len(size) - 1 :]]
        elif len(size) in (0, 3):
            self.array = np.zeros(size or (0, 0, 0), np.complex64, order="F")
        if len(size) not in (0, 1, 2, 3) or self.array.ndim != 3:
            raise ParameterError(f"a grid takes no size, an array or three sizes; got {size!r}")
        self._nw_real = nw_real or (2 * (self.nw - 1) if half_l else self.nw)
        if isinstance(cell, Crystal):
            take_crystal(self, cell)
        elif cell is not None:
            self.unit_cell = cell
        if spacegroup is not None:
            self.spacegroup = spacegroup

    def __repr__(self) -> str:
        # gemmi's own text: examples written for it print the same here
        return "<gemmi.ReciprocalComplexGrid({}, {}, {})>".format(*self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is None:
            return np.asarray(self.array, dtype)
        return np.array(self.array, dtype, copy=copy)

    def __iter__(self) -> "Iterator[GridPoint]":
        return (self.index_to_point(i) for i in range(self.point_count))

    @property
    def crystal(self) -> Crystal:
        """Cell and symmetry.

        Raises
        ------
        CellError
            When the grid has none.
        """
        return crystal_of_grid(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the stored array."""
        nu, nv, nw = self.array.shape
        return nu, nv, nw

    @property
    def nu(self) -> int:
        """Size of the stored array along the first axis."""
        return self.array.shape[0]

    @property
    def nv(self) -> int:
        """Size of the stored array along the second axis."""
        return self.array.shape[1]

    @property
    def nw(self) -> int:
        """Size of the stored array along the third axis."""
        return self.array.shape[2]

    @property
    def point_count(self) -> int:
        """Number of stored values."""
        return self.array.size

    def fill(self, value: complex) -> None:
        """Set all values."""
        self.array.fill(value)

    def sum(self) -> complex:
        """Sum of the stored values."""
        return complex(self.array.sum(dtype=np.complex128))

    def get_value(self, h: int, k: int, l: int) -> complex:
        """F(hkl); indices outside of the grid are an error.

        Raises
        ------
        ReflectionsError
            When the indices are outside of the grid. It is an IndexError too.
        """
        return complex(self.values(np.array([[h, k, l]]))[0])

    def get_value_or_zero(self, h: int, k: int, l: int) -> complex:
        """F(hkl), or 0 outside of the grid."""
        try:
            return self.get_value(h, k, l)
        except OutsideGridError:
            return 0j

    def set_value(self, h: int, k: int, l: int, value: complex) -> None:
        """Set F(hkl), and not F of its Friedel mate or of equivalent reflections.

        Raises
        ------
        ReflectionsError
            When the indices are outside of the grid.
        """
        (index,), (friedel,) = self._places(np.array([[h, k, l]]))
        self.array[tuple(index)] = np.conj(value) if friedel else value

    def values(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) complex F at reflections (n, 3).

        Raises
        ------
        ReflectionsError
            When some indices are outside of the grid.
        ParameterError
            When the grid is stored in the order z, y, x.
        """
        index, friedel = self._places(hkl)
        values = self.array[index[:, 0], index[:, 1], index[:, 2]]
        return np.where(friedel, np.conj(values), values)

    def get_value_by_hkl(
        self,
        hkl: np.ndarray,
        unblur: float = 0.0,
        mott_bethe: bool = False,
        mott_bethe_000: complex = 0.0,
    ) -> np.ndarray:
        """(n,) complex F at reflections (n, 3), corrected for blur.

        Parameters
        ----------
        unblur
            B (Å^2) that was added to the atoms, whose effect on F is removed.
        mott_bethe
            Multiply by the Mott-Bethe factor, for densities of f_x - Z.
        mott_bethe_000
            The value at (0, 0, 0) then.

        Raises
        ------
        ReflectionsError
            When some indices are outside of the grid.
        """
        hkl = np.asarray(hkl)
        values = self.values(hkl)
        if not (unblur or mott_bethe):
            return values
        stol2 = self.crystal.stol2(hkl)
        values = without_blur(values, stol2, unblur, mott_bethe)
        if mott_bethe:
            values[stol2 == 0] = mott_bethe_000
        return values

    def _places(self, hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3) array indices of reflections, and (n,) whether they hold the Friedel mates."""
        checked_order(self)
        hkl = np.asarray(hkl, np.int64)
        size = np.array([self.nu, self.nv, self._nw_real])
        outside = (np.abs(hkl) > size // 2).any(axis=1)
        if outside.any():
            first = tuple(int(x) for x in hkl[outside][0])
            largest = tuple(int(x) for x in size // 2)
            raise OutsideGridError(
                f"reflection {first} is outside of the grid, which holds up to {largest}"
            )
        friedel = self.half_l & (hkl[:, 2] < 0)
        return np.where(friedel[:, None], -hkl, hkl) % size, friedel

    def to_hkl(self, point: "GridPoint") -> list[int]:
        """The Miller indices of a point of the grid."""
        place, size = np.array([point.u, point.v, point.w]), np.array(self.shape)
        whole = np.array([True, True, not self.half_l])
        hkl = place - np.where(whole & (2 * place >= size), size, 0)
        return [int(x) for x in (hkl[::-1] if self.axis_order == gemmi.AxisOrder.ZYX else hkl)]

    def calculate_1_d2(self, point: "GridPoint") -> float:
        """1/d^2 of a point of the grid, 1/Å^2."""
        return 4.0 * float(self.crystal.stol2(np.array(self.to_hkl(point))))

    def calculate_d(self, point: "GridPoint") -> float:
        """The spacing d of a point of the grid, Å; infinite at (0, 0, 0)."""
        inverse = self.calculate_1_d2(point)
        return inverse**-0.5 if inverse else float("inf")

    def index_to_point(self, index: int) -> "GridPoint":
        """The point with this number; u runs fastest."""
        rest, u = divmod(index, self.nu)
        w, v = divmod(rest, self.nv)
        return GridPoint(self, u, v, w)

    def point_to_index(self, point: "GridPoint") -> int:
        """The number of a point; u runs fastest."""
        return (point.w * self.nv + point.v) * self.nu + point.u

    def prepare_asu_data(
        self,
        dmin: float = 0.0,
        unblur: float = 0.0,
        with_000: bool = False,
        with_sys_abs: bool = False,
        mott_bethe: bool = False,
    ) -> "ComplexAsuData":
        """Structure factors in the asymmetric unit, to `dmin`, corrected for blur.

        Parameters
        ----------
        dmin
            All d are above this limit, Å; 0 for all reflections of the grid, which are those
            with indices below half of the sizes.
        unblur
            B (Å^2) that was added to the atoms, whose effect on F is removed.
        with_000, with_sys_abs
            Include F(000), include systematically absent reflections.
        mott_bethe
            Multiply by the Mott-Bethe factor, for densities of f_x - Z.

        Raises
        ------
        CellError
            When the grid was made without a crystal.
        ResolutionError
            When the grid does not reach `dmin`.
        """
        from friedel.compat.asu_data import asu_data_from_grid

        return asu_data_from_grid(self, dmin, unblur, with_000, with_sys_abs, mott_bethe)


class GridPoint:
    """A point (u, v, w) of a grid, with its value."""

    __slots__ = ("_grid", "u", "v", "w")

    def __init__(self, grid: ReciprocalGrid, u: int, v: int, w: int) -> None:
        self._grid, self.u, self.v, self.w = grid, u, v, w

    def __repr__(self) -> str:
        where = (self.u, self.v, self.w)
        return f"<gemmi.ComplexGridBase.Point {where} -> {self.value}>"

    @property
    def value(self) -> complex:
        """The value of the grid here; assigning changes the grid."""
        return complex(self._grid.array[self.u, self.v, self.w])

    @value.setter
    def value(self, value: complex) -> None:
        self._grid.array[self.u, self.v, self.w] = value


def without_blur(
    values: np.ndarray, stol2: np.ndarray, unblur: float, mott_bethe: bool
) -> np.ndarray:
    """F without the effect of a blur, and by the Mott-Bethe formula; 0 at (0, 0, 0) then."""
    values = values * np.exp(unblur * stol2)
    if mott_bethe:
        values = values * -MOTT_BETHE / np.where(stol2 > 0, stol2, np.inf)
    return values
