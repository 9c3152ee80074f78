"""The models of a PDB or mmCIF file as frames of a trajectory."""

from pathlib import Path

import numpy as np

from friedel.errors import AtomsError, FileFormatError, MissingCellError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.macromolecules import ReadStructure, stated_cell
from friedel.readers.model_files import read_model
from friedel.readers.reading import reading
from friedel.readers.scale_records import frame_of_scale
from friedel.readers.stated_model import Cell
from friedel.readers.symmetry import crystal_of_stated
from friedel.readers.topology import Topology
from friedel.readers.trajectories import ArrayTrajectory


def models_as_frames(path: Path) -> ArrayTrajectory:
    """A trajectory of all models of a file; they must have the same atoms.

    Raises
    ------
    FileFormatError
        When the file cannot be read or is not one of a macromolecule.
    MissingCellError
        When it states no cell.
    AtomsError
        When the models have different atoms.
    """
    read, notes = read_model(path)
    if not isinstance(read, ReadStructure):
        raise FileFormatError(f"{path.name} is not a PDB or mmCIF file with models")
    structure = read.structure
    if not len(structure) or not structure[0].count_atom_sites():
        raise FileFormatError(f"{path.name} has no atoms")
    cell = stated_cell(structure.cell)
    if cell is None:
        raise MissingCellError(f"{path.name} states no unit cell, which is the box of the frames")
    crystal, about_symmetry = crystal_of_stated(cell, read.symmetry)
    frame, about_frame = frame_of_scale(crystal, read.scale)
    with reading(path, "models in PDB or mmCIF"):  # names may be no text
        atoms = [list(model.all()) for model in structure]
        names = [[_identity(cra) for cra in model] for model in atoms]
    for number, others in enumerate(names, 1):
        if others != names[0]:
            raise AtomsError(
                f"model {number} of {path.name} has {len(others)} atoms that differ from the "
                f"{len(names[0])} of the first: the models of a trajectory have the same atoms"
            )
    xyz = np.array([[cra.atom.pos.tolist() for cra in model] for model in atoms])
    if frame is not None:
        xyz = np.array([frame.positions(x) for x in xyz])
    first = [cra.atom for cra in atoms[0]]
    occ, about_occ = _occupancies(np.array([a.occ for a in first]), len(structure))
    topology = Topology(
        names=[a.name for a in first],
        residues=[cra.residue.name for cra in atoms[0]],
        elements=["" if a.element.name == "X" else a.element.name for a in first],
        chains=[cra.chain.name for cra in atoms[0]],
        occ=occ,
        b_iso=np.array([a.b_iso for a in first]),
    )
    notes = (*notes, *read.notes, *about_symmetry, *about_frame, *about_occ)
    if read.tls is not None and read.tls.content == "residual":
        text = "the file says that its B are those left after TLS: none is added to frames"
        notes = (*notes, Note(text, "default"))
    return ArrayTrajectory(topology, crystal, xyz, name=path.name, notes=notes)


def cell_of_file(path: Path) -> Cell | None:
    """The cell that a PDB or mmCIF file states, or None.

    Raises
    ------
    FileFormatError
        When the file cannot be read.
    """
    read, _ = read_model(path)
    return stated_cell(read.structure.cell) if isinstance(read, ReadStructure) else None


def _identity(cra: gemmi.CRA) -> tuple[str, str, str, str, str]:
    residue = cra.residue
    return cra.chain.name, str(residue.seqid), residue.name, cra.atom.name, cra.atom.altloc


def _occupancies(occ: np.ndarray, n_models: int) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Occupancies in one model; some files divide them by the number of models, or have zeros."""
    give = "give models with their own occupancies"
    if not occ.any():
        return np.ones_like(occ), (
            Note("all occupancies are 0: they are taken as 1", "guess", give=give),
        )
    if n_models > 1 and np.abs(occ.max() * n_models - 1.0) < 0.02 * n_models:
        text = f"occupancies are multiplied by {n_models}, the number of models"
        return occ * n_models, (Note(text, "guess", n_models, give=give),)
    return occ, ()
