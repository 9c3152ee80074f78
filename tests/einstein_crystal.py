"""A crystal of atoms that move independently, whose scattering is known exactly."""

from dataclasses import dataclass

import numpy as np

import friedel
from friedel.constants import U_TO_B
from friedel.structure_factors.options import CalculationOptions

CELL = np.array([12.0, 14.0, 16.0])
"""Edges of the crystal cell, Å."""


@dataclass(frozen=True, eq=False)
class EinsteinCrystal:
    """A supercell of the same cells, and frames in which each atom moves by itself.

    With the B of the displacements, <F> = F0 exp(-B s^2) and the diffuse intensity is
    sum f^2 (1 - exp(-2 B s^2)), s = sin theta / lambda.
    """

    box: friedel.Crystal
    atoms: friedel.Atoms
    xyz: np.ndarray
    u: float

    @classmethod
    def made(cls, cells=(2, 1, 1), n=40, frames=64, u=0.3, seed=0):
        rng = np.random.default_rng(seed)
        labels = list(rng.choice(["C", "N", "O"], n))
        shifts = np.argwhere(np.ones(cells))
        frac = np.concatenate(
            [
                (rng_cell + shift) / cells
                for shift, rng_cell in zip(shifts, [rng.random((n, 3))] * len(shifts), strict=True)
            ]
        )
        box = friedel.Crystal((*(CELL * cells), 90, 90, 90))
        atoms = friedel.Atoms.from_labels(labels * len(shifts), frac)
        xyz = frac @ box.orthogonalization.T + u * rng.normal(size=(frames, len(frac), 3))
        return cls(box, atoms, xyz, u)

    @property
    def pair(self):
        return self.box, self.atoms

    def expected(self, hkl):
        """<F> and the diffuse intensity."""
        stol2 = self.box.stol2(hkl)
        f = CalculationOptions(source="xray").factors(self.atoms.scatterers).f(stol2)
        decay = np.exp(-U_TO_B * self.u**2 * stol2)
        f0 = friedel.fcalc(self.pair, hkl=hkl, method="direct").values
        return f0 * decay, (f[self.atoms.kind] ** 2).sum(axis=0) * (1 - decay**2)
