"""Difference density F_o - F_c of a small structure: coefficients, extremes, peaks and holes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from friedel.maps.coefficients import map_from_coefficients
from friedel.maps.peak_table import Peaks
from friedel.maps.peaks import find_peaks
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections, match
from friedel.smallmolecule.merging import merge_equivalents

N_PEAKS = 20
"""Number of peaks and of holes that are kept, as by PLAN 20 of SHELXL."""
ANY_HOLE = -1e-6
"""Limit of the search for holes, in standard deviations: all that are below the mean."""
DOWN_WEIGHT = 2.0
"""Factor of sigma(F^2) / F_c^2 in the weights of the coefficients. SHELXL's manual says only that
reflections are weighted down whose sigma is large compared with F_c; this form and this factor
reproduce the 17 peaks that SHELXL lists in COD entry 2242624 to 0.007 e/Å^3 (rms; up to 0.76);
without weights they differ by 0.12 e/Å^3."""


@dataclass(frozen=True, eq=False, repr=False)
class DifferenceDensity:
    """Extremes, peaks and holes of the map F_o - F_c, in units of F per Å^3.

    Attributes
    ----------
    coefficients
        Complex coefficients of unique reflections, for :func:`friedel.map_from_coefficients`.
    maximum, minimum, rms
        Highest peak, deepest hole and root mean square over the unit cell. F(000) is not
        included, so that the mean is 0.
    peaks, holes
        At most 20 each, of all copies by symmetry the one next to its nearest atom, as that
        atom is given in the model. Labels are those of the atoms where the model has them.
    """

    coefficients: Reflections
    maximum: float
    minimum: float
    rms: float
    peaks: Peaks
    holes: Peaks

    def __repr__(self) -> str:
        return (
            f"<DifferenceDensity, max {self.maximum:.3f}, min {self.minimum:.3f}, "
            f"rms {self.rms:.3f}>"
        )

    def to_dict(self) -> dict[str, object]:
        """The numbers for JSON, with one record for each peak and hole."""
        return {
            "maximum": self.maximum,
            "minimum": self.minimum,
            "rms": self.rms,
            "peaks": _records(self.peaks),
            "holes": _records(self.holes),
        }


def difference_coefficients(
    crystal: Crystal,
    hkl: np.ndarray,
    f2: np.ndarray,
    sigmas: np.ndarray,
    f_calc: np.ndarray,
    f_real: np.ndarray,
) -> Reflections:
    """Coefficients of the map F_o - F_c as SHELXL makes it (FMAP 2) [Sheldrick2015].

    F_o is corrected for f'' and averaged over Friedel mates: F_o^2 - abs(F_c)^2 + abs(F_real)^2,
    F_real being F_c without f''. With inversion at the origin this is exact, as f'' adds the
    square of an imaginary part. The coefficient is w (F_o - abs(F_real)) with the phase of
    F_real, and w = 1 / (1 + (2 sigma(F_o^2) / abs(F_real)^2)^2).

    Parameters
    ----------
    hkl
        (n, 3), in any order, with or without Friedel mates.
    f2, sigmas
        (n,) measured F^2 on the absolute scale, without extinction, of a single crystal; NaN where
        unknown.
    f_calc, f_real
        (n,) complex F_c with and without f''.
    """
    known = np.isfinite(f2)
    hkl, f_calc, f_real = hkl[known], f_calc[known], f_real[known]
    corrected = f2[known] - np.abs(f_calc) ** 2 + np.abs(f_real) ** 2
    merged = merge_equivalents(crystal, hkl, corrected, sigmas[known], friedel_mates=True)
    folded, shift, friedel = crystal.to_asu(hkl)
    unique, first = np.unique(folded, axis=0, return_index=True)
    at_asu = np.where(friedel, f_real.conj(), f_real) * np.exp(-1j * shift)
    # without f'' equivalent reflections and Friedel mates have one value
    kept, _ = match(unique, merged.hkl)
    calculated = at_asu[first][kept]
    amplitudes = np.abs(calculated)
    f_obs = np.sqrt(np.maximum(merged.f2, 0.0))
    weights = amplitudes**4 / (amplitudes**4 + (DOWN_WEIGHT * merged.sigmas) ** 2)
    values = weights * (f_obs - amplitudes) * np.exp(1j * np.angle(calculated))
    return Reflections(crystal, merged.hkl, values, label="DELFWT")


def difference_density(
    coefficients: Reflections, atoms: Atoms, labels: Sequence[str] | None = None
) -> DifferenceDensity:
    """Extremes, peaks and holes of a map, with the nearest atoms.

    Parameters
    ----------
    coefficients
        Those of :func:`difference_coefficients`.
    atoms
        The atoms of the model.
    labels
        (n,) their labels; by default those of their types.

    Raises
    ------
    ReflectionsError
        When there are no coefficients.
    """
    grid = map_from_coefficients(coefficients)
    rms = float(np.sqrt(np.mean(grid.array.astype(np.float64) ** 2)))
    if rms == 0.0:
        nothing = _no_peaks(coefficients.crystal)
        return DifferenceDensity(coefficients, 0.0, 0.0, 0.0, nothing, nothing)
    peaks, holes = (
        _labelled(find_peaks(grid, sigma=sigma, n=N_PEAKS, atoms=atoms), labels)
        for sigma in (None, ANY_HOLE)
    )
    return DifferenceDensity(
        coefficients,
        float(peaks.height[0]) if len(peaks) else float(grid.array.max()),
        float(holes.height[0]) if len(holes) else float(grid.array.min()),
        rms,
        peaks,
        holes,
    )


def _labelled(peaks: Peaks, labels: Sequence[str] | None) -> Peaks:
    if labels is None or peaks.atom is None:
        return peaks
    return replace(peaks, label=np.array(labels)[peaks.atom])


def _no_peaks(crystal: Crystal) -> Peaks:
    none = np.zeros(0)
    return Peaks(
        crystal,
        np.zeros((0, 3)),
        none,
        none,
        none.astype(np.int64),
        none.astype(str),
        none,
        mean=0.0,
        deviation=0.0,
    )


def _records(peaks: Peaks) -> list[dict[str, object]]:
    columns = {name: values.tolist() for name, values in peaks.columns().items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
