"""Items of a CIF by name, whatever its dialect: core 2, core 3 (dotted) and mmCIF alike."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from friedel.errors import FileFormatError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.reading import read_text, reading
from friedel.runtime.paths import shown, shown_name

FRACTIONAL, CARTESIAN = "_atom_site_fract_x", "_atom_site_cartn_x"
"""Items of the coordinates of small structures, and of macromolecules."""

REFLECTIONS = (
    "_refln_index_h",
    "_diffrn_refln_index_h",
    "_shelx_hkl_file",
    "_iucr_refine_reflections_details",
)
"""Items that a block with a reflection list has one of."""


def read_cif(path: str | PathLike[str]) -> gemmi.cif.Document:
    """The blocks of a CIF, also gzipped, with or without a byte-order mark.

    Raises
    ------
    FileFormatError
        When it is missing or not a CIF.
    """
    return parse_cif(read_text(Path(path)), path)


def parse_cif(text: str, path: str | PathLike[str]) -> gemmi.cif.Document:
    """The blocks of the text of a CIF. Of an item that stands twice the first value counts.

    Raises
    ------
    FileFormatError
        When it is not a CIF; the message names the path.
    """
    with reading(path, "a CIF"):
        return gemmi.cif.read_string(text, check_level=0)  # level 1 refuses repeated items


class Items:
    """The items of one block by their names in lower case, with ``_`` in place of ``.``.

    Values ``?`` and ``.`` are None (text) or NaN (numbers).
    """

    def __init__(self, block: gemmi.cif.Block) -> None:
        self.block = block
        self.name = block.name
        self._tags: dict[str, str] = {}
        for item in block:
            pair: Any = item.pair  # gemmi's stubs have it as an object
            tags = item.loop.tags if item.loop is not None else [pair[0]] if pair else []
            for tag in tags:
                self._tags.setdefault(_plain(tag), tag)

    def __contains__(self, name: str) -> bool:
        return name in self._tags

    def starting_with(self, prefix: str) -> bool:
        """Whether the block has an item whose name begins so."""
        return any(name.startswith(prefix) for name in self._tags)

    def texts(self, name: str) -> list[str | None]:
        """All values of an item; empty if the block does not have it."""
        if name not in self._tags:
            return []
        return [_text(value) for value in self.block.find_values(self._tags[name])]

    def text(self, *names: str) -> str:
        """The first value that is stated under one of the names, or ``""``."""
        return next((value for name in names for value in self.texts(name) if value), "")

    def numbers(self, name: str) -> np.ndarray:
        """(n,) all values of an item as numbers, without standard uncertainties.

        Raises
        ------
        FileFormatError
            When one is neither a number nor ``?`` or ``.``.
        """
        texts = self.texts(name)
        values = np.array([np.nan if t is None else gemmi.cif.as_number(t) for t in texts], float)
        unreadable = [t for t, value in zip(texts, values, strict=True) if t and np.isnan(value)]
        if unreadable:
            raise FileFormatError(
                f"block {self.name}: {name} has {unreadable[0]!r} ({len(unreadable)} such values), "
                "expected numbers"
            )
        return values

    def number(self, *names: str) -> float | None:
        """The first number that is stated under one of the names; None if there is none."""
        for name in names:
            for text in self.texts(name):
                value = np.nan if text is None else gemmi.cif.as_number(text)
                if np.isfinite(value):
                    return float(value)
        return None

    def has_value(self, name: str) -> bool:
        """Whether any value of the item is stated."""
        if name not in self._tags:
            return False
        return any(not gemmi.cif.is_null(x) for x in self.block.find_values(self._tags[name]))

    def has_atoms(self) -> bool:
        """Whether the block has coordinates of atoms, not only a template for them."""
        return self.has_value(FRACTIONAL) or self.has_value(CARTESIAN)

    def has_reflections(self) -> bool:
        """Whether the block has a reflection list."""
        return any(self.has_value(name) for name in REFLECTIONS)


def _plain(tag: str) -> str:
    return tag.lower().replace(".", "_")


def _text(value: str) -> str | None:
    return None if gemmi.cif.is_null(value) else gemmi.cif.as_string(value).strip()


def block_of_model(
    document: gemmi.cif.Document, path: Any, name: str | None = None
) -> tuple[Items, tuple[Note, ...]]:
    """The block of the model: the named one, or the first with atoms, and notes on the choice.

    Blocks with atoms and reflections are preferred, so that both are of one experiment.

    Raises
    ------
    FileFormatError
        When no block has atoms.
    ParameterError
        When there is no block of that name, or it has no atoms.
    """
    blocks = [Items(block) for block in document]
    where = shown_name(path)
    if name is not None:
        found = [items for items in blocks if items.name == name]
        if not found or not found[0].has_atoms():
            names = ", ".join(items.name for items in blocks if items.has_atoms()) or "none"
            raise ParameterError(
                f"{where} has no block {name!r} with atoms; the blocks with atoms: {names}"
            )
        return found[0], ()
    with_atoms = [items for items in blocks if items.has_atoms()]
    if not with_atoms:
        raise FileFormatError(f"{shown(path)} has no atoms: no block with an _atom_site table")
    preferred = _first(with_atoms, Items.has_reflections)
    others = [items.name for items in with_atoms if items is not preferred]
    if not others:
        return preferred, ()
    text = f"{where} has {len(with_atoms)} blocks with atoms: block {preferred.name} is used"
    return preferred, (Note(text, "guess", len(with_atoms), give="name the block: --block"),)


def _first(blocks: Sequence[Items], is_preferred: Callable[[Items], bool]) -> Items:
    return next((items for items in blocks if is_preferred(items)), blocks[0])
