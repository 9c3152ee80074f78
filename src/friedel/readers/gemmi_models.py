"""Conversion of gemmi's structures, and of files read by gemmi, to Crystal and Atoms."""

from os import fspath
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR, U_TO_B
from friedel.errors import (
    CellError,
    FileFormatError,
    MissingCellError,
    ParameterError,
    SymmetryError,
)
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.elements import make_label
from friedel.model.operations import complete_group, parse_triplet
from friedel.model.tensors import rotate_tensors
from friedel.readers.reading import reading

SCALE_TOLERANCE = 0.005
"""Largest deviation of SCALE records times the cell from a rotation, as they have few digits."""


def read_model(path: Path) -> gemmi.Structure | gemmi.SmallStructure:
    """The structure in a file, of the type that fits its content.

    Raises
    ------
    FileFormatError
        When it is missing, unreadable or has no atoms.
    """
    if not path.exists():
        raise FileFormatError(f"no such file: {fspath(path)}")
    with reading(path, "a model"):
        suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
        if suffixes and suffixes[-1] in (".cif", ".mmcif"):
            return _read_cif(path)
        return gemmi.read_structure(fspath(path))


def _read_cif(path: Path) -> gemmi.Structure | gemmi.SmallStructure:
    document = gemmi.cif.read(fspath(path))
    for block in document:
        if block.find_values("_atom_site.Cartn_x"):
            return gemmi.make_structure_from_block(block)
        if block.find_values("_atom_site_fract_x"):
            return _with_older_tensors(gemmi.make_small_structure_from_block(block), block)
    raise FileFormatError(f"{fspath(path)} has no atoms: no block with an _atom_site table")


def _with_older_tensors(small: gemmi.SmallStructure, block: gemmi.cif.Block) -> Any:
    """The structure with the tensors that an older CIF gives as B or beta, which gemmi ignores.

    B = 8 pi^2 U, and beta_ij = 2 pi^2 a*_i a*_j U_ij.
    """
    if block.find_values("_atom_site_aniso_U_11"):
        return small
    pairs = ((1, 1), (2, 2), (3, 3), (1, 2), (1, 3), (2, 3))
    lengths = np.array(small.cell.reciprocal().parameters[:3])
    products = np.array([lengths[i - 1] * lengths[j - 1] for i, j in pairs])
    for name, to_u in (("B", 1.0 / U_TO_B), ("beta", 4.0 / (U_TO_B * products))):
        tags = ["label", *(f"{name}_{i}{j}" for i, j in pairs)]
        rows = {row.str(0): row for row in block.find("_atom_site_aniso_", tags)}
        for site in small.sites:
            if site.label in rows:
                row = rows[site.label]
                tensor = np.array([gemmi.cif.as_number(row[i], 0.0) for i in range(1, 7)]) * to_u
                site.aniso = gemmi.SMat33d(*tensor)
    return small


def crystal_of(source: Any) -> Crystal:
    """The crystal of a gemmi object; the images of a UnitCell are its symmetry.

    Raises
    ------
    CellError, SymmetryError
        When there is no usable cell, or the space group is unknown.
    """
    if isinstance(source, gemmi.Structure):
        cell = _checked_gemmi_cell(source.cell)
        space_group = source.find_spacegroup()
        if space_group is None and source.spacegroup_hm.strip():
            raise SymmetryError(f"unknown space group {source.spacegroup_hm!r} in {source.name!r}")
        return crystal_from_gemmi(cell, space_group)
    if isinstance(source, gemmi.SmallStructure):
        return _crystal_from_small(source)
    if isinstance(source, gemmi.UnitCell):
        return _crystal_from_images(source)
    holder = getattr(source, "cell", None) or getattr(source, "unit_cell", None)
    if isinstance(holder, gemmi.UnitCell):
        return crystal_from_gemmi(_checked_gemmi_cell(holder), source.spacegroup)
    raise CellError(f"cannot take a unit cell and symmetry from {type(source).__name__}")


def in_a_box(structure: gemmi.Structure, margin: float) -> gemmi.Structure:
    """A copy with a cell in P 1 that exceeds the atoms by `margin` (Å) along each axis.

    Raises
    ------
    ParameterError
        When the margin is not positive.
    """
    if not (np.isfinite(margin) and margin > 0):
        raise ParameterError(f"got a margin of {margin:g}, expected a positive number in A")
    size = structure.calculate_box(0.5 * margin).get_size()
    boxed = structure.clone()
    boxed.cell = gemmi.UnitCell(size.x, size.y, size.z, 90.0, 90.0, 90.0)
    boxed.spacegroup_hm = "P 1"
    return boxed


def in_crystal(structure: gemmi.Structure, crystal: Crystal) -> gemmi.Structure:
    """A copy with the cell and the space group of a crystal."""
    placed = structure.clone()
    placed.cell = gemmi.UnitCell(*crystal.cell)
    placed.spacegroup_hm = crystal.name or "P 1"
    return placed


def crystal_from_gemmi(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup | None) -> Crystal:
    """A crystal from gemmi's cell and space group (None is P 1)."""
    if space_group is None:
        return Crystal(cell.parameters, name="P 1")
    operations = list(space_group.operations())
    return Crystal(
        cell.parameters,
        np.array([op.rot for op in operations]) // gemmi.Op.DEN,
        np.array([op.tran for op in operations]) * TRANSLATION_DENOMINATOR // gemmi.Op.DEN,
        asu_basis=_asu_basis(space_group),
        name=space_group.xhm(),
    )


def _asu_basis(space_group: gemmi.SpaceGroup) -> np.ndarray | None:
    if space_group.is_reference_setting():
        return np.eye(3)
    return np.array(space_group.basisop.rot, float) / gemmi.Op.DEN


def _crystal_from_small(small: gemmi.SmallStructure) -> Crystal:
    cell = _checked_gemmi_cell(small.cell)
    if not small.symops:
        if small.spacegroup is None:
            raise SymmetryError(f"no known space group in {small.name!r}: {small.spacegroup_hm!r}")
        return crystal_from_gemmi(cell, small.spacegroup)
    # The listed operations take precedence over the symbol: settings are often unusual
    operations = complete_group(parse_triplet(text) for text in small.symops)
    rotations, translations = (np.array(part) for part in zip(*operations, strict=True))
    if small.spacegroup is not None:
        named = crystal_from_gemmi(cell, small.spacegroup)
        listed = Crystal(cell.parameters, rotations, translations)
        if named.has_same_symmetry(listed):
            return named
    return Crystal(cell.parameters, rotations, translations, name=small.spacegroup_hm)


def _crystal_from_images(cell: gemmi.UnitCell) -> Crystal:
    """Crystal from a UnitCell whose images are its symmetry; strict NCS images are left out."""
    _checked_gemmi_cell(cell)
    rotations, translations = [np.eye(3)], [np.zeros(3)]
    for image in cell.images:
        rotation = np.array(image.mat.tolist())
        if np.abs(rotation - np.rint(rotation)).max() < 1e-6:
            rotations.append(np.rint(rotation))
            translations.append(np.rint(np.array(image.vec.tolist()) * TRANSLATION_DENOMINATOR))
    return Crystal(cell.parameters, np.array(rotations), np.array(translations))


def atoms_from_gemmi_model(
    crystal: Crystal, model: gemmi.Model, cell: gemmi.UnitCell | None = None
) -> Atoms:
    """All atoms of a gemmi.Model: hydrogens and alternate conformations with their occupancy.

    Parameters
    ----------
    cell
        Cell that defines the frame of the atoms if SCALE records give an unusual orientation.

    Raises
    ------
    CellError
        When the SCALE records contradict the cell.
    """
    flat = _flat(model)
    charges = np.asarray(flat.charge, np.int64)
    keys = np.asarray(flat.elements, np.int64) * 256 + charges
    _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
    symbols = np.asarray(flat.element_names)[first]
    scatterers = [
        make_label(symbol.decode().capitalize(), int(charge))
        for symbol, charge in zip(symbols, charges[first], strict=True)
    ]
    position = np.asarray(flat.pos, np.float64)
    u_aniso = _aniso_of_model(model, len(flat.pos))
    if cell is not None and cell.explicit_matrices:
        rotation, shift = _to_standard_frame(crystal, cell)
        position = position @ rotation.T + shift
        u_aniso = None if u_aniso is None else rotate_tensors(u_aniso, rotation)
    with np.errstate(invalid="ignore"):  # Atoms rejects values that are not finite
        frac = position @ crystal.fractionalization.T
    return Atoms(
        frac,
        np.asarray(flat.occ, np.float64),
        np.asarray(flat.b_iso, np.float64),
        kind,
        tuple(scatterers),
        u_aniso,
    )


def _flat(model: gemmi.Model) -> gemmi.FlatStructure:
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


def _to_standard_frame(crystal: Crystal, cell: gemmi.UnitCell) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and shift (Å) from a file's Cartesian frame to that with a along x, b in xy."""
    rotation = crystal.orthogonalization @ np.array(cell.frac.mat.tolist())
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > SCALE_TOLERANCE:
        raise CellError(f"the SCALE records do not fit the cell {tuple(cell.parameters)}")
    return rotation, crystal.orthogonalization @ np.array(cell.frac.vec.tolist())


def _aniso_of_model(model: gemmi.Model, n: int) -> np.ndarray | None:
    """(n, 6) Cartesian U, or None; FlatStructure does not carry them."""
    tensors = np.zeros((n, 6))
    found = False
    for i, cra in enumerate(model.all()):
        u = cra.atom.aniso
        if u.nonzero():
            tensors[i] = u.u11, u.u22, u.u33, u.u12, u.u13, u.u23
            found = True
    return tensors if found else None


def atoms_from_small(small: gemmi.SmallStructure) -> Atoms:
    """All sites of a small structure, with unchanged occupancies."""
    sites = list(small.sites)
    if not sites:
        raise FileFormatError(f"{small.name or 'the structure'} has no atoms")
    labels = [make_label(site.element.name, site.charge) for site in sites]
    frac = np.array([site.fract.tolist() for site in sites])
    u_iso = np.array([site.u_iso for site in sites])
    u_cif = np.array([site.aniso.elements_pdb() for site in sites])
    u_aniso = u_cart_from_cif(_checked_crystal_cell(small.cell), u_cif) if u_cif.any() else None
    return Atoms.from_labels(
        labels, frac, np.array([site.occ for site in sites]), U_TO_B * u_iso, u_aniso
    )


def u_cart_from_cif(crystal: Crystal, u_cif: np.ndarray) -> np.ndarray:
    """(n, 6) Cartesian U from (n, 6) `_atom_site_aniso_U`, which refers to a/|a*|-like axes.

    U_cart = (O N) U (O N)^T with N = diag(a*, b*, c*) [GrosseKunstleve2002b].
    """
    return rotate_tensors(u_cif, crystal.orthogonalization * crystal.reciprocal_lengths)


def strict_ncs_of(source: Any) -> np.ndarray:
    """(m, 3, 4) Cartesian strict NCS operators whose copies are not in the file."""
    if not isinstance(source, gemmi.Structure):
        return np.empty((0, 3, 4))
    operators = [op.tr for op in source.ncs if not op.given]
    matrices = [np.column_stack([op.mat.tolist(), op.vec.tolist()]) for op in operators]
    if source.cell.explicit_matrices:
        frame, shift = _to_standard_frame(crystal_of(source), source.cell)
        rotations = [frame @ m[:, :3] @ frame.T for m in matrices]
        matrices = [
            np.column_stack([r, frame @ m[:, 3] + shift - r @ shift])
            for r, m in zip(rotations, matrices, strict=True)
        ]
    return np.array(matrices).reshape(-1, 3, 4)


def _checked_gemmi_cell(cell: gemmi.UnitCell) -> gemmi.UnitCell:
    if not cell.is_crystal():
        raise MissingCellError(
            f"no unit cell: got {tuple(cell.parameters)}, expected that of a crystal; for an "
            "isolated molecule give a margin"
        )
    return cell


def _checked_crystal_cell(cell: gemmi.UnitCell) -> Crystal:
    return Crystal(_checked_gemmi_cell(cell).parameters)
