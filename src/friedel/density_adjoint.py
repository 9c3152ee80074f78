"""A map on a grid -> derivatives by the atoms' parameters: the transpose of `density.sample`."""

import numpy as np

from friedel import density, reach
from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.kernels import density_adjoint, density_adjoint_general
from friedel.kernels.density_adjoint import COLUMNS, unfold_rows
from friedel.parallel import in_stretches


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

    def gather(self, padded: np.ndarray, threads: int = 1) -> np.ndarray:
        """(n, 11) derivatives; see :mod:`friedel.kernels.density_adjoint` for the columns.

        All but the first are for the atoms' occupancies. The last is NaN for kinds of atoms
        whose form factors have no constant term.

        Parameters
        ----------
        padded
            (nu, nv, nw + padding) float32 or float64 map, contiguous. What is beyond the cell
            is overwritten.
        threads
            Each takes a share of the atoms; the result is the same bits for any number.
        """
        nu, _, nw = self._shape
        in_stretches(lambda i, j: unfold_rows(padded, nw, i, j), nu, threads)
        atoms = self._atoms
        out = np.zeros((len(atoms), COLUMNS))
        out[:, -1] = np.nan
        if self._orthogonal:
            spacing = np.diag(self._step).copy()
            arguments = (padded, nw, spacing, atoms.frac, atoms.b_iso, atoms.kind, *self._table)
            kernel = density_adjoint.gather_orthogonal
        else:
            frac, _, b_tensor, broadest, kind = density.positions(atoms)
            arguments = (padded, nw, self._step, frac, b_tensor, broadest, kind, *self._table)
            kernel = density_adjoint_general.gather_oblique
        in_stretches(lambda i, j: kernel(*arguments, i, j, out), len(atoms), threads)
        out[:, 1:] *= atoms.occ[:, None]
        return out
