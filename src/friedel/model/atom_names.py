"""Names of the atoms of a macromolecule: chains, residues, atoms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Residue:
    """A residue and its atoms, all alternate conformations together.

    Attributes
    ----------
    chain, number, name
        Such as ``"A"``, ``"12"`` (with the insertion code, if there is one) and ``"ASN"``.
    atoms
        (n,) indices of its atoms in the model.
    """

    chain: str
    number: str
    name: str
    atoms: np.ndarray


@dataclass(frozen=True)
class AtomNames:
    """The names of n atoms, each a tuple of n texts.

    Attributes
    ----------
    chain, number, residue
        Name of the chain; number of the residue, with its insertion code; name of the residue.
    atom, altloc
        Name of the atom, and of its alternate conformation, or ``""``.
    """

    chain: tuple[str, ...]
    number: tuple[str, ...]
    residue: tuple[str, ...]
    atom: tuple[str, ...]
    altloc: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.atom)

    @property
    def labels(self) -> tuple[str, ...]:
        """Each atom in one text: ``"A/12 ASN/CB"``, with conformation ``"A/12 ASN/CB.B"``."""
        return tuple(
            f"{chain}/{number} {residue}/{atom}" + (f".{altloc}" if altloc else "")
            for chain, number, residue, atom, altloc in zip(
                self.chain, self.number, self.residue, self.atom, self.altloc, strict=True
            )
        )

    def select(self, chosen: np.ndarray) -> "AtomNames":
        """The names of the atoms chosen by a boolean mask."""
        rows = np.flatnonzero(chosen).tolist()
        columns = (self.chain, self.number, self.residue, self.atom, self.altloc)
        return AtomNames(*(tuple(column[i] for i in rows) for column in columns))

    def repeated(self, copies: int) -> "AtomNames":
        """The names for several copies of the atoms, one after the other."""
        return AtomNames(
            self.chain * copies,
            self.number * copies,
            self.residue * copies,
            self.atom * copies,
            self.altloc * copies,
        )

    def residues(self) -> list[Residue]:
        """The residues in the order in which they begin."""
        return _grouped(list(zip(self.chain, self.number, self.residue, strict=True)))

    def chains(self) -> list[Residue]:
        """The chains in the order in which they begin; number and name are empty."""
        return _grouped([(chain, "", "") for chain in self.chain])


def _grouped(keys: Sequence[tuple[str, str, str]]) -> list[Residue]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return [Residue(*key, np.array(atoms)) for key, atoms in groups.items()]
