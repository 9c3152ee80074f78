"""Atoms in the order in which rows sum them, and their tables."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from friedel.direct.rows import Rows
from friedel.kernels.direct import rows as kernels
from friedel.kernels.simd import LANES
from friedel.runtime.memory import scratch

SEPARABLE_LIMIT = 1e-15
"""Largest |log r^l| of separable atoms: their r^l differ from 1 by a few ulp at most."""

LARGEST_EXPONENT = 350.0
"""Atoms with larger exponents are summed by definition: rows need exp of twice the exponent, and
exp(709) is the largest in double precision."""

BLOCKS_AT_A_TIME = 8
"""Number of blocks of atoms whose tables are in memory at the same time."""


class WeightedAtoms(NamedTuple):
    """Atoms with axes as in the setting, and weights that count centring translations."""

    frac: np.ndarray
    weight: np.ndarray
    beta: np.ndarray
    kind: np.ndarray

    def select(self, chosen: np.ndarray | slice) -> "WeightedAtoms":
        """Some of the atoms."""
        return WeightedAtoms(*(values[chosen] for values in self))


class Blocks(NamedTuple):
    """Atoms in the order in which they are summed.

    Block b holds the atoms order[first[b] : last[b]] of one kind, in vectors[b] vectors. They are
    all `separable` or all coupled along l, and add to row slot[b] of the sums; `first_of_slot` is
    true for the first block that does.
    """

    order: np.ndarray
    first: np.ndarray
    last: np.ndarray
    vectors: np.ndarray
    slot: np.ndarray
    first_of_slot: np.ndarray
    separable: np.ndarray

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all blocks."""
        return int((self.last - self.first).sum())

    def select(self, chosen: np.ndarray | slice) -> "Blocks":
        """Some of the blocks."""
        return Blocks(self.order, *(values[chosen] for values in self[1:]))

    def batches(self) -> Iterator["Blocks"]:
        """The blocks in batches that share one set of tables."""
        for first in range(0, len(self.slot), BLOCKS_AT_A_TIME):
            yield self.select(slice(first, first + BLOCKS_AT_A_TIME))


class Tables(NamedTuple):
    """The tables X, Y, W, beta12 and the two factors of r of :mod:`friedel.kernels.direct.rows`.

    `x`, `y`, `w` (n_blocks, n_entries, 2, n_atoms) hold real and imaginary parts from h = 0,
    k = -limit and l = 0 on; `cross` is (n_blocks, n_atoms); `coupling_h` and `coupling_k`
    (n_blocks, n_entries, n_atoms) are needed by blocks that are not separable.
    """

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    cross: np.ndarray
    coupling_h: np.ndarray
    coupling_k: np.ndarray


def may_overflow(beta: np.ndarray, limits: tuple[int, int, int]) -> np.ndarray:
    """(n,) bool: atoms whose recurrences could leave the range of double precision."""
    h, k, l = limits
    highest = (1.0 * h * h, 1.0 * k * k, 1.0 * l * l, 2.0 * h * k, 2.0 * h * l, 2.0 * k * l)
    return np.abs(beta) @ highest > LARGEST_EXPONENT


def grouped(
    model: WeightedAtoms,
    limits: tuple[int, int, int],
    n_kinds: int,
    may_be_separable: np.ndarray | bool,
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Atoms sorted by kind, the separable atoms of each kind first.

    Returns
    -------
    order, ends
        The atoms of kind i are order[ends[2 i] : ends[2 i + 2]], separable up to ends[2 i + 1].
    overflowing
        Atoms whose recurrences could leave the range of double precision.
    """
    h, k, l = limits
    coupling = np.abs(model.beta[:, 4:]) @ (2.0 * h * l, 2.0 * k * l)
    group = 2 * model.kind + ~((coupling <= SEPARABLE_LIMIT) & may_be_separable)
    group[may_overflow(model.beta, limits)] = 2 * n_kinds
    order = np.argsort(group, kind="stable")
    count = np.bincount(group, minlength=2 * n_kinds)[: 2 * n_kinds]
    ends = [0, *np.cumsum(count).tolist()]
    return order, ends, order[ends[-1] :]


def blocks_of(order: np.ndarray, ends: list[int], kinds: list[int]) -> Blocks:
    """Blocks of the atoms of some kinds, of about equal sizes; each kind has one slot."""
    lines = []
    for slot, kind in enumerate(kinds):
        first_of_slot = True
        for group in (2 * kind, 2 * kind + 1):
            first, n = ends[group], ends[group + 1] - ends[group]
            pieces = -(-n // kernels.BLOCK)
            for piece in range(1, pieces + 1):
                bounds = (first + n * (piece - 1) // pieces, first + n * piece // pieces)
                lines.append((*bounds, slot, first_of_slot, group % 2 == 0))
                first_of_slot = False
    first_atom, last_atom, slots, are_first, separable = (
        np.array(column) for column in zip(*lines, strict=True)
    )
    vectors = -((first_atom - last_atom) // LANES)
    return Blocks(order, first_atom, last_atom, vectors, slots, are_first, separable)


def empty_tables(blocks: Blocks, rows: Rows) -> Tables:
    """Memory for the tables of one batch of blocks; every call returns the same memory."""
    n = min(len(blocks.slot), BLOCKS_AT_A_TIME)
    # An odd number of vectors: see BLOCK
    m = LANES * (int(blocks.vectors.max()) | 1)
    h, k, l = rows.table_lengths
    shapes = [(n, h, 2, m), (n, k, 2, m), (n, l, 2, m), (n, m)]
    shapes += [(0, 0, m), (0, 0, m)] if blocks.separable.all() else [(n, h, m), (n, k, m)]
    names = (f"direct sum: {name}" for name in Tables._fields)
    return Tables(*(scratch(*of, np.float64) for of in zip(names, shapes, strict=True)))
