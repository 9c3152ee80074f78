"""Errors of averages over correlated frames, from the differences between blocks of frames."""

from dataclasses import dataclass

import numpy as np

from friedel.ensemble.partial_sums import PartialSum

FEWEST_PAIRS = 4
"""Smallest number of pairs of blocks from which a variance is taken."""
SIGNIFICANT = 1.5
"""Growth of a variance with the length of blocks, in its standard deviations, that is followed."""
MOST_GROWING = 1.0 / 3.0
"""Fraction of groups whose variance may grow to the longest blocks; noise makes some of them."""
NOISE_OF_REAL = 2.0**0.5
"""Noise of a variance of real numbers, relative to that of as many complex ones."""


@dataclass(frozen=True, eq=False)
class BlockErrors:
    """Standard errors of averages.

    Attributes
    ----------
    mean
        (n,) of <F>: the root of the expected abs(error)^2 of the complex number.
    diffuse
        (n,) of the diffuse intensity.
    correlation
        Largest number, over the groups, of frames that count as one independent frame.
    is_converged
        False where the longest blocks still differ by more than shorter ones predict.
    """

    mean: np.ndarray
    diffuse: np.ndarray
    correlation: float
    is_converged: bool


def block_errors(total: PartialSum, chunk: int, groups: np.ndarray) -> BlockErrors:
    """Errors of <F> and of the diffuse intensity.

    The variance over frames divided by their number holds for independent frames. In
    each group of reflections it is multiplied by the number of frames that count as one, found from
    blocks of frames: the variance of their means falls off with the length L of the blocks as 1/L
    only where they are longer than the correlation. For F this is done with the variance of
    each reflection. For intensities the relative variance is that of the group; where F is a sum of
    many independent terms, it is one over the number of frames.

    Parameters
    ----------
    chunk
        Number of frames of a chunk.
    groups
        (n,) group of each reflection.
    """
    n = total.count
    n_groups = int(groups.max(initial=-1)) + 1
    if n < 2:
        unknown = np.full(len(groups), np.nan)
        return BlockErrors(unknown, unknown.copy(), 1.0, False)
    of_frames = total.total_spread / (n - 1)
    sizes = np.maximum(np.bincount(groups, minlength=n_groups), 1)
    power = np.bincount(groups, of_frames, n_groups)
    power2 = np.bincount(groups, of_frames**2, n_groups)
    for_mean, for_diffuse = np.ones(n_groups), np.ones(n_groups)
    grew = np.zeros(n_groups, bool)
    for level, n_pairs in enumerate(total.n_pairs):
        if n_pairs < (FEWEST_PAIRS if level else 1):
            break
        length = chunk << level
        of_mean, of_diffuse = total.differences[level] / (2.0 * n_pairs)
        noise = 1.0 / np.sqrt(n_pairs * sizes)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.nan_to_num(of_mean * length / power)
            grew = _raise(for_mean, found, noise)
            found = np.nan_to_num(of_diffuse * (length - 1) / power2)
        if level == 0:
            for_diffuse = np.maximum(found, np.finfo(float).tiny)
        else:
            _raise(for_diffuse, found, NOISE_OF_REAL * noise)
    has_levels = len(total.n_pairs) > 1 and total.n_pairs[1] >= FEWEST_PAIRS
    return BlockErrors(
        np.sqrt(of_frames / n * for_mean[groups]),
        of_frames * np.sqrt(for_diffuse[groups] / (n - 1)),
        float(for_mean.max(initial=1.0)),
        bool(has_levels and grew.mean() < MOST_GROWING),
    )


def _raise(factors: np.ndarray, found: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Replace factors that grew by more than their noise; return which ones did."""
    larger = found > factors * (1.0 + SIGNIFICANT * noise)
    factors[larger] = found[larger]
    return larger
