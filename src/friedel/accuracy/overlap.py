"""How many atoms lie in one place: overlap, on which rounding errors depend."""

import math

import numpy as np

from friedel.kernels.reciprocal.overlap import Overlap, count_in_windows
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

SMALLEST_BOX = 2.0
"""Edge (Å) of the smallest boxes in which atoms are counted; two along each axis make a window."""
BOXES = (0.5, 8192)
"""Largest number of boxes: per atom, and in addition."""
CROWDED = (16.0, 0.5)
"""Number of atoms per box, and per Å^3, above which copies of one atom are looked for."""


def overlap_of(crystal: Crystal, atoms: Atoms, f: np.ndarray) -> Overlap:
    """Overlap of atoms without their symmetry mates; f (n,) is what each one scatters."""
    per_atom, more = BOXES
    smallest = (crystal.volume / (per_atom * len(f) + more)) ** (1.0 / 3.0)
    across = (1.0 / crystal.reciprocal_lengths / max(smallest, SMALLEST_BOX)).tolist()
    halvings = [max(round(math.log2(n)), 0) for n in across]
    u, v, w = (2**n for n in halvings)
    edges, coherence, number = np.empty((3, max(halvings) + 1))
    most = count_in_windows(atoms.frac, f, (u, v, w), crystal.volume, edges, coherence, number)
    crowded = max(CROWDED[0], CROWDED[1] * crystal.volume / (u * v * w))
    copies = _most_copies(atoms) if most > crowded else 1
    return Overlap(edges, coherence, number, float(copies))


def _most_copies(atoms: Atoms) -> int:
    columns = np.column_stack([np.rint(atoms.frac * 1e6), np.rint(1e3 * atoms.b_iso), atoms.kind])
    # One number for each row: rows differ by more than the weights can make up for
    key = columns @ np.array([1.0, np.sqrt(2.0), np.sqrt(3.0), np.sqrt(5.0), np.sqrt(7.0)])
    return int(np.unique(np.rint(1e3 * key), return_counts=True)[1].max())
