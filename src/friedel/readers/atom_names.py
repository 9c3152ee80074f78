"""The names of the atoms of a model, and selections by them."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.errors import ParameterError
from friedel.model.model import Model

if TYPE_CHECKING:
    from friedel.model.atom_names import AtomNames


def with_atom_labels(read: Model, origin: Any, block: str | None = None) -> Model:
    """The model with `site_labels` of its atoms, if what it was read from names them.

    Parameters
    ----------
    read
        The model.
    origin
        What it was read from, in any form that :func:`friedel.as_model` accepts.
    block
        Name of the block of a CIF.

    Returns
    -------
    Model
        Labels of the sites of a small structure, or the atom names of a macromolecule. Copies by
        strict NCS have those of the first. The model is unchanged where the names are unknown, as
        after hydrogens were added.
    """
    if read.atoms.site_labels is not None:
        return read
    labels = atom_labels(origin, block)
    n = len(read.atoms)
    if not labels or n % len(labels):
        return read
    # copies by strict NCS follow the atoms of the file, in the same order
    return replace(read, atoms=read.atoms.replace(site_labels=labels * (n // len(labels))))


def atom_labels(origin: Any, block: str | None = None) -> tuple[str, ...]:
    """The names of the atoms of a source, in their order; empty where it has none."""
    if isinstance(origin, Model):
        return origin.atoms.site_labels or ()
    if isinstance(origin, str | PathLike):
        return _of_file(Path(origin), block)
    if isinstance(origin, tuple | list) and len(origin) == 2:
        return getattr(origin[1], "site_labels", None) or atom_labels(origin[1])
    if type(origin).__module__.split(".")[0] != "gemmi":
        return ()
    from friedel.gemmi_package import gemmi

    if isinstance(origin, gemmi.Structure) and len(origin):
        origin = origin[0]
    if isinstance(origin, gemmi.Model):
        return tuple(cra.atom.name for cra in origin.all())
    return ()


def _of_file(path: Path, block: str | None) -> tuple[str, ...]:
    structure = _structure(path, block)
    return () if structure is None else atom_labels(structure)


def _structure(origin: Any, block: str | None = None) -> Any:
    """The gemmi.Structure of a macromolecule, of its own or read again; None for anything else."""
    if isinstance(origin, str | PathLike):
        from friedel.readers.macromolecules import ReadStructure
        from friedel.readers.model_files import read_model

        found, _ = read_model(Path(origin), block)
        return found.structure if isinstance(found, ReadStructure) else None
    if type(origin).__module__.split(".")[0] != "gemmi":
        return None
    from friedel.gemmi_package import gemmi

    return origin if isinstance(origin, gemmi.Structure) and len(origin) else None


@dataclass(frozen=True, eq=False)
class AtomSource:
    """What the atoms of a model were read from, to ask for their names when these are needed.

    Parameters
    ----------
    origin
        The source in any form that :func:`friedel.as_model` accepts, or None if it does not have
        the atoms in their order.
    block
        Name of the block of a CIF.
    kept
        (n,) bool: which atoms of the source are those of the model; None for all.
    """

    origin: Any = None
    block: str | None = None
    kept: np.ndarray | None = None

    @classmethod
    def of(cls, origin: Any, block: str | None = None) -> "AtomSource":
        """The source, if it can name atoms; a structure is copied, as the user may change it."""
        if isinstance(origin, str | PathLike):
            return cls(origin, block)
        structure = _structure(origin)
        return cls() if structure is None else cls(structure.clone())

    def names(self, n: int) -> "AtomNames | None":
        """The names of the `n` atoms of the model; see :func:`names_of_atoms`."""
        if self.kept is None:
            return names_of_atoms(self.origin, n, self.block)
        names = names_of_atoms(self.origin, len(self.kept), self.block)
        return None if names is None else names.select(self.kept)

    def selected(self, text: str, n: int) -> np.ndarray:
        """(n,) bool: which atoms a selection names; see :func:`selected_atoms`."""
        if self.kept is None:
            return selected_atoms(self.origin, text, n, self.block)
        return selected_atoms(self.origin, text, len(self.kept), self.block)[self.kept]

    def chosen(self, selection: str | np.ndarray, n: int, what: str = "a selection") -> np.ndarray:
        """(n,) bool: which atoms a selection names, or a mask chooses; `what` is it in the error.

        Raises
        ------
        ParameterError
            As for :func:`selected_atoms`, or when the mask is not n booleans.
        """
        if isinstance(selection, str):
            return self.selected(selection, n)
        chosen = np.asarray(selection)
        if chosen.shape != (n,) or chosen.dtype.kind != "b":
            raise ParameterError(
                f"got {what} of shape {chosen.shape} and type {chosen.dtype}, expected a text or "
                f"{n} booleans"
            )
        return chosen

    def without(self, chosen: np.ndarray) -> "AtomSource":
        """The source for the atoms that remain without some, (n,) bool."""
        kept = ~chosen
        if self.kept is not None:
            kept = self.kept.copy()
            kept[self.kept] = ~chosen
        return replace(self, kept=kept)


def names_of_atoms(origin: Any, n: int, block: str | None = None) -> "AtomNames | None":
    """Chains, residues and names of the `n` atoms of a macromolecule; None where unknown.

    Parameters
    ----------
    origin
        What the model was read from: a path or ``gemmi.Structure``. Copies by strict NCS have the
        names of the first.
    block
        Name of the block of a CIF.
    """
    from friedel.model.atom_names import AtomNames

    structure = _structure(origin, block)
    if structure is None:
        return None
    rows = [
        (
            cra.chain.name,
            str(cra.residue.seqid).strip(),
            cra.residue.name,
            cra.atom.name,
            cra.atom.altloc.strip("\0 "),
        )
        for cra in structure[0].all()
    ]
    if not rows or n % len(rows):
        return None
    chain, number, residue, atom, altloc = zip(*rows, strict=True)
    return AtomNames(chain, number, residue, atom, altloc).repeated(n // len(rows))


MAIN_CHAIN = frozenset(
    ("N", "CA", "C", "O", "OXT", "H", "H1", "H2", "H3", "HA", "HA2", "HA3", "HXT")
)
"""Names of main-chain atoms of amino acids; deuterium has those of hydrogen, with D for H."""

BACKBONE = frozenset(("P", "OP1", "OP2", "OP3", "O1P", "O2P", "O3P", "HOP2", "HOP3"))
"""Names of the atoms of phosphate groups in nucleic acids; those of the sugar have a prime."""


def parts_of_atoms(names: "AtomNames") -> np.ndarray:
    """(n,) the part of a macromolecule that each atom belongs to.

    ``"main chain"`` (of nucleic acids phosphate and sugar), ``"side chains"`` (bases),
    ``"water"``, or ``"ligands"`` for all else.
    """
    from friedel.gemmi_package import gemmi

    kinds = {name: gemmi.find_tabulated_residue(name) for name in set(names.residue)}
    parts = []
    for residue, atom in zip(names.residue, names.atom, strict=True):
        kind = kinds[residue]
        if kind.is_water():
            parts.append("water")
        elif kind.is_amino_acid():
            known = atom if not atom.startswith("D") else f"H{atom[1:]}"
            parts.append("main chain" if known in MAIN_CHAIN else "side chains")
        elif kind.is_nucleic_acid():
            is_backbone = atom in BACKBONE or "'" in atom or "*" in atom
            parts.append("main chain" if is_backbone else "side chains")
        else:
            parts.append("ligands")
    return np.array(parts)


SELECTED, NOT_SELECTED = "s", " "
"""Flags by which gemmi marks atoms."""


def selected_atoms(origin: Any, text: str, n: int, block: str | None = None) -> np.ndarray:
    """(n,) bool: the atoms of a macromolecule that a selection names.

    Parameters
    ----------
    origin, n, block
        As for :func:`names_of_atoms`.
    text
        Selection in gemmi's syntax: ``"A/10-20"``, ``"//B/(LIG)"``, ``"A/12/CB"``.

    Raises
    ------
    ParameterError
        When the selection cannot be read or names no atoms, or the atoms have no such names.
    """
    structure = _structure(origin, block)
    if structure is None:
        raise ParameterError(
            f"the selection {text!r} needs the names of atoms: give the file of a macromolecule or "
            "its gemmi.Structure"
        )
    from friedel.gemmi_package import gemmi

    model = structure[0].clone()
    for cra in model.all():
        cra.atom.flag = NOT_SELECTED
    try:
        selection = gemmi.Selection(text)
    except RuntimeError as error:
        raise ParameterError(f"got the selection {text!r}: {error}") from None
    for chain in selection.chains(model):
        for residue in selection.residues(chain):
            for atom in selection.atoms(residue):
                atom.flag = SELECTED
    chosen = np.array([cra.atom.flag == SELECTED for cra in model.all()])
    if not chosen.any():
        raise ParameterError(f"the selection {text!r} names no atoms of the model")
    if n % len(chosen):
        raise ParameterError(f"the selection {text!r} is of {len(chosen)} atoms, the model has {n}")
    return np.tile(chosen, n // len(chosen))
