"""Boxes of grid points around atoms: where they begin, how large they are, how far atoms reach."""

import numpy as np

from friedel.constants import U_TO_B
from friedel.density.grid import Grid, fast_size
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

DEFAULT_MARGIN = 5.0
"""Distance of the faces of a box from the outermost atoms, Å."""

WIDTHS = 4.0
"""Reach of an atom in standard deviations of its displacement."""

RIPPLES = 3.0
"""Reach of an atom in units of d_min: farther out the ripples that a sharp resolution limit leaves
are below 1 % of its peak."""

Indices = tuple[int, int, int]


def box_around(grid: Grid, xyz: np.ndarray, margin: float = DEFAULT_MARGIN) -> MapBox:
    """The part of a periodic map that covers some positions.

    Parameters
    ----------
    grid
        A map of the whole unit cell.
    xyz
        (n, 3) positions in Å.
    margin
        Smallest distance of a face of the box from the positions, Å.

    Raises
    ------
    ParameterError
        When the margin is negative or not a number.
    """
    steps = grid.crystal.orthogonalization / np.array(grid.shape)
    first, shape = indices_around(xyz, steps, margin)
    return grid.box(first, shape)


def indices_around(xyz: np.ndarray, steps: np.ndarray, margin: float) -> tuple[Indices, Indices]:
    """First index and number of grid points of the smallest box around positions and a margin.

    Parameters
    ----------
    xyz
        (n, 3) positions in Å.
    steps
        (3, 3): its columns are the steps of the grid, Å.
    margin
        Å.
    """
    if not (np.isfinite(margin) and margin >= 0):
        raise ParameterError(f"got a margin of {margin!r}, expected a number in A, at least 0")
    to_index = np.linalg.inv(steps)
    low, high = extent(xyz, steps)
    width = margin * np.linalg.norm(to_index, axis=1)
    first = np.floor(low - width).astype(int)
    n = np.ceil(high + width).astype(int) - first + 1
    return _three(first), _three(n)


def extent(xyz: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3,) smallest and largest coordinates of positions in grid steps."""
    indices = xyz @ np.linalg.inv(steps).T
    return indices.min(axis=0), indices.max(axis=0)


def new_box(xyz: np.ndarray, spacing: float, margin: float) -> MapBox:
    """An empty box around positions, with FFT-friendly sizes, whose cell in P 1 is the box.

    Its first point is a whole number of steps from the origin of the coordinates, so that files
    need no field but NXSTART to say where it is.
    """
    if not (np.isfinite(spacing) and spacing > 0):
        raise ParameterError(f"got a grid spacing of {spacing!r}, expected a positive number in A")
    first, n = indices_around(xyz, np.diag([spacing] * 3), margin)
    shape = _three(fast_size(x) for x in n)
    start = _three(i - (m - k) // 2 for i, m, k in zip(first, shape, n, strict=True))
    a, b, c = (spacing * x for x in shape)
    return MapBox(
        np.zeros(shape, np.float32), Crystal((a, b, c, 90, 90, 90), name="P 1"), shape, start
    )


def period_for(box: MapBox, xyz: np.ndarray, reach: float) -> tuple[int, int, int]:
    """FFT-friendly numbers of points of a periodic grid on which no image of an atom reaches a box.

    Parameters
    ----------
    xyz
        (n, 3) positions of the atoms from the origin of the box's grid, Å.
    reach
        Reach of atoms, Å.
    """
    low, high = extent(xyz, box.steps)
    first = np.array(box.start)
    last = first + box.shape
    farthest = np.maximum(last - low, high - first)
    width = reach * np.linalg.norm(np.linalg.inv(box.steps), axis=1)
    return _three(fast_size(x) for x in np.maximum(farthest + width, box.shape))


def reach_of(atoms: Atoms, d_min: float) -> float:
    """Distance (Å) from which on the density of atoms, limited to d_min (Å), is small."""
    largest = max(0.0, float(atoms.b_eigenvalues.max(initial=0.0)))
    return RIPPLES * d_min + WIDTHS * float(np.sqrt(largest / U_TO_B))


def _three(numbers: object) -> Indices:
    i, j, k = (int(x) for x in numbers)  # type: ignore[attr-defined]
    return i, j, k
