"""Functions of version 0.1.0 that have become methods of :class:`AtomsOnGrid` or were removed."""

import numpy as np

from friedel.density.atoms_on_grid import AtomsOnGrid
from friedel.density.grid import Patch
from friedel.model.atoms import Atoms


def sample_patch(
    on_grid: AtomsOnGrid, frac: np.ndarray, dtype: np.dtype | type, threads: int = 1
) -> Patch:
    """See :meth:`friedel.density.atoms_on_grid.AtomsOnGrid.density`."""
    return on_grid.density(frac, dtype, threads)


def gather(
    on_grid: AtomsOnGrid,
    padded: np.ndarray,
    frac: np.ndarray,
    origin: tuple[int, int] = (0, 0),
    threads: int = 1,
) -> np.ndarray:
    """See :meth:`friedel.density.atoms_on_grid.AtomsOnGrid.gather`."""
    return on_grid.gather(Patch(padded, origin, on_grid.shape), frac, threads)


def of_any_kernel(atoms: Atoms) -> tuple[np.ndarray, ...]:
    """Tensors, largest B and kind of each atom."""
    return atoms.b_tensor, atoms.b_eigenvalues[:, 2].copy(), atoms.kind
