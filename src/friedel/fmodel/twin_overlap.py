"""Which domains of a twin contribute to each reflection, and what sigma_A says of their sum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.model.arrays import as_keys
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw

LEAST_SHARE = 1e-4
"""Fraction below which a further domain is left out; the first domain has at least this much."""

LEAST_EXPECTED = 1e-6
"""Lower limit of expected normalised amplitudes, which avoids a division by zero."""


@dataclass(frozen=True, eq=False)
class TwinOverlap:
    """Amplitudes of the domains that contribute to each reflection of a twin.

    Attributes
    ----------
    shares
        (k + 1, n) fractions of the intensity of each domain, of the first domain first. They are
        zero where a domain has no mate of the reflection. Where the mate is equivalent to the
        reflection of a domain before it, their amplitudes are equal, and its fraction is added
        to the share of that domain.
    others
        (k, n) amplitudes of the model of the further domains.
    """

    shares: np.ndarray
    others: np.ndarray

    @classmethod
    def of(
        cls,
        crystal: Crystal,
        hkl: np.ndarray,
        laws: Sequence[TwinLaw],
        fractions: Sequence[float],
        f_others: Sequence[np.ndarray],
    ) -> "TwinOverlap":
        """The overlap of reflections hkl (n, 3) by some laws.

        Parameters
        ----------
        fractions
            Fractions of the further domains.
        f_others
            (n,) structure factors of each further domain, zero for reflections without a mate.
        """
        keys = np.full((len(laws) + 1, len(hkl)), -1, np.int64)
        shares = np.zeros(keys.shape)
        keys[0] = as_keys(crystal.to_asu(hkl)[0])
        shares[0] = 1.0 - sum(fractions)
        for k, (law, fraction) in enumerate(zip(laws, fractions, strict=True), start=1):
            mates, exist = law.mates(crystal, hkl)
            keys[k, exist] = as_keys(crystal.to_asu(mates)[0])
            shares[k, exist] = max(fraction, 0.0)
        for k in range(1, len(keys)):
            for before in range(k):
                same = keys[k] == keys[before]
                shares[before, same] += shares[k, same]
                shares[k, same] = 0.0
        shares[1:][shares[1:] < LEAST_SHARE] = 0.0
        shares[0] = np.maximum(shares[0], LEAST_SHARE)
        return cls(shares, np.abs(np.array(f_others)))

    def __getitem__(self, chosen: np.ndarray | slice) -> "TwinOverlap":
        return TwinOverlap(self.shares[:, chosen], self.others[:, chosen])

    @property
    def total(self) -> np.ndarray:
        """(n,) sum of the shares: 1 where all domains have a mate."""
        return np.asarray(self.shares.sum(axis=0))

    @property
    def is_single(self) -> np.ndarray:
        """(n,) bool: reflections to which no further domain adds an amplitude of its own."""
        return np.asarray(~self.shares[1:].any(axis=0))

    def two_domains(
        self, e_first: np.ndarray, sigma_a: np.ndarray, variance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Expected F and variance (2, n) of the first domain, and of all others together.

        All are weighted by the roots of the shares. The others are replaced by one domain whose
        intensity has the same mean and variance, which is exact for one. The intensity of a domain
        has the mean m = e^2 + v and the variance m^2 - e^4 (twice that for centric reflections)
        for the expected F of amplitude e and the variance v of F.

        Parameters
        ----------
        e_first
            (n,) normalised amplitudes of the model; `others` are normalised in the same way.
        sigma_a, variance
            (n,) sigma_A and 1 - sigma_A^2.
        """
        e = np.maximum(np.concatenate([e_first[None], self.others]), LEAST_EXPECTED)
        square = self.shares * (sigma_a * e) ** 2
        variances = self.shares * variance
        mean, others = square[1:] + variances[1:], square[1:]
        total = np.sqrt((others**2).sum(axis=0) + 2.0 * _sum_of_pairs(mean, mean))
        # the difference of the sum of `mean` and `total`, without its rounding
        spread = (mean**2 - others**2).sum(axis=0) / (mean.sum(axis=0) + total)
        return np.sqrt([square[0], total]), np.array([variances[0], spread])

    def derivatives_of_two(
        self, e_first: np.ndarray, sigma_a: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives (2, n) of :meth:`two_domains` by sigma_A, with the variance 1 - sigma_A^2."""
        e = np.maximum(np.concatenate([e_first[None], self.others]), LEAST_EXPECTED)
        # derivatives by sigma_A^2 of the squares of the expected F, and of the mean intensities
        by_square = self.shares * e**2
        square, mean_by = sigma_a**2 * by_square[1:], (by_square - self.shares)[1:]
        mean = square + (1.0 - sigma_a**2) * self.shares[1:]
        total = np.sqrt((square**2).sum(axis=0) + 2.0 * _sum_of_pairs(mean, mean))
        pairs = _sum_of_pairs(mean, mean_by) + _sum_of_pairs(mean_by, mean)
        total_by = ((square * by_square[1:]).sum(axis=0) + pairs) / total
        by_expected = np.array([np.sqrt(by_square[0]), sigma_a * total_by / np.sqrt(total)])
        by_variance = np.array([-self.shares[0], mean_by.sum(axis=0) - total_by])
        return by_expected, 2.0 * sigma_a * by_variance


def _sum_of_pairs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n,) sum of one[i] other[j] over all i < j, for (k, n); zero for one row."""
    before = np.cumsum(one, axis=0) - one
    before[0] = 0.0
    return np.asarray((before * other).sum(axis=0))
