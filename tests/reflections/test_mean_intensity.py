"""The mean intensity where many intensities are negative: bounded, positive, nearly unbiased."""

import numpy as np
import pytest

import friedel
from friedel.model.crystal import Crystal
from friedel.reflections.french_wilson import posterior
from friedel.reflections.mean_intensity import (
    log_mean_fit,
    mean_and_error,
    mean_intensity,
    mean_of_intensities,
    resolution_limits,
    resolution_terms,
)

N, B = 1500, 20.0


def weak_data(seed, noise=0.75):
    """Intensities, sigmas, true mean and true intensities of a crystal in P 21 21 21.

    `noise` is sigma over the mean of the 500 intensities at lowest resolution; with 0.75 a third
    of the intensities are negative.
    """
    triplets = ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"]
    crystal = Crystal.from_triplets((20, 25, 30, 90, 90, 90), triplets)
    hkl = crystal.unique_reflections(1.8)
    hkl = hkl[np.argsort(crystal.stol2(hkl))][:N]
    rng = np.random.default_rng(seed)
    mean = 1e4 * np.exp(-2.0 * B * crystal.stol2(hkl))
    shape = np.where(crystal.is_centric(hkl), 0.5, 1.0)
    true = crystal.epsilon(hkl) * mean * rng.gamma(shape, 1.0 / shape)
    sigmas = np.full(N, noise * true[:500].mean())
    return crystal, hkl, true + sigmas * rng.normal(size=N), sigmas, mean, true


@pytest.mark.parametrize("anisotropic", [False, True])
def test_a_third_of_the_intensities_negative(anisotropic):
    """Over 100 seeds amplitudes are nearly as good as with the true mean, and the mean is near."""
    errors, ratios, negative = [], [], []
    for seed in range(100):
        crystal, hkl, i, sigmas, mean, true = weak_data(seed)
        negative.append((i < 0).mean())
        found = friedel.french_wilson(crystal, hkl, i, sigmas, anisotropic=anisotropic)
        assert (found.values > 0).all()
        centric = crystal.is_centric(hkl)
        best = posterior(i, sigmas, crystal.epsilon(hkl) * mean, centric).f
        size = [np.sqrt(np.mean((f - np.sqrt(true)) ** 2)) for f in (found.values, best)]
        errors.append(size[0] / size[1])
        ratios.append(np.log(mean_of_intensities(crystal, hkl, i, sigmas) / mean))
    assert np.mean(negative) == pytest.approx(1 / 3, abs=0.03)
    assert np.mean(errors) < 1.03
    assert max(errors) < 1.10
    # the mean of 25 reflections at the end of the curve is known to a factor of a few
    assert np.abs(ratios).max() < np.log(10.0)
    # at low resolution its bias is small
    assert np.mean(np.array(ratios)[:, :500]) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("noise", [2.0, 10.0, 1e3])
def test_hardly_a_signal(noise):
    """The mean is never below its own error, and a note says where it would be."""
    noted = []
    for seed in range(20):
        crystal, hkl, i, sigmas, _, _ = weak_data(seed, noise)
        mean, error = mean_and_error(crystal, hkl, i, sigmas)
        np.testing.assert_allclose(error, sigmas[0] * np.sqrt(6 / N), rtol=0.12)  # epsilon
        assert (mean >= error).all()
        # at its end, which few reflections determine, the curve is a few times the noise
        assert mean.max() < 15.0 * max(sigmas[0], 1e4)
        found = friedel.french_wilson(crystal, hkl, i, sigmas)
        assert np.isfinite(found.values).all()
        n = int((mean <= error * (1 + 1e-9)).sum())
        notes = [note for note in found.notes if "below its error" in note]
        assert [note.number for note in notes] == [n] * (n > 0)
        noted += notes
    assert noted


def test_units_do_not_matter():
    crystal, hkl, i, sigmas, _, _ = weak_data(3)
    one, other = (mean_of_intensities(crystal, hkl, u * i, u * sigmas) for u in (1.0, 1e-20))
    np.testing.assert_allclose(other, 1e-20 * one, rtol=1e-5)


@pytest.mark.parametrize("kind", ["zero", "negative", "one"])
def test_no_positive_mean(kind):
    crystal, hkl, i, sigmas, _, _ = weak_data(0)
    i = {"zero": 0.0 * i, "negative": -sigmas, "one": np.where(np.arange(N) == 7, 1.0, -sigmas)}[
        kind
    ]
    mean, error = mean_and_error(crystal, hkl, i, sigmas)
    np.testing.assert_allclose(mean, error, rtol=1e-6)


def test_small_errors_hardly_matter():
    """For strong data the mean is that of Wilson's likelihood without errors."""
    crystal, hkl, _, sigmas, _, true = weak_data(1, noise=1e-3)
    with_errors = mean_of_intensities(crystal, hkl, true, sigmas)
    np.testing.assert_allclose(with_errors, mean_intensity(crystal, hkl, np.sqrt(true)), rtol=2e-3)


@pytest.mark.parametrize("noise", [None, 0.4])
def test_derivatives(noise, monkeypatch):
    """The search gets the derivatives of its loss, by finite differences."""
    crystal, hkl, i, _, _, _ = weak_data(2)
    stol2 = crystal.stol2(hkl)
    terms = resolution_terms(stol2, resolution_limits(stol2), 4)
    given = {}
    monkeypatch.setattr(
        "friedel.reflections.mean_intensity.trust_exact",
        lambda loss, hess, x, _: given.update(loss=loss, hess=hess) or x,
    )
    log_mean_fit(terms, i / i.mean(), None, None if noise is None else np.full(N, noise))
    x = np.array([0.1, -0.4, 0.2, 0.1])
    steps = 1e-5 * np.eye(4)
    slope = [(given["loss"](x + s)[0] - given["loss"](x - s)[0]) / 2e-5 for s in steps]
    np.testing.assert_allclose(given["loss"](x)[1], slope, atol=1e-8)
    bend = [(given["loss"](x + s)[1] - given["loss"](x - s)[1]) / 2e-5 for s in steps]
    np.testing.assert_allclose(given["hess"](x), bend, atol=1e-7)
