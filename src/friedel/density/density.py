"""The density of atoms on a whole grid."""

import numpy as np

from friedel.density.atoms_on_grid import AtomsOnGrid, any_atoms, check_widths
from friedel.density.grid import Patch
from friedel.density.radii import GaussianGroups, RadiusTable
from friedel.kernels.grid.arguments import Gaussians, GridAxes
from friedel.kernels.grid.density import add_exact
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.limits import check_time, longest_for

FEW_ATOMS = 20
"""Largest number of atoms that are added to a grid one by one."""


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
    force: bool = False,
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
    force
        Whether to go on if it is predicted to take more than an hour.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    TimeLimitError
        When it is predicted to take more than an hour and not forced.
    """
    on_grid = AtomsOnGrid(crystal, atoms, a, b, shape, blur=blur, cutoff=cutoff)
    what = "the density of {} atoms on {} x {} x {} points".format(len(atoms), *shape)
    check_time(on_grid.seconds, what, force=force, longest=longest_for(len(atoms)))
    patch = Patch(np.empty((*shape[:2], on_grid.row_length), dtype), (0, 0), shape)
    on_grid.fill(patch, atoms.frac, threads=threads)
    return patch.values


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

    Few atoms are added in place, without a pass over the whole grid.
    """
    nu, nv, nw = grid.shape
    shape = (nu, nv, nw)
    if len(atoms) > FEW_ATOMS:
        grid += sample(crystal, atoms, a, b, shape, dtype=grid.dtype, blur=blur, cutoff=cutoff)
        return
    check_widths(atoms, b, blur)
    groups = GaussianGroups.from_sums(a, b)
    radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
    axes = GridAxes(shape, crystal.orthogonalization / np.array(shape))
    gaussians = Gaussians(groups.a, groups.b, float(blur))
    add_exact(grid, axes, any_atoms(atoms, radii), gaussians, np.flatnonzero(atoms.occ), 0, nu)
