"""Symbols of elements given as symbol, number or object."""

from typing import Any

from friedel.errors import ElementError
from friedel.model.elements import element_record


def as_symbol(element: Any) -> str:
    """The symbol of an element in any form: symbol, atomic number, Element or gemmi.Element.

    Raises
    ------
    ElementError
        For anything else, and for elements that do not exist.
    """
    known = getattr(element, "name", element)
    if not isinstance(known, str):
        try:
            known = int(known)
        except (TypeError, ValueError):
            raise ElementError(
                f"got {element!r}, expected an element: a symbol, an atomic number or an Element"
            ) from None
    return element_record(known).symbol
