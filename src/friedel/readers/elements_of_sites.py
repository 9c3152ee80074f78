"""The element of each atom, from its type symbol, its label and the formula."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from friedel.errors import ElementError
from friedel.model.elements import element_record, make_label, parse_label
from friedel.notes import Note
from friedel.readers.stated_model import StatedModel, some_of

WORDS = {
    "WAT": "O",
    "HOH": "O",
    "H2O": "O",
    "OW": "O",
    "WATER": "O",
    "DW": "D",
    "D2O": "O",
    "CVAL": "C",
    "SIVAL": "Si",
    "HISO": "H",
    "HBOND": "H",
}
"""Elements of symbols that name a molecule or an entry of a table of form factors."""

UNKNOWN = "X"


@dataclass(frozen=True)
class TypeSymbol:
    """What a type symbol or a label says: element, charge, and mass number of an isotope or 0."""

    element: str
    charge: int = 0
    mass: int = 0

    @property
    def label(self) -> str:
        """The scatterer's label: ``"Fe3+"``, ``"7Li"``."""
        return f"{self.mass or ''}{make_label(self.element, self.charge)}"


def read_type(text: str) -> TypeSymbol | None:
    """The element that a type symbol names, or None: ``"Fe3+"``, ``"O-2"``, ``"7Li"``, ``"Cval"``.

    Deuterium has its own symbol, D; tritium scatters as the isotope 3 of hydrogen.
    """
    plain = text.strip()
    if plain.upper() in WORDS:
        return TypeSymbol(WORDS[plain.upper()])
    isotope = re.fullmatch(r"(\d*)([A-Za-z].*)", plain)
    if isotope is None:
        return None
    mass, rest = int(isotope[1] or 0), isotope[2]
    if rest.upper() == "T":
        return TypeSymbol("H", mass=3)
    rest = re.sub(r"(?<=[A-Za-z])\(?([IVX]+)\)?$", "", rest) if "(" in rest else rest
    rest = re.sub(r"^([A-Za-z]{1,2})(\d*)\.\d+([+-])$", r"\1\2\3", rest)  # Fe2.5+
    for candidate in (rest, re.sub(r"\d+$", "", rest)):
        try:
            element, charge = parse_label(candidate)
        except ElementError:
            continue
        if element == UNKNOWN:
            return None
        if element == "H" and mass == 2:
            return TypeSymbol("D", charge)
        return TypeSymbol(element, charge, mass)
    return None


def read_label(label: str, known: frozenset[str]) -> tuple[str, bool]:
    """The element that a label such as ``"Fe1"`` or ``"HN1"`` names, and whether that is certain.

    Parameters
    ----------
    known
        The elements of the formula and of the file's table of types; empty if it states none.

    Returns
    -------
    element
        Its symbol, or ``"X"`` where nothing tells.
    is_certain
        Whether only one reading of the label agrees with the known elements.
    """
    letters = re.match(r"\d*([A-Za-z]+)", label.strip())
    if letters is None:
        return UNKNOWN, False
    text = letters[1]
    if text.upper() in WORDS:
        return WORDS[text.upper()], not known or WORDS[text.upper()] in known
    names = dict.fromkeys((text[:2].capitalize(), text[:1].upper()))
    candidates = [name for name in names if _is_element(name)]
    if known:
        agreeing = [c for c in candidates if c in known or (c == "D" and "H" in known)]
        if agreeing:
            return agreeing[0], True
        if text[0].upper() == "W" and "O" in known:  # water
            return "O", False
    if not candidates:
        return UNKNOWN, False
    # "Ca1" is calcium, whereas "CA1" and "C1" need no second letter
    return candidates[0], not known and (len(candidates) == 1 or text[1:2].islower())


def _is_element(text: str) -> bool:
    try:
        return element_record(text).symbol != UNKNOWN
    except ElementError:
        return False


def decide_elements(stated: StatedModel) -> tuple[tuple[str, ...], np.ndarray, tuple[Note, ...]]:
    """Scatterer labels, the index of each atom's into them, and notes.

    A type symbol is trusted most; where it names no element the label does, read so that it
    agrees with the formula and the table of atom types.
    """
    types = [read_type(text) for text in stated.types]
    known = _known_elements(stated)
    notes: list[Note] = []
    if all(types) or stated.cartesian:  # macromolecules: their reader knows the residues, too
        scatterers = [t.label if t else UNKNOWN for t in types]
        kind = stated.kind
        notes += _about_unknown(stated, scatterers)
    else:
        scatterers, kind = _by_labels(stated, types, known, notes)
    notes += _foreign_elements(stated, types, known)
    return (*_distinct(scatterers, kind), tuple(notes))


def _distinct(scatterers: list[str], kind: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    present = set(kind.tolist())
    distinct = tuple(dict.fromkeys(s for k, s in enumerate(scatterers) if k in present))
    if len(distinct) == len(scatterers):
        return distinct, kind
    index = np.array([distinct.index(s) if s in distinct else -1 for s in scatterers])
    return distinct, index[kind]


def _known_elements(stated: StatedModel) -> frozenset[str]:
    types = [read_type(text) for text in stated.atom_types]
    return frozenset(stated.formula) | {t.element for t in types if t is not None}


def _by_labels(
    stated: StatedModel,
    types: list[TypeSymbol | None],
    known: frozenset[str],
    notes: list[Note],
) -> tuple[list[str], np.ndarray]:
    """Scatterer labels and indices, with the labels of the atoms where the types do not tell."""
    scatterers = [t.label if t else "" for t in types]
    kind = stated.kind.copy()
    told: dict[bool, list[str]] = {True: [], False: []}
    unknown: list[str] = []
    for i in np.flatnonzero([not scatterers[k] for k in stated.kind]):
        label = _text(stated.labels[i])
        element, is_certain = read_label(label, known)
        if element == UNKNOWN:
            unknown.append(label)
        else:
            told[is_certain].append(f"{label} {element}")
        scatterers.append(element)
        kind[i] = len(scatterers) - 1
    if told[True]:
        text = f"the element is told by the label ({some_of(told[True])})"
        notes.append(Note(text, "default", len(told[True])))
    if told[False]:
        text = f"the element is guessed from the label ({some_of(told[False])})"
        notes.append(Note(text, "guess", len(told[False]), give="give the type symbols"))
    if unknown:
        notes.append(_unknown_elements(unknown))
    return [s or UNKNOWN for s in scatterers], kind


def _about_unknown(stated: StatedModel, scatterers: list[str]) -> Iterable[Note]:
    unknown = np.isin(stated.kind, [k for k, s in enumerate(scatterers) if s == UNKNOWN])
    if unknown.any():
        yield _unknown_elements([_text(label) for label in stated.labels[unknown]])


def _unknown_elements(labels: list[str]) -> Note:
    text = f"the element of some atoms cannot be told ({some_of(labels)})"
    return Note(text, "guess", len(labels), give="give the elements in the file")


def _text(label: str | bytes) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def _foreign_elements(
    stated: StatedModel, types: list[TypeSymbol | None], known: frozenset[str]
) -> Iterable[Note]:
    """A warning about type symbols whose elements the formula lacks."""
    if not stated.formula:
        return
    equal = known | ({"D"} if "H" in known else set()) | ({"H"} if "D" in known else set())
    foreign = {t.element for t in types if t is not None} - equal
    if foreign:
        names = ", ".join(sorted(foreign))
        yield Note(f"the formula lacks elements of the atoms ({names})", "warning", len(foreign))
