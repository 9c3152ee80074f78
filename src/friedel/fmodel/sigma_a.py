"""sigma_A: the reliability of a model's phases, and map coefficients that follow from it.

sigma_A(d) is the correlation of the normalised structure factors of model and crystal. Given it,
the distribution of F_obs around F_model is known (Rice's for acentric, a folded normal one for
centric reflections), and from it the mean cosine of the phase error (figure of merit m) and the
factor D that takes F_model to its expectation [Read1986] [Read1990].

Errors of measurement widen the distribution of F_obs, but do not change the phases: with
sigma(F_obs) the likelihood has the variance of model and measurement together [Murshudov2011], and
m and the expected F are averages over the true amplitude behind each F_obs.

F_obs of a twin is the amplitude of all domains together. What it says of the first domain, and of
sigma_A, follows from the laws of all; see :mod:`friedel.reflections.twinned_distributions`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from friedel.errors import ReflectionsError
from friedel.fmodel.sigma_a_laws import moments, negative_log_likelihood
from friedel.fmodel.twin_overlap import TwinOverlap
from friedel.model.crystal import Crystal
from friedel.reflections.mean_intensity import (
    REFLECTIONS_PER_TERM,
    mean_intensity,
    mean_of_intensities,
    resolution_limits,
    resolution_terms,
)
from friedel.runtime.minimizers import bfgs, scoring

MOST_TERMS = 6
"""Largest number of coefficients: enough to resolve the solvent's dip at low resolution."""

STARTS = (-2.0, 0.0, 1.0, 2.0, 4.0, 8.0)
"""Logits of constant sigma_A (0.12 to 0.9997); the fit starts from the likeliest."""

CURVATURE = 2.0
"""Standard deviation of the k-th coefficient of a curve, times k, before it meets the data."""

CHANGE_OF_SHAPE = 0.2
"""Standard deviation of the difference between the k-th coefficients, k > 0, of the curves of free
and of all reflections, times k."""

CHANGE_OF_LEVEL = 0.4
"""Standard deviation of the difference between the first coefficients of these curves. For 13
refined models it was 0.47 in the mean, and it is 0 for a model that was not fitted to the data."""

MOST_FOR_SHAPE = 4000
"""Number of reflections that suffice for the shape of the curve."""

MOST_OF_TWIN, MOST_FOR_SHAPE_OF_TWIN = 4000, 2000
"""Largest number of reflections of a twin, whose likelihood takes longer to calculate, that a curve
is estimated from; and the number that suffices for the shape of the curve."""

RANGE_OF_SIGMA = (1e-6, 1e6)
"""Limits of sigmas of normalised amplitudes, which avoid a division by zero and an overflow."""

LEAST_SIGNAL = 0.25
"""Least fraction of the mean F_obs^2 that is not variance of the measurement."""

ENOUGH_FOR_START = 500
"""Number of reflections of a twin that suffice for the level at which the fit starts."""

LEAST_FREE = 50
"""Number of free reflections below which sigma_A is estimated from all reflections."""


@dataclass(frozen=True)
class SigmaA:
    """sigma_A as a smooth function of resolution.

    Attributes
    ----------
    coefficients
        Coefficients of Chebyshev polynomials in 1/d for the logit of sigma_A.
    limits
        Least and greatest 1/d, 1/Å; beyond, sigma_A is constant.
    n_reflections
        Number of reflections that it was estimated from.
    log_likelihood
        Log-likelihood of these, in nats.
    """

    coefficients: tuple[float, ...]
    limits: tuple[float, float]
    n_reflections: int
    log_likelihood: float

    def __call__(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) sigma_A, between 0 and 1, at `stol2` (1/Å^2)."""
        terms = resolution_terms(np.asarray(stol2), self.limits, len(self.coefficients))
        return _sigmoid(terms @ np.array(self.coefficients))


@dataclass(frozen=True, eq=False)
class PhaseStatistics:
    """Figure of merit and D of each reflection, which follow from sigma_A.

    Attributes
    ----------
    sigma_a
        sigma_A as a function of resolution.
    fom
        (n,) figure of merit: the mean cosine of the phase error.
    d
        (n,) D, on the scale of the amplitudes: before F_obs is known, the expected F is D F_model.
    f_expected
        (n,) the amplitude of the expected F, along F_model, given F_obs and its sigma: m F_obs for
        exact F_obs, and between this and D F_model for others.
    """

    sigma_a: SigmaA
    fom: np.ndarray
    d: np.ndarray
    f_expected: np.ndarray

    def d_at(self, stol2: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """(m,) D at `wanted`, interpolated between the reflections at `stol2` (n,), in 1/Å^2."""
        known = np.flatnonzero(np.isfinite(self.d))
        known = known[np.argsort(stol2[known], kind="stable")]
        return np.interp(wanted, stol2[known], self.d[known])


def free_or_all(free: np.ndarray) -> np.ndarray:
    """(n,) bool: reflections to estimate sigma_A from, the free set unless it is too small."""
    return free if free.sum() >= LEAST_FREE else np.ones(len(free), bool)


def phase_statistics(
    crystal: Crystal,
    hkl: np.ndarray,
    f_obs: np.ndarray,
    f_model: np.ndarray,
    estimate_from: np.ndarray,
    sigmas: np.ndarray | None = None,
    twin: TwinOverlap | None = None,
) -> PhaseStatistics:
    """sigma_A at maximum likelihood, and the figure of merit and D of each reflection.

    Parameters
    ----------
    hkl
        (n, 3) indices, none systematically absent.
    f_obs, f_model
        (n,) amplitudes on one scale, F_obs > 0.
    estimate_from
        (n,) bool: the reflections to estimate sigma_A from. It should be the free set if
        there is one: a model agrees too well with reflections that it was fitted to. The others
        only contribute to the shape of the curve; see :func:`estimate`.
    sigmas
        (n,) standard uncertainties of F_obs, positive; None for exact amplitudes.
    twin
        For a twin, its further domains. F_obs is the amplitude of all domains, `f_model` and all
        results are those of the first.

    Raises
    ------
    ReflectionsError
        When there are less than 10 reflections to estimate from.
    """
    n = int(estimate_from.sum())
    if n < 10:
        raise ReflectionsError(f"got {n} reflections to estimate sigma_A from, expected 10 or more")
    found = normalised(crystal, hkl, f_obs, f_model, sigmas, twin)
    prior = None
    if not estimate_from.all():
        prior = found.sigma_a(found.sample())
    sigma_a = found.sigma_a(estimate_from, prior)
    value = sigma_a(found.stol2)
    fom, component = found.moments(value)
    exact = sigmas is None and twin is None
    expected = fom * f_obs if exact else component * found.unit
    return PhaseStatistics(sigma_a, fom, value * found.ratio, expected)


@dataclass(frozen=True, eq=False)
class NormalisedAmplitudes:
    """Observed and model amplitudes, divided by the roots of their mean squares.

    Attributes
    ----------
    e_obs, e_model
        (n,) normalised amplitudes.
    e_sigma
        (n,) standard uncertainties of `e_obs`; None for exact amplitudes.
    centric, stol2
        (n,) whether a reflection is centric, and (sin theta / lambda)^2, 1/Å^2.
    unit
        (n,) F_obs for E_obs of 1.
    ratio
        (n,) root mean square of the true F over that of F_model.
    twin
        The further domains of a twin, with normalised amplitudes, or None.
    """

    e_obs: np.ndarray
    e_model: np.ndarray
    e_sigma: np.ndarray | None
    centric: np.ndarray
    stol2: np.ndarray
    unit: np.ndarray
    ratio: np.ndarray
    twin: TwinOverlap | None = None

    def sample(self) -> np.ndarray:
        """Indices of as many reflections, evenly from the list, as a curve of sigma_A needs."""
        n, most = len(self.e_obs), MOST_FOR_SHAPE if self.twin is None else MOST_FOR_SHAPE_OF_TWIN
        return np.arange(0, n, -(-n // most))

    def sigma_a(self, chosen: np.ndarray, prior: SigmaA | None = None) -> SigmaA:
        """Likeliest sigma_A of some reflections; see :func:`estimate`."""
        if self.twin is not None:
            chosen = np.arange(len(self.e_obs))[chosen]
            chosen = chosen[:: -(-len(chosen) // MOST_OF_TWIN)]
        return estimate(
            self.e_obs[chosen],
            self.e_model[chosen],
            self.centric[chosen],
            self.stol2[chosen],
            resolution_limits(self.stol2),
            None if self.e_sigma is None else self.e_sigma[chosen],
            prior,
            None if self.twin is None else self.twin[chosen],
        )

    def log_likelihoods(self, sigma_a: SigmaA) -> np.ndarray:
        """(n,) log-likelihood of each F_obs given F_model, nats, without terms of F_obs alone."""
        return -negative_log_likelihood(*self._arrays(sigma_a(self.stol2)))[0]

    def moments(self, sigma_a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) mean cosine of the phase error, and mean of E along E_model, for sigma_A (n,)."""
        return moments(*self._arrays(sigma_a))

    def _arrays(self, sigma_a: np.ndarray) -> tuple[Any, ...]:
        return self.e_obs, self.e_model, self.centric, sigma_a, self.e_sigma, self.twin


def normalised(
    crystal: Crystal,
    hkl: np.ndarray,
    f_obs: np.ndarray,
    f_model: np.ndarray,
    sigmas: np.ndarray | None,
    twin: TwinOverlap | None = None,
) -> NormalisedAmplitudes:
    """Normalised amplitudes; the parameters are those of :func:`phase_statistics`."""
    centric, stol2 = crystal.is_centric(hkl), crystal.stol2(hkl)
    total = 1.0 if twin is None else twin.total
    mean_obs = mean_of_intensities(crystal, hkl, f_obs**2 / total)
    mean_model = mean_intensity(crystal, hkl, f_model)
    if sigmas is not None:
        # of a twin, errors are integrated over, not added to the variance of both components;
        # amplitudes that are square roots of weak intensities have sigma(F) above F
        noise = np.where(centric | (twin is not None), 1.0, 2.0) * np.minimum(sigmas, f_obs) ** 2
        of_noise = mean_of_intensities(crystal, hkl, noise / total)
        mean_obs = np.maximum(mean_obs - of_noise, LEAST_SIGNAL * mean_obs)
    epsilon = crystal.epsilon(hkl)
    unit, unit_of_model = np.sqrt(epsilon * mean_obs), np.sqrt(epsilon * mean_model)
    return NormalisedAmplitudes(
        f_obs / unit,
        f_model / unit_of_model,
        None if sigmas is None else np.clip(sigmas / unit, *RANGE_OF_SIGMA),
        centric,
        stol2,
        unit,
        np.sqrt(mean_obs / mean_model),
        None if twin is None else replace(twin, others=twin.others / unit_of_model),
    )


def map_coefficients(
    f_obs: np.ndarray, f_model: np.ndarray, centric: np.ndarray, statistics: PhaseStatistics
) -> tuple[np.ndarray, np.ndarray]:
    """Complex 2 m F_obs - D F_model (m F_obs for centric reflections), and m F_obs - D F_model.

    Their phases are those of `f_model` [Read1986]. Where F_obs has a sigma, the expected F given
    F_obs replaces m F_obs, to which it is equal for exact F_obs. They are NaN where `f_obs` is.
    """
    d_f_model = statistics.d * f_model
    unit = np.exp(1j * np.angle(f_model))
    difference = np.where(np.isnan(f_obs), np.nan, statistics.f_expected) * unit - d_f_model
    return d_f_model + doubled(difference, centric), difference


def doubled(difference: np.ndarray, centric: np.ndarray) -> np.ndarray:
    """(n,) twice the values for acentric reflections, the values for centric ones.

    Coefficients m F_obs - D F_model show atoms that the model lacks at half of their height if
    the phases are those of the model, unless the phases are restricted to two [Read1986].
    """
    return np.where(centric, 1.0, 2.0) * difference


def estimate(
    e_obs: np.ndarray,
    e_model: np.ndarray,
    centric: np.ndarray,
    stol2: np.ndarray,
    limits: tuple[float, float],
    e_sigma: np.ndarray | None = None,
    prior: SigmaA | None = None,
    twin: TwinOverlap | None = None,
) -> SigmaA:
    """Likeliest sigma_A, given normalised amplitudes (n,).

    Parameters
    ----------
    e_obs, e_model, centric, stol2
        (n,) normalised amplitudes, whether they are centric, and (sin theta / lambda)^2, 1/Å^2.
    limits
        Least and greatest 1/d of the curve, 1/Å.
    e_sigma
        (n,) standard uncertainties of `e_obs`, or None.
    prior
        The curve of all reflections, to which the new one is drawn: closely in its shape, the
        coefficients beyond the first, and loosely in its level, the first one. Without it all but
        the level are drawn to zero, and their number grows with the number of reflections.
    twin
        The further domains of a twin, with normalised amplitudes.
    """
    n_terms = int(np.clip(len(e_obs) // REFLECTIONS_PER_TERM, 1, MOST_TERMS))
    centre = np.zeros(n_terms) if prior is None else np.array(prior.coefficients)
    n_terms = len(centre)
    spread = CURVATURE if prior is None else CHANGE_OF_SHAPE
    weight = (np.arange(n_terms) / spread) ** 2
    if prior is not None:
        weight[0] = CHANGE_OF_LEVEL**-2.0
    terms = resolution_terms(stol2, limits, n_terms)

    def likelihood(coefficients: np.ndarray, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        s = _sigmoid(terms[rows] @ coefficients)
        sigma = None if e_sigma is None else e_sigma[rows]
        of_twin = None if twin is None else twin[rows]
        value, slope = negative_log_likelihood(
            e_obs[rows], e_model[rows], centric[rows], s, sigma, of_twin
        )
        return value, slope * s * (1.0 - s)

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = likelihood(coefficients, every)
        off = coefficients - centre
        # the mean, so that the minimiser's limits mean the same for any number of reflections
        n = len(e_obs)
        return (
            (float(value.sum()) + 0.5 * float(weight @ off**2)) / n,
            (slope @ terms + weight * off) / n,
        )

    def scores(coefficients: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, slope = likelihood(coefficients, every)
        off, of_each = coefficients - centre, slope[:, None] * terms
        information = of_each.T @ of_each + np.diag(weight)
        return (
            float(value.sum() + 0.5 * weight @ off**2),
            of_each.sum(axis=0) + weight * off,
            information,
        )

    every = slice(None)
    some = every if twin is None else slice(None, None, -(-len(e_obs) // ENOUGH_FOR_START))
    level = np.eye(1, n_terms)[0]
    starts = [centre + (logit - centre[0]) * level for logit in STARTS]
    start = min(starts, key=lambda coefficients: float(likelihood(coefficients, some)[0].sum()))
    # the integrals of a twin are too slow, and not exact enough, for a search along lines
    found = bfgs(loss, start) if twin is None else scoring(scores, start)
    value, _ = likelihood(found, every)
    return SigmaA(tuple(found.tolist()), limits, len(e_obs), -float(value.sum()))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # 1 - sigma_A stays above rounding: a perfect model, as in tests, gives no infinity
    return 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 14.0)))
