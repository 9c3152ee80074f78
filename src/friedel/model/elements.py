"""The chemical elements: symbols, atomic numbers, names, weights; and the labels of ions."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from numbers import Integral
from typing import Any

from friedel.data import table
from friedel.errors import ElementError

_ION = re.compile(r"([A-Za-z]{1,2})(?:(\d*)([+-])|([+-])(\d+))?$")
_LABEL = re.compile(
    r"(?P<mass>[1-9]\d{0,2})?(?P<name>[A-Za-z]{1,2}?)"
    r"(?P<state>val|iso|\d*[+-]|[+-]\d+)?(?:@(?P<site>\S+))?$"
)
_HYDROGEN_ISOTOPES = {"2H": "D", "T": "3H"}
"""Isotopes of hydrogen that have two names, with the one used here."""

_MISSPELT = {"Siva": "Sival"}
"""Names of valence states in older copies of the tables."""


@dataclass(frozen=True)
class ElementRecord:
    """Data of one element (or of deuterium, or of the unknown element X)."""

    atomic_number: int
    symbol: str
    name: str
    weight: float


@cache
def _records_by_symbol() -> dict[str, ElementRecord]:
    return {
        row["symbol"]: ElementRecord(
            int(row["atomic_number"]), row["symbol"], row["name"], float(row["weight"])
        )
        for row in table("elements")
    }


@cache
def _symbols_by_number() -> dict[int, str]:
    return {r.atomic_number: r.symbol for r in _records_by_symbol().values() if r.symbol != "D"}


def element_record(symbol_or_number: Any) -> ElementRecord:
    """The record of an element given by symbol (in any case), atomic number or element object.

    An element object, friedel's or gemmi's, is any object whose `name` is the symbol.

    Raises
    ------
    ElementError
        When there is no such element; ``"X"``, the unknown element, is accepted.
    """
    symbol_or_number = getattr(symbol_or_number, "name", symbol_or_number)
    if isinstance(symbol_or_number, str):
        symbol = symbol_or_number.strip().capitalize()
    elif isinstance(symbol_or_number, Integral):
        symbol = _symbols_by_number().get(int(symbol_or_number), "")
    else:
        symbol = ""
    try:
        return _records_by_symbol()[symbol]
    except KeyError:
        raise ElementError(
            f"unknown element {symbol_or_number!r}: expected a chemical symbol, 'D', 'X' "
            "or an atomic number from 1 to 118"
        ) from None


def parse_label(label: str) -> tuple[str, int]:
    """Element symbol and formal charge of a scatterer's label.

    ``"Fe"`` -> ``("Fe", 0)``, ``"fe2+"`` -> ``("Fe", 2)``, ``"O-"`` -> ``("O", -1)``; the order
    charge-sign may also be sign-charge (``"Fe+2"``). A mass number, a valence state and the
    name of a site have no part in it: ``"7Li"`` -> ``("Li", 0)``, ``"Cval"`` -> ``("C", 0)``,
    ``"Se@SE1"`` -> ``("Se", 0)``. D is an element of its own: ``"2H"`` -> ``("D", 0)``.

    Raises
    ------
    ElementError
        When the text is not the label of a scatterer.
    """
    mass, name, state, _ = _parts(label)
    name = "D" if f"{mass}{name}" == "2H" else "H" if name == "T" else name
    return name, _charge(state)


def scatterer_label(text: str) -> str:
    """The standard spelling of a scatterer's label: element, ion, isotope or valence state.

    ``"FE+3"`` -> ``"Fe3+"``, ``"7li"`` -> ``"7Li"``, ``"2H"`` -> ``"D"``, ``"T"`` -> ``"3H"``,
    ``"Siva"`` -> ``"Sival"``. A site's name is kept: ``"se@SE1"`` -> ``"Se@SE1"``.

    Raises
    ------
    ElementError
        When the text is not the label of a scatterer.
    """
    mass, name, state, site = _parts(text)
    if state not in ("val", "iso"):
        state = make_label("", _charge(state))
    atom = _HYDROGEN_ISOTOPES.get(f"{mass}{name}", f"{mass}{name}")
    return f"{atom}{state}" + (f"@{site}" if site else "")


def kind_of_site(label: str) -> str:
    """The label of a scatterer without the name of its site: ``"Se2-@SE1"`` -> ``"Se2-"``."""
    return label.partition("@")[0]


def mass_number(label: str) -> int | None:
    """The mass number of an isotope's label: 7 for ``"7Li"``; None for the natural mixture.

    Raises
    ------
    ElementError
        When the text is not the label of a scatterer.
    """
    mass, name, _, _ = _parts(label)
    return int(mass) if mass else {"D": 2, "T": 3}.get(name)


@lru_cache(maxsize=1000)
def _parts(label: str) -> tuple[str, str, str, str]:
    """Mass number, element symbol or T, charge or state, and site: empty where absent."""
    text = label.strip()
    match = _LABEL.match(_MISSPELT.get(text.capitalize(), text))
    if match is None:
        raise ElementError(f"unknown scatterer {label!r}: expected an element or ion such as Fe2+")
    mass, name, state, site = (match[key] or "" for key in ("mass", "name", "state", "site"))
    name = name.capitalize()
    if name != "T" or mass:
        name = element_record(name).symbol
    return mass, name, state, site


def _charge(state: str) -> int:
    if not state or state.isalpha():
        return 0
    magnitude = int(state.strip("+-") or 1)
    return -magnitude if "-" in state else magnitude


def make_label(symbol: str, charge: int = 0) -> str:
    """The label of an element with a formal charge: the inverse of :func:`parse_label`."""
    return symbol if charge == 0 else f"{symbol}{abs(charge)}{'+' if charge > 0 else '-'}"


def is_label(text: str) -> bool:
    """Whether a text has the form of an element or ion, unlike ``"Cval"`` or ``"6Li"``."""
    return _ION.match(text) is not None


def element_of_entry(label: str) -> str:
    """The element symbol of any label in a table: ``"Fe2+"``, ``"Cval"``, ``"Hiso"``, ``"6Li"``.

    Raises
    ------
    ElementError
        When it does not begin with an element symbol, with or without a mass number.
    """
    return parse_label(label)[0]
