"""Arguments of the density kernels: arrays that belong together, as named tuples.

Every kernel is called as kernel(grid, axes, atoms, gaussians, which, first, last, ...). An atom
has several groups of Gaussians, each with its own radius; `atoms_and_groups` is the common loop
over atoms and groups.
"""

from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit


class GridAxes(NamedTuple):
    """The grid over the whole cell.

    Attributes
    ----------
    shape
        (nu, nv, nw) points.
    step
        Grid steps, Å: the spacings (3,) for the kernels for right angles; for the others the steps
        along the grid axes (3, 3), Cartesian, upper triangular.
    """

    shape: tuple[int, int, int]
    step: np.ndarray


class Gaussians(NamedTuple):
    """Form factors by atom type, in groups of GROUP Gaussians, the narrowest first.

    Attributes
    ----------
    a, b
        (n_kinds, n_groups * GROUP) coefficients; b in Å^2.
    blur
        B (Å^2) added to every atom.
    """

    a: np.ndarray
    b: np.ndarray
    blur: float


class RoundAtoms(NamedTuple):
    """Isotropic atoms.

    Attributes
    ----------
    frac
        (n, 3) fractional coordinates, relative to the first grid point of the kernel's array.
    occ, b_iso
        (n,) occupancies and B (Å^2).
    kind
        (n,) row index of the form factors.
    radius
        (n, n_groups) radius (Å) within which each group is added; 0 for a group that is omitted.
    """

    frac: np.ndarray
    occ: np.ndarray
    b_iso: np.ndarray
    kind: np.ndarray
    radius: np.ndarray


class AnyAtoms(NamedTuple):
    """Isotropic and anisotropic atoms.

    Attributes
    ----------
    frac, occ, kind, radius
        The same as for :class:`RoundAtoms`; the radius is that of an isotropic atom with `b_broad`.
    b_tensor
        (n, 6) B11, B22, B33, B12, B13, B23, Cartesian, Å^2.
    b_broad
        (n,) largest eigenvalue of `b_tensor`, Å^2.
    """

    frac: np.ndarray
    occ: np.ndarray
    b_tensor: np.ndarray
    b_broad: np.ndarray
    kind: np.ndarray
    radius: np.ndarray


class Flat(NamedTuple):
    """A grid, or a part of one, as a flat array.

    Attributes
    ----------
    values
        (n_u * n_v * width,) values.
    n_v, width
        Number of stored rows per plane, and values per row, a multiple of LANES.
    nu, nv, nw
        Numbers of points of the whole cell.
    """

    values: np.ndarray
    n_v: int
    width: int
    nu: int
    nv: int
    nw: int


@njit(inline="always")
def flat_grid(grid, shape):
    """A grid (n_u, n_v, width) of a cell of `shape` points, as :class:`Flat`: the same memory."""
    return Flat(grid.reshape(-1), grid.shape[1], grid.shape[2], shape[0], shape[1], shape[2])


@njit(nogil=True)
def atoms_and_groups(which, radius):
    """Indices (n,) of atoms and (n,) of their groups: all groups of `which` with a radius above 0.

    Parameters
    ----------
    which
        (m,) indices of the atoms, in the order of the loop.
    radius
        (n_atoms, n_groups), see :class:`RoundAtoms`.
    """
    size = len(which) * radius.shape[1]
    atoms, groups = np.empty(size, np.int64), np.empty(size, np.int64)
    n = 0
    for atom in which:
        for group in range(radius.shape[1]):
            if radius[atom, group] > 0.0:
                atoms[n], groups[n] = atom, group
                n += 1
    return atoms[:n], groups[:n]
