"""Displacements of rigid bodies by T, L and S."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from friedel.model.tensors import VOIGT
from friedel.model.tls import TlsGroup

ORIGIN = np.array([3.0, -2.0, 5.0])
"""Å."""


@pytest.fixture(scope="module")
def motion():
    """(6, 6) covariance of a libration (radians) and a translation (Å), and 40 atoms."""
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(6, 6)) * np.array([0.03] * 3 + [0.2] * 3)[:, None]
    return mixing @ mixing.T, ORIGIN + rng.normal(scale=12.0, size=(40, 3))


def group_of(covariance, origin=ORIGIN):
    degrees = 180.0 / np.pi
    libration, translation = slice(0, 3), slice(3, 6)
    return TlsGroup(
        "1",
        origin,
        covariance[translation, translation],
        covariance[libration, libration] * degrees**2,
        covariance[libration, translation] * degrees,
    )


def test_small_librations_of_a_rigid_body(motion):
    """Covariances of positions after real rotations and shifts, in the limit of small ones."""
    covariance, positions = motion
    step, expected = 1e-4, np.zeros((40, 3, 3))
    for column in np.linalg.cholesky(covariance).T:
        ends = []
        for sign in (step, -step):
            turn = Rotation.from_rotvec(sign * column[:3])
            ends.append(turn.apply(positions - ORIGIN) + ORIGIN + sign * column[3:])
        displacement = (ends[0] - ends[1]) / (2.0 * step)
        expected += displacement[:, :, None] * displacement[:, None, :]
    u = group_of(covariance).tensors(positions)
    np.testing.assert_allclose(u[:, VOIGT], expected, rtol=1e-6, atol=1e-7)


def test_random_librations_of_a_rigid_body(motion):
    """10^5 random motions of 2 degrees, not infinitesimal ones: the second moments agree."""
    covariance, positions = motion
    rng = np.random.default_rng(8)
    drawn = rng.multivariate_normal(np.zeros(6), covariance, 100_000)
    arm = positions[0] - ORIGIN
    moved = Rotation.from_rotvec(drawn[:, :3]).apply(arm) + drawn[:, 3:]
    u = group_of(covariance).tensors(positions[:1])[0]
    # Of 10^5 squares of normal deviates the mean has an error of sqrt(2 / 10^5) = 0.45 %; terms of
    # fourth order in a libration of 0.07 radians add as much
    np.testing.assert_allclose(np.cov(moved.T), u[VOIGT], atol=0.02 * np.abs(u).max())


def test_the_origin_is_a_convention(motion):
    """T and S at another origin, by the displacement of that point, give the same U."""
    covariance, positions = motion
    shift = np.array([7.0, -4.0, 1.5])
    x, y, z = shift
    arm = np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])
    change = np.block([[np.eye(3), np.zeros((3, 3))], [arm, np.eye(3)]])
    moved = group_of(change @ covariance @ change.T, ORIGIN + shift)
    there = group_of(covariance).tensors(positions)
    np.testing.assert_allclose(moved.tensors(positions), there, rtol=1e-10)


def test_the_trace_of_s_does_not_matter(motion):
    covariance, positions = motion
    group = group_of(covariance)
    other = TlsGroup("1", group.origin, group.t, group.l, group.s + 3.0 * np.eye(3))
    np.testing.assert_allclose(other.tensors(positions), group.tensors(positions), atol=1e-12)


def test_rotation_of_the_frame(motion):
    """Tensors, origin and atoms turned together give turned U."""
    covariance, positions = motion
    turn = Rotation.from_euler("xyz", [20, -50, 110], degrees=True).as_matrix()
    both = np.kron(np.eye(2), turn)
    turned = group_of(both @ covariance @ both.T, turn @ ORIGIN).tensors(positions @ turn.T)
    expected = turn @ group_of(covariance).tensors(positions)[:, VOIGT] @ turn.T
    np.testing.assert_allclose(turned[:, VOIGT], expected, atol=1e-12)


def test_nothing_known_and_nothing_to_add():
    zero, some = np.zeros((3, 3)), np.eye(3)
    assert TlsGroup("1", ORIGIN, zero, zero, zero).is_zero
    assert not TlsGroup("1", ORIGIN, some, zero, zero).is_zero
    assert not TlsGroup("1", ORIGIN * np.nan, some, zero, zero).is_known
