"""Atoms on a grid, wherever they are: which points they reach. Shared with the adjoint."""

import math
from typing import Any

import numpy as np

from friedel.density.radii import GaussianGroups, RadiusTable
from friedel.errors import MemoryLimitError, ParameterError
from friedel.kernels.grid.boxes import BOX, widest_gap
from friedel.kernels.simd import LANES
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.memory import scratch

CROPPING_PAYS = 0.8
"""Part of an axis beyond which the whole of it is as well."""

COLUMN = 8
"""Grid points across the columns along z in which atoms follow one another: what one atom has read
of the grid is still in the cache for the next."""


class AtomsOnGrid:
    """Gaussians of atoms on a grid over the cell: what holds while the atoms only move.

    Parameters
    ----------
    atoms
        Those of one asymmetric unit; no symmetry mates are added.
    a, b
        (n_kinds, n_terms) Gaussian coefficients by kind of atom.
    shape
        Grid over the whole cell.
    blur
        B (A^2) added to every atom.
    cutoff
        Each group of an atom's Gaussians reaches to where its density falls below this level.

    Attributes
    ----------
    shape
        As given.
    row_length
        Of an array for the grid: rows are longer than the cell, so that no atom wraps around.
    reach
        (3,) grid steps along each axis to which the farthest-reaching atom does.
    is_orthogonal
        Whether the kernels for isotropic atoms and right angles take these atoms.
    step
        Those kernels' spacings (3,), A; of the others the steps (3, 3), Cartesian.
    occ
        (n,) occupancies.
    per_atom
        What else the kernels take of each atom: B and kind, or tensors, largest B and kind.
    gaussians
        What they take of the form factors and radii.
    mean
        Density of the atoms spread over the cell.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    MemoryLimitError
        For a grid with more points than the kernels can count.
    """

    def __init__(
        self,
        crystal: Crystal,
        atoms: Atoms,
        a: np.ndarray,
        b: np.ndarray,
        shape: tuple[int, int, int],
        *,
        blur: float = 0.0,
        cutoff: float = 1e-5,
    ) -> None:
        check_widths(atoms, b, blur)
        groups = GaussianGroups.from_sums(a, b)
        radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
        self.shape = shape
        self.reach = radii.largest * crystal.reciprocal_lengths * np.array(shape)
        self.row_length = row_length(shape[2], self.reach[2])
        check_indices((shape[0], shape[1], self.row_length))
        step = crystal.orthogonalization / np.array(shape)
        self.is_orthogonal = is_for_orthogonal_kernel(step, atoms, radii)
        self.occ = atoms.occ
        self.per_atom: tuple[np.ndarray, ...]
        if self.is_orthogonal:
            self.step, self.per_atom = np.diag(step).copy(), (atoms.b_iso, atoms.kind)
        else:
            self.step, self.per_atom = step, of_any_kernel(atoms)
        self.gaussians: tuple[Any, ...] = radii.arguments(groups, blur)
        self.mean = float((atoms.occ * a.sum(axis=1)[atoms.kind]).sum()) / crystal.volume
        # The ellipsoids of anisotropic atoms can reach a little farther than their radii tell
        self._may_crop = not atoms.is_aniso.any()

    def room(self, frac: np.ndarray, dtype: np.dtype | type) -> tuple[np.ndarray, tuple[int, int]]:
        """Memory (n_u, n_v, row_length) for what atoms at `frac` reach, and where it begins.

        In high symmetry the atoms of one asymmetric unit leave most of the cell empty. The memory
        is overwritten by the thread's next call; it begins at indices (u, v), periodic.
        """
        nu, nv, _ = self.shape
        (u, n_u), (v, n_v) = (0, nu), (0, nv)
        if self._may_crop:
            (u, n_u), (v, n_v) = (
                occupied_range(frac[:, axis], self.shape[axis], self.reach[axis]) for axis in (0, 1)
            )
        return scratch("density", (n_u, n_v, self.row_length), dtype), (u, v)

    def from_origin(self, frac: np.ndarray, origin: tuple[int, int]) -> np.ndarray:
        """(n, 3) the same positions, from the point with indices (u, v)."""
        if origin == (0, 0):
            return frac
        return frac - np.array([origin[0] / self.shape[0], origin[1] / self.shape[1], 0.0])


def by_columns(frac: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(n,) the atoms, column of the grid by column."""
    n = np.ceil(np.array(shape[:2]) / COLUMN)
    u, v = ((frac[:, :2] - np.floor(frac[:, :2])) * n).astype(np.uint16).T
    # Numbers of 16 bits are sorted fastest; that they wrap around in huge grids does no harm
    return np.argsort(u * np.uint16(n[1]) + v, kind="stable")


def occupied_range(coordinates: np.ndarray, size: int, reach: float) -> tuple[int, int]:
    """First index and number of points of a periodic axis that are within `reach` of any atom."""
    first, gap = widest_gap(coordinates, size)
    # An atom lies anywhere between its index and the next
    margin = int(np.ceil(reach)) + 1
    n = size - gap + 2 * margin + 1
    return (0, size) if n > CROPPING_PAYS * size else ((first - margin) % size, n)


def row_length(nw: int, reach: float) -> int:
    """Length of rows of `nw` points that hold all of an atom which begins in the cell.

    They are a multiple of LANES, but not of 4 LANES: rows a power of two apart would
    compete for the same places in the cache.
    """
    needed = nw + min(int(np.ceil(2.0 * reach)) + 2 * LANES, BOX)
    vectors = -(-needed // LANES)
    return (vectors + (vectors % 4 == 0)) * LANES


def check_indices(shape: tuple[int, int, int]) -> None:
    """The kernels count the grid's points by vectors, in 32 bits.

    Raises
    ------
    MemoryLimitError
        For a larger grid.
    """
    if math.prod(shape) >= LANES * 2**31:
        raise MemoryLimitError(
            "a grid of {} x {} x {} points is larger than can be handled; take a lower resolution "
            "or a larger rtol".format(*shape)
        )


def is_for_orthogonal_kernel(step: np.ndarray, atoms: Atoms, radii: RadiusTable) -> bool:
    """Whether the kernel for isotropic atoms and right angles takes these atoms on this grid."""
    orthogonal = np.count_nonzero(step) == 3 and not atoms.is_aniso.any()
    widest = 2.0 * radii.largest / np.diag(step).min() + 2 * LANES
    return bool(orthogonal and widest < BOX)


def of_any_kernel(atoms: Atoms) -> tuple[np.ndarray, ...]:
    """Tensors, largest B and kind of each atom: what the kernels for any atoms take."""
    return atoms.b_tensor, atoms.b_eigenvalues[:, 2].copy(), atoms.kind


def check_widths(atoms: Atoms, b: np.ndarray, blur: float) -> None:
    """Every Gaussian on the grid must be positive definite.

    Raises
    ------
    ParameterError
        With the blur that would be enough.
    """
    narrowest = atoms.b_eigenvalues[:, 0] + b.min(axis=1)[atoms.kind]
    worst = int(np.argmin(narrowest))
    if narrowest[worst] + blur <= 0:
        raise ParameterError(
            f"atom {worst + 1} has no finite density: its smallest B is {narrowest[worst]:g} A^2 "
            f"and blur is {blur:g}; expected a blur above {-narrowest[worst]:g} A^2"
        )
