"""The accuracy model: predicted errors on any grid, and the cheapest grid for a given error.

Three errors are predicted from the model's own Wilson curve P(s), the expected |F|^2 of
one asymmetric unit at s = 1/d: aliasing (power beyond the grid's Nyquist limit),
truncation (tails beyond the atoms' radii) and rounding. For each of the candidate grids the
smallest sufficient blur and the largest sufficient density level are found, and the cheapest
choice is taken. docs/accuracy.md derives the expressions.

The error is E(shell) = sqrt(sum |dF|^2 / sum |F|^2) in each of ten equal-volume resolution shells.
`rtol` is that of the worst of them which is expected at most, with a factor of 2.2 to spare; it
does not bound single weak reflections.
"""

import math

import numpy as np

from friedel.accuracy.overlap import overlap_of
from friedel.accuracy.plan import Fixed, Plan
from friedel.accuracy.rounding import (
    ROUNDING_OF_ATOMS,
    UNIT_ROUNDOFF,
    integrable_power,
    volumes_around,
)
from friedel.accuracy.shells import LONGEST_LIST, FewReflections, Shells
from friedel.accuracy.truncation import ClassGroups
from friedel.accuracy.wilson import (
    atom_classes,
    log_power_along,
    log_power_at,
    wilson_curves,
)
from friedel.density.grid import fast_size
from friedel.density.radii import GaussianGroups
from friedel.errors import ParameterError
from friedel.kernels.grid.boxes import BOX
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.reciprocal.accuracy import (
    MAX_BLUR,
    Allowed,
    Cost,
    Errors,
    Grids,
    alias_error,
    alias_power,
    cheapest_sampling,
    largest_level,
    predicted_errors,
    rounding_error,
    smallest_blur,
)
from friedel.kernels.reciprocal.rounding import MOST_EXPONENT, Precision, Rounding
from friedel.kernels.simd import LANES
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

Shape = tuple[int, int, int]

SAFETY = 2.2
"""Safety factor for the scatter of predicted errors, which are kept below rtol / SAFETY."""
ALIAS_SHARE = 0.4
"""Fraction of the error budget (squared) for aliasing; the optimum is flat around it."""
ALIAS_PART, TRUNCATION_PART = np.sqrt([ALIAS_SHARE, 1.0 - ALIAS_SHARE]).tolist()
TOLERATED_NOISE = math.sqrt(0.9 - ALIAS_SHARE)
"""Largest rounding error relative to the budget: a tenth of it (squared) is left to truncation."""
FIRST_LEVEL = 1e-6
"""Initial density level of the search for the largest, for atoms of which the largest f is 1."""
MIN_WIDTH = 1.0
"""Smallest eigenvalue (Å^2) of B + blur that a grid samples."""
RATES = np.exp(np.arange(np.log(1.1), np.log(4.0), 0.05))
"""Candidate oversampling rates: grid spacing = d_min / (2 rate)."""
LARGE_BLUR = 50.0
"""Excess (Å^2) over the smallest blur that is tried if a fixed rate is too coarse."""

MANY_TENSORS = 1_000_000
"""Number of tensors times reflections above which the mean over directions is taken."""
LONG_ELLIPSOID = 5.0
"""Spread of the exponents B s^2/2 over directions, below which the mean over them suffices."""
TABLE_REACH = 8.0
TABLE_POINTS = 400
"""Number of points of the Wilson curve, spaced equally in s^2 up to s = TABLE_REACH / d_min."""

NEIGHBOURS = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T[14:]
FARTHER = np.array(np.meshgrid(*[range(-3, 4)] * 3, indexing="ij")).reshape(3, -1).T[172:]
"""One of each pair of the 26 neighbours of a lattice point, and of those up to three steps away."""
UNIT_STEPS = np.abs(NEIGHBOURS).sum(axis=1) == 1
OBLIQUE = 0.9
"""Lattices with a diagonal that is shorter than this part of the edges are searched farther."""
ATTEMPTS, TOLERANCE = 6, 1.02
"""Largest number of searches for few reflections, and accepted excess of aliasing."""

SECONDS_PER_CALL = 4.5e-5
SECONDS_PER_GRID_POINT = 2.7e-9
COST_ORTHOGONAL = (4.2e-7, 1.05e-10)
COST_MONOCLINIC = (1.2e-6, 2.0e-10)
COST_OF_ANY = (1.5e-6, 2.5e-10)
COST_WIDE = 8.5e-10
COST_OF_TYPE = {np.dtype(np.float32): 1.0, np.dtype(np.float64): 1.5}
"""Costs (s): per call; per grid point of density, fold and transform; per group of Gaussians of one
atom and per Gaussian and grid point, for isotropic atoms with right angles, with a right alpha, and
for all others; per Gaussian and grid point of spheres wider than the tables of the kernels; and
factor of the cost by type."""

LONG_LINE, SLOWER_LONG_LINES = 2**14, 6.0
"""Length of lines whose transform does not fit into a cache, and the factor by which it is slower.
No real cell has so many grid points along an edge."""


class AccuracyModel:
    """Predicted errors of one model at one resolution, for any grid, blur and level.

    Parameters
    ----------
    a, b
        (n_kinds, n_terms) Gaussian coefficients by atom type.
    d_min
        Resolution limit to which the error applies, Å.
    hkl
        (n, 3) reflections for which it is predicted; by default all to `d_min`.
    factor
        (n,) factors by which the sums over atoms are multiplied, that of Mott-Bethe.
    multiple_of
        Divisors of the grid sizes along a, b and c.

    Raises
    ------
    AccuracyError
        When all occupancies are zero.
    """

    def __init__(
        self,
        crystal: Crystal,
        atoms: Atoms,
        a: np.ndarray,
        b: np.ndarray,
        d_min: float,
        hkl: np.ndarray | None = None,
        factor: np.ndarray | None = None,
        multiple_of: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        self.crystal, self.d_min = crystal, d_min
        self._multiple_of = multiple_of
        # Errors are relative: the model is that of atoms of which the largest form factor is 1
        of_a, of_occ = (float(np.abs(x).max()) or 1.0 for x in (np.abs(a).sum(axis=1), atoms.occ))
        self._unit = of_a * of_occ
        a = a / of_a
        classes = atom_classes(atoms, of_occ)
        shells = Shells.gauss_points(d_min)
        if hkl is not None and factor is not None:
            shells = Shells.of_reflections(crystal.stol2(hkl), factor**2)
        s2 = np.arange(TABLE_POINTS) * ((TABLE_REACH / d_min) ** 2 / (TABLE_POINTS - 1))
        # The lattice of a grid with equal spacings; in very oblique cells diagonals are shorter
        across = crystal.fractionalization / crystal.reciprocal_lengths[:, None]
        lengths = _lengths(NEIGHBOURS @ across)
        self._is_oblique = lengths.min() < OBLIQUE * lengths[UNIT_STEPS].min()
        log_power, log_mean = wilson_curves(classes, a, b, s2)
        log_there = np.interp(shells.s**2, s2, log_mean)
        rounded_there = log_there
        if factor is not None:
            # Terms that cancel have less power than is rounded
            log_there = log_power_at(classes, a, b, shells.s**2)
            rounded_there = log_power_at(classes, np.abs(a), b, shells.s**2)
        # Contribution of power to the squared error of its shell, relative to the shell's power
        log_share = shells.log_weight - shells.log_sums(log_there)
        self._few: FewReflections | None = None
        if hkl is not None and len(hkl) <= LONGEST_LIST:
            used = (hkl != 0).any(axis=1) & ~crystal.is_absent(hkl)
            hkl, factor = hkl[used], None if factor is None else factor[used]
            s2_of_few = 4.0 * crystal.stol2(hkl)
            curve = np.interp(s2_of_few, s2, log_mean)
            if factor is not None:
                curve = log_power_at(classes, a, b, s2_of_few)
            along = self._along_directions(atoms, a, b, hkl, of_occ)
            self._log_few = curve if along is None else along
            self._few = FewReflections.of(crystal, hkl, self._log_few, factor)
            more = self._few.rarely_exceeded(np.ones(len(hkl))) / SAFETY**2
            if along is not None:
                # Less power than in the average over directions is more relative error
                ratio = np.exp(np.minimum(curve - along, MOST_EXPONENT / 2.0))
                more *= np.maximum(self._few.expected(ratio), 1.0)
            log_share += np.log(np.maximum(more, 1.0))[:, None]
        rounded = np.exp(log_share + rounded_there).sum(axis=1).max()
        # Low orders add up; those of Mott-Bethe vanish, and the middle of the range counts
        f = (a if factor is None else a * np.exp(-0.25 * b / (2.0 * d_min) ** 2)).sum(axis=1)
        f_of_atoms = atoms.occ / of_occ * f[atoms.kind]
        rounded_s2, rounded_log_power = (
            integrable_power(classes, a, b, s2, log_power)
            if factor is None
            else integrable_power(classes, np.abs(a), b, s2, None)
        )
        rounding = Rounding(
            rounded_s2,
            rounded_log_power,
            volumes_around(np.sqrt(rounded_s2)),
            float(f_of_atoms @ f_of_atoms),
            float(np.count_nonzero(a, axis=1)[atoms.kind].mean()),
            overlap_of(crystal, atoms, f_of_atoms),
            math.sqrt(max(float(rounded), 1.0)),
        )
        groups = ClassGroups.of(classes, GaussianGroups.from_sums(a, b))
        self._n_groups = groups.number
        self._errors = Errors(
            shells.s,
            log_share,
            log_power,
            float(s2[1]),
            groups.a,
            groups.b,
            groups.count,
            crystal.volume,
            rounding,
        )
        # Includes atoms without occupancy; the mean of a class is not narrow enough
        narrowest = atoms.b_eigenvalues[:, 0] + b.min(axis=1)[atoms.kind]
        self.min_blur = MIN_WIDTH - float(narrowest.min())
        self._cost_of_atoms = _cost_of_atoms(crystal, atoms)

    def cheapest(self, rtol: float, dtype: np.dtype) -> Plan | None:
        """The plan of least predicted time that meets `rtol`, or None."""
        allowed, shapes = rtol / SAFETY, self._shapes(RATES)
        for_alias = ALIAS_PART * allowed
        for _ in range(ATTEMPTS):
            plan = self._cheapest_of(shapes, allowed, for_alias, dtype)
            if plan is None or self._few is None:
                return plan
            found = self._alias_of_few(plan.shape, plan.blur)
            if found <= TOLERANCE * ALIAS_PART * allowed:
                return plan
            for_alias *= 0.95 * ALIAS_PART * allowed / found
        return None

    def _cheapest_of(
        self, shapes: list[Shape], allowed: float, for_alias: float, dtype: np.dtype
    ) -> Plan | None:
        """The plan of least predicted time with one of the grids, from coarse to fine."""
        precision = self._precision(dtype)
        if precision.of_atoms > TOLERATED_NOISE * allowed:
            return None
        best, blur, level, error, seconds = cheapest_sampling(
            self._errors,
            precision,
            self._cost(dtype),
            self._grids(shapes, dtype),
            Allowed(allowed, for_alias, TRUNCATION_PART * allowed, TOLERATED_NOISE * allowed),
            self.min_blur,
            FIRST_LEVEL,
        )
        if best < 0:
            return None
        shape = shapes[best]
        return Plan(shape, self._rate(shape), blur, level * self._unit, dtype, error, seconds)

    def closest(self, rtol: float, fixed: Fixed, dtype: np.dtype) -> Plan:
        """The plan that comes closest to `rtol` with some choices fixed."""
        if fixed.blur is not None and fixed.blur <= self.min_blur - MIN_WIDTH:
            raise ParameterError(
                f"got blur = {fixed.blur:g} A^2; the sharpest atom has no finite density with "
                f"less than {self.min_blur - MIN_WIDTH:g}"
            )
        allowed = rtol / SAFETY
        best: Plan | None = None
        for shape in self._shapes(RATES if fixed.rate is None else np.array([fixed.rate])):
            blur = fixed.blur
            if blur is None:
                blur = self._smallest_blur(shape, allowed * ALIAS_PART)
            if blur == np.inf:
                blur = MAX_BLUR if fixed.rate is None else self.min_blur + LARGE_BLUR
            if fixed.cutoff is None:
                level = largest_level(self._errors, blur, FIRST_LEVEL, allowed * TRUNCATION_PART)
            else:
                level = fixed.cutoff / self._unit
            plan = self._plan(shape, blur, level, dtype)
            if plan.error <= allowed:
                return plan
            if best is None or plan.error < best.error:
                best = plan
        assert best is not None
        return best

    def replanned(self, plan: Plan) -> Plan:
        """The same sampling with the error and the time predicted for this model."""
        return self._plan(plan.shape, plan.blur, plan.cutoff / self._unit, plan.dtype)

    def error(self, shape: Shape, blur: float, cutoff: float, dtype: np.dtype) -> float:
        """Relative error of the worst shell from all three sources."""
        return self._plan(shape, blur, cutoff / self._unit, dtype).error

    def rounding_error(self, plan: Plan) -> float:
        """Relative error of the worst shell from rounding alone."""
        precision, n_points = self._precision(plan.dtype), float(math.prod(plan.shape))
        level = plan.cutoff / self._unit
        return rounding_error(self._errors, precision, n_points, plan.blur, level)

    def _plan(self, shape: Shape, blur: float, level: float, dtype: np.dtype) -> Plan:
        """A sampling with the predicted error and time."""
        alias, truncation, rounding, seconds = predicted_errors(
            self._errors,
            self._precision(dtype),
            self._cost(dtype),
            self._grids([shape], dtype),
            blur,
            level,
        )
        if self._few is not None:
            alias = max(alias, self._alias_of_few(shape, blur))
        error = math.hypot(alias, truncation, rounding)
        return Plan(shape, self._rate(shape), blur, level * self._unit, dtype, error, seconds)

    def _precision(self, dtype: np.dtype) -> Precision:
        of_atoms = ROUNDING_OF_ATOMS[dtype] * self._errors.rounding.cancellation
        return Precision(UNIT_ROUNDOFF[dtype], of_atoms)

    def _cost(self, dtype: np.dtype) -> Cost:
        """What the density and its transform take with one thread."""
        of_type, of_volume = COST_OF_TYPE[dtype], COST_OF_TYPE[dtype] * GROUP / self.crystal.volume
        costs = [
            (SECONDS_PER_CALL + of_type * self._n_groups * per_group, of_volume * per_term)
            for per_group, per_term in (self._cost_of_atoms, COST_OF_ANY)
        ]
        return Cost(*costs[0], *costs[1], GROUP * COST_WIDE / self.crystal.volume)

    def _grids(self, shapes: list[Shape], dtype: np.dtype) -> Grids:
        """What errors and times depend on, for each of the grids."""
        points = np.array(shapes, float)
        per_point = np.full(len(points), COST_OF_TYPE[dtype] * SECONDS_PER_GRID_POINT)
        per_point[points.max(axis=1) > LONG_LINE] *= SLOWER_LONG_LINES
        # Spheres that do not fit into the tables of the kernels take exponentials at every row
        widest = (0.5 * BOX - LANES) / (points * self.crystal.reciprocal_lengths).max(axis=1)
        lattices = _lengths(self._lattices(shapes))
        return Grids(np.prod(points, axis=1), lattices, per_point, widest)

    def _alias_error(self, shape: Shape, blur: float) -> float:
        """Relative error of the worst shell from aliasing."""
        return alias_error(self._errors, _lengths(self._lattice(shape)), blur)

    def _smallest_blur(self, shape: Shape, allowed: float) -> float:
        """Blur (Å^2) at which aliasing falls to `allowed`, infinite if it exceeds MAX_BLUR."""
        lattice = _lengths(self._lattice(shape))
        return smallest_blur(self._errors, lattice, self.min_blur, allowed, 0)

    def _along_directions(
        self, atoms: Atoms, a: np.ndarray, b: np.ndarray, hkl: np.ndarray, unit: float
    ) -> np.ndarray | None:
        """Ln P of the reflections with the tensors of the atoms, where these are few.

        The mean over directions does not describe one or two atoms with long ellipsoids.
        """
        rotations, _ = self.crystal.primitive_operations
        if not atoms.is_aniso.any() or len(hkl) * len(atoms) * len(rotations) > MANY_TENSORS:
            return None
        spread = float(np.ptp(atoms.b_eigenvalues, axis=1).max())
        if 0.5 * spread / self.d_min**2 < LONG_ELLIPSOID:
            return None
        stol2 = self.crystal.stol2(hkl)
        f = (a[:, :, None] * np.exp(-b[:, :, None] * stol2)).sum(axis=1)
        vectors = (hkl @ rotation @ self.crystal.fractionalization for rotation in rotations)
        mates = [log_power_along(atoms, f, x, atoms.occ / unit) for x in vectors]
        return np.asarray(np.logaddexp.reduce(mates, axis=0) - math.log(len(rotations)))

    def _lattices(self, shapes: list[Shape]) -> np.ndarray:
        """(n_shapes, n, 3) vectors of each transform's lattice around 0, one of each pair +-g."""
        basis = np.array(shapes)[:, :, None] * self.crystal.fractionalization
        if not self._is_oblique:
            return np.asarray(NEIGHBOURS @ basis)
        farther = FARTHER @ basis
        nearest = np.argsort(_lengths(farther), axis=1)[:, : 2 * len(NEIGHBOURS)]
        return np.take_along_axis(farther, nearest[:, :, None], axis=1)

    def _lattice(self, shape: Shape) -> np.ndarray:
        """(n, 3) the same vectors for one grid."""
        return np.asarray(self._lattices([shape])[0])

    def _alias_of_few(self, shape: Shape, blur: float) -> float:
        """Relative error of the worst shell from aliasing, from the reflections themselves.

        Axial reflections at the edge have more of it than the average over directions, and
        with few reflections each is a large part of its shell.
        """
        assert self._few is not None
        errors, lattice = self._errors, self._lattice(shape)
        curve = errors.log_power, errors.step
        relative = alias_power(self._few.vectors, self._log_few, lattice, *curve, blur)
        rare2 = self._few.rarely_exceeded(relative) / SAFETY**2
        return math.sqrt(float(np.maximum(self._few.expected(relative), rare2).max()))

    def _shapes(self, rates: np.ndarray) -> list[Shape]:
        """Distinct grids for ascending oversampling rates."""
        # In oblique cells indices exceed the limits from the spacing of planes
        by_spacing = 2.0 / self.d_min / self.crystal.reciprocal_lengths * rates[:, None]
        by_index = 2.0 * np.floor(np.array(self.crystal.cell[:3]) / self.d_min + 1e-6) + 1.0
        wanted = np.maximum(by_spacing, by_index).tolist()
        i, j, k = self._multiple_of
        sizes = ((fast_size(u, i), fast_size(v, j), fast_size(w, k)) for u, v, w in wanted)
        return list(dict.fromkeys(sizes))

    def _rate(self, shape: Shape) -> float:
        return float((np.array(shape) * self.crystal.reciprocal_lengths).min() * self.d_min / 2.0)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """(..., n) lengths of (..., n, 3) vectors."""
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=-1)))


def _cost_of_atoms(crystal: Crystal, atoms: Atoms) -> tuple[float, float]:
    """Costs (s) of the kernel for these atoms, per group and per Gaussian and point."""
    if atoms.is_aniso.any() or crystal.cell[3] != 90.0:
        return COST_OF_ANY
    right_angles = np.count_nonzero(crystal.orthogonalization) == 3
    return COST_ORTHOGONAL if right_angles else COST_MONOCLINIC
