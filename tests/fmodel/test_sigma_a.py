"""sigma_A: recovered from simulated data; figures of merit that are what they say."""

import numpy as np
import pytest

from friedel.errors import ReflectionsError
from friedel.fmodel.sigma_a import (
    SigmaA,
    estimate,
    figure_of_merit,
    mean_intensity,
    phase_statistics,
    rice_negative_log_likelihood,
)
from friedel.model.crystal import Crystal

CRYSTAL = Crystal.from_triplets(
    (40, 50, 60, 90, 90, 90), ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"], "P 21 21 21"
)


def simulated(sigma_a: np.ndarray, centric: np.ndarray, seed: int = 0):
    """E_obs, E_model and their phase difference, of a crystal and a model correlated so much."""
    rng = np.random.default_rng(seed)

    def normal() -> np.ndarray:
        real, imaginary = rng.normal(size=(2, len(sigma_a)))
        return np.where(centric, real + 0j, (real + 1j * imaginary) / np.sqrt(2.0))

    model = normal()
    crystal = sigma_a * model + np.sqrt(1.0 - sigma_a**2) * normal()
    return np.abs(crystal), np.abs(model), np.angle(crystal * np.conj(model))


class TestEstimate:
    @pytest.mark.parametrize("only", ["acentric", "centric", "both"])
    def test_recovers_a_curve(self, only):
        n = 40_000
        rng = np.random.default_rng(1)
        stol2 = 0.0625 * rng.random(n) ** (2 / 3)
        centric = {"acentric": np.zeros(n, bool), "centric": np.ones(n, bool)}.get(
            only, rng.random(n) < 0.2
        )
        truth = SigmaA((1.5, -1.0, 0.4), (0.0, 0.5), 0, 0.0)
        e_obs, e_model, _ = simulated(truth(stol2), centric)
        found = estimate(e_obs, e_model, centric, stol2, (0.0, 0.5))
        # of the 40000, some 1000 are near each resolution that the curve can tell apart;
        # 0.03 there is three to five standard errors
        np.testing.assert_allclose(found(stol2), truth(stol2), atol=0.03)

    def test_few_reflections_get_a_constant(self):
        e_obs, e_model, _ = simulated(np.full(80, 0.9), np.zeros(80, bool))
        found = estimate(e_obs, e_model, np.zeros(80, bool), np.linspace(0.01, 0.06, 80), (0, 0.5))
        assert len(found.coefficients) == 1
        assert found(np.array([0.0, 1.0])) == pytest.approx([found(np.array([0.03]))[0]] * 2)

    def test_likelihood_is_at_its_maximum(self):
        e_obs, e_model, _ = simulated(np.full(500, 0.8), np.zeros(500, bool))
        stol2, none = np.linspace(0.01, 0.06, 500), np.zeros(500, bool)
        found = estimate(e_obs, e_model, none, stol2, (0.2, 0.5))
        for i in range(len(found.coefficients)):
            for step in (-0.05, 0.05):
                moved = list(found.coefficients)
                moved[i] += step
                other = SigmaA(tuple(moved), found.limits, 500, 0.0)(stol2)
                value = -rice_negative_log_likelihood(e_obs, e_model, none, other)[0].sum()
                assert value < found.log_likelihood

    @pytest.mark.parametrize("kind", [True, False])
    def test_derivative(self, kind):
        e_obs, e_model = np.array([0.2, 1.0, 2.5]), np.array([0.4, 1.2, 2.0])
        centric, s, step = np.full(3, kind), np.array([0.3, 0.7, 0.95]), 1e-6
        ahead, behind = (
            rice_negative_log_likelihood(e_obs, e_model, centric, s + d)[0] for d in (step, -step)
        )
        slope = rice_negative_log_likelihood(e_obs, e_model, centric, s)[1]
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)

    def test_a_perfect_model_is_no_infinity(self):
        e = np.abs(np.random.default_rng(0).normal(size=300))
        found = estimate(e, e, np.zeros(300, bool), np.linspace(0.01, 0.06, 300), (0.2, 0.5))
        assert found(np.array([0.03]))[0] > 0.99
        assert np.isfinite(figure_of_merit(e, e, np.zeros(300, bool), np.ones(300))).all()


class TestFigureOfMerit:
    @pytest.mark.parametrize("kind", [True, False])
    def test_is_the_mean_cosine(self, kind):
        n = 100_000
        centric, s = np.full(n, kind), np.full(n, 0.8)
        e_obs, e_model, difference = simulated(s, centric)
        fom = figure_of_merit(e_obs, e_model, centric, s)
        for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.0)):
            inside = (fom > low) & (fom <= high)
            error = 1.0 / np.sqrt(inside.sum())
            assert np.cos(difference[inside]).mean() == pytest.approx(
                fom[inside].mean(), abs=4 * error
            )

    def test_limits(self):
        none = figure_of_merit(np.ones(2), np.ones(2), np.array([True, False]), np.zeros(2))
        np.testing.assert_array_equal(none, [0.0, 0.0])


class TestMeanIntensity:
    def test_recovers_a_fall_off(self):
        hkl = CRYSTAL.unique_reflections(2.0)
        expected = 500.0 * np.exp(-40.0 * CRYSTAL.stol2(hkl))
        centric, epsilon = CRYSTAL.is_centric(hkl), CRYSTAL.epsilon(hkl)
        e, _, _ = simulated(np.full(len(hkl), 0.5), centric)
        found = mean_intensity(CRYSTAL, hkl, e * np.sqrt(epsilon * expected))
        # 9000 reflections, 6 coefficients: 3 % each, more at the ends
        np.testing.assert_allclose(found, expected, rtol=0.25)
        assert np.abs(found / expected - 1).mean() < 0.05

    def test_units_do_not_matter(self):
        hkl = CRYSTAL.unique_reflections(4.0)
        f = np.random.default_rng(2).rayleigh(size=len(hkl))
        small, large = (mean_intensity(CRYSTAL, hkl, f * unit) for unit in (1.0, 1e5))
        np.testing.assert_allclose(large, 1e10 * small, rtol=1e-9)

    def test_is_the_likeliest(self):
        hkl = CRYSTAL.unique_reflections(3.0)
        f = np.random.default_rng(2).rayleigh(size=len(hkl)) * np.exp(-15 * CRYSTAL.stol2(hkl))
        mean = mean_intensity(CRYSTAL, hkl, f)
        residual = 1.0 - f**2 / (CRYSTAL.epsilon(hkl) * mean)
        inverse_d = 2.0 * np.sqrt(CRYSTAL.stol2(hkl))
        # where log S + I / S is least it falls with no power of 1/d that the curve has
        for power in range(6):
            assert abs((residual * inverse_d**power).mean()) < 1e-7

    def test_shells_of_zeros_leave_it_finite(self):
        hkl = CRYSTAL.unique_reflections(2.0)
        f = np.random.default_rng(2).rayleigh(size=len(hkl))
        f[CRYSTAL.d_spacing(hkl) < 3.0] = 0.0
        found = mean_intensity(CRYSTAL, hkl, f)
        assert (np.isfinite(found) & (found > 0)).all()

    def test_nothing(self):
        np.testing.assert_array_equal(
            mean_intensity(CRYSTAL, CRYSTAL.unique_reflections(9.0)[:20], np.zeros(20)), 1.0
        )


class TestPhaseStatistics:
    def test_on_the_scale_of_the_amplitudes(self):
        hkl = CRYSTAL.unique_reflections(2.2)
        centric, epsilon = CRYSTAL.is_centric(hkl), CRYSTAL.epsilon(hkl)
        e_obs, e_model, difference = simulated(np.full(len(hkl), 0.85), centric)
        f_obs, f_model = 30.0 * e_obs * np.sqrt(epsilon), 10.0 * e_model * np.sqrt(epsilon)
        found = phase_statistics(CRYSTAL, hkl, f_obs, f_model, np.ones(len(hkl), bool))
        np.testing.assert_allclose(found.sigma_a(CRYSTAL.stol2(hkl)), 0.85, atol=0.07)
        np.testing.assert_allclose(found.d, 0.85 * 3.0, rtol=0.2)
        # the expectation of F cos(difference) is m F_obs, and D F_model over many
        cosine = f_obs * np.cos(difference)
        assert cosine.sum() == pytest.approx((found.fom * f_obs).sum(), rel=0.02)

    def test_too_few(self):
        hkl = CRYSTAL.unique_reflections(6.0)
        ones = np.ones(len(hkl))
        with pytest.raises(ReflectionsError, match="got 3 reflections"):
            phase_statistics(CRYSTAL, hkl, ones, ones, np.arange(len(hkl)) < 3)
