"""Reading of models: files, gemmi objects and pairs become a Crystal and Atoms.

For arrays gemmi is not imported, so that the calculations run without it.
"""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from friedel.errors import AtomsError, FileFormatError, ParameterError
from friedel.model.atoms import Atoms, expand_strict_ncs
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.model.special_positions import with_crystallographic_occupancies
from friedel.notes import Note
from friedel.readers.reading import decoded


def as_model(
    model: Any,
    *,
    strict_ncs: bool = True,
    margin: float | None = None,
    hydrogens: bool = False,
    source: str = "xray",
    crystal: Crystal | None = None,
) -> Model:
    """A :class:`Model` from a file, a gemmi object or a pair (crystal, atoms).

    Parameters
    ----------
    model
        Path of a PDB, mmCIF or small-molecule CIF file (also gzipped), ``gemmi.Structure``,
        ``gemmi.SmallStructure``, a pair (crystal, atoms) where atoms may be a
        ``gemmi.Model`` and crystal anything that :func:`as_crystal` accepts, or a `Model`.
    strict_ncs
        Whether to add the copies by the file's strict NCS operators (MTRIX records not marked
        as given).
    margin
        Margin, Å. A molecule without a cell is put in a cell in P 1 that exceeds it by this much
        along each axis, with unchanged coordinates. By default a missing cell is an error.
    hydrogens
        Whether to add the hydrogens of C-H and N-H groups to a macromolecule, from its file or a
        ``gemmi.Structure``, in residues that have none on C or N: where the heavy atoms
        determine the positions (methyl and ammonium groups staggered), with 1.2 times the B of
        the parent atom [Sheldrick2015]. Deuterium is not added.
    source
        Radiation, which determines the distances of added hydrogens: ``"xray"``
        [Sheldrick2015], ``"neutron"``, ``"electron"`` or ``"mott-bethe"`` [Allen2010].
    crystal
        Cell and symmetry for a macromolecule whose file or structure states no cell.

    Returns
    -------
    Model
        All atoms of the first model: hydrogens and alternate conformations included, with their
        occupancies. Occupancies from a small-molecule file become crystallographic: they are
        divided by the order of the site symmetry. Those of a ``gemmi.SmallStructure`` are not
        changed.

    Raises
    ------
    FileFormatError, CellError, SymmetryError, AtomsError
        When the input is unreadable, has no atoms, no cell, an unknown space group,
        a negative B or numbers that are not finite.
    ParameterError
        When hydrogens are to be added to anything but the file or structure of a macromolecule,
        or for an unknown source; for `margin` or `strict_ncs` where they do not apply.
    """
    to_see = source if hydrogens else None
    if isinstance(model, str | PathLike):
        return _from_file(Path(model), strict_ncs, margin, to_see, crystal)
    if type(model).__module__.split(".")[0] == "gemmi":
        return _from_gemmi(model, strict_ncs, margin, to_see, crystal)
    if hydrogens:
        raise _no_hydrogens(model)
    if isinstance(model, Model):
        if margin is not None or not strict_ncs:
            raise ParameterError(
                "strict_ncs and margin apply to reading a file; got a Model, which is read already"
            )
        return model
    if isinstance(model, tuple | list) and len(model) == 2:
        if margin is not None:
            raise ParameterError(
                "margin applies to a molecule without a cell; a pair (crystal, atoms) has one"
            )
        return _from_pair(*model, strict_ncs=strict_ncs)
    raise _not_a_model(model)


def as_crystal(source: Any) -> Crystal:
    """A :class:`Crystal` from a crystal, or any gemmi object that has a cell.

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
    from friedel.readers.gemmi_models import crystal_of

    return crystal_of(source)


def _not_a_model(model: Any) -> AtomsError:
    return AtomsError(
        f"cannot take a model from {type(model).__name__}: expected a path, gemmi.Structure, "
        "gemmi.SmallStructure or a pair (crystal, atoms)"
    )


def _no_hydrogens(model: Any) -> ParameterError:
    return ParameterError(
        f"hydrogens can be added to the file or gemmi.Structure of a macromolecule; got "
        f"{type(model).__name__}"
    )


def _from_file(
    path: Path,
    strict_ncs: bool,
    margin: float | None,
    hydrogens: str | None,
    crystal: Crystal | None,
) -> Model:
    import gemmi

    from friedel.readers.gemmi_models import read_model

    read = read_model(path)
    with decoded(path):
        model = _from_gemmi(read, strict_ncs, margin, hydrogens, crystal)
    atoms, notes = model.atoms, model.notes
    if isinstance(read, gemmi.SmallStructure):
        atoms, note = with_crystallographic_occupancies(model.crystal, atoms)
        notes += note + _disorder_note(read)
    return Model(model.crystal, atoms, path.name, notes)


def _disorder_note(small: Any) -> tuple[Note, ...]:
    groups = [site.disorder_group for site in small.sites if site.disorder_group]
    if not groups:
        return ()
    names = ", ".join(str(group) for group in sorted(set(groups)))
    text = (
        f"disordered atoms ({len(groups)}, in groups {names}) are all used, with their occupancies"
    )
    return (Note(text, "default", len(groups)),)


def _from_pair(first: Any, second: Any, *, strict_ncs: bool) -> Model:
    crystal = as_crystal(first)
    if isinstance(second, Atoms):
        return _checked(crystal, second, "model")
    import gemmi

    from friedel.readers.gemmi_models import atoms_from_gemmi_model, strict_ncs_of

    if not isinstance(second, gemmi.Model):
        raise _not_a_model(second)
    cell = getattr(first, "cell", first if isinstance(first, gemmi.UnitCell) else None)
    atoms = atoms_from_gemmi_model(
        crystal, second, cell if isinstance(cell, gemmi.UnitCell) else None
    )
    if strict_ncs:
        atoms = expand_strict_ncs(crystal, atoms, strict_ncs_of(first))
    return _checked(crystal, atoms, "model")


def _from_gemmi(
    source: Any,
    strict_ncs: bool,
    margin: float | None,
    hydrogens: str | None,
    crystal: Crystal | None,
) -> Model:
    import gemmi

    from friedel.readers.gemmi_models import atoms_from_small

    if isinstance(source, gemmi.Structure):
        return _from_structure(source, strict_ncs, margin, hydrogens, crystal)
    if isinstance(source, gemmi.SmallStructure):
        if hydrogens:
            raise _no_hydrogens(source)
        return _checked(as_crystal(source), atoms_from_small(source), source.name)
    raise _not_a_model(source)


def _from_structure(
    structure: Any,
    strict_ncs: bool,
    margin: float | None,
    hydrogens: str | None,
    given: Crystal | None,
) -> Model:
    from friedel.readers.gemmi_models import (
        atoms_from_gemmi_model,
        in_a_box,
        in_crystal,
        strict_ncs_of,
    )

    notes: list[Note] = []
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise FileFormatError(f"{structure.name or 'the structure'} has no atoms")
    if margin is not None and not structure.cell.is_crystal():
        structure = in_a_box(structure, margin)
        sides = " x ".join(f"{x:.2f}" for x in structure.cell.parameters[:3])
        notes.append(
            Note(f"there is no unit cell: a cell of {sides} A in P 1 is used", "default", margin)
        )
    if given is not None and not structure.cell.is_crystal():
        structure = in_crystal(structure, given)
        text = "the model states no unit cell: cell and symmetry of the data are used"
        notes.append(Note(text, "guess", give="give the unit cell in the file"))
        crystal = given
    else:
        crystal = as_crystal(structure)
    if not structure.spacegroup_hm.strip():
        text = "no space group is given: P 1 is used"
        notes.append(Note(text, "guess", give="give the space group in the file"))
    if len(structure) > 1:
        text = f"the first of {len(structure)} models is used"
        notes.append(Note(text, "guess", len(structure), give="give a file with one model"))
    if hydrogens:
        from friedel.readers.added_hydrogens import with_riding_hydrogens

        structure, n_added, n_kept = with_riding_hydrogens(structure, hydrogens)
        notes.append(_hydrogens_note(n_added, n_kept))
    atoms = atoms_from_gemmi_model(crystal, structure[0], structure.cell)
    operators = strict_ncs_of(structure)
    if strict_ncs and len(operators):
        atoms = expand_strict_ncs(crystal, atoms, operators)
        text = f"{len(operators)} strict NCS operators are applied: {len(atoms)} atoms"
        notes.append(Note(text, "file", len(operators)))
    return _checked(crystal, atoms, structure.name, tuple(notes))


def _hydrogens_note(n_added: int, n_kept: int) -> Note:
    if n_added:
        kept = f" (residues that have hydrogens already: {n_kept})" if n_kept else ""
        return Note(f"{n_added} hydrogens are added, riding on C and N{kept}", "default", n_added)
    why = "C and N have hydrogens already" if n_kept else "no group with known geometry is found"
    return Note(f"no hydrogens are added: {why}", "default", 0)


def _checked(crystal: Crystal, atoms: Atoms, name: str, notes: tuple[Note, ...] = ()) -> Model:
    if len(atoms) == 0:
        raise AtomsError(f"{name or 'the model'} has no atoms")
    negative = (atoms.b_iso < 0) & ~atoms.is_aniso
    if negative.any():
        first = int(np.flatnonzero(negative)[0])
        raise AtomsError(
            f"atom {first + 1} and {int(negative.sum()) - 1} others have a negative B "
            f"({atoms.b_iso[first]:g} A^2), expected B >= 0"
        )
    indefinite = int((atoms.b_eigenvalues[:, 0] < 0).sum())
    if indefinite:
        text = f"ADPs that are not positive definite ({indefinite}) are used as given"
        notes += (Note(text, "warning", indefinite),)
    return Model(crystal, atoms, name, notes)
