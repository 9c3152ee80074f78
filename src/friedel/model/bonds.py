"""Bonds between atoms, from their distances and covalent radii."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

BOND_TOLERANCE = 0.3
"""Largest excess (Å) of a bond length over the sum of covalent radii."""
SHORTEST_BOND, LONGEST_BOND = 0.7, 3.5
"""Range of bond lengths (Å); closer atoms are alternative positions of one atom."""

MOST_CANDIDATES = 500
"""Mean number of atoms near each, above which they cannot be those of molecules."""


@dataclass(frozen=True, eq=False)
class Bonds:
    """The atoms bound to each of n atoms.

    Parameters
    ----------
    first, second
        (m,) indices of the two atoms of each bond, in both directions; sorted by the first, then by
        the second.
    start
        (n + 1,) index of the first bond of each atom; the last is m.
    """

    first: np.ndarray
    second: np.ndarray
    start: np.ndarray

    @classmethod
    def of_pairs(cls, n: int, first: np.ndarray, second: np.ndarray) -> "Bonds":
        """Bonds of n atoms from pairs of indices, each pair in both directions, in any order."""
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        return cls(first, second, np.searchsorted(first, np.arange(n + 1)))

    @classmethod
    def from_lists(cls, neighbours: Sequence[Sequence[int]]) -> "Bonds":
        """Bonds from the indices of the atoms bound to each, whose order is kept."""
        counts = [len(bound) for bound in neighbours]
        second = np.array([j for bound in neighbours for j in bound], np.int64)
        first = np.repeat(np.arange(len(counts)), counts)
        return cls(first, second, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))

    @property
    def counts(self) -> np.ndarray:
        """(n,) number of atoms bound to each."""
        return np.diff(self.start)

    def select(self, kept: np.ndarray) -> "Bonds":
        """Some of the bonds, (m,) bool."""
        first = self.first[kept]
        return Bonds(first, self.second[kept], np.searchsorted(first, np.arange(len(self.start))))


def bonds_between(position: np.ndarray, radius: np.ndarray, altloc: np.ndarray) -> Bonds:
    """Bonds between atoms whose distance is about the sum of their radii.

    Parameters
    ----------
    position
        (n, 3) coordinates, Å.
    radius
        (n,) covalent radii, Å.
    altloc
        (n,) conformer of each atom, 0 without one; atoms of different conformers are not bound.
    """
    n = len(position)
    longest = min(LONGEST_BOND, 2.0 * float(radius.max(initial=0.0)) + BOND_TOLERANCE)
    found = [np.zeros((2, 0), np.int64)]
    for i, j in _candidates(position, longest):
        square = ((position[i] - position[j]) ** 2).sum(axis=1)
        most = np.minimum(radius[i] + radius[j] + BOND_TOLERANCE, LONGEST_BOND)
        bound = (square > SHORTEST_BOND**2) & (square < most**2)
        bound &= (altloc[i] == altloc[j]) | (altloc[i] == 0) | (altloc[j] == 0)
        found.append(np.stack([i[bound], j[bound]]))
    i, j = np.concatenate(found, axis=1)
    return Bonds.of_pairs(n, np.concatenate([i, j]), np.concatenate([j, i]))


def _candidates(position: np.ndarray, longest: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of pairs of atoms that may be nearer than a distance, each pair once.

    Atoms are sorted into cubes with this edge. Keys of cubes beside one another along z follow each
    other, so that there are five ranges of keys to look up.
    """
    if len(position) < 2 or longest <= 0.0:
        return
    cubes = np.floor((position - position.min(axis=0)) / longest).astype(np.int64)
    # one empty layer separates the columns; keys that overflow only add pairs too far apart
    _, ny, nz = cubes.max(axis=0) + 2
    key = (cubes[:, 0] * ny + cubes[:, 1]) * nz + cubes[:, 2]
    order = np.argsort(key, kind="stable")
    key = key[order]
    following = np.arange(1, len(key) + 1)
    columns = [np.zeros(1, np.int64)[0], np.int64(1), ny - 1, ny, ny + 1]
    for column in columns:
        near = key + column * nz
        begin = following if column == 0 else np.searchsorted(key, near - 1)
        count = np.searchsorted(key, near + 1, side="right") - begin
        total = int(count.sum())
        if total > MOST_CANDIDATES * len(key):
            return
        first = np.repeat(np.arange(len(key)), count)
        second = np.arange(total) + np.repeat(begin - (np.cumsum(count) - count), count)
        yield order[first], order[second]
