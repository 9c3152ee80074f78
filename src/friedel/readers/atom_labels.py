"""Labels of the atoms of a small structure, for atoms that were read from it before."""

from os import PathLike
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from friedel.errors import FriedelError
from friedel.model.crystal import Crystal
from friedel.readers.cif_items import Items
from friedel.readers.model_files import read_model
from friedel.readers.small_structures import stated_of_block, stated_of_small
from friedel.readers.stated_model import StatedModel

SAME_POSITION = 0.05
"""Largest distance (Å) between an atom of the model and the line of the file it comes from: atoms
near special positions may be moved onto them."""


def labels_of_atoms(source: Any, crystal: Crystal, frac: np.ndarray) -> tuple[str, ...] | None:
    """Labels of the atoms at given positions; None if the source does not state one for each.

    Parameters
    ----------
    source
        What the atoms were read from: path of a CIF, ``gemmi.SmallStructure``. Other sources
        have no labels.
    crystal
        Crystal of the atoms.
    frac
        (n, 3) fractional coordinates of the atoms.
    """
    stated = _stated(source)
    if stated is None or not len(stated) or not len(frac):
        return None
    from scipy.spatial import cKDTree

    ours, theirs = (x @ crystal.orthogonalization.T for x in (frac, stated.coordinates))
    in_order = len(ours) == len(theirs)
    # the order of the file tells atoms apart that share a site
    if in_order and (np.linalg.norm(ours - theirs, axis=1) < SAME_POSITION).all():
        return tuple(map(str, stated.labels))
    distance, nearest = cKDTree(theirs).query(ours)
    if not (distance < SAME_POSITION).all():
        return None
    return tuple(str(stated.labels[i]) for i in nearest)


def _stated(source: Any) -> StatedModel | None:
    """The atoms that a small structure states; None for anything else."""
    try:
        if isinstance(source, gemmi.SmallStructure):
            return stated_of_small(source)
        if isinstance(source, str | PathLike):
            read, _ = read_model(Path(source))
            if isinstance(read, Items):
                return stated_of_block(read, Path(source).name)
    except FriedelError:
        return None
    return None
