"""Sampling of a density: the choices of a user, and the resulting plan."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.errors import ParameterError
from friedel.kernels.grid.boxes import BOX

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
"""Accepted types of a grid."""


LARGEST_BLUR = 1e5
"""Largest blur (Å^2) that is accepted: the densities of atoms are flat long before."""


@dataclass(frozen=True)
class Plan:
    """Sampling of a density, and the predicted error.

    Attributes
    ----------
    shape
        Grid size.
    rate
        Oversampling rate: the smallest d that the grid resolves is d_min / rate.
    blur
        B added to all atoms, Å^2.
    cutoff
        Density level at which atoms are cut off, in the unit of the form factor per Å^3.
    dtype
        Type of the grid.
    error
        Predicted relative rms error in the worst of ten resolution shells.
    seconds
        Predicted time of the density and its transform with one thread, s.
    """

    shape: tuple[int, int, int]
    rate: float
    blur: float
    cutoff: float
    dtype: np.dtype
    error: float
    seconds: float

    @property
    def bytes(self) -> float:
        """Memory (bytes) for the padded grid and the part of its transform that is kept."""
        nu, nv, nw = self.shape
        return float(nu * nv * (nw + BOX + nw / self.rate**2)) * self.dtype.itemsize

    def __str__(self) -> str:
        nu, nv, nw = self.shape
        return (
            f"grid {nu} x {nv} x {nw} {self.dtype} (rate {self.rate:.2f}), "
            f"blur {self.blur:.1f} A^2, atoms cut at {self.cutoff:.1e}, "
            f"predicted error {self.error:.1e}, about {1e3 * self.seconds:.1f} ms"
        )


@dataclass(frozen=True)
class Fixed:
    """Sampling parameters fixed by a user; None leaves one free.

    A fixed choice is used even if `rtol` cannot be met with it: the plan states the resulting
    error.

    Parameters
    ----------
    rate
        Oversampling rate, at least 1: grid planes are d_min / (2 rate) apart at most.
    blur
        B added to all atoms, Å^2.
    cutoff
        Density level at which atoms are cut off.
    dtype
        float32 or float64.
    multiple_of
        Divisors of the grid sizes along a, b and c, as for a supercell: then a shift by one crystal
        cell maps grid points to grid points.

    Raises
    ------
    ParameterError
        For values outside these ranges.
    """

    rate: float | None = None
    blur: float | None = None
    cutoff: float | None = None
    dtype: Any = None
    multiple_of: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "multiple_of", checked_divisors(self.multiple_of))
        if self.rate is not None and not 1.0 <= _number(self.rate) <= 20.0:
            raise ParameterError(f"got rate = {self.rate!r}, expected a number from 1 to 20")
        if self.blur is not None and not abs(_number(self.blur)) <= LARGEST_BLUR:
            raise ParameterError(
                f"got blur = {self.blur!r}, expected a value in A^2, at most {LARGEST_BLUR:g}"
            )
        if self.cutoff is not None and not 0.0 < _number(self.cutoff) < np.inf:
            raise ParameterError(f"got cutoff = {self.cutoff!r}, expected a positive number")
        if self.dtype is not None and not any(self.dtype == known for known in DTYPES):
            raise ParameterError(f"got dtype = {self.dtype!r}, expected float32 or float64")

    @property
    def is_binding(self) -> bool:
        """Whether anything except the type and the divisors is fixed."""
        return any(x is not None for x in (self.rate, self.blur, self.cutoff))


LARGEST_DIVISOR = 1000
"""Largest divisor of a grid size that is accepted."""


def checked_divisors(given: Any) -> tuple[int, int, int]:
    """Three divisors of grid sizes, or numbers of cells of a supercell, as positive integers.

    Raises
    ------
    ParameterError
        When they are not three integers from 1 to 1000.
    """
    try:
        numbers = tuple(int(x) for x in given)
        whole = all(n == x for n, x in zip(numbers, given, strict=True))
    except (TypeError, ValueError):
        numbers, whole = (), False
    if not whole or len(numbers) != 3 or not all(1 <= n <= LARGEST_DIVISOR for n in numbers):
        raise ParameterError(f"got {given!r}, expected three integers from 1 to {LARGEST_DIVISOR}")
    return numbers


FREE = Fixed()


def checked_rtol(rtol: float) -> float:
    """A relative error as a float between 0 and 1.

    Raises
    ------
    ParameterError
        When it is not such a number.
    """
    value = _number(rtol)
    if not 0.0 < value < 1.0:
        raise ParameterError(f"got rtol = {rtol!r}, expected a number between 0 and 1")
    return value


def _number(value: Any) -> float:
    """The value as a float, NaN if it is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan
