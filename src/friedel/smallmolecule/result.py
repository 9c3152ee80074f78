"""IntensityFit: the result of comparing a small structure with its F^2, as text and files."""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from os import PathLike
from typing import Any

import numpy as np

from friedel.html import folded
from friedel.maps.difference_density import N_PEAKS, DifferenceDensity, difference_density
from friedel.notes import friedel_version
from friedel.smallmolecule.difference_density import difference_coefficients
from friedel.smallmolecule.report import summary
from friedel.smallmolecule.statistics import IntensityStatistics, Parameter as Parameter
from friedel.writers.json_files import plain, write_json


@dataclass(frozen=True, eq=False, repr=False)
class IntensityFit(IntensityStatistics):
    """A small structure fitted to its F^2; :func:`friedel.fit_intensities` makes it.

    The attributes are those of :class:`friedel.smallmolecule.statistics.IntensityStatistics`.
    """

    def __repr__(self) -> str:
        return (
            f"<friedel.IntensityFit {self.name}, {len(self.f2)} reflections, R1 {self.r1:.4f}, "
            f"wR2 {self.wr2:.4f}>"
        )

    def _repr_html_(self) -> str:
        head = (
            f"<b>{escape(self.name)}</b>: R<sub>1</sub> {self.r1:.4f}, "
            f"wR<sub>2</sub> {self.wr2:.4f}"
        )
        return folded(head, self.summary())

    @cached_property
    def difference(self) -> DifferenceDensity:
        """Map of F_o - F_c as SHELXL makes it: coefficients, extremes, peaks and holes.

        The formula is that of
        :func:`friedel.smallmolecule.difference_density.difference_coefficients`. Twinned data
        are taken as :attr:`f2_of_crystal`.
        """
        f2, sigmas = self.f2 / self.correction, self.sigmas / self.correction
        if self.twin_fractions:
            f2, sigmas = self.f2_of_crystal, self.sigmas * self._to_crystal
        coefficients = difference_coefficients(
            self.crystal, self.hkl, f2, sigmas, self.f_calc, self.f_real
        )
        return difference_density(coefficients, self.atoms, self.labels)

    def difference_density(self, n: int = N_PEAKS) -> DifferenceDensity:
        """The map of :attr:`difference`, with at most `n` peaks and `n` holes.

        Raises
        ------
        ParameterError
            When `n` is not a positive integer.
        """
        if n == N_PEAKS:
            return self.difference
        return difference_density(self.difference.coefficients, self.atoms, self.labels, n)

    def summary(self, *, notes: bool = True) -> str:
        """R-factors, parameters and peaks beside the values of the CIF, and notes.

        Parameters
        ----------
        notes
            Whether to include the notes.
        """
        return summary(self, self.difference, notes=notes)

    def to_dict(self, *, command: str | None = None, n_peaks: int = N_PEAKS) -> dict[str, Any]:
        """Numbers and text for JSON; unknown values are None.

        Parameters
        ----------
        command
            The command line that made the result, stored with the version.
        n_peaks
            Largest number of peaks and of holes.
        """
        numbers = {
            "version": friedel_version(),
            "command": command,
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
            "absolute_structure": self.absolute_structure and self.absolute_structure.to_dict(),
            "difference_density": self.difference_density(n_peaks).to_dict(),
            "merging": self.merging,
            "stated": self.stated,
            "notes": self.notes,
        }
        return {key: plain(value) for key, value in numbers.items()}

    def as_dict(self) -> dict[str, Any]:
        """The old name of :meth:`to_dict`."""
        return self.to_dict()

    def to_json(
        self,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        command: str | None = None,
        n_peaks: int = N_PEAKS,
    ) -> None:
        """Write :meth:`to_dict` to a file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        numbers = self.to_dict(command=command, n_peaks=n_peaks)
        write_json(path, numbers, overwrite=overwrite)

    def to_mtz(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write :meth:`columns` as MTZ; HISTORY holds version, notes and the command line.

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
            notes=self.notes,
            command=command,
        )

    def to_fcf(
        self,
        path: str | PathLike[str],
        *,
        list_code: int = 4,
        overwrite: bool = False,
        command: str | None = None,
    ) -> None:
        """Write a CIF of reflections like SHELXL's LIST 4 or LIST 6.

        Parameters
        ----------
        list_code
            4: F^2 calculated and measured over k^2 and without extinction, of all twin domains
            together. 6: F^2 measured as of one domain, and F_calc with its phase.
        command
            The command line that made it, written with version and notes.

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
        told: dict[str, Any] = {"notes": self.notes, "command": command}
        hkl = self.hkl[known]
        write_fcf(path, self.crystal, hkl, values, list_code, overwrite=overwrite, **told)
