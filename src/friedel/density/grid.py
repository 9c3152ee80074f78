"""Densities and masks on a grid, with their crystal."""

import math
from functools import cache
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import ParameterError
from friedel.model.crystal import Crystal

if TYPE_CHECKING:
    from friedel.density.map_box import MapBox

UNIT_CELL = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0)

LARGEST_FAST = 2**22
"""Grid size beyond which fast ones are far apart and none is searched: such grids are refused."""


def fast_size(at_least: float, multiple_of: int = 1) -> int:
    """The smallest even size >= `at_least` that is `multiple_of` times a 2, 3, 5-smooth number."""
    return _fast_size(max(2, math.ceil(at_least - 1e-9)), multiple_of)


@cache
def _fast_size(size: int, multiple_of: int) -> int:
    # scipy.fft.next_fast_len finds the same sizes, but its import takes longer than a small model
    size = -(-size // multiple_of) * multiple_of
    if size > LARGEST_FAST:
        return size + size % 2 * multiple_of
    while True:
        rest = size // multiple_of
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and size % 2 == 0:
            return size
        size += multiple_of


def grid_shape(crystal: Crystal, spacing: float, *, symmetric: bool = True) -> tuple[int, int, int]:
    """FFT-friendly grid whose points are at most `spacing` (Å) apart along each cell edge.

    With `symmetric`, every symmetry operation maps grid points to grid points. The spacing
    refers to cell edges, not to distances of planes, because |h| <= a / d_min: with
    spacing <= d_min / 2 the transform holds every reflection to d_min, in oblique cells too.
    """
    if not (np.isfinite(spacing) and spacing > 0):
        raise ParameterError(f"got a grid spacing of {spacing!r}, expected a positive number in A")
    factors = symmetry_factors(crystal) if symmetric else (1, 1, 1)
    wanted = np.array(crystal.cell[:3]) / spacing
    # Axes of nearly equal length get the same size, as in gemmi
    same_as = [0, 1, 2]
    for i, j in ((1, 0), (2, 0), (2, 1)):
        alike = abs(wanted[i] - wanted[j]) < 0.5 and factors[i] == factors[j]
        if alike and same_as[i] == i and same_as[j] == j:
            wanted[j] = max(wanted[i], wanted[j])
            same_as[i] = j
    sizes = [fast_size(wanted[same_as[i]], factors[i]) for i in range(3)]
    if symmetric:
        # Axes that some operation mixes must have the same size
        mixed = (crystal.rotations != 0).any(axis=0)
        for axis in range(3):
            partners = [i for i in range(3) if mixed[axis, i] or mixed[i, axis]]
            largest = max(sizes[i] for i in partners)
            for i in partners:
                sizes[i] = largest
    return sizes[0], sizes[1], sizes[2]


def symmetry_factors(crystal: Crystal) -> tuple[int, int, int]:
    """Divisors that the grid size along each axis must have to fit the translations."""
    factors = [
        int(np.lcm.reduce(TRANSLATION_DENOMINATOR // np.gcd(TRANSLATION_DENOMINATOR, column)))
        for column in crystal.translations.T
    ]
    return factors[0], factors[1], factors[2]


class Patch(NamedTuple):
    """A density in a part of the grid; the rest is empty or not needed.

    Attributes
    ----------
    rows
        (n_u, n_v, row_length) values, in rows that may be longer than the cell.
    origin
        Indices (u, v) of the first point; the patch may extend over the periodic boundary.
    shape
        (nu, nv, nw) of the whole grid.
    """

    rows: np.ndarray
    origin: tuple[int, int]
    shape: tuple[int, int, int]

    @classmethod
    def whole(cls, values: np.ndarray) -> "Patch":
        """A patch that is a whole grid."""
        nu, nv, nw = values.shape
        return cls(values, (0, 0), (nu, nv, nw))

    @property
    def values(self) -> np.ndarray:
        """(n_u, n_v, nw) view of the values in the cell."""
        return self.rows[:, :, : self.shape[2]]


class Grid:
    """Real values on a grid over the whole unit cell.

    Parameters
    ----------
    values
        (nu, nv, nw); point (u, v, w) is at (u/nu, v/nv, w/nw). They are not copied.
    crystal
        Cell and symmetry.

    Attributes
    ----------
    array
        The values.
    crystal
        Cell and symmetry.

    Raises
    ------
    ParameterError
        When `values` does not have three dimensions.
    """

    def __init__(self, values: np.ndarray, crystal: Crystal) -> None:
        self.array = checked_values(values)
        self.crystal = crystal

    def __repr__(self) -> str:
        return "<friedel.Grid {} x {} x {}>".format(*self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nu, nv, nw)."""
        nu, nv, nw = self.array.shape
        return nu, nv, nw

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances between planes of grid points, Å."""
        lengths = 1.0 / (self.crystal.reciprocal_lengths * np.array(self.shape))
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    def box(self, start: tuple[int, int, int], shape: tuple[int, int, int]) -> "MapBox":
        """The points from index `start`, which may be outside of the cell: the map is periodic.

        Parameters
        ----------
        start
            Indices of the first point, any integers.
        shape
            Number of points along each edge.
        """
        from friedel.density.map_box import box_of_grid

        return box_of_grid(self, start, shape)

    def to_ccp4(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a CCP4 map of the whole cell.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.maps import write_ccp4_map

        write_ccp4_map(path, self.crystal, self.array, overwrite=overwrite)


def checked_values(values: np.ndarray) -> np.ndarray:
    """The values as an array, checked to have three dimensions.

    Raises
    ------
    ParameterError
        When it has another number of dimensions.
    """
    array = np.asarray(values)
    if array.ndim != 3:
        raise ParameterError(f"a grid has three dimensions; got shape {array.shape}")
    return array


def symmetrized_sum(array: np.ndarray, crystal: Crystal) -> np.ndarray:
    """Sum of the images of the grid under all operations, which must fit the grid.

    Raises
    ------
    ParameterError
        When an operation does not map grid points to grid points.
    """
    size = np.array(array.shape)
    shifts = crystal.translations * size / TRANSLATION_DENOMINATOR
    scaled = crystal.rotations * (size[None, :, None] / size[None, None, :])
    if not (np.allclose(shifts, np.rint(shifts)) and np.allclose(scaled, np.rint(scaled))):
        raise ParameterError(f"the grid {array.shape} does not fit the symmetry of {crystal}")
    total = np.zeros(array.shape)
    axes = np.ogrid[tuple(slice(n) for n in array.shape)]
    for rotation, shift in zip(
        np.rint(scaled).astype(int), np.rint(shifts).astype(int), strict=True
    ):
        index = tuple(
            (sum(rotation[i, j] * axes[j] for j in range(3)) + shift[i]) % size[i] for i in range(3)
        )
        total += array[index]
    return total.astype(array.dtype)
