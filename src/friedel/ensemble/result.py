"""The result of an ensemble: Bragg and diffuse scattering with errors, and their files."""

from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Any

import numpy as np

from friedel.ensemble.comparison import LatticeComparison, compared
from friedel.ensemble.partial_sums import Skipped, total_of_pairs
from friedel.ensemble.supercell import Profile, Supercell, laue_groups, profile
from friedel.errors import OutputError, ParameterError
from friedel.html import html_table
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.diffuse_lattices import DiffuseLattice, read_diffuse_lattice
from friedel.reflections.reflections import Reflections

PROFILE_SHELLS = 20
"""Number of shells of a profile by default."""


@dataclass(frozen=True, eq=False)
class EnsembleResult:
    """Averages of the scattering of an ensemble.

    Intensities are those of the whole box, in the square of F's unit. For one crystal cell they are
    divided by the number of cells.

    Attributes
    ----------
    lattice
        The box, and the numbers of crystal cells in it.
    crystal
        The crystal cell with the symmetry of the crystal.
    hkl
        (n, 3) reflections of the box; :attr:`fractions` are their indices in the crystal.
    mean
        (n,) complex <F>.
    diffuse
        (n,) <abs(F)^2> - abs(<F>)^2.
    sigma_mean, sigma_diffuse
        (n,) standard errors for frames that are correlated; NaN for one frame.
    parts
        Names of the parts.
    part_means
        (n_parts, n) complex <F> of each part.
    covariances
        (n_parts, n_parts, n) Re <F_p F_q*> - <F_p><F_q>*: diffuse intensities of the parts,
        and off the diagonal halves of the cross terms. Their sum is `diffuse`.
    n_frames
        Number of frames averaged.
    skipped
        Frames that could not be read.
    correlation
        Number of frames that count as one independent frame, in the group of reflections where it
        is largest.
    notes
        Notes on decisions and doubts.
    """

    lattice: Supercell
    crystal: Crystal
    hkl: np.ndarray
    mean: np.ndarray
    diffuse: np.ndarray
    sigma_mean: np.ndarray
    sigma_diffuse: np.ndarray
    parts: tuple[str, ...]
    part_means: np.ndarray
    covariances: np.ndarray
    n_frames: int
    skipped: tuple[Skipped, ...] = ()
    correlation: float = 1.0
    notes: tuple[Note, ...] = ()
    description: str = field(default="", kw_only=True)

    def __repr__(self) -> str:
        cells = " x ".join(str(n) for n in self.lattice.cells)
        return (
            f"<friedel.ensemble.EnsembleResult {self.n_frames} frames, {cells} cells, "
            f"{len(self.hkl)} reflections>"
        )

    def _repr_html_(self) -> str:
        found = self.profile(10)
        rows = [
            [f"{d:.2f}", f"{i:.5g}", str(n)]
            for d, i, n in zip(found.d, found.intensity, found.number, strict=True)
        ]
        return html_table(repr(self)[1:-1], ["d, Å", "diffuse intensity", "reflections"], rows)

    @property
    def mean_intensity(self) -> np.ndarray:
        """(n,) <abs(F)^2>."""
        return np.abs(self.mean) ** 2 + self.diffuse

    @property
    def fractions(self) -> np.ndarray:
        """(n, 3) indices in the crystal cell: h/N."""
        return self.lattice.fractions(self.hkl)

    @property
    def is_bragg(self) -> np.ndarray:
        """(n,) bool: positions whose indices in the crystal cell are integers."""
        return self.lattice.is_bragg(self.hkl)

    @property
    def of_box(self) -> Reflections:
        """<F> of the box."""
        return Reflections(
            self.lattice.box, self.hkl, self.mean, label="FC", description=self.description
        )

    @property
    def bragg(self) -> Reflections:
        """<F> of one crystal cell: at Bragg positions, divided by the number of cells.

        It is in P 1, unless the box has symmetry. Cells of a finite trajectory differ; this is
        their mean.
        """
        chosen, cells = self.is_bragg, np.array(self.lattice.cells)
        box = self.lattice.box
        return Reflections(
            box if self.lattice.n_cells == 1 else Crystal(self.crystal.cell),
            self.hkl[chosen] // cells,
            self.mean[chosen] / self.lattice.n_cells,
            label="FC",
            description=self.description,
            notes=self.notes,
        )

    def part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """<F> (n,) complex and diffuse intensity (n,) of one part.

        Raises
        ------
        ParameterError
            For an unknown name.
        """
        i = self._number(name)
        return self.part_means[i], self.covariances[i, i]

    def cross_term(self, one: str, other: str) -> np.ndarray:
        """(n,) diffuse intensity 2 Re (<F_p F_q*> - <F_p><F_q>*) of the correlation of two parts.

        Raises
        ------
        ParameterError
            For an unknown name, or twice the same.
        """
        i, j = self._number(one), self._number(other)
        if i == j:
            raise ParameterError(f"a cross term is of two parts; got {one!r} twice")
        return 2.0 * self.covariances[i, j]

    def _number(self, name: str) -> int:
        if name not in self.parts:
            raise ParameterError(f"no part {name!r}: expected one of {', '.join(self.parts)}")
        return self.parts.index(name)

    def profile(self, n_shells: int = PROFILE_SHELLS) -> Profile:
        """Mean diffuse intensity in shells of equal volume."""
        return profile(self.lattice.box, self.hkl, self.diffuse, n_shells)

    def anisotropic(self, n_shells: int = PROFILE_SHELLS) -> np.ndarray:
        """(n,) the diffuse intensity less its mean at the same resolution.

        The mean is interpolated between shells.
        """
        stol2 = self.lattice.box.stol2(self.hkl)
        return self.diffuse - self.profile(n_shells).at(stol2)

    def laue_averaged(self) -> "EnsembleResult":
        """The same with diffuse intensities averaged over the Laue group of the crystal.

        Only `diffuse`, `sigma_diffuse` and `covariances` change. Errors of equivalents are taken as
        independent. A supercell of lower symmetry lacks some equivalents; then the average is
        over the others.
        """
        rotations = self.crystal.primitive_operations[0]
        groups = laue_groups(self.hkl, self.lattice.cells, rotations)
        number = np.bincount(groups)

        def averaged(values: np.ndarray) -> np.ndarray:
            return (np.bincount(groups, values) / number)[groups]

        n_parts = len(self.parts)
        covariances = np.array(
            [[averaged(self.covariances[i, j]) for j in range(n_parts)] for i in range(n_parts)]
        )
        variance = averaged(self.sigma_diffuse**2) / number[groups]
        text = f"diffuse intensities are averaged over the Laue group of {self.crystal.name}"
        return replace(
            self,
            diffuse=averaged(self.diffuse),
            sigma_diffuse=np.sqrt(variance),
            covariances=covariances,
            notes=(*self.notes, Note(text, "default")),
        )

    def compare(
        self,
        data: DiffuseLattice | str | PathLike[str],
        *,
        cells: tuple[int, int, int] | None = None,
        n_shells: int = PROFILE_SHELLS,
        strict: bool = False,
    ) -> LatticeComparison:
        """Compare the diffuse intensities with measured ones, by correlation in shells.

        Both are averaged over the Laue group of the crystal, and their means at each resolution
        are subtracted.

        Parameters
        ----------
        data, cells, strict
            Measured intensities: a file and how to read it, as for
            :func:`friedel.ensemble.read_diffuse_lattice`, or what that returns.
        n_shells
            Number of shells of equal volume.

        Raises
        ------
        FriedelError
            For data that cannot be read, as the subclass that describes the problem.
        ReflectionsError
            When they have too few positions in common with the calculation.
        """
        if not isinstance(data, DiffuseLattice):
            data = read_diffuse_lattice(data, self.crystal, cells=cells, strict=strict)
        return compared(self.lattice, self.crystal, self.hkl, self.diffuse, data, n_shells)

    def mean_density(self, spacing: float | None = None) -> Any:
        """The map of <F> in the box, a :class:`friedel.Grid`, without its mean F(000)/V.

        Parameters
        ----------
        spacing
            Largest distance of grid points, Å; by default a quarter of the resolution.
        """
        from friedel.maps.coefficients import map_from_coefficients

        return map_from_coefficients(self.of_box, spacing=spacing)

    def columns(self) -> dict[str, np.ndarray]:
        """Columns of an MTZ file: FC, PHIC of <F>, IC = <abs(F)^2>, ID, SIGID."""
        return {
            "FC": np.abs(self.mean),
            "PHIC": np.degrees(np.angle(self.mean)),
            "IC": self.mean_intensity,
            "ID": self.diffuse,
            "SIGID": self.sigma_diffuse,
        }

    def to_mtz(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write :meth:`columns` with the indices of the box as MTZ.

        Raises
        ------
        OutputError
            When the file cannot be written, or exists and `overwrite` is false.
        """
        from friedel.writers.mtz import write_mtz

        write_mtz(
            path,
            self.lattice.box,
            self.hkl,
            self.columns(),
            overwrite=overwrite,
            notes=(self.description, *self.notes),
            command=command,
        )

    def to_npz(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write all arrays, the cells and the notes as a NumPy archive.

        Raises
        ------
        OutputError
            When the file cannot be written, or exists and `overwrite` is false.
        """
        from friedel.writers.files import write_atomically

        arrays: dict[str, Any] = {
            "box": np.array(self.lattice.box.cell),
            "cells": np.array(self.lattice.cells),
            "crystal": np.array(self.crystal.cell),
            "hkl": self.hkl,
            "fractions": self.fractions,
            "mean": self.mean,
            "diffuse": self.diffuse,
            "sigma_mean": self.sigma_mean,
            "sigma_diffuse": self.sigma_diffuse,
            "parts": np.array(self.parts),
            "part_means": self.part_means,
            "covariances": self.covariances,
            "n_frames": np.array(self.n_frames),
            "skipped": np.array([s.frame for s in self.skipped], np.int64),
            "notes": np.array([str(note) for note in self.notes], dtype=str),
        }

        def write(name: str) -> None:
            with open(name, "wb") as file:
                np.savez_compressed(file, **arrays)

        write_atomically(path, write, overwrite=overwrite)

    def to_ccp4(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write :meth:`mean_density` as a CCP4 map.

        Raises
        ------
        OutputError
            When the file cannot be written, or exists and `overwrite` is false.
        """
        self.mean_density().to_ccp4(path, overwrite=overwrite)

    def to_nexus(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the diffuse intensity on a lattice of h, k, l as NeXus (HDF5).

        The whole sphere is written, by Friedel's law; points outside of it are NaN.

        Raises
        ------
        MissingDependencyError
            When h5py is not installed.
        OutputError
            When the file cannot be written, or exists and `overwrite` is false; or when the box
            has symmetry, whose asymmetric unit is no block of the lattice.
        """
        from friedel.writers.nexus import write_intensity_lattice

        if self.lattice.box.n_operations > 1:
            raise OutputError(f"cannot write {fspath(path)}: NeXus is for a box in P 1")
        write_intensity_lattice(
            path,
            self.crystal,
            self.hkl,
            self.lattice.cells,
            self.diffuse,
            self.sigma_diffuse,
            overwrite=overwrite,
        )


def matrix_of_pairs(values: np.ndarray, n_parts: int) -> np.ndarray:
    """(n_parts, n_parts, n) symmetric matrix of rows (n_pairs, n) in the order of pairs."""
    from friedel.ensemble.partial_sums import pairs_of_parts

    matrix = np.empty((n_parts, n_parts, values.shape[1]))
    for (p, q), row in zip(pairs_of_parts(n_parts), values, strict=True):
        matrix[p, q] = matrix[q, p] = row
    return matrix


def diffuse_of(spread: np.ndarray, count: int, n_parts: int) -> np.ndarray:
    """(n,) diffuse intensity from summed spreads of pairs of parts."""
    return np.maximum(total_of_pairs(spread, n_parts) / count, 0.0)
