"""Soft masks around atoms."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError
from friedel.maps.model_map import as_map_box
from friedel.maps.near_atoms import NearAtoms
from friedel.readers.models import as_model

SMALLEST_RADIUS = 3.0
"""Least default radius, and least default width of the edge, Å."""


def soft_mask(
    box: MapBox | Grid | str | PathLike[str], atoms: Any, radius: float, edge: float | None = None
) -> np.ndarray:
    """1 within a radius of atoms, 0 far from them, and a cosine between.

    Parameters
    ----------
    box
        A map, whose grid is that of the mask, or the path of one. That of a whole cell, a `Grid`,
        is periodic, and so is the mask.
    atoms
        (n, 3) positions in Å, or a model in any form that :func:`friedel.as_model` accepts.
    radius
        Distance from the nearest atom to which the mask is 1, Å.
    edge
        Width of the fall from 1 to 0, Å; by default the radius, at least 3.

    Returns
    -------
    (nu, nv, nw) float32

    Raises
    ------
    ParameterError
        When the radius is not positive, or the edge negative.
    """
    xyz = atoms if isinstance(atoms, np.ndarray) else positions(as_model(atoms))
    edge = max(SMALLEST_RADIUS, radius) if edge is None else edge
    if not (np.isfinite(radius) and radius > 0):
        raise ParameterError(f"got a radius of {radius!r}, expected a positive number in A")
    if not (np.isfinite(edge) and edge >= 0):
        raise ParameterError(f"got an edge of {edge!r}, expected a number in A, at least 0")
    grid = box if isinstance(box, Grid) else as_map_box(box)
    distances = NearAtoms(grid, radius + edge).distances(xyz)
    if edge == 0:
        return (distances < radius).astype(np.float32)
    within = np.clip((distances - radius) / edge, 0.0, 1.0)
    return (0.5 + 0.5 * np.cos(np.pi * within)).astype(np.float32)


def positions(model: Any) -> np.ndarray:
    """(n, 3) positions of the atoms of a model that has been read, Å."""
    return model.atoms.frac @ model.crystal.orthogonalization.T
