"""What the density kernels are given: arrays that always travel together, under one name each.

Every kernel is called as kernel(grid, axes, atoms, gaussians, which, first, last, ...). An atom
has several groups of Gaussians, each with a radius of its own; `groups_in_turn` is the one loop
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
        Å: for the kernels of right angles the spacings (3,); for the others the steps along the
        grid axes (3, 3), Cartesian, upper triangular.
    """

    shape: tuple[int, int, int]
    step: np.ndarray


class Gaussians(NamedTuple):
    """Form factors by kind of atom, in groups of GROUP Gaussians, the narrowest first.

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
        (n, 3) fractional coordinates, from the first point of the grid that a kernel is given.
    occ, b_iso
        (n,) occupancies and B (Å^2).
    kind
        (n,) which row of the form factors.
    radius
        (n, n_groups) distance (Å) to which each group is added; 0 for a group that is not.
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
        As for :class:`RoundAtoms`; the radius is that of an atom with `b_broad` in all directions.
    b_tensor
        (n, 6) B11, B22, B33, B12, B13, B23, Cartesian, Å^2.
    b_broad
        (n,) largest eigenvalue of that.
    """

    frac: np.ndarray
    occ: np.ndarray
    b_tensor: np.ndarray
    b_broad: np.ndarray
    kind: np.ndarray
    radius: np.ndarray


class Flat(NamedTuple):
    """A grid, or a part of one, as one array in memory.

    Attributes
    ----------
    values
        (n_u * n_v * width,) values.
    n_v, width
        Rows of each plane that are stored, and numbers of each row, a multiple of LANES.
    nu, nv, nw
        Points of the whole cell.
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


@njit(cache=True, nogil=True)
def groups_in_turn(which, radius):
    """(n,) atoms and (n,) groups: every group of the atoms `which` that reaches anywhere.

    Parameters
    ----------
    which
        (m,) numbers of the atoms, in the order wanted.
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
