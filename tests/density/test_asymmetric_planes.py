"""Planes of a grid that make the others: for every space group, and as few as possible."""

import gemmi
import numpy as np
import pytest

from friedel.density.asymmetric_planes import asymmetric_planes
from friedel.density.grid import grid_shape, symmetrized_sum
from friedel.errors import FriedelError
from friedel.model.crystal import Crystal

CELLS = [
    (7.0, 8.0, 9.0, 80.0, 95.0, 105.0),
    *((7.0, 8.0, 9.0, *angles) for angles in ((90, 100, 90), (100, 90, 90), (90, 90, 100))),
    (7.0, 8.0, 9.0, 90.0, 90.0, 90.0),
    (7.0, 7.0, 9.0, 90.0, 90.0, 90.0),
    (7.0, 7.0, 9.0, 90.0, 90.0, 120.0),
    (7.0, 7.0, 7.0, 80.0, 80.0, 80.0),
    (7.0, 7.0, 7.0, 90.0, 90.0, 90.0),
]


def crystal_of(group: gemmi.SpaceGroup) -> Crystal:
    triplets = [op.triplet() for op in group.operations()]
    for cell in CELLS:
        try:
            return Crystal.from_triplets(cell, triplets)
        except FriedelError:  # another lattice
            continue
    raise AssertionError(group.xhm())


def test_a_symmetric_map_is_the_sum_of_the_images_of_the_planes():
    for group in gemmi.spacegroup_table():
        crystal = crystal_of(group)
        shape = grid_shape(crystal, 1.0)
        values = symmetrized_sum(np.random.default_rng(0).random(shape), crystal)
        planes = asymmetric_planes(crystal, shape)
        part = np.zeros(shape)
        some = slice(planes.first, planes.last + 1)
        part[some] = values[some] * planes.weights[:, None, None]
        lattice = crystal.centring_translations
        of_planes = Crystal(
            crystal.cell,
            np.repeat(planes.rotations, len(lattice), axis=0),
            (planes.translations[:, None] + lattice).reshape(-1, 3),
        )
        found = symmetrized_sum(part, of_planes)
        np.testing.assert_allclose(found, values, rtol=1e-12, err_msg=group.xhm())


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("P 1", 48),
        ("P 21", 25),
        ("P 21 21 21", 13),
        ("C 2 2 21", 13),
        ("P 43 21 2", 13),
        ("P 3", 48),
    ],
)
def test_the_planes_are_few(name, number):
    planes = asymmetric_planes(crystal_of(gemmi.SpaceGroup(name)), (48, 48, 48))
    assert len(planes.weights) == planes.last - planes.first + 1 == number
