"""Sums along rows and their transpose: loop over kinds and blocks of atoms, then symmetry."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from friedel.direct import cost
from friedel.direct.atom_blocks import (
    Blocks,
    Tables,
    WeightedAtoms,
    blocks_of,
    empty_tables,
    grouped,
)
from friedel.direct.rows import Rows
from friedel.direct.symmetry import Setting
from friedel.kernels.direct import rows as kernels, rows_adjoint as transposed, symmetry
from friedel.runtime.memory import scratch
from friedel.runtime.threads import in_pieces

LARGEST_SUMS = 2**20
"""Most numbers kept in memory before form factors are applied; if all kinds of atoms need more,
they are processed in chunks."""

POINTS_OF_STRETCH = 2**15
"""Points of the rows that all atoms process before the next rows, so that dT/dG stays in the
cache."""

POINTS_PER_ENTRY = 16
"""Least number of these points per entry in an atom's tables, which each stretch fills again. It
matters for cells with an edge of thousands of Å."""


@dataclass(frozen=True)
class AlongRows:
    """Sums over atoms along the rows of one plan.

    All methods leave out the atoms whose recurrences could leave the range of double
    precision, and return the indices of these.
    """

    setting: Setting
    rows: Rows
    threads: int

    def add(self, model: WeightedAtoms, f: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Add F of the atoms to out (n,), with form factors f (n_kinds, n)."""
        order, ends, overflowing = grouped(model, self.rows.limits, len(f), True)
        for kinds, sums in self._chunks_of_kinds(ends):
            for batch, tables in self._batches(blocks_of(order, ends, kinds), model):
                rows = self.rows
                arguments = (
                    rows.table, rows.stride, rows.step_k, rows.limits[1], batch, tables,
                    self.setting.real, sums,
                )  # fmt: skip
                seconds = cost.SECONDS_SEPARABLE * batch.n_atoms * rows.n_points
                in_pieces(kernels.sum_rows, arguments, rows.edges, seconds, self.threads)
            self._combine(sums, f[kinds], out)
        return overflowing

    def _combine(self, sums: np.ndarray, f: np.ndarray, out: np.ndarray) -> None:
        """Apply symmetry and form factors; imaginary parts of form factors take a second pass."""
        passes = [(f, 1.0 + 0.0j)]
        if np.iscomplexobj(f):
            passes = [(f.real.copy(), 1.0 + 0.0j), (f.imag.copy(), 1.0j)]
        seconds = cost.SECONDS_PER_KIND * len(f) * self.rows.point.size
        for part, factor in passes:
            arguments = (*self._locations, part, sums, factor, out)
            in_pieces(symmetry.combine, arguments, range(len(out) + 1), seconds, self.threads)

    def gather(
        self,
        model: WeightedAtoms,
        isotropic: np.ndarray,
        w: np.ndarray,
        f: np.ndarray,
        out: np.ndarray,
    ) -> np.ndarray:
        """Add the derivatives by each atom to out (n_atoms, 10), from w (n,) at reflections.

        The derivatives by beta13 and beta23 are left out for separable `isotropic` atoms.
        """
        order, ends, overflowing = grouped(model, self.rows.limits, len(f), isotropic)
        for kinds, v in self._chunks_of_kinds(ends):
            self._spread(w, f[kinds].astype(np.complex128), v)
            self._gather(blocks_of(order, ends, kinds), model, v, False, out)
        return overflowing

    def gather_constants(self, model: WeightedAtoms, w: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Add the derivatives by real and imaginary form factors to out (n_atoms, 2).

        All atoms of the model are of kind 0.
        """
        order, ends, overflowing = grouped(model, self.rows.limits, 1, True)
        if ends[-1]:
            v = np.empty((2, self._n_numbers))
            self._spread(w, np.repeat([[1.0], [1.0j]], len(w), axis=1), v)
            self._gather(blocks_of(order, ends, [0]), model, v, True, out)
        return overflowing

    def _spread(self, w: np.ndarray, f: np.ndarray, v: np.ndarray) -> None:
        seconds = cost.SECONDS_PER_KIND * len(f) * self.rows.point.size
        arguments = (*self._locations, w, f, v)
        in_pieces(symmetry.spread, arguments, range(len(f) + 1), seconds, self.threads)

    def _gather(
        self, blocks: Blocks, model: WeightedAtoms, v: np.ndarray, constants: bool, out: np.ndarray
    ) -> None:
        """Add the derivatives of coupled atoms, then of separable ones, which need v folded."""
        rows = self.rows
        n_points = max(
            POINTS_OF_STRETCH // (len(v) if constants else 1),
            POINTS_PER_ENTRY * sum(rows.table_lengths),
        )
        for separable in (False, True):
            if separable and blocks.separable.any():
                transposed.fold_mates(0, len(v), self.setting.real, v)
            for batch, tables in self._batches(blocks.select(blocks.separable == separable), model):
                vectors = range(int(batch.vectors.sum()) + 1)
                for table in rows.stretches(n_points):
                    arguments = (
                        table, rows.stride, rows.step_k, rows.limits[1], batch, tables,
                        self.setting.real, constants, v, out,
                    )  # fmt: skip
                    terms = batch.n_atoms * int(table[-1, 4] - table[0, 4])
                    seconds = cost.SECONDS_SEPARABLE * terms
                    in_pieces(transposed.gather_rows, arguments, vectors, seconds, self.threads)

    @property
    def _locations(self) -> tuple[np.ndarray, np.ndarray, bool, bool]:
        setting = self.setting
        return self.rows.point, self.rows.turn, setting.real, setting.operations.with_inverse

    @property
    def _n_numbers(self) -> int:
        """Numbers in one sum at all points."""
        return self.rows.n_points * (1 if self.setting.real else 2)

    def _chunks_of_kinds(self, ends: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Chunks of the kinds that have atoms, as many as fit into memory, with memory for sums."""
        kinds = [i for i in range(len(ends) // 2) if ends[2 * i] < ends[2 * i + 2]]
        at_a_time = max(1, min(LARGEST_SUMS // self._n_numbers, len(kinds)))
        memory = scratch("direct sum: sums", (at_a_time, self._n_numbers), np.float64)
        for i in range(0, len(kinds), at_a_time):
            chosen = kinds[i : i + at_a_time]
            yield chosen, memory[: len(chosen)]

    def _batches(self, blocks: Blocks, model: WeightedAtoms) -> Iterator[tuple[Blocks, Tables]]:
        """Batches of blocks with their tables."""
        if not len(blocks.slot):
            return
        tables = empty_tables(blocks, self.rows)
        for batch in blocks.batches():
            arguments = (batch, model, self.rows.limits[1], tables)
            seconds = cost.SECONDS_PER_ENTRY * batch.n_atoms * sum(self.rows.table_lengths)
            edges = range(len(batch.slot) + 1)
            in_pieces(kernels.fill_tables, arguments, edges, seconds, self.threads)
            yield batch, tables
