"""A model: a crystal and its atoms, with notes of the decisions made while reading them."""

from dataclasses import dataclass

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Note


@dataclass(frozen=True)
class Model:
    """A crystal and its atoms, with notes of the decisions made while reading them."""

    crystal: Crystal
    atoms: Atoms
    name: str = "model"
    notes: tuple[Note, ...] = ()
