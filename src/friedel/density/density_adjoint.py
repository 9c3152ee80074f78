"""A map on a grid -> derivatives by the atoms' parameters: the transpose of `density.sample`."""

import numpy as np

from friedel.density.atoms_on_grid import AtomsOnGrid, by_columns
from friedel.kernels.grid import density_adjoint, density_adjoint_oblique
from friedel.kernels.grid.density_adjoint import COLUMNS, unfold_rows
from friedel.runtime.threads import in_stretches

ATOMS_PER_THREAD = 250
"""For fewer another thread costs more than it saves."""


def gather(
    on_grid: AtomsOnGrid,
    padded: np.ndarray,
    frac: np.ndarray,
    origin: tuple[int, int] = (0, 0),
    threads: int = 1,
) -> np.ndarray:
    """(n, 11) derivatives of sum_p m(p) rho(p) for a map m, rho the sampled density.

    The same points under the same truncated Gaussians are used as there, so that the two are
    transposes to rounding. How far atoms reach is taken as fixed. See
    :mod:`friedel.kernels.grid.density_adjoint` for the columns: all but the first are for the
    atoms' occupancies, and the last is NaN for atoms without a constant term,
    or with one that the cutoff leaves nothing of.

    Parameters
    ----------
    padded
        (n_u, n_v, row_length) float32 or float64 map, contiguous. What is beyond the cell is
        overwritten.
    frac
        (n, 3) positions of the atoms.
    origin
        Indices (u, v) of the first point of the map.
    threads
        Each takes a share of the atoms; the result is the same bits for any number.
    """
    shape, frac = on_grid.shape, on_grid.from_origin(frac, origin)
    in_stretches(lambda i, j: unfold_rows(padded, shape[2], i, j), len(padded), threads)
    if on_grid.is_orthogonal:
        kernel = density_adjoint.gather_orthogonal
    else:
        kernel = density_adjoint_oblique.gather_oblique
    of_atoms = (frac, *on_grid.per_atom, *on_grid.gaussians)
    order = by_columns(frac, shape)
    out = np.zeros((len(frac), COLUMNS))
    out[:, -1] = np.nan

    def gather_some(first: int, last: int) -> None:
        kernel(padded, shape, on_grid.step, *of_atoms, order, first, last, out)

    in_stretches(gather_some, len(frac), min(threads, len(frac) // ATOMS_PER_THREAD))
    out[:, 1:] *= on_grid.occ[:, None]
    return out
