"""Laws of the amplitudes of a twin: against sums over a grid, simulated data, and one domain."""

import numpy as np
import pytest
from scipy import special

from friedel.reflections.distributions import (
    amplitude_likelihood,
    amplitude_moments,
    mean_cosine,
)
from friedel.reflections.twinned_distributions import (
    two_amplitudes_likelihood,
    two_amplitudes_moments,
)

KINDS = pytest.mark.parametrize("kind", [False, True], ids=["acentric", "centric"])


def drawn(rng, fraction, sigma_a, n, kind):
    """Expected F and variances (2, n) of two domains, and complex true F (2, n)."""

    def normal() -> np.ndarray:
        real, imaginary = rng.normal(size=(2, 2, n))
        return real + 0j if kind else (real + 1j * imaginary) / np.sqrt(2.0)

    weight = np.sqrt([[1.0 - fraction], [fraction]])
    e, variance = np.abs(normal()), np.full((2, n), 1.0 - sigma_a**2)
    return (
        weight * sigma_a * e,
        weight**2 * variance,
        weight * (sigma_a * e + np.sqrt(variance) * normal()),
    )


def summed(observed, sigma, expected, variance, kind):
    """The negative log-likelihood, mean cosine and component, by sums over t and r."""
    t = (np.arange(500) + 0.5) * (0.5 * np.pi / 500)
    if sigma is None:
        r, log_weight = np.array([observed]), np.zeros(1)
    else:
        near = observed + sigma * np.linspace(-6.0, 6.0, 81)
        r = np.unique(np.concatenate([np.linspace(1e-6, observed + 2.0, 120), near[near > 0]]))
        log_weight = np.log(np.gradient(r) / sigma) - 0.5 * (((r - observed) / sigma) ** 2)
        log_weight -= 0.5 * np.log(2.0 * np.pi)
    log_p = (log_weight + np.log(r))[:, None] + np.zeros(len(t))
    amplitudes = r[:, None] * np.cos(t), r[:, None] * np.sin(t)
    cosines = []
    for f, e, v in zip(amplitudes, expected, variance, strict=True):
        x = f * e / v * (1.0 if kind else 2.0)
        if kind:
            log_p = log_p - (f - e) ** 2 / (2 * v) + np.log1p(np.exp(-2 * x)) - np.log(2.0)
            log_p = log_p - 0.5 * np.log(v)
            cosines.append(np.tanh(x))
        else:
            log_p = log_p - (f - e) ** 2 / v + np.log(special.i0e(x) * f / v)
            cosines.append(special.i1e(x) / special.i0e(x))
    p = np.exp(log_p - log_p.max())
    area = p.sum() * (t[1] - t[0])
    constant = np.sqrt(2.0 / np.pi) if kind else 2.0 / observed
    value = -np.log(constant * area) - log_p.max()
    cosine = p * cosines[0] / p.sum()
    return value, cosine.sum(), (cosine * amplitudes[0]).sum()


@pytest.mark.parametrize("sigma", [None, 0.003, 0.05, 0.3])
@KINDS
def test_are_the_integrals(kind, sigma):
    rng = np.random.default_rng(2)
    for fraction in (0.1, 0.45):
        for sigma_a in (0.5, 0.9, 0.99):
            expected, variance, truth = drawn(rng, fraction, sigma_a, 3, kind)
            observed = np.hypot(*np.abs(truth)) * np.array([1.0, 0.3, 1.5])
            arrays = observed, None if sigma is None else np.full(3, sigma), expected, variance
            centric = np.full(3, kind)
            value = two_amplitudes_likelihood(*arrays, centric)[0]
            found = np.array([value, *two_amplitudes_moments(*arrays, centric)])
            for i in range(3):
                of_grid = summed(observed[i], sigma, expected[:, i], variance[:, i], kind)
                np.testing.assert_allclose(found[:, i], of_grid, atol=5e-3)


@pytest.mark.parametrize("sigma", [None, 0.2])
@KINDS
def test_derivatives(kind, sigma):
    rng = np.random.default_rng(3)
    expected, variance, truth = drawn(rng, 0.3, 0.8, 40, kind)
    observed, centric = np.hypot(*np.abs(truth)), np.full(40, kind)
    sigmas = None if sigma is None else np.full(40, sigma)
    slopes = two_amplitudes_likelihood(observed, sigmas, expected, variance, centric)[1:]
    for which, slope in enumerate(slopes):
        for k in (0, 1):
            step, values = 0.02 * (expected, variance)[which][k], []
            for sign in (1.0, -1.0):
                law = np.array([expected, variance])
                law[which, k] += sign * step
                values.append(two_amplitudes_likelihood(observed, sigmas, *law, centric)[0])
            # values are good to 0.003, the steps 0.04 of the parameter
            change = values[0] - values[1]
            np.testing.assert_allclose(2.0 * step * slope[k], change, atol=6e-3)
            assert (change * slope[k]).sum() == pytest.approx(
                (2.0 * step * slope[k] ** 2).sum(), rel=0.02
            )


@KINDS
def test_one_domain_alone(kind):
    """A domain without intensity changes nothing."""
    o, e, v = np.array([0.2, 1.0, 2.5]), np.array([0.4, 1.0, 1.5]), np.array([0.6, 0.2, 0.9])
    centric, sigma = np.full(3, kind), np.array([0.1, 0.2, 0.3])
    small = 1e-4  # the smallest fraction that counts
    expected, variance = np.array([e, small**0.5 * e]), np.array([v, small * v])
    value, by_e, by_v = two_amplitudes_likelihood(o, None, expected, variance, centric)
    alone = amplitude_likelihood(o, e, v, centric)
    for found, wanted in zip((value, by_e[0], by_v[0]), alone, strict=True):
        np.testing.assert_allclose(found, wanted, atol=5e-3)
    cosine, component = two_amplitudes_moments(o, None, expected, variance, centric)
    np.testing.assert_allclose(cosine, mean_cosine(o * e / v, centric), atol=1e-3)
    np.testing.assert_allclose(component, cosine * o, atol=1e-3)
    found = two_amplitudes_moments(o, sigma, expected, variance, centric)
    np.testing.assert_allclose(found, amplitude_moments(o, sigma, e, v, centric), atol=4e-3)


@pytest.mark.parametrize("sigma", [None, 0.2])
@pytest.mark.parametrize("fraction", [0.1, 0.5])
@KINDS
def test_are_the_means_of_simulated_data(kind, fraction, sigma):
    n, rng = 20_000, np.random.default_rng(5)
    expected, variance, truth = drawn(rng, fraction, 0.85, n, kind)
    observed = np.hypot(*np.abs(truth))
    if sigma is not None:
        observed = observed + sigma * rng.normal(size=n)
    known = observed > 0
    cosine, component = two_amplitudes_moments(
        observed[known],
        None if sigma is None else np.full(n, sigma)[known],
        expected[:, known],
        variance[:, known],
        np.full(n, kind)[known],
    )
    along = truth[0, known].real
    true_cosine = along / np.abs(truth[0, known])
    for low, high in ((0.0, 0.4), (0.4, 0.7), (0.7, 0.9), (0.9, 1.0)):
        inside = (cosine > low) & (cosine <= high)
        error = 4.0 / np.sqrt(inside.sum())
        assert true_cosine[inside].mean() == pytest.approx(cosine[inside].mean(), abs=error)
        assert along[inside].mean() == pytest.approx(component[inside].mean(), abs=error)
    off, wanted = component - expected[0, known], along - expected[0, known]
    assert off @ wanted / (off @ off) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("sigma", [None, 1e-6, 1e-3, 1e3])
@KINDS
def test_outliers_are_finite(kind, sigma):
    """Also of a perfect model, whose law has no width that a grid over t would meet."""
    observed, n = np.array([1e-6, 1e-3, 1.0, 30.0, 1e3]), 5
    sigmas = None if sigma is None else np.full(n, sigma)
    for e, v in ((1e-6, 1e-6), (1.0, 1e-6), (1.0, 1.0), (30.0, 1e-6)):
        arrays = observed, sigmas, np.full((2, n), e), np.full((2, n), v), np.full(n, kind)
        cosine, component = two_amplitudes_moments(*arrays)
        assert all(np.isfinite(x).all() for x in two_amplitudes_likelihood(*arrays))
        assert ((cosine >= 0.0) & (cosine <= 1.0)).all()
        assert np.isfinite(component).all()


def test_a_perfect_model_is_detwinned():
    e = np.array([[0.6], [0.8]])
    cosine, component = two_amplitudes_moments(
        np.array([1.0]), None, e, np.full((2, 1), 1e-6), np.array([False])
    )
    assert cosine[0] == pytest.approx(1.0, abs=1e-4)
    assert component[0] == pytest.approx(0.6, abs=1e-3)
