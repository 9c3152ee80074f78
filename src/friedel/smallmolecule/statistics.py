"""A small structure beside its F^2: fitted values, R-factors, columns; no text, no files."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from friedel.model.arrays import frozen_copy
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.stated_refinement import StatedRefinement
from friedel.reflections.agreement import weighted_norm, weighted_r2
from friedel.reflections.reflections import match
from friedel.smallmolecule.absolute_structure import AbsoluteStructure
from friedel.smallmolecule.merging import MergingStatistics, merge_equivalents
from friedel.smallmolecule.parameter import Parameter as Parameter  # held here in 0.1.0

OBSERVED = 2.0
"""Least F^2 / sigma(F^2) of observed reflections; F > 4 sigma(F), as sigma(F) = sigma(F^2) / 2F."""


@dataclass(frozen=True, eq=False, repr=False)
class IntensityStatistics:
    """The numbers of :class:`friedel.IntensityFit`: fitted parameters and R-factors.

    Attributes
    ----------
    crystal, name, data, source, calculated, wavelength
        Crystal and name of the model; description of the data; radiation; method of F_calc;
        wavelength in Å, or None.
    hkl, f2, sigmas
        (n, 3), (n,), (n,) unique reflections and F^2 on the scale of the data.
    f2_model, weights
        (n,) fitted F^2, on the scale of the data, and weights of their differences.
    correction
        (n,) k^2 times the extinction factor. SHELXL divides the measured F^2 by it, and
        the R-factors refer to that.
    f_calc
        (n,) complex structure factors of `hkl` on their own scale, of a single crystal.
    weighting
        a and b of SHELX's WGHT, or all of a to f.
    scale
        k: F_obs is about k abs(F_calc).
    extinction
        SHELX's x; None if not used.
    twin_fractions
        Fractions of the second and further domains.
    n_parameters, n_fitted
        Number of parameters of the whole refinement, for the goodness of fit; number fitted here.
    f_real
        (n,) complex structure factors of `hkl` without f''.
    atoms, labels
        The atoms, and their labels in the file, or None.
    absolute_structure
        Flack parameter and Bijvoet pairs; None without f'' or pairs.
    merging, stated, notes
        Statistics of merging; values of the CIF; decisions and doubts.
    """

    crystal: Crystal
    name: str
    data: str
    source: str
    calculated: str
    wavelength: float | None
    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    f2_model: np.ndarray
    correction: np.ndarray
    weights: np.ndarray
    f_calc: np.ndarray
    f_real: np.ndarray
    atoms: Atoms
    labels: tuple[str, ...] | None
    absolute_structure: AbsoluteStructure | None
    weighting: tuple[float, ...]
    scale: Parameter
    extinction: Parameter | None
    twin_fractions: tuple[Parameter, ...]
    n_parameters: int
    n_fitted: int
    merging: MergingStatistics
    stated: StatedRefinement
    notes: tuple[Note, ...]

    def __post_init__(self) -> None:
        for name in (
            "hkl",
            "f2",
            "sigmas",
            "f2_model",
            "correction",
            "weights",
            "f_calc",
            "f_real",
        ):
            object.__setattr__(self, name, frozen_copy(getattr(self, name), name=name))

    @cached_property
    def observed(self) -> np.ndarray:
        """(n,) bool: F > 4 sigma(F)."""
        return self.f2 > OBSERVED * self.sigmas

    @cached_property
    def f_obs(self) -> np.ndarray:
        """(n,) measured F, divided by k and corrected for extinction; 0 where F^2 is negative."""
        return np.sqrt(np.maximum(self.f2, 0.0) / self.correction)

    @cached_property
    def f_model(self) -> np.ndarray:
        """(n,) abs(F) of the fit to compare with `f_obs`, all twin domains together."""
        return np.sqrt(np.maximum(self.f2_model, 0.0) / self.correction)

    @property
    def r1(self) -> float:
        """Sum of abs(F_obs - F_model) / sum of F_obs, over reflections with F > 4 sigma(F)."""
        return self._r1(self.observed)

    @property
    def r1_all(self) -> float:
        """R1 of all reflections."""
        return self._r1(np.ones(len(self.f2), bool))

    def _r1(self, chosen: np.ndarray) -> float:
        total = float(self.f_obs[chosen].sum())
        difference = np.abs(self.f_obs - self.f_model)[chosen].sum()
        return float(difference) / total if total else math.nan

    @property
    def wr2(self) -> float:
        """Root of sum w (F^2 - F^2_model)^2 / sum w F^4, over all reflections."""
        return weighted_r2(self.f2, self.f2_model, self.weights)

    @property
    def goodness_of_fit(self) -> float:
        """Root of sum w (F^2 - F^2_model)^2 / (n - n_parameters); NaN unless n > n_parameters."""
        freedom = len(self.f2) - self.n_parameters
        residual = weighted_norm(self.f2 - self.f2_model, self.weights)
        return residual / math.sqrt(freedom) if freedom > 0 else math.nan

    @property
    def f2_of_crystal(self) -> np.ndarray:
        """(n,) measured F^2 as a single crystal of one domain without extinction would have it.

        On the scale of F_calc: F^2 times the ratio of ``|F_calc|^2`` and F^2_model, NaN where the
        model has none.
        """
        return self.f2 * self._to_crystal

    @property
    def _to_crystal(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.abs(self.f_calc) ** 2 / self.f2_model
        return np.where(self.f2_model > 0, factor, np.nan)

    def columns(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Unique hkl and columns for an MTZ file, on the scale of F_calc, Friedel mates averaged.

        FP and SIGFP follow from :attr:`f2_of_crystal`; FWT = 2FP - FC and DELFWT = FP - FC.
        """
        known = np.isfinite(self._to_crystal)
        merged = merge_equivalents(
            self.crystal,
            self.hkl[known],
            self.f2_of_crystal[known],
            self.sigmas[known] * self._to_crystal[known],
            friedel_mates=True,
        )
        folded, shift, friedel = self.crystal.to_asu(self.hkl)
        at_asu = self.f_calc * np.exp(-1j * np.where(friedel, -shift, shift))
        at_asu = np.where(friedel, at_asu.conj(), at_asu)
        unique, group, counts = np.unique(folded, axis=0, return_inverse=True, return_counts=True)
        f_calc = np.zeros(len(unique), complex)
        np.add.at(f_calc, group.ravel(), at_asu)
        kept, _ = match(unique, merged.hkl)
        f_calc = (f_calc / counts)[kept]
        f = np.sqrt(np.maximum(merged.f2, 0.0))
        sigma_f = merged.sigmas / np.maximum(2.0 * f, np.sqrt(merged.sigmas))
        amplitudes = np.abs(f_calc)
        phased = np.exp(1j * np.angle(f_calc))
        coefficients = {
            ("FC", "PHIC"): f_calc,
            ("FWT", "PHWT"): (2.0 * f - amplitudes) * phased,
            ("DELFWT", "PHDELWT"): (f - amplitudes) * phased,
        }
        columns = {
            "I": merged.f2,
            "SIGI": merged.sigmas,
            "FP": f,
            "SIGFP": sigma_f,
        }
        for (amplitude, phase), values in coefficients.items():
            columns[amplitude] = np.abs(values)
            columns[phase] = np.degrees(np.angle(values))
        return merged.hkl, columns
