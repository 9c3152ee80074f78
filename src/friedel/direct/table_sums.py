"""Sums of few atoms, each from tables of its own: see :mod:`friedel.kernels.direct.tables`."""

from typing import NamedTuple

import numpy as np

from friedel.direct.atom_blocks import WeightedAtoms, is_far
from friedel.direct.symmetry import Setting
from friedel.kernels.direct import tables


class FewAtoms(NamedTuple):
    """The plan: places of all h R in the tables, whose indices go to `limits`."""

    setting: Setting
    limits: tuple[int, int, int]
    place: np.ndarray
    turn: np.ndarray

    @classmethod
    def planned(
        cls, setting: Setting, hkl: np.ndarray, absent: np.ndarray, limits: tuple[int, int, int]
    ) -> "FewAtoms":
        """For (n, 3) reflections in the axes of the setting; the absent ones are left out."""
        place, turn = tables.locate_in_tables(hkl, absent, setting.operations, limits)
        return cls(setting, limits, place, turn)

    def add(self, model: WeightedAtoms, f: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Add F of the atoms to out (n,), with form factors f (n_kinds, n).

        Returns the atoms left out because they could leave the range of double precision.
        """
        far = is_far(model.beta, self.limits)
        near = model.select(~far) if far.any() else model
        real, with_inverse = self.setting.real, self.setting.operations.with_inverse
        tables.sum_by_tables(self.place, self.turn, self.limits, real, with_inverse, near, f, out)
        return np.flatnonzero(far)

    def gather(
        self, model: WeightedAtoms, w: np.ndarray, f: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """Add the derivatives by each atom to out (n_atoms, 10), from w (n,) at reflections.

        Returns the atoms left out, as :meth:`add`.
        """
        far = is_far(model.beta, self.limits)
        found = np.zeros((int((~far).sum()), out.shape[1]))
        where = (self.place, self.turn, self.limits, self.setting.operations.with_inverse)
        tables.gather_by_tables(*where, model.select(~far), w, f.astype(np.complex128), found)
        out[~far] += found
        return np.flatnonzero(far)


def entries_of_tables(limits: tuple[int, int, int]) -> int:
    """In the three tables of one atom."""
    h, k, l = limits[0] + 1, 2 * limits[1] + 1, 2 * limits[2] + 1
    return h * k + h * l + k * l
