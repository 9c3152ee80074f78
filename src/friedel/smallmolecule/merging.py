"""Equivalent reflections merged as SHELXL does, and how well they agree."""

from dataclasses import dataclass

import numpy as np

from friedel.model.crystal import Crystal

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
        sum |F^2 - <F^2>| / sum F^2 over reflections measured more than once; None without such.
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

    The uncertainty of a mean follows from its members' sigmas, 1 / sqrt(sum 1/sigma^2), or from
    their spread, sum |F^2 - mean| / (n sqrt(n - 1)), whichever is larger.

    Parameters
    ----------
    hkl, f2, sigmas
        (n, 3), (n,) and (n,) measurements with sigma > 0.
    friedel_mates
        Merge F^2(h) with F^2(-h) where the group has no inversion, too.
    """
    present = ~crystal.is_absent(hkl) & hkl.any(axis=1)
    keys = representatives(crystal, hkl[present], friedel_mates)
    unique, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    f2, sigmas = f2[present], sigmas[present]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, minlength=len(unique))

    weights = np.maximum(f2 / sigmas, STRONG) / sigmas
    means = total(weights * f2) / total(weights)
    deviations = total(np.abs(f2 - means[group]))
    spread = deviations / (counts * np.sqrt(np.maximum(counts - 1, 1)))
    merged_sigmas = np.maximum(1.0 / np.sqrt(total(1.0 / sigmas**2)), spread)
    several = counts > 1
    measured = total(f2)[several].sum()
    statistics = MergingStatistics(
        n_measured=len(f2),
        n_unique=len(unique),
        n_absent=int((~present).sum()),
        r_int=float(deviations[several].sum() / measured) if several.any() else None,
        r_sigma=r_sigma(means, merged_sigmas),
    )
    return Merged(unique, means, merged_sigmas, statistics)


def r_sigma(f2: np.ndarray, sigmas: np.ndarray) -> float:
    """Sum of sigma(F^2) / sum of F^2."""
    return float(sigmas.sum() / f2.sum()) if f2.sum() > 0 else float("nan")


def representatives(crystal: Crystal, hkl: np.ndarray, friedel_mates: bool) -> np.ndarray:
    """(n, 3) one of the equivalents of each reflection, the same for all of them."""
    folded, _, friedel = crystal.to_asu(hkl)
    if friedel_mates:
        return folded
    # for centric reflections -h is an equivalent of h by rotation
    return np.where((friedel & ~crystal.is_centric(hkl))[:, None], -folded, folded)
