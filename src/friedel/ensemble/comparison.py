"""Calculated diffuse intensities against measured ones: correlation in resolution shells.

Both are averaged over the Laue group of the crystal, at the positions that they have in common, and
the mean at each resolution is subtracted: it has no information on correlated motion, and in
measured data much of it is background.
"""

from dataclasses import dataclass

import numpy as np

from friedel.ensemble.supercell import Supercell, laue_groups, profile, resolution_shells
from friedel.errors import ReflectionsError
from friedel.model.arrays import LARGEST_INDEX
from friedel.model.crystal import Crystal
from friedel.notes import Note, Notes
from friedel.readers.diffuse_lattices import DiffuseLattice

OFF_LATTICE = 0.02
"""Largest distance from a point of the supercell's lattice, in its steps, of rounded indices."""
FEWEST_POSITIONS = 5
"""Smallest number of positions of a shell for which a correlation is given."""


@dataclass(frozen=True, eq=False)
class LatticeComparison:
    """Measured and calculated diffuse intensities at the same positions.

    Attributes
    ----------
    crystal
        The crystal cell with the symmetry that both were averaged over.
    cells
        Numbers of steps of the lattice from one Bragg position to the next.
    fractions
        (n, 3) indices in the crystal, one of the equivalents of each position.
    measured, calculated
        (n,) averages over the Laue group.
    measured_anisotropic, calculated_anisotropic
        (n,) these less their mean at the same resolution.
    d
        (n_shells,) d at the mean of 1/d^2 in each shell, Å.
    correlation
        (n_shells,) correlation of the anisotropic parts; NaN for few positions.
    number
        (n_shells,) positions.
    overall
        Correlation of the anisotropic parts at all positions.
    overall_total
        Correlation of the intensities with their isotropic parts.
    scale
        Factor of the calculated anisotropic part that fits best to the measured one.
    name
        Name of the data.
    notes
        Notes on the data, and on what was left out.
    """

    crystal: Crystal
    cells: tuple[int, int, int]
    fractions: np.ndarray
    measured: np.ndarray
    calculated: np.ndarray
    measured_anisotropic: np.ndarray
    calculated_anisotropic: np.ndarray
    d: np.ndarray
    correlation: np.ndarray
    number: np.ndarray
    overall: float
    overall_total: float
    scale: float
    name: str
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<friedel.ensemble.LatticeComparison with {self.name}: {len(self.fractions)} "
            f"positions, CC {self.overall:.3f}>"
        )


@dataclass(frozen=True, eq=False)
class CommonPositions:
    """Positions, up to symmetry, at which there are calculated and measured intensities.

    Attributes
    ----------
    calculated, measured
        (n,) and (m,) groups of equivalents to which the calculated and the measured ones belong;
        -1 for measured ones that are not on the lattice of the supercell.
    common
        Groups that have both.
    hkl
        (k, 3) an index of the supercell for each of `common`.
    """

    calculated: np.ndarray
    measured: np.ndarray
    common: np.ndarray
    hkl: np.ndarray

    @classmethod
    def of(
        cls, lattice: Supercell, crystal: Crystal, hkl: np.ndarray, data: DiffuseLattice
    ) -> "CommonPositions":
        """The positions that data have in common with reflections hkl (n, 3) of a supercell.

        Raises
        ------
        ReflectionsError
            When there are too few.
        """
        steps = data.fractions * np.array(lattice.cells)
        whole = np.rint(steps)
        on_lattice = np.abs(steps - whole).max(axis=1, initial=0.0) < OFF_LATTICE
        on_lattice &= np.abs(whole).max(axis=1, initial=0.0) < LARGEST_INDEX
        both = np.concatenate([hkl, whole[on_lattice].astype(np.int64)])
        groups = laue_groups(both, lattice.cells, crystal.primitive_operations[0])
        calculated, measured = groups[: len(hkl)], np.full(len(data), -1)
        measured[on_lattice] = groups[len(hkl) :]
        common = np.intersect1d(calculated, measured)
        if len(common) < FEWEST_POSITIONS:
            raise ReflectionsError(
                f"{data.name} has {len(common)} positions in common with the calculation, "
                f"expected at least {FEWEST_POSITIONS}"
            )
        _, first = np.unique(calculated, return_index=True)
        of_common = hkl[first[np.isin(calculated[first], common)]]
        return cls(calculated, measured, common, of_common)

    def mean_calculated(self, values: np.ndarray) -> np.ndarray:
        """(k,) means of calculated values (n,) over the equivalents of `common`."""
        return self._means(self.calculated, values)

    def mean_measured(self, values: np.ndarray) -> np.ndarray:
        """(k,) means of measured values (m,) over the equivalents of `common`."""
        used = self.measured >= 0
        return self._means(self.measured[used], values[used])

    def _means(self, groups: np.ndarray, values: np.ndarray) -> np.ndarray:
        return (np.bincount(groups, values) / np.maximum(np.bincount(groups), 1))[self.common]


def compared(
    lattice: Supercell,
    crystal: Crystal,
    hkl: np.ndarray,
    diffuse: np.ndarray,
    data: DiffuseLattice,
    n_shells: int,
) -> LatticeComparison:
    """Compare diffuse intensities (n,) at indices hkl (n, 3) of a supercell with measured ones.

    Raises
    ------
    ReflectionsError
        When they have too few positions in common.
    """
    notes = Notes()
    notes.extend(data.notes)
    found = CommonPositions.of(lattice, crystal, hkl, data)
    if off := int((found.measured < 0).sum()):
        text = f"{off} positions of {data.name} are not on the lattice of the supercell"
        notes.add(text, "left out", off)
    fractions, stol2 = lattice.fractions(found.hkl), lattice.box.stol2(found.hkl)
    calculated = found.mean_calculated(diffuse)
    measured = found.mean_measured(data.intensity)
    profiles = [profile(crystal, fractions, x, n_shells) for x in (calculated, measured)]
    rest = [x - p.at(stol2) for x, p in zip((calculated, measured), profiles, strict=True)]
    shells = resolution_shells(crystal, fractions, n_shells)
    correlations = [_correlation(*(x[shells == i] for x in rest)) for i in np.unique(shells)]
    return LatticeComparison(
        crystal,
        lattice.cells,
        fractions,
        measured,
        calculated,
        rest[1],
        rest[0],
        profiles[0].d,
        np.array(correlations),
        profiles[0].number,
        _correlation(*rest),
        _correlation(calculated, measured),
        float(rest[0] @ rest[1] / max(rest[0] @ rest[0], np.finfo(float).tiny)),
        data.name,
        notes.records(),
    )


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation coefficient of Pearson; NaN for few values, or where one is constant."""
    if len(x) < FEWEST_POSITIONS:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")
