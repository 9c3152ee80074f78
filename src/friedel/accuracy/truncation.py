"""Densities of classes of similar atoms near the cutoff radius."""

from dataclasses import dataclass

import numpy as np

from friedel.accuracy.wilson import AtomClasses
from friedel.density.radii import GaussianGroups
from friedel.kernels.grid.ellipsoids import GROUP


@dataclass(frozen=True, eq=False)
class ClassGroups:
    """Groups of Gaussians of each class of atoms, in their broadest direction.

    Attributes
    ----------
    a, b
        (n, GROUP) coefficients, with occupancies and B.
    count
        (n,) number of atoms with each group.
    number
        Number of groups of all atoms, including those without amplitude.
    """

    a: np.ndarray
    b: np.ndarray
    count: np.ndarray
    number: float

    @classmethod
    def of(cls, classes: AtomClasses, groups: GaussianGroups) -> "ClassGroups":
        """The groups of classes of atoms, from the groups of each atom type."""
        a, b = (groups.groups_of(x)[classes.kind] for x in (groups.a, groups.b))
        a = np.abs(a * classes.occ[:, None, None]).reshape(-1, GROUP)
        b = (b + classes.eigenvalues[:, 2, None, None]).reshape(-1, GROUP)
        count = np.repeat(classes.count, groups.n_groups)
        present = a.any(axis=1)
        return cls(a[present], b[present], count[present], float(count.sum()))

    def tails(self, blur: float) -> "Tails":
        """The densities of the groups for a blur (Å^2)."""
        factor = 4.0 * np.pi**2 / (self.b + blur)
        return Tails(
            blur, self.a * (factor / np.pi) ** 1.5, factor, self.count, np.zeros(len(self.count))
        )


@dataclass(frozen=True, eq=False)
class Tails:
    """Densities of groups of Gaussians around their atoms, with a blur.

    Attributes
    ----------
    amplitude, factor
        (n, GROUP): a group's density is sum amplitude exp(-factor r^2).
    count
        (n,) number of each.
    r2
        (n,) squared radii (Å^2) for the last density level; updated in place.
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

    def volume_beyond(self, radius: float) -> float:
        """Volume of the spheres with a larger radius (Å), Å^3."""
        wide = self.r2 > radius**2
        return float((self.count[wide] * self.r2[wide] ** 1.5).sum()) * 4.0 / 3.0 * np.pi
