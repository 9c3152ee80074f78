"""Density that the model lacks: the strong part of its mFo-DFc map, added to F_model.

Atoms that the model lacks stand out of the difference map, and its noise does not. What is more
than three standard deviations from zero is kept, and its structure factors F_D are added to those
of the atoms, F_calc + c exp(-b stol2) F_D.

A map contains each F_obs that it was made of, so that F_D would agree too well with them. Each
fitted reflection therefore has the F_D of a map that was made without it: there are five such maps,
each of four fifths of the reflections. The free set is in no map, nor are reflections that overlap
in a twin with one that is left out. c, b, the scales and R_work are those of these predictions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.density.fourier import structure_factors
from friedel.density.grid import grid_shape
from friedel.errors import ReflectionsError
from friedel.fmodel.difference_maps import labels_of
from friedel.fmodel.fit import FitSettings, FModelFit
from friedel.fmodel.scaled import ScaledModel
from friedel.fmodel.setup import Setup, read_only
from friedel.fmodel.sigma_a import doubled, normalised
from friedel.fmodel.twinning import arrays_of
from friedel.maps.coefficients import map_from_coefficients
from friedel.maps.difference_density import DifferenceDensity, difference_density
from friedel.model.arrays import as_keys
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.notes import Note
from friedel.reflections.reflections import Reflections
from friedel.runtime.minimizers import bfgs
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit, fit
from friedel.scaling.rejection import about_rejected, near_model
from friedel.scaling.targets import TARGETS
from friedel.scaling.undetermined import other_notes

N_FOLDS = 5
"""Number of maps, each without a fraction of the reflections that are predicted from it."""

SEED = 30011
"""Seed of the division of reflections into folds, so that results are reproducible."""

LEAST_DEVIATIONS = 3.0
"""Least distance from zero, in standard deviations of the map, of density that is kept."""

POINTS_PER_D_MIN = 3.0
"""Grid points per d_min along each cell edge of the maps."""

ROUNDS = 2
"""Number of times that c and b, and then the scales, are fitted."""

C_SPREAD, B_SPREAD = 2.0, 50.0
"""Standard deviations of c, and of b (Å^2), before they meet the data."""

SCALE_SPREAD = 0.1
"""Standard deviation of the logarithm of the scale that is fitted with c and b."""

LEAST_GAIN = 3.0
"""Least gain of log-likelihood, in standard errors, for which the density is added."""

MOST_FOR_FACTOR = 10000
"""Number of reflections that suffice for c and b."""

LEAST_REFLECTIONS = 100
"""Least number of fitted reflections."""

N_PEAKS, N_PRINTED = 10, 5
"""Numbers of peaks, and of holes, of the added density in the JSON and in the summary."""


@dataclass(frozen=True, eq=False, repr=False)
class MissingDensity:
    """Density that the model lacks, which was added to F_model.

    Attributes
    ----------
    c, b
        F_D is multiplied by c exp(-b stol2); b is in Å^2.
    gain, gain_error
        Mean gain of log-likelihood of a fitted reflection, predicted without itself, and its
        standard error, nats.
    r_work_without, r_free_without
        R-factors without the added density; the second is None without a free set.
    fraction
        Fraction of the unit cell where density was added.
    values
        (n,) complex structure factors of the added density at the reflections of `f_obs`, on the
        scale of F_calc: those of a fitted reflection are from a map that was made without it.
    of_mates
        The same for the mates of these in each further domain of a twin, by the law; zero where
        there is no mate.
    """

    c: float
    b: float
    gain: float
    gain_error: float
    r_work_without: float
    r_free_without: float | None
    fraction: float
    values: np.ndarray
    of_mates: Mapping[str, np.ndarray]
    _hkl: np.ndarray
    _map: "_DifferenceMap"
    _atoms: Atoms
    _labels: Sequence[str] | None

    def __repr__(self) -> str:
        return f"<friedel.MissingDensity, c {self.c:.2f}, b {self.b:.0f}, {self.fraction:.2%}>"

    def at(self, hkl: np.ndarray) -> np.ndarray:
        """(m,) complex structure factors of the density from all fitted reflections.

        Parameters
        ----------
        hkl
            (m, 3) reflections, within the range of d of the data.
        """
        kept = self._map.kept()
        crystal = self._map.crystal
        return self._factor(hkl) * structure_factors(kept, crystal, hkl, symmetry_sum=False)

    def _factor(self, hkl: np.ndarray) -> np.ndarray:
        return self.c * np.exp(-self.b * self._map.crystal.stol2(hkl))

    @cached_property
    def coefficients(self) -> Reflections:
        """Complex coefficients of the added density, at the reflections of `f_obs`.

        The density is that of all fitted reflections, on the absolute scale: a map of them is in
        electrons/Å^3 for X-rays.
        """
        return Reflections(self._map.crystal, self._hkl, self.at(self._hkl), label="FMISS")

    def density(self, n: int = 20) -> DifferenceDensity:
        """Extremes of the added density, and its highest peaks and deepest holes.

        Heights are on the absolute scale (electrons/Å^3 for X-rays).

        Parameters
        ----------
        n
            Largest number of peaks and of holes.

        Raises
        ------
        ParameterError
            When `n` is not a positive integer.
        """
        return difference_density(self.coefficients, self._atoms, self._labels, n)

    def text(self, unit: str) -> str:
        """The highest peaks and deepest holes as text; `unit` is that of the density."""
        return self.density(N_PRINTED).text(unit, "added density")

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON, with peaks and holes."""
        names = "c", "b", "gain", "gain_error", "r_work_without", "r_free_without", "fraction"
        numbers = {name: getattr(self, name) for name in names}
        return numbers | {"density": self.density(N_PEAKS).to_dict()}


@dataclass(frozen=True, eq=False)
class _DifferenceMap:
    """Coefficients of a difference map, and the grid on which it is calculated."""

    coefficients: Reflections
    shape: tuple[int, int, int]

    @property
    def crystal(self) -> Crystal:
        return self.coefficients.crystal

    def kept(self, chosen: Any = slice(None)) -> np.ndarray:
        """Density far from zero, and zero elsewhere, of the map of some of the reflections."""
        part = self.coefficients.select(chosen)
        density = map_from_coefficients(part, shape=self.shape).array
        density[np.abs(density) <= LEAST_DEVIATIONS * density.std(dtype=float)] = 0.0
        return density


def with_missing_density(outcome: FModelFit, setup: Setup, fixed: Collection[str]) -> FModelFit:
    """The fit with density that the model lacks, if it predicts left-out reflections better.

    Parameters
    ----------
    outcome
        The fit without it.
    setup
        Model and data; `missing_density` is ``"auto"``, or True to add it in any case.
    fixed
        Parameters of the scales that are held fixed.

    Raises
    ------
    ReflectionsError
        When there are less than :data:`LEAST_REFLECTIONS` fitted reflections, and it is not up to
        the data whether the density is added.
    """
    without = ScaledModel(replace(setup, components=outcome.unscaled), outcome)
    n, asked = int(setup.observed.work.sum()), setup.missing_density is True
    if n < LEAST_REFLECTIONS:
        needs = (
            f"density that the model lacks needs {LEAST_REFLECTIONS} fitted reflections; got {n}"
        )
        if asked:
            raise ReflectionsError(needs)
        return _noted(outcome, Note(f"{needs}: not searched", "left out", n))
    found = _search(without, outcome, setup, fixed)
    missing = found.unscaled.missing
    assert missing is not None
    gain = f"{missing.gain:.4f} +- {missing.gain_error:.4f}"
    if not asked and not (missing.c > 0.0 and missing.gain > LEAST_GAIN * missing.gain_error):
        text = (
            "density that the model lacks is not added: the log-likelihood of a reflection that "
            f"is left out gains {gain}"
        )
        return _noted(outcome, Note(text, "fit", missing.gain))
    r_work = ScaledModel(replace(setup, components=found.unscaled), found).r_work
    text = (
        f"density that the model lacks is added, in {missing.fraction:.2%} of the cell: R_work, of "
        f"reflections left out of it, is {r_work:.4f}, without it {missing.r_work_without:.4f}; "
        f"the log-likelihood of each gains {gain}"
    )
    give = "to leave it out give missing_density=None (--missing-density none)"
    return _noted(found, Note(text, "fit", missing.r_work_without, give=give))


def _noted(outcome: FModelFit, note: Note) -> FModelFit:
    scaling = replace(outcome.scaling, notes=(*outcome.scaling.notes, note))
    return replace(outcome, scaling=scaling)


def _search(
    without: ScaledModel, outcome: FModelFit, setup: Setup, fixed: Collection[str]
) -> FModelFit:
    """The fit with the density that the model lacks."""
    laws = [domain.law for domain in outcome.twins]
    fold = folds(without.crystal, without.f_obs.hkl, without.usable, without.free, laws)
    difference = _difference_map(without, fold >= 0)
    values, of_mates, fraction = _predictions(difference, without.f_obs.hkl, fold, laws, setup)
    c, b, current = 1.0, 0.0, outcome
    for _ in range(ROUNDS):
        products = _products(without, outcome, current.scaling.parameters, values, of_mates)
        c, b = _fitted_factor(without, setup.settings, products, (c, b))
        factor = c * np.exp(-b * without.f_obs.stol2)
        missing = MissingDensity(
            c=c,
            b=b,
            gain=0.0,
            gain_error=0.0,
            r_work_without=without.r_work,
            r_free_without=without.r_free,
            fraction=fraction,
            values=read_only(factor * values),
            of_mates={name: read_only(factor * f) for name, f in of_mates.items()},
            _hkl=without.f_obs.hkl,
            _map=difference,
            _atoms=without.atoms,
            _labels=labels_of(without),
        )
        current = _refitted(outcome, current.scaling, missing, setup, fixed)
    gain = _gain(without, ScaledModel(replace(setup, components=current.unscaled), current))
    missing = replace(missing, gain=gain[0], gain_error=gain[1])
    return replace(current, unscaled=current.unscaled.with_missing(missing))


def folds(
    crystal: Crystal,
    hkl: np.ndarray,
    usable: np.ndarray,
    free: np.ndarray,
    laws: Sequence[TwinLaw] = (),
) -> np.ndarray:
    """(n,) number of the map that lacks each reflection; -1 for those that are in no map.

    Equivalent reflections, Friedel mates, and reflections that overlap in a twin have the same
    number. If one of them is free, none is in a map.

    Parameters
    ----------
    hkl
        (n, 3) reflections.
    usable, free
        (n,) bool: reflections with F_obs, and those left out of the fit.
    laws
        The laws of a twin.
    """
    keys = as_keys(crystal.to_asu(hkl)[0])
    group = keys.copy()
    for law in laws:
        mates, exist = law.mates(crystal, hkl)
        group[exist] = np.minimum(group[exist], as_keys(crystal.to_asu(mates)[0]))
    _, group = np.unique(group, return_inverse=True)
    n_groups = int(group.max(initial=-1)) + 1
    number = np.random.default_rng(SEED).permutation(n_groups) % N_FOLDS
    has_free = np.bincount(group, free, n_groups) > 0
    return np.where(usable & ~has_free[group], number[group], -1)


def _difference_map(model: ScaledModel, chosen: np.ndarray) -> _DifferenceMap:
    """The mFo-DFc map of the reflections `chosen` (n,), doubled for acentric reflections.

    It is on the absolute scale at each reflection, without the anisotropic B of the scale. sigma_A
    is estimated from the same reflections, so that the free set has no influence.
    """
    crystal, hkl, f_obs = model.crystal, model.f_obs.hkl[chosen], model.f_obs
    f_model = model.f_model.values[chosen]
    everything = np.ones(len(hkl), bool)
    found = model._statistics.phases_of(chosen, everything)
    values = found.f_expected * np.exp(1j * np.angle(f_model)) - found.d * f_model
    values = doubled(values, crystal.is_centric(hkl)) / model.scales.overall_scale(crystal, hkl)
    shape = grid_shape(crystal, float(f_obs.d_spacing.min()) / POINTS_PER_D_MIN)
    return _DifferenceMap(Reflections(crystal, hkl, values, label="FOFCWT"), shape)


def _predictions(
    difference: _DifferenceMap,
    hkl: np.ndarray,
    fold: np.ndarray,
    laws: Sequence[TwinLaw],
    setup: Setup,
) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """F_D (n,) at `hkl` from maps without these, at their twin mates, and the fraction kept."""
    crystal, of_map = difference.crystal, fold[fold >= 0]
    values = np.zeros(len(hkl), complex)
    of_mates = {law.name: np.zeros(len(hkl), complex) for law in laws}
    fraction = 0.0
    for number in setup.settings.progress(range(-1, N_FOLDS)):
        kept = difference.kept(of_map != number)
        if number < 0:
            fraction = float(np.count_nonzero(kept)) / kept.size
        rows = np.flatnonzero(fold == number)
        values[rows] = structure_factors(kept, crystal, hkl[rows], symmetry_sum=False)
        for law in laws:
            mates, exist = law.mates(crystal, hkl[rows])
            of_mates[law.name][rows[exist]] = structure_factors(
                kept, crystal, mates, symmetry_sum=False
            )
    return values, of_mates, fraction


def _products(
    without: ScaledModel,
    outcome: FModelFit,
    scales: ScaleParameters,
    values: np.ndarray,
    of_mates: Mapping[str, np.ndarray],
) -> np.ndarray:
    """(3, n) terms of abs(F_model + x F_D)^2 at powers 0, 1 and 2 of x, of all domains."""
    crystal, hkl = without.crystal, without.f_obs.hkl
    overall = scales.overall_scale(crystal, hkl)
    first = replace(without.with_fixed_mask, scales=scales).scaled(without.f_calc.values)
    domains = [(1.0 - scales.twin_fraction, first, values)]
    for domain, fraction in zip(outcome.twins, scales.twin_fractions, strict=False):
        f_model = domain.f_total(crystal, hkl, scales)
        domains.append((fraction, f_model, of_mates[domain.law.name]))
    total = np.zeros((3, len(hkl)))
    for fraction, f_model, f_added in domains:
        scaled = overall * f_added
        cross = 2.0 * (f_model.conj() * scaled).real
        total += fraction * np.array([np.abs(f_model) ** 2, cross, np.abs(scaled) ** 2])
    return total


def _fitted_factor(
    model: ScaledModel, settings: FitSettings, products: np.ndarray, start: tuple[float, float]
) -> tuple[float, float]:
    """The factor c and b by the target of the fit; for intensities by that for ``"l1"`` of F.

    The scale is fitted with them: it decreases where density is added.
    """
    observed = model._setup.observed
    rows = np.flatnonzero(observed.work)
    rows = rows[:: -(-len(rows) // MOST_FOR_FACTOR)]
    of_intensities = TARGETS[settings.target].of_intensities
    weights = np.ones(len(rows))
    if observed.weights is not None and not of_intensities:
        weights = np.asarray(observed.weights[rows], np.float64)
    f_obs, stol2 = np.asarray(model.f_obs.values[rows], np.float64), model.f_obs.stol2[rows]
    zero, one, two = products[:, rows]
    at_start = (np.sqrt(zero) - f_obs) * weights
    target = TARGETS["l1" if of_intensities else settings.target].adapted(at_start)
    spread = np.array([C_SPREAD, B_SPREAD, SCALE_SPREAD])
    n, width = len(f_obs), target.scale

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        c, b, log_k = p * spread
        k, x = np.exp(log_k), np.exp(-b * stol2)
        gx = c * x
        amplitudes = k * np.sqrt(np.maximum(zero + gx * (one + gx * two), 0.0))
        residuals = weights * (amplitudes - f_obs)
        slope = target.weights(residuals) * residuals * weights / width**2
        per_gx = np.divide(
            k * k * (one + 2.0 * gx * two), 2.0 * amplitudes,
            out=np.zeros(n), where=amplitudes > 0.0,
        )  # fmt: skip
        along = slope * per_gx
        by = np.array([along @ x, -(along * gx) @ stol2, slope @ amplitudes])
        value = float(target.negative_log_likelihood(residuals).sum() + 0.5 * p @ p)
        return value / n, (by * spread + p) / n

    found = bfgs(loss, np.array([*start, 0.0]) / spread) * spread
    return float(found[0]), float(found[1])


def _refitted(
    outcome: FModelFit,
    near: ScalingFit,
    missing: MissingDensity,
    setup: Setup,
    fixed: Collection[str],
) -> FModelFit:
    """The scales fitted once more, with the added density and the same shape."""
    observed, settings = setup.observed, setup.settings
    unscaled = outcome.unscaled.with_missing(missing)
    twins = tuple(
        replace(
            domain,
            arrays=(domain.arrays[0] + missing.of_mates[domain.law.name], *domain.arrays[1:]),
        )
        for domain in outcome.twins
    )
    work = observed.work
    data: ScalingData = unscaled.scaling_data(observed.f_obs.values, work, observed.i_obs)
    if twins:
        data = replace(data, twin=arrays_of(twins, work))
    weights = None if observed.weights is None else observed.weights[work]
    kept = near_model(data, near, weights) if settings.rejects else np.ones(len(data), bool)
    fitted = fit(
        data.select(kept),
        target=settings.target,
        start=near.parameters,
        fixed=outcome.shape.held | set(fixed),
        weights=None if weights is None else weights[kept],
        k_sol_min=settings.k_sol_min,
    )
    rejected = work.copy()
    rejected[work] = ~kept
    before = set(about_rejected(~outcome.rejected[work]))
    earlier = (note for note in other_notes(outcome.scaling.notes) if note not in before)
    notes = tuple(dict.fromkeys((*earlier, *fitted.notes, *about_rejected(kept))))
    fitted = replace(fitted, notes=notes, n_parameters=outcome.scaling.n_parameters + 2)
    return replace(
        outcome,
        unscaled=unscaled,
        scaling=fitted,
        rejected=rejected,
        twins=twins,
        before=outcome,
    )


def _gain(without: ScaledModel, with_it: ScaledModel) -> tuple[float, float]:
    """Mean gain of log-likelihood of the fitted reflections, and its standard error, nats."""
    observed = without._setup.observed
    work, f_obs = observed.work, observed.f_obs
    found = []
    for model in (without, with_it):
        amplitudes = normalised(
            f_obs.crystal,
            f_obs.hkl[work],
            np.asarray(f_obs.values[work], np.float64),
            model.amplitudes[work],
            None if f_obs.sigmas is None else f_obs.sigmas[work],
        )
        sigma_a = amplitudes.sigma_a(amplitudes.sample())
        found.append(amplitudes.log_likelihoods(sigma_a))
    gains = found[1] - found[0]
    return float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))
