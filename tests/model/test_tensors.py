"""Tensors as six numbers: the way to 3 x 3 and back, changes of axes, averages over a group."""

import gemmi
import numpy as np
import pytest

from friedel.model.tensors import UPPER, VOIGT, averaged_unit_tensors, rotate_tensors

TENSORS = np.random.default_rng(3).normal(size=(5, 6))


def test_there_and_back():
    full = TENSORS[:, VOIGT]
    np.testing.assert_array_equal(full, full.swapaxes(1, 2))
    np.testing.assert_array_equal(full[:, *UPPER], TENSORS)


def test_a_form_does_not_depend_on_the_axes():
    matrix, vector = np.random.default_rng(4).normal(size=(2, 3, 3))
    turned = rotate_tensors(TENSORS, matrix)[:, VOIGT]
    expected = np.einsum(
        "a,nab,b->n", matrix.T @ vector[0], TENSORS[:, VOIGT], matrix.T @ vector[0]
    )
    np.testing.assert_allclose(vector[0] @ turned @ vector[0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "n_invariant"),
    [
        ("P -1", 6),
        ("P 1 21/n 1", 4),
        ("P 21 21 21", 3),
        ("P 61 2 2", 2),
        ("R 3:R", 2),
        ("F d -3 m", 1),
    ],
)
def test_averages_are_a_projection_on_what_the_group_leaves_alone(name, n_invariant):
    rotations = np.array([op.rot for op in gemmi.SpaceGroup(name).operations().sym_ops]) // 24
    averaged = averaged_unit_tensors(rotations)
    for rotation in rotations:
        np.testing.assert_allclose(rotation @ averaged @ rotation.T, averaged, atol=1e-15)
    projection = averaged[:, *UPPER]
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-15)
    assert np.trace(projection) == pytest.approx(n_invariant)
