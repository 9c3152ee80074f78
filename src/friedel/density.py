"""Atoms -> density on a grid."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.errors import ParameterError
from friedel.grid import Patch
from friedel.kernels import density as kernels
from friedel.kernels.boxes import BOX, mark_occupied
from friedel.kernels.ellipsoids import GROUP
from friedel.kernels.gaussians import radii_at_level
from friedel.kernels.vectors import LANES
from friedel.parallel import in_stretches
from friedel.workspace import scratch

FEW_ATOMS = 20
"""Up to as many are added to a grid one by one."""

CROPPING_PAYS = 0.8
"""Part of an axis beyond which the whole of it is as well."""

LOAD_OF_POINT = 1e-2
"""Time to clear and fold a point of the grid, in that of the points of one plane of an atom."""

POINTS_PER_ATOM, POINTS_PER_THREAD = 2_500, 600_000
"""An atom takes as long as clearing and folding that many points; work that is less than that of
so many points costs less than another thread."""

BACKGROUND = 1e-30
"""Density of the empty grid, in F(000) only: sums with the tails of atoms are normal numbers. With
zero they would be denormal far from all atoms, where that made the sum several times slower."""

RADIUS_POINTS = 48
"""Values of B at which radii are tabulated; between them they are interpolated."""


@dataclass(frozen=True, eq=False)
class GaussianGroups:
    """Form factors by kind, in groups of few Gaussians, the narrowest first.

    Attributes
    ----------
    a, b
        (n_kinds, n_groups * GROUP) coefficients, padded with zero amplitudes.
    """

    a: np.ndarray
    b: np.ndarray

    @classmethod
    def from_sums(cls, a: np.ndarray, b: np.ndarray) -> "GaussianGroups":
        """Groups from (n_kinds, n_terms) coefficients."""
        padding = -a.shape[1] % GROUP
        order = np.argsort(np.where(a != 0, b, np.inf), axis=1, kind="stable")
        a, b = np.take_along_axis(a, order, axis=1), np.take_along_axis(b, order, axis=1)
        if padding:
            # Repeats the broadest term, so that it never decides what is safe
            a = np.column_stack([a, np.zeros((len(a), padding))])
            b = np.column_stack([b, np.repeat(b[:, -1:], padding, axis=1)])
        return cls(a, b)

    @property
    def n_groups(self) -> int:
        """Number of groups of each kind."""
        return self.a.shape[1] // GROUP

    def groups_of(self, coefficients: np.ndarray) -> np.ndarray:
        """(n_kinds, n_groups, GROUP) view of `a` or `b`."""
        return coefficients.reshape(len(coefficients), self.n_groups, GROUP)


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
    a, b
        (n_kinds, n_terms) Gaussian coefficients by kind of atom.
    shape
        Grid over the whole cell.
    blur
        B (A^2) added to every atom.
    cutoff
        Each group of an atom's Gaussians reaches to where its density falls below this level.
    threads
        Each fills a slab of planes of its own; the result is the same bits for any number.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    """
    patch = sample_patch(
        crystal,
        atoms,
        a,
        b,
        shape,
        dtype=dtype,
        blur=blur,
        cutoff=cutoff,
        threads=threads,
        crop=False,
    )
    return patch.values


def sample_patch(
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
    reuse: bool = False,
    crop: bool = True,
) -> Patch:
    """The part of the grid that the atoms reach; parameters and errors are those of `sample`.

    With `reuse` it lies in memory that the next such call in this thread overwrites.
    In high symmetry the atoms of one asymmetric unit leave most of the cell empty. With `crop`
    off the patch is the whole grid. With it, what is the whole grid all the same has its mean
    subtracted: its transform is right but for F(000).
    """
    check_widths(atoms, b, blur)
    groups = GaussianGroups.from_sums(a, b)
    radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
    nw = shape[2]
    step = crystal.orthogonalization / np.array(shape)
    extent = crystal.reciprocal_lengths * np.array(shape)
    origin, size = (0, 0), shape[:2]
    # The ellipsoids of anisotropic atoms can reach a little farther than their radii tell
    if crop and not atoms.is_aniso.any():
        (u, n_u), (v, n_v) = (
            occupied_range(atoms.frac[:, axis], shape[axis], radii.largest * extent[axis])
            for axis in (0, 1)
        )
        origin, size = (u, v), (n_u, n_v)
        if origin != (0, 0):
            shift = np.array([u / shape[0], v / shape[1], 0.0])
            atoms = atoms.replace(frac=atoms.frac - shift)
    padded = (*size, nw + row_padding(radii, extent, nw))
    grid = scratch("density", padded, dtype) if reuse else np.empty(padded, dtype)
    fill = _plan_fill(grid, shape, step, atoms, groups, radii, blur)

    level = BACKGROUND
    if crop and size == shape[:2]:
        # F(000), the largest of all, would leave rounding errors in the others
        level -= float((atoms.occ * a.sum(axis=1)[atoms.kind]).sum()) / crystal.volume

    def fill_slab(first: int, last: int) -> None:
        grid[first:last, :, :nw] = level
        grid[first:last, :, nw:] = BACKGROUND
        fill(first, last)
        kernels.fold_rows(grid, nw, first, last)

    work = size[0] * size[1] * nw + len(atoms) * POINTS_PER_ATOM
    threads = min(threads, work // POINTS_PER_THREAD)
    load = None
    if threads > 1:
        load = plane_loads(atoms.frac[:, 0], size[0], shape[0], radii.largest * extent[0])
        load += LOAD_OF_POINT * size[1] * nw
    in_stretches(fill_slab, size[0], threads, load)
    return Patch(grid[:, :, :nw], origin, shape)


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


def occupied_range(coordinates: np.ndarray, size: int, reach: float) -> tuple[int, int]:
    """First index and number of points of a periodic axis that are within `reach` of any atom."""
    occupied = np.zeros(size, np.bool_)
    mark_occupied(coordinates, size, occupied)
    indices = np.flatnonzero(occupied)
    gaps = np.diff(indices, append=indices[0] + size)
    widest = int(np.argmax(gaps))
    # An atom lies anywhere between its index and the next
    margin = int(np.ceil(reach)) + 1
    n = size - int(gaps[widest]) + 2 * margin + 2
    if n > CROPPING_PAYS * size:
        return 0, size
    return int(indices[(widest + 1) % len(indices)] - margin) % size, n


def row_padding(radii: "RadiusTable", extent: np.ndarray, nw: int) -> int:
    """Number of points by which rows must be longer than the cell, so that no atom wraps around.

    Rows are a multiple of LANES, but not of 4 LANES: rows a power of two apart would
    compete for the same places in the cache.
    """
    needed = nw + min(int(np.ceil(2.0 * radii.largest * extent[2])) + 2 * LANES, BOX)
    vectors = -(-needed // LANES)
    return (vectors + (vectors % 4 == 0)) * LANES - nw


def is_for_orthogonal_kernel(step: np.ndarray, atoms: Atoms, radii: "RadiusTable") -> bool:
    """Whether the kernel for isotropic atoms and right angles takes these atoms on this grid."""
    orthogonal = np.count_nonzero(step) == 3 and not atoms.is_aniso.any()
    widest = 2.0 * radii.largest / np.diag(step).min() + 2 * LANES
    return bool(orthogonal and widest < BOX)


def _plan_fill(
    grid: np.ndarray,
    shape: tuple[int, int, int],
    step: np.ndarray,
    atoms: Atoms,
    groups: GaussianGroups,
    radii: "RadiusTable",
    blur: float,
) -> Callable[[int, int], None]:
    """What fills the planes first <= x < last: the faster kernel where it applies."""
    table = radii.arguments(groups, blur)
    if is_for_orthogonal_kernel(step, atoms, radii):
        spacing = np.diag(step).copy()
        position = (atoms.frac, atoms.occ, atoms.b_iso, atoms.kind)

        def fill_orthogonal(first: int, last: int) -> None:
            kernels.add_orthogonal(grid, shape, spacing, *position, *table, first, last)

        return fill_orthogonal

    any_position = positions(atoms)

    def fill_oblique(first: int, last: int) -> None:
        kernels.add_oblique(grid, shape, step, *any_position, *table, first, last)

    return fill_oblique


@dataclass(frozen=True, eq=False)
class RadiusTable:
    """Radii (A) of each kind's groups at equally spaced B, for one blur and density level.

    Attributes
    ----------
    radius
        (n_kinds, n_groups, n) at B = b_first, b_first + b_step, ...
    """

    radius: np.ndarray
    b_first: float
    b_step: float

    @property
    def largest(self) -> float:
        """The largest radius."""
        return float(self.radius.max())

    @classmethod
    def for_atoms(
        cls, atoms: Atoms, groups: GaussianGroups, blur: float, cutoff: float
    ) -> "RadiusTable":
        """Radii at which the largest occupancy times |density| falls to `cutoff`.

        Anisotropic atoms are taken as broad in all directions as in their broadest.
        """
        broadest = atoms.b_eigenvalues[:, 2]
        b_first = float(broadest.min())
        b_step = max((float(broadest.max()) - b_first) / (RADIUS_POINTS - 1), 1e-6)
        b_values = b_first + b_step * np.arange(RADIUS_POINTS)
        widths = groups.groups_of(groups.b)[:, :, None, :] + (b_values + blur)[:, None]
        a = groups.groups_of(groups.a)[:, :, None, :] * np.abs(atoms.occ).max()
        radius = radius_at_level(a * (4.0 * np.pi / widths) ** 1.5, 4.0 * np.pi**2 / widths, cutoff)
        return cls(radius, b_first, b_step)

    def arguments(self, groups: GaussianGroups, blur: float) -> tuple[Any, ...]:
        """What the kernels need of the form factors and the radii."""
        return groups.a, groups.b, blur, self.radius, self.b_first, self.b_step

    def largest_of(self, atoms: Atoms) -> np.ndarray:
        """(n,) radius of each atom's farthest-reaching group."""
        position = (atoms.b_eigenvalues[:, 2] - self.b_first) / self.b_step
        index = np.minimum(position.astype(int), RADIUS_POINTS - 2)
        fraction = position - index
        farthest = self.radius.max(axis=1)
        low, high = farthest[atoms.kind, index], farthest[atoms.kind, index + 1]
        return (1.0 - fraction) * low + fraction * high


def radii(atoms: Atoms, a: np.ndarray, b: np.ndarray, *, blur: float, cutoff: float) -> np.ndarray:
    """(n,) distance in A to which :func:`sample` fills the grid around each atom."""
    table = RadiusTable.for_atoms(atoms, GaussianGroups.from_sums(a, b), blur, cutoff)
    return table.largest_of(atoms)


def radius_at_level(amplitude: np.ndarray, factor: np.ndarray, level: float) -> np.ndarray:
    """(...,) r with sum_t |amplitude_t| exp(-factor_t r^2) = level; 0 if below everywhere.

    Parameters
    ----------
    amplitude, factor
        (..., n_terms).
    """
    shape = np.broadcast_shapes(amplitude.shape, factor.shape)
    flat = [
        np.ascontiguousarray(np.broadcast_to(x, shape).reshape(-1, shape[-1]))
        for x in (amplitude, factor)
    ]
    radius = np.empty(len(flat[0]))
    radii_at_level(*flat, level, radius)
    return radius.reshape(shape[:-1])


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
    nu, nv, nw = shape = grid.shape
    if len(atoms) > FEW_ATOMS:
        grid += sample(
            crystal, atoms, a, b, (nu, nv, nw), dtype=grid.dtype, blur=blur, cutoff=cutoff
        )
        return
    check_widths(atoms, b, blur)
    groups = GaussianGroups.from_sums(a, b)
    radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
    step = crystal.orthogonalization / np.array(grid.shape)
    table = radii.arguments(groups, blur)
    kernels.add_exact(grid, shape, step, *positions(atoms), *table, 0, nu)


def positions(atoms: Atoms) -> tuple[np.ndarray, ...]:
    """What the kernels for any atoms need of them."""
    broadest = atoms.b_eigenvalues[:, 2].copy()
    return atoms.frac, atoms.occ, atoms.b_tensor, broadest, atoms.kind


def check_widths(atoms: Atoms, b: np.ndarray, blur: float) -> None:
    """Every Gaussian on the grid must be positive definite.

    Raises
    ------
    ParameterError
        With the blur that would be enough.
    """
    narrowest = atoms.b_eigenvalues[:, 0] + b.min(axis=1)[atoms.kind]
    worst = int(np.argmin(narrowest))
    if narrowest[worst] + blur <= 0:
        raise ParameterError(
            f"atom {worst + 1} has no finite density: its smallest B is {narrowest[worst]:g} A^2 "
            f"and blur is {blur:g}; expected a blur above {-narrowest[worst]:g} A^2"
        )
