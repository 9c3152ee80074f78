"""Grid points near atoms."""

from collections.abc import Iterator

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError

PAIRS_AT_A_TIME = 2_000_000
"""Number of distances between atoms and points that are calculated at once."""


class NearAtoms:
    """Finds the grid points within a radius of positions.

    Parameters
    ----------
    density
        A map: of a unit cell, which is periodic, or a box, outside of which there are no points.
    radius
        Å.

    Raises
    ------
    ParameterError
        When the radius is not positive.
    """

    def __init__(self, density: Grid | MapBox, radius: float) -> None:
        if not (np.isfinite(radius) and radius > 0):
            raise ParameterError(f"got a radius of {radius!r}, expected a positive number in A")
        self.is_periodic = isinstance(density, Grid)
        self._box = MapBox.of_grid(density) if isinstance(density, Grid) else density
        self.radius, self.shape = radius, self._box.shape
        steps = self._box.steps
        limits = np.floor(radius * np.linalg.norm(np.linalg.inv(steps), axis=1)).astype(int) + 1
        axes = [np.arange(-n, n + 2) for n in limits]
        offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        # any position is within one step along each edge of the point below it
        vectors = offsets @ steps.T
        near = np.linalg.norm(vectors, axis=1) <= radius + np.abs(steps).sum()
        self._offsets, self._vectors = offsets[near], vectors[near]

    def indices(self, xyz: np.ndarray) -> np.ndarray:
        """Flat indices, ascending, of the points within the radius of any position (n, 3) in Å."""
        found = [points for points, _ in self._pairs(xyz)]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def mask(self, xyz: np.ndarray) -> np.ndarray:
        """(nu, nv, nw) bool: points within the radius of any position (n, 3) in Å."""
        mask = np.zeros(self.shape, bool)
        for points, _ in self._pairs(xyz):
            mask.reshape(-1)[points] = True
        return mask

    def distances(self, xyz: np.ndarray) -> np.ndarray:
        """(nu, nv, nw) float32 distance to the nearest position, Å; the radius where farther."""
        found = np.full(self.shape, self.radius, np.float32)
        for points, distances in self._pairs(xyz):
            np.minimum.at(found.reshape(-1), points, distances.astype(np.float32))
        return found

    def _pairs(self, xyz: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Flat indices of points, and their distances to one of the positions, in parts."""
        places = self._box.indices_of(np.asarray(xyz, float).reshape(-1, 3))
        below = np.floor(places).astype(np.int64)
        from_below = (places - below) @ self._box.steps.T
        lengths = (self._vectors**2).sum(axis=1)
        step = max(1, PAIRS_AT_A_TIME // len(self._offsets))
        for first in range(0, len(places), step):
            some = slice(first, first + step)
            position = from_below[some]
            # |v - x|^2 by a product of matrices: three arrays of all pairs would take far longer
            squares = lengths + (position**2).sum(axis=1)[:, None]
            squares -= 2.0 * position @ self._vectors.T
            atom, offset = np.nonzero(squares <= self.radius**2)
            points = below[some][atom] + self._offsets[offset]
            distances = np.sqrt(np.maximum(squares[atom, offset], 0.0))
            if self.is_periodic:
                points %= self.shape
            else:
                inside = ((points >= 0) & (points < self.shape)).all(axis=1)
                points, distances = points[inside], distances[inside]
            yield np.ravel_multi_index(tuple(points.T), self.shape), distances
