"""The absorption edges of an element, where f' and f'' change abruptly."""

from typing import Any

from friedel.data import table
from friedel.model.elements import element_record

ORBITALS = ("K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
"""Orbitals of the Cromer-Liberman tables whose edges are given; the others lie below 1.5 keV."""


def absorption_edges(element: Any) -> dict[str, float]:
    """Energies (eV) of the edges K, L1-3 and M1-5 of the free atom, by name [Cromer1981].

    Parameters
    ----------
    element
        Symbol, atomic number or element object; the tables have Li to U, others have no edges.

    Raises
    ------
    ElementError
        When there is no such element.
    """
    z = element_record(element).atomic_number
    return {
        ORBITALS[int(row["orb"]) - 1]: 1000.0 * float(row["binden_keV"])
        for row in table("cromer_liberman")
        if int(row["Z"]) == z and int(row["orb"]) <= len(ORBITALS)
    }
