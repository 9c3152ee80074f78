"""A map on a grid -> derivatives by the atoms' parameters: the transpose of `density.sample`."""

import numpy as np

from friedel import density, reach
from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.kernels import density_adjoint, density_adjoint_general
from friedel.kernels.density_adjoint import COLUMNS, unfold_rows
from friedel.parallel import in_stretches
from friedel.workspace import scratch

COLUMN = 8
"""Grid points across the columns along z in which atoms follow one another: what one atom has read
of the map is still in the cache for the next."""


class Gatherer:
    """Derivatives of sum_p m(p) rho(p) for maps m, with rho from :func:`friedel.density.sample`.

    The same points under the same truncated Gaussians are used as there, so that the two are
    transposes to rounding. How far atoms reach is taken as fixed.

    Parameters
    ----------
    crystal, atoms, a, b, shape, blur, cutoff
        As for :func:`friedel.density.sample`.
    reach_of
        (n_kinds, n_terms) amplitudes that decide how far atoms reach, where not `a` does.

    Attributes
    ----------
    padding
        Number of points by which the rows of maps have to be longer than the cell.
    origin, size
        Indices (u, v) of the first point that the atoms reach and numbers of points from there,
        periodic: no more of a map is needed.
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
        reach_of: np.ndarray | None = None,
    ) -> None:
        density.check_widths(atoms, b, blur)
        self._atoms, self._shape = atoms, shape
        groups = reach.GaussianGroups.from_sums(a, b)
        wide = groups if reach_of is None else reach.GaussianGroups.from_sums(reach_of, b)
        radii = reach.RadiusTable.for_atoms(atoms, wide, blur, cutoff)
        self._step = crystal.orthogonalization / np.array(shape)
        self._table = radii.arguments(groups, blur)
        self._orthogonal = density.is_for_orthogonal_kernel(self._step, atoms, radii)
        extent = crystal.reciprocal_lengths * np.array(shape)
        self.padding = density.row_padding(radii, extent, shape[2])
        self.origin, self.size = (0, 0), shape[:2]
        # As in the density: ellipsoids can reach a little farther
        if not atoms.is_aniso.any():
            (u, n_u), (v, n_v) = (
                density.occupied_range(
                    atoms.frac[:, axis], shape[axis], radii.largest * extent[axis]
                )
                for axis in (0, 1)
            )
            self.origin, self.size = (u, v), (n_u, n_v)

    def room(self, dtype: np.dtype | type) -> np.ndarray:
        """An array for what is needed of a map, which the next such call in this thread takes."""
        return scratch("density", (*self.size, self._shape[2] + self.padding), dtype)

    def gather(
        self, padded: np.ndarray, origin: tuple[int, int] = (0, 0), threads: int = 1
    ) -> np.ndarray:
        """(n, 11) derivatives; see :mod:`friedel.kernels.density_adjoint` for the columns.

        All but the first are for the atoms' occupancies. The last is NaN for kinds of atoms
        whose form factors have no constant term.

        Parameters
        ----------
        padded
            (n_u, n_v, nw + padding) float32 or float64 map, contiguous. What is beyond the cell
            is overwritten.
        origin
            Indices (u, v) of its first point.
        threads
            Each takes a share of the atoms; the result is the same bits for any number.
        """
        nu, nv, nw = self._shape
        in_stretches(lambda i, j: unfold_rows(padded, nw, i, j), len(padded), threads)
        atoms = self._atoms
        frac = atoms.frac - np.array([origin[0] / nu, origin[1] / nv, 0.0])
        order = _by_columns(frac, self._shape)
        out = np.zeros((len(atoms), COLUMNS))
        out[:, -1] = np.nan
        if self._orthogonal:
            spacing = np.diag(self._step).copy()
            parameters = (spacing, frac, atoms.b_iso, atoms.kind, *self._table)
            kernel = density_adjoint.gather_orthogonal
        else:
            _, _, b_tensor, broadest, kind = density.positions(atoms)
            parameters = (self._step, frac, b_tensor, broadest, kind, *self._table)
            kernel = density_adjoint_general.gather_oblique

        def gather_some(first: int, last: int) -> None:
            kernel(padded, self._shape, *parameters, order, first, last, out)

        in_stretches(gather_some, len(atoms), threads)
        out[:, 1:] *= atoms.occ[:, None]
        return out


def _by_columns(frac: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(n,) the atoms, column of the grid by column."""
    n = np.ceil(np.array(shape[:2]) / COLUMN)
    u, v = ((frac[:, :2] - np.floor(frac[:, :2])) * n).astype(np.uint16).T
    # Numbers of 16 bits are sorted fastest; that they wrap around in huge grids does no harm
    return np.argsort(u * np.uint16(n[1]) + v, kind="stable")
