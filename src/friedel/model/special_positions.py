"""Atoms on special positions: which operations leave them in place, and their occupancies."""

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Note

SPECIAL_POSITION_TOLERANCE = 0.4
"""Largest distance (Å) of symmetry mates that are the same atom, as in gemmi."""

ON_SPECIAL_POSITION = 0.02
"""Largest distance (Å) of symmetry mates due to rounding in a file; larger ones get a note."""


def with_crystallographic_occupancies(
    crystal: Crystal, atoms: Atoms
) -> tuple[Atoms, tuple[Note, ...]]:
    """Atoms on special positions with their occupancy divided by the order of the site.

    Small-molecule files give chemical occupancies, but the sum over all operations counts an
    atom on a special position several times.
    """
    distances = _distances_to_images(crystal, atoms.frac)
    same = distances < SPECIAL_POSITION_TOLERANCE
    order = same.sum(axis=1)
    special = int((order > 1).sum())
    if not special:
        return atoms, ()
    text = f"atoms on special positions ({special}): occupancy is divided by the site's order"
    notes = [Note(text, "default", special)]
    near = int((same & (distances > ON_SPECIAL_POSITION)).any(axis=1).sum())
    if near:
        text = (
            f"atoms that lie only near a special position ({near}): "
            "treated as on it, with their symmetry images as the same atom"
        )
        notes.append(Note(text, "guess", near, give="give coordinates on the position, or off it"))
    return atoms.replace(occ=atoms.occ / order), tuple(notes)


def site_symmetry_order(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n,) int: number of operations that map each atom to within 0.4 Å of itself."""
    return (_distances_to_images(crystal, frac) < SPECIAL_POSITION_TOLERANCE).sum(axis=1)


def _distances_to_images(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n, n_operations) distances (Å) from each atom to its nearest image by each operation."""
    shifts = crystal.translations / TRANSLATION_DENOMINATOR
    images = np.einsum("oij,nj->noi", crystal.rotations, frac) + shifts
    difference = images - frac[:, None, :]
    difference -= np.rint(difference)
    return np.linalg.norm(difference @ crystal.orthogonalization.T, axis=-1)
