"""Rounding errors of a density on a grid and its transform, from how far the atoms overlap."""

import math
from dataclasses import dataclass

import numpy as np

from friedel.accuracy.overlap import Overlap
from friedel.accuracy.wilson import AtomClasses, wilson_curves

MAX_EXPONENT = 700.0
"""Exponent clip, for hopelessly coarse grids."""
UNIT_ROUNDOFF = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}
"""Largest relative error of one operation, by type."""
OF_ADDITION = math.sqrt(0.125 / math.log(2.0))
"""Rms error of one rounding in the unit of roundoff, for numbers with any mantissa."""
OF_TRANSFORM = 0.6
"""Rms error of a fast Fourier transform, in roundoffs times sqrt(log2 n) [Schatzman1996]_."""
OF_KERNEL = 1.7
"""Measured rms error of one Gaussian at grid points, in the unit of roundoff."""
WHOLE_ROWS = 1.5
"""Points to which an atom is added, relative to those in its sphere: rows are filled completely."""
MEAN_SUM2 = 0.5
"""Mean square of the unfinished sum at a point relative to the final one: atoms near each other
in space are so in the list, so that it rises in one step at some time."""
LOST_SMALL = 0.5 * math.log(2.0)
"""Mean loss in units in the last place of a sum, per factor e in the size of the numbers added:
most of those below one half of a unit are lost. docs/accuracy.md has the integral."""
MEAN_UNIT = 1.0 / math.log(2.0)
"""Mean unit in the last place, relative to the number and in the unit of roundoff."""
ROUNDING_OF_ATOMS = {np.dtype(np.float32): 4e-7, np.dtype(np.float64): 1e-15}
"""Measured relative error of the contributions of single atoms, equal in all shells, by type."""
FINE = 24
"""Number of points of each of two tables at low s, within the first step of the coarser one."""

LEAST_DENSITY = 1e-300
"""Least mean square density, where F underflows at all reflections."""


@dataclass(frozen=True, eq=False)
class Rounding:
    """What rounding errors depend on; docs/accuracy.md derives the expressions.

    Attributes
    ----------
    s2, log_power, volumes
        (n,) s^2, the logarithm of what is rounded there, as a power of one asymmetric unit, and the
        volume of reciprocal space (1/Å^3) for which it stands.
    cell_volume
        Volume of the cell, Å^3.
    f2
        Sum of f^2 over atoms.
    terms
        Mean number of Gaussians of an atom.
    overlap
        The numbers of atoms in one place.
    cancellation
        Rms of what is rounded, relative to F, in the worst shell.
    """

    s2: np.ndarray
    log_power: np.ndarray
    volumes: np.ndarray
    cell_volume: float
    f2: float
    terms: float
    overlap: Overlap
    cancellation: float

    @classmethod
    def of(
        cls,
        s2: np.ndarray,
        log_power: np.ndarray,
        cell_volume: float,
        f: np.ndarray,
        terms: float,
        overlap: Overlap,
        cancellation: float,
    ) -> "Rounding":
        """For atoms that scatter f (n,), with a power at some s^2."""
        volumes = _volumes_around(np.sqrt(s2))
        return cls(s2, log_power, volumes, cell_volume, float(f @ f), terms, overlap, cancellation)

    def of_atoms(self, dtype: np.dtype) -> float:
        """Relative error from the contributions of single atoms, equal in all shells."""
        return ROUNDING_OF_ATOMS[dtype] * self.cancellation

    def parts(
        self, n_points: int, blur: float, level: float, dtype: np.dtype
    ) -> tuple[float, float]:
        """Variance of the blurred F, per operation, and the relative error equal in all shells.

        Parameters
        ----------
        n_points
            Number of grid points.
        level
            Density level at which atoms are cut off.
        """
        u = UNIT_ROUNDOFF[dtype]
        blurred = np.exp(np.minimum(self.log_power - 0.5 * blur * self.s2, MAX_EXPONENT))
        density = max(float(self.volumes @ blurred), LEAST_DENSITY)
        # Edges of cubes with the volume of an atom: of its density, and within its radius
        edge = (self.f2 / density) ** (1.0 / 3.0)
        span = max(-math.log(level * edge**3), 1.0)
        whole = edge * (4.0 * math.pi / 3.0) ** (1.0 / 3.0) * math.sqrt(span / (2.0 * math.pi))
        additions = WHOLE_ROWS * self.overlap.count_in(whole) * self.terms
        of_sums = OF_ADDITION**2 * MEAN_SUM2 * additions * self.overlap.copies
        of_sums += OF_TRANSFORM**2 * math.log2(n_points)
        noise2 = u**2 * (OF_KERNEL**2 + self.overlap.coherence_in(edge) * of_sums)
        lost = LOST_SMALL * MEAN_UNIT * u * 0.5 * additions / span * self.cancellation
        return noise2 * self.cell_volume * density / n_points, math.hypot(
            self.of_atoms(dtype), lost
        )


def integrable_power(
    classes: AtomClasses, a: np.ndarray, b: np.ndarray, s2: np.ndarray, log_power: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """s^2 and ln P there, finely spaced at low s, where broad atoms scatter.

    `log_power` is the curve at `s2`, if it is known.
    """
    if log_power is None:
        log_power, _ = wilson_curves(classes, a, b, s2)
    step = float(s2[1])
    finest, fine = (np.linspace(0.0, last, FINE + 1) for last in (step / FINE, step))
    low = [wilson_curves(classes, a, b, x)[0] for x in (finest, fine)]
    parts = (finest, fine[2:], s2[2:]), (low[0], low[1][2:], log_power[2:])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def _volumes_around(s: np.ndarray) -> np.ndarray:
    """(n,) trapezoidal weights for integrals over reciprocal space of functions of |s|."""
    widths = np.zeros(len(s))
    widths[1:] += 0.5 * np.diff(s)
    widths[:-1] += 0.5 * np.diff(s)
    return 4.0 * np.pi * s**2 * widths
