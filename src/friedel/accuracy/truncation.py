"""Gaussians of classes of similar atoms, of which the tails are cut off."""

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
