"""Posterior moments of French and Wilson: against special functions, limits and simulation."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import gamma, pbdv

from friedel.reflections.french_wilson import posterior


def by_special_functions(h, nu, k):
    """E[t^k]: the integral of t^(nu-1) exp(-(t-h)^2/2) is a parabolic cylinder function."""
    above, below = pbdv(-(nu + k), -h)[0], pbdv(-nu, -h)[0]
    return gamma(nu + k) / gamma(nu) * above / below


@pytest.mark.parametrize(("centric", "nu", "n"), [(False, 1.0, 1), (True, 0.5, 2)])
def test_moments_are_parabolic_cylinder_functions(centric, nu, n):
    h, mean = np.linspace(-20.0, 20.0, 81), 100.0
    found = posterior(
        h + 1.0 / (n * mean), np.ones(81), np.full(81, mean), np.full(81, bool(centric))
    )
    # The cut at exp(-40) and 48 nodes leave 1e-9
    np.testing.assert_allclose(found.f, by_special_functions(h, nu, 0.5), rtol=3e-9)
    np.testing.assert_allclose(found.j, by_special_functions(h, nu, 1.0), rtol=3e-9)
    np.testing.assert_allclose(found.f**2 + found.sigma_f**2, found.j, rtol=1e-8)


@pytest.mark.parametrize("centric", [False, True])
def test_strong_reflections_keep_their_measurement(centric):
    i = np.array([1e3, 1e6, 1e10])
    found = posterior(i, np.ones(3), i, np.full(3, centric))
    # F = I^(1/2) (1 - 1 / (8 I^2) ...) and the prior moves I by sigma^2 / <J> at most
    np.testing.assert_allclose(found.f, np.sqrt(i), rtol=1e-6)
    np.testing.assert_allclose(found.sigma_f, 0.5 / np.sqrt(i), rtol=1e-5)


@pytest.mark.parametrize(
    ("centric", "ratio"), [(False, np.sqrt(np.pi) / 2), (True, np.sqrt(2 / np.pi))]
)
def test_a_measurement_that_says_nothing_leaves_the_prior(centric, ratio):
    found = posterior(np.array([7.0]), np.array([1e6]), np.array([4.0]), np.array([centric]))
    # <F> / <J>^(1/2) of Wilson's distributions; what is left is of the order <J> / sigma
    assert found.f[0] == pytest.approx(2.0 * ratio, rel=1e-5)
    assert found.j[0] == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize("centric", [False, True])
def test_no_amplitude_is_negative_or_zero(centric):
    i = np.array([-1e3, -5.0, -1.0, 0.0])
    found = posterior(i, np.ones(4), np.full(4, 2.0), np.full(4, centric))
    assert (found.f > 0).all()
    assert (np.diff(found.f) > 0).all()
    assert all(np.isfinite(column).all() for column in found)


@pytest.mark.parametrize("centric", [False, True])
def test_intensities_are_unbiased_over_the_prior(centric):
    """Averaged over what Wilson's distribution gives and errors add, the mean is the truth's."""
    rng = np.random.default_rng(5)
    n, mean = 200_000, 3.0
    shape = 0.5 if centric else 1.0
    true = rng.gamma(shape, mean / shape, n)
    sigma = rng.uniform(0.5, 3.0, n)
    found = posterior(
        true + sigma * rng.normal(size=n), sigma, np.full(n, mean), np.full(n, centric)
    )
    spread = np.hypot(found.sigma_j, found.sigma_f).std() / np.sqrt(n) + true.std() / np.sqrt(n)
    assert abs(found.j.mean() - true.mean()) < 4 * spread
    assert abs(found.f.mean() - np.sqrt(true).mean()) < 4 * spread
    # The stated uncertainties are those of the errors made
    assert np.mean((found.j - true) ** 2) == pytest.approx(np.mean(found.sigma_j**2), rel=0.03)


def test_no_reflections():
    assert all(len(column) == 0 for column in posterior(*np.zeros((3, 0)), np.zeros(0, bool)))


IN_CCTBX = """
import sys
import numpy as np
from cctbx.french_wilson import fw_acentric, fw_centric
stored = np.load(sys.argv[1])
rows = zip(stored["i"], stored["sigma"], stored["mean"], stored["centric"])
found = [
    (fw_centric if c else fw_acentric)(float(i), float(s), float(m), -4.0) for i, s, m, c in rows
]
np.save(sys.argv[2], np.array(found)[:, 2:])
"""


def test_beside_cctbx(tmp_path):
    """The same <J> for both, in shells of it as resolution makes them.

    cctbx interpolates its tables, and takes F for J^(1/2) above three sigma, which is more than
    <J^(1/2)> by a quarter of sigma(F) / I there.
    """
    pytest.importorskip("cctbx")
    rng = np.random.default_rng(7)
    n = 5000
    mean, sigma, centric = rng.uniform(1, 30, n), rng.uniform(0.5, 5.0, n), rng.random(n) < 0.2
    i = rng.gamma(np.where(centric, 0.5, 1.0), mean) + sigma * rng.normal(size=n)
    np.savez(tmp_path / "in.npz", i=i, sigma=sigma, mean=mean, centric=centric)
    arguments = [str(tmp_path / name) for name in ("in.npz", "out.npy")]
    subprocess.run([sys.executable, "-c", IN_CCTBX, *arguments], check=True)
    f, sigma_f = np.load(tmp_path / "out.npy").T
    kept = f >= 0
    found = posterior(i, sigma, mean, centric)
    for some in np.array_split(np.argsort(mean), 10):
        some = some[kept[some]]
        assert np.median(np.abs(found.f - f)[some] / found.sigma_f[some]) < 0.05
        assert np.median(found.sigma_f[some] / sigma_f[some]) == pytest.approx(1.0, abs=0.1)
