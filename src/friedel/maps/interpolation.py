"""Values of maps between grid points."""

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox

ORDER = 3
"""Degree of the splines."""


def values_at(density: Grid | MapBox, xyz: np.ndarray) -> np.ndarray:
    """Values of a map at positions, by cubic splines.

    Parameters
    ----------
    density
        A map of a whole unit cell, which is periodic, or a box.
    xyz
        (n, 3) positions in Å.

    Returns
    -------
    (n,) float64; NaN outside of a box.
    """
    from scipy.ndimage import map_coordinates

    xyz = np.asarray(xyz, float).reshape(-1, 3)
    if isinstance(density, Grid):
        places = xyz @ density.crystal.fractionalization.T * density.shape
        values = np.asarray(density.array, float)
        return map_coordinates(values, places.T, order=ORDER, mode="grid-wrap")
    places = density.indices_of(xyz)
    last = np.array(density.shape) - 1
    inside = ((places >= -1e-9) & (places <= last + 1e-9)).all(axis=1)
    found = np.full(len(places), np.nan)
    values = np.asarray(density.array, float)
    found[inside] = map_coordinates(values, places[inside].T, order=ORDER, mode="nearest")
    return found
