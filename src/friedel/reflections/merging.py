"""Merging of equivalent reflections: weighted means and their uncertainties."""

from typing import NamedTuple

import numpy as np

from friedel.model.arrays import as_keys
from friedel.model.crystal import Crystal


class Groups(NamedTuple):
    """Measurements grouped by reflection.

    `hkl` (m, 3) are the unique reflections, `member_of` (n,) the index of that of each measurement,
    `counts` (m,) the number of measurements of each.
    """

    hkl: np.ndarray
    member_of: np.ndarray
    counts: np.ndarray

    def total(self, values: np.ndarray) -> np.ndarray:
        """(m,) sums over the measurements of each reflection."""
        return np.bincount(self.member_of, values, minlength=len(self.hkl))


def grouped(crystal: Crystal, hkl: np.ndarray, *, friedel_mates: bool) -> Groups:
    """Group equivalent reflections.

    Parameters
    ----------
    hkl
        (n, 3).
    friedel_mates
        Whether h and -h are equivalent even if the space group has no inversion.
    """
    chosen = representatives(crystal, hkl, friedel_mates)
    # Integers sort a hundred times faster than rows of three
    _, first, member_of, counts = np.unique(
        as_keys(chosen), return_index=True, return_inverse=True, return_counts=True
    )
    return Groups(chosen[first], member_of, counts)


def are_distinct(hkl: np.ndarray) -> bool:
    """Whether no reflection occurs twice in a list (n, 3)."""
    keys = as_keys(hkl)
    if (keys[1:] > keys[:-1]).all():
        return True
    keys = np.sort(keys)
    return bool((keys[1:] != keys[:-1]).all())


def representatives(crystal: Crystal, hkl: np.ndarray, friedel_mates: bool) -> np.ndarray:
    """(n, 3) one of the equivalents of each reflection, the same for all of them."""
    folded, _, friedel = crystal.to_asu(hkl)
    if friedel_mates:
        return folded
    # for centric reflections -h is equivalent to h by rotation
    return np.where((friedel & ~crystal.is_centric(hkl))[:, None], -folded, folded)


LEAST_SIGMA = 1e-150
"""Limit of sigmas, whose squares and sums of inverse squares would not be numbers."""


class Means(NamedTuple):
    """Weighted means (m,), their uncertainties (m,), and sum |x - mean| of each (m,)."""

    values: np.ndarray
    sigmas: np.ndarray
    deviations: np.ndarray


def weighted_means(
    groups: Groups, values: np.ndarray, sigmas: np.ndarray, weights: np.ndarray
) -> Means:
    """Weighted means of equivalent reflections.

    The uncertainty of a mean is the larger of that from the sigmas, 1 / sqrt(sum 1/sigma^2), and
    that from the spread, sum |x - mean| / (n sqrt(n - 1)).

    Parameters
    ----------
    values, sigmas, weights
        (n,) measurements, sigma > 0 and weights > 0.
    """
    means = groups.total(weights * values) / groups.total(weights)
    deviations = groups.total(np.abs(values - means[groups.member_of]))
    spread = deviations / (groups.counts * np.sqrt(np.maximum(groups.counts - 1, 1)))
    squares = np.maximum(sigmas, LEAST_SIGMA) ** 2
    merged = np.maximum(1.0 / np.sqrt(groups.total(1.0 / squares)), spread)
    return Means(means, merged, deviations)


def plain_or_weighted_means(
    groups: Groups, values: np.ndarray, sigmas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means with weights 1 / sigma^2, and their uncertainties; sigmas may be zero.

    Measurements without a sigma count only where no equivalent has one: the mean is then a plain
    one, with sigma 0.

    Parameters
    ----------
    values, sigmas
        (n,) measurements, sigma >= 0.

    Returns
    -------
    means, sigmas
        (m,) each.
    """
    if (sigmas > 0).all():
        means = weighted_means(groups, values, sigmas, sigmas**-2.0)
        # Single measurements are not changed, to the last bit
        once = groups.counts == 1
        return (
            np.where(once, groups.total(values), means.values),
            np.where(once, groups.total(sigmas), means.sigmas),
        )
    some = np.where(sigmas > 0, sigmas, np.inf)
    without = groups.total((sigmas > 0).astype(float)) == 0
    weights = np.where(without[groups.member_of], 1.0, some**-2.0)
    mean = groups.total(weights * values) / groups.total(weights)
    with np.errstate(divide="ignore"):
        merged = 1.0 / np.sqrt(groups.total(some**-2.0))
    return mean, np.where(without, 0.0, merged)
