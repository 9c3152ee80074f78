"""Atoms -> density on a grid."""

import numpy as np

from friedel.density.atoms_on_grid import AtomsOnGrid, by_columns, of_any_kernel
from friedel.density.grid import Patch
from friedel.kernels.grid import density as kernels
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.threads import in_stretches

FEW_ATOMS = 20
"""Up to as many are added to a grid one by one."""

MANY_ATOMS = 5_000
"""From so many on they are put in order; in a file those of few residues follow one another."""

LOAD_OF_POINT = 1e-2
"""Time to clear and fold a point of the grid, in that of the points of one plane of an atom."""

POINTS_PER_ATOM, POINTS_PER_THREAD = 2_500, 1_200_000
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
    crystal, atoms, a, b, shape, blur, cutoff
        See :class:`friedel.density.atoms_on_grid.AtomsOnGrid`.
    dtype
        float32 or float64.
    threads
        The result is the same bits for any number.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    """
    nu, nv, nw = shape
    on_grid = AtomsOnGrid(crystal, atoms, a, b, shape, blur=blur, cutoff=cutoff)
    grid = np.empty((nu, nv, on_grid.row_length), dtype)
    _fill(grid, on_grid, atoms.frac, BACKGROUND, threads)
    return grid[:, :, :nw]


def sample_patch(
    on_grid: AtomsOnGrid, frac: np.ndarray, dtype: np.dtype | type, threads: int = 1
) -> Patch:
    """The part of the density that is not empty, of atoms at `frac` (n, 3).

    It is overwritten by the thread's next call. What is the whole grid all the same has its mean
    subtracted: its transform is right but for F(000).
    """
    nu, nv, nw = on_grid.shape
    grid, origin = on_grid.room(frac, dtype)
    level = BACKGROUND
    if grid.shape[:2] == (nu, nv):
        # F(000), the largest of all, would leave rounding errors in the others
        level -= on_grid.mean
    _fill(grid, on_grid, on_grid.from_origin(frac, origin), level, threads)
    return Patch(grid[:, :, :nw], origin, on_grid.shape)


def _fill(
    grid: np.ndarray, on_grid: AtomsOnGrid, frac: np.ndarray, level: float, threads: int
) -> None:
    """The density plus a level, on the first planes and rows of the grid.

    Each thread fills a slab of planes of its own.
    """
    n_u, n_v, _ = grid.shape
    nu, _, nw = shape = on_grid.shape
    kernel = kernels.add_orthogonal if on_grid.is_orthogonal else kernels.add_oblique
    of_atoms: tuple[np.ndarray, ...] = (frac, on_grid.occ, *on_grid.per_atom)
    if len(frac) >= MANY_ATOMS:
        order = by_columns(frac, shape)
        of_atoms = tuple(x[order] for x in of_atoms)

    def fill_slab(first: int, last: int) -> None:
        grid[first:last, :, :nw] = level
        grid[first:last, :, nw:] = BACKGROUND
        kernel(grid, shape, on_grid.step, *of_atoms, *on_grid.gaussians, first, last)
        kernels.fold_rows(grid, nw, first, last)

    work = n_u * n_v * nw + len(frac) * POINTS_PER_ATOM
    threads = min(threads, work // POINTS_PER_THREAD)
    load = None
    if threads > 1:
        load = plane_loads(frac[:, 0], n_u, nu, on_grid.reach[0]) + LOAD_OF_POINT * n_v * nw
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
    nu, nv, nw = grid.shape
    shape = (nu, nv, nw)
    if len(atoms) > FEW_ATOMS:
        grid += sample(crystal, atoms, a, b, shape, dtype=grid.dtype, blur=blur, cutoff=cutoff)
        return
    on_grid = AtomsOnGrid(crystal, atoms, a, b, shape, blur=blur, cutoff=cutoff)
    step = crystal.orthogonalization / np.array(shape)
    of_atoms = (atoms.frac, atoms.occ, *of_any_kernel(atoms), *on_grid.gaussians)
    kernels.add_exact(grid, shape, step, *of_atoms, 0, nu)
