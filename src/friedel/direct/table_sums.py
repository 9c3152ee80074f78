"""Sums of few atoms, each from tables of its own: see :mod:`friedel.kernels.direct.tables`."""

from typing import NamedTuple

import numpy as np

from friedel.direct.atom_blocks import WeightedAtoms, may_overflow
from friedel.direct.symmetry import Setting
from friedel.kernels.direct import tables


class FewAtoms(NamedTuple):
    """The plan: the positions of all h R in the tables, whose indices go up to `limits`."""

    setting: Setting
    limits: tuple[int, int, int]
    place: np.ndarray
    turn: np.ndarray

    @classmethod
    def planned(
        cls, setting: Setting, hkl: np.ndarray, absent: np.ndarray, limits: tuple[int, int, int]
    ) -> "FewAtoms":
        """A plan for (n, 3) reflections in the axes of the setting, without the absent ones."""
        place, turn = tables.locate_in_tables(hkl, absent, setting.operations, limits)
        return cls(setting, limits, place, turn)

    def add(self, model: WeightedAtoms, f: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Add F of the atoms to out (n,), with form factors f (n_kinds, n).

        Returns the atoms left out because they could leave the range of double precision.
        """
        overflowing = may_overflow(model.beta, self.limits)
        near = model.select(~overflowing) if overflowing.any() else model
        real, with_inverse = self.setting.real, self.setting.operations.with_inverse
        tables.sum_by_tables(self.place, self.turn, self.limits, real, with_inverse, near, f, out)
        return np.flatnonzero(overflowing)

    def gather(
        self, model: WeightedAtoms, w: np.ndarray, f: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """Add the derivatives by each atom to out (n_atoms, 10), from w (n,) at reflections.

        Returns the atoms left out, as :meth:`add`.
        """
        overflowing = may_overflow(model.beta, self.limits)
        found = np.zeros((int((~overflowing).sum()), out.shape[1]))
        where = (self.place, self.turn, self.limits, self.setting.operations.with_inverse)
        tables.gather_by_tables(
            *where, model.select(~overflowing), w, f.astype(np.complex128), found
        )
        out[~overflowing] += found
        return np.flatnonzero(overflowing)


def entries_of_tables(limits: tuple[int, int, int]) -> int:
    """The number of entries in the three tables of one atom."""
    h, k, l = limits[0] + 1, 2 * limits[1] + 1, 2 * limits[2] + 1
    return h * k + h * l + k * l
