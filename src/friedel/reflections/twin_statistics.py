"""Tests for twinning from the statistics of intensities, without a model.

Twinning adds intensities of unrelated reflections, so that very weak and very strong ones are rare.

The L-test [Padilla2003] compares unrelated reflections near one another:
L = (I1 - I2) / (I1 + I2). It needs no law, and neither anisotropy nor pseudo-translations by half
of a cell edge disturb it. With the fractions 1 - alpha and alpha of two domains the intensity of an
acentric reflection is the sum of two exponentially distributed numbers, and
with x = (1 - 2 alpha)^2

    <|L|> = ((3 x - 1) - (1 - x)^2 log(1 - x) / x) / (4 x),

which is 1/2 without twinning and 3/8 with equal domains.

The H-test [Yeates1988] compares the reflections that overlap by a twin law:
H = |I1 - I2| / (I1 + I2) is evenly distributed from 0 to 1 - 2 alpha.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from friedel.errors import ParameterError, ReflectionsError, SymmetryError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.reflections.mean_intensity import mean_intensity
from friedel.reflections.reflections import Reflections, match

_AXES = np.eye(3, dtype=int)
_IN_TURN = np.roll(_AXES, 1, axis=0)
_ONE_WAY = np.concatenate([_AXES, 2 * _AXES, _AXES + _IN_TURN, _AXES - _IN_TURN])
STEPS = np.concatenate([_ONE_WAY, -_ONE_WAY])
"""Steps to neighbours in units of `parity`, of both signs: one may leave the asymmetric unit."""

LEAST_SHARE = 0.85
"""Smallest fraction of reflections above three sigmas for a shell to be used, as in Phenix. Weak
reflections of such shells are kept, as statistics without them would resemble those of a twin."""
BEST_SHELLS = 0.25
"""Fraction of the shells that is used if none reaches LEAST_SHARE."""
STRONG = 3.0
REFLECTIONS_PER_SHELL, MOST_SHELLS = 100, 20

LEAST_SIGNAL = 10.0
"""Smallest sum of two twin mates divided by its sigma. The sum is independent of H."""

LARGEST_OBLIQUITY = 7.0
"""Largest obliquity of a twin law (degrees); products of two-fold axes of 3 degrees reach 6.3."""


@dataclass(frozen=True)
class LTest:
    """Result of the L-test: differences of unrelated reflections near one another.

    Attributes
    ----------
    mean_abs_l
        <abs(L)>: 0.5 without twinning, 0.375 with two equal domains.
    mean_l2
        <L^2>: 0.333 without twinning, 0.2 with two equal domains.
    twin_fraction
        The twin fraction that corresponds to `mean_abs_l`, from 0 to 0.5.
    n_pairs
        Number of pairs.
    strong_share
        Fraction of the reflections used that are above three sigmas, 1 without sigmas. Below
        0.85 noise increases <abs(L)> and <L^2>.
    """

    mean_abs_l: float
    mean_l2: float
    twin_fraction: float
    n_pairs: int
    strong_share: float

    def __str__(self) -> str:
        return (
            f"<|L|> {self.mean_abs_l:.3f} (untwinned 0.500, perfect twin 0.375), "
            f"<L^2> {self.mean_l2:.3f} (0.333, 0.200): twin fraction {self.twin_fraction:.3f}"
        )


@dataclass(frozen=True)
class HTest:
    """Result of the H-test: differences of reflections that overlap by a twin law.

    Attributes
    ----------
    law
        Name of the law.
    mean_abs_h, mean_h2
        <abs(H)> and <H^2>: 0.5 and 0.333 without twinning, 0 with two equal domains.
    twin_fraction
        Twin fraction from `mean_abs_h`: (1 - 2 <abs(H)>) / 2.
    twin_fraction_from_h2
        Twin fraction from `mean_h2`: (1 - sqrt(3 <H^2>)) / 2.
    n_pairs
        Number of pairs.
    """

    law: str
    mean_abs_h: float
    mean_h2: float
    twin_fraction: float
    twin_fraction_from_h2: float
    n_pairs: int

    def __str__(self) -> str:
        return (
            f"{self.law}: <|H|> {self.mean_abs_h:.3f}, <H^2> {self.mean_h2:.3f}: twin fraction "
            f"{self.twin_fraction:.3f}, {self.twin_fraction_from_h2:.3f}"
        )


def l_test(
    data: Reflections,
    *,
    are_intensities: bool = False,
    parity: tuple[int, int, int] = (2, 2, 2),
    least_share: float = LEAST_SHARE,
) -> LTest:
    """The L-test for twinning, which needs no twin law [Padilla2003].

    Pairs are all acentric reflections that differ by one or two steps in h, k and l together. The
    intensities are divided by their smooth mean at the resolution, which matters in small cells.

    Parameters
    ----------
    data
        Amplitudes, of any indices; equivalents are averaged. With sigmas weak shells are left out.
    are_intensities
        Whether values (and sigmas) are intensities, of any sign.
    parity
        Steps in h, k, l. Steps of two pair reflections of the same class if half a cell edge is a
        pseudo-translation; steps of three do so for a third of an edge.
    least_share
        Resolution shells with a smaller fraction of intensities above three sigmas are left out.
        If that excludes all shells, the best quarter is used.

    Raises
    ------
    ParameterError
        For steps that are not positive.
    ReflectionsError
        When there are no pairs.

    Examples
    --------
    >>> print(friedel.l_test(friedel.as_reflections("data.mtz")))  # doctest: +SKIP
    """
    if len(parity) != 3 or not all(step >= 1 for step in parity):
        raise ParameterError(f"got parity {parity!r}, expected three positive whole numbers")
    crystal = data.crystal
    hkl, intensity, sigma = _acentric(data, are_intensities)
    strong = intensity > STRONG * sigma if data.sigmas is not None else np.ones(len(hkl), bool)
    used = _in_strong_shells(crystal.stol2(hkl), strong, least_share)
    hkl, intensity, share = hkl[used], intensity[used], float(strong[used].mean())
    expected = mean_intensity(crystal, hkl, np.sqrt(np.maximum(intensity, 0.0)))
    intensity = intensity / (crystal.epsilon(hkl) * expected)
    firsts, seconds = [], []
    for step in STEPS * np.array(parity):
        near = _positions(crystal, hkl, hkl + step)
        first = np.flatnonzero((near >= 0) & (near != np.arange(len(hkl))))
        firsts.append(first)
        seconds.append(near[first])
    pairs = _distinct(np.concatenate(firsts), np.concatenate(seconds))
    ratio = _ratios(intensity, np.zeros(len(intensity)), pairs, 0.0)
    mean = float(np.abs(ratio).mean())
    return LTest(mean, float((ratio**2).mean()), _fraction_of_mean(mean), len(ratio), share)


def h_test(
    data: Reflections,
    law: str | TwinLaw,
    *,
    are_intensities: bool = False,
    least_signal: float = LEAST_SIGNAL,
) -> HTest:
    """The H-test: the twin fraction of a merohedral twin, for a given law [Yeates1988].

    Parameters
    ----------
    data, are_intensities
        The same as for :func:`l_test`.
    law
        Twin law, such as ``"-h,-k,l"``.
    least_signal
        Smallest sum of a pair divided by its sigma; weaker pairs are left out.

    Raises
    ------
    ParameterError
        When the law is invalid or does not pair reflections: its square is not a symmetry
        operation, or it maps equivalent reflections to inequivalent ones.
    SymmetryError
        When it is a symmetry operation or changes the lattice.
    ReflectionsError
        When there are no pairs.
    """
    law = TwinLaw.parse(law) if isinstance(law, str) else law
    crystal = data.crystal
    if law.is_symmetry(crystal):
        raise SymmetryError(f"the twin law {law.name!r} is a symmetry operation of the crystal")
    if law.obliquity(crystal) > LARGEST_OBLIQUITY:
        raise SymmetryError(
            f"the twin law {law.name!r} does not keep the lattice of {crystal.cell}"
        )
    if not (law.keeps_equivalents(crystal) and (law * law).is_symmetry(crystal)):
        raise ParameterError(
            f"the twin law {law.name!r} does not pair reflections: its square "
            "is not a symmetry operation, or it maps equivalent reflections to inequivalent ones"
        )
    hkl, intensity, sigma = _acentric(data, are_intensities)
    mates, exist = law.mates(crystal, hkl)
    second = _positions(crystal, hkl, mates)
    first = np.flatnonzero(exist)
    epsilon = crystal.epsilon(hkl)
    compared = (second >= 0) & (first != second) & (epsilon[first] == epsilon[second])
    pairs = _distinct(first[compared], second[compared])
    ratio = _ratios(intensity, sigma, pairs, least_signal)
    mean, square = float(np.abs(ratio).mean()), float((ratio**2).mean())
    fractions = 0.5 - mean, 0.5 * (1.0 - np.sqrt(3.0 * square))
    alpha, from_h2 = (float(np.clip(fraction, 0.0, 0.5)) for fraction in fractions)
    return HTest(law.name, mean, square, alpha, from_h2, len(ratio))


def _acentric(
    data: Reflections, are_intensities: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unique indices (n, 3) in the asymmetric unit; intensities and sigmas, or zeros, (n,)."""
    crystal = data.crystal
    if are_intensities and np.iscomplexobj(data.values):
        raise ReflectionsError("the values are complex structure factors, expected intensities")
    values = np.asarray(data.values.real if are_intensities else data.amplitudes, np.float64)
    sigmas = np.zeros(len(data)) if data.sigmas is None else np.asarray(data.sigmas, np.float64)
    if not are_intensities:
        values, sigmas = values**2, 2.0 * values * sigmas
    known = np.isfinite(values) & np.isfinite(sigmas) & (sigmas >= 0.0)
    if data.sigmas is not None:
        known &= np.asarray(data.sigmas) > 0.0
    known &= ~crystal.is_centric(data.hkl) & ~crystal.is_absent(data.hkl)
    in_asu, _, _ = crystal.to_asu(data.hkl[known])
    hkl, place, counts = np.unique(in_asu, axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    intensity = np.bincount(place, values[known], len(hkl)) / counts
    variance = np.bincount(place, sigmas[known] ** 2, len(hkl)) / counts**2
    if not len(hkl):
        raise ReflectionsError("there are no acentric reflections with a value: nothing to test")
    return hkl, intensity, np.sqrt(variance)


def _in_strong_shells(stol2: np.ndarray, is_strong: np.ndarray, least_share: float) -> np.ndarray:
    """(n,) bool: reflections in shells with enough strong ones, or in the best shells."""
    n_shells = int(np.clip(len(stol2) // REFLECTIONS_PER_SHELL, 1, MOST_SHELLS))
    shells = np.array_split(np.argsort(stol2, kind="stable"), n_shells)
    shares = np.array([is_strong[shell].mean() for shell in shells])
    good = shares >= least_share
    if not good.any():
        best = np.argsort(-shares, kind="stable")[: max(1, round(BEST_SHELLS * n_shells))]
        good[best] = True
    used = np.zeros(len(stol2), bool)
    used[
        np.concatenate([shell for shell, is_good in zip(shells, good, strict=True) if is_good])
    ] = True
    return used


def _positions(crystal: Crystal, hkl: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(m,) positions of equivalents of (m, 3) in a list (n, 3) in the asymmetric unit, or -1."""
    found = np.full(len(wanted), -1)
    distinct, place = np.unique(crystal.to_asu(wanted)[0], axis=0, return_inverse=True)
    at = np.full(len(distinct), -1)
    i, j = match(distinct, hkl)
    at[i] = j
    found[:] = at[place.reshape(-1)]
    return found


def _distinct(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(2, m) distinct pairs of positions, regardless of the order within a pair."""
    pairs = np.sort(np.stack([first, second], axis=1), axis=1)
    return np.unique(pairs, axis=0).T


def _ratios(
    intensity: np.ndarray, sigma: np.ndarray, pairs: np.ndarray, least_signal: float
) -> np.ndarray:
    """(m,) values (I1 - I2) / (I1 + I2) of pairs that are strong enough."""
    first, second = pairs
    total = intensity[first] + intensity[second]
    difference = intensity[first] - intensity[second]
    strong = total > least_signal * np.hypot(sigma[first], sigma[second])
    strong &= total > 0.0
    if not strong.any():
        raise ReflectionsError(
            f"none of {len(first)} pairs of acentric reflections is positive and stronger than "
            f"{least_signal:g} times its sigma: there is nothing to test"
        )
    # One of the two may be negative by its error; true intensities are not
    return np.clip(difference[strong] / total[strong], -1.0, 1.0)


def mean_abs_l(twin_fraction: float) -> float:
    """The value <|L|> of acentric reflections, for a twin fraction from 0 to 0.5."""
    x = (1.0 - 2.0 * twin_fraction) ** 2
    if x == 1.0:
        return 0.5
    if x < 1e-3:  # the series avoids cancellation
        return 3.0 / 8.0 + x / 12.0 + x**2 / 48.0
    return float((3.0 * x - 1.0 - (1.0 - x) ** 2 * np.log1p(-x) / x) / (4.0 * x))


def _fraction_of_mean(mean: float) -> float:
    if mean >= mean_abs_l(0.0):
        return 0.0
    if mean <= mean_abs_l(0.5):
        return 0.5
    return float(brentq(lambda fraction: mean_abs_l(fraction) - mean, 0.0, 0.5, xtol=1e-9))
