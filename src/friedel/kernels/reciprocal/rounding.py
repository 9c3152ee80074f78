"""Rounding errors of a density on a grid and its transform."""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.reciprocal.overlap import Overlap

MOST_EXPONENT = 700.0
"""Exponent clip, for hopelessly coarse grids."""
MOST_VARIANCE = 1e150
"""Limit of variances, so that products with exponentials are finite."""
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
LEAST_DENSITY = 1e-300
"""Least mean square density, where F underflows at all reflections."""


class Rounding(NamedTuple):
    """What rounding errors depend on; docs/accuracy.md derives the expressions.

    Attributes
    ----------
    s2, log_power, volumes
        (n,) s^2, the logarithm of what is rounded there, as a power of one asymmetric unit, and the
        volume of reciprocal space (1/Å^3) for which it stands.
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
    f2: float
    terms: float
    overlap: Overlap
    cancellation: float


class Precision(NamedTuple):
    """The unit of roundoff of a type, and the relative error of single atoms with it."""

    unit: float
    of_atoms: float


@njit(nogil=True)
def rounding_of_sums(rounding, precision, cell_volume, n_points, blur, level):
    """Variance of the blurred F, per operation, and the relative error equal in all shells.

    They are for a grid of `n_points` over a cell of some volume (Å^3), on which atoms are cut off
    at a density level.
    """
    overlap = rounding.overlap
    density = 0.0
    for i in range(len(rounding.s2)):
        exponent = rounding.log_power[i] - 0.5 * blur * rounding.s2[i]
        density += rounding.volumes[i] * math.exp(min(exponent, MOST_EXPONENT))
    density = max(density, LEAST_DENSITY)
    # Edges of cubes with the volume of an atom: of its density, and within its radius
    edge = (rounding.f2 / density) ** (1.0 / 3.0)
    span = max(-math.log(level * edge**3), 1.0)
    whole = edge * (4.0 * math.pi / 3.0) ** (1.0 / 3.0) * math.sqrt(span / (2.0 * math.pi))
    additions = WHOLE_ROWS * _in_window(overlap.edges, overlap.number, whole) * rounding.terms
    of_sums = OF_ADDITION**2 * MEAN_SUM2 * additions * overlap.copies
    of_sums += OF_TRANSFORM**2 * math.log(n_points) / math.log(2.0)
    coherence = _in_window(overlap.edges, overlap.coherence, edge)
    noise2 = precision.unit**2 * (OF_KERNEL**2 + coherence * of_sums)
    lost = LOST_SMALL * MEAN_UNIT * precision.unit * 0.5 * additions / span * rounding.cancellation
    variance = min(noise2 * cell_volume * density / n_points, MOST_VARIANCE)
    return variance, math.sqrt(precision.of_atoms**2 + lost**2)


@njit(nogil=True)
def _in_window(edges, values, edge):
    """A property of windows of some edges (Å) for windows of another edge."""
    if edge <= edges[0]:
        # The number of neighbours is proportional to the volume
        return 1.0 + (values[0] - 1.0) * (edge / edges[0]) ** 3
    for i in range(len(edges) - 1):
        if edge < edges[i + 1]:
            part = math.log(edge / edges[i]) / math.log(edges[i + 1] / edges[i])
            return values[i] * (values[i + 1] / values[i]) ** part
    return values[-1]
