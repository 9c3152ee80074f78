"""Free sets that are equal for reflections related by the symmetry of the lattice.

The intensity of a twin is the sum of those of mates, which the lattice relates. If one of two mates
were free and the other not, a model would be fitted to the free one, too. The flag of a reflection
is a function of the reflection and the seed alone: it does not depend on which others were
measured, so that several data sets of one crystal form get the same free set.
"""

from collections.abc import Sequence

import numpy as np

from friedel.errors import ParameterError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.reflections.reflections import as_keys

LARGEST_SHARE = 0.3
"""Largest fraction of the reflections that may be free."""

LOW_BITS = np.uint64(11)
"""Number of bits of a 64-bit integer that do not fit into the mantissa of a float64."""


def free_flags(
    crystal: Crystal,
    hkl: np.ndarray,
    lattice: Sequence[TwinLaw],
    *,
    per_cent: float = 5.0,
    seed: int = 0,
) -> np.ndarray:
    """Flags 0, 1, 2, ... as in CCP4; reflections with flag 0 are free.

    Parameters
    ----------
    hkl
        (n, 3).
    lattice
        Rotations of the lattice, including the identity.
    per_cent
        Expected size of the free set; the other reflections get 1 to about 100 / `per_cent` - 1.
    seed
        Other seeds give other free sets.

    Returns
    -------
    numpy.ndarray
        (n,) int32.

    Raises
    ------
    ParameterError
        When `per_cent` is not above 0 and at most 30, or `seed` is negative.
    """
    share = 0.01 * per_cent
    if not 0.0 < share <= LARGEST_SHARE:
        raise ParameterError(
            f"got {per_cent:g} per cent of free reflections, expected more than 0 and at most "
            f"{100.0 * LARGEST_SHARE:g}"
        )
    if not 0 <= seed < 2**63:
        raise ParameterError(f"got seed {seed}, expected a whole number that is not negative")
    number = _random(lattice_keys(crystal, hkl, lattice), seed)
    n_others = max(round(1.0 / share) - 1, 1)
    others = 1 + np.floor((number - share) / (1.0 - share) * n_others)
    return np.where(number < share, 0, np.minimum(others, n_others)).astype(np.int32)


def lattice_keys(crystal: Crystal, hkl: np.ndarray, lattice: Sequence[TwinLaw]) -> np.ndarray:
    """(n,) integers that are equal for reflections, and Friedel mates, that the lattice relates."""
    keys = np.full(len(hkl), np.iinfo(np.int64).min)
    for operation in lattice:
        mates, exist = operation.mates(crystal, hkl)
        keys[exist] = np.maximum(keys[exist], np.maximum(as_keys(mates), as_keys(-mates)))
    return keys


def _random(keys: np.ndarray, seed: int) -> np.ndarray:
    """(n,) evenly distributed numbers from 0 to 1, a function of key and seed: SplitMix64."""
    with np.errstate(over="ignore"):  # multiplication modulo 2^64
        x = _mixed(keys.astype(np.uint64) + _mixed(np.array([seed], np.uint64)))
    return (x >> LOW_BITS).astype(np.float64) * 2.0**-53


def _mixed(x: np.ndarray) -> np.ndarray:
    """Numbers whose bits depend on all bits of the given ones [Steele2014]."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
