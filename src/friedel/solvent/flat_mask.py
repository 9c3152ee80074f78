"""The flat bulk-solvent mask: 1 where the crystal holds solvent, 0 where it holds the model.

The accessible-surface construction [Jiang1994]: points farther than radius + r_probe from every
atom are solvent; small pockets of solvent are filled; then the solvent is extended by r_shrink
into the layer excluded by the probe.
"""

import math
import warnings
from functools import partial

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import FriedelWarning, ParameterError
from friedel.kernels.grid.mask import (
    Runs,
    ball_rows,
    find_runs,
    grow_runs,
    in_large_islands,
    map_runs,
    mark_spheres,
    unpack,
)
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal, checked_d_min
from friedel.model.operations import operation_keys
from friedel.runtime.threads import in_stretches
from friedel.solvent.mask_parameters import (
    DEFAULTS as DEFAULTS,
    RADII_SETS as RADII_SETS,
    MaskParameters as MaskParameters,
)

MatrixAndShift = tuple[np.ndarray, np.ndarray]
"""A symmetry operation on points of a grid or on atoms: (3, 3) and (3,)."""

MAX_SPACING = 0.6
"""Largest grid spacing (Å); coarser grids do not resolve the surface at any resolution."""

BITS = 64
"""Number of points in one word of the kernels."""

TIME_OF_RUN, TIME_OF_WORD = 1e-8, 1e-9
"""Rough times (s) per run of points and per word of a row, to divide long calls."""

TIE_TOLERANCE = 1e-9
"""Radii are increased by this fraction, so that rounding is the same for all symmetry mates."""


def solvent_mask(
    crystal: Crystal,
    atoms: Atoms,
    shape: tuple[int, int, int],
    parameters: MaskParameters | None = None,
) -> np.ndarray:
    """The flat bulk-solvent mask of the whole unit cell.

    Parameters
    ----------
    atoms
        The atoms of one asymmetric unit; symmetry is applied here.
    shape
        Size of the grid, as :func:`friedel.density.grid.grid_shape` gives it for the spacing of
        :func:`mask_spacing`. On a grid compatible with the symmetry the mask is exactly symmetric,
        but for islands under threefold and sixfold operations: those do not take the neighbours
        of a grid point, which are of the same island, to neighbours.
    parameters
        By default van der Waals radii.

    Returns
    -------
    mask
        (nu, nv, nw) float32: 1 in the solvent, 0 elsewhere.

    Raises
    ------
    ParameterError
        When `shape` is not three positive sizes.

    Warns
    -----
    FriedelWarning
        When the cell has no solvent, or is all solvent: then F_mask is zero.
    """
    shape = _checked_shape(shape)
    parameters = MaskParameters() if parameters is None else parameters
    covered = _covered(crystal, atoms, shape, parameters)
    solvent = _solvent_beside(crystal, covered, shape, parameters, 0, shape[0] - 1)
    mask, n_solvent = _unpacked(solvent, shape)
    _warn_if_uniform(n_solvent, mask.size, int(parameters.counts(atoms).sum()))
    return mask


def solvent_runs(
    crystal: Crystal,
    atoms: Atoms,
    shape: tuple[int, int, int],
    parameters: MaskParameters,
    first: int,
    last: int,
) -> Runs:
    """The runs of solvent along w in some planes u of :func:`solvent_mask`.

    Parameters
    ----------
    first, last
        Indices of the first and the last plane, within the cell.
    """
    covered = _covered(crystal, atoms, shape, parameters)
    solvent = _solvent_beside(crystal, covered, shape, parameters, first, last)
    return Runs(*find_runs(solvent[first : last + 1], shape[2], True))


def solvent_beside(crystal: Crystal, covered: np.ndarray, parameters: MaskParameters) -> np.ndarray:
    """The flat mask of a cell in which it is known which points the atoms cover.

    Parameters
    ----------
    covered
        (nu, nv, nw) bool: the points within radius + r_probe of an atom.
    parameters
        Only `r_shrink` and `island_min_volume` are used.

    Returns
    -------
    mask
        (nu, nv, nw) float32: 1 in the solvent, 0 elsewhere.
    """
    octets = np.packbits(covered, axis=2, bitorder="little")
    words = np.zeros((*covered.shape[:2], -(-covered.shape[2] // BITS)), "<u8")
    words.view(np.uint8)[..., : octets.shape[2]] = octets
    shape = _checked_shape(covered.shape)
    words = words.astype(np.uint64)
    solvent = _solvent_beside(crystal, words, shape, parameters, 0, shape[0] - 1)
    return _unpacked(solvent, shape)[0]


def _solvent_beside(
    crystal: Crystal,
    covered: np.ndarray,
    shape: tuple[int, int, int],
    parameters: MaskParameters,
    first: int,
    last: int,
) -> np.ndarray:
    """Bits of the mask around points whose bits are set, complete in planes first, ..., last."""
    nu, _, nw = shape
    form, extent, step_w = grid_geometry(crystal, shape)
    runs = Runs(*find_runs(covered, nw, False))
    ball = ball_rows(form, extent, parameters.r_shrink * (1.0 + TIE_TOLERANCE) / step_w)
    ball = ball[np.lexsort(ball[:, 2:].T)]
    parts = _planes_within(int(ball[:, 0].max()), first, last, nu)
    keep = np.ones(len(runs.first), bool)
    if parameters.island_min_volume > 0:
        limit = math.floor(parameters.island_min_volume * math.prod(shape) / crystal.volume)
        keep[:] = False
        for begin, end in parts:
            keep |= in_large_islands(runs, shape, limit, begin, end)
    solvent = np.zeros_like(covered)

    def grow(from_plane: int, i: int, j: int) -> None:
        grow_runs(runs, keep, ball, nw, solvent, from_plane + i, from_plane + j)

    # Every row of the ball is set for every row of the grid, all words of it
    seconds = TIME_OF_WORD * len(ball) * solvent.size + TIME_OF_RUN * len(runs.first)
    for begin, end in parts:
        part = seconds * (end - begin) / nu
        in_stretches(partial(grow, begin), end - begin, 1, seconds=part)
    return solvent


def _planes_within(margin: int, first: int, last: int, nu: int) -> list[tuple[int, int]]:
    """Ranges of planes of the cell up to `margin` planes from first, ..., last, periodic."""
    begin, end = first - margin, last + margin + 1
    if end - begin >= nu:
        return [(0, nu)]
    ranges = (begin + nu, nu), (max(begin, 0), min(end, nu)), (0, end - nu)
    return [(start, stop) for start, stop in ranges if start < stop]


def _unpacked(bits: np.ndarray, shape: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """The (nu, nv, nw) float32 mask whose bits are given, and the number of its ones."""
    mask = np.empty(shape, np.float32)
    n_ones: list[int] = []
    in_stretches(
        lambda i, j: n_ones.append(unpack(bits[i:j], mask[i:j])),
        shape[0], 1, seconds=TIME_OF_WORD * mask.size,
    )  # fmt: skip
    return mask, sum(n_ones)


def _covered(
    crystal: Crystal, atoms: Atoms, shape: tuple[int, int, int], parameters: MaskParameters
) -> np.ndarray:
    """(nu, nv, n_words) bits of the points within the radius of an atom of the whole crystal.

    Operations that map rows of the grid to rows are applied to runs of points, which are far fewer
    than the points in the spheres of all mates; the others are applied to the atoms.
    """
    form, extent, step_w = grid_geometry(crystal, shape)
    counted = parameters.counts(atoms)
    # Radii are in steps along w
    radius = parameters.radius(atoms)[counted] * (1.0 + TIE_TOLERANCE) / step_w
    frac = atoms.frac[counted]
    nu, nv, nw = shape
    bits = np.zeros((nu, nv, -(-nw // BITS)), np.uint64)
    of_grid, of_atoms = divided_operations(crystal, shape)
    for rotation, translation in of_atoms:
        mates = frac @ rotation.T + translation / TRANSLATION_DENOMINATOR
        _mark(bits, nw, form, extent, mates - np.floor(mates), radius)
    if len(of_grid) == 1:
        return bits
    runs, everything = Runs(*find_runs(bits, nw, True)), bits.copy()
    seconds = TIME_OF_RUN * (len(runs.first) + nu * nv)
    for matrix, shift in of_grid[1:]:  # the first is the identity
        move = partial(map_runs, runs, matrix, shift, nw, everything)
        in_stretches(move, nu, 1, seconds=seconds)
    return everything


def _mark(
    bits: np.ndarray,
    nw: int,
    form: tuple[float, ...],
    extent: tuple[float, ...],
    frac: np.ndarray,
    radius: np.ndarray,
) -> None:
    """Set the bits of the points within the radii of atoms at `frac` (n, 3)."""

    def mark_some(first: int, last: int) -> None:
        mark_spheres(bits, nw, form, extent[0], frac[first:last], radius[first:last])

    # A sphere is set row by row
    rows = float((radius**2).sum()) * 4.0 * extent[0] * extent[1]
    in_stretches(mark_some, len(frac), 1, seconds=TIME_OF_RUN * rows)


def divided_operations(
    crystal: Crystal, shape: tuple[int, int, int]
) -> tuple[list[MatrixAndShift], list[MatrixAndShift]]:
    """Operations on grid points and on atoms whose products are all operations of the crystal.

    Returns
    -------
    of_grid
        Matrices and shifts in grid steps, of the operations that map rows along w to rows.
    of_atoms
        Rotations, and translations in 24ths: one of each coset of these.
    """
    steps = np.array(shape)
    scaled = crystal.rotations * steps[:, None]
    moved = crystal.translations * steps
    fits = (scaled % steps == 0).all(axis=(1, 2)) & (moved % TRANSLATION_DENOMINATOR == 0).all(1)
    fits &= (crystal.rotations[:, :2, 2] == 0).all(axis=1)
    of_grid = list(zip(scaled[fits] // steps, moved[fits] // TRANSLATION_DENOMINATOR, strict=True))
    group = crystal.rotations[fits], crystal.translations[fits]
    seen: set[bytes] = set()
    of_atoms = []
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        products = group[0] @ rotation, group[0] @ translation + group[1]
        keys = operation_keys(*products)
        if not seen.intersection(keys):
            of_atoms.append((rotation, translation))
        seen.update(keys)
    return of_grid, of_atoms


def grid_geometry(
    crystal: Crystal, shape: tuple[int, int, int]
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Distances on the grid in units of its step along w, and that step in Å.

    Before the step, the result has the five numbers of the quadratic form (see the kernels), and
    the half-widths along u and v of a sphere whose radius is one step.
    """
    step = crystal.orthogonalization / np.array(shape)
    metric = step.T @ step
    step_w = math.sqrt(metric[2, 2])
    entries = ((0, 0), (1, 1), (0, 1), (0, 2), (1, 2))
    form = tuple(float(metric[entry] / metric[2, 2]) for entry in entries)
    extent = crystal.reciprocal_lengths[:2] * shape[:2] * step_w
    return form, (float(extent[0]), float(extent[1])), step_w


def mask_spacing(d_min: float) -> float:
    """Spacing (Å) of a mask's grid for structure factors to `d_min` (Å).

    Raises
    ------
    ResolutionError
        When `d_min` is not a positive finite number.
    """
    # Strictly below d_min / 2: reflections at d_min are inside the range of the transform
    return min(MAX_SPACING, checked_d_min(d_min) / 2.0 - 1e-9)


def solvent_fraction(mask: np.ndarray) -> float:
    """Fraction of the cell that is solvent."""
    return float(mask.mean(dtype=np.float64))


def _warn_if_uniform(n_solvent: int, n_points: int, n_atoms: int) -> None:
    if n_solvent == 0:
        text = "the cell has no solvent: the mask is empty and F_mask is zero"
    elif n_solvent == n_points:
        text = f"the whole cell is solvent ({n_atoms} atoms are in the mask): F_mask is zero"
    else:
        return
    warnings.warn(text, FriedelWarning, stacklevel=3)


def _checked_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    sizes = np.asarray(shape)
    if sizes.shape != (3,) or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise ParameterError(f"got a grid of shape {shape!r}, expected three positive integers")
    return int(sizes[0]), int(sizes[1]), int(sizes[2])
