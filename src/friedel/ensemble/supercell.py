"""The reciprocal lattice of a supercell: Bragg positions, Laue averages, profiles."""

from dataclasses import dataclass

import numpy as np

from friedel.accuracy.plan import checked_divisors
from friedel.model.arrays import as_keys
from friedel.model.crystal import Crystal

N_SHELLS = 10
"""Number of equal-volume resolution shells for errors and accuracy."""


@dataclass(frozen=True, eq=False)
class Supercell:
    """A box of whole crystal cells, and reflections on its reciprocal lattice.

    Parameters
    ----------
    box
        The cell of the simulation.
    cells
        Numbers of crystal cells along a, b and c.

    Raises
    ------
    ParameterError
        When `cells` are not three positive integers.
    """

    box: Crystal
    cells: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", checked_divisors(self.cells))

    @property
    def n_cells(self) -> int:
        """Number of crystal cells in the box."""
        return int(np.prod(self.cells))

    @property
    def cell(self) -> tuple[float, ...]:
        """a, b, c (Å) and angles (degrees) of the crystal cell."""
        edges = (length / n for length, n in zip(self.box.cell[:3], self.cells, strict=True))
        return (*edges, *self.box.cell[3:])

    def fractions(self, hkl: np.ndarray) -> np.ndarray:
        """(n, 3) indices of the crystal, which are fractions between Bragg positions."""
        return np.asarray(hkl) / np.array(self.cells, np.float64)

    def is_bragg(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) bool: whether the indices of the crystal are integers."""
        return (np.asarray(hkl) % np.array(self.cells) == 0).all(axis=1)

    def groups(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) resolution shell of each reflection, from 0; other numbers between Bragg peaks."""
        shells = shells_of(self.box, hkl, N_SHELLS)
        return np.where(self.is_bragg(hkl), shells, shells + N_SHELLS)

    def laue_average(
        self, hkl: np.ndarray, values: np.ndarray, rotations: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Averages over the equivalents of each reflection under the Laue group of the crystal.

        Parameters
        ----------
        hkl, values
            (n, 3) indices of the supercell, one of each Friedel pair, and (n,) values.
        rotations
            (p, 3, 3) rotations of the crystal. Those that lead off the list or off the lattice of
            a supercell of lower symmetry are left out for this reflection.

        Returns
        -------
        mean, number
            (n,) averages, and how many distinct rotations contributed.
        """
        p1 = Crystal(self.box.cell)
        keys = as_keys(p1.to_asu(hkl)[0])
        order = np.argsort(keys)
        sorted_keys = keys[order]
        cells = np.array(self.cells)
        total, number = np.zeros(len(hkl)), np.zeros(len(hkl), np.int64)
        for rotation in np.unique(rotations, axis=0):
            # (h / N) R N in whole numbers where the image is on the lattice
            scaled = np.asarray(rotation) * (cells[None, :] / cells[:, None])
            image = hkl @ scaled
            rounded = np.rint(image)
            on_lattice = np.abs(image - rounded).max(axis=1) < 1e-6
            wanted = as_keys(p1.to_asu(rounded.astype(np.int32))[0])
            index = np.minimum(np.searchsorted(sorted_keys, wanted), len(keys) - 1)
            found = on_lattice & (sorted_keys[index] == wanted)
            total[found] += values[order[index[found]]]
            number[found] += 1
        return total / np.maximum(number, 1), number


def shells_of(crystal: Crystal, hkl: np.ndarray, n_shells: int) -> np.ndarray:
    """(n,) equal-volume resolution shell of each reflection, from 0 to n_shells - 1."""
    s3 = crystal.stol2(hkl) ** 1.5
    largest = float(s3.max(initial=0.0)) or 1.0
    return np.minimum((s3 / largest * n_shells).astype(np.int64), n_shells - 1)


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean intensities by resolution.

    Attributes
    ----------
    d
        (n_shells,) d at the mean of 1/d^2 in each shell, Å.
    intensity
        (n_shells,) mean in each shell.
    number
        (n_shells,) reflections.
    """

    d: np.ndarray
    intensity: np.ndarray
    number: np.ndarray

    def at(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) intensity at (sin theta / lambda)^2, by straight lines between shells."""
        return np.interp(stol2, 0.25 / self.d**2, self.intensity)


def profile(crystal: Crystal, hkl: np.ndarray, values: np.ndarray, n_shells: int) -> Profile:
    """The mean of values (n,) in shells of equal volume; empty shells are left out."""
    shells = shells_of(crystal, hkl, n_shells)
    number = np.bincount(shells, minlength=n_shells)
    some = number > 0
    stol2 = np.bincount(shells, crystal.stol2(hkl), n_shells)[some] / number[some]
    mean = np.bincount(shells, values, n_shells)[some] / number[some]
    return Profile(0.5 / np.sqrt(stol2), mean, number[some])
