"""Photon energies at which f' and f'' are asked for most: of X-ray tubes, and around an edge."""

from typing import Any

import numpy as np

from friedel.constants import HC
from friedel.errors import ElementError, EnergyError
from friedel.scattering.dispersion import amplitudes
from friedel.scattering.dispersion.edges import absorption_edges

K_ALPHA = {"Cr": 2.29103, "Cu": 1.54187, "Mo": 0.71075, "Ag": 0.56089}
"""Wavelengths (Å): means of K-alpha1 and K-alpha2 of each anode, with weights 2 and 1 [ITC1992]."""

BEAMLINES = (3000.0, 50000.0)
"""Range of energies of beamlines (eV), in which the highest edge of an element is looked for."""

NEAR, STEP = 0.005, 1.0
"""Relative distance from the edge, and step (eV), of the energies among which peak and inflection
are looked for."""

REMOTE = 1.04
"""Energy of the remote wavelength, as a multiple of that of the edge: 500 eV above that of Se."""


def main_edge(element: Any) -> tuple[str, float] | None:
    """Name and energy (eV) of the highest edge between 3 and 50 keV, None if there is none.

    Raises
    ------
    ElementError
        When there is no such element.
    """
    low, high = BEAMLINES
    edges = [(e, name) for name, e in absorption_edges(element).items() if low <= e <= high]
    return (max(edges)[1], max(edges)[0]) if edges else None


def common_energies(
    element: Any, source: str = "cromer-liberman"
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of energies and the energies (eV): K-alpha of anodes, and around the main edge.

    Around the edge these are the least f' (inflection), the largest f'' (peak), as the source
    gives them in steps of 1 eV, and an energy 4 % above the edge (remote).

    Raises
    ------
    ElementError
        When there is no such element.
    """
    names = [f"{anode} K-alpha" for anode in K_ALPHA]
    energies = [HC / wavelength for wavelength in K_ALPHA.values()]
    if (edge := main_edge(element)) is not None:
        name, at = edge
        near = np.arange(np.floor(at * (1.0 - NEAR)), at * (1.0 + NEAR), STEP)
        try:
            (f1, f2), _ = amplitudes(element, energy=near, source=source)
        except (ElementError, EnergyError):  # not in this source, which amplitudes will say
            return tuple(names), np.array(energies)
        names += [f"{name} inflection", f"{name} peak", f"{name} remote"]
        energies += [float(near[np.argmin(f1)]), float(near[np.argmax(f2)]), REMOTE * at]
    return tuple(names), np.array(energies)
