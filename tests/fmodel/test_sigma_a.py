"""sigma_A: recovered from simulated data; figures of merit that are what they say."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from friedel.errors import ReflectionsError
from friedel.fmodel.sigma_a import (
    PhaseStatistics,
    SigmaA,
    doubled,
    estimate,
    map_coefficients,
    phase_statistics,
)
from friedel.fmodel.sigma_a_laws import figure_of_merit, rice_negative_log_likelihood
from friedel.model.crystal import Crystal
from friedel.reflections.distributions import amplitude_moments
from friedel.reflections.mean_intensity import mean_intensity

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


def _estimate_with(spread, *arguments) -> SigmaA:
    """The estimate from a part, with another width of the prior on the shape."""
    e_obs, e_model, centric, stol2, limits, prior = arguments
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("friedel.fmodel.sigma_a.CHANGE_OF_SHAPE", spread)
        return estimate(e_obs, e_model, centric, stol2, limits, None, prior)


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

    @pytest.mark.parametrize("e_sigma", [None, np.array([0.1, 0.3, 0.5])], ids=["exact", "noisy"])
    @pytest.mark.parametrize("kind", [True, False])
    def test_derivative(self, kind, e_sigma):
        e_obs, e_model = np.array([0.2, 1.0, 2.5]), np.array([0.4, 1.2, 2.0])
        centric, s, step = np.full(3, kind), np.array([0.3, 0.7, 0.95]), 1e-6
        ahead, behind = (
            rice_negative_log_likelihood(e_obs, e_model, centric, s + d, e_sigma)[0]
            for d in (step, -step)
        )
        slope = rice_negative_log_likelihood(e_obs, e_model, centric, s, e_sigma)[1]
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)

    def test_errors_of_measurement_are_not_errors_of_the_model(self):
        n = 20_000
        centric = np.arange(n) % 5 == 0
        stol2, s = np.linspace(0.01, 0.06, n), np.full(n, 0.95)
        e_obs, e_model, _ = simulated(s, centric)
        e_sigma = np.full(n, 0.2)
        e_obs = np.abs(e_obs + e_sigma * np.random.default_rng(7).normal(size=n))
        found = estimate(e_obs, e_model, centric, stol2, (0.2, 0.5), e_sigma)(stol2)
        unaware = estimate(e_obs, e_model, centric, stol2, (0.2, 0.5))(stol2)
        assert found.mean() == pytest.approx(0.95, abs=0.01)
        assert unaware.mean() < 0.93

    def test_few_free_reflections_take_the_shape_of_all(self):
        """Without the shape the curve of a poor model depends on chance at the limits."""
        n, limits = 12_000, (0.2, 0.5)
        stol2 = np.linspace(0.01, 0.0625, n)
        truth = SigmaA((0.7, -0.5), limits, 0, 0.0)(stol2)
        centric = np.zeros(n, bool)
        off = {"shape": [], "alone": []}
        for seed in range(6):
            e_obs, e_model, _ = simulated(truth, centric, seed)
            few = np.random.default_rng(seed).permutation(n) < 200
            for name, prior in (
                ("shape", estimate(e_obs, e_model, centric, stol2, limits)),
                ("alone", SigmaA((0.0,) * 6, limits, 0, 0.0)),
            ):
                part = (x[few] for x in (e_obs, e_model, centric, stol2))
                spread = 0.2 if name == "shape" else 1e3
                found = _estimate_with(spread, *part, limits, prior)
                off[name].append(np.abs(found(stol2) - truth).max())
        assert np.mean(off["shape"]) < 0.13
        assert np.mean(off["alone"]) > 2.0 * np.mean(off["shape"])

    def test_the_level_is_free_of_the_prior(self):
        """A model fitted to most reflections agrees too well with them; their level is no guide."""
        n, limits = 4000, (0.2, 0.5)
        stol2, centric = np.linspace(0.01, 0.0625, n), np.zeros(n, bool)
        e_obs, e_model, _ = simulated(np.full(n, 0.7), centric)
        for level in (-2.0, 4.0):
            prior = SigmaA((level, 0.0, 0.0), limits, 0, 0.0)
            found = estimate(e_obs, e_model, centric, stol2, limits, None, prior)
            assert found(stol2).mean() == pytest.approx(0.7, abs=0.02)

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


class TestAmplitudeMoments:
    """The averages over the amplitude behind a measured one."""

    CASES = tuple(
        (o, s, e, v)
        for o in (0.1, 1.0, 2.5)
        for s in (1e-3, 0.1, 0.6)
        for e, v in ((0.05, 1.0), (0.8, 0.4), (1.9, 0.02))
    )

    @pytest.mark.parametrize("kind", [True, False])
    def test_are_the_integrals(self, kind):
        o, s, e, v = np.array(self.CASES).T
        centric = np.full(len(o), kind)
        cosine, component = amplitude_moments(o, s, e, v, centric)
        for i in range(len(o)):
            # the peak of either law may be narrow
            near = o[i] + s[i] * np.linspace(-8.0, 8.0, 4001)
            f = np.unique(np.concatenate([np.linspace(1e-6, 6.0, 20_001), near[near > 0]]))
            log_p = -0.5 * ((f - o[i]) / s[i]) ** 2 - (f - e[i]) ** 2 / v[i] * (0.5 if kind else 1)
            x = f * e[i] / v[i]
            if kind:
                log_p += np.log1p(np.exp(-2 * x))
                of_f = np.tanh(x)
            else:
                log_p += np.log(f * special.i0e(2 * x))
                of_f = special.i1e(2 * x) / special.i0e(2 * x)
            p = np.exp(log_p - log_p.max())
            total = np.trapezoid(p, f)
            assert cosine[i] == pytest.approx(np.trapezoid(p * of_f, f) / total, abs=2e-3)
            expected = np.trapezoid(p * of_f * f, f) / total
            assert component[i] == pytest.approx(expected, abs=4e-3)

    @pytest.mark.parametrize("kind", [True, False])
    def test_small_errors_change_nothing(self, kind):
        e_obs, e_model = np.array([0.2, 1.0, 2.5]), np.array([0.4, 1.2, 2.0])
        centric, s = np.full(3, kind), np.array([0.3, 0.7, 0.95])
        exact = figure_of_merit(e_obs, e_model, centric, s)
        found = amplitude_moments(e_obs, np.full(3, 1e-6), s * e_model, 1 - s**2, centric)
        np.testing.assert_allclose(found[0], exact, atol=1e-5)
        np.testing.assert_allclose(found[1], exact * e_obs, atol=1e-5)

    def test_large_errors_leave_the_model(self):
        """Without knowledge of F its expectation is that before the measurement."""
        e, none = np.array([0.3, 0.9, 1.5]), np.zeros(3, bool)
        for variance in (0.05, 0.4):
            _, component = amplitude_moments(
                np.array([1.0, 1.0, 1.0]), np.full(3, 1e3), e, np.full(3, variance), none
            )
            np.testing.assert_allclose(component, e, atol=0.01)

    @pytest.mark.parametrize("kind", [True, False])
    def test_are_the_means_of_simulated_data(self, kind):
        n = 100_000
        centric, s, e_sigma = np.full(n, kind), np.full(n, 0.9), np.full(n, 0.3)
        e_true, e_model, difference = simulated(s, centric)
        e_obs = e_true + e_sigma * np.random.default_rng(5).normal(size=n)
        known = e_obs > 0
        cosine, component = amplitude_moments(
            *(x[known] for x in (e_obs, e_sigma, s * e_model, 1 - s**2, centric))
        )
        true_cosine = np.cos(difference[known])
        along = e_true[known] * true_cosine
        for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.0)):
            inside = (cosine > low) & (cosine <= high)
            error = 4.0 / np.sqrt(inside.sum())
            assert true_cosine[inside].mean() == pytest.approx(cosine[inside].mean(), abs=error)
            assert along[inside].mean() == pytest.approx(component[inside].mean(), abs=error)
        off = component - (s * e_model)[known]
        slope = off @ (along - (s * e_model)[known]) / (off @ off)
        assert slope == pytest.approx(1.0, abs=0.03)


class TestMapCoefficients:
    def test_differ_by_the_expected_model(self):
        rng = np.random.default_rng(1)
        centric = rng.random(40) < 0.5
        model = rng.normal(size=40) + 1j * rng.normal(size=40)
        f_obs, fom, d = rng.random(40), rng.random(40), rng.random(40)
        statistics = PhaseStatistics(SigmaA((0.0,), (0.1, 0.5), 0, 0.0), fom, d, fom * f_obs)
        fwt, difference = map_coefficients(f_obs, model, centric, statistics)
        unit = model / np.abs(model)
        np.testing.assert_allclose(difference, fom * f_obs * unit - d * model)
        np.testing.assert_allclose(fwt - doubled(difference, centric), d * model)
        np.testing.assert_allclose(fwt[centric], (fom * f_obs * unit)[centric])


class TestCalibration:
    """benchmarks/sigma_a.py with few seeds: m and F - D F_model are what they say."""

    @pytest.mark.parametrize("n_free", [200, 2000])
    @pytest.mark.parametrize("noise", ["exact", "mean", "amplitude"])
    @pytest.mark.parametrize("model", ["best", "good", "poor"])
    def test_synthetic_crystals(self, benchmark_of_sigma_a, model, noise, n_free):
        seeds = 4
        _, worst, spread, slope = benchmark_of_sigma_a.measured(model, noise, n_free, seeds)
        # With 20 seeds the worst mean is 0.020, the spread of one seed 0.048 and 0.033, the slope
        # 0.91 - 1.02. Here two errors of the mean of four seeds are allowed, and twice the spread.
        of_one_seed = {200: 0.048, 2000: 0.033}[n_free]
        assert worst < 0.03 + 2.0 * of_one_seed / np.sqrt(seeds)
        assert spread < 2.0 * of_one_seed
        assert slope == pytest.approx(1.0, abs=0.2)

    @pytest.mark.parametrize("n_free", [200, 2000])
    @pytest.mark.parametrize("noise", ["exact", "amplitude"])
    @pytest.mark.parametrize(
        ("model", "fractions"),
        [("good", (0.3,)), ("poor", (0.1,)), ("poor", (0.45,)), ("poor", (0.3, 0.2))],
        ids=str,
    )
    def test_twins(self, benchmark_of_sigma_a, model, fractions, noise, n_free):
        seeds = 3
        _, worst, spread, slope = benchmark_of_sigma_a.measured(
            model, noise, n_free, seeds, fractions
        )
        # as above, with three seeds, and the spread of 20: before, m was 0.05 too high for the
        # good model, and 0.2 for the poor one
        of_one_seed = {200: 0.05, 2000: 0.035}[n_free] * (0.4 if model == "good" else 1.0)
        assert worst < 0.03 + 2.0 * of_one_seed / np.sqrt(seeds)
        assert spread < 2.0 * of_one_seed
        assert slope == pytest.approx(1.0, abs=0.2)


@pytest.fixture(scope="module")
def benchmark_of_sigma_a():
    path = Path(__file__).parents[2] / "benchmarks" / "sigma_a.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_sigma_a", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


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
