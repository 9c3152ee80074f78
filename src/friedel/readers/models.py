"""Reading of models: files, gemmi objects and pairs become a Crystal and Atoms.

For arrays gemmi is not imported, so that the calculations run without it.
"""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from friedel.errors import AtomsError, ParameterError
from friedel.model.atoms import Atoms, expand_strict_ncs
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.notes import Note
from friedel.readers.model_decisions import (
    FallBack,
    ReadingOptions,
    checked_atoms,
    decided_model,
)
from friedel.readers.reading import reading
from friedel.readers.stated_model import StatedModel
from friedel.readers.tls_decisions import checked_tls
from friedel.runtime.paths import shown_name


def as_model(
    model: Any,
    *,
    strict_ncs: bool = True,
    margin: float | None = None,
    hydrogens: bool = False,
    tls: str | None = "auto",
    source: str = "xray",
    crystal: FallBack = None,
    block: str | None = None,
) -> Model:
    """A :class:`~friedel.model.model.Model` from a file, a gemmi object or a pair (crystal, atoms).

    Parameters
    ----------
    model
        Path of a PDB, mmCIF, small-molecule CIF or SHELX file (also gzipped), ``gemmi.Structure``,
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
    tls
        Whether the displacements of TLS groups in the file of a macromolecule are added to its B
        and U [Schomaker1968]. ``"auto"`` adds them if the file says that B and U are residual, or
        if B is so small that it must be; they are not added to U that hold the sum, and where
        nothing is known of them. ``"residual"`` adds them, None and ``"none"`` do not.
    source
        Radiation, which determines the distances of added hydrogens: ``"xray"``
        [Sheldrick2015], ``"neutron"``, ``"electron"`` or ``"mott-bethe"`` [Allen2010].
    crystal
        Cell and symmetry for a source that states no cell or no symmetry, or a function that
        gives them, which is called only then.
    block
        Name of the CIF block to use; by default the first that has atoms, of those that have a
        reflection list as well if there are any.

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
    return model_and_structure(
        model,
        strict_ncs=strict_ncs,
        margin=margin,
        hydrogens=hydrogens,
        tls=tls,
        source=source,
        crystal=crystal,
        block=block,
    )[0]


def model_and_structure(
    model: Any,
    *,
    strict_ncs: bool = True,
    margin: float | None = None,
    hydrogens: bool = False,
    tls: str | None = "auto",
    source: str = "xray",
    crystal: FallBack = None,
    block: str | None = None,
) -> tuple[Model, Any]:
    """A model, and the ``gemmi.Structure`` of its atoms; None if it is no macromolecule.

    Parameters and errors are those of :func:`as_model`. The structure is the user's own if that
    was given.
    """
    options = ReadingOptions(strict_ncs, margin, crystal, tls)
    if checked_tls(tls) == "residual" and isinstance(model, Model | tuple | list):
        raise ParameterError(
            f"TLS groups come with the file of a macromolecule; got {type(model).__name__}"
        )
    added = source if hydrogens else None
    if isinstance(model, str | PathLike):
        return _from_file(Path(model), options, added, block)
    if block is not None:
        raise ParameterError(f"block applies to a CIF file; got {type(model).__name__}")
    if type(model).__module__.split(".")[0] == "gemmi":
        return _from_gemmi(model, options, added)
    if hydrogens:
        raise no_hydrogens(type(model).__name__)
    if isinstance(model, Model):
        if margin is not None or not strict_ncs:
            raise ParameterError(
                "strict_ncs and margin apply to reading a file; got a Model, which is read already"
            )
        return model, None
    if isinstance(model, tuple | list) and len(model) == 2:
        if margin is not None:
            raise ParameterError(
                "margin applies to a molecule without a cell; a pair (crystal, atoms) has one"
            )
        return _from_pair(*model, strict_ncs=strict_ncs), None
    raise _not_a_model(model)


def as_crystal(source: Any) -> Crystal:
    """A :class:`Crystal` from a crystal, or any gemmi object that has a cell.

    Parameters
    ----------
    source
        `Crystal`, anything that has one as its `crystal`, ``gemmi.Structure``,
        ``gemmi.SmallStructure``, ``gemmi.UnitCell`` (its images are the symmetry), or
        anything with a cell and a `spacegroup` such as ``gemmi.Mtz``, AsuData and grids.

    Raises
    ------
    CellError, SymmetryError
        When there is no usable cell, or the space group is unknown.
    """
    crystal = source if isinstance(source, Crystal) else getattr(source, "crystal", None)
    if isinstance(crystal, Crystal):
        return crystal
    from friedel.readers.gemmi_models import crystal_of

    return crystal_of(source)


def _not_a_model(model: Any) -> AtomsError:
    return AtomsError(
        f"cannot take a model from {type(model).__name__}: expected a path, gemmi.Structure, "
        "gemmi.SmallStructure or a pair (crystal, atoms)"
    )


def no_hydrogens(what: str) -> ParameterError:
    """The error of a model to which hydrogens cannot be added."""
    return ParameterError(
        f"hydrogens can be added to the file or gemmi.Structure of a macromolecule; got {what}"
    )


def _from_file(
    path: Path, options: ReadingOptions, added: str | None, block: str | None
) -> tuple[Model, Any]:
    from friedel.readers.model_files import read_model

    read, notes = read_model(path, block)
    with reading(path, "a model"):
        stated = _stated(read, shown_name(path), added)
    model = decided_model(replace(stated, notes=(*notes, *stated.notes)), options)
    return model, getattr(read, "structure", None)


def _from_gemmi(source: Any, options: ReadingOptions, added: str | None) -> tuple[Model, Any]:
    from friedel.gemmi_package import gemmi
    from friedel.readers.macromolecules import read_structure_object
    from friedel.readers.small_structures import stated_of_small

    if isinstance(source, gemmi.Structure):
        read = read_structure_object(source)
        return decided_model(_stated(read, source.name, added), options), source
    if isinstance(source, gemmi.SmallStructure):
        if added:
            raise no_hydrogens("SmallStructure")
        return decided_model(stated_of_small(source), options), None
    raise _not_a_model(source)


def _stated(read: Any, name: str, added: str | None) -> StatedModel:
    """What a structure or the block of a small structure states, with hydrogens if asked for."""
    from friedel.readers.cif_items import Items
    from friedel.readers.macromolecules import stated_of_structure
    from friedel.readers.shelx_file import ShelxFile
    from friedel.readers.shelx_models import stated_of_shelx
    from friedel.readers.small_structures import stated_of_block

    if isinstance(read, Items | ShelxFile):
        if added:
            raise no_hydrogens("a small structure")
        return stated_of_block(read, name) if isinstance(read, Items) else stated_of_shelx(read)
    if not added:
        return stated_of_structure(read)
    from friedel.readers.added_hydrogens import with_riding_hydrogens

    structure, n_added, n_kept = with_riding_hydrogens(read.structure, added)
    return stated_of_structure(
        replace(read, structure=structure), (hydrogens_note(n_added, n_kept),)
    )


def hydrogens_note(n_added: int, n_kept: int) -> Note:
    """The note on hydrogens added as asked for, and on residues that have some already."""
    if n_added:
        kept = f" (residues that have hydrogens already: {n_kept})" if n_kept else ""
        return Note(f"{n_added} hydrogens are added, riding on C and N{kept}", "default", n_added)
    why = "C and N have hydrogens already" if n_kept else "no group with known geometry is found"
    return Note(f"no hydrogens are added: {why}", "default", 0)


def _from_pair(first: Any, second: Any, *, strict_ncs: bool) -> Model:
    crystal = as_crystal(first)
    if isinstance(second, Atoms):
        return Model(crystal, second, "model", checked_atoms(second, "model"))
    from friedel.gemmi_package import gemmi
    from friedel.readers.gemmi_models import atoms_from_gemmi_model, strict_ncs_of

    if not isinstance(second, gemmi.Model):
        raise _not_a_model(second)
    cell = getattr(first, "cell", first if isinstance(first, gemmi.UnitCell) else None)
    atoms = atoms_from_gemmi_model(
        crystal, second, cell if isinstance(cell, gemmi.UnitCell) else None
    )
    if strict_ncs:
        atoms = expand_strict_ncs(crystal, atoms, strict_ncs_of(first))
    return Model(crystal, atoms, "model", checked_atoms(atoms, "model"))
