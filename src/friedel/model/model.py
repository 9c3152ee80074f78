"""A model: a crystal and its atoms, with notes of the decisions made while reading them."""

from dataclasses import dataclass

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Note


@dataclass(frozen=True)
class Model:
    """A crystal and its atoms, with notes of the decisions made while reading them.

    `source` is the radiation of the experiment if the file of a small structure states it.
    """

    crystal: Crystal
    atoms: Atoms
    name: str = "model"
    notes: tuple[Note, ...] = ()
    source: str | None = None
