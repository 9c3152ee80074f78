"""Models in: paths and gemmi objects become a Crystal and Atoms, once, at the border."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from friedel.atoms import Atoms, expand_strict_ncs
from friedel.constants import TRANSLATION_DENOMINATOR, U_TO_B
from friedel.crystal import Crystal, complete_group, parse_triplet
from friedel.elements import make_label
from friedel.errors import AtomsError, CellError, FileFormatError, SymmetryError

SPECIAL_POSITION_TOLERANCE = 0.4
"""Symmetry mates closer than this (A) are the same atom, as in gemmi."""


@dataclass(frozen=True)
class Model:
    """A crystal and its atoms, with what was decided while reading them."""

    crystal: Crystal
    atoms: Atoms
    name: str = "model"
    notes: tuple[str, ...] = ()


def as_model(model: Any, *, strict_ncs: bool = True) -> Model:
    """A :class:`Model` from any of the forms in which people hold models.

    Parameters
    ----------
    model
        Path of a PDB, mmCIF or small-molecule CIF file (also gzipped), ``gemmi.Structure``,
        ``gemmi.SmallStructure``, a pair (crystal, atoms) where atoms may be a
        ``gemmi.Model`` and crystal anything that :func:`as_crystal` takes, or a `Model`.
    strict_ncs
        Add the copies that the file's strict NCS operators make (MTRIX not given).

    Raises
    ------
    FileFormatError, CellError, SymmetryError, AtomsError
        When the input is unreadable, has no atoms, no cell, an unknown space group,
        a negative B or numbers that are not finite.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str | PathLike):
        model_read = _read_model(Path(model))
        result = as_model(model_read, strict_ncs=strict_ncs)
        notes = result.notes
        atoms = result.atoms
        if isinstance(model_read, gemmi.SmallStructure):
            atoms, note = with_crystallographic_occupancies(result.crystal, atoms)
            notes += note
        return Model(result.crystal, atoms, Path(model).name, notes)
    if isinstance(model, gemmi.Structure):
        return _from_structure(model, strict_ncs)
    if isinstance(model, gemmi.SmallStructure):
        return _checked(as_crystal(model), _atoms_from_small(model), model.name)
    if isinstance(model, Sequence) and len(model) == 2:
        crystal, atoms = as_crystal(model[0]), model[1]
        if isinstance(atoms, gemmi.Model):
            atoms = atoms_from_gemmi_model(crystal, atoms)
            atoms = expand_strict_ncs(crystal, atoms, _ncs_of(model[0]) if strict_ncs else [])
        if isinstance(atoms, Atoms):
            return _checked(crystal, atoms, "model")
    raise AtomsError(
        f"cannot take a model from {type(model).__name__}: expected a path, gemmi.Structure, "
        "gemmi.SmallStructure or a pair (crystal, atoms)"
    )


def as_crystal(source: Any) -> Crystal:
    """A :class:`Crystal` from a crystal, cell, or any gemmi object that has one.

    Parameters
    ----------
    source
        `Crystal`, ``gemmi.Structure``, ``gemmi.SmallStructure``, ``gemmi.UnitCell`` (its
        images are the symmetry), or anything with a cell and a `spacegroup` such as
        ``gemmi.Mtz``, AsuData and grids.

    Raises
    ------
    CellError, SymmetryError
        When there is no usable cell, or the space group is unknown.
    """
    if isinstance(source, Crystal):
        return source
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
    cell = getattr(source, "cell", None) or getattr(source, "unit_cell", None)
    if isinstance(cell, gemmi.UnitCell):
        return crystal_from_gemmi(_checked_gemmi_cell(cell), source.spacegroup)
    raise CellError(f"cannot take a unit cell and symmetry from {type(source).__name__}")


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


def _read_model(path: Path) -> gemmi.Structure | gemmi.SmallStructure:
    if not path.exists():
        raise FileFormatError(f"no such file: {fspath(path)}")
    try:
        suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
        if suffixes and suffixes[-1] in (".cif", ".mmcif"):
            return _read_cif(path)
        return gemmi.read_structure(fspath(path))
    except FileFormatError:
        raise
    # gemmi's readers raise whatever their parsers met; any of it means an unreadable file
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"cannot read {fspath(path)} as a model: {reason}") from None


def _read_cif(path: Path) -> gemmi.Structure | gemmi.SmallStructure:
    document = gemmi.cif.read(fspath(path))
    for block in document:
        if block.find_values("_atom_site.Cartn_x"):
            return gemmi.make_structure_from_block(block)
        if block.find_values("_atom_site_fract_x"):
            return gemmi.make_small_structure_from_block(block)
    raise FileFormatError(f"{fspath(path)} has no atoms: no block with an _atom_site table")


def _from_structure(structure: gemmi.Structure, strict_ncs: bool) -> Model:
    notes = []
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise FileFormatError(f"{structure.name or 'the structure'} has no atoms")
    crystal = as_crystal(structure)
    if not structure.spacegroup_hm.strip():
        notes.append("no space group is given: P 1 is taken")
    if len(structure) > 1:
        notes.append(f"the first of {len(structure)} models is used")
    atoms = atoms_from_gemmi_model(crystal, structure[0])
    operators = _ncs_of(structure)
    if strict_ncs and len(operators):
        atoms = expand_strict_ncs(crystal, atoms, operators)
        notes.append(f"{len(operators)} strict NCS operators are applied: {len(atoms)} atoms")
    return _checked(crystal, atoms, structure.name, tuple(notes))


def _checked(crystal: Crystal, atoms: Atoms, name: str, notes: tuple[str, ...] = ()) -> Model:
    if len(atoms) == 0:
        raise AtomsError(f"{name or 'the model'} has no atoms")
    negative = (atoms.b_iso < 0) & ~atoms.is_aniso
    if negative.any():
        first = int(np.flatnonzero(negative)[0])
        raise AtomsError(
            f"atom {first + 1} has B = {atoms.b_iso[first]:g} A^2 and is one of {int(negative.sum())} "
            "below zero; expected B >= 0"
        )
    indefinite = int((atoms.b_eigenvalues[:, 0] < 0).sum())
    if indefinite:
        notes += (f"ADPs that are not positive definite ({indefinite}) are used as given",)
    return Model(crystal, atoms, name, notes)


def atoms_from_gemmi_model(crystal: Crystal, model: gemmi.Model) -> Atoms:
    """All atoms of a gemmi.Model: hydrogens and alternate conformations with their occupancy."""
    structure = gemmi.Structure()
    structure.add_model(model)
    flat = gemmi.FlatStructure(structure)
    names = np.array(flat.element_names, dtype="U2")
    charges = np.asarray(flat.charge, np.int64)
    keys, kind = np.unique(np.char.add(np.char.add(names, ":"), charges.astype(str)), return_inverse=True)
    scatterers = tuple(_label_from_gemmi(*str(key).split(":")) for key in keys)
    return Atoms(
        np.asarray(flat.pos, np.float64) @ crystal.fractionalization.T,
        np.asarray(flat.occ, np.float64),
        np.asarray(flat.b_iso, np.float64),
        kind,
        scatterers,
        _aniso_of_model(model, len(names)),
    )


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


def _label_from_gemmi(name: str, charge: str) -> str:
    return make_label(name.capitalize(), int(charge))


def _atoms_from_small(small: gemmi.SmallStructure) -> Atoms:
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
    from friedel.atoms import rotate_tensors

    return rotate_tensors(u_cif, crystal.orthogonalization * crystal.reciprocal_lengths)


def with_crystallographic_occupancies(
    crystal: Crystal, atoms: Atoms
) -> tuple[Atoms, tuple[str, ...]]:
    """Atoms on special positions with their occupancy divided by the order of the site.

    Small-molecule files give chemical occupancies, the sum over all operations counts an
    atom on a special position several times.
    """
    order = site_symmetry_order(crystal, atoms.frac)
    special = int((order > 1).sum())
    if not special:
        return atoms, ()
    note = f"atoms on special positions ({special}): occupancy is divided by the site's order"
    return atoms.replace(occ=atoms.occ / order), (note,)


def site_symmetry_order(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n,) int: how many operations bring each atom back to within 0.4 A of itself."""
    shifts = crystal.translations / TRANSLATION_DENOMINATOR
    images = np.einsum("oij,nj->noi", crystal.rotations, frac) + shifts
    difference = images - frac[:, None, :]
    difference -= np.rint(difference)
    distance = np.linalg.norm(difference @ crystal.orthogonalization.T, axis=-1)
    return (distance < SPECIAL_POSITION_TOLERANCE).sum(axis=1)


def _crystal_from_small(small: gemmi.SmallStructure) -> Crystal:
    cell = _checked_gemmi_cell(small.cell)
    if not small.symops:
        if small.spacegroup is None:
            raise SymmetryError(f"no known space group in {small.name!r}: {small.spacegroup_hm!r}")
        return crystal_from_gemmi(cell, small.spacegroup)
    # The listed operations count, whatever the symbol says: settings are often unusual
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


def _ncs_of(source: Any) -> np.ndarray:
    """(m, 3, 4) Cartesian strict NCS operators whose copies are not in the file."""
    if not isinstance(source, gemmi.Structure):
        return np.empty((0, 3, 4))
    operators = [op.tr for op in source.ncs if not op.given]
    return np.array(
        [np.column_stack([op.mat.tolist(), op.vec.tolist()]) for op in operators]
    ).reshape(-1, 3, 4)


def _checked_gemmi_cell(cell: gemmi.UnitCell) -> gemmi.UnitCell:
    if not cell.is_crystal():
        raise CellError(f"no unit cell: got {tuple(cell.parameters)}, expected that of a crystal")
    return cell


def _checked_crystal_cell(cell: gemmi.UnitCell) -> Crystal:
    return Crystal(_checked_gemmi_cell(cell).parameters)
