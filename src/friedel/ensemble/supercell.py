"""The reciprocal lattice of a supercell: Bragg positions, Laue averages, profiles."""

from dataclasses import dataclass

import numpy as np

from friedel.accuracy.plan import checked_divisors
from friedel.accuracy.shells import shells_of
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
        shell = resolution_shells(self.box, hkl, N_SHELLS)
        return np.where(self.is_bragg(hkl), shell, shell + N_SHELLS)


def laue_groups(hkl: np.ndarray, cells: tuple[int, int, int], rotations: np.ndarray) -> np.ndarray:
    """(n,) group of each position, from 0: equivalents under the Laue group have the same.

    Parameters
    ----------
    hkl
        (n, 3) indices of a supercell.
    cells
        Numbers of crystal cells in it along a, b and c.
    rotations
        (p, 3, 3) rotations of the crystal. Equivalents need not be on the lattice of the supercell.
    """
    # equivalents of h/N are whole multiples of 1 over the least common multiple of N
    fine = np.lcm.reduce(np.array(cells))
    whole = np.asarray(hkl, np.int64) * (fine // np.array(cells))
    largest = np.full(len(whole), np.iinfo(np.int64).min)
    for rotation in np.unique(rotations, axis=0):
        image = whole @ np.asarray(rotation, np.int64)
        for sign in (1, -1):  # Friedel's law
            np.maximum(largest, as_keys(sign * image), out=largest)
    return np.unique(largest, return_inverse=True)[1]


def resolution_shells(crystal: Crystal, hkl: np.ndarray, n_shells: int) -> np.ndarray:
    """(n,) equal-volume resolution shell of each reflection, from 0 to n_shells - 1."""
    return shells_of(2.0 * np.sqrt(crystal.stol2(hkl)), n_shells)


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
        """(n,) intensity at (sin theta / lambda)^2, by straight lines between shells.

        The first and the last line are continued beyond the shells.
        """
        x, y = 0.25 / self.d**2, self.intensity
        found = np.interp(stol2, x, y)
        if len(x) > 1:
            for end, next_to_it, beyond in ((0, 1, stol2 < x[0]), (-1, -2, stol2 > x[-1])):
                slope = (y[end] - y[next_to_it]) / (x[end] - x[next_to_it])
                found[beyond] += slope * (stol2[beyond] - x[end])
        return found


def profile(crystal: Crystal, hkl: np.ndarray, values: np.ndarray, n_shells: int) -> Profile:
    """The mean of values (n,) in shells of equal volume; empty shells are left out."""
    shells = resolution_shells(crystal, hkl, n_shells)
    number = np.bincount(shells, minlength=n_shells)
    some = number > 0
    stol2 = np.bincount(shells, crystal.stol2(hkl), n_shells)[some] / number[some]
    mean = np.bincount(shells, values, n_shells)[some] / number[some]
    return Profile(0.5 / np.sqrt(stol2), mean, number[some])
