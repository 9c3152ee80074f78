"""Numbers added to the form factors of elements, such as f'."""

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from friedel.compat.printing import PrintsAsGemmi
from friedel.compat.symbols import as_symbol
from friedel.data import table
from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi


class Addends(PrintsAsGemmi):
    """One angle-independent number for each element, added to its form factor; 0 at first.

    Elements may be given as Element, symbol or atomic number. D and H have separate addends.
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    @property
    def values(self) -> Mapping[str, float]:
        """Addends by symbol, as the engine takes them."""
        return MappingProxyType(self._values)

    def set(self, element: Any, value: float) -> None:
        """Set the addend of one element, in the unit of the form factor.

        Raises
        ------
        ElementError
            When there is no such element.
        ParameterError
            When the value is not a finite number.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ParameterError(f"got addend {value!r}, expected a finite real number")
        self._values[as_symbol(element)] = number

    def get(self, element: Any) -> float:
        """The addend of one element."""
        return self._values.get(as_symbol(element), 0.0)

    def clear(self) -> None:
        """Set all addends to 0."""
        self._values.clear()

    def add_cl_fprime(self, energy: float) -> None:
        """Add f' at an energy (eV) by Cromer and Liberman, for Li to U.

        Raises
        ------
        EnergyError
            For an energy that is not a positive finite number.
        """
        self.add("cromer-liberman", energy)

    def add(self, source: str, energy: float) -> None:
        """Add f' at an energy (eV) for all elements that the source covers.

        Parameters
        ----------
        source
            As for :func:`friedel.anomalous`: ``"cromer-liberman"``, ``"chantler"``, ...

        Raises
        ------
        EnergyError
            For an energy that is not positive and finite, or outside of the tables.
        ParameterError
            For an unknown source.
        """
        from friedel.scattering.dispersion import amplitudes, cromer_liberman_all
        from friedel.scattering.dispersion.chantler import Z_MAX

        if source in ("cl", "cromer-liberman"):
            f_prime = dict(enumerate(cromer_liberman_all(energy)[:, 0].tolist()))
        else:
            lightest = 1 if source == "chantler" else 3
            f_prime = {
                z: amplitudes(z, energy=energy, source=source)[0][0]
                for z in range(lightest, Z_MAX + 1)
            }
        for symbol, z in _symbols_with_numbers():
            if f_prime.get(z):
                self._add(symbol, float(f_prime[z]))

    def subtract_z(self, except_hydrogen: bool = False) -> None:
        """Subtract the atomic number, for the Mott-Bethe formula; on request not from H and D."""
        for symbol, z in _symbols_with_numbers():
            if z and not (except_hydrogen and z == 1):
                self._add(symbol, -float(z))

    def _add(self, symbol: str, value: float) -> None:
        self._values[symbol] = self._values.get(symbol, 0.0) + value


def addends_by_symbol(addends: Any) -> Mapping[str, float]:
    """The addends of an object of friedel's or gemmi's, as the engine takes them."""
    if isinstance(addends, Addends):
        return addends.values
    return {name: addends.get(gemmi.Element(name)) for name, _ in _symbols_with_numbers()}


@cache
def _symbols_with_numbers() -> tuple[tuple[str, int], ...]:
    """All symbols, including D and X, with their atomic numbers."""
    return tuple((row["symbol"], int(row["atomic_number"])) for row in table("elements"))
