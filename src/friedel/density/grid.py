"""Arrays that know their crystal: densities and masks on a grid."""

import math
from dataclasses import dataclass
from functools import cache
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import CellError, ParameterError
from friedel.model.crystal import Crystal

UNIT_CELL = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0)


def fast_size(at_least: float, multiple_of: int = 1) -> int:
    """The smallest even 2, 3, 5-smooth size that is not below a number, divisible by another."""
    return _fast_size(max(2, math.ceil(at_least - 1e-9)), multiple_of)


@cache
def _fast_size(size: int, multiple_of: int) -> int:
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and size % 2 == 0 and size % multiple_of == 0:
            return size
        size += 1


def grid_shape(crystal: Crystal, spacing: float, *, symmetric: bool = True) -> tuple[int, int, int]:
    """FFT-friendly grid whose points are at most `spacing` (A) apart along each cell edge.

    With `symmetric`, every symmetry operation maps grid points to grid points. Edges count, not
    distances of planes, because |h| <= a / d_min: with spacing <= d_min / 2 the transform
    holds every reflection to d_min, in oblique cells too.
    """
    if not (np.isfinite(spacing) and spacing > 0):
        raise ParameterError(f"got a grid spacing of {spacing!r}, expected a positive number of A")
    factors = symmetry_factors(crystal) if symmetric else (1, 1, 1)
    wanted = np.array(crystal.cell[:3]) / spacing
    # Axes that are nearly alike get one size, as in gemmi: what a person would choose too
    same_as = [0, 1, 2]
    for i, j in ((1, 0), (2, 0), (2, 1)):
        alike = abs(wanted[i] - wanted[j]) < 0.5 and factors[i] == factors[j]
        if alike and same_as[i] == i and same_as[j] == j:
            wanted[j] = max(wanted[i], wanted[j])
            same_as[i] = j
    sizes = [fast_size(wanted[same_as[i]], factors[i]) for i in range(3)]
    if symmetric:
        # Axes that some operation mixes must have one size
        mixed = (crystal.rotations != 0).any(axis=0)
        for axis in range(3):
            partners = [i for i in range(3) if mixed[axis, i] or mixed[i, axis]]
            largest = max(sizes[i] for i in partners)
            for i in partners:
                sizes[i] = largest
    return sizes[0], sizes[1], sizes[2]


def symmetry_factors(crystal: Crystal) -> tuple[int, int, int]:
    """Divisors that the grid size along each axis must have for the translations to fit it."""
    factors = [int(np.lcm.reduce(24 // np.gcd(24, column))) for column in crystal.translations.T]
    return factors[0], factors[1], factors[2]


@dataclass(frozen=True, eq=False)
class Patch:
    """A density in a part of the grid: there is nothing beyond, or nothing that is wanted.

    Attributes
    ----------
    values
        (n_u, n_v, nw).
    origin
        Indices (u, v) of the first point; the patch may extend over the periodic boundary.
    shape
        (nu, nv, nw) of the whole grid.
    """

    values: np.ndarray
    origin: tuple[int, int]
    shape: tuple[int, int, int]

    @classmethod
    def whole(cls, values: np.ndarray) -> "Patch":
        """All of a grid."""
        nu, nv, nw = values.shape
        return cls(values, (0, 0), (nu, nv, nw))


class FloatGrid:
    """Real values on a grid over the whole unit cell, with gemmi's interface.

    Parameters
    ----------
    *size
        Nothing (an empty grid), three sizes nu, nv, nw, or an array (nu, nv, nw).
    crystal
        Cell and symmetry, or any object that has them.

    Attributes
    ----------
    array
        (nu, nv, nw) floating-point values; point (u, v, w) is at (u/nu, v/nv, w/nw).
    crystal
        Cell and symmetry.
    """

    def __init__(self, *size: Any, crystal: Any = None) -> None:
        if len(size) not in (0, 1, 3):
            raise ParameterError(f"a grid takes no size, an array or three sizes; got {size!r}")
        if len(size) == 1:
            self.array = np.asarray(size[0])
        else:
            self.array = np.zeros(size or (0, 0, 0), np.float32)
        if self.array.ndim != 3:
            raise ParameterError(f"a grid has three dimensions; got shape {self.array.shape}")
        self.crystal: Crystal | None = None if crystal is None else _as_crystal(crystal)

    def __repr__(self) -> str:
        # gemmi's own text: examples written for it print the same here
        return f"<gemmi.FloatGrid({self.nu}, {self.nv}, {self.nw})>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nu, nv, nw)."""
        nu, nv, nw = self.array.shape
        return nu, nv, nw

    @property
    def nu(self) -> int:
        """Number of points along a."""
        return self.array.shape[0]

    @property
    def nv(self) -> int:
        """Number of points along b."""
        return self.array.shape[1]

    @property
    def nw(self) -> int:
        """Number of points along c."""
        return self.array.shape[2]

    @property
    def point_count(self) -> int:
        """Number of points in the cell."""
        return self.array.size

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances between planes of grid points, A."""
        lengths = 1.0 / (self._known_crystal().reciprocal_lengths * np.array(self.shape))
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    def _known_crystal(self) -> Crystal:
        if self.crystal is None:
            raise CellError("the grid has no unit cell yet: call setup_from() first")
        return self.crystal

    def setup_from(self, source: Any, spacing: float = 0.0) -> None:
        """Take cell and symmetry from a structure or crystal; with `spacing` (A) also the size."""
        self.crystal = _as_crystal(source)
        if spacing > 0:
            self.set_size_from_spacing(spacing)

    def set_size(self, nu: int, nv: int, nw: int) -> None:
        """Make the grid this size, with zeros."""
        self.array = np.zeros((nu, nv, nw), np.float32)

    def set_size_from_spacing(self, spacing: float) -> None:
        """Make the grid symmetric, FFT-friendly, with planes at most `spacing` apart, zero."""
        self.set_size(*grid_shape(self._known_crystal(), spacing))

    def fill(self, value: float) -> None:
        """Set all points to one value."""
        self.array.fill(value)

    def get_value(self, u: int, v: int, w: int) -> float:
        """The value at a point; indices are periodic."""
        return float(self.array[u % self.nu, v % self.nv, w % self.nw])

    def set_value(self, u: int, v: int, w: int, value: float) -> None:
        """Set the value at a point; indices are periodic."""
        self.array[u % self.nu, v % self.nv, w % self.nw] = value

    def sum(self) -> float:
        """Sum over all points."""
        return float(self.array.sum(dtype=np.float64))

    def to_ccp4(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a CCP4 map of the whole cell.

        Raises
        ------
        CellError
            When the grid has no unit cell.
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_ccp4_map

        write_ccp4_map(path, self._known_crystal(), self.array, overwrite=overwrite)

    def symmetrize_sum(self) -> None:
        """Replace each value by the sum over its symmetry mates, one term an operation."""
        self.array = symmetrized_sum(self.array, self._known_crystal())


def symmetrized_sum(array: np.ndarray, crystal: Crystal) -> np.ndarray:
    """Sum over the operations of the grid moved by each; the operations must fit the grid.

    Raises
    ------
    ParameterError
        When an operation does not map grid points to grid points.
    """
    size = np.array(array.shape)
    shifts = crystal.translations * size / 24.0
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


def _as_crystal(source: Any) -> Crystal:
    if isinstance(source, Crystal):
        return source
    from friedel.readers.models import as_crystal

    return as_crystal(source)
