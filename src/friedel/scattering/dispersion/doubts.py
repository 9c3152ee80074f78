"""Energies at which calculated f' and f'' are doubtful: edges and faults of Cromer-Liberman.

A false resonance needs no list. The published program takes an orbital's cross sections, which are
tabulated at energies that follow from one binding energy, together with another binding energy.
Where both agree, the result does not depend on which of the two is used; where it does, the
difference is the error. So f' of the published program is compared with that of the consistent
orbitals (``repaired``). Above 4.4 keV, and more than 0.5 % from edges, this finds every energy at
which f' differs from Chantler's by more than 1 electron (all elements, steps of 0.1 %).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from friedel.model.elements import element_record
from friedel.notes import Note
from friedel.scattering.dispersion.cromer_liberman import (
    PEAK_WIDTH,
    Z_MAX,
    Z_MIN,
    cromer_liberman,
    peaked_edges,
)
from friedel.scattering.dispersion.edges import absorption_edges

NEAR_EDGE = 0.005
"""Relative distance from an edge within which f' and f'' depend on the compound."""

FALSE = 0.2
"""Difference in electrons between f' of the published program and of consistent orbitals that
is said. The consistent f' differs from Chantler's by 0.06 in the median."""

SAFER = "Chantler's tables (--anomalous chantler)"


def dispersion_notes(
    element: Any, energy: ArrayLike, anomalous: str = "cromer-liberman"
) -> tuple[Note, ...]:
    """Warnings about f' and f'' of one element, at most one for each reason.

    Parameters
    ----------
    element
        Symbol, atomic number or element object.
    energy
        Photon energies, eV, of any shape.
    anomalous
        Source of f' and f'', as for :func:`friedel.anomalous`.

    Returns
    -------
    tuple of Note
        Notes of kind ``"warning"``; empty where nothing is doubtful.

    Raises
    ------
    ElementError
        When there is no such element.
    """
    record = element_record(element)
    z, symbol = record.atomic_number, record.symbol
    energies = np.unique(np.asarray(energy, np.float64))
    edges = absorption_edges(z)
    if not (Z_MIN <= z <= Z_MAX and edges and energies.size):
        return ()
    near = _distance(energies, np.array(list(edges.values()))) <= NEAR_EDGE
    notes = []
    if near.any():
        notes.append(_near_edge(symbol, edges, energies, near, anomalous))
    left = energies[~near]
    if anomalous != "chantler" and left.size:
        if anomalous != "cromer-liberman-repaired":
            notes += _false_resonance(z, symbol, energies, left)
        notes += _false_peak(z, symbol, energies, left)
    return tuple(notes)


def _distance(energies: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n,) relative distance from the nearest edge; infinite without edges."""
    return np.abs(energies[:, None] / edges - 1.0).min(axis=1, initial=np.inf)


def _near_edge(
    symbol: str, edges: dict[str, float], energies: np.ndarray, near: np.ndarray, source: str
) -> Note:
    close = {
        name: edge
        for name, edge in edges.items()
        if (_distance(energies, np.array([edge])) <= NEAR_EDGE).any()
    }
    at = ", ".join(f"{name} ({edge:g} eV)" for name, edge in close.items())
    text = (
        f"f' and f'' of {symbol}{_where(energies, near)} are within {100 * NEAR_EDGE:g} % of the "
        f"edge {at}, where they depend on the compound"
    )
    if source == "chantler":
        text += "; measured values (--fprime) are better"
    else:
        text += f" and Cromer-Liberman's f' diverges; {SAFER} or measured values are better"
    nearest = float(_distance(energies, np.array(list(close.values()))).min())
    return Note(text, "warning", nearest)


def _false_resonance(
    z: int, symbol: str, energies: np.ndarray, left: np.ndarray
) -> tuple[Note, ...]:
    published, consistent = (
        np.atleast_1d(cromer_liberman(z, left, repaired=repaired)[0]) for repaired in (False, True)
    )
    error = np.abs(published - consistent)
    if not (error > FALSE).any():
        return ()
    worst = int(error.argmax())
    at = "" if (error > FALSE).sum() == 1 else f" at {left[worst]:g} eV"
    text = (
        f"f' of {symbol} by Cromer-Liberman has a false resonance"
        f"{_where(energies, np.isin(energies, left[error > FALSE]))}: {published[worst]:.2f}{at}, "
        f"{consistent[worst]:.2f} without it; {SAFER} are safer"
    )
    return (Note(text, "warning", float(error[worst])),)


def _false_peak(z: int, symbol: str, energies: np.ndarray, left: np.ndarray) -> tuple[Note, ...]:
    peaks = peaked_edges(z)
    close = _distance(left, peaks) <= PEAK_WIDTH
    if not close.any():
        return ()
    at = [f"{peak:g}" for peak in peaks if (_distance(left, np.array([peak])) <= PEAK_WIDTH).any()]
    text = (
        f"f' and f'' of {symbol} by Cromer-Liberman are doubtful"
        f"{_where(energies, np.isin(energies, left[close]))}: its tables have a false peak of the "
        f"absorption at {', '.join(at)} eV; {SAFER} are safer"
    )
    return (Note(text, "warning", int(close.sum())),)


def _where(energies: np.ndarray, chosen: np.ndarray) -> str:
    """The energy, as `` at 8150 eV``; of several how many, and their range."""
    low, high = energies[chosen].min(), energies[chosen].max()
    if low == high:
        return f" at {low:g} eV"
    return f" at {int(chosen.sum())} of {energies.size} energies ({low:g} to {high:g} eV)"
