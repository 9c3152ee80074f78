"""Difference density: extremes of a map, peaks and holes with the nearest atoms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from friedel.maps.coefficients import map_from_coefficients
from friedel.maps.peak_table import Peaks
from friedel.maps.peaks import find_peaks
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections

N_PEAKS = 20
"""Number of peaks and of holes that are kept, as by PLAN 20 of SHELXL."""
ANY_HOLE = -1e-6
"""Limit of the search for holes, in standard deviations: all that are below the mean."""


@dataclass(frozen=True, eq=False, repr=False)
class DifferenceDensity:
    """Extremes, peaks and holes of a difference map, in units of F per Å^3.

    Attributes
    ----------
    coefficients
        Complex coefficients of unique reflections, for :func:`friedel.map_from_coefficients`.
    maximum, minimum, rms
        Highest peak, deepest hole and root mean square over the unit cell. F(000) is not
        included, so that the mean is 0.
    peaks, holes
        Some of each, of all copies by symmetry the one next to its nearest atom, as that
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

    def text(self, unit: str, name: str = "mFo-DFc") -> str:
        """Extremes and the tables of peaks and holes.

        Parameters
        ----------
        unit
            Unit of the heights.
        name
            Name of the map.
        """
        head = (
            f"{name}: highest {self.maximum:.3f}, deepest {self.minimum:.3f}, rms {self.rms:.3f} "
            f"{unit}"
        )
        return "\n".join([head, "peaks", str(self.peaks), "holes", str(self.holes)])

    def to_dict(self) -> dict[str, object]:
        """The numbers for JSON, with one record for each peak and hole."""
        return {
            "maximum": self.maximum,
            "minimum": self.minimum,
            "rms": self.rms,
            "peaks": self.peaks.records(),
            "holes": self.holes.records(),
        }


def difference_density(
    coefficients: Reflections,
    atoms: Atoms,
    labels: Sequence[str] | None = None,
    n: int = N_PEAKS,
) -> DifferenceDensity:
    """Extremes, peaks and holes of a map, with the nearest atoms.

    Parameters
    ----------
    coefficients
        Complex coefficients of unique reflections; NaN where missing.
    atoms
        The atoms of the model.
    labels
        Their labels; by default those of their types.
    n
        Largest number of peaks and of holes.

    Raises
    ------
    ReflectionsError
        When there are no coefficients.
    ParameterError
        When `n` is not a positive integer.
    """
    grid = map_from_coefficients(coefficients)
    rms = float(np.sqrt(np.mean(grid.array.astype(np.float64) ** 2)))
    if rms == 0.0:
        nothing = _no_peaks(coefficients.crystal)
        return DifferenceDensity(coefficients, 0.0, 0.0, 0.0, nothing, nothing)
    peaks, holes = (
        _labelled(find_peaks(grid, sigma=sigma, n=n, atoms=atoms), labels)
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
