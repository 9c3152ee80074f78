"""Names, residues and elements of the atoms of a trajectory, and selections of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from friedel.errors import AtomsError, ElementError, ParameterError
from friedel.model.atoms import Atoms
from friedel.model.elements import element_record
from friedel.notes import Notes

AMINO_ACIDS = frozenset(
    (
        "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE", "LEU", "LYS",
        "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL", "MSE", "SEC", "PYL", "HID",
        "HIE", "HIP", "HSD", "HSE", "HSP", "CYX", "CYM", "ASH", "GLH", "LYN", "ACE", "NME",
        "NH2", "NMA", "SEP", "TPO", "PTR",
    )
)  # fmt: skip
NUCLEOTIDES = frozenset(
    (
        "A", "C", "G", "U", "I", "DA", "DC", "DG", "DT", "DU", "DI", "A3", "A5", "C3", "C5",
        "G3", "G5", "U3", "U5", "RA", "RC", "RG", "RU",
    )
)  # fmt: skip
WATERS = frozenset(
    (
        "HOH", "WAT", "H2O", "DOD", "SOL", "TIP", "TIP2", "TIP3", "TIP4", "TIP5", "TIP3P", "SPC",
        "SPCE", "OPC", "T3P", "T4P",
    )
)  # fmt: skip
IONS = {
    "NA": "Na", "NA+": "Na", "SOD": "Na", "K": "K", "K+": "K", "POT": "K", "CL": "Cl", "CL-": "Cl",
    "CLA": "Cl", "CA": "Ca", "CA2+": "Ca", "CAL": "Ca", "MG": "Mg", "MG2+": "Mg", "ZN": "Zn",
    "ZN2+": "Zn", "CES": "Cs", "CS": "Cs", "CS+": "Cs", "LI": "Li", "LI+": "Li", "LIT": "Li",
    "RB": "Rb", "RUB": "Rb", "BR": "Br", "BR-": "Br", "IOD": "I", "F": "F", "F-": "F", "BA": "Ba",
    "BAR": "Ba", "MN": "Mn", "MN2": "Mn", "FE": "Fe", "FE2": "Fe", "CU": "Cu", "NI": "Ni",
    "CO": "Co", "CD": "Cd", "CD2": "Cd", "SR": "Sr",
}  # fmt: skip
"""Elements of residues of one atom, by residue name."""
VIRTUAL = re.compile(r"^(MW\d?|EPW?\d?|LPW?\d*|LP\w?|M|OM|VS\d*|DRUD)$")
"""Names of sites without an atom, in water and force fields with virtual sites."""
IN_POLYMERS = ("H", "D", "C", "N", "O", "S", "P")
"""Elements of amino acids, nucleotides and water."""
TWO_LETTERS = frozenset(
    ("Cl", "Br", "Na", "Mg", "Al", "Si", "Ca", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Se", "Li")
)
"""Elements with two letters that names of atoms outside polymers may begin with."""


@dataclass(frozen=True, eq=False)
class Topology:
    """What is known of the atoms of a trajectory, besides their positions.

    Parameters
    ----------
    names, residues
        Name of each atom, and of its residue.
    elements
        Element symbol of each atom, ``""`` where it is not known.
    chains
        Chain or segment of each atom.
    occ, b_iso
        (n,) occupancies and B, Å^2, of the file; None where it has none.
    """

    names: Sequence[str]
    residues: Sequence[str]
    elements: Sequence[str]
    chains: Sequence[str] = ()
    occ: np.ndarray | None = None
    b_iso: np.ndarray | None = None

    @classmethod
    def from_atoms(cls, atoms: Atoms) -> "Topology":
        """The topology of atoms that have no names: their labels take the place of names."""
        labels = [atoms.scatterers[k] for k in atoms.kind]
        names = atoms.site_labels or labels
        return cls(names, [""] * len(atoms), labels, (), atoms.occ, atoms.b_iso)

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, notes: Notes) -> tuple[list[str], np.ndarray]:
        """Label of the scatterer of each atom, and which sites are atoms.

        Returns
        -------
        labels
            Labels for :class:`friedel.Atoms`, of the atoms only.
        is_atom
            (n,) bool: False for virtual sites.

        Raises
        ------
        ElementError
            When the element of an atom can neither be read nor guessed.
        GuessError
            For a guess, in strict mode.
        """
        guessed: dict[tuple[str, str], str] = {}
        is_atom, labels = np.ones(len(self), bool), []
        n_guessed = 0
        for i, (name, residue, element) in enumerate(
            zip(self.names, self.residues, self.elements, strict=True)
        ):
            label = element.strip()
            if not label:
                key = (name, residue)
                if key not in guessed:
                    guessed[key] = guessed_element(*key)
                label = guessed[key]
                n_guessed += bool(label)
            if label:
                labels.append(label)
            else:
                is_atom[i] = False
        if n_guessed:
            some = ", ".join(f"{k[0]} {v}" for k, v in list(guessed.items())[:5] if v)
            text = f"the elements of {n_guessed} atoms are guessed from their names ({some})"
            notes.add(text, "guess", n_guessed, give="give a topology with elements")
        left = int((~is_atom).sum())
        if left:
            notes.add(f"{left} virtual sites do not scatter", "left out", left)
        if not labels:
            raise AtomsError("the topology has no atoms")
        return labels, is_atom

    def select(self, text: str) -> np.ndarray:
        """(n,) bool: the atoms of a selection.

        Parameters
        ----------
        text
            Words joined by ``and``, ``or``, ``not`` and parentheses: ``all``, ``protein``,
            ``nucleic``, ``water``, ``hydrogen``, and ``name``, ``resname``, ``element``,
            ``chain`` with one or more values.

        Raises
        ------
        ParameterError
            When it cannot be understood.
        """
        return _Parser(self, text).result

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        n = len(self)
        chains = self.chains if len(self.chains) else [""] * n
        columns = {
            "name": self.names,
            "resname": self.residues,
            "element": [e.upper() for e in self.elements],
            "chain": chains,
        }
        return {key: np.asarray(list(values), dtype=str) for key, values in columns.items()}

    def among(self, column: str, values: Sequence[str]) -> np.ndarray:
        """(n,) bool: atoms whose name, resname, element or chain is one of the values."""
        wanted = [v.upper() for v in values] if column == "element" else list(values)
        return np.isin(self._columns[column], wanted)


def guessed_element(name: str, residue: str) -> str:
    """The element that the names of an atom and its residue suggest, ``""`` for a virtual site.

    Raises
    ------
    ElementError
        When they suggest none.
    """
    residue, plain = residue.strip().upper(), name.strip()
    letters = plain.lstrip("0123456789").upper()
    is_polymer = residue in AMINO_ACIDS or residue in NUCLEOTIDES
    if not is_polymer and residue in IONS and letters.rstrip("0123456789+-") in (residue, *IONS):
        return IONS[residue]
    if not is_polymer and VIRTUAL.match(letters):
        return ""
    first, two = letters[:1], letters[:2].capitalize()
    if residue == "MSE" and two == "Se":
        return "Se"
    if (is_polymer or residue in WATERS) and first in IN_POLYMERS:
        return first
    # "Cl" and "CL1" are chlorine, whereas "CA" outside polymers is a carbon of a ligand
    is_mixed_case = plain.lstrip("0123456789")[1:2].islower()
    two_first = two in ("Cl", "Br") or (is_mixed_case and two in TWO_LETTERS)
    for candidate in (two, first) if two_first else (first, two):
        try:
            if candidate and element_record(candidate).symbol != "X":
                return candidate
        except ElementError:
            continue
    raise ElementError(f"cannot tell the element of atom {name!r} of residue {residue!r}")


class _Parser:
    """Recursive descent: or, and, not, parentheses, then a word with its values."""

    KEYWORDS = frozenset(("and", "or", "not", "(", ")"))

    def __init__(self, topology: Topology, text: str) -> None:
        self._topology, self._text = topology, text
        self._words = re.findall(r"[()]|[^\s()]+", text)
        if not self._words:
            raise self._error("it is empty")
        self.result = self._either()
        if self._words:
            raise self._error(f"{self._words[0]!r} is not expected there")

    def _error(self, why: str) -> ParameterError:
        return ParameterError(
            f"cannot understand the selection {self._text!r}: {why}; expected words such as "
            "protein, water, name CA, resname SOL, joined by and, or, not"
        )

    def _next_is(self, word: str) -> bool:
        if self._words and self._words[0].lower() == word:
            del self._words[0]
            return True
        return False

    def _either(self) -> np.ndarray:
        found = self._both()
        while self._next_is("or"):
            found = found | self._both()
        return found

    def _both(self) -> np.ndarray:
        found = self._one()
        while self._next_is("and"):
            found = found & self._one()
        return found

    def _one(self) -> np.ndarray:
        if self._next_is("not"):
            return ~self._one()
        if self._next_is("("):
            found = self._either()
            if not self._next_is(")"):
                raise self._error("a parenthesis is not closed")
            return found
        if not self._words:
            raise self._error("it ends too early")
        word = self._words.pop(0)
        if word.lower() in NAMED_SELECTIONS:
            return NAMED_SELECTIONS[word.lower()](self._topology)
        if word.lower() in ("name", "resname", "element", "chain"):
            values = []
            while self._words and self._words[0].lower() not in self.KEYWORDS:
                values.append(self._words.pop(0))
            if not values:
                raise self._error(f"{word} has no value")
            return self._topology.among(word.lower(), values)
        raise self._error(f"{word!r} is unknown")


NAMED_SELECTIONS: dict[str, Callable[[Topology], np.ndarray]] = {
    "all": lambda topology: np.ones(len(topology), bool),
    "protein": lambda topology: topology.among("resname", sorted(AMINO_ACIDS)),
    "nucleic": lambda topology: topology.among("resname", sorted(NUCLEOTIDES)),
    "water": lambda topology: topology.among("resname", sorted(WATERS)),
    "hydrogen": lambda topology: topology.among("element", ["H", "D"]),
}
"""Selections that a single word names."""
