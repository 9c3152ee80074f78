"""Anomalous scattering: f' and f'' of the free atom at a photon energy, from two sources."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from friedel.constants import HC
from friedel.errors import ElementError, EnergyError, FriedelWarning, ParameterError
from friedel.model.elements import element_record
from friedel.scattering.dispersion.chantler import chantler
from friedel.scattering.dispersion.cromer_liberman import (
    ENERGY_MAX,
    ENERGY_MIN,
    Z_MAX,
    Z_MIN,
    FloatOrArray,
    as_positive,
    cromer_liberman,
    cromer_liberman_all,
)
from friedel.scattering.dispersion.doubts import dispersion_notes

__all__ = [
    "SHORT_NAMES",
    "SOURCES",
    "amplitudes",
    "anomalous",
    "chantler",
    "covers",
    "cromer_liberman",
    "cromer_liberman_all",
    "dispersion_notes",
]

SOURCES = ("cromer-liberman", "cromer-liberman-repaired", "chantler")
"""Names of the sources of f' and f''."""

Z_RANGES = {
    "cromer-liberman": (Z_MIN, Z_MAX),
    "cromer-liberman-repaired": (Z_MIN, Z_MAX),
    "chantler": (1, 92),
}
"""Atomic numbers of the first and last element of each source."""

SHORT_NAMES = {"cl": "cromer-liberman"}
"""Abbreviated names of the sources."""


def anomalous(
    element: Any,
    *,
    energy: ArrayLike | None = None,
    wavelength: ArrayLike | None = None,
    anomalous: str = "cromer-liberman",
    source: str | None = None,
) -> tuple[FloatOrArray, FloatOrArray]:
    """Amplitudes f' and f'' of an element at a photon energy or wavelength.

    Parameters
    ----------
    element
        Symbol, atomic number, or anything with an ``atomic_number``. Deuterium is hydrogen.
    energy
        Photon energy, eV, scalar or of any shape.
    wavelength
        Wavelength, Å, instead of `energy`.
    anomalous
        - ``"cromer-liberman"`` (or ``"cl"``): Li to U [Cromer1981], [Brennan1992],
          [Kissel1990];
        - ``"cromer-liberman-repaired"``: the same without the false resonances of the published
          program, see :func:`cromer_liberman`;
        - ``"chantler"``: H to U, the more accurate tables [Chantler2000].
    source
        Name of `anomalous` in 0.1.0.

    Returns
    -------
    (f', f'')
        Amplitudes in electrons: floats for a scalar, otherwise float64 arrays of the same shape.

    Raises
    ------
    ElementError
        For an element that is unknown or that the source does not cover.
    EnergyError
        For an energy or wavelength that is not positive and finite, or not covered:
        Cromer-Liberman is refused below 100 eV and above 1 MeV.
    ParameterError
        Unless exactly one of energy and wavelength is given, or for an unknown source.

    Warns
    -----
    FriedelWarning
        For one energy at which the values are doubtful: within 0.5 % of an edge, or at a false
        resonance of Cromer-Liberman. Of many energies :func:`dispersion_notes` tells.
    """
    if source is not None:
        warnings.warn("source= is called anomalous= now", DeprecationWarning, stacklevel=2)
        anomalous = source
    found, energies = amplitudes(element, energy=energy, wavelength=wavelength, source=anomalous)
    if energies.ndim == 0:
        for note in dispersion_notes(_atomic_number(element), energies, _known_source(anomalous)):
            warnings.warn(note.text, FriedelWarning, stacklevel=2)
    return found


def amplitudes(
    element: Any,
    *,
    energy: ArrayLike | None = None,
    wavelength: ArrayLike | None = None,
    source: str = "cromer-liberman",
) -> tuple[tuple[FloatOrArray, FloatOrArray], np.ndarray]:
    """The pair (f', f'') of :func:`anomalous` without its warnings, and the energies in eV."""
    if energy is not None and wavelength is None:
        energies = as_positive(energy, "energy", "eV")
    elif wavelength is not None and energy is None:
        energies = HC / as_positive(wavelength, "wavelength", "A")
    else:
        given = "neither" if energy is None else "both"
        raise ParameterError(f"got {given} of energy and wavelength; expected exactly one")

    z = _atomic_number(element)
    source = _known_source(source)
    if source == "chantler":
        return chantler(z, energies), energies
    if not Z_MIN <= z <= Z_MAX:
        raise ElementError(
            f"got element {element!r} (Z = {z}); Cromer-Liberman covers Z = {Z_MIN} to {Z_MAX}"
        )
    outside = energies[(energies < ENERGY_MIN) | (energies > ENERGY_MAX)]
    if outside.size:
        raise EnergyError(
            f"got energy = {outside[0]:g} eV; Cromer-Liberman is usable from {ENERGY_MIN:g} "
            f"to {ENERGY_MAX:g} eV"
        )
    repaired = source == "cromer-liberman-repaired"
    return cromer_liberman(z, energies, repaired=repaired), energies


def covers(element: Any, source: str = "cromer-liberman") -> bool:
    """Whether a source has f' and f'' of an element.

    Raises
    ------
    ElementError
        When there is no such element.
    ParameterError
        For an unknown source.
    """
    lowest, highest = Z_RANGES[_known_source(source)]
    return lowest <= _atomic_number(element) <= highest


def _atomic_number(element: Any) -> int:
    number = getattr(element, "atomic_number", element)
    if not isinstance(number, str | Integral):
        raise ElementError(
            f"got element {element!r}; expected a symbol, an atomic number or an object with one"
        )
    return element_record(number if isinstance(number, str) else int(number)).atomic_number


def _known_source(source: str) -> str:
    source = SHORT_NAMES.get(source, source)
    if source not in SOURCES:
        raise ParameterError(f"got anomalous = {source!r}; expected one of {', '.join(SOURCES)}")
    return source
