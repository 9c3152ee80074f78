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

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.density import GaussianGroups, radius_at_level
from friedel.errors import AccuracyError, ParameterError
from friedel.grid import fast_size
from friedel.kernels.density import GROUP
from friedel.kernels.sampling import alias_power, truncation_power

N_SHELLS = 10
SAFETY = 2.5
"""Predicted errors are kept below rtol / SAFETY: the prediction's own scatter."""
ALIAS_SHARE = 0.4
"""Share of the squared error allowed to aliasing; the optimum is flat around it."""
TAIL_ALIASING = 1.2
"""Cut tails fold back too: their power grows by this factor."""
ROUNDING = {np.dtype(np.float32): 4e-7, np.dtype(np.float64): 1e-15}
"""Measured relative noise of a grid and its transform, by type."""
MIN_WIDTH = 1.0
"""Smallest eigenvalue (A^2) of B + blur that is put on a grid."""
RATES = np.exp(np.arange(np.log(1.1), np.log(4.0), 0.05))
"""Candidate oversampling rates: grid spacing = d_min / (2 rate)."""
MAX_BLUR = 600.0

SECONDS_PER_GRID_POINT = 8e-9
SECONDS_PER_TERM_ORTHOGONAL = 0.5e-9
SECONDS_PER_TERM_GENERAL = 3e-9


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

    def __str__(self) -> str:
        nu, nv, nw = self.shape
        return (
            f"grid {nu} x {nv} x {nw} {self.dtype} (rate {self.rate:.2f}), "
            f"blur {self.blur:.1f} A^2, atoms cut at {self.cutoff:.1e}; "
            f"predicted error {self.error:.1e}, about {1e3 * self.seconds:.1f} ms"
        )


def plan(
    crystal: Crystal,
    atoms: Atoms,
    a: np.ndarray,
    b: np.ndarray,
    d_min: float,
    rtol: float,
    dtype: np.dtype | None = None,
) -> Plan:
    """The cheapest grid, blur and density level that meet `rtol` to `d_min`.

    Parameters
    ----------
    a, b
        (n_kinds, n_terms) Gaussian coefficients by kind of atom.
    dtype
        float32 or float64; by default float32 where it suffices.

    Raises
    ------
    ParameterError
        When `rtol` is not between 0 and 1.
    AccuracyError
        When no grid meets `rtol`.
    """
    rtol = checked_rtol(rtol)
    model = AccuracyModel(crystal, atoms, a, b, d_min)
    for candidate in (dtype,) if dtype else (np.float32, np.float64):
        found = model.cheapest(rtol, np.dtype(candidate))
        if found is not None:
            return found
    raise AccuracyError(
        f"no grid meets rtol = {rtol:g} at d_min = {d_min:g} A with "
        f"{np.dtype(dtype) if dtype else 'float64'}; direct summation does"
    )


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
    """Predicted errors of one model at one resolution, for any grid, blur and level."""

    def __init__(
        self, crystal: Crystal, atoms: Atoms, a: np.ndarray, b: np.ndarray, d_min: float
    ) -> None:
        self.crystal, self.d_min = crystal, d_min
        self.classes = _classes(atoms)
        groups = GaussianGroups.from_sums(a, b)
        self.a, self.b = (groups.groups_of(x)[self.classes.kind] for x in (groups.a, groups.b))
        self.s = _shell_points(d_min)
        s2 = np.linspace(0.0, (10.0 / d_min) ** 2, 1200)
        f2 = _form_factor_power(a, b, s2)
        self._step = s2[1]
        self._log_power, denominator = _wilson_curves(self.classes, f2, s2)
        self.power = np.exp(np.interp(self.s**2, s2, denominator))
        self._s2 = s2
        cosines, weights = np.polynomial.legendre.leggauss(24)
        self._cosines, self._weights = cosines, weights
        indefinite = self.classes.eigenvalues[:, 0] + self.b.min(axis=(1, 2))
        self.min_blur = MIN_WIDTH - float(indefinite.min())
        orthogonal = np.count_nonzero(np.asarray(crystal.orthogonalization)) == 3
        fast = orthogonal and not atoms.is_aniso.any()
        self._per_term = SECONDS_PER_TERM_ORTHOGONAL if fast else SECONDS_PER_TERM_GENERAL

    def cheapest(self, rtol: float, dtype: np.dtype) -> Plan | None:
        """The plan of least predicted time that meets `rtol`, or None."""
        best: Plan | None = None
        shapes = dict.fromkeys(self._shape(rate) for rate in RATES)
        for shape in shapes:
            if best is not None and np.prod(shape) * SECONDS_PER_GRID_POINT > best.seconds:
                break
            found = self.complete(shape, rtol, dtype)
            if found is not None and (best is None or found.seconds < best.seconds):
                best = found
        return best

    def complete(self, shape: tuple[int, int, int], rtol: float, dtype: np.dtype) -> Plan | None:
        """Blur and level for one grid, or None when the grid cannot meet `rtol`."""
        allowed = rtol / SAFETY
        blur = self._smallest_blur(shape, allowed * np.sqrt(ALIAS_SHARE))
        if blur is None:
            return None
        noise = self.rounding_error(shape, blur, dtype)
        rest = (1.0 - ALIAS_SHARE) * allowed**2 - noise**2
        if rest < 0.1 * allowed**2:
            return None
        cutoff, points = self._largest_cutoff(blur, np.sqrt(rest), shape)
        total = np.sqrt(
            self.alias_error(shape, blur) ** 2 + self.truncation_error(blur, cutoff) ** 2 + noise**2
        )
        seconds = points * GROUP * self._per_term
        seconds += float(np.prod(shape)) * SECONDS_PER_GRID_POINT
        return Plan(shape, self._rate(shape), blur, cutoff, dtype, float(total), seconds)

    def alias_error(self, shape: tuple[int, int, int], blur: float) -> float:
        """Relative error of the worst shell from aliasing."""
        power = np.empty(self.s.size)
        lattice = self._alias_lattice(shape)
        alias_power(
            self.s.ravel(),
            lattice,
            self._log_power,
            self._step,
            blur,
            self._cosines,
            self._weights,
            power,
        )
        return self._worst_shell(power)

    def truncation_error(self, blur: float, cutoff: float) -> float:
        """Relative error of the worst shell from cutting atoms at a density level."""
        power = np.empty(self.s.size)
        amplitude, factor, radius = self._tails(blur, cutoff)
        each_group = (x.reshape(-1, GROUP) for x in (amplitude, factor))
        count = np.repeat(self.classes.count, radius.shape[1])
        truncation_power(self.s.ravel(), *each_group, radius.ravel(), count, blur, power)
        return self._worst_shell(TAIL_ALIASING * power)

    def rounding_error(self, shape: tuple[int, int, int], blur: float, dtype: np.dtype) -> float:
        """Relative error of the worst shell from the finite precision of the grid."""
        n_copies = self.crystal.n_operations
        s = np.sqrt(self._s2)
        blurred = np.exp(np.minimum(self._log_power - 0.5 * blur * self._s2, 700.0))
        total = n_copies * self.crystal.volume * np.trapezoid(4.0 * np.pi * s**2 * blurred, s)
        f000 = n_copies * float(
            (self.classes.count * self.classes.occ * self.a.sum(axis=(1, 2))).sum()
        )
        variance = ROUNDING[dtype] ** 2 * (total + f000**2) / np.prod(shape) / n_copies
        return self._worst_shell(variance * np.exp(0.5 * blur * self.s**2))

    def _worst_shell(self, power: np.ndarray) -> float:
        weight = self.s**2
        power = power.reshape(self.s.shape)
        error2 = (power * weight).sum(axis=-1) / (self.power * weight).sum(axis=-1)
        return float(np.sqrt(error2.max()))

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
        m = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T[14:]
        return np.linalg.norm((m * np.array(shape)) @ self.crystal.fractionalization, axis=1)

    def _smallest_blur(self, shape: tuple[int, int, int], allowed: float) -> float | None:
        low, high = self.min_blur, MAX_BLUR
        if self.alias_error(shape, low) <= allowed:
            return low
        if self.alias_error(shape, high) > allowed:
            return None
        while high - low > 0.2:
            middle = 0.5 * (low + high)
            if self.alias_error(shape, middle) > allowed:
                low = middle
            else:
                high = middle
        return high

    def _largest_cutoff(
        self, blur: float, allowed: float, shape: tuple[int, int, int]
    ) -> tuple[float, float]:
        """Density level that meets a truncation error, and the number of grid points it costs."""
        level = 1e-4
        for _ in range(8):
            change = allowed / max(self.truncation_error(blur, level), 1e-300)
            # Below its peak an atom loses everything: steps stay moderate
            level *= min(max(change, 1e-6), 1e3)
            if abs(np.log(change)) < 0.02:
                break
        while self.truncation_error(blur, level) > 1.1 * allowed:
            level *= 0.7
        _, _, radius = self._tails(blur, level)
        volume = float((self.classes.count[:, None] * 4.0 / 3.0 * np.pi * radius**3).sum())
        return level, volume * float(np.prod(shape)) / self.crystal.volume

    def _tails(self, blur: float, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Amplitudes, exponents and radii of the classes' groups in their broadest direction.

        Shapes (n_classes, n_groups, GROUP) twice, and (n_classes, n_groups).
        """
        widths = self.b + (self.classes.eigenvalues[:, 2] + blur)[:, None, None]
        occ = np.abs(self.classes.occ)[:, None, None]
        amplitude = occ * np.abs(self.a) * (4.0 * np.pi / widths) ** 1.5
        factor = 4.0 * np.pi**2 / widths
        return amplitude, factor, radius_at_level(amplitude, factor, cutoff)


@dataclass(frozen=True)
class _AtomClasses:
    """Atoms that are alike: kind, occupancy, eigenvalues of B, and how many there are."""

    kind: np.ndarray
    occ: np.ndarray
    eigenvalues: np.ndarray
    count: np.ndarray


def _classes(atoms: Atoms) -> _AtomClasses:
    present = atoms.occ != 0
    if not present.any():
        raise AccuracyError("all atoms have zero occupancy: there is nothing to sample")
    eigenvalues = atoms.b_eigenvalues[present]
    # 3 % of B + 5 A^2: the curves change by much less than they can be predicted
    coarse_b = np.rint(np.log(np.maximum(eigenvalues, -4.0) + 5.0) / 0.03)
    coarse_occ = np.rint(10.0 * atoms.occ[present])
    keys = np.column_stack([atoms.kind[present], coarse_occ, coarse_b]).astype(np.int64)
    _, inverse, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(inverse, values) / count

    kind = np.rint(mean(atoms.kind[present])).astype(int)
    occ = np.sqrt(mean(atoms.occ[present] ** 2))
    means = np.column_stack([mean(eigenvalues[:, i]) for i in range(3)])
    return _AtomClasses(kind, occ, means, count.astype(np.float64))


def _shell_points(d_min: float) -> np.ndarray:
    """(10, 2) s = 1/d at two Gauss points of each of ten equal-volume shells."""
    edges = (np.arange(N_SHELLS + 1) / N_SHELLS) ** (1.0 / 3.0) / d_min
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    return middle[:, None] + half[:, None] * np.array([-1.0, 1.0]) / np.sqrt(3.0)


def _form_factor_power(a: np.ndarray, b: np.ndarray, s2: np.ndarray) -> np.ndarray:
    """(n_kinds, n) ln f^2 at s = 1/d."""
    f = (a[:, :, None] * np.exp(-0.25 * b[:, :, None] * s2)).sum(axis=1)
    return np.log(np.maximum(f * f, 1e-20 * (f * f).max(axis=1, keepdims=True) + 1e-300))


def _wilson_curves(
    classes: _AtomClasses, log_f2: np.ndarray, s2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ln P(s) with the average over directions overestimated, and estimated.

    For an anisotropic atom the mean of exp(-B s^2/2) over the three principal directions is
    never below the mean over the sphere; 0.4 of it and 0.6 of the value at the mean B is the
    fourteen-point rule of the sphere.
    """
    weight = np.log(classes.count * classes.occ**2)[:, None] + log_f2[classes.kind]
    vertex = np.logaddexp.reduce(
        [weight - 0.5 * np.outer(classes.eigenvalues[:, k], s2) - np.log(3.0) for k in range(3)]
    )
    central = weight - 0.5 * np.outer(classes.eigenvalues.mean(axis=1), s2)
    spherical = np.logaddexp(np.log(0.4) + vertex, np.log(0.6) + central)
    return np.logaddexp.reduce(vertex), np.logaddexp.reduce(spherical)
