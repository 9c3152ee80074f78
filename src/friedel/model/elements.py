"""The chemical elements: symbols, atomic numbers, names, weights; and the labels of ions."""

import re
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from typing import Any

from friedel.data import table
from friedel.errors import ElementError

_LABEL = re.compile(r"([A-Za-z]{1,2})(?:(\d*)([+-])|([+-])(\d+))?$")


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
    charge-sign may also be sign-charge (``"Fe+2"``).

    Raises
    ------
    ElementError
        When the text is not an element symbol with an optional charge.
    """
    match = _LABEL.match(label.strip())
    if match is None:
        raise ElementError(f"unknown scatterer {label!r}: expected an element or ion such as Fe2+")
    name, digits, sign, sign_first, digits_last = match.groups()
    magnitude = int(digits or digits_last or 1) if (sign or sign_first) else 0
    charge = -magnitude if "-" in (sign, sign_first) else magnitude
    return element_record(name).symbol, charge


def make_label(symbol: str, charge: int = 0) -> str:
    """The label of an element with a formal charge: the inverse of :func:`parse_label`."""
    return symbol if charge == 0 else f"{symbol}{abs(charge)}{'+' if charge > 0 else '-'}"


def is_label(text: str) -> bool:
    """Whether a text has the form of an element or ion, unlike ``"Cval"`` or ``"6Li"``."""
    return _LABEL.match(text) is not None


def element_of_entry(label: str) -> str:
    """The element symbol of any label in a table: ``"Fe2+"``, ``"Cval"``, ``"Hiso"``, ``"6Li"``.

    Raises
    ------
    ElementError
        When it does not begin with an element symbol, with or without a mass number.
    """
    text = label.lstrip("0123456789")
    if not is_label(text):
        text = next((text[:n] for n in (2, 1) if text[:n] in _records_by_symbol()), text)
    return parse_label(text)[0]
