"""What the comparison of a small structure with its F^2 came to: numbers, text, files."""

import math
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from friedel.html import html_details
from friedel.model.crystal import Crystal
from friedel.readers.stated_refinement import StatedRefinement
from friedel.reflections.reflections import match
from friedel.smallmolecule.merging import MergingStatistics, merge_equivalents
from friedel.writers.tables import json_text, json_value

OBSERVED = 2.0
"""F^2 above so many sigma count as observed: F > 4 sigma(F), as sigma(F) = sigma(F^2) / 2F."""


@dataclass(frozen=True)
class Parameter:
    """A value and its standard uncertainty, 0 where it was not refined."""

    value: float
    su: float

    def __str__(self) -> str:
        """As crystallographers write it: 0.0823(17)."""
        if not (self.su > 0 and math.isfinite(self.su)):
            return f"{self.value:.4g}"
        digits = max(0, math.ceil(math.log10(1.95 / self.su)))  # 2 to 19 in the brackets
        return f"{self.value:.{digits}f}({round(self.su * 10**digits)})"


@dataclass(frozen=True, eq=False, repr=False)
class IntensityFit:
    """A small structure fitted to its F^2.

    Attributes
    ----------
    crystal, name, data, source, calculated, wavelength
        Of the model; what was read; how F_calc was calculated; A or None.
    hkl, f2, sigmas
        (n, 3), (n,), (n,) unique reflections and F^2 on the scale of the data.
    f2_model, weights
        (n,) fitted F^2, on the scale of the data, and weights of their differences.
    correction
        (n,) k^2 times what extinction leaves. SHELXL divides the measured F^2 by it, and
        the R-factors refer to that.
    f_calc
        (n,) complex structure factors of `hkl` on their own scale, of a single crystal.
    weighting
        a and b of SHELX's WGHT.
    scale
        k: F_obs is about k abs(F_calc).
    extinction
        SHELX's x, or None.
    twin_fractions
        Of the second and further domains.
    n_parameters, n_fitted
        Of the whole refinement, for the goodness of fit, and fitted here.
    merging, stated, notes
        Statistics; what the CIF states; what was decided.
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
    weighting: tuple[float, float]
    scale: Parameter
    extinction: Parameter | None
    twin_fractions: tuple[Parameter, ...]
    n_parameters: int
    n_fitted: int
    merging: MergingStatistics
    stated: StatedRefinement
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"<friedel.IntensityFit {self.name}, {len(self.f2)} reflections, R1 {self.r1:.4f}, "
            f"wR2 {self.wr2:.4f}>"
        )

    def _repr_html_(self) -> str:
        result = f"R<sub>1</sub> {self.r1:.4f}, wR<sub>2</sub> {self.wr2:.4f}"
        return html_details(self.name, result, self.summary())

    @cached_property
    def observed(self) -> np.ndarray:
        """(n,) bool: F > 4 sigma(F)."""
        return self.f2 > OBSERVED * self.sigmas

    @cached_property
    def f_obs(self) -> np.ndarray:
        """(n,) measured F over k and without extinction, 0 where F^2 is negative."""
        return np.sqrt(np.maximum(self.f2, 0.0) / self.correction)

    @cached_property
    def f_model(self) -> np.ndarray:
        """(n,) abs(F) of the fit to compare `f_obs` with: that of all twin domains together."""
        return np.sqrt(np.maximum(self.f2_model, 0.0) / self.correction)

    @property
    def r1(self) -> float:
        """Sum of differences of F / sum of F, of those with F > 4 sigma(F)."""
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
        """Root of sum w (F^2 - F^2_model)^2 / sum w F^4, of all reflections."""
        return math.sqrt(self._weighted_residual / float(self.weights @ self.f2**2))

    @property
    def goodness_of_fit(self) -> float:
        """Root of sum w (F^2 - F^2_model)^2 / (n - n_parameters); NaN without freedom."""
        freedom = len(self.f2) - self.n_parameters
        return math.sqrt(self._weighted_residual / freedom) if freedom > 0 else math.nan

    @property
    def _weighted_residual(self) -> float:
        return float(self.weights @ (self.f2 - self.f2_model) ** 2)

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

    def summary(self) -> str:
        """R-factors and parameters, what the CIF states beside them, notes."""
        from friedel.smallmolecule.report import summary

        return summary(self)

    def as_dict(self) -> dict[str, Any]:
        """Numbers and text that JSON can hold; what is not known is None."""
        numbers = {
            "name": self.name,
            "data": self.data,
            "source": self.source,
            "wavelength": self.wavelength,
            "n_reflections": len(self.f2),
            "n_observed": int(self.observed.sum()),
            "n_parameters": self.n_parameters,
            "n_fitted": self.n_fitted,
            "r1": self.r1,
            "r1_all": self.r1_all,
            "wr2": self.wr2,
            "goodness_of_fit": self.goodness_of_fit,
            "scale": self.scale,
            "extinction": self.extinction,
            "twin_fractions": self.twin_fractions,
            "weights": self.weighting,
            "merging": self.merging,
            "stated": self.stated,
            "notes": self.notes,
        }
        cleaned: dict[str, Any] = json_value(numbers)
        return cleaned

    def to_json(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write :meth:`as_dict`.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_text

        write_text(path, json_text(self.as_dict()), overwrite=overwrite)

    def columns(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Unique hkl and columns for an MTZ file, on the scale of F_calc, Friedel mates averaged.

        FP, SIGFP are those of :attr:`f2_of_crystal`; FWT = 2FP - FC and DELFWT = FP - FC.
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

    def to_mtz(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write :meth:`columns` as MTZ.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_mtz

        hkl, columns = self.columns()
        write_mtz(
            path,
            self.crystal,
            hkl,
            columns,
            overwrite=overwrite,
            wavelength=self.wavelength or 0.0,
        )

    def to_fcf(
        self, path: str | PathLike[str], *, list_code: int = 4, overwrite: bool = False
    ) -> None:
        """Write a CIF of reflections like SHELXL's LIST 4 or LIST 6.

        Parameters
        ----------
        list_code
            4: F^2 calculated and measured over k^2 and without extinction, of all twin domains
            together. 6: F^2 measured as of one domain, and F_calc with its phase.

        Raises
        ------
        ParameterError
            For another code.
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.fcf import write_fcf

        if list_code == 6:
            known = np.isfinite(self._to_crystal)
            values = {
                "F_squared_meas": self.f2_of_crystal[known],
                "F_squared_sigma": (self.sigmas * self._to_crystal)[known],
                "F_calc": np.abs(self.f_calc)[known],
                "phase_calc": np.degrees(np.angle(self.f_calc))[known],
            }
        else:
            known = np.ones(len(self.f2), bool)
            values = {
                "F_squared_calc": self.f2_model / self.correction,
                "F_squared_meas": self.f2 / self.correction,
                "F_squared_sigma": self.sigmas / self.correction,
            }
        write_fcf(path, self.crystal, self.hkl[known], values, list_code, overwrite=overwrite)
