"""Bijvoet pairs among reflections: h and -h, measured separately."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from friedel.reflections.merging import (
    are_distinct,
    grouped,
    plain_or_weighted_means,
    representatives,
)
from friedel.reflections.reflections import Reflections, as_keys, match

LEAST_DIFFERENCE = 1e-3
"""Fraction of the mean amplitude below which Bijvoet differences of a model are rounding errors."""


def pair_positions(hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of h and -h in a list of reflections (n, 3), once for each pair.

    Returns
    -------
    plus, minus
        (m,) positions with ``hkl[minus] == -hkl[plus]``; plus is the first of the pair in the list.
    """
    plus, minus = match(hkl, -hkl)
    first = plus < minus
    return plus[first], minus[first]


def one_of_each(hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) positions, one for each pair or single reflection; (m,) those of the partners, or -1."""
    plus, minus = pair_positions(hkl)
    partner = np.full(len(hkl), -1)
    partner[plus] = minus
    kept = np.ones(len(hkl), bool)
    kept[minus] = False
    chosen = np.flatnonzero(kept)
    return chosen, partner[chosen]


def separate_mates(
    hkl: np.ndarray, of_values: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the Friedel mates of each reflection: at h and at -h, NaN where there is none.

    Parameters
    ----------
    hkl
        (n, 3) distinct reflections.
    of_values, values
        (m, 3) distinct indices and (m,) values.

    Returns
    -------
    plus, minus
        (n,) float64.
    """
    found = []
    for wanted in (hkl, -hkl):
        at, place = match(wanted, of_values)
        column = np.full(len(hkl), np.nan)
        column[at] = values[place]
        found.append(column)
    return found[0], found[1]


def difference_correlation(
    hkl: np.ndarray, f_obs: np.ndarray, f_model: np.ndarray
) -> tuple[int, float]:
    """The number of pairs, and the correlation of observed and model differences.

    The correlation is NaN if the model has no differences.

    Parameters
    ----------
    hkl
        (n, 3).
    f_obs, f_model
        (n,) amplitudes.
    """
    plus, minus = pair_positions(hkl)
    observed, expected = (f[plus] - f[minus] for f in (f_obs, f_model))
    if len(plus) < 2 or observed.std() == 0.0:
        return len(plus), float("nan")
    if expected.std() < LEAST_DIFFERENCE * f_model.mean():
        return len(plus), float("nan")
    return len(plus), float(np.corrcoef(observed, expected)[0, 1])


class FriedelMates(NamedTuple):
    """Amplitudes of Friedel mates side by side, NaN where one was not measured.

    `hkl` (n, 3) are in the CCP4 asymmetric unit; `plus` and `minus` (n,) are F(h) and F(-h) there,
    `plus_sigmas` and `minus_sigmas` (n,) their uncertainties, or None. A centric reflection, whose
    mate is equivalent to it, counts as `plus`.
    """

    hkl: np.ndarray
    plus: np.ndarray
    minus: np.ndarray
    plus_sigmas: np.ndarray | None
    minus_sigmas: np.ndarray | None

    @property
    def are_pairs(self) -> np.ndarray:
        """(n,) bool: both mates were measured."""
        return np.isfinite(self.plus) & np.isfinite(self.minus)

    @property
    def differences(self) -> np.ndarray:
        """(n,) Bijvoet differences F(h) - F(-h); NaN unless both were measured."""
        return self.plus - self.minus

    @property
    def difference_sigmas(self) -> np.ndarray | None:
        """(n,) uncertainties of the differences; NaN unless both were measured."""
        if self.plus_sigmas is None or self.minus_sigmas is None:
            return None
        return np.hypot(self.plus_sigmas, self.minus_sigmas)


def friedel_mates(data: Reflections) -> FriedelMates:
    """The amplitudes of a list in which Friedel mates are separate reflections.

    Parameters
    ----------
    data
        Amplitudes at h and at -h, or at reflections equivalent to these by symmetry. Missing ones
        are NaN, or not in the list; of equivalent ones the mean is taken.
    """
    crystal = data.crystal
    groups = grouped(crystal, data.hkl, friedel_mates=True)
    is_minus = crystal.to_asu(data.hkl)[2] & ~crystal.is_centric(data.hkl)
    columns: list[np.ndarray | None] = []
    for hand in (~is_minus, is_minus):
        present = hand & np.isfinite(data.values)
        counts = groups.total(present.astype(float))
        with np.errstate(invalid="ignore"):
            columns.append(groups.total(np.where(present, data.values, 0.0)) / counts)
            if data.sigmas is None:
                columns.append(None)
            else:
                variance = groups.total(np.where(present, data.sigmas, 0.0) ** 2)
                columns.append(np.sqrt(variance) / counts)
    plus, plus_sigmas, minus, minus_sigmas = columns
    assert plus is not None
    assert minus is not None
    return FriedelMates(groups.hkl, plus, minus, plus_sigmas, minus_sigmas)


def number_of_pairs(data: Reflections) -> int:
    """The number of Bijvoet pairs, h and -h or equivalents of these, among the reflections."""
    return int(friedel_mates(data).are_pairs.sum())


def mates_averaged(data: Reflections, *, weighted: bool = True) -> Reflections:
    """The means of Friedel mates, in the CCP4 asymmetric unit.

    A reflection is free if most of those averaged are.

    Parameters
    ----------
    weighted
        Whether weights are 1 / sigma^2, with the difference of the mates in the sigma, as for other
        equivalents. Weights of amplitudes that were derived from intensities favour the larger, as
        their sigma(F) is sigma(I) / 2F: equal weights are those of CTRUNCATE [Winn2011].
    """
    present = np.isfinite(data.values)
    if data.sigmas is not None:
        present &= np.isfinite(data.sigmas) & (data.sigmas >= 0)
    part = data.select(present)
    groups = grouped(part.crystal, part.hkl, friedel_mates=True)
    sigmas, free = None, None
    if part.sigmas is None:
        means = groups.total(part.values) / groups.counts
    elif weighted:
        means, sigmas = plain_or_weighted_means(groups, part.values, part.sigmas)
    else:
        means = groups.total(part.values) / groups.counts
        sigmas = np.sqrt(groups.total(part.sigmas**2)) / groups.counts
    if part.free is not None:
        free = groups.total(part.free.astype(float)) > 0.5 * groups.counts
    mean_intensities: dict[str, Any] = {"intensities": None, "intensity_sigmas": None}
    if part.intensities is not None:
        if part.intensity_sigmas is None:
            intensities = groups.total(part.intensities) / groups.counts
            mean_intensities = {"intensities": intensities, "intensity_sigmas": None}
        else:
            found = plain_or_weighted_means(groups, part.intensities, part.intensity_sigmas)
            mean_intensities = dict(zip(mean_intensities, found, strict=True))
    return dataclasses.replace(
        data, hkl=groups.hkl, values=means, sigmas=sigmas, free=free, **mean_intensities
    )


def completed(pairs: Reflections, means: Reflections) -> Reflections:
    """Friedel mates, and the means of those reflections of which neither mate is in the list.

    Files may lack F(+) and F(-) of centric reflections.
    """
    known = grouped(pairs.crystal, pairs.hkl, friedel_mates=True).hkl
    folded, _, _ = means.crystal.to_asu(means.hkl)
    missing = ~np.isin(as_keys(folded), as_keys(known))
    if not missing.any():
        return pairs
    more = means.select(missing)

    def joined(name: str) -> np.ndarray | None:
        first, second = getattr(pairs, name), getattr(more, name)
        return None if first is None or second is None else np.concatenate([first, second])

    arrays: dict[str, Any] = {name: joined(name) for name in pairs._arrays}
    return dataclasses.replace(pairs, **arrays)


def on_scale_of(means: Reflections, pairs: Reflections) -> Reflections:
    """Pairs multiplied by the factor that fits their means to `means` by least squares."""
    averaged = mates_averaged(pairs)
    i, j = match(means.hkl, averaged.hkl)
    wanted, given = means.values[i], averaged.values[j]
    scale = float(wanted @ given) / float(given @ given)
    sigmas = None if pairs.sigmas is None else scale * pairs.sigmas
    only_amplitudes: dict[str, Any] = {"intensities": None, "intensity_sigmas": None}
    return dataclasses.replace(pairs, values=scale * pairs.values, sigmas=sigmas, **only_amplitudes)


class ObservedData(NamedTuple):
    """Observed amplitudes, and those of Friedel mates measured separately.

    `means` are amplitudes of which the mates are averaged; `pairs` have F(+) at h and F(-) at -h,
    on the same scale, or are None; `wavelengths` (Å) are those that the source states for the data:
    none, one, or several among which it does not choose; `named` says whether the caller named the
    columns of the means, which are others than those of the pairs.
    """

    means: Reflections
    pairs: Reflections | None
    wavelengths: tuple[float, ...]
    named: bool = False

    @classmethod
    def of(cls, data: Reflections) -> "ObservedData":
        """The data of a list; it has pairs if h and -h are in it, and no other equivalents."""
        wavelengths = (data.wavelength,) if data.wavelength else ()
        if are_distinct(data.crystal.to_asu(data.hkl)[0]):
            return cls(data, None, wavelengths)  # no equivalents, and so no pairs
        acentric = data.hkl[~data.crystal.is_centric(data.hkl)]
        is_merged = are_distinct(representatives(data.crystal, acentric, friedel_mates=False))
        if np.iscomplexobj(data.values) or not is_merged or not len(pair_positions(acentric)[0]):
            return cls(data, None, wavelengths)
        return cls(mates_averaged(data), data, wavelengths)
