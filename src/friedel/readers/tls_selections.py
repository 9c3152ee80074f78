"""Selections of atoms for TLS groups: residue ranges, and the texts of PHENIX and BUSTER."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi

ResidueNumber = tuple[int, str]
"""Number and insertion code of a residue."""

NUMBER = re.compile(r"(-?\d+)\s*([A-Za-z]?)")
"""Number of a residue, with its insertion code."""

WATER = ("HOH", "WAT", "DOD", "H2O")
"""Names of water molecules."""


@dataclass(frozen=True)
class ResidueRange:
    """Residues from the first to the last, None for an open end; in all chains if none is named.

    A last residue without an insertion code stands for all with its number. If the chains differ,
    the range extends from the first residue to the end of its chain, over all chains between, and
    to the last residue.
    """

    chain: str
    first: ResidueNumber | None
    last: ResidueNumber | None
    last_chain: str | None = None


Selection = ResidueRange | str
"""Residues of a group, or the text that selects its atoms."""


class SelectableAtoms:
    """The names of the atoms of a model as arrays.

    Attributes
    ----------
    chain, code, residue, atom, element, altloc
        (n,) names; `code` is the insertion code, in lower case.
    number
        (n,) numbers of residues.
    """

    def __init__(self, model: gemmi.Model) -> None:
        rows = [
            (
                cra.chain.name,
                cra.residue.seqid.icode.strip().lower(),
                cra.residue.name.upper(),
                cra.atom.name.upper(),
                cra.atom.element.name.upper(),
                cra.atom.altloc.strip("\0 "),
            )
            for cra in model.all()
        ]
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        self.chain, self.code, self.residue, self.atom, self.element, self.altloc = columns
        numbers = [cra.residue.seqid.num for cra in model.all()]
        self.number = np.array([0 if n is None else n for n in numbers], np.int64)

    def __len__(self) -> int:
        return len(self.chain)

    def selected(self, selections: Sequence[Selection]) -> np.ndarray:
        """(n,) bool: the atoms that any of the selections names.

        Raises
        ------
        ParameterError
            When a text cannot be understood, or there is no selection.
        """
        if not selections:
            raise ParameterError("got no selection")
        chosen = np.zeros(len(self), bool)
        for one in selections:
            chosen |= self.in_range(one) if isinstance(one, ResidueRange) else self._by_text(one)
        return chosen

    def in_range(self, residues: ResidueRange) -> np.ndarray:
        """(n,) bool: the atoms of a range of residues."""
        last_chain = residues.last_chain
        if last_chain is None or last_chain == residues.chain:
            within = self._between(residues.first, residues.last)
            return within & self.in_chain(residues.chain) if residues.chain else within
        order = list(dict.fromkeys(self.chain.tolist()))
        ends = [self.in_chain(residues.chain), self.in_chain(last_chain)]
        if not all(end.any() for end in ends):
            return np.zeros(len(self), bool)
        position = np.array([order.index(chain) for chain in self.chain.tolist()])
        between = (position > position[ends[0]].max()) & (position < position[ends[1]].min())
        return np.asarray(
            (ends[0] & self._between(residues.first, None))
            | between
            | (ends[1] & self._between(None, residues.last))
        )

    def in_chain(self, name: str) -> np.ndarray:
        """(n,) bool: the atoms of a chain; remarks of PDB files write lower case in capitals."""
        chosen = self.chain == name
        return chosen if chosen.any() else np.char.upper(self.chain) == name.upper()

    def _between(self, first: ResidueNumber | None, last: ResidueNumber | None) -> np.ndarray:
        chosen = np.ones(len(self), bool)
        if first is not None:
            after = (self.number == first[0]) & (self.code >= first[1].lower())
            chosen &= (self.number > first[0]) | after
        if last is not None:
            before = (self.number == last[0]) & ((self.code <= last[1].lower()) | (not last[1]))
            chosen &= (self.number < last[0]) | before
        return chosen

    def _by_text(self, text: str) -> np.ndarray:
        if text.strip().startswith("{"):
            return self.selected(ranges_of_buster(text))
        return _Phenix(self, text).chosen


def residue_number(text: str) -> ResidueNumber | None:
    """``"157A"`` -> (157, "A"); None for an empty text.

    Raises
    ------
    ParameterError
        When the text is anything else.
    """
    if not text.strip():
        return None
    found = NUMBER.fullmatch(text.strip())
    if found is None:
        raise ParameterError(f"got the residue {text!r}, expected a number")
    return int(found[1]), found[2]


def ranges_of_buster(text: str) -> list[ResidueRange]:
    """The ranges in a set of BUSTER: ``"{ A|1 - A|99 B|* }"``.

    Raises
    ------
    ParameterError
        When the text is not such a set.
    """
    number = r"-?\d+[A-Za-z]?"
    item = re.compile(rf"\s*([^\s|]+)\|(?:\*|({number})(?:\s*-\s*(?:([^\s|]+)\|)?({number}))?)")
    found, rest = [], text.strip().strip("{}").rstrip()
    while rest.strip(" ,"):
        match = item.match(rest.lstrip(" ,"))
        if match is None:
            raise ParameterError(f"got the selection {text!r}, expected BUSTER's {{ A|1 - A|99 }}")
        first = residue_number(match[2] or "")
        last = residue_number(match[4] or match[2] or "")
        chain = "" if match[1] == "*" else match[1]
        found.append(ResidueRange(chain, first, last, match[3]))
        rest = rest.lstrip(" ,")[match.end() :]
    return found


class _Phenix:
    """A selection in the language of PHENIX: names joined by and, or, not and parentheses."""

    def __init__(self, atoms: SelectableAtoms, text: str) -> None:
        self._atoms, self._text = atoms, text
        # A range becomes one word: "1 through 9", "1 : 9" and "1-9" are all 1:9
        text = re.sub(r"(?<=\d)\s+:", ":", text)
        joined = re.sub(r"(?i)(?<=\d)(\w?)\s*(?:\bthrough\b|\bto\b|:|-)\s*(?=-?\d)", r"\1:", text)
        self._words = re.findall(r"[()]|'[^']*'|\"[^\"]*\"|[^\s()'\"]+", joined)
        self.chosen = self._any()
        if self._words:
            raise self._not_understood()

    def _not_understood(self) -> ParameterError:
        return ParameterError(f"cannot understand the selection {self._text!r}")

    def _next(self) -> str:
        if not self._words:
            raise self._not_understood()
        return self._words.pop(0)

    def _follows(self, word: str) -> bool:
        if self._words and self._words[0].lower() == word:
            self._words.pop(0)
            return True
        return False

    def _any(self) -> np.ndarray:
        chosen = self._all()
        while self._follows("or"):
            chosen = chosen | self._all()
        return chosen

    def _all(self) -> np.ndarray:
        chosen = self._one()
        while self._follows("and"):
            chosen = chosen & self._one()
        return chosen

    def _one(self) -> np.ndarray:
        atoms, word = self._atoms, self._next().lower()
        if word == "not":
            return ~self._one()
        if word == "(":
            chosen = self._any()
            if self._next() != ")":
                raise self._not_understood()
            return chosen
        if word in ("all", "none"):
            return np.full(len(atoms), word == "all")
        if word == "water":
            return np.isin(atoms.residue, WATER)
        value = self._next().strip("'\"").strip()
        if word == "chain":
            return atoms.in_chain(value) if value != "*" else np.ones(len(atoms), bool)
        if word in ("resid", "resseq", "resi"):
            begin, colon, end = value.partition(":")
            first, last = residue_number(begin), residue_number(end if colon else begin)
            return atoms.in_range(ResidueRange("", first, last))
        names = {
            "resname": atoms.residue,
            "name": atoms.atom,
            "element": atoms.element,
            "altloc": atoms.altloc,
            "altid": atoms.altloc,
        }
        if word not in names:
            raise self._not_understood()
        return np.asarray(names[word] == value.upper())
