"""A map in a box: real values on part of a grid, at a position in space."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from friedel.errors import ParameterError
from friedel.model.arrays import frozen
from friedel.model.crystal import Crystal

if TYPE_CHECKING:
    from friedel.density.grid import Grid


@dataclass(frozen=True, eq=False, repr=False)
class MapBox:
    """Real values on the points of a box, which may lie anywhere: inside or outside of a unit cell.

    Point (i, j, k) of the array is at ``origin + orthogonalization @ ((start + (i, j, k)) /
    sampling)``, Å, where the matrix is that of the crystal.

    Parameters
    ----------
    array
        (nu, nv, nw) values along a, b and c.
    crystal
        Cell and symmetry. Maps of cryo-EM have no symmetry (P 1), and usually the box is the cell.
    sampling
        Number of grid steps along each cell edge: MX, MY, MZ in a file.
    start
        Indices of the first point: NXSTART, NYSTART, NZSTART.
    origin
        Position of the grid's point (0, 0, 0), Å; all zero for most maps.

    Raises
    ------
    ParameterError
        When the values do not have three dimensions, or the sampling is not positive.
    """

    array: np.ndarray
    crystal: Crystal
    sampling: tuple[int, int, int]
    start: tuple[int, int, int] = (0, 0, 0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim != 3 or not array.size:
            raise ParameterError(f"a map has three dimensions; got shape {array.shape}")
        if min(self.sampling) < 1:
            raise ParameterError(f"got a sampling of {self.sampling}, expected positive numbers")
        object.__setattr__(self, "array", array)

    def __repr__(self) -> str:
        spacing = " x ".join(f"{x:.3g}" for x in self.spacing)
        return "<friedel.MapBox {} x {} x {} from {} {} {}, points ".format(
            *self.shape, *self.start
        ) + (f"{spacing} Å apart>")

    @classmethod
    def of_grid(cls, grid: "Grid") -> "MapBox":
        """The whole unit cell as a box."""
        return cls(grid.array, grid.crystal, grid.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nu, nv, nw)."""
        nu, nv, nw = self.array.shape
        return nu, nv, nw

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances of neighbouring points along each cell edge, Å."""
        a, b, c = np.array(self.crystal.cell[:3]) / self.sampling
        return float(a), float(b), float(c)

    @cached_property
    def steps(self) -> np.ndarray:
        """(3, 3) matrix whose columns are the steps from a point to the next one, Å."""
        return frozen(self.crystal.orthogonalization / np.array(self.sampling))

    @property
    def is_whole_cell(self) -> bool:
        """Whether the box has each point of the unit cell once, beginning at its origin."""
        return self.shape == self.sampling and not any(self.start) and not any(self.origin)

    @cached_property
    def first_point(self) -> np.ndarray:
        """(3,) position of the first point, Å."""
        return frozen(np.array(self.origin) + self.steps @ np.array(self.start, float))

    @cached_property
    def of_box(self) -> Crystal:
        """The box as a cell in P 1, whose origin is the first point."""
        lengths = np.array(self.spacing) * self.shape
        return Crystal((*lengths.tolist(), *self.crystal.cell[3:]), name="P 1")

    def indices_of(self, xyz: np.ndarray) -> np.ndarray:
        """(n, 3) positions in Å as fractional indices into `array`."""
        return (np.asarray(xyz, float) - self.first_point) @ np.linalg.inv(self.steps).T

    def with_array(self, array: np.ndarray) -> "MapBox":
        """Other values, or fewer of them, on the same grid from the same first point."""
        return MapBox(array, self.crystal, self.sampling, self.start, self.origin)

    def to_ccp4(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a CCP4/MRC map at this position.

        NXSTART, NYSTART and NZSTART are `start`, and ORIGIN is `origin`. Where `origin` is zero, as
        in all boxes that friedel makes, programs that read either field agree on the position.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.maps import write_ccp4_map

        write_ccp4_map(
            path,
            self.crystal,
            self.array,
            sampling=self.sampling,
            start=self.start,
            origin=self.origin,
            overwrite=overwrite,
        )


def box_of_grid(grid: "Grid", start: tuple[int, int, int], shape: tuple[int, int, int]) -> MapBox:
    """The part of a map of the whole unit cell, periodic, from `start` (any integers)."""
    i, j, k = (
        (first + np.arange(n)) % period
        for first, n, period in zip(start, shape, grid.shape, strict=True)
    )
    return MapBox(grid.array[np.ix_(i, j, k)], grid.crystal, grid.shape, start)
