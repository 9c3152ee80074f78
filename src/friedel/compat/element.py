"""Elements as objects, with data of the periodic table and of the form-factor tables."""

from typing import Any

from friedel.compat.coefficients import (
    C4322,
    IT92,
    NEUTRON92,
    WK95,
    C4322Coef,
    IT92Coef,
    Neutron92,
    WK95Coef,
)
from friedel.compat.symbols import as_symbol
from friedel.data import table
from friedel.gemmi_package import gemmi
from friedel.model.elements import element_record


class Element(gemmi.Element):
    """A chemical element, deuterium ``"D"`` or the unknown element ``"X"``.

    It is a ``gemmi.Element`` too, so that ``atom.element = Element("C")`` works. What an atom then
    returns as its `element` is gemmi's own object with gemmi's tables.

    Parameters
    ----------
    symbol_or_number
        Symbol in any case, atomic number (0 is X), or any object with the symbol as its `name`,
        such as ``gemmi.Element``.

    Raises
    ------
    ElementError
        When there is no such element. gemmi makes an X of it, which then scatters as
        oxygen: a mistyped symbol would go unnoticed.
    """

    __slots__ = ("_record",)

    def __init__(self, symbol_or_number: Any) -> None:
        self._record = element_record(as_symbol(symbol_or_number))
        super().__init__(self._record.symbol)

    def __reduce__(self) -> tuple[Any, ...]:
        return Element, (self.symbol,)

    @property
    def symbol(self) -> str:
        """Symbol, such as ``"Fe"``."""
        return self._record.symbol

    @property
    def name(self) -> str:
        """The symbol, which gemmi calls the name; the English name is `full_name`."""
        return self._record.symbol

    @property
    def full_name(self) -> str:
        """English name, such as ``"Iron"``."""
        return self._record.name

    @property
    def atomic_number(self) -> int:
        """Number of protons: 1 also for D, 0 for X."""
        return self._record.atomic_number

    @property
    def weight(self) -> float:
        """Standard atomic weight, dalton."""
        return self._record.weight

    @property
    def vdw_r(self) -> float:
        """Van der Waals radius, Å."""
        return float(next(r["vdw"] for r in table("solvent_radii") if r["symbol"] == self.symbol))

    @property
    def covalent_r(self) -> float | None:  # type: ignore[override]
        """Covalent radius [Cordero2008], Å; None beyond Cm and for X.

        gemmi 0.7 has the radii of Lu and Hf interchanged, and values of other origin beyond Cm.
        """
        symbol = "H" if self.symbol == "D" else self.symbol
        rows = table("covalent_radii")
        return next((float(r["covalent_r"]) for r in rows if r["symbol"] == symbol), None)

    @property
    def is_hydrogen(self) -> bool:
        """Whether the element is H or D."""
        return self.atomic_number == 1

    @property
    def it92(self) -> IT92Coef | None:  # type: ignore[override]
        """X-ray form factor of the neutral atom, one shared object; None where absent."""
        return IT92.exact(self.symbol)  # type: ignore[return-value]

    @property
    def wk95(self) -> WK95Coef | None:
        """X-ray form factor to high angle of the neutral atom; None where absent."""
        return WK95.exact(self.symbol)  # type: ignore[return-value]

    @property
    def c4322(self) -> C4322Coef | None:  # type: ignore[override]
        """Electron form factor of the neutral atom; None where absent."""
        return C4322.exact(self.symbol)  # type: ignore[return-value]

    @property
    def neutron92(self) -> Neutron92 | None:  # type: ignore[override]
        """Neutron scattering length; None where absent."""
        return NEUTRON92.exact(self.symbol)  # type: ignore[return-value]
