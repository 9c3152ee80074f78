"""Displacement of groups of atoms that move as rigid bodies: T, L and S [Schomaker1968]."""

from dataclasses import dataclass

import numpy as np

from friedel.model.atoms import LARGEST
from friedel.model.tensors import UPPER

PER_DEGREE = np.pi / 180.0
"""Radians in a degree."""


@dataclass(frozen=True, eq=False)
class TlsGroup:
    """The motion of one rigid body, in the Cartesian frame of its atoms.

    Attributes
    ----------
    name
        What the source calls the group, a number as a rule.
    origin
        (3,) the point to which the tensors refer, Å.
    t
        (3, 3) translation, Å^2.
    l
        (3, 3) libration, degrees^2.
    s
        (3, 3) correlation of libration (rows) and translation (columns), Å degrees.
    """

    name: str
    origin: np.ndarray
    t: np.ndarray
    l: np.ndarray
    s: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether all numbers are finite, and not larger than those of atoms may be."""
        with np.errstate(invalid="ignore"):
            return all((np.abs(x) < LARGEST).all() for x in (self.origin, self.t, self.l, self.s))

    @property
    def is_zero(self) -> bool:
        """Whether the tensors displace nothing."""
        return not (self.t.any() or self.l.any() or self.s.any())

    def tensors(self, positions: np.ndarray) -> np.ndarray:
        """(n, 6) the Cartesian U of atoms of the group, Å^2, 11 22 33 12 13 23.

        U = T + A L A^T + A S + S^T A^T, where A maps a rotation (radians) to the displacement of
        an atom at r from the origin: A w = w x r.

        Parameters
        ----------
        positions
            (n, 3) Cartesian coordinates, Å.
        """
        x, y, z = (np.asarray(positions, np.float64) - self.origin).T
        zero = np.zeros_like(x)
        a = np.array([[zero, z, -y], [-z, zero, x], [y, -x, zero]]).transpose(2, 0, 1)
        a_s = a @ (self.s * PER_DEGREE)
        libration = a @ (self.l * PER_DEGREE**2) @ a.transpose(0, 2, 1)
        u = self.t + libration + a_s + a_s.transpose(0, 2, 1)
        return np.asarray(u[:, *UPPER])
