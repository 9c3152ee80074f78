"""R-factors, outliers, phases and maps from observed amplitudes and F_model."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from friedel.fmodel.observed import Observed
from friedel.fmodel.sigma_a import PhaseStatistics, free_or_all, map_coefficients, phase_statistics
from friedel.fmodel.twin_overlap import TwinOverlap
from friedel.reflections.agreement import r_factor, weighted_r2
from friedel.scaling import Outlier, find_outliers

STRONG = 2.0
"""Intensities above this many sigmas count in R1, as F > 4 sigma(F) in that of SHELXL."""


@dataclass(frozen=True, eq=False)
class ModelStatistics:
    """Comparison of observed amplitudes with those of a scaled model.

    Parameters
    ----------
    observed
        The n reflections.
    f_model
        (n,) complex, on the scale of F_obs; for a twin, of the first domain.
    amplitudes
        (n,) amplitudes to compare with F_obs; for a twin, of all domains together.
    twin
        The further domains of a twin, or None.
    """

    observed: Observed
    f_model: np.ndarray
    amplitudes: np.ndarray
    twin: TwinOverlap | None = None

    @property
    def _values(self) -> np.ndarray:
        return np.asarray(self.observed.f_obs.values, np.float64)

    @property
    def r_all(self) -> float:
        """R-factor of all reflections used."""
        return self._r_factor(self.observed.usable)

    @property
    def r_work(self) -> float:
        """R-factor of the reflections outside of the free set, including outliers."""
        return self._r_factor(self.observed.work)

    @property
    def r_free(self) -> float | None:
        """R-factor of the free set; None when there is no such set."""
        free = self.observed.left_out
        return self._r_factor(free) if free.any() else None

    @property
    def r1(self) -> float | None:
        """R-factor of the roots of intensities above 2 sigma(I); None for a fit to amplitudes.

        Only reflections of the fit count; without sigmas all with I > 0.
        """
        fitted, i_obs = self.observed.intensities, self.observed.i_obs
        if fitted is None or i_obs is None:
            return None
        limit = 0.0 if fitted.sigmas is None else STRONG * fitted.sigmas
        strong = self.observed.work & (i_obs > limit)
        return r_factor(np.sqrt(i_obs[strong]), self.amplitudes[strong])

    @property
    def wr2(self) -> float | None:
        """Root of sum w (I - F_model^2)^2 / sum w I^2, w = 1/sigma^2(I); None for amplitudes.

        Only reflections of the fit count, with negative intensities as they are.
        """
        work, i_obs, weights = self.observed.work, self.observed.i_obs, self.observed.weights
        if i_obs is None:
            return None
        squared = np.ones(int(work.sum())) if weights is None else weights[work] ** 2
        return weighted_r2(i_obs[work], self.amplitudes[work] ** 2, squared)

    def _r_factor(self, chosen: np.ndarray) -> float:
        return r_factor(self.observed.f_obs.values[chosen], self.amplitudes[chosen])

    @cached_property
    def outliers(self) -> list[Outlier]:
        """Outliers, the largest residual first."""
        used, f_obs = self.observed.usable, self.observed.f_obs
        return find_outliers(
            f_obs.crystal, f_obs.hkl[used], self._values[used], self.amplitudes[used]
        )

    @cached_property
    def phases(self) -> PhaseStatistics:
        """sigma_A from the free set, and m and D of each reflection; NaN where unusable."""
        used = self.observed.usable
        found = self.phases_of(used, free_or_all(self.observed.free[used]))
        full = np.full((3, len(used)), np.nan)
        full[:, used] = found.fom, found.d, found.f_expected
        full.flags.writeable = False
        return PhaseStatistics(found.sigma_a, *full)

    def phases_of(self, chosen: np.ndarray, estimate_from: np.ndarray) -> PhaseStatistics:
        """sigma_A, m and D of the reflections `chosen` (n,), k of them, which have F_obs.

        Parameters
        ----------
        estimate_from
            (k,) bool: those of them to estimate sigma_A from.
        """
        f_obs = self.observed.f_obs
        return phase_statistics(
            f_obs.crystal,
            f_obs.hkl[chosen],
            self._values[chosen],
            np.abs(self.f_model[chosen]),
            estimate_from,
            None if f_obs.sigmas is None else f_obs.sigmas[chosen],
            None if self.twin is None else self.twin[chosen],
        )

    def in_maps(self, *, free: bool) -> np.ndarray:
        """(n,) bool: reflections whose F_obs is used in maps; free ones are if `free` is true."""
        return self.observed.usable if free else self.observed.work

    def map_coefficients(self, *, free: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """(n,) complex 2mFo-DFc and mFo-DFc; NaN where F_obs is not used.

        Parameters
        ----------
        free
            See :meth:`in_maps`.
        """
        f_obs = self.observed.f_obs
        return map_coefficients(
            np.where(self.in_maps(free=free), self._values, np.nan),
            self.f_model,
            f_obs.crystal.is_centric(f_obs.hkl),
            self.phases,
        )
