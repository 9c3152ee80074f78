"""Grid, blur and radii for a requested error: the only home of the accuracy model.

Three errors are predicted from the model's own Wilson curve P(s), the expected |F|^2 of
one asymmetric unit at s = 1/d: aliasing (what folds back from beyond the grid's Nyquist limit),
truncation (tails beyond the atoms' radii) and rounding. Candidate grids are walked; for each the
smallest sufficient blur and the largest sufficient density level are found, and the cheapest
choice is taken. docs/accuracy.md derives the expressions.

The error is E(shell) = sqrt(sum |dF|^2 / sum |F|^2) in each of ten equal-volume resolution shells,
and `rtol` bounds the worst of them. It is not a bound for single, weak reflections.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.errors import AccuracyError, ParameterError
from friedel.grid import fast_size
from friedel.kernels.boxes import BOX
from friedel.kernels.ellipsoids import GROUP
from friedel.kernels.sampling import alias_power, truncation_power
from friedel.reach import GaussianGroups, radius_at_level
from friedel.wilson import atom_classes, wilson_curves

N_SHELLS = 10
ALL_SHELLS, OUTER_SHELLS = slice(None), slice(-2, None)
"""Aliasing and truncation grow towards the edge: the search looks there, and then everywhere."""
SAFETY = 2.2
"""Predicted errors are kept below rtol / SAFETY: the prediction's own scatter."""
ALIAS_SHARE = 0.4
"""Share of the squared error allowed to aliasing; the optimum is flat around it."""
TAIL_ALIASING = 1.2
"""Cut tails fold back too: their power grows by this factor."""
ROUNDING = {np.dtype(np.float32): 4e-7, np.dtype(np.float64): 1e-15}
"""Measured relative noise of a grid and its transform, by type; it is white."""
ROUNDING_OF_ATOMS = {np.dtype(np.float32): 4e-7, np.dtype(np.float64): 1e-15}
"""Measured relative error of what single atoms contribute, by type; as large in every shell."""
SINGLE_PRECISION_RTOL = 3e-5
"""Below it rounding can make float64 on a coarser grid the cheaper choice."""
MIN_WIDTH = 1.0
"""Smallest eigenvalue (A^2) of B + blur that is put on a grid."""
RATES = np.exp(np.arange(np.log(1.1), np.log(4.0), 0.05))
"""Candidate oversampling rates: grid spacing = d_min / (2 rate)."""
MAX_BLUR = 600.0
"""Grids that need more (A^2) are too coarse."""

TABLE_REACH = 8.0
TABLE_POINTS = 400
"""The Wilson curve is tabulated to s = TABLE_REACH / d_min, linearly in s^2."""

DIRECTIONS = np.polynomial.legendre.leggauss(24)
"""Cosines and weights for averages over the directions of s."""

NEIGHBOURS = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T[14:]
"""One of each pair of the 26 neighbours of a lattice point."""

SECONDS_PER_CALL = 2.5e-4
SECONDS_PER_GRID_POINT = 4e-9
COST_ORTHOGONAL = (3e-7, 1.2e-10)
COST_OBLIQUE = (2.5e-6, 2.5e-10)
COST_OF_TYPE = {np.dtype(np.float32): 1.0, np.dtype(np.float64): 1.5}
"""Seconds for what any call takes; for a grid point of density, fold and transform; for a group of
Gaussians of one atom and for one Gaussian at one point, in the kernel for right angles and in
the oblique one; and how many times as much, by type."""


@dataclass(frozen=True)
class Plan:
    """How a density is sampled, and the error that follows.

    Attributes
    ----------
    shape
        Grid size.
    rate
        Oversampling: the finest d the grid can hold is d_min / rate.
    blur
        B added to all atoms, A^2.
    cutoff
        Density level at which atoms end, in the unit of the form factor per A^3.
    dtype
        Of the grid.
    error
        Predicted relative rms error in the worst of ten resolution shells.
    seconds
        Predicted time of the density and its transform with one thread.
    """

    shape: tuple[int, int, int]
    rate: float
    blur: float
    cutoff: float
    dtype: np.dtype
    error: float
    seconds: float

    @property
    def bytes(self) -> float:
        """Memory for the padded grid and its transform."""
        nu, nv, nw = self.shape
        return float(nu * nv * (2 * nw + BOX + 2)) * self.dtype.itemsize

    def __str__(self) -> str:
        nu, nv, nw = self.shape
        return (
            f"grid {nu} x {nv} x {nw} {self.dtype} (rate {self.rate:.2f}), "
            f"blur {self.blur:.1f} A^2, atoms cut at {self.cutoff:.1e}, "
            f"predicted error {self.error:.1e}, about {1e3 * self.seconds:.1f} ms"
        )


@dataclass(frozen=True)
class Fixed:
    """What a user decided about the sampling; None is free.

    A fixed choice is honoured even where `rtol` cannot be met with it: the plan says what
    error follows.

    Parameters
    ----------
    rate
        Oversampling, at least 1: grid planes are d_min / (2 rate) apart at most.
    blur
        B added to all atoms, A^2.
    cutoff
        Density level at which atoms end.
    dtype
        float32 or float64.

    Raises
    ------
    ParameterError
        For values outside of these ranges.
    """

    rate: float | None = None
    blur: float | None = None
    cutoff: float | None = None
    dtype: Any = None

    def __post_init__(self) -> None:
        if self.rate is not None and not 1.0 <= self.rate <= 20.0:
            raise ParameterError(f"got rate = {self.rate!r}, expected a number from 1 to 20")
        if self.blur is not None and not np.isfinite(self.blur):
            raise ParameterError(f"got blur = {self.blur!r}, expected a number of A^2")
        if self.cutoff is not None and not 0.0 < self.cutoff < np.inf:
            raise ParameterError(f"got cutoff = {self.cutoff!r}, expected a positive number")
        if self.dtype is not None and np.dtype(self.dtype) not in ROUNDING:
            raise ParameterError(f"got dtype = {self.dtype!r}, expected float32 or float64")

    @property
    def is_binding(self) -> bool:
        """Whether anything but the type is fixed."""
        return any(x is not None for x in (self.rate, self.blur, self.cutoff))


FREE = Fixed()


def cheapest(model: "AccuracyModel", rtol: float, fixed: Fixed = FREE) -> Plan:
    """The cheapest grid, blur and density level that meet `rtol`.

    Parameters
    ----------
    fixed
        Choices made beforehand; by default float32 where it suffices.

    Raises
    ------
    ParameterError
        When `rtol` is not between 0 and 1, or a fixed blur leaves some atom without density.
    AccuracyError
        When no grid meets `rtol`.
    """
    rtol = checked_rtol(rtol)
    if fixed.is_binding:
        return model.closest(rtol, fixed)
    dtype = fixed.dtype
    found = []
    for candidate in (dtype,) if dtype else (np.float32, np.float64):
        plan = model.cheapest(rtol, np.dtype(candidate))
        if plan is not None:
            found.append(plan)
            if rtol > SINGLE_PRECISION_RTOL:
                break
    if not found:
        raise AccuracyError(
            f"no grid meets rtol = {rtol:g} at d_min = {model.d_min:g} A with "
            f"{np.dtype(dtype) if dtype else 'float64'}; direct summation does"
        )
    return min(found, key=lambda plan: plan.seconds)


def predicted_error(model: "AccuracyModel", plan: Plan) -> float:
    """Relative rms error of a plan in the worst shell, for atoms other than it was made for.

    Multiplied by SAFETY, so that it compares with rtol; infinite where some atom would
    have no finite density.
    """
    if plan.blur < model.min_blur - MIN_WIDTH:
        return np.inf
    return SAFETY * model.error(plan.shape, plan.blur, plan.cutoff, plan.dtype)


def checked_rtol(rtol: float) -> float:
    """A relative error as a float between 0 and 1.

    Raises
    ------
    ParameterError
        When it is anything else.
    """
    try:
        value = float(rtol)
    except (TypeError, ValueError):
        value = np.nan
    if not 0.0 < value < 1.0:
        raise ParameterError(f"got rtol = {rtol!r}, expected a number between 0 and 1")
    return value


class AccuracyModel:
    """Predicted errors of one model at one resolution, for any grid, blur and level.

    Parameters
    ----------
    a, b
        (n_kinds, n_terms) Gaussian coefficients by kind of atom.
    d_min
        Resolution to which the error is to hold, A.

    Raises
    ------
    AccuracyError
        When all occupancies are zero.
    """

    def __init__(
        self, crystal: Crystal, atoms: Atoms, a: np.ndarray, b: np.ndarray, d_min: float
    ) -> None:
        self.crystal, self.d_min = crystal, d_min
        self.classes = atom_classes(atoms)
        groups = GaussianGroups.from_sums(a, b)
        self.a, self.b = (groups.groups_of(x)[self.classes.kind] for x in (groups.a, groups.b))
        self.s = _shell_points(d_min)
        self._lattices: dict[tuple[int, int, int], np.ndarray] = {}
        self._s2 = np.linspace(0.0, (TABLE_REACH / d_min) ** 2, TABLE_POINTS)
        self._log_power, denominator = wilson_curves(self.classes, a, b, self._s2)
        self.power = np.exp(np.interp(self.s**2, self._s2, denominator))
        narrowest = self.classes.eigenvalues[:, 0] + self.b.min(axis=(1, 2))
        self.min_blur = MIN_WIDTH - float(narrowest.min())
        orthogonal = np.count_nonzero(np.asarray(crystal.orthogonalization)) == 3
        self._cost = COST_ORTHOGONAL if orthogonal and not atoms.is_aniso.any() else COST_OBLIQUE

    def cheapest(self, rtol: float, dtype: np.dtype) -> Plan | None:
        """The plan of least predicted time that meets `rtol`, or None."""
        best: Plan | None = None
        for shape in dict.fromkeys(self._shape(rate) for rate in RATES):
            if best is not None and np.prod(shape) * SECONDS_PER_GRID_POINT > best.seconds:
                break
            start = best.cutoff if best is not None else 1e-5
            found = self.complete(shape, rtol, dtype, start)
            if found is not None and (best is None or found.seconds < best.seconds):
                best = found
        return best

    def complete(
        self, shape: tuple[int, int, int], rtol: float, dtype: np.dtype, start: float = 1e-5
    ) -> Plan | None:
        """Blur and level for one grid, or None when the grid cannot meet `rtol`."""
        allowed = rtol / SAFETY
        plan = self._complete(shape, allowed, dtype, start, OUTER_SHELLS)
        if plan is not None and plan.error > allowed:
            plan = self._complete(shape, allowed, dtype, start, ALL_SHELLS)
        return plan

    def _complete(
        self,
        shape: tuple[int, int, int],
        allowed: float,
        dtype: np.dtype,
        start: float,
        shells: slice,
    ) -> Plan | None:
        blur = self._smallest_blur(shape, allowed * np.sqrt(ALIAS_SHARE), shells)
        if blur is None:
            return None
        noise = self.rounding_error(shape, blur, dtype)
        rest = (1.0 - ALIAS_SHARE) * allowed**2 - noise**2
        if rest < 0.1 * allowed**2:
            return None
        cutoff = self._largest_cutoff(blur, np.sqrt(rest), start, shells)
        error = self.error(shape, blur, cutoff, dtype)
        seconds = self.seconds(shape, blur, cutoff, dtype)
        return Plan(shape, self._rate(shape), blur, cutoff, dtype, error, seconds)

    def closest(self, rtol: float, fixed: Fixed) -> Plan:
        """The plan that comes nearest to `rtol` with some choices fixed."""
        dtype = np.dtype(fixed.dtype or np.float32)
        if fixed.blur is not None and fixed.blur <= self.min_blur - MIN_WIDTH:
            raise ParameterError(
                f"got blur = {fixed.blur:g} A^2; the sharpest atom has no finite density with "
                f"less than {self.min_blur - MIN_WIDTH:g}"
            )
        allowed = rtol / SAFETY
        best: Plan | None = None
        for rate in RATES if fixed.rate is None else (fixed.rate,):
            shape = self._shape(rate)
            blur = fixed.blur
            if blur is None:
                blur = self._smallest_blur(shape, allowed * np.sqrt(ALIAS_SHARE))
            if blur is None:
                blur = MAX_BLUR if fixed.rate is None else self.min_blur + 50.0
            cutoff = fixed.cutoff
            if cutoff is None:
                rest = allowed * np.sqrt(1.0 - ALIAS_SHARE)
                cutoff = self._largest_cutoff(blur, rest, 1e-5)
            error = self.error(shape, blur, cutoff, dtype)
            seconds = self.seconds(shape, blur, cutoff, dtype)
            plan = Plan(shape, self._rate(shape), blur, cutoff, dtype, error, seconds)
            if error <= allowed:
                return plan
            if best is None or error < best.error:
                best = plan
        assert best is not None
        return best

    def error(
        self, shape: tuple[int, int, int], blur: float, cutoff: float, dtype: np.dtype
    ) -> float:
        """Relative error of the worst shell from all three sources."""
        parts = (
            self.alias_error(shape, blur),
            self.truncation_error(blur, cutoff),
            self.rounding_error(shape, blur, dtype),
        )
        return float(np.linalg.norm(parts))

    def seconds(
        self, shape: tuple[int, int, int], blur: float, cutoff: float, dtype: np.dtype
    ) -> float:
        """Predicted time of the density and its transform, one thread."""
        _, _, radius = self._tails(blur, cutoff)
        per_group, per_term = self._cost
        volumes = self.classes.count[:, None] * 4.0 / 3.0 * np.pi * radius**3
        points = float(volumes.sum()) * float(np.prod(shape)) / self.crystal.volume
        groups = float(self.classes.count.sum()) * radius.shape[1]
        whole_grid = float(np.prod(shape)) * SECONDS_PER_GRID_POINT
        seconds = groups * per_group + points * GROUP * per_term + whole_grid
        return SECONDS_PER_CALL + COST_OF_TYPE[dtype] * seconds

    def alias_error(
        self, shape: tuple[int, int, int], blur: float, shells: slice = ALL_SHELLS
    ) -> float:
        """Relative error of the worst of the shells from aliasing."""
        s = self.s[shells].ravel()
        power = np.empty(s.size)
        lattice = self._alias_lattice(shape)
        alias_power(s, lattice, self._log_power, self._s2[1], blur, *DIRECTIONS, power)
        return self._worst_shell(power, shells)

    def truncation_error(self, blur: float, cutoff: float, shells: slice = ALL_SHELLS) -> float:
        """Relative error of the worst of the shells from cutting atoms at a density level."""
        s = self.s[shells].ravel()
        power = np.empty(s.size)
        amplitude, factor, radius = self._tails(blur, cutoff)
        each_group = (x.reshape(-1, GROUP) for x in (amplitude, factor))
        count = np.repeat(self.classes.count, radius.shape[1])
        truncation_power(s, *each_group, radius.ravel(), count, blur, power)
        return self._worst_shell(TAIL_ALIASING * power, shells)

    def rounding_error(self, shape: tuple[int, int, int], blur: float, dtype: np.dtype) -> float:
        """Relative error of the worst shell from the finite precision of the grid."""
        n_copies = self.crystal.n_operations
        s = np.sqrt(self._s2)
        blurred = np.exp(np.minimum(self._log_power - 0.5 * blur * self._s2, 700.0))
        total = n_copies * self.crystal.volume * np.trapezoid(4.0 * np.pi * s**2 * blurred, s)
        classes = self.classes
        f000 = n_copies * float((classes.count * classes.occ * self.a.sum(axis=(1, 2))).sum())
        variance = ROUNDING[dtype] ** 2 * (total + f000**2) / np.prod(shape) / n_copies
        noise = self._worst_shell(variance * np.exp(0.5 * blur * self.s**2))
        return float(np.hypot(noise, ROUNDING_OF_ATOMS[dtype]))

    def _worst_shell(self, power: np.ndarray, shells: slice = ALL_SHELLS) -> float:
        weight = self.s[shells] ** 2
        error2 = (power.reshape(weight.shape) * weight).sum(axis=1)
        # A grid that is far too coarse: the error is infinite, and the grid is not taken
        with np.errstate(over="ignore"):
            return float(np.sqrt((error2 / (self.power[shells] * weight).sum(axis=1)).max()))

    def _shape(self, rate: float) -> tuple[int, int, int]:
        # In oblique cells indices reach beyond what the spacing of planes alone asks for
        by_spacing = 2.0 * rate / self.d_min / self.crystal.reciprocal_lengths
        by_index = 2.0 * np.floor(np.array(self.crystal.cell[:3]) / self.d_min + 1e-6) + 1.0
        sizes = [fast_size(n) for n in np.maximum(by_spacing, by_index)]
        return sizes[0], sizes[1], sizes[2]

    def _rate(self, shape: tuple[int, int, int]) -> float:
        return float((np.array(shape) * self.crystal.reciprocal_lengths).min() * self.d_min / 2.0)

    def _alias_lattice(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Lengths of one of each pair of the 26 lattice vectors of the transform around 0."""
        lengths = self._lattices.get(shape)
        if lengths is None:
            vectors = (NEIGHBOURS * np.array(shape)) @ self.crystal.fractionalization
            lengths = self._lattices[shape] = np.linalg.norm(vectors, axis=1)
        return lengths

    def _smallest_blur(
        self, shape: tuple[int, int, int], allowed: float, shells: slice = ALL_SHELLS
    ) -> float | None:
        """Blur at which aliasing falls to `allowed`; its logarithm is nearly linear in blur."""

        def excess(blur: float) -> float:
            return float(np.log(max(self.alias_error(shape, blur, shells), 1e-300) / allowed))

        low, high = self.min_blur, self.min_blur + 50.0
        at_low, at_high = excess(low), excess(high)
        if at_low <= 0.0:
            return low
        while at_high > 0.0:
            if high > MAX_BLUR:
                return None
            low, at_low = high, at_high
            high += 100.0
            at_high = excess(high)
        while high - low > 0.5 and at_high < -0.02:
            # Regula falsi, a little to the safe side; the bracket shrinks at either end
            middle = low + (high - low) * min(max(at_low / (at_low - at_high) + 0.01, 0.02), 0.98)
            at_middle = excess(middle)
            if at_middle > 0.0:
                low, at_low = middle, at_middle
            else:
                high, at_high = middle, at_middle
        return high

    def _largest_cutoff(
        self, blur: float, allowed: float, start: float, shells: slice = ALL_SHELLS
    ) -> float:
        """Density level at which truncation falls to `allowed`; nearly proportional to it."""
        level = start
        for _ in range(12):
            change = allowed / max(self.truncation_error(blur, level, shells), 1e-300)
            if 1.0 <= change < 1.05:
                break
            # Below its peak an atom loses everything: steps stay moderate
            level *= min(max(0.98 * change, 1e-6), 1e3)
        while self.truncation_error(blur, level, shells) > allowed:
            level *= 0.8
        return level

    def _tails(self, blur: float, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Amplitudes, exponents and radii of the classes' groups in their broadest direction.

        Shapes (n_classes, n_groups, GROUP) twice, and (n_classes, n_groups).
        """
        widths = self.b + (self.classes.eigenvalues[:, 2] + blur)[:, None, None]
        factor = 4.0 * np.pi**2 / widths
        occ = np.abs(self.classes.occ)[:, None, None]
        amplitude = occ * np.abs(self.a) * (factor / np.pi) ** 1.5
        return amplitude, factor, radius_at_level(amplitude, factor, cutoff)


def _shell_points(d_min: float) -> np.ndarray:
    """(10, 2) s = 1/d at two Gauss points of each of ten equal-volume shells."""
    edges = (np.arange(N_SHELLS + 1) / N_SHELLS) ** (1.0 / 3.0) / d_min
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    return middle[:, None] + half[:, None] * np.array([-1.0, 1.0]) / np.sqrt(3.0)
