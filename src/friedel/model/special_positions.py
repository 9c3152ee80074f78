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

DISTANCES_AT_A_TIME = 2**17
"""Number of distances between atoms and their images that are in memory at the same time."""


def with_crystallographic_occupancies(
    crystal: Crystal,
    atoms: Atoms,
    stated_orders: np.ndarray | None = None,
    suppressed: np.ndarray | None = None,
) -> tuple[Atoms, tuple[Note, ...]]:
    """Atoms on special positions with their occupancy divided by the order of the site.

    Small-molecule files give chemical occupancies, but the sum over all operations counts an
    atom on a special position several times.

    Parameters
    ----------
    stated_orders
        (n,) order of each site as the file states it, 0 where it states none. It is trusted more
        than the distances between symmetry mates.
    suppressed
        (n,) bool, atoms that the file takes as on general positions, whatever their distances
        (SHELX's PART -n).
    """
    by_distance, is_near = _site_symmetry(crystal, atoms.frac)
    told = np.zeros(len(atoms), bool)
    order = by_distance.copy()
    if suppressed is not None:
        order[suppressed], told = 1, told | suppressed
    if stated_orders is not None:
        is_stated = stated_orders > 0
        order[is_stated], told = stated_orders[is_stated], told | is_stated
    notes = []
    if differing := int((told & (order != by_distance)).sum()):
        text = (
            f"sites whose symmetry the file states otherwise than distances do ({differing}): "
            "the file is followed"
        )
        notes.append(Note(text, "file", differing))
    if special := int((order > 1).sum()):
        text = f"atoms on special positions ({special}): occupancy is divided by the site's order"
        notes.append(Note(text, "default", special))
    if near := int((is_near & ~told).sum()):
        text = (
            f"atoms that lie only near a special position ({near}): "
            "treated as on it, with their symmetry images as the same atom"
        )
        notes.append(Note(text, "guess", near, give="give coordinates on the position, or off it"))
    return (atoms.replace(occ=atoms.occ / order) if special else atoms), tuple(notes)


def site_symmetry_order(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n,) int: number of operations that map each atom to within 0.4 Å of itself."""
    return _site_symmetry(crystal, frac)[0]


def _site_symmetry(crystal: Crystal, frac: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) order of the site symmetry, and whether some operation maps the atom only near itself.

    The atoms are processed in stretches: with 192 operations the distances of 300,000 atoms would
    take gigabytes.
    """
    order, is_near = np.empty(len(frac), np.int64), np.empty(len(frac), bool)
    step = max(1, DISTANCES_AT_A_TIME // crystal.n_operations)
    for first in range(0, len(frac), step):
        some = slice(first, first + step)
        distances = _distances_to_images(crystal, frac[some])
        same = distances < SPECIAL_POSITION_TOLERANCE
        order[some] = same.sum(axis=1)
        is_near[some] = (same & (distances > ON_SPECIAL_POSITION)).any(axis=1)
    return order, is_near


def _distances_to_images(crystal: Crystal, frac: np.ndarray) -> np.ndarray:
    """(n, n_operations) distances (Å) from each atom to its nearest image by each operation."""
    shifts = crystal.translations / TRANSLATION_DENOMINATOR
    images = np.einsum("oij,nj->noi", crystal.rotations, frac) + shifts
    difference = images - frac[:, None, :]
    difference -= np.rint(difference)
    return np.linalg.norm(difference @ crystal.orthogonalization.T, axis=-1)
