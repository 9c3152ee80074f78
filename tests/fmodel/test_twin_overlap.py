"""Domains of a twin that overlap at a reflection, and sigma_A from the amplitudes of all."""

from dataclasses import replace

import numpy as np
import pytest

from friedel.fmodel.sigma_a import SigmaA, estimate, phase_statistics
from friedel.fmodel.sigma_a_laws import moments, negative_log_likelihood
from friedel.fmodel.twin_overlap import TwinOverlap
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw

CRYSTAL = Crystal.from_triplets((45, 45, 60, 90, 90, 90), ["-x,-y,z+1/2"], "P 1 1 21")
TWOFOLD, FOURFOLD = TwinLaw.parse("h,-k,-l"), TwinLaw.parse("-k,h,l")


def overlap(hkl, laws, fractions) -> TwinOverlap:
    return TwinOverlap.of(CRYSTAL, hkl, laws, fractions, np.ones((len(laws), len(hkl))))


class TestShares:
    def test_are_the_fractions(self):
        found = overlap(np.array([[1, 2, 3], [4, 1, 2]]), (TWOFOLD, FOURFOLD), (0.3, 0.2))
        np.testing.assert_allclose(found.shares, [[0.5] * 2, [0.3] * 2, [0.2] * 2])
        assert not found.is_single.any()

    def test_equivalent_mates_are_one_reflection(self):
        """The twofold takes h 0 l to its own equivalent, and the fourfold does not."""
        hkl = np.array([[3, 0, 2], [0, 0, 4], [2, 2, 1]])
        found = overlap(hkl, (TWOFOLD, FOURFOLD), (0.3, 0.2))
        np.testing.assert_allclose(found.shares[:, 0], [0.8, 0.0, 0.2])
        np.testing.assert_allclose(found.shares[:, 1], [1.0, 0.0, 0.0])
        # 2 -2 -1 and -2 2 1 are Friedel mates
        np.testing.assert_allclose(found.shares[:, 2], [0.5, 0.5, 0.0])
        np.testing.assert_array_equal(found.is_single, [False, True, False])

    def test_reflections_without_mate_are_of_one_domain(self):
        law = TwinLaw.parse("h,-k,h/2-l")
        found = overlap(np.array([[1, 2, 3], [2, 2, 3]]), (law,), (0.3,))
        np.testing.assert_allclose(found.shares, [[0.7, 0.7], [0.0, 0.3]])
        np.testing.assert_allclose(found.total, [0.7, 1.0])

    def test_fractions_beyond_their_limits(self):
        hkl = np.array([[1, 2, 3]])
        assert overlap(hkl, (TWOFOLD,), (-0.1,)).is_single.all()
        assert overlap(hkl, (TWOFOLD,), (1.0,)).shares[0, 0] > 0.0


class TestTwoDomains:
    E = np.array([[0.3, 1.2, 2.0], [0.8, 0.1, 1.5]])

    def three(self) -> TwinOverlap:
        return TwinOverlap(np.array([[0.5] * 3, [0.3] * 3, [0.2] * 3]), self.E)

    def test_one_further_domain_is_itself(self):
        twin = TwinOverlap(np.array([[0.7] * 3, [0.3] * 3]), self.E[:1])
        s = np.array([0.5, 0.9, 0.999])
        expected, variance = twin.two_domains(np.ones(3), s, 1.0 - s**2)
        np.testing.assert_allclose(expected, np.sqrt(twin.shares) * s * [np.ones(3), self.E[0]])
        np.testing.assert_allclose(variance, twin.shares * (1.0 - s**2))

    def test_several_have_the_mean_and_variance_of_their_intensity(self):
        s = np.array([0.3, 0.8, 0.99])
        expected, variance = self.three().two_domains(np.ones(3), s, 1.0 - s**2)
        e, v = np.sqrt([[0.3], [0.2]]) * s * self.E, np.array([[0.3], [0.2]]) * (1.0 - s**2)
        for found, wanted in (
            (expected[1] ** 2 + variance[1], e**2 + v),
            (variance[1] ** 2 + 2 * variance[1] * expected[1] ** 2, v**2 + 2 * v * e**2),
        ):
            np.testing.assert_allclose(found, wanted.sum(axis=0))

    def test_derivatives(self):
        s, step = np.array([0.3, 0.8, 0.99]), 1e-6
        ahead, behind = (
            np.array(self.three().two_domains(np.ones(3), s + d, 1.0 - (s + d) ** 2))
            for d in (step, -step)
        )
        found = self.three().derivatives_of_two(np.ones(3), s)
        np.testing.assert_allclose(found, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-8)


def simulated(shares, sigma_a, centric, seed):
    """E_obs of a twin, E_model of the first domain, the further ones, and cosines of the first."""
    rng = np.random.default_rng(seed)
    shape = len(shares), len(sigma_a)

    def normal() -> np.ndarray:
        real, imaginary = rng.normal(size=(2, *shape))
        return np.where(centric, real + 0j, (real + 1j * imaginary) / np.sqrt(2.0))

    e_model = normal()
    true = sigma_a * e_model + np.sqrt(1.0 - sigma_a**2) * normal()
    e_obs = np.sqrt(np.array(shares) @ np.abs(true) ** 2)
    twin = TwinOverlap(np.repeat(np.array(shares)[:, None], shape[1], 1), np.abs(e_model[1:]))
    return e_obs, np.abs(e_model[0]), twin, np.cos(np.angle(true[0] * np.conj(e_model[0])))


SHARES = pytest.mark.parametrize("shares", [(0.9, 0.1), (0.55, 0.45), (0.5, 0.3, 0.2)], ids=str)


@SHARES
@pytest.mark.parametrize("sigma", [None, 0.2])
def test_sigma_a_and_m_of_simulated_twins(shares, sigma):
    n = 4000
    stol2, centric = np.linspace(0.01, 0.0625, n), np.arange(n) % 6 == 0
    truth = SigmaA((1.7, -0.6), (0.2, 0.5), 0, 0.0)(stol2)
    e_obs, e_model, twin, cosine = simulated(shares, truth, centric, 4)
    e_sigma = None
    if sigma is not None:
        e_sigma = np.full(n, sigma)
        e_obs = np.abs(e_obs + sigma * np.random.default_rng(1).normal(size=n))
    found = estimate(e_obs, e_model, centric, stol2, (0.2, 0.5), e_sigma, None, twin)(stol2)
    # the 4000 reflections are four times fewer for each resolution: errors of 0.01 to 0.02
    np.testing.assert_allclose(found, truth, atol=0.06)
    assert found.mean() == pytest.approx(truth.mean(), abs=0.02)
    m, _ = moments(e_obs, e_model, centric, truth, e_sigma, twin)
    for part in np.array_split(np.argsort(m), 4):
        # 1000 cosines with a standard deviation of up to 0.7
        assert m[part].mean() == pytest.approx(cosine[part].mean(), abs=0.07)


def test_a_perfect_model_is_no_infinity():
    n = 600
    none = np.zeros(n, bool)
    e_obs, e_model, twin, _ = simulated((0.7, 0.3), np.full(n, 1.0), none, 0)
    found = estimate(e_obs, e_model, none, np.linspace(0.01, 0.06, n), (0.2, 0.5), twin=twin)
    assert found(np.array([0.03]))[0] > 0.99


def test_without_a_second_domain_it_is_an_untwinned_crystal(monkeypatch):
    hkl = CRYSTAL.unique_reflections(3.0)
    centric, epsilon = CRYSTAL.is_centric(hkl), CRYSTAL.epsilon(hkl)
    e_obs, e_model, _, _ = simulated((1.0,), np.full(len(hkl), 0.8), centric, 2)
    f_obs, f_model, free = (
        e_obs * epsilon**0.5,
        e_model * epsilon**0.5,
        np.arange(len(hkl)) % 9 == 0,
    )
    twin = TwinOverlap.of(CRYSTAL, hkl, (TWOFOLD,), (0.0,), [e_model])
    monkeypatch.setattr("friedel.fmodel.sigma_a.MOST_FOR_SHAPE_OF_TWIN", 4000)
    plain, found = (
        phase_statistics(CRYSTAL, hkl, f_obs, f_model, free, twin=of) for of in (None, twin)
    )
    # the minimum is the same, but for the lengths of the last steps
    np.testing.assert_allclose(found.fom, plain.fom, atol=0.01)
    np.testing.assert_allclose(found.f_expected, plain.f_expected, atol=0.01 * f_obs.max())
    s = plain.sigma_a(CRYSTAL.stol2(hkl))
    for one, other in zip(
        negative_log_likelihood(e_obs, e_model, centric, s, None, twin),
        negative_log_likelihood(e_obs, e_model, centric, s),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_equal_domains_are_alike():
    """What a perfect twin says of one domain it says of the other."""
    n = 50
    s, none = np.full(n, 0.8), np.zeros(n, bool)
    e_obs, e_model, twin, _ = simulated((0.5, 0.5), s, none, 3)
    swapped = replace(twin, others=e_model[None])
    one, two = (
        negative_log_likelihood(e_obs, e, none, s, None, of_twin)
        for e, of_twin in ((e_model, twin), (twin.others[0], swapped))
    )
    for found, wanted in zip(one, two, strict=True):
        np.testing.assert_allclose(found, wanted, atol=5e-3)
