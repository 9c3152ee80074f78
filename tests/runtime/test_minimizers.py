"""Minimisers for few parameters."""

import numpy as np

from friedel.runtime.minimizers import scoring


def test_scoring_finds_the_minimum_of_a_likelihood():
    """Also from afar, and with a value that has errors of its own."""
    rng = np.random.default_rng(1)
    terms, truth = rng.normal(size=(4000, 3)), np.array([1.0, -0.5, 0.3])
    seen = rng.random(4000) < 1.0 / (1.0 + np.exp(-terms @ truth))

    def scores(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        p = 1.0 / (1.0 + np.exp(-terms @ x))
        of_each = (p - seen)[:, None] * terms
        value = -np.log(np.where(seen, p, 1.0 - p)).sum()
        return round(float(value), 1), of_each.sum(axis=0), of_each.T @ of_each

    found = scoring(scores, np.array([-3.0, 3.0, 2.0]))
    # a standard error is 0.04; the gradient is exact, the value is rounded
    np.testing.assert_allclose(found, truth, atol=0.15)
    assert np.abs(np.linalg.solve(scores(found)[2], scores(found)[1])).max() < 0.02
