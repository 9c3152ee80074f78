"""Files of models, recognised by their content: PDB, mmCIF, small-molecule CIF, SHELX, mmJSON."""

from os import fspath
from pathlib import Path

from friedel.errors import FileFormatError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.cif_items import CARTESIAN, Items, block_of_model, parse_cif
from friedel.readers.macromolecules import (
    ReadStructure,
    read_mmcif,
    read_pdb,
    read_structure_object,
)
from friedel.readers.reading import (
    about_end,
    about_end_of_cif,
    check_characters,
    looks_like_cif,
    read_text,
    reading,
)
from friedel.readers.shelx import looks_like_shelx, read_shelx
from friedel.readers.shelx_file import ShelxFile
from friedel.runtime.paths import shown, shown_name


def read_model(
    path: Path, block: str | None = None
) -> tuple[ReadStructure | Items | ShelxFile, tuple[Note, ...]]:
    """The structure in a file, the block of a small structure or SHELX instructions, and notes.

    Raises
    ------
    FileFormatError
        When the file is missing, unreadable or has no atoms.
    ParameterError
        When a block is named that is not there.
    """
    text = read_text(path)
    check_characters(text, shown_name(path))
    if looks_like_cif(text):
        items, notes = block_of_model(parse_cif(text, path), path, block)
        notes = (*notes, *about_end_of_cif(text, shown_name(path)))
        if items.has_value(CARTESIAN):
            with reading(path, "a model"):
                return read_mmcif(items, shown_name(path)), notes
        return items, notes
    if block is not None:
        raise ParameterError(
            f"{shown_name(path)} is not a CIF and has no blocks; got block {block!r}"
        )
    if looks_like_shelx(text):
        return read_shelx(text, shown_name(path)), ()
    with reading(path, "a model"):
        if text.lstrip().startswith("{"):
            return read_structure_object(gemmi.read_structure(fspath(path))), ()
        return read_pdb(text, shown_name(path)), _about_last_atom(text, shown_name(path))
    raise FileFormatError(f"cannot read {shown(path)} as a model")


def _about_last_atom(text: str, name: str) -> tuple[Note, ...]:
    """A note on a PDB file that ends within a line, unless that follows the atoms."""
    last = text[text.rfind("\n") + 1 :]
    return () if last.startswith(("END", "TER", "CONECT", "MASTER")) else about_end(text, name)
