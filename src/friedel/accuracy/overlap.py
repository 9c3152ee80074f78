"""How many atoms lie in one place: overlap, on which rounding errors depend."""

from dataclasses import dataclass

import numpy as np

from friedel.kernels.reciprocal.accuracy import count_in_boxes, halve_boxes, window_sums
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

SMALLEST_BOX = 2.0
"""Edge (Å) of the smallest boxes in which atoms are counted; two along each axis make a window."""
BOXES = (0.5, 8192)
"""Largest number of boxes: per atom, and in addition."""
CROWDED = (16.0, 0.5)
"""Number of atoms per box, and per Å^3, above which copies of one atom are looked for."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """Atoms counted in windows of several sizes, which lie half a window apart.

    Attributes
    ----------
    edges
        (n,) edges of the windows, Å, ascending.
    coherence
        (n,) mean over positions of the windows of the sum of (sum f)^2, relative to the sum of
        f^2 over atoms.
    count
        (n,) number of atoms in the window of an atom, weighted by (sum f)^2.
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
        total, number = np.zeros(n_boxes), np.zeros(n_boxes)
        count_in_boxes(atoms.frac, f, total, number)
        crowded = max(CROWDED[0], CROWDED[1] * crystal.volume / total.size)
        copies = _most_copies(atoms) if number.max() > crowded else 1
        edges, coherence, count = [], [], []
        of_one = float(f @ f) or 1.0
        while True:
            windows = 2 ** np.count_nonzero(np.array(total.shape) > 1)
            of_all, with_number = window_sums(total, number)
            edges.append((crystal.volume * windows / total.size) ** (1.0 / 3.0))
            coherence.append(max(of_all / windows / of_one, 1.0))
            count.append(max(with_number / (of_all or 1.0), 1.0))
            if total.size == 1:
                break
            total, number = _halved(total), _halved(number)
        return cls(np.array(edges), np.array(coherence), np.array(count), copies)

    def coherence_in(self, edge: float) -> float:
        """Power of the sum of atoms in windows of an edge (Å), relative to the sum of powers."""
        return self._at(edge, self.coherence)

    def count_in(self, edge: float) -> float:
        """Number of atoms in windows of an edge (Å)."""
        return self._at(edge, self.count)

    def _at(self, edge: float, values: np.ndarray) -> float:
        if edge <= self.edges[0]:
            # The number of neighbours is proportional to the volume
            return 1.0 + (values[0] - 1.0) * (edge / self.edges[0]) ** 3
        return float(np.exp(np.interp(np.log(edge), np.log(self.edges), np.log(values))))


def _halved(boxes: np.ndarray) -> np.ndarray:
    """Sums over pairs of boxes along each axis that has more than one."""
    out = np.empty([max(n // 2, 1) for n in boxes.shape])
    halve_boxes(boxes, out)
    return out


def _most_copies(atoms: Atoms) -> int:
    columns = np.column_stack([np.rint(atoms.frac * 1e6), np.rint(1e3 * atoms.b_iso), atoms.kind])
    # One number for each row: rows differ by more than the weights can make up for
    key = columns @ np.array([1.0, np.sqrt(2.0), np.sqrt(3.0), np.sqrt(5.0), np.sqrt(7.0)])
    return int(np.unique(np.rint(1e3 * key), return_counts=True)[1].max())
