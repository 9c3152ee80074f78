"""Labels of atoms in the CIF of a small structure, for atoms that were read before."""

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

import gemmi
import numpy as np

from friedel.model.crystal import Crystal

SAME_POSITION = 0.05
"""Largest distance (Å) between an atom of the model and the line of the file it comes from: atoms
near special positions are moved onto them, and the coordinates of a file are rounded."""


def labels_of_atoms(source: Any, crystal: Crystal, frac: np.ndarray) -> tuple[str, ...] | None:
    """Labels of the atoms at given positions; None if the source does not state one for each.

    Parameters
    ----------
    source
        Path of a CIF, ``gemmi.cif.Block`` or ``gemmi.SmallStructure``, of which the atoms were
        read.
    crystal
        Crystal of the atoms.
    frac
        (n, 3) fractional coordinates of the atoms.
    """
    labels, positions = _labelled_positions(source)
    if not labels or not len(frac):
        return None
    from scipy.spatial import cKDTree

    ours, theirs = (x @ crystal.orthogonalization.T for x in (frac, positions))
    in_order = len(labels) == len(frac)
    # the order of the file tells atoms apart that share a site
    if in_order and (np.linalg.norm(ours - theirs, axis=1) < SAME_POSITION).all():
        return tuple(labels)
    distance, nearest = cKDTree(theirs).query(ours)
    if not (distance < SAME_POSITION).all():
        return None
    return tuple(labels[i] for i in nearest)


def _labelled_positions(source: Any) -> tuple[Sequence[str], np.ndarray]:
    """Labels, and their fractional coordinates (n, 3)."""
    nothing: tuple[Sequence[str], np.ndarray] = ([], np.zeros((0, 3)))
    if isinstance(source, gemmi.SmallStructure):
        sites = list(source.sites)
        return [s.label for s in sites], np.array([s.fract.tolist() for s in sites]).reshape(-1, 3)
    if isinstance(source, str | PathLike):
        try:
            document = gemmi.cif.read(fspath(source))
        # gemmi's reader raises various exceptions: a file that is not a CIF has no labels
        except Exception:
            return nothing
        blocks = [block for block in document if block.find_values("_atom_site_fract_x")]
        return _labelled_positions(blocks[0]) if blocks else nothing
    if not isinstance(source, gemmi.cif.Block):
        return nothing
    table = source.find("_atom_site_", ["label", "fract_x", "fract_y", "fract_z"])
    numbers = np.array([[gemmi.cif.as_number(row[i]) for i in (1, 2, 3)] for row in table])
    known = np.isfinite(numbers.reshape(-1, 3)).all(axis=1)
    labels = [row.str(0) for row, is_known in zip(table, known, strict=True) if is_known]
    return labels, numbers.reshape(-1, 3)[known]
