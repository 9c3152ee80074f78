"""FloatGrid: a grid with gemmi's interface."""

from typing import Any

import numpy as np

from friedel.density.grid import Grid, checked_values, grid_shape, symmetrized_sum
from friedel.errors import CellError, ParameterError
from friedel.model.crystal import Crystal
from friedel.readers.models import as_crystal


class FloatGrid(Grid):
    """Real values on a grid over the whole unit cell, with gemmi's interface.

    Parameters
    ----------
    *size
        Nothing (an empty grid), three sizes nu, nv, nw, or an array (nu, nv, nw).
    crystal
        Cell and symmetry, or any object that has them.

    Raises
    ------
    ParameterError
        When `size` is anything else.
    """

    def __init__(self, *size: Any, crystal: Any = None) -> None:
        if len(size) not in (0, 1, 3):
            raise ParameterError(f"a grid takes no size, an array or three sizes; got {size!r}")
        if len(size) == 1:
            self.array = checked_values(size[0])
        else:
            self.array = checked_values(np.zeros(size or (0, 0, 0), np.float32))
        self._crystal: Crystal | None = None if crystal is None else as_crystal(crystal)

    def __repr__(self) -> str:
        # gemmi's own text: examples written for it print the same here
        return f"<gemmi.FloatGrid({self.nu}, {self.nv}, {self.nw})>"

    @property
    def crystal(self) -> Crystal:  # type: ignore[override]
        """Cell and symmetry.

        Raises
        ------
        CellError
            When the grid has none yet.
        """
        if self._crystal is None:
            raise CellError("the grid has no unit cell yet: call setup_from() first")
        return self._crystal

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

    def setup_from(self, source: Any, spacing: float = 0.0) -> None:
        """Take cell and symmetry from a structure or crystal; set the size if `spacing` (Å) > 0."""
        self._crystal = as_crystal(source)
        if spacing > 0:
            self.set_size_from_spacing(spacing)

    def set_size(self, nu: int, nv: int, nw: int) -> None:
        """Resize the grid and set it to zero."""
        self.array = np.zeros((nu, nv, nw), np.float32)

    def set_size_from_spacing(self, spacing: float) -> None:
        """Set a symmetric, FFT-friendly size with planes at most `spacing` (Å) apart, and zeros."""
        self.set_size(*grid_shape(self.crystal, spacing))

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

    def symmetrize_sum(self) -> None:
        """Replace each value by the sum over its symmetry mates, one term per operation."""
        self.array = symmetrized_sum(self.array, self.crystal)
