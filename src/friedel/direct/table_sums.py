"""Sums of few atoms, each from tables of its own: see :mod:`friedel.kernels.direct.tables`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from friedel.direct import cost
from friedel.direct.atom_blocks import WeightedAtoms, may_overflow
from friedel.direct.symmetry import Setting
from friedel.kernels.direct import tables
from friedel.kernels.simd import LANES
from friedel.runtime.threads import in_stretches


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
        where = (self.place, self.turn, self.limits, real, with_inverse)

        def add_some(first: int, last: int) -> None:
            some = near.select(slice(LANES * first, LANES * last))
            tables.sum_by_tables(*where, some, f, out)

        self._in_turn(add_some, len(near.weight))
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
        near, f = model.select(~overflowing), f.astype(np.complex128)

        def gather_some(first: int, last: int) -> None:
            some = slice(LANES * first, LANES * last)
            tables.gather_by_tables(*where, near.select(some), w, f, found[some])

        self._in_turn(gather_some, len(found))
        out[~overflowing] += found
        return np.flatnonzero(overflowing)

    def _in_turn(self, work: Callable[[int, int], None], n_atoms: int) -> None:
        """Call work(first, last) for ranges of vectors of atoms."""
        vectors = -(-n_atoms // LANES)
        seconds = 2.0 * cost.by_tables(
            self.setting, self.turn.size, n_atoms, entries_of_tables(self.limits)
        )
        in_stretches(work, vectors, 1, seconds=seconds)


def entries_of_tables(limits: tuple[int, int, int]) -> int:
    """The number of entries in the three tables of one atom."""
    h, k, l = limits[0] + 1, 2 * limits[1] + 1, 2 * limits[2] + 1
    return h * k + h * l + k * l
