"""Macromolecular models in PDB and mmCIF files, and gemmi.Structure objects, as they state them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.model.elements import make_label
from friedel.notes import Note
from friedel.readers.cif_items import Items
from friedel.readers.cif_symmetry import cell_of_block, symmetry_of_block
from friedel.readers.pdb_records import PdbRecords
from friedel.readers.scale_records import scale_of_cell
from friedel.readers.stated_model import Cell, StatedModel, StatedSymmetry
from friedel.readers.tls_statements import TlsOfFile, tls_of_block, tls_of_structure

ATOM_IDENTITY = re.compile(r"^(?:ATOM  |HETATM).{6}(.{15})", re.MULTILINE)
RECORD_IN_72_COLUMNS = re.compile(
    r"^((?:ATOM  |HETATM|ANISOU|CRYST1|SCALE\d|MTRIX\d).{66}).*$", re.MULTILINE
)
IN_POLYMERS = frozenset(("H", "D", "C", "N", "O", "S", "P", "Se", "X"))
"""Elements of amino acids and nucleotides, for atoms of files that leave the element blank."""


@dataclass(frozen=True, eq=False)
class ReadStructure:
    """A structure, and what its file states beside it.

    Attributes
    ----------
    structure
        The structure; its cell is in the standard orientation if `scale` is None.
    symmetry
        The symmetry, by any of the items that a file may give it by.
    scale
        (3, 4) the SCALE records, or None.
    notes
        What the reader left out or chose.
    has_tensors
        False if the file is known to have no anisotropic atoms.
    tls
        TLS groups, or None if there are none and nothing is said of them.
    """

    structure: gemmi.Structure
    symmetry: StatedSymmetry
    scale: np.ndarray | None = None
    notes: tuple[Note, ...] = ()
    has_tensors: bool = True
    tls: TlsOfFile | None = None


def read_pdb(text: str, name: str) -> ReadStructure:
    """The structure in the text of a PDB file.

    Raises
    ------
    FileFormatError
        When it has no atoms.
    """
    notes: list[Note] = []
    records = PdbRecords(text)
    atoms = records.named("ATOM  ", "HETATM")
    if not len(atoms):
        raise FileFormatError(f"{name} has no atoms: no ATOM or HETATM records")
    blank_elements = bool((records.columns(atoms, 77, 78) == ord(" ")).all(axis=1).any())
    ends = records.named("END\n", "END\r", "END ")
    if len(ends) and ends[0] < atoms[-1]:
        text = _joined_after_end(records, ends, notes)
        records = PdbRecords(text)
        atoms = records.named("ATOM  ", "HETATM")
    scale_lines = records.named("SCALE")
    scale = _scale(records.lines(scale_lines), notes)
    if len(scale_lines):  # gemmi would take them as the definition of the cell
        text = records.without(scale_lines)
    if numbered := int(_are_numbers(records.columns(atoms, 77, 80)).sum()):
        text, blank_elements = _without_line_numbers(text, numbered, notes), True
    structure = gemmi.read_pdb_string(text)
    structure.merge_chain_parts()
    structure.name = name
    if blank_elements:
        _set_elements_of_polymers(structure, notes)
    symmetry = StatedSymmetry(symbol=structure.spacegroup_hm.strip())
    has_tensors, tls = "\nANISOU" in text, tls_of_structure(structure)
    return ReadStructure(structure, symmetry, scale, tuple(notes), has_tensors, tls)


def _without_line_numbers(text: str, n_rows: int, notes: list[Note]) -> str:
    """The text without columns 73 to 80, which held line numbers before 1996."""
    said = (
        "columns 73 to 80 hold line numbers (old PDB format): the elements are told by the names "
        "of the atoms"
    )
    notes.append(Note(said, "guess", n_rows, give="write the elements in columns 77-78"))
    return RECORD_IN_72_COLUMNS.sub(r"\1", text)


def _are_numbers(columns: np.ndarray) -> np.ndarray:
    """(n,) bool: fields that hold digits and blanks only, and at least one digit."""
    is_digit = (columns >= ord("0")) & (columns <= ord("9"))
    return (is_digit | (columns == ord(" "))).all(axis=1) & is_digit.any(axis=1)


def _scale(lines: Iterable[str], notes: list[Note]) -> np.ndarray | None:
    """(3, 4) the numbers of the SCALE records, or None if they are not three rows of numbers."""
    rows = {line[5]: line[10:55] for line in lines if len(line) >= 45}
    if not {"1", "2", "3"} <= rows.keys():
        return None
    fields = (slice(0, 10), slice(10, 20), slice(20, 30), slice(35, 45))
    try:
        return np.array([[float(rows[i][field]) for field in fields] for i in "123"])
    except ValueError:
        notes.append(Note("the SCALE records hold no numbers and are not used", "warning"))
        return None


def _joined_after_end(records: PdbRecords, ends: np.ndarray, notes: list[Note]) -> str:
    """The text without END records that other atoms follow, or without the frames that do."""
    first_part, rest = records.split_after(int(ends[0]))
    before, after = (ATOM_IDENTITY.findall(part) for part in (first_part, rest))
    if set(before).isdisjoint(after):
        said = f"{len(after)} atoms after an END record are used"
        notes.append(Note(said, "default", len(after)))
        return records.without(ends)
    said = (
        f"the {len(after)} atoms after the first END record are not used: they repeat atoms "
        "before it, as frames do"
    )
    notes.append(Note(said, "guess", len(after), give="give a file with one frame"))
    return first_part


def _set_elements_of_polymers(structure: gemmi.Structure, notes: list[Note]) -> None:
    """Set the elements that a name in the wrong column gave, such as Ca for the CA of alanine."""
    changed = 0
    for residue in (residue for model in structure for chain in model for residue in chain):
        kind = gemmi.find_tabulated_residue(residue.name)
        if not (kind.is_amino_acid() or kind.is_nucleic_acid()):
            continue
        for atom in residue:
            if atom.element.name not in IN_POLYMERS and atom.name[:1] in IN_POLYMERS:
                atom.element = gemmi.Element(atom.name[0])
                changed += 1
    if changed:
        said = (
            f"{changed} atoms of polymers with names in the wrong column get the element of the "
            "first letter of their name"
        )
        notes.append(Note(said, "guess", changed, give="write the elements in columns 77-78"))


def read_mmcif(items: Items, name: str) -> ReadStructure:
    """The structure in a block of an mmCIF file."""
    structure = gemmi.make_structure_from_block(items.block)
    structure.name = structure.name or name
    cell = cell_of_block(items)
    if cell is not None and not structure.cell.explicit_matrices:
        structure.cell = gemmi.UnitCell(*cell)
    scale = scale_of_cell(structure.cell)
    structure.cell = gemmi.UnitCell(*structure.cell.parameters)
    has_tensors = items.starting_with("_atom_site_anisotrop_u")
    tls = tls_of_block(items, structure)
    return ReadStructure(structure, symmetry_of_block(items), scale, (), has_tensors, tls)


def read_structure_object(structure: gemmi.Structure) -> ReadStructure:
    """A structure that the user read, with the symmetry and frame that it carries."""
    symmetry = StatedSymmetry(symbol=structure.spacegroup_hm.strip())
    scale, tls = scale_of_cell(structure.cell), tls_of_structure(structure)
    return ReadStructure(structure, symmetry, scale, tls=tls)


def stated_of_structure(read: ReadStructure, added: tuple[Note, ...] = ()) -> StatedModel:
    """What a structure states: the atoms of its first model.

    Parameters
    ----------
    added
        Further notes, on hydrogens that were added.

    Raises
    ------
    FileFormatError
        When it has no atoms.
    """
    structure = read.structure
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise FileFormatError(f"{structure.name or 'the structure'} has no atoms")
    notes = list(read.notes)
    if len(structure) > 1:
        text = f"the first of {len(structure)} models is used"
        notes.append(Note(text, "guess", len(structure), give="give a file with one model"))
    cell = stated_cell(structure.cell)
    return StatedModel(
        name=structure.name,
        cell=cell,
        # The group of a placeholder for the cell is a placeholder, too
        symmetry=read.symmetry if cell is not None else StatedSymmetry(),
        **arrays_of_model(structure[0], has_tensors=read.has_tensors),
        scale=read.scale,
        ncs=operators_of_structure(structure),
        tls=None if read.tls is None else read.tls.of_atoms(structure[0]),
        notes=(*notes, *added),
    )


def stated_cell(cell: gemmi.UnitCell) -> Cell | None:
    """The cell parameters, or None for a placeholder: edges of 0, or of 1 each."""
    edges = cell.a, cell.b, cell.c
    return None if min(edges) <= 0 or max(edges) <= 1.0 else cell.parameters


def arrays_of_model(model: gemmi.Model, *, has_tensors: bool = True) -> dict[str, Any]:
    """The fields of :class:`StatedModel` that describe the atoms of a model, all of them."""
    flat = flat_structure(model)
    charges = np.asarray(flat.charge, np.int64)
    keys = np.asarray(flat.elements, np.int64) * 256 + charges
    _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
    symbols = np.asarray(flat.element_names)[first]
    return {
        "labels": np.ascontiguousarray(flat.atom_names).view("S8").ravel(),
        "types": tuple(
            make_label(symbol.decode().capitalize(), int(charge))
            for symbol, charge in zip(symbols, charges[first], strict=True)
        ),
        "kind": kind,
        "coordinates": np.asarray(flat.pos, np.float64),
        "occ": np.asarray(flat.occ, np.float64),
        "b_iso": np.asarray(flat.b_iso, np.float64),
        "cartesian": True,
        "u_aniso": _tensors_of_model(model, len(flat.pos)) if has_tensors else None,
    }


def flat_structure(model: gemmi.Model) -> gemmi.FlatStructure:
    """The atoms of a model as arrays, in their order; names are cut where gemmi needs it."""
    structure = gemmi.Structure()
    structure.add_model(model)
    try:
        return gemmi.FlatStructure(structure)
    except RuntimeError:  # names of 8 characters and more, which do not scatter
        for chain in structure[0]:
            chain.name = chain.name[:4]
            for residue in chain:
                residue.name = residue.name[:4]
                for atom in residue:
                    atom.name = atom.name[:4]
        return gemmi.FlatStructure(structure)


def _tensors_of_model(model: gemmi.Model, n: int) -> np.ndarray | None:
    """(n, 6) Cartesian U, or None; FlatStructure does not carry them."""
    tensors = np.zeros((n, 6))
    found = False
    for i, cra in enumerate(model.all()):
        u = cra.atom.aniso
        if u.nonzero():
            tensors[i] = u.u11, u.u22, u.u33, u.u12, u.u13, u.u23
            found = True
    return tensors if found else None


def operators_of_structure(structure: gemmi.Structure) -> np.ndarray:
    """(m, 3, 4) Cartesian strict NCS operators whose copies are not in the file."""
    operators = [op.tr for op in structure.ncs if not op.given]
    matrices = [np.column_stack([op.mat.tolist(), op.vec.tolist()]) for op in operators]
    return np.array(matrices).reshape(-1, 3, 4)
