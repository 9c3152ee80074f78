"""Atoms -> density on a grid."""

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.errors import ParameterError
from friedel.grid import Patch
from friedel.kernels import density as kernels
from friedel.kernels.boxes import BOX, widest_gap
from friedel.kernels.vectors import LANES
from friedel.parallel import in_stretches
from friedel.reach import GaussianGroups, RadiusTable
from friedel.workspace import scratch

FEW_ATOMS = 20
"""Up to as many are added to a grid one by one."""

CROPPING_PAYS = 0.8
"""Part of an axis beyond which the whole of it is as well."""

LOAD_OF_POINT = 1e-2
"""Time to clear and fold a point of the grid, in that of the points of one plane of an atom."""

POINTS_PER_ATOM, POINTS_PER_THREAD = 2_500, 600_000
"""An atom takes as long as clearing and folding that many points; work that is less than that of
so many points costs less than another thread."""

BACKGROUND = 1e-30
"""Density of the empty grid, in F(000) only: sums with the tails of atoms are normal numbers. With
zero they would be denormal far from all atoms, where that made the sum several times slower."""


def sample(
    crystal: Crystal,
    atoms: Atoms,
    a: np.ndarray,
    b: np.ndarray,
    shape: tuple[int, int, int],
    *,
    dtype: np.dtype | type = np.float32,
    blur: float = 0.0,
    cutoff: float = 1e-5,
    threads: int = 1,
) -> np.ndarray:
    """(nu, nv, nw) density of the atoms themselves, without symmetry mates, on a grid.

    Parameters
    ----------
    crystal, atoms, a, b, shape, dtype, blur, cutoff
        See :class:`Sampler`.
    threads
        The result is the same bits for any number.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    """
    sampler = Sampler(crystal, atoms, a, b, shape, dtype=dtype, blur=blur, cutoff=cutoff)
    return sampler.whole(atoms.frac, threads)


class Sampler:
    """The density of atoms on a grid, wherever they are: what holds while they only move.

    Parameters
    ----------
    atoms
        Those of one asymmetric unit; no symmetry mates are added.
    a, b
        (n_kinds, n_terms) Gaussian coefficients by kind of atom.
    shape
        Grid over the whole cell.
    dtype
        float32 or float64.
    blur
        B (A^2) added to every atom.
    cutoff
        Each group of an atom's Gaussians reaches to where its density falls below this level.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    """

    def __init__(
        self,
        crystal: Crystal,
        atoms: Atoms,
        a: np.ndarray,
        b: np.ndarray,
        shape: tuple[int, int, int],
        *,
        dtype: np.dtype | type = np.float32,
        blur: float = 0.0,
        cutoff: float = 1e-5,
    ) -> None:
        check_widths(atoms, b, blur)
        groups = GaussianGroups.from_sums(a, b)
        self._radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
        self._shape, self._dtype = shape, dtype
        step = crystal.orthogonalization / np.array(shape)
        self._extent = crystal.reciprocal_lengths * np.array(shape)
        self._padding = row_padding(self._radii, self._extent, shape[2])
        # The ellipsoids of anisotropic atoms can reach a little farther than their radii tell
        self._may_crop = not atoms.is_aniso.any()
        self._mean = float((atoms.occ * a.sum(axis=1)[atoms.kind]).sum()) / crystal.volume
        table = self._radii.arguments(groups, blur)
        if is_for_orthogonal_kernel(step, atoms, self._radii):
            self._kernel, self._step = kernels.add_orthogonal, np.diag(step).copy()
            self._parameters = (atoms.occ, atoms.b_iso, atoms.kind, *table)
        else:
            self._kernel, self._step = kernels.add_oblique, step
            self._parameters = (*positions(atoms)[1:], *table)

    def whole(self, frac: np.ndarray, threads: int = 1) -> np.ndarray:
        """(nu, nv, nw) density of the atoms at `frac` (n, 3)."""
        nu, nv, nw = self._shape
        grid = np.empty((nu, nv, nw + self._padding), self._dtype)
        self._fill(grid, frac, BACKGROUND, threads)
        return grid[:, :, :nw]

    def patch(self, frac: np.ndarray, threads: int = 1) -> Patch:
        """The part of the density that is not empty, in memory that the thread's next call takes.

        In high symmetry the atoms of one asymmetric unit leave most of the cell empty. What is the
        whole grid all the same has its mean subtracted: its transform is right but for F(000).
        """
        nu, nv, nw = self._shape
        (u, n_u), (v, n_v) = (0, nu), (0, nv)
        if self._may_crop:
            (u, n_u), (v, n_v) = (self._occupied(frac, axis) for axis in (0, 1))
        level = BACKGROUND
        if (n_u, n_v) == (nu, nv):
            # F(000), the largest of all, would leave rounding errors in the others
            level -= self._mean
        if u or v:
            frac = frac - np.array([u / nu, v / nv, 0.0])
        grid = scratch("density", (n_u, n_v, nw + self._padding), self._dtype)
        self._fill(grid, frac, level, threads)
        return Patch(grid[:, :, :nw], (u, v), self._shape)

    def _occupied(self, frac: np.ndarray, axis: int) -> tuple[int, int]:
        reach = self._radii.largest * self._extent[axis]
        return occupied_range(frac[:, axis], self._shape[axis], reach)

    def _fill(self, grid: np.ndarray, frac: np.ndarray, level: float, threads: int) -> None:
        """The density plus a level, on the first planes and rows of the grid."""
        n_u, n_v, _ = grid.shape
        nu, _, nw = self._shape

        def fill_slab(first: int, last: int) -> None:
            grid[first:last, :, :nw] = level
            grid[first:last, :, nw:] = BACKGROUND
            self._kernel(grid, self._shape, self._step, frac, *self._parameters, first, last)
            kernels.fold_rows(grid, nw, first, last)

        work = n_u * n_v * nw + len(frac) * POINTS_PER_ATOM
        threads = min(threads, work // POINTS_PER_THREAD)
        load = None
        if threads > 1:
            load = plane_loads(frac[:, 0], n_u, nu, self._radii.largest * self._extent[0])
            load += LOAD_OF_POINT * n_v * nw
        in_stretches(fill_slab, n_u, threads, load)


def plane_loads(coordinates: np.ndarray, n: int, size: int, reach: float) -> np.ndarray:
    """(n,) numbers of atoms that reach each of the first planes of an axis of `size` points."""
    first = np.floor(coordinates % 1.0 * size - reach).astype(np.int64)
    width = min(int(2.0 * reach) + 1, size)
    change = np.zeros(2 * size)
    starts = np.bincount(first % size, minlength=size)
    change[:size] += starts
    change[width : width + size] -= starts
    reached = np.cumsum(change)
    return (reached[:size] + reached[size:])[:n]


def occupied_range(coordinates: np.ndarray, size: int, reach: float) -> tuple[int, int]:
    """First index and number of points of a periodic axis that are within `reach` of any atom."""
    first, gap = widest_gap(coordinates, size)
    # An atom lies anywhere between its index and the next
    margin = int(np.ceil(reach)) + 1
    n = size - gap + 2 * margin + 1
    return (0, size) if n > CROPPING_PAYS * size else ((first - margin) % size, n)


def row_padding(radii: RadiusTable, extent: np.ndarray, nw: int) -> int:
    """Number of points by which rows must be longer than the cell, so that no atom wraps around.

    Rows are a multiple of LANES, but not of 4 LANES: rows a power of two apart would
    compete for the same places in the cache.
    """
    needed = nw + min(int(np.ceil(2.0 * radii.largest * extent[2])) + 2 * LANES, BOX)
    vectors = -(-needed // LANES)
    return (vectors + (vectors % 4 == 0)) * LANES - nw


def is_for_orthogonal_kernel(step: np.ndarray, atoms: Atoms, radii: RadiusTable) -> bool:
    """Whether the kernel for isotropic atoms and right angles takes these atoms on this grid."""
    orthogonal = np.count_nonzero(step) == 3 and not atoms.is_aniso.any()
    widest = 2.0 * radii.largest / np.diag(step).min() + 2 * LANES
    return bool(orthogonal and widest < BOX)


def add_atoms(
    grid: np.ndarray,
    crystal: Crystal,
    atoms: Atoms,
    a: np.ndarray,
    b: np.ndarray,
    *,
    blur: float = 0.0,
    cutoff: float = 1e-5,
) -> None:
    """Add the density that :func:`sample` gives to a grid (nu, nv, nw), in place.

    A few atoms are added where they are, without passing over the whole grid.
    """
    nu, nv, nw = shape = grid.shape
    if len(atoms) > FEW_ATOMS:
        grid += sample(
            crystal, atoms, a, b, (nu, nv, nw), dtype=grid.dtype, blur=blur, cutoff=cutoff
        )
        return
    check_widths(atoms, b, blur)
    groups = GaussianGroups.from_sums(a, b)
    radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
    step = crystal.orthogonalization / np.array(grid.shape)
    table = radii.arguments(groups, blur)
    kernels.add_exact(grid, shape, step, *positions(atoms), *table, 0, nu)


def positions(atoms: Atoms) -> tuple[np.ndarray, ...]:
    """What the kernels for any atoms need of them."""
    broadest = atoms.b_eigenvalues[:, 2].copy()
    return atoms.frac, atoms.occ, atoms.b_tensor, broadest, atoms.kind


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
