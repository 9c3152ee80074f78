"""Overall, anisotropic and bulk-solvent scale: structure factors of a model made to fit F_obs.

F_total = k_overall exp(-s^T B s / 4) (F_calc + k_sol exp(-B_sol stol2) F_mask), with s the
reciprocal-lattice vector of hkl in Cartesian coordinates (1/A), |s|^2 / 4 = stol2, and B a
tensor that the symmetry leaves as it is [Fokine2002] [Afonine2013].

Everything here works on arrays. What a target is: residuals k|F_total| - F_obs, and a loss
that is summed over them (`LOSSES`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.atoms import VOIGT
from friedel.crystal import Crystal
from friedel.errors import ParameterError, ReflectionsError

MEAN_K_SOL = 0.35
"""Average solvent density in protein crystals, electrons/A^3 [Fokine2002]."""
MEAN_B_SOL = 46.0
"""Average fall-off of the solvent contribution, A^2 [Fokine2002]."""

LOSSES = {"ls": "linear"}
"""Targets by name, as the `loss` of scipy.optimize.least_squares."""

PARAMETERS = ("k_overall", "b_overall", "k_sol", "b_sol")

UPPER = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
"""Row and column of the tensor elements 11, 22, 33, 12, 13, 23."""

NEGLIGIBLE_K_SOL = 1e-4
"""Solvent this much thinner than water (0.33 electrons/A^3) is none; its B_sol means nothing."""

FTOL = 1e-10
"""The fit ends when the target falls by less than this fraction of itself."""


@dataclass(frozen=True)
class ScaleParameters:
    """The parameters of the scale, and the scale that they make.

    Parameters
    ----------
    k_overall
        Factor from the units of F_calc to those of F_obs.
    b_overall
        B11, B22, B33, B12, B13, B23 (A^2), Cartesian (x along a, z along c*).
    k_sol
        Density of the solvent, in units of F_calc per A^3.
    b_sol
        A^2.
    """

    k_overall: float = 1.0
    b_overall: tuple[float, ...] = (0.0,) * 6
    k_sol: float = MEAN_K_SOL
    b_sol: float = MEAN_B_SOL

    @property
    def b_iso(self) -> float:
        """The isotropic part of B, A^2."""
        return sum(self.b_overall[:3]) / 3.0

    def overall_scale(self, crystal: Crystal, hkl: np.ndarray) -> np.ndarray:
        """(n,) k_overall exp(-s^T B s / 4) at reflections (n, 3)."""
        return self.k_overall * np.exp(-quadratic_terms(crystal, hkl) @ np.array(self.b_overall))

    def solvent_scale(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) k_sol exp(-B_sol stol2), the factor of F_mask; `stol2` in 1/A^2."""
        return self.k_sol * np.exp(-self.b_sol * np.asarray(stol2))

    def f_total(
        self,
        crystal: Crystal,
        hkl: np.ndarray,
        f_calc: np.ndarray,
        f_mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n,) complex, on the scale of F_obs; without `f_mask` there is no solvent."""
        if f_mask is not None:
            f_calc = f_calc + self.solvent_scale(crystal.stol2(hkl)) * f_mask
        return self.overall_scale(crystal, hkl) * f_calc


@dataclass(frozen=True, eq=False)
class ScalingData:
    """What the parameters are fitted to.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) reflections.
    f_obs
        (n,) observed amplitudes.
    f_calc
        (n,) complex structure factors of the atoms.
    f_mask
        (n,) complex transform of the solvent mask, or None for no solvent.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together, or values that are not finite.
    """

    crystal: Crystal
    hkl: np.ndarray
    f_obs: np.ndarray
    f_calc: np.ndarray
    f_mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("f_obs", "f_calc", "f_mask"):
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != (len(self.hkl),):
                raise ReflectionsError(
                    f"{name} has shape {np.shape(values)}, expected ({len(self.hkl)},)"
                )
            if not np.isfinite(values).all():
                raise ReflectionsError(f"{name} has values that are not finite")
        if not np.any(self.f_calc):
            raise ReflectionsError("F_calc is zero for all reflections: there is nothing to scale")

    def __len__(self) -> int:
        return len(self.hkl)

    @property
    def has_solvent(self) -> bool:
        """Whether there is a mask, and it is not empty."""
        return self.f_mask is not None and bool(np.any(self.f_mask))

    @cached_property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2, 1/A^2."""
        return self.crystal.stol2(self.hkl)

    @cached_property
    def b_basis(self) -> np.ndarray:
        """(m, 6) tensors that the symmetry allows, see :func:`symmetric_tensors`."""
        return symmetric_tensors(self.crystal)

    @cached_property
    def exponents(self) -> np.ndarray:
        """(n, m) s^T B s / 4 of the tensors of `b_basis`."""
        return quadratic_terms(self.crystal, self.hkl) @ self.b_basis.T

    def b_components(self, b_overall: Sequence[float]) -> np.ndarray:
        """(m,) projections of a tensor (6,) on those of `b_basis`."""
        in_full_tensor = np.array([1, 1, 1, 2, 2, 2])
        return self.b_basis @ (in_full_tensor * np.array(b_overall))

    @cached_property
    def _products(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """|F_calc|^2, Re(F_calc* F_mask), |F_mask|^2: the phases matter only through these."""
        c, m = self.f_calc, np.zeros(1) if self.f_mask is None else self.f_mask
        return np.abs(c) ** 2, (np.conj(c) * m).real, np.abs(m) ** 2

    def unscaled_amplitudes(self, solvent_scale: np.ndarray) -> np.ndarray:
        """(n,) |F_calc + solvent_scale F_mask|."""
        calc2, cross, mask2 = self._products
        return np.sqrt(
            np.maximum(calc2 + solvent_scale * (2.0 * cross + solvent_scale * mask2), 0.0)
        )

    def unscaled_slope(self, solvent_scale: np.ndarray) -> np.ndarray:
        """(n,) d :meth:`unscaled_amplitudes` / d solvent_scale; 0 where they vanish."""
        _, cross, mask2 = self._products
        amplitudes = self.unscaled_amplitudes(solvent_scale)
        slope = np.zeros_like(amplitudes)
        return np.divide(cross + solvent_scale * mask2, amplitudes, out=slope, where=amplitudes > 0)


@dataclass(frozen=True)
class ScalingFit:
    """The outcome of a fit.

    Attributes
    ----------
    value
        The target at its minimum; for ``"ls"`` the sum of squared residuals.
    parameters
        At the minimum.
    n_parameters
        How many numbers were fitted.
    n_reflections
        How many reflections they were fitted to.
    converged
        Whether the minimiser was content.
    notes
        What was decided on the way, for people to read.
    stats
        ``"evaluations"`` of the residuals, ``"message"`` of the minimiser.
    """

    value: float
    parameters: ScaleParameters
    n_parameters: int
    n_reflections: int
    converged: bool
    notes: tuple[str, ...] = ()
    stats: dict[str, Any] = field(default_factory=dict)


def quadratic_terms(crystal: Crystal, hkl: np.ndarray) -> np.ndarray:
    """(n, 6) coefficients such that s^T B s / 4 = terms @ (B11, B22, B33, B12, B13, B23)."""
    x, y, z = (np.asarray(hkl, np.float64) @ crystal.fractionalization).T
    return np.column_stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z]) / 4.0


def symmetric_tensors(crystal: Crystal) -> np.ndarray:
    """(m, 6) orthonormal Cartesian tensors that span those invariant under the symmetry.

    m is 6 in triclinic crystals, 4 in monoclinic, 3 in orthorhombic, 2 in tetragonal,
    trigonal and hexagonal, 1 in cubic ones, in any setting. Orthonormal means: the
    products of the full 3 x 3 tensors, summed over their elements, are 1 or 0.
    """
    rotations, _ = crystal.primitive_operations
    # In the basis of the cell the rotations are integers, so that the average over the group,
    # a projection on what it leaves invariant, is exact whatever the rounding of the cell.
    full = np.eye(6)[:, VOIGT]
    averaged = np.einsum("nij,ajk,nlk->ail", rotations, full, rotations) / len(rotations)
    cartesian = crystal.orthogonalization @ averaged @ crystal.orthogonalization.T
    rank = round(float(np.trace(averaged[:, *UPPER])))  # of a projection, its trace
    _, _, rows = np.linalg.svd(cartesian.reshape(6, 9))
    return rows[:rank].reshape(-1, 3, 3)[:, *UPPER]


def r_factor(f_obs: np.ndarray, f_model: np.ndarray) -> float:
    """Sum |F_obs - |F_model|| / sum F_obs; NaN without reflections."""
    total = float(np.sum(f_obs))
    return float(np.abs(f_obs - np.abs(f_model)).sum()) / total if total > 0 else float("nan")


def fit_isotropic_b(
    data: ScalingData, start: ScaleParameters | None = None, fixed: Collection[str] = ()
) -> ScaleParameters:
    """k_overall and one B from a straight line through log(F_obs / |F_model|) against stol2.

    The solvent is as in `start`. A quick start for :func:`fit`.
    """
    # all invariant tensors include the unit tensor, whatever the symmetry
    unit = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    return _fit_log_ratio(data, start or ScaleParameters(), fixed, unit[None], data.stol2[:, None])


def fit_anisotropic_b(
    data: ScalingData, start: ScaleParameters | None = None, fixed: Collection[str] = ()
) -> ScaleParameters:
    """The same with all of the tensor that the symmetry allows, by linear least squares."""
    return _fit_log_ratio(data, start or ScaleParameters(), fixed, data.b_basis, data.exponents)


def _fit_log_ratio(
    data: ScalingData,
    start: ScaleParameters,
    fixed: Collection[str],
    tensors: np.ndarray,
    exponents: np.ndarray,
) -> ScaleParameters:
    unscaled = data.unscaled_amplitudes(start.solvent_scale(data.stol2))
    usable = (data.f_obs > 0) & (unscaled > 0)
    f_obs, unscaled, hkl = data.f_obs[usable], unscaled[usable], data.hkl[usable]
    fixed_scale = ScaleParameters(
        start.k_overall if "k_overall" in fixed else 1.0,
        start.b_overall if "b_overall" in fixed else (0.0,) * 6,
    ).overall_scale(data.crystal, hkl)
    columns = []
    if "k_overall" not in fixed:
        columns.append(np.ones((len(f_obs), 1)))
    if "b_overall" not in fixed:
        columns.append(-exponents[usable])
    if not columns or len(f_obs) < 1 + len(tensors):
        return start
    # A logarithm is as uncertain as its argument is small. Both amplitudes weigh, for either
    # alone would favour reflections where it happens to be the larger.
    weights = np.sqrt(f_obs * unscaled)
    logs = np.log(f_obs / (fixed_scale * unscaled))
    solution = np.linalg.lstsq(np.hstack(columns) * weights[:, None], logs * weights, rcond=None)[0]
    result = start
    if "k_overall" not in fixed:
        result = replace(result, k_overall=float(np.exp(solution[0])))
        solution = solution[1:]
    if "b_overall" not in fixed:
        result = replace(result, b_overall=_as_floats(solution @ tensors))
    return result


def fit(
    data: ScalingData,
    *,
    target: str = "ls",
    start: ScaleParameters | None = None,
    fixed: Collection[str] = (),
    weights: np.ndarray | None = None,
    k_sol_min: float = 0.0,
) -> ScalingFit:
    """Fit the parameters to F_obs.

    Parameters
    ----------
    data
        Reflections to fit to.
    target
        ``"ls"``: least sum of (|F_total| - F_obs)^2.
    start
        Where to start; by default the average solvent and :func:`fit_isotropic_b`.
    fixed
        Which of ``"k_overall"``, ``"b_overall"``, ``"k_sol"``, ``"b_sol"`` stay as they start.
        The two of the solvent also stay where there is no solvent.
    weights
        (n,) factors of the residuals, such as 1/sigma; 1 by default.
    k_sol_min
        Least k_sol allowed. 0 suits X-rays and electrons; for neutrons light water has a
        negative density. B_sol is never negative.

    Raises
    ------
    ParameterError
        For an unknown target or parameter, or a start with k_overall <= 0.
    ReflectionsError
        When there are not more reflections than parameters.
    """
    if target not in LOSSES:
        raise ParameterError(f"unknown target {target!r}: expected one of {', '.join(LOSSES)}")
    held, notes = _held_parameters(data, fixed)
    start = start or fit_isotropic_b(data, fixed=held)
    if start.k_overall <= 0:
        raise ParameterError(f"k_overall starts at {start.k_overall:g}, expected more than 0")
    if start.k_sol == 0.0 and "k_sol" in held:
        held |= {"b_sol"}
    result = _minimise(_Problem(data, start, held, weights), LOSSES[target], k_sol_min)
    if "k_sol" not in held and result.parameters.k_sol - k_sol_min < NEGLIGIBLE_K_SOL:
        # B_sol of no solvent is undetermined and would be reported as if it were known
        notes += (f"k_sol falls to its lower limit and is set to {k_sol_min:g}",)
        start = replace(result.parameters, k_sol=k_sol_min, b_sol=start.b_sol)
        held |= {"k_sol"} if k_sol_min else {"k_sol", "b_sol"}
        result = _minimise(_Problem(data, start, held, weights), LOSSES[target], k_sol_min)
    return replace(result, notes=notes)


def _held_parameters(
    data: ScalingData, fixed: Collection[str]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Those fixed by the caller or for want of solvent, and what to say of it."""
    unknown = set(fixed) - set(PARAMETERS)
    if unknown:
        raise ParameterError(
            f"cannot fix {', '.join(sorted(unknown))}: the parameters are {', '.join(PARAMETERS)}"
        )
    if data.has_solvent:
        return frozenset(fixed), ()
    empty = "the solvent mask is empty: k_sol and B_sol are not fitted"
    notes = () if data.f_mask is None else (empty,)
    return frozenset(fixed) | {"k_sol", "b_sol"}, notes


@dataclass(frozen=True, eq=False)
class _Problem:
    """Residuals and their derivatives as functions of the vector of free parameters.

    All parameters are the vector (log k_overall, components of B in the basis, k_sol, B_sol).
    """

    data: ScalingData
    start: ScaleParameters
    fixed: frozenset[str]
    weights: np.ndarray | None = None

    @cached_property
    def free(self) -> np.ndarray:
        """(m + 3,) bool."""
        lengths = (1, len(self.data.b_basis), 1, 1)
        return np.repeat([name not in self.fixed for name in PARAMETERS], lengths)

    @cached_property
    def start_vector(self) -> np.ndarray:
        """(m + 3,) all parameters at the start; B without what the symmetry forbids."""
        b = self.data.b_components(self.start.b_overall)
        return np.array([np.log(self.start.k_overall), *b, self.start.k_sol, self.start.b_sol])

    @cached_property
    def static_scale(self) -> np.ndarray | float:
        """The part of a B held fixed that the symmetry forbids: taken as it is given."""
        if "b_overall" not in self.fixed:
            return 1.0
        allowed = self.data.b_components(self.start.b_overall) @ self.data.b_basis
        rest = np.array(self.start.b_overall) - allowed
        return np.exp(-quadratic_terms(self.data.crystal, self.data.hkl) @ rest)

    def vector(self, x: np.ndarray) -> np.ndarray:
        """(m + 3,) all parameters, from the free ones."""
        values = self.start_vector.copy()
        values[self.free] = x
        return values

    def parameters(self, x: np.ndarray) -> ScaleParameters:
        log_k, *b, k_sol, b_sol = self.vector(x)
        fitted = ScaleParameters(
            float(np.exp(log_k)), _as_floats(b @ self.data.b_basis), float(k_sol), float(b_sol)
        )
        kept: dict[str, Any] = {name: getattr(self.start, name) for name in self.fixed}
        return replace(fitted, **kept)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        overall, solvent, _ = self._scales(x)
        return self._weighted(overall * self.data.unscaled_amplitudes(solvent) - self.data.f_obs)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        data = self.data
        overall, solvent, per_k_sol = self._scales(x)
        amplitudes = overall * data.unscaled_amplitudes(solvent)
        slope = overall * data.unscaled_slope(solvent)
        columns = [
            amplitudes,
            *(-data.exponents.T * amplitudes),
            slope * per_k_sol,
            -slope * data.stol2 * solvent,
        ]
        return self._weighted(np.array(columns)[self.free]).T

    def _scales(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Overall scale, solvent scale, and the latter for k_sol = 1."""
        log_k, *b, k_sol, b_sol = self.vector(x)
        overall = self.static_scale * np.exp(log_k - self.data.exponents @ b)
        per_k_sol = np.exp(-b_sol * self.data.stol2)
        return overall, k_sol * per_k_sol, per_k_sol

    def _weighted(self, values: np.ndarray) -> np.ndarray:
        return values if self.weights is None else values * self.weights


def _minimise(problem: _Problem, loss: str, k_sol_min: float) -> ScalingFit:
    """Levenberg-Marquardt, or trust regions where the loss or the limits of the solvent ask."""
    import scipy.optimize

    n, free = len(problem.data), problem.free
    if n <= free.sum():
        raise ReflectionsError(f"got {n} reflections to fit {free.sum()} parameters, expected more")
    if not free.any():
        value = float((problem.residuals(np.empty(0)) ** 2).sum())
        return ScalingFit(value, problem.start, 0, n, True)
    least = np.full(len(free), -np.inf)
    least[-2:] = k_sol_min, 0.0
    options = {"jac": problem.jacobian, "x_scale": "jac", "loss": loss, "ftol": FTOL}
    x0 = problem.start_vector[free]
    solution = None
    if loss == "linear":
        solution = scipy.optimize.least_squares(problem.residuals, x0, method="lm", **options)
    if solution is None or (solution.x < least[free]).any():
        inside = np.maximum(x0, least[free] + NEGLIGIBLE_K_SOL)
        bounds = (least[free], np.inf)
        solution = scipy.optimize.least_squares(
            problem.residuals, inside, method="trf", bounds=bounds, **options
        )
    return ScalingFit(
        value=2.0 * float(solution.cost),  # scipy halves the sum of squares
        parameters=problem.parameters(solution.x),
        n_parameters=int(free.sum()),
        n_reflections=n,
        converged=bool(solution.success),
        stats={"evaluations": int(solution.nfev), "message": str(solution.message)},
    )


def _as_floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
