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

from friedel.accuracy.overlap import Overlap
from friedel.accuracy.plan import Fixed, Plan
from friedel.accuracy.rounding import Rounding, integrable_power
from friedel.accuracy.shells import LONGEST_LIST, FewReflections, Shells
from friedel.accuracy.truncation import ClassGroups, Tails
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
from friedel.kernels.reciprocal.accuracy import alias_power, largest_level, smallest_blur
from friedel.kernels.simd import LANES
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

ALL_SHELLS, OUTER_SHELLS = slice(None), slice(-2, None)
"""Resolution shells of the final and the first search: errors are largest in the outer shells."""
SAFETY = 2.2
"""Safety factor for the scatter of predicted errors, which are kept below rtol / SAFETY."""
ALIAS_SHARE = 0.4
"""Fraction of the error budget (squared) for aliasing; the optimum is flat around it."""
ALIAS_PART, TRUNCATION_PART = np.sqrt([ALIAS_SHARE, 1.0 - ALIAS_SHARE]).tolist()
TOLERATED_NOISE = np.sqrt(0.9 - ALIAS_SHARE)
"""Largest rounding error relative to the budget: a tenth of it (squared) is left to truncation."""
FIRST_LEVEL = 1e-6
"""Initial density level of the search for the largest, for atoms of which the largest f is 1."""
TAIL_ALIASING = 1.2
"""Factor by which aliasing of the cut tails of atoms increases their power."""
MIN_WIDTH = 1.0
"""Smallest eigenvalue (Å^2) of B + blur that a grid samples."""
RATES = np.exp(np.arange(np.log(1.1), np.log(4.0), 0.05))
"""Candidate oversampling rates: grid spacing = d_min / (2 rate)."""
MAX_BLUR = 600.0
"""Largest blur (Å^2); grids that need more are too coarse."""
LARGE_BLUR = 50.0
"""Excess (Å^2) over the smallest blur that is tried if a fixed rate is too coarse."""

MAX_EXPONENT = 700.0
"""Exponent clip, for hopelessly coarse grids."""

MANY_TENSORS = 1_000_000
"""Number of tensors times reflections above which the mean over directions is taken."""
LONG_ELLIPSOID = 5.0
"""Spread of the exponents B s^2/2 over directions, below which the mean over them suffices."""
MOST = 1e150
"""Limit of variances, so that products with exponentials are finite."""

TABLE_REACH = 8.0
TABLE_POINTS = 400
"""Number of points of the Wilson curve, spaced equally in s^2 up to s = TABLE_REACH / d_min."""

COSINES, WEIGHTS = np.polynomial.legendre.leggauss(24)
LOG_WEIGHTS = np.log(WEIGHTS)
"""Logarithms of the weights of averages over the directions of s."""

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
        self.s = shells.s
        self._s2 = np.linspace(0.0, (TABLE_REACH / d_min) ** 2, TABLE_POINTS)
        self._volume = crystal.volume
        # The lattice of a grid with equal spacings; in very oblique cells diagonals are shorter
        across = crystal.fractionalization / crystal.reciprocal_lengths[:, None]
        lengths = np.linalg.norm(NEIGHBOURS @ across, axis=1)
        self._is_oblique = lengths.min() < OBLIQUE * lengths[UNIT_STEPS].min()
        self._log_power, log_mean = wilson_curves(classes, a, b, self._s2)
        log_there = np.interp(self.s**2, self._s2, log_mean)
        rounded_there = log_there
        if factor is not None:
            # Terms that cancel have less power than is rounded
            log_there = log_power_at(classes, a, b, self.s**2)
            rounded_there = log_power_at(classes, np.abs(a), b, self.s**2)
        # Contribution of power to the squared error of its shell, relative to the shell's power
        weighted = shells.log_weight + log_there
        with np.errstate(invalid="ignore"):
            share = shells.log_weight - np.logaddexp.reduce(weighted, axis=1, keepdims=True)
        self._log_share = np.nan_to_num(share, nan=-np.inf, posinf=-np.inf)
        self._few: FewReflections | None = None
        if hkl is not None and len(hkl) <= LONGEST_LIST:
            used = (hkl != 0).any(axis=1) & ~crystal.is_absent(hkl)
            hkl, factor = hkl[used], None if factor is None else factor[used]
            s2 = 4.0 * crystal.stol2(hkl)
            curve = np.interp(s2, self._s2, log_mean)
            if factor is not None:
                curve = log_power_at(classes, a, b, s2)
            along = self._along_directions(atoms, a, b, hkl, of_occ)
            self._log_few = curve if along is None else along
            self._few = FewReflections.of(crystal, hkl, self._log_few, factor)
            more = self._few.rarely_exceeded(np.ones(len(hkl))) / SAFETY**2
            if along is not None:
                # Less power than in the average over directions is more relative error
                ratio = np.exp(np.minimum(curve - along, MAX_EXPONENT / 2.0))
                more *= np.maximum(self._few.expected(ratio), 1.0)
            self._log_share += np.log(np.maximum(more, 1.0))[:, None]
        rounded = np.exp(self._log_share + rounded_there).sum(axis=1).max()
        # Low orders add up; those of Mott-Bethe vanish, and the middle of the range counts
        f = (a if factor is None else a * np.exp(-0.25 * b / (2.0 * d_min) ** 2)).sum(axis=1)
        f_of_atoms = atoms.occ / of_occ * f[atoms.kind]
        self._rounding = Rounding.of(
            *(
                integrable_power(classes, a, b, self._s2, self._log_power)
                if factor is None
                else integrable_power(classes, np.abs(a), b, self._s2, None)
            ),
            crystal.volume,
            f_of_atoms,
            float(np.count_nonzero(a, axis=1)[atoms.kind].mean()),
            Overlap.of(crystal, atoms, f_of_atoms),
            math.sqrt(max(float(rounded), 1.0)),
        )
        self._groups = ClassGroups.of(classes, GaussianGroups.from_sums(a, b))
        # Includes atoms without occupancy; the mean of a class is not narrow enough
        narrowest = atoms.b_eigenvalues[:, 0] + b.min(axis=1)[atoms.kind]
        self.min_blur = MIN_WIDTH - float(narrowest.min())
        self._cost = _cost_of_atoms(crystal, atoms)

    def cheapest(self, rtol: float, dtype: np.dtype) -> Plan | None:
        """The plan of least predicted time that meets `rtol`, or None."""
        allowed = rtol / SAFETY
        for_alias = ALIAS_PART * allowed
        for _ in range(ATTEMPTS):
            plan = self._search(allowed, for_alias, dtype)
            if plan is None or self._few is None:
                return plan
            found = self._alias_of_few(plan.shape, plan.blur)
            if found <= TOLERANCE * ALIAS_PART * allowed:
                return plan
            for_alias *= 0.95 * ALIAS_PART * allowed / found
        return None

    def _search(self, allowed: float, for_alias: float, dtype: np.dtype) -> Plan | None:
        if self._rounding.of_atoms(dtype) > TOLERATED_NOISE * allowed:
            return None
        best: Plan | None = None
        shapes = self._shapes(RATES)
        least_volume = self._least_volume(shapes[-1], allowed, for_alias)
        for shape in shapes:
            # Too expensive even with the smallest spheres, and the next grids have more points
            if best is not None and self._seconds(shape, dtype, least_volume) > best.seconds:
                break
            best = self._complete(shape, allowed, dtype, best, for_alias) or best
        return best

    def _least_volume(
        self, finest: tuple[int, int, int], allowed: float, for_alias: float
    ) -> float:
        """Volume (Å^3) of the spheres of all atoms on the finest grid, where they are smallest."""
        blur = self._smallest_blur(finest, for_alias, OUTER_SHELLS)
        if blur is None:
            return 0.0
        tails = self._groups.tails(blur)
        self._largest_cutoff(tails, allowed * TRUNCATION_PART, FIRST_LEVEL, OUTER_SHELLS)
        return tails.volume

    def _complete(
        self,
        shape: tuple[int, int, int],
        allowed: float,
        dtype: np.dtype,
        best: Plan | None,
        for_alias: float | None = None,
    ) -> Plan | None:
        """The plan for one grid; None if it fails or costs more than `best`."""
        for_alias = ALIAS_PART * allowed if for_alias is None else for_alias
        start = FIRST_LEVEL if best is None else best.cutoff / self._unit
        plan: Plan | None = None
        # The level affects rounding errors a little: the last pass knows it
        for shells in (OUTER_SHELLS, ALL_SHELLS, ALL_SHELLS):
            blur = self._smallest_blur(shape, for_alias, shells)
            if blur is None:
                return None
            noise = self._rounding_error(shape, blur, start, dtype)
            if noise > TOLERATED_NOISE * allowed:
                return None
            tails = self._groups.tails(blur)
            rest = np.sqrt((TRUNCATION_PART * allowed) ** 2 - noise**2)
            start = self._largest_cutoff(tails, rest, start, shells)
            if best is not None and self._seconds_of(shape, tails, dtype) >= best.seconds:
                return None
            plan = self._plan(shape, tails, start, dtype)
            if plan.error <= allowed:
                break
        return plan

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
            if blur is None:
                blur = MAX_BLUR if fixed.rate is None else self.min_blur + LARGE_BLUR
            tails = self._groups.tails(blur)
            if fixed.cutoff is None:
                level = self._largest_cutoff(tails, allowed * TRUNCATION_PART, FIRST_LEVEL)
            else:
                level = fixed.cutoff / self._unit
            plan = self._plan(shape, tails, level, dtype, listed=True)
            if plan.error <= allowed:
                return plan
            if best is None or plan.error < best.error:
                best = plan
        assert best is not None
        return best

    def _plan(
        self,
        shape: tuple[int, int, int],
        tails: Tails,
        level: float,
        dtype: np.dtype,
        listed: bool = False,
    ) -> Plan:
        error = self._error(shape, tails, level, dtype, listed)
        seconds = self._seconds_of(shape, tails, dtype)
        cutoff = level * self._unit
        return Plan(shape, self._rate(shape), tails.blur, cutoff, dtype, error, seconds)

    def replanned(self, plan: Plan) -> Plan:
        """The same sampling with the error and the time predicted for this model."""
        tails = self._groups.tails(plan.blur)
        return self._plan(plan.shape, tails, plan.cutoff / self._unit, plan.dtype, listed=True)

    def error(
        self, shape: tuple[int, int, int], blur: float, cutoff: float, dtype: np.dtype
    ) -> float:
        """Relative error of the worst shell from all three sources."""
        return self._error(shape, self._groups.tails(blur), cutoff / self._unit, dtype, True)

    def _error(
        self,
        shape: tuple[int, int, int],
        tails: Tails,
        level: float,
        dtype: np.dtype,
        listed: bool,
    ) -> float:
        alias = self._alias_error(shape, tails.blur)
        if listed and self._few is not None:
            alias = max(alias, self._alias_of_few(shape, tails.blur))
        parts = (
            alias,
            self._truncation_error(tails, level),
            self._rounding_error(shape, tails.blur, level, dtype),
        )
        return float(np.linalg.norm(parts))

    def _seconds_of(self, shape: tuple[int, int, int], tails: Tails, dtype: np.dtype) -> float:
        """Predicted time (s) of the density and its transform with one thread."""
        steps = self.crystal.reciprocal_lengths * np.array(shape)
        # Spheres that do not fit into the tables of the kernels take exponentials at every row
        in_tables = (0.5 * BOX - LANES) / float(steps.max())
        wide = tails.volume_beyond(in_tables)
        seconds = self._seconds(shape, dtype, tails.volume - wide, of_any=wide > 0.0)
        return seconds + wide / self._volume * math.prod(shape) * GROUP * COST_WIDE

    def _seconds(
        self, shape: tuple[int, int, int], dtype: np.dtype, volume: float, of_any: bool = False
    ) -> float:
        """Predicted time (s) for spheres of a total volume that fit into tables."""
        per_group, per_term = COST_OF_ANY if of_any else self._cost
        n_points = float(math.prod(shape))
        of_atoms = self._groups.number * per_group
        of_atoms += volume / self._volume * n_points * GROUP * per_term
        whole_grid = n_points * SECONDS_PER_GRID_POINT
        if max(shape) > LONG_LINE:
            whole_grid *= SLOWER_LONG_LINES
        return SECONDS_PER_CALL + COST_OF_TYPE[dtype] * (of_atoms + whole_grid)

    def _alias_error(self, shape: tuple[int, int, int], blur: float) -> float:
        """Relative error of the worst shell from aliasing."""
        _, log_error2 = self._search_blur(shape, blur, blur, 0.0, ALL_SHELLS)
        return float(np.exp(0.5 * min(log_error2, MAX_EXPONENT)))

    def _smallest_blur(
        self, shape: tuple[int, int, int], allowed: float, shells: slice = ALL_SHELLS
    ) -> float | None:
        """Blur (Å^2) at which aliasing falls to `allowed`, None if it exceeds MAX_BLUR."""
        blur, _ = self._search_blur(shape, self.min_blur, MAX_BLUR, allowed, shells)
        return blur if blur < np.inf else None

    def _search_blur(
        self, shape: tuple[int, int, int], low: float, high: float, allowed: float, shells: slice
    ) -> tuple[float, float]:
        """Blur and error of the kernel for aliasing from the 26 lattice points around 0."""
        lattice = np.linalg.norm(self._lattice(shape), axis=1)
        s, share = self.s[shells], self._log_share[shells]
        curve = (self._log_power, self._s2[1], COSINES, LOG_WEIGHTS)
        log_allowed = 2.0 * math.log(allowed) if allowed else -np.inf
        return smallest_blur(s, share, lattice, *curve, low, high, log_allowed)

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

    def _lattice(self, shape: tuple[int, int, int]) -> np.ndarray:
        """(n, 3) vectors of the transform's lattice around 0, one of each pair +-g, 1/Å."""
        basis = np.array(shape)[:, None] * self.crystal.fractionalization
        if not self._is_oblique:
            return np.asarray(NEIGHBOURS @ basis)
        farther = FARTHER @ basis
        return farther[np.argsort(np.linalg.norm(farther, axis=1))[: 2 * len(NEIGHBOURS)]]

    def _alias_of_few(self, shape: tuple[int, int, int], blur: float) -> float:
        """Relative error of the worst shell from aliasing, from the reflections themselves.

        Axial reflections at the edge have more of it than the average over directions, and
        with few reflections each is a large part of its shell.
        """
        assert self._few is not None
        curve = self._log_power, self._s2[1]
        lattice = self._lattice(shape)
        relative = alias_power(self._few.vectors, self._log_few, lattice, *curve, blur)
        rare2 = self._few.rarely_exceeded(relative) / SAFETY**2
        return math.sqrt(float(np.maximum(self._few.expected(relative), rare2).max()))

    def _truncation_error(self, tails: Tails, cutoff: float) -> float:
        """Relative error of the worst shell from cutting atoms at a density level."""
        _, error2 = self._search_level(tails, np.inf, cutoff, ALL_SHELLS)
        return math.sqrt(error2)

    def _largest_cutoff(
        self, tails: Tails, allowed: float, start: float, shells: slice = ALL_SHELLS
    ) -> float:
        """Density level at which truncation falls to `allowed`; the radii are set accordingly."""
        level, _ = self._search_level(tails, allowed, start, shells)
        return level

    def _search_level(
        self, tails: Tails, allowed: float, start: float, shells: slice
    ) -> tuple[float, float]:
        # The cut tails of copies of one atom add up
        more = math.log(TAIL_ALIASING * self._rounding.overlap.copies)
        s, share = self.s[shells], more + self._log_share[shells]
        densities = (tails.blur, tails.amplitude, tails.factor, tails.count)
        return largest_level(s, share, *densities, start, allowed**2, tails.r2)

    def rounding_error(self, plan: Plan) -> float:
        """Relative error of the worst shell from rounding alone."""
        return self._rounding_error(plan.shape, plan.blur, plan.cutoff / self._unit, plan.dtype)

    def _rounding_error(
        self, shape: tuple[int, int, int], blur: float, level: float, dtype: np.dtype
    ) -> float:
        """Relative error of the worst shell from the finite precision of the grid."""
        variance, of_atoms = self._rounding.parts(math.prod(shape), blur, level, dtype)
        unblurred = np.minimum(self._log_share + 0.5 * blur * self.s**2, 0.5 * MAX_EXPONENT)
        white2 = min(variance, MOST) * float(np.exp(unblurred).sum(axis=1).max())
        return math.hypot(math.sqrt(white2), of_atoms)

    def _shapes(self, rates: np.ndarray) -> list[tuple[int, int, int]]:
        """Distinct grids for ascending oversampling rates."""
        # In oblique cells indices exceed the limits from the spacing of planes
        by_spacing = 2.0 / self.d_min / self.crystal.reciprocal_lengths * rates[:, None]
        by_index = 2.0 * np.floor(np.array(self.crystal.cell[:3]) / self.d_min + 1e-6) + 1.0
        wanted = np.maximum(by_spacing, by_index).tolist()
        i, j, k = self._multiple_of
        sizes = ((fast_size(u, i), fast_size(v, j), fast_size(w, k)) for u, v, w in wanted)
        return list(dict.fromkeys(sizes))

    def _rate(self, shape: tuple[int, int, int]) -> float:
        return float((np.array(shape) * self.crystal.reciprocal_lengths).min() * self.d_min / 2.0)


def _cost_of_atoms(crystal: Crystal, atoms: Atoms) -> tuple[float, float]:
    """Costs (s) of the kernel for these atoms, per group and per Gaussian and point."""
    if atoms.is_aniso.any() or crystal.cell[3] != 90.0:
        return COST_OF_ANY
    right_angles = np.count_nonzero(crystal.orthogonalization) == 3
    return COST_ORTHOGONAL if right_angles else COST_MONOCLINIC
