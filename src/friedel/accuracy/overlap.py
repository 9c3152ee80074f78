"""How many atoms lie in one place: overlap, on which rounding errors depend."""

from dataclasses import dataclass

import numpy as np

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

SMALLEST_BOX = 3.0
"""Edge (Å) of the smallest boxes in which atoms are counted."""
BOXES = (4, 4096)
"""Largest number of boxes: per atom, and in addition."""
CROWDED = 16
"""Number of atoms per box from which on copies of one atom are looked for."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """Atoms counted in boxes of several sizes.

    Attributes
    ----------
    edges
        (n,) edges of the boxes, Å, ascending.
    coherence
        (n,) sum over boxes of (sum f)^2, relative to the sum of f^2 over atoms.
    count
        (n,) number of atoms in the box of an atom, weighted by (sum f)^2.
    copies
        Largest number of atoms of one kind and B at one position.
    """

    edges: np.ndarray
    coherence: np.ndarray
    count: np.ndarray
    copies: int

    @classmethod
    def of(cls, crystal: Crystal, atoms: Atoms, f: np.ndarray) -> "Overlap":
        """Overlap of atoms without their symmetry mates; f (n,) is what each one scatters."""
        per_atom, more = BOXES
        smallest = (crystal.volume / (per_atom * len(f) + more)) ** (1.0 / 3.0)
        across = 1.0 / crystal.reciprocal_lengths / max(smallest, SMALLEST_BOX)
        n_boxes = 2 ** np.maximum(np.rint(np.log2(across)), 0.0).astype(np.int64)
        index = (atoms.frac * n_boxes).astype(np.int64)
        index -= atoms.frac < 0.0
        flat = np.zeros(len(f), np.int64)
        for column, n in zip(index.T, n_boxes, strict=True):
            # A power of two: the last bits are the index in the cell
            flat = flat * n + (column & (n - 1))
        size = int(n_boxes.prod())
        total = np.bincount(flat, f, size).reshape(n_boxes)
        number = np.bincount(flat, minlength=size).astype(float).reshape(n_boxes)
        copies = _most_copies(atoms) if number.max() > CROWDED else 1
        edges, coherence, count = [], [], []
        of_one = float(f @ f) or 1.0
        while True:
            power = total**2
            edges.append((crystal.volume / total.size) ** (1.0 / 3.0))
            coherence.append(max(float(power.sum()) / of_one, 1.0))
            count.append(max(float((power * number).sum()) / (float(power.sum()) or 1.0), 1.0))
            if total.size == 1:
                break
            total, number = _halved(total), _halved(number)
        return cls(np.array(edges), np.array(coherence), np.array(count), copies)

    def coherence_in(self, edge: float) -> float:
        """Power of the sum of the atoms in boxes of any edge (Å), relative to the sum of powers."""
        return self._at(edge, self.coherence)

    def count_in(self, edge: float) -> float:
        """Number of atoms in boxes of any edge (Å)."""
        return self._at(edge, self.count)

    def _at(self, edge: float, values: np.ndarray) -> float:
        if edge <= self.edges[0]:
            # The number of neighbours is proportional to the volume
            return 1.0 + (values[0] - 1.0) * (edge / self.edges[0]) ** 3
        return float(np.exp(np.interp(np.log(edge), np.log(self.edges), np.log(values))))


def _halved(boxes: np.ndarray) -> np.ndarray:
    """Sums over pairs of boxes along each axis that has more than one."""
    for axis in range(3):
        if boxes.shape[axis] > 1:
            even, odd = (boxes[(slice(None),) * axis + (slice(i, None, 2),)] for i in (0, 1))
            boxes = even + odd
    return boxes


def _most_copies(atoms: Atoms) -> int:
    columns = np.column_stack([np.rint(atoms.frac * 1e6), np.rint(1e3 * atoms.b_iso), atoms.kind])
    # One number for each row: rows differ by more than the weights can make up for
    key = columns @ np.array([1.0, np.sqrt(2.0), np.sqrt(3.0), np.sqrt(5.0), np.sqrt(7.0)])
    return int(np.unique(np.rint(1e3 * key), return_counts=True)[1].max())
