"""Sums of weighted squares, of numbers of any size."""

import numpy as np
import pytest

from friedel.reflections.agreement import weighted_norm, weighted_r2


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_squares_do_not_overflow(size):
    values, weights = size * np.array([3.0, -4.0]), np.array([1.0, 4.0])
    assert weighted_norm(values, weights) == pytest.approx(size * np.sqrt(73.0), rel=1e-14)


def test_nothing():
    assert weighted_norm(np.zeros(3), np.ones(3)) == 0.0
    assert weighted_norm(np.zeros(0), np.ones(0)) == 0.0


def test_wr2_is_a_ratio_of_norms():
    rng = np.random.default_rng(0)
    observed, model, weights = rng.random((3, 50))
    expected = weighted_norm(observed - model, weights) / weighted_norm(observed, weights)
    assert weighted_r2(observed, model, weights) == pytest.approx(expected, rel=1e-14)
