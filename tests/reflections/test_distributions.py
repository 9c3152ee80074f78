"""Negative logarithms of densities: they integrate to 1, and their derivatives are theirs."""

import numpy as np
import pytest
from scipy.integrate import quad

from friedel.reflections.distributions import amplitude_likelihood, huber_loss, mean_cosine

KINDS = pytest.mark.parametrize("centric", [False, True])


def value(observed, expected, variance, centric):
    arrays = (np.array([float(x)]) for x in (observed, expected, variance))
    return float(amplitude_likelihood(*arrays, np.array([centric]))[0][0])


@KINDS
@pytest.mark.parametrize(("expected", "variance"), [(0.0, 1.0), (1.3, 0.4), (40.0, 0.3)])
def test_amplitudes_have_probability_one(centric, expected, variance):
    def density(o):
        of_observed = np.sqrt(2.0 / np.pi) if centric else 2.0 * o
        return of_observed * np.exp(-value(o, expected, variance, centric))

    width = 12.0 * np.sqrt(variance)
    low, high = max(0.0, expected - width), expected + width
    assert quad(density, low, high, epsabs=1e-12)[0] == pytest.approx(1.0, abs=1e-9)


@KINDS
def test_derivatives_of_the_likelihood(centric):
    o, e, v = np.random.default_rng(5).uniform(0.2, 3.0, (3, 50))
    of_kind = np.full(50, centric)
    _, by_expected, by_variance = amplitude_likelihood(o, e, v, of_kind)
    step = 1e-5
    for found, d_e, d_v in ((by_expected, step, 0.0), (by_variance, 0.0, step)):
        ahead, behind = (
            amplitude_likelihood(o, e + s * d_e, v + s * d_v, of_kind)[0] for s in (1, -1)
        )
        # of the third derivative, at most 1e4 here, the difference leaves step^2 / 6
        np.testing.assert_allclose(found, (ahead - behind) / (2 * step), atol=1e-6, rtol=1e-6)


@KINDS
def test_an_expected_amplitude_has_no_sign(centric):
    o, e, v = np.random.default_rng(6).uniform(0.2, 3.0, (3, 20))
    kind = np.full(20, centric)
    plus, minus = (amplitude_likelihood(o, sign * e, v, kind) for sign in (1.0, -1.0))
    np.testing.assert_allclose(plus[0], minus[0], rtol=1e-14)
    np.testing.assert_allclose(plus[1], -minus[1], rtol=1e-14)


@KINDS
def test_mean_cosine_is_that_of_the_phase(centric):
    phases = np.array([0.0, np.pi]) if centric else 2.0 * np.pi * np.arange(400) / 400
    for x in (0.1, 1.0, 5.0):
        weight = np.exp((x if centric else 2.0 * x) * np.cos(phases))
        expected = (weight @ np.cos(phases)) / weight.sum()
        assert mean_cosine(np.array([x]), np.array([centric]))[0] == pytest.approx(
            expected, rel=1e-12
        )


def test_hubers_loss_is_a_parabola_with_straight_arms():
    r = np.linspace(-4.0, 4.0, 81)
    loss, slope = huber_loss(r, 1.5)
    inside = np.abs(r) <= 1.5
    np.testing.assert_allclose(loss[inside], 0.5 * r[inside] ** 2, rtol=1e-14)
    np.testing.assert_allclose(loss[~inside], 1.5 * np.abs(r[~inside]) - 1.125, rtol=1e-14)
    np.testing.assert_array_equal(slope, np.clip(r, -1.5, 1.5))
