"""The part of a grid near atoms."""

import numpy as np
import pytest

from friedel.density.atoms_on_grid import widest_gap_of_few
from friedel.kernels.grid.boxes import widest_gap


@pytest.mark.parametrize("size", [1, 2, 5, 16, 1000])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 300])
def test_gaps_found_by_sorting_are_those_found_by_points(n, size):
    rng = np.random.default_rng(n + size)
    for _ in range(40):
        coordinates = 0.3 * rng.normal(size=n) if rng.random() < 0.5 else 2.0 * rng.random(n)
        assert widest_gap_of_few(coordinates, size) == widest_gap(coordinates, size)
    on_points = rng.integers(0, size, n) / size
    assert widest_gap_of_few(on_points, size) == widest_gap(on_points, size)
