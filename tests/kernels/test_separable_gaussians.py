"""Tables of the factors of Gaussians stay within their memory, which the kernels do not check."""

import numpy as np
import pytest

from friedel.kernels.grid.boxes import BOX, Place, place_box
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.grid.separable_gaussians import PairTables, fill_pair_tables

SIZES = {
    "xz": GROUP * BOX * BOX,
    "xy": GROUP * BOX * BOX + BOX,
    "yz": GROUP * BOX * BOX,
    "half": 3 * GROUP * BOX,
    "row_factors": 2 * GROUP * BOX,
}
GUARD = BOX * BOX
"""Number of elements on both sides of each table."""


def guarded(dtype):
    """Tables, and the memory around them."""
    memory = {name: np.full(size + 2 * GUARD, 7, dtype) for name, size in SIZES.items()}
    return PairTables(*(x[GUARD:-GUARD] for x in memory.values())), memory.values()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("empty", [(0,), (1,), (2,), (0, 1), (0, 1, 2), ()])
def test_boxes_without_grid_points_along_some_axes(empty, dtype):
    """So it is for weak atoms, whose radius is less than half a step of the grid."""
    place = Place(np.array([10.5, 11.5, 12.5]), np.full(3, 3.7), np.empty((3, 4), np.int64))
    place.half[list(empty)] = 0.1
    place_box(place, 50)
    assert [place.box[axis, 3] - place.box[axis, 2] == 0 for axis in range(3)] == [
        axis in empty for axis in range(3)
    ]
    form = np.tile([0.5, 0.6, 0.7, 0.1, 0.2, 0.1], (GROUP, 1))
    tables, memory = guarded(dtype)
    fill_pair_tables(tables, place, form, True)
    for whole in memory:
        assert (whole[:GUARD] == 7).all()
        assert (whole[-GUARD:] == 7).all()
