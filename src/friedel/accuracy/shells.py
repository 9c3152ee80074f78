"""Points in the ten resolution shells for which errors are predicted, and their weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from friedel.model.crystal import Crystal

N_SHELLS = 10
POINTS_OF_LIST = 8
"""Number of points per shell where single reflections count."""
LONGEST_LIST = 3000
"""Number of reflections above which averages over directions are as good as the reflections."""
LEAST_LOG = -700.0
"""Least logarithm of a sum, that over an empty shell."""
SIGMAS = 3.0
"""Deviation of the errors of few reflections from their expectation that is allowed for."""


def _gauss_points() -> np.ndarray:
    edges = (np.arange(N_SHELLS + 1) / N_SHELLS) ** (1.0 / 3.0)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    return middle[:, None] + half[:, None] * np.array([-1.0, 1.0]) / np.sqrt(3.0)


POINTS = _gauss_points()
LOG_WEIGHTS = 2.0 * np.log(POINTS)
"""Gauss points of the shells of a sphere of radius 1, and the logarithms of their weights."""


@dataclass(frozen=True, eq=False)
class Shells:
    """Points in shells of equal volume.

    Attributes
    ----------
    s
        (10, n) values of 1/d, 1/Å.
    log_weight
        (10, n) logarithms of their weights in a shell's sums; -inf in shells without reflections.
    """

    s: np.ndarray
    log_weight: np.ndarray

    def log_sums(self, log_values: np.ndarray) -> np.ndarray:
        """(10, 1) logarithms of the weighted sums over each shell, finite for empty shells."""
        terms = self.log_weight + log_values
        top = np.maximum(terms.max(axis=1, keepdims=True), LEAST_LOG)
        with np.errstate(invalid="ignore"):  # power that overflows: no grid is accurate then
            sums = np.exp(terms - top).sum(axis=1, keepdims=True)
        return np.asarray(top + np.log(np.maximum(sums, np.exp(LEAST_LOG))))

    @classmethod
    def gauss_points(cls, d_min: float) -> "Shells":
        """Two Gauss points in each shell, for densely spaced reflections."""
        return cls(POINTS / d_min, LOG_WEIGHTS)

    @classmethod
    def of_reflections(cls, stol2: np.ndarray, weight: np.ndarray) -> "Shells":
        """Points at the reflections, where the weights of F vary strongly within a shell."""
        s = 2.0 * np.sqrt(stol2)
        used = s > 0.0
        s, weight = s[used], weight[used]
        shell = shells_of(s)
        points = np.zeros((N_SHELLS, POINTS_OF_LIST))
        sums = np.zeros_like(points)
        for i in range(N_SHELLS):
            inside = np.flatnonzero(shell == i)
            points[i] = (i + 1.0) / N_SHELLS * s.max()
            order = inside[np.argsort(s[inside])]
            # Few points at low angle, where most of the weight is
            parts = np.array_split(order, POINTS_OF_LIST)
            for j, part in enumerate(parts):
                if len(part):
                    sums[i, j] = weight[part].sum()
                    points[i, j] = np.average(s[part], weights=weight[part])
        with np.errstate(divide="ignore"):
            return cls(points, np.log(sums))


def shells_of(s: np.ndarray, n_shells: int = N_SHELLS) -> np.ndarray:
    """(n,) shell of equal volume, from 0, of each 1/d."""
    volume = (s / (s.max(initial=0.0) or 1.0)) ** 3
    return np.minimum((volume * n_shells * (1.0 - 1e-9)).astype(np.int64), n_shells - 1)


@dataclass(frozen=True, eq=False)
class FewReflections:
    """A short list of reflections, for sums over it instead of averages over directions.

    Attributes
    ----------
    vectors
        (n, 3) reciprocal vectors, Cartesian, 1/Å.
    shell
        (n,) shell of each.
    power
        (n,) expected |F|^2 relative to the largest of its shell: epsilon times P times any
        squared factor of F.
    freedom
        (n,) degrees of freedom of |F|^2: 1 for centric reflections, otherwise 2.
    """

    vectors: np.ndarray
    shell: np.ndarray
    power: np.ndarray
    freedom: np.ndarray

    @classmethod
    def of(
        cls, crystal: Crystal, hkl: np.ndarray, log_power: np.ndarray, factor: np.ndarray | None
    ) -> "FewReflections":
        """Reflections with ln P (n,), and what multiplies F."""
        vectors = hkl @ crystal.fractionalization
        shell = shells_of(np.linalg.norm(vectors, axis=1))
        log_power = log_power + np.log(crystal.epsilon(hkl))
        if factor is not None:
            log_power += 2.0 * np.log(np.abs(factor))
        largest = np.full(N_SHELLS, -np.inf)
        np.maximum.at(largest, shell, log_power)
        freedom = np.where(crystal.is_centric(hkl), 1.0, 2.0)
        return cls(vectors, shell, np.exp(log_power - largest[shell]), freedom)

    def expected(self, relative: np.ndarray) -> np.ndarray:
        """(10,) ratios of the sums of squared errors and of |F|^2, from those of reflections."""
        for_power = self._total
        return np.divide(self._sums(relative), for_power, np.zeros(N_SHELLS), where=for_power > 0.0)

    def rarely_exceeded(self, relative: np.ndarray) -> np.ndarray:
        """(10,) the same ratios as they are found, up to a few standard deviations more.

        Both sums are over few terms with exponential distributions (chi-square of one
        degree of freedom for centric reflections), and are taken as chi-squares with the same
        mean and variance. The logarithm of the lower has the larger spread: |F|^2 may be near 0.
        """
        var_error, var_power = self._variance(relative), self._variance_of_total
        # Half the degrees of freedom of the power is 1/variance: series of digamma and trigamma
        lower = 0.5 * var_power + var_power**2 / 12.0
        spread_lower = var_power + 0.5 * var_power**2 + var_power**3 / 6.0
        spread_upper = np.log1p(var_error)
        shift = lower - 0.5 * spread_upper + SIGMAS * np.sqrt(spread_lower + spread_upper)
        return self.expected(relative) * np.exp(shift)

    @cached_property
    def _total(self) -> np.ndarray:
        return self._sums(np.ones(len(self.shell)))

    @cached_property
    def _variance_of_total(self) -> np.ndarray:
        return self._variance(np.ones(len(self.shell)))

    def _sums(self, relative: np.ndarray) -> np.ndarray:
        return np.bincount(self.shell, self.power * relative, N_SHELLS)

    def _variance(self, relative: np.ndarray) -> np.ndarray:
        """(10,) variances of the sums relative to the squares of their expectations."""
        terms = self.power * relative
        squares = np.bincount(self.shell, 2.0 / self.freedom * terms**2, N_SHELLS)
        total2 = self._sums(relative) ** 2
        return np.divide(squares, total2, np.zeros(N_SHELLS), where=total2 > 0.0)
