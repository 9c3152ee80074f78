"""Decisions that make a Crystal and Atoms of what a source states, each with its note.

Atoms given as arrays need no gemmi, which is imported for symbols of groups only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from friedel.errors import (
    AtomsError,
    CellError,
    MissingCellError,
    ParameterError,
    SymmetryError,
)
from friedel.model.atoms import Atoms, expand_strict_ncs
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.model.special_positions import with_crystallographic_occupancies
from friedel.model.tensors import rotate_tensors
from friedel.notes import Note, Notes
from friedel.readers.cell_content import about_content, decided_origin
from friedel.readers.elements_of_sites import decide_elements
from friedel.readers.scale_records import Frame, frame_of_scale
from friedel.readers.stated_model import StatedModel, some_of
from friedel.readers.tls_decisions import checked_tls, with_tls

FallBack = Crystal | Callable[[], Crystal | None] | None
"""Cell and symmetry for a model that states none, or a function that finds them if needed."""

NO_CELL = "there is no unit cell"
"""Beginning of the note on a cell that is only a box around the atoms."""


@dataclass(frozen=True)
class ReadingOptions:
    """Options of reading; see :func:`friedel.as_model`."""

    strict_ncs: bool = True
    margin: float | None = None
    fall_back: FallBack = None
    tls: str | None = "auto"


def decided_model(stated: StatedModel, options: ReadingOptions) -> Model:
    """The model that a source states.

    Raises
    ------
    FriedelError
        As for :func:`friedel.as_model`.
    """
    notes = Notes()
    notes.extend(stated.notes)
    if len(stated) == 0:
        raise AtomsError(f"{stated.name or 'the model'} has no atoms")
    stated = with_tls(stated, checked_tls(options.tls), notes)
    ncs = stated.ncs if options.strict_ncs else stated.ncs[:0]
    crystal = _crystal(stated, options, ncs, notes)
    frame, about_frame = frame_of_scale(crystal, stated.scale if stated.cell else None)
    notes.extend(about_frame)
    atoms = atoms_of_stated(crystal, stated, frame, notes)
    if stated.chemical_occupancies:
        crystal, atoms = _on_their_sites(crystal, atoms, stated, notes)
    atoms = _with_strict_ncs(crystal, atoms, ncs if frame is None else frame.operators(ncs), notes)
    _doubtful_values(atoms, notes)
    return Model(crystal, atoms, stated.name, notes.records(), stated.source)


def _crystal(
    stated: StatedModel, options: ReadingOptions, ncs: np.ndarray, notes: Notes
) -> Crystal:
    """The cell and symmetry: those stated, of the data, or of a box around the atoms."""
    if stated.cell is None and options.margin is not None:
        return _box(stated, options.margin, ncs, notes)
    if stated.cell is not None and stated.symmetry:
        from friedel.readers.symmetry import crystal_of_stated

        crystal, about_symmetry = crystal_of_stated(stated.cell, stated.symmetry)
        notes.extend(about_symmetry)
        return crystal
    other = options.fall_back() if callable(options.fall_back) else options.fall_back
    if stated.cell is None:
        if other is None:
            raise MissingCellError(
                f"{stated.name or 'the model'} states no unit cell; for an isolated molecule give "
                "a margin (margin=, --margin)"
            )
        text = "the model states no unit cell: cell and symmetry of the data are used"
        notes.add(text, "guess", give="give the unit cell in the file")
        return other
    if other is not None:
        text = f"the model states no space group: that of the data, {other.name}, is used"
        notes.add(text, "guess", give="give the space group in the file")
        return replace(other, cell=stated.cell)
    if not stated.cartesian:
        raise SymmetryError(f"{stated.name} states no symmetry, expected operations or a symbol")
    text = "no space group is given: P 1 is used"
    notes.add(text, "guess", give="give the space group in the file")
    return Crystal(stated.cell, name="P 1")


def _box(stated: StatedModel, margin: float, ncs: np.ndarray, notes: Notes) -> Crystal:
    """A cell in P 1 that exceeds all atoms, with their NCS copies, by the margin (Å)."""
    if not (np.isfinite(margin) and margin > 0):
        raise ParameterError(f"got a margin of {margin:g}, expected a positive number in A")
    if not stated.cartesian:
        raise CellError(f"{stated.name} states no unit cell, which fractional coordinates need")
    copies = [stated.coordinates @ op[:, :3].T + op[:, 3] for op in ncs]
    everything = np.concatenate([stated.coordinates, *copies])
    with np.errstate(invalid="ignore"):  # Atoms rejects values that are not finite
        size = np.ptp(everything, axis=0) + margin
    if not np.isfinite(size).all():
        raise AtomsError("the coordinates are not finite numbers")
    sides = " x ".join(f"{x:.2f}" for x in size)
    notes.add(f"{NO_CELL}: a cell of {sides} A in P 1 is used", "default", margin)
    return Crystal((*size, 90.0, 90.0, 90.0), name="P 1")


def atoms_of_stated(
    crystal: Crystal, stated: StatedModel, frame: Frame | None, notes: Notes
) -> Atoms:
    """The atoms as the source gives them, in the usual frame of the crystal's cell."""
    scatterers, kind, about_elements = decide_elements(stated)
    notes.extend(about_elements)
    frac, u_aniso = stated.coordinates, stated.u_aniso
    if stated.cartesian:
        if frame is not None:
            frac = frame.positions(frac)
            u_aniso = None if u_aniso is None else frame.tensors(u_aniso)
        with np.errstate(invalid="ignore"):  # Atoms rejects values that are not finite
            frac = frac @ crystal.fractionalization.T
    elif u_aniso is not None:
        u_aniso = u_cart_from_cif(crystal, u_aniso)
    occ, b_iso = _occupancies(stated, notes), _b_iso(stated, notes)
    # Names of atoms of macromolecules are not unique
    labels = None if stated.cartesian else tuple(str(label) for label in stated.labels)
    return Atoms(frac, occ, b_iso, kind, scatterers, u_aniso, labels)


def _on_their_sites(
    crystal: Crystal, atoms: Atoms, stated: StatedModel, notes: Notes
) -> tuple[Crystal, Atoms]:
    """The crystal with its origin decided, and the atoms with crystallographic occupancies."""
    crystal, about_origin = decided_origin(crystal, atoms, stated)
    atoms, about_sites = with_crystallographic_occupancies(
        crystal, atoms, stated.site_orders, _suppressed_symmetry(stated)
    )
    notes.extend([*about_origin, *about_sites, *_about_disorder(stated)])
    notes.extend(about_content(crystal, atoms, stated))
    return crystal, atoms


def u_cart_from_cif(crystal: Crystal, u_cif: np.ndarray) -> np.ndarray:
    """(n, 6) Cartesian U from (n, 6) `_atom_site_aniso_U`, which refers to a/|a*|-like axes.

    U_cart = (O N) U (O N)^T with N = diag(a*, b*, c*) [GrosseKunstleve2002b].
    """
    return rotate_tensors(u_cif, crystal.orthogonalization * crystal.reciprocal_lengths)


def _with_strict_ncs(crystal: Crystal, atoms: Atoms, ncs: np.ndarray, notes: Notes) -> Atoms:
    if not len(ncs):
        return atoms
    atoms = expand_strict_ncs(crystal, atoms, ncs)
    text = f"{len(ncs)} strict NCS operators are applied: {len(atoms)} atoms"
    notes.add(text, "file", len(ncs))
    return atoms


def _occupancies(stated: StatedModel, notes: Notes) -> np.ndarray:
    unknown = np.isnan(stated.occ)
    if unknown.any() and stated.chemical_occupancies:
        n = int(unknown.sum())
        notes.add(f"occupancies that are not stated are taken as 1 ({n})", "default", n)
        return np.where(unknown, 1.0, stated.occ)
    return stated.occ


def _b_iso(stated: StatedModel, notes: Notes) -> np.ndarray:
    unknown = np.isnan(stated.b_iso)
    if not stated.chemical_occupancies or not unknown.any():
        return stated.b_iso
    neither = unknown.copy()
    if stated.u_aniso is not None:
        neither &= ~stated.u_aniso.any(axis=1)
    if n := int(neither.sum()):
        which = some_of([str(label) for label in stated.labels[neither]])
        text = f"atoms without displacement parameters ({which}): B = 0 is used"
        notes.add(text, "guess", n, give="give U or B of these atoms")
    return np.where(unknown, 0.0, stated.b_iso)


def _suppressed_symmetry(stated: StatedModel) -> np.ndarray | None:
    """(n,) bool: atoms of SHELX's PART -n, which special positions do not constrain."""
    if stated.disorder_groups is None:
        return None
    return np.array([str(group).startswith("-") for group in stated.disorder_groups])


def _about_disorder(stated: StatedModel) -> tuple[Note, ...]:
    if stated.disorder_groups is None:
        return ()
    groups = [str(group) for group in stated.disorder_groups if group and group != "0"]
    if not groups:
        return ()
    names = ", ".join(sorted(set(groups)))
    text = (
        f"disordered atoms ({len(groups)}, in groups {names}) are all used, with their occupancies"
    )
    return (Note(text, "default", len(groups)),)


def _doubtful_values(atoms: Atoms, notes: Notes) -> None:
    """Notes on values that are used as given though they are no physical ones."""
    negative = (atoms.b_iso < 0) & ~atoms.is_aniso
    if n := int(negative.sum()):
        lowest = float(atoms.b_iso[negative].min())
        text = f"negative B are used as given ({n}, the lowest {lowest:g} A^2)"
        notes.add(text, "warning", n)
    if n := int((atoms.is_aniso & (atoms.b_eigenvalues[:, 0] < 0)).sum()):
        text = f"ADPs that are not positive definite ({n}) are used as given"
        notes.add(text, "warning", n)
    if n := int((atoms.occ < 0).sum()):
        text = f"negative occupancies are used as given ({n}, the lowest {atoms.occ.min():g})"
        notes.add(text, "warning", n)
    if n := int((atoms.occ > 1.0 + 1e-6).sum()):
        text = f"occupancies above 1 are used as given ({n}, the highest {atoms.occ.max():g})"
        notes.add(text, "warning", n)


def checked_atoms(atoms: Atoms, name: str) -> tuple[Note, ...]:
    """Notes on the values of atoms that were given as such.

    Raises
    ------
    AtomsError
        When there are none.
    """
    if len(atoms) == 0:
        raise AtomsError(f"{name or 'the model'} has no atoms")
    notes = Notes()
    _doubtful_values(atoms, notes)
    return notes.records()
