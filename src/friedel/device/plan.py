"""What a device needs of a calculator: arrays that do not depend on the atoms' parameters.

A plan stays on the CPU and is the same for all members of all batches. Nothing here needs PyTorch
or a GPU.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from friedel.accuracy.plan import Plan
from friedel.constants import TRANSLATION_DENOMINATOR, U_TO_B
from friedel.density.fourier import scale_of_terms
from friedel.density.radii import GaussianGroups, RadiusTable
from friedel.errors import AccuracyError, AtomsError, FriedelError
from friedel.kernels.device.splat import TILE
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.reciprocal.fourier import CONJUGATE, COS, IN_PLANE, SIN, map_terms
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.grid_sum import GridSum

LARGEST_EXPONENT = {np.dtype(np.float32): 80.0, np.dtype(np.float64): 600.0}
"""A Gaussian below exp(-this) in the middle of a column of points is left out of the column."""

MOST_CURVED = {np.dtype(np.float32): 1.7, np.dtype(np.float64): 20.0}
"""Largest Q_zz of a Gaussian exp(-d Q d) for which what is left out of a column, four points from
its middle, is less than 1e-6 of the peak."""

NARROWER, WIDER = (16.0, 8.0, 4.0, 2.0, 1.0), (40.0, 20.0, 10.0, 5.0, 2.0)
"""Shifts of all B (Å^2) with which the plan is tested, to find its range of B."""

ELONGATED = 1.3
"""Half-width of the box of an anisotropic atom, relative to the radius for its largest B, up to
which the tables of near tiles extend."""


@dataclass(frozen=True, eq=False)
class FormFactors:
    """Real form factors as sums of Gaussians, with the radii of the atoms.

    Attributes
    ----------
    a, b
        (n_kinds, n_terms) coefficients; b in Å^2.
    broadest
        (n_kinds, n_groups) b of the broadest Gaussian of each group.
    radii
        Radii (Å) of the groups, at the B of the plan's range.
    kinds
        (n_kinds,) bool: kinds of atoms that have any amplitude.
    """

    a: np.ndarray
    b: np.ndarray
    broadest: np.ndarray
    radii: RadiusTable
    kinds: np.ndarray

    @classmethod
    def of(
        cls,
        a: np.ndarray,
        b: np.ndarray,
        sampling: Plan,
        limits: tuple[float, float],
        largest_occ: float,
    ) -> "FormFactors":
        """Form factors (n_kinds, n_terms) of atoms whose B are within limits (Å^2)."""
        groups = GaussianGroups.from_sums(a, b)
        corners = Atoms.from_labels(["C", "C"], np.zeros((2, 3)), largest_occ, np.array(limits))
        radii = RadiusTable.for_atoms(corners, groups, sampling.blur, sampling.cutoff)
        used = groups.a.any(axis=0)
        broadest = groups.groups_of(groups.b)[:, :, GROUP - 1]
        kinds = (groups.a != 0).any(axis=1)
        return cls(groups.a[:, used], groups.b[:, used], broadest, radii, kinds)


@dataclass(frozen=True, eq=False)
class TransformTerms:
    """Positions in half transforms of the terms of reflections, forwards and transposed.

    Attributes
    ----------
    index, turn, factor
        Arrays of :func:`friedel.kernels.device.symmetry.sum_terms`.
    at, start, source, source_turn
        Arrays of :func:`friedel.kernels.device.symmetry.spread_terms`. In the planes l = 0 and
        l = nw / 2 the terms are at -h, -k as well: an inverse transform to real values is defined
        only for planes that are Hermitian.
    half
        Shape of the half transform.
    """

    index: np.ndarray
    turn: np.ndarray
    factor: np.ndarray
    at: np.ndarray
    start: np.ndarray
    source: np.ndarray
    source_turn: np.ndarray
    half: tuple[int, int, int]

    @classmethod
    def of(
        cls,
        crystal: Crystal,
        hkl: np.ndarray,
        shape: tuple[int, int, int],
        factor: np.ndarray,
        *,
        symmetry_sum: bool = True,
    ) -> "TransformTerms":
        """The terms of reflections (n, 3) on a grid, times factors (n,)."""
        nu, nv, nw = shape
        half = nu, nv, nw // 2 + 1
        rotations, translations = crystal.primitive_operations
        if not symmetry_sum:
            rotations, translations = rotations[:1], translations[:1]
        index = np.empty((len(hkl), len(rotations)), np.uint64)
        flags = np.empty(index.shape, np.uint8)
        hkl = np.ascontiguousarray(hkl, np.int32)
        map_terms(hkl, rotations, translations, half, nw, index, flags)
        index, turn = index.astype(np.int64), flags % IN_PLANE
        scale = scale_of_terms(crystal, hkl, shape, symmetry_sum=symmetry_sum)
        # Transposed: the terms of each position, in their own order
        in_plane = flags.ravel() >= IN_PLANE
        source = np.repeat(np.arange(len(hkl)), len(rotations))
        h, k, l = np.unravel_index(index.ravel()[in_plane], half)
        mates = np.ravel_multi_index((-h % nu, -k % nv, l), half)
        places = np.concatenate([index.ravel(), mates])
        conjugated = (turn.ravel()[in_plane] + CONJUGATE) % IN_PLANE
        turns = np.concatenate([turn.ravel(), conjugated])
        source = np.concatenate([source, source[in_plane]])
        order = np.lexsort((source, places))
        at, start = np.unique(places[order], return_index=True)
        start = np.append(start, len(places))
        return cls(index, turn, scale * factor, at, start, source[order], turns[order], half)


@dataclass(frozen=True, eq=False)
class DevicePlan:
    """The calculation of F on a grid, for batches of atoms that differ in their parameters.

    Attributes
    ----------
    calculator
        The calculator, whose reflections, atoms and accuracy the plan has.
    sampling
        Grid, blur and cutoff.
    b_limits
        Least and largest B (Å^2), of tensors the eigenvalues, for which the plan meets the rtol of
        the calculator.
    real, imaginary
        Form factors, and their imaginary parts f''; None where all are zero.
    """

    calculator: Calculator
    sampling: Plan
    b_limits: tuple[float, float]
    real: FormFactors
    imaginary: FormFactors | None

    @classmethod
    def of(cls, calculator: Calculator) -> "DevicePlan":
        """Plan the same calculation for a device.

        Raises
        ------
        AccuracyError
            When no grid meets the rtol of the calculator.
        ParameterError
            For form factors of individual atoms, which are summed directly.
        AtomsError
            When there are no atoms with occupancy.
        """
        atoms = calculator.atoms
        if not len(atoms) or not atoms.occ.any():
            raise AtomsError("got no atoms with occupancy, expected some for which to plan a grid")
        grid_sum = calculator.at().grid_sum
        if grid_sum is None:
            options = calculator.options.replace(method="fft")
            calculator = replace(calculator, options=options)
            grid_sum = calculator.at().grid_sum
            if grid_sum is None:
                raise AccuracyError("all reflections are (0, 0, 0), which no grid is needed for")
        sampling, (a, b, f_double_prime) = grid_sum.plan, grid_sum.form_factors
        limits, largest_occ = _limits(grid_sum, atoms), float(np.abs(atoms.occ).max())
        real = FormFactors.of(a, b, sampling, limits, largest_occ)
        imaginary = None
        if f_double_prime.any():
            constants = f_double_prime[:, None]
            flat = np.zeros_like(constants)
            imaginary = FormFactors.of(constants, flat, sampling, limits, largest_occ)
        return cls(calculator, sampling, limits, real, imaginary)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Points of the grid along each axis."""
        return self.sampling.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the grid that the accuracy needs: float32 or float64."""
        return self.sampling.dtype

    @cached_property
    def step(self) -> np.ndarray:
        """(3, 3) steps along the grid axes, Cartesian, upper triangular, Å."""
        return self.calculator.crystal.orthogonalization / np.array(self.shape)

    def checked_dtype(self, dtype: np.dtype | type | None) -> np.dtype:
        """The type of numbers to calculate with; by default that of the plan.

        Raises
        ------
        AccuracyError
            When atoms are too narrow for float32.
        """
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        parts = [self.real] if self.imaginary is None else [self.real, self.imaginary]
        narrowest = min(float(part.b[part.kinds].min()) for part in parts)
        width = self.b_limits[0] + narrowest + self.sampling.blur
        curvature = 4.0 * math.pi**2 * float(self.step[:, 2] @ self.step[:, 2]) / width
        if curvature > MOST_CURVED[dtype]:
            raise AccuracyError(
                f"the narrowest atoms, B = {width:.3g} A^2 with the blur, are too narrow on this "
                f"grid for {dtype}; expected float64, or a blur"
            )
        return dtype

    @cached_property
    def mean(self) -> float:
        """Mean density of the planned atoms, whose F(000) would cause rounding errors."""
        atoms = self.calculator.atoms
        per_kind = self.real.a.sum(axis=1)
        return float(atoms.occ @ per_kind[atoms.kind]) / self.calculator.crystal.volume

    @cached_property
    def terms(self) -> TransformTerms:
        """The terms of the reflections, with all factors from a half transform to F.

        That of F(000) is zero: F(000) is not calculated from the grid.
        """
        calculator = self.calculator
        unblur = np.exp(self.sampling.blur * calculator.stol2)
        factor = unblur * calculator.factors.post_factor(calculator.stol2)
        factor[calculator.stol2 == 0.0] = 0.0
        return TransformTerms.of(calculator.crystal, calculator.hkl, self.shape, factor)

    def reach(self, part: FormFactors) -> tuple[int, int, int]:
        """Largest distance in grid points from the point before an atom to a point under it."""
        stretch = ELONGATED if self.calculator.atoms.is_aniso.any() else 1.0
        return reach_of(self.calculator.crystal, self.shape, stretch * part.radii.largest)


def reach_of(crystal: Crystal, shape: tuple[int, int, int], radius: float) -> tuple[int, int, int]:
    """Largest distance in grid points, along each axis, within a radius (Å) of an atom."""
    steps = radius * crystal.reciprocal_lengths * np.array(shape)
    u, v, w = (math.floor(float(x)) + 1 for x in steps)
    return u, v, w


def near_tiles(shape: tuple[int, int, int], reach: tuple[int, int, int]) -> np.ndarray:
    """(3, tiles, runs, 3) int32 runs of tiles whose atoms reach a tile, as the kernels need them.

    Axes with fewer tiles, and tiles with fewer runs, have empty runs (1, 0, 0) at the end.
    """
    per_axis = []
    for n, far in zip(shape, reach, strict=True):
        rows = []
        for tile in range(-(-n // TILE)):
            low, high = TILE * tile - far, min(TILE * (tile + 1), n) - 1 + far
            periods = range(low // n, high // n + 1)
            ends = ((max(low - m * n, 0), min(high - m * n, n - 1), m) for m in periods)
            rows.append([(first // TILE, last // TILE, -m * n) for first, last, m in ends])
        per_axis.append(rows)
    longest = max(len(rows) for rows in per_axis)
    n_runs = max(len(runs) for rows in per_axis for runs in rows)
    out = np.zeros((3, longest, n_runs, 3), np.int32)
    out[..., 0] = 1
    for axis, rows in enumerate(per_axis):
        for tile, runs in enumerate(rows):
            out[axis, tile, : len(runs)] = runs
    return out


def sizes_of(shape: tuple[int, int, int], reach: tuple[int, int, int]) -> np.ndarray:
    """(9,) int32 points and tiles along each axis, and the reach."""
    return np.array([*shape, *(-(-n // TILE) for n in shape), *reach], np.int32)


def phase_shifts() -> np.ndarray:
    """(24, 2) cosines and sines of the phase shifts by translations."""
    return np.column_stack([COS, SIN])[:TRANSLATION_DENOMINATOR]


def _limits(grid_sum: GridSum, atoms: Atoms) -> tuple[float, float]:
    """Least and largest B of atoms for which the plan would be kept."""

    def largest_kept(shifts: tuple[float, ...], sign: float) -> float:
        for shift in shifts:
            moved = _with_wider_atoms(atoms, sign * shift)
            try:
                if grid_sum.is_kept_for(moved):
                    return shift
            except FriedelError:
                continue  # some atom would have no density
        return 0.0

    b = atoms.b_eigenvalues
    low = float(b[:, 0].min()) - largest_kept(NARROWER, -1.0)
    return low, float(b[:, 2].max()) + largest_kept(WIDER, 1.0)


def _with_wider_atoms(atoms: Atoms, shift: float) -> Atoms:
    """The atoms with a constant added to all B, Å^2."""
    u_aniso = atoms.u_aniso
    if u_aniso is not None:
        isotropic = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]) * (shift / U_TO_B)
        u_aniso = np.where(atoms.is_aniso[:, None], u_aniso + isotropic, 0.0)
    return atoms.replace(b_iso=atoms.b_iso + shift, u_aniso=u_aniso)
