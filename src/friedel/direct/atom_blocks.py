"""Atoms in the order in which rows sum them, and their tables."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from friedel.direct.rows import Rows
from friedel.kernels.direct import rows as kernels
from friedel.kernels.simd import LANES
from friedel.runtime.memory import scratch

UPRIGHT_LIMIT = 1e-15
"""Atoms are upright when no r^l of theirs differs from 1 by more than a few ulp."""

LARGEST_EXPONENT = 350.0
"""Atoms with larger ones are summed by definition: rows need twice that, and e^709 is the end."""

BLOCKS_AT_A_TIME = 8
"""Blocks of atoms whose tables are in memory together."""


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

    Block b holds the atoms order[first[b] : last[b]] of one kind, in so many `vectors`.
    They are upright or not, and add to the line `slot` of the sums, of which the first block
    is `fresh`.
    """

    order: np.ndarray
    first: np.ndarray
    last: np.ndarray
    vectors: np.ndarray
    slot: np.ndarray
    fresh: np.ndarray
    upright: np.ndarray

    @property
    def n_atoms(self) -> int:
        """Total over all blocks."""
        return int((self.last - self.first).sum())

    def select(self, chosen: np.ndarray | slice) -> "Blocks":
        """Some of the blocks."""
        return Blocks(self.order, *(values[chosen] for values in self[1:]))

    def batches(self) -> Iterator["Blocks"]:
        """The same in portions for one set of tables."""
        for first in range(0, len(self.slot), BLOCKS_AT_A_TIME):
            yield self.select(slice(first, first + BLOCKS_AT_A_TIME))


class Tables(NamedTuple):
    """What :mod:`friedel.kernels.direct.rows` calls X, Y, W and beta12, and the two factors of r.

    `x`, `y`, `w` (n_blocks, n_entries, 2, n_atoms) hold real and imaginary parts from h = 0,
    k = -limit and l = 0 on; `cross` is (n_blocks, n_atoms); `tilt_h` and `tilt_k` (n_blocks,
    n_entries, n_atoms) serve blocks that are not upright.
    """

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    cross: np.ndarray
    tilt_h: np.ndarray
    tilt_k: np.ndarray


def is_far(beta: np.ndarray, limits: tuple[int, int, int]) -> np.ndarray:
    """(n,) bool: atoms whose recurrences could leave the range of double precision."""
    h, k, l = limits
    highest = (1.0 * h * h, 1.0 * k * k, 1.0 * l * l, 2.0 * h * k, 2.0 * h * l, 2.0 * k * l)
    return np.abs(beta) @ highest > LARGEST_EXPONENT


def grouped(
    model: WeightedAtoms,
    limits: tuple[int, int, int],
    n_kinds: int,
    may_be_upright: np.ndarray | bool,
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Atoms in the order of kinds, upright ones first.

    Returns
    -------
    order, ends
        The atoms of kind i are order[ends[2 i] : ends[2 i + 2]], the upright ones to ends[2 i + 1].
    far
        Atoms whose recurrences could leave the range of double precision.
    """
    h, k, l = limits
    tilt = np.abs(model.beta[:, 4:]) @ (2.0 * h * l, 2.0 * k * l)
    group = 2 * model.kind + ~((tilt <= UPRIGHT_LIMIT) & may_be_upright)
    group[is_far(model.beta, limits)] = 2 * n_kinds
    order = np.argsort(group, kind="stable")
    count = np.bincount(group, minlength=2 * n_kinds)[: 2 * n_kinds]
    ends = [0, *np.cumsum(count).tolist()]
    return order, ends, order[ends[-1] :]


def blocks_of(order: np.ndarray, ends: list[int], kinds: list[int]) -> Blocks:
    """Blocks of these kinds, cut into pieces of about the same size; one slot for each kind."""
    lines = []
    for slot, kind in enumerate(kinds):
        fresh = True
        for group in (2 * kind, 2 * kind + 1):
            first, n = ends[group], ends[group + 1] - ends[group]
            pieces = -(-n // kernels.BLOCK)
            for piece in range(1, pieces + 1):
                bounds = (first + n * (piece - 1) // pieces, first + n * piece // pieces)
                lines.append((*bounds, slot, fresh, group % 2 == 0))
                fresh = False
    first_atom, last_atom, slots, freshness, upright = (
        np.array(column) for column in zip(*lines, strict=True)
    )
    vectors = -((first_atom - last_atom) // LANES)
    return Blocks(order, first_atom, last_atom, vectors, slots, freshness, upright)


def empty_tables(blocks: Blocks, rows: Rows) -> Tables:
    """Room for the tables of as many blocks as are summed at a time, the same at every call."""
    n = min(len(blocks.slot), BLOCKS_AT_A_TIME)
    # An odd number of vectors: see BLOCK
    m = LANES * (int(blocks.vectors.max()) | 1)
    h, k, l = rows.table_lengths
    shapes = [(n, h, 2, m), (n, k, 2, m), (n, l, 2, m), (n, m)]
    shapes += [(0, 0, m), (0, 0, m)] if blocks.upright.all() else [(n, h, m), (n, k, m)]
    names = (f"direct sum: {name}" for name in Tables._fields)
    return Tables(*(scratch(*of, np.float64) for of in zip(names, shapes, strict=True)))
