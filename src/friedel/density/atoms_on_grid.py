"""Atoms on a grid: their density, and the derivatives of a target by them from those by it."""

import math

import numpy as np

from friedel.density.grid import Patch
from friedel.density.radii import GaussianGroups, RadiusTable
from friedel.errors import MemoryLimitError, ParameterError
from friedel.kernels.grid import density
from friedel.kernels.grid.arguments import AnyAtoms, Gaussians, GridAxes, RoundAtoms
from friedel.kernels.grid.boxes import BOX, widest_gap
from friedel.kernels.grid.density_adjoint import COLUMNS, gather_orthogonal, unfold_rows
from friedel.kernels.grid.density_adjoint_oblique import gather_oblique
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.simd import LANES
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.memory import scratch
from friedel.runtime.threads import in_stretches

BACKGROUND = 1e-30
"""Density of the empty grid, which contributes to F(000) only. It avoids denormal numbers far from
all atoms, with which the sum was several times slower."""

CROP_BELOW = 0.8
"""Occupied fraction of an axis above which the grid is not cropped along it."""

COLUMN = 8
"""Width (grid points) of the columns along z by which atoms are sorted: the part of the grid that
one atom has read is still in the cache for the next."""

MANY_POINTS, POINTS_PER_COORDINATE = 100_000, 100
"""Number of points of an axis, and points per atom, above which gaps are found by sorting atoms."""

MANY_ATOMS = 5_000
"""Number of atoms from which on they are sorted; fewer are in the order of residues in the file."""

LOAD_OF_POINT = 1e-2
"""Time to clear and fold a point of the grid, relative to that for one plane of an atom."""

POINTS_PER_ATOM, POINTS_PER_THREAD = 2_500, 1_200_000
"""Work in units of clearing and folding one grid point: that of one atom, and the smallest for
which another thread saves time."""

POINTS_PER_GAUSSIAN, POINTS_PER_SLOW_GAUSSIAN = 0.1, 2.0
"""Work per Gaussian of an atom and grid point, in the same units, and where a box is too large for
the tables of the kernels."""

UNIT_OF_WORK = 3e-9
"""Rough time (s) of clearing and folding one grid point, to divide long calls."""

ATOMS_PER_THREAD = 250
"""Smallest number of atoms per thread for which it saves time in gathering derivatives."""


class AtomsOnGrid:
    """Gaussians of atoms on a grid over the cell, for atoms of which only the positions change.

    Parameters
    ----------
    atoms
        Atoms of one asymmetric unit; no symmetry mates are added.
    a, b
        (n_kinds, n_terms) Gaussian coefficients by atom type.
    shape
        Size of the grid over the whole cell.
    blur
        B (Å^2) added to every atom.
    cutoff
        Density level at which each group of an atom's Gaussians is cut off.

    Attributes
    ----------
    shape
        Size of the grid, as given.
    row_length
        Length of the rows of arrays for the grid: longer than the cell, so that no atom wraps.
    is_orthogonal
        Whether the kernels for isotropic atoms and right angles are used.
    mean
        Mean density of the atoms in the cell.
    seconds
        Rough time of adding the atoms to the grid with one thread, s.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    MemoryLimitError
        For a grid with more points than the kernels can count.
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
    ) -> None:
        check_widths(atoms, b, blur)
        groups = GaussianGroups.from_sums(a, b)
        radii = RadiusTable.for_atoms(atoms, groups, blur, cutoff)
        self.shape = shape
        # (3,) largest atomic radius in grid steps along each axis
        self._largest_steps = radii.largest * crystal.reciprocal_lengths * np.array(shape)
        self.row_length = row_length(shape[2], self._largest_steps[2])
        check_indices((shape[0], shape[1], self.row_length))
        self._gaussians = Gaussians(groups.a, groups.b, float(blur))
        step = crystal.orthogonalization / np.array(shape)
        self._atoms: RoundAtoms | AnyAtoms
        self.is_orthogonal = is_for_orthogonal_kernel(step, atoms, radii)
        if self.is_orthogonal:
            self._axes = GridAxes(shape, np.diag(step).copy())
            radius = radii.of(atoms.b_iso, atoms.kind)
            self._atoms = RoundAtoms(atoms.frac, atoms.occ, atoms.b_iso, atoms.kind, radius)
        else:
            self._axes, self._atoms = GridAxes(shape, step), any_atoms(atoms, radii)
        self.seconds = UNIT_OF_WORK * _work_of_atoms(crystal, shape, self._atoms.radius)
        self.mean = float((atoms.occ * a.sum(axis=1)[atoms.kind]).sum()) / crystal.volume
        # The ellipsoids of anisotropic atoms can extend a little beyond their radii
        self._may_crop = not atoms.is_aniso.any()

    def patch(self, frac: np.ndarray, dtype: np.dtype | type) -> Patch:
        """Memory for the part of the grid within the radii of atoms at `frac` (n, 3).

        In high symmetry the atoms of one asymmetric unit leave most of the cell empty. The memory
        is overwritten by the thread's next call.
        """
        u, v = occupied_part(frac, self.shape, self._largest_steps, may_crop=self._may_crop)
        rows = scratch("density", (u[1], v[1], self.row_length), dtype)
        return Patch(rows, (u[0], v[0]), self.shape)

    def density(self, frac: np.ndarray, dtype: np.dtype | type, threads: int = 1) -> Patch:
        """The part of the grid with the density of atoms at `frac` (n, 3).

        It is overwritten by the thread's next call. If the part is the whole grid, the mean is
        subtracted: the transform is right except for F(000).

        Parameters
        ----------
        dtype
            float32 or float64.
        threads
            The result is the same bits for any number.
        """
        patch = self.patch(frac, dtype)
        level = BACKGROUND
        if patch.rows.shape[:2] == self.shape[:2]:
            # F(000), the largest coefficient, would cause rounding errors in the others
            level -= self.mean
        self.fill(patch, frac, level, threads)
        return patch

    def fill(
        self, patch: Patch, frac: np.ndarray, level: float = BACKGROUND, threads: int = 1
    ) -> None:
        """Set a patch to the density of atoms at `frac` (n, 3) plus a level.

        Each thread fills its own slab of planes.
        """
        grid, (nu, _, nw) = patch.rows, self.shape
        n_u, n_v, _ = grid.shape
        atoms = self._atoms_from(frac, patch.origin)
        add = density.add_orthogonal if self.is_orthogonal else density.add_oblique
        which = np.flatnonzero(atoms.occ)
        if len(frac) >= MANY_ATOMS:
            which = which[by_columns(atoms.frac[which], self.shape)]

        def fill_slab(first: int, last: int) -> None:
            grid[first:last, :, :nw] = level
            grid[first:last, :, nw:] = BACKGROUND
            add(grid, self._axes, atoms, self._gaussians, which, first, last)
            density.fold_rows(grid, nw, first, last)

        work = n_u * n_v * nw + len(frac) * POINTS_PER_ATOM
        threads = min(threads, work // POINTS_PER_THREAD)
        load = None
        if threads > 1:
            load = plane_loads(atoms.frac[:, 0], n_u, nu, self._largest_steps[0])
            load = load + LOAD_OF_POINT * n_v * nw
        in_stretches(fill_slab, n_u, threads, load, UNIT_OF_WORK * n_u * n_v * nw + self.seconds)

    def gather(self, patch: Patch, frac: np.ndarray, threads: int = 1) -> np.ndarray:
        """(n, 11) derivatives of sum_p m(p) rho(p) for a map m, rho the density: its transpose.

        The same points under the same truncated Gaussians are used as by :meth:`fill`, so that the
        two are transposes to rounding. The radii are taken as fixed. See
        :mod:`friedel.kernels.grid.density_adjoint` for the columns: all but the first are for the
        atoms' occupancies, and the last is NaN for atoms without a constant term,
        or with one that the cutoff removes.

        Parameters
        ----------
        patch
            float32 or float64 map, contiguous, in rows of `row_length`. Values beyond the cell are
            overwritten.
        frac
            (n, 3) positions of the atoms.
        threads
            Number of threads; the result is the same bits for any number.
        """
        grid, nw = patch.rows, self.shape[2]
        seconds = UNIT_OF_WORK * grid.size
        in_stretches(lambda i, j: unfold_rows(grid, nw, i, j), len(grid), threads, seconds=seconds)
        kernel = gather_orthogonal if self.is_orthogonal else gather_oblique
        atoms = self._atoms_from(frac, patch.origin)
        order = by_columns(atoms.frac, self.shape)
        out = np.zeros((len(frac), COLUMNS))
        out[:, -1] = np.nan

        def gather_some(first: int, last: int) -> None:
            kernel(grid, self._axes, atoms, self._gaussians, order, first, last, out)

        threads = min(threads, len(frac) // ATOMS_PER_THREAD)
        in_stretches(gather_some, len(frac), threads, seconds=2.0 * self.seconds)
        out[:, 1:] *= atoms.occ[:, None]
        return out

    def _atoms_from(self, frac: np.ndarray, origin: tuple[int, int]) -> RoundAtoms | AnyAtoms:
        """The atoms at other positions, relative to the grid point (u, v)."""
        # Subtracted even if zero, so that the kernels always get an array of the same type
        start = np.array([origin[0] / self.shape[0], origin[1] / self.shape[1], 0.0])
        return self._atoms._replace(frac=frac - start)


def _work_of_atoms(crystal: Crystal, shape: tuple[int, int, int], radius: np.ndarray) -> float:
    """Work for atoms with (n, n_groups) radii on a grid, in units of clearing one grid point."""
    # Radii of absurd choices overflow here; the longest calls are then the shortest possible
    with np.errstate(over="ignore"):
        points = 4.2 * (radius**3).sum() * math.prod(shape) / crystal.volume
        steps = crystal.reciprocal_lengths * np.array(shape)
        widest = 2.0 * radius.max(initial=0.0) * steps.max() + 2 * LANES
    per_point = POINTS_PER_SLOW_GAUSSIAN if widest >= BOX else POINTS_PER_GAUSSIAN
    return float(min(radius.size * POINTS_PER_ATOM + GROUP * per_point * points, 1e20))


def by_columns(frac: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(n,) indices of the atoms, sorted by columns of the grid."""
    n = np.ceil(np.array(shape[:2]) / COLUMN)
    u, v = ((frac[:, :2] - np.floor(frac[:, :2])) * n).astype(np.uint16).T
    # 16-bit numbers are sorted fastest; wrap-around in huge grids affects only the order
    return np.argsort(u * np.uint16(n[1]) + v, kind="stable")


def widest_gap_of_few(coordinates: np.ndarray, size: int) -> tuple[int, int]:
    """What :func:`friedel.kernels.grid.boxes.widest_gap` finds, without an array of the axis."""
    if not len(coordinates):
        return 0, 0
    at = np.unique(((coordinates - np.floor(coordinates)) * size).astype(np.int64) % size)
    gaps = np.diff(at, prepend=-1) - 1
    gaps = np.append(gaps, size - 1 - at[-1] + at[0])
    widest = int(np.argmax(gaps))
    return (int(at[widest % len(at)]) if gaps[widest] else 0), int(gaps[widest])


def occupied_range(coordinates: np.ndarray, size: int, radius: float) -> tuple[int, int]:
    """First index and number of points of a periodic axis within `radius` (steps) of any atom."""
    is_long = size > MANY_POINTS + POINTS_PER_COORDINATE * len(coordinates)
    first, gap = (widest_gap_of_few if is_long else widest_gap)(coordinates, size)
    # An atom is anywhere between its index and the next
    margin = int(np.ceil(radius)) + 1
    n = size - gap + 2 * margin + 1
    return (0, size) if n > CROP_BELOW * size else ((first - margin) % size, n)


def occupied_part(
    frac: np.ndarray, shape: tuple[int, int, int], largest_steps: np.ndarray, *, may_crop: bool
) -> list[tuple[int, int]]:
    """First index and number of points along x and y of the part of a grid near atoms."""
    if not may_crop:
        return [(0, shape[0]), (0, shape[1])]
    return [occupied_range(frac[:, i], shape[i], largest_steps[i]) for i in (0, 1)]


def points_near_atoms(
    crystal: Crystal,
    atoms: Atoms,
    a: np.ndarray,
    b: np.ndarray,
    shape: tuple[int, int, int],
    blur: float,
    cutoff: float,
) -> int:
    """Number of points of the patch that :class:`AtomsOnGrid` takes for these atoms."""
    radii = RadiusTable.for_atoms(atoms, GaussianGroups.from_sums(a, b), blur, cutoff)
    steps = radii.largest * crystal.reciprocal_lengths * np.array(shape)
    u, v = occupied_part(atoms.frac, shape, steps, may_crop=not atoms.is_aniso.any())
    return u[1] * v[1] * row_length(shape[2], steps[2])


def plane_loads(coordinates: np.ndarray, n: int, size: int, radius: float) -> np.ndarray:
    """(n,) number of atoms within `radius` (steps) of each of the first planes of an axis."""
    first = np.floor(coordinates % 1.0 * size - radius).astype(np.int64)
    width = min(int(2.0 * radius) + 1, size)
    change = np.zeros(2 * size)
    starts = np.bincount(first % size, minlength=size)
    change[:size] += starts
    change[width : width + size] -= starts
    reached = np.cumsum(change)
    return (reached[:size] + reached[size:])[:n]


def row_length(nw: int, radius: float) -> int:
    """Length of rows of `nw` points that contain every atom which begins in the cell.

    It is a multiple of LANES, but not of 4 LANES: rows a power of two apart would
    compete for the same cache lines.
    """
    needed = nw + min(int(np.ceil(2.0 * radius)) + 2 * LANES, BOX)
    vectors = -(-needed // LANES)
    return (vectors + (vectors % 4 == 0)) * LANES


def check_indices(shape: tuple[int, int, int]) -> None:
    """Raise an error if the grid has more points than the kernels can index: vectors in 32 bits.

    Raises
    ------
    MemoryLimitError
        For a larger grid.
    """
    if math.prod(shape) >= LANES * 2**31:
        raise MemoryLimitError(
            "a grid of {} x {} x {} points is too large to be indexed; use a lower resolution "
            "or a larger rtol".format(*shape)
        )


def is_for_orthogonal_kernel(step: np.ndarray, atoms: Atoms, radii: RadiusTable) -> bool:
    """Whether the kernel for isotropic atoms and right angles is used on this grid."""
    orthogonal = np.count_nonzero(step) == 3 and not atoms.is_aniso.any()
    widest = 2.0 * radii.largest / np.diag(step).min() + 2 * LANES
    return bool(orthogonal and widest < BOX)


def any_atoms(atoms: Atoms, radii: RadiusTable) -> AnyAtoms:
    """The atoms as arguments of the kernels for any atoms."""
    broadest = atoms.b_eigenvalues[:, 2].copy()
    radius = radii.of(broadest, atoms.kind)
    return AnyAtoms(atoms.frac, atoms.occ, atoms.b_tensor, broadest, atoms.kind, radius)


def check_widths(atoms: Atoms, b: np.ndarray, blur: float) -> None:
    """Raise an error unless every Gaussian on the grid is positive definite.

    Raises
    ------
    ParameterError
        When one is not; the message gives the blur that would suffice.
    """
    narrowest = atoms.b_eigenvalues[:, 0] + b.min(axis=1)[atoms.kind]
    worst = int(np.argmin(narrowest))
    if narrowest[worst] + blur <= 0:
        raise ParameterError(
            f"atom {worst + 1} has no finite density: its smallest B is {narrowest[worst]:g} A^2 "
            f"and blur is {blur:g}; expected a blur above {-narrowest[worst]:g} A^2"
        )
