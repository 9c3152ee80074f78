"""Reflections grouped by integers that stand for their indices."""

import numpy as np
import pytest

from friedel.model.crystal import Crystal
from friedel.reflections.bijvoet import ObservedData
from friedel.reflections.merging import are_distinct, grouped, representatives
from friedel.reflections.reflections import Reflections

CRYSTAL = Crystal.from_triplets((40, 50, 60, 90, 90, 90), ["-x,-y,z+1/2", "x+1/2,-y,-z"])


def some_indices(n: int = 500) -> np.ndarray:
    return np.random.default_rng(3).integers(-4, 5, (n, 3)).astype(np.int32)


@pytest.mark.parametrize("friedel_mates", [True, False])
def test_groups_are_those_of_rows(friedel_mates):
    hkl = some_indices()
    groups = grouped(CRYSTAL, hkl, friedel_mates=friedel_mates)
    rows = representatives(CRYSTAL, hkl, friedel_mates)
    unique, member_of, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(groups.hkl, unique)
    np.testing.assert_array_equal(groups.member_of, member_of.ravel())
    np.testing.assert_array_equal(groups.counts, counts)
    assert groups.hkl.dtype == rows.dtype


def test_whether_reflections_are_distinct():
    hkl = np.unique(some_indices(), axis=0)
    assert are_distinct(hkl)
    assert are_distinct(hkl[:0])
    assert not are_distinct(np.concatenate([hkl, hkl[5:6]]))


def test_pairs_are_found_among_lists_with_equivalents_only_where_they_are_merged():
    hkl = np.array([[1, 2, 3], [2, 3, 4], [-1, -2, -3]])
    values = np.array([10.0, 20.0, 12.0])
    assert ObservedData.of(Reflections(CRYSTAL, hkl[:2], values[:2])).pairs is None
    found = ObservedData.of(Reflections(CRYSTAL, hkl, values))
    assert found.pairs is not None
    assert len(found.means) == 2
    unmerged = np.concatenate([hkl, [[-1, -2, 3]]])  # equivalent to the first
    assert ObservedData.of(Reflections(CRYSTAL, unmerged, np.ones(4))).pairs is None
