"""Densities near the cutoff radius, as version 0.1.0 had them; kernels calculate them now."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Tails:
    """Densities of groups of Gaussians around their atoms, with a blur (Å^2).

    Attributes
    ----------
    amplitude, factor
        (n, GROUP): a group's density is sum amplitude exp(-factor r^2).
    count
        (n,) number of each.
    r2
        (n,) squared radii (Å^2).
    """

    blur: float
    amplitude: np.ndarray
    factor: np.ndarray
    count: np.ndarray
    r2: np.ndarray

    @property
    def volume(self) -> float:
        """Volume of all spheres, Å^3."""
        return float((self.count * self.r2**1.5).sum()) * 4.0 / 3.0 * np.pi
