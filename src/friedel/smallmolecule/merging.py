"""Equivalent reflections merged as SHELXL does, and how well they agree."""

from dataclasses import dataclass

import numpy as np

from friedel.model.crystal import Crystal
from friedel.reflections.merging import (
    grouped,
    representatives as representatives,  # held here in 0.1.0
    weighted_means,
)

STRONG = 3.0
"""Least F^2 / sigma for weights F^2 / sigma^2 in a mean; weaker ones are weighted as if at it."""


@dataclass(frozen=True)
class MergingStatistics:
    """How many reflections there were and how well equivalent ones agree.

    Attributes
    ----------
    n_measured, n_unique, n_absent
        Reflections used, those left after merging, and absent ones (left out before).
    r_int
        sum |F^2 - <F^2>| / sum F^2 over reflections measured more than once; None without such,
        or if their sum is not positive.
    r_sigma
        sum sigma(F^2) / sum F^2 of the merged reflections.
    """

    n_measured: int
    n_unique: int
    n_absent: int
    r_int: float | None
    r_sigma: float


@dataclass(frozen=True, eq=False)
class Merged:
    """hkl (n, 3), F^2 and sigma (n,) of unique reflections, and the statistics."""

    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    statistics: MergingStatistics


def merge_equivalents(
    crystal: Crystal,
    hkl: np.ndarray,
    f2: np.ndarray,
    sigmas: np.ndarray,
    *,
    friedel_mates: bool = False,
) -> Merged:
    """Means of equivalent reflections with SHELXL's weights, without systematically absent ones.

    Uncertainties are those of :func:`friedel.reflections.merging.weighted_means`.

    Parameters
    ----------
    hkl, f2, sigmas
        (n, 3), (n,) and (n,) measurements with sigma > 0.
    friedel_mates
        Merge F^2(h) with F^2(-h) where the group has no inversion, too.
    """
    present = ~crystal.is_absent(hkl) & hkl.any(axis=1)
    groups = grouped(crystal, hkl[present], friedel_mates=friedel_mates)
    f2, sigmas = f2[present], sigmas[present]
    weights = np.maximum(f2 / sigmas, STRONG) / sigmas
    means = weighted_means(groups, f2, sigmas, weights)
    several = groups.counts > 1
    measured = float(groups.total(f2)[several].sum())
    statistics = MergingStatistics(
        n_measured=len(f2),
        n_unique=len(groups.hkl),
        n_absent=int((~present).sum()),
        r_int=float(means.deviations[several].sum()) / measured if measured > 0.0 else None,
        r_sigma=r_sigma(means.values, means.sigmas),
    )
    return Merged(groups.hkl, means.values, means.sigmas, statistics)


def r_sigma(f2: np.ndarray, sigmas: np.ndarray) -> float:
    """Sum of sigma(F^2) / sum of F^2."""
    return float(sigmas.sum() / f2.sum()) if f2.sum() > 0 else float("nan")
