"""Robust targets: their laws, and that outliers do not move what they fit."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from test_scaling import TRUTH, allowed_b, make_crystal, synthetic

from friedel.scaling import ScaleParameters, ScalingData, fit
from friedel.scaling.reweighting import Prior, reweighted_fit
from friedel.scaling.targets import TARGETS, StudentT

ROBUST = ["huber", "l1", "student-t"]


@pytest.fixture(scope="module")
def data() -> ScalingData:
    crystal = make_crystal("C 2")
    return synthetic(crystal, replace(TRUTH, b_overall=allowed_b(crystal)), noise=0.1, n=3000)


@pytest.mark.parametrize("name", TARGETS)
class TestLaws:
    def test_weight_is_the_slope_of_the_loss(self, name):
        target = replace(TARGETS[name], scale=2.0)
        r = np.array([-9.0, -1.0, 0.3, 1.0, 4.0, 30.0])
        step = 1e-6
        slope = (target.loss(r + step) - target.loss(r - step)) / (2 * step)
        np.testing.assert_allclose(slope, r * target.weights(r) / target.scale**2, rtol=1e-6)

    def test_curvature_is_the_slope_of_the_slope(self, name):
        target = replace(TARGETS[name], scale=2.0)
        # away from Huber's corner
        r = np.array([-9.0, -1.0, 0.03, 0.3, 1.0, 4.0, 30.0])
        step = 1e-5
        ahead, behind = ((r + s) * target.weights(r + s) for s in (step, -step))
        slope = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(target.curvature(r), slope, rtol=1e-6, atol=1e-9)

    def test_density_is_normalised(self, name):
        target = replace(TARGETS[name], scale=0.7)
        # the heaviest tail, Student's with 4 degrees of freedom, leaves 1e-9 beyond
        r = np.linspace(-300.0, 300.0, 600_001)
        total = np.exp(-target.negative_log_likelihood(r)).sum() * (r[1] - r[0])
        assert total == pytest.approx(1.0, abs=1e-6)

    def test_units_do_not_matter(self, name):
        r = np.random.default_rng(0).standard_t(3, 4000)
        small, large = (TARGETS[name].adapted(r * unit) for unit in (1e-3, 1e4))
        assert large.scale / small.scale == pytest.approx(1e7, rel=1e-6)
        np.testing.assert_allclose(small.weights(r * 1e-3), large.weights(r * 1e4), rtol=1e-6)

    def test_recovers_the_truth(self, name):
        crystal = make_crystal("P 31 2 1")
        truth = replace(TRUTH, b_overall=allowed_b(crystal))
        result = fit(synthetic(crystal, truth), target=name)
        found = result.parameters
        assert result.converged
        for parameter in ("k_overall", "k_sol", "b_sol"):
            expected = getattr(truth, parameter)
            assert getattr(found, parameter) == pytest.approx(expected, rel=1e-3)
        np.testing.assert_allclose(found.b_overall, truth.b_overall, atol=1e-3)

    def test_limits_hold(self, name):
        crystal = make_crystal("P 21 21 21")
        negative = synthetic(crystal, replace(TRUTH, k_sol=-0.05), noise=0.05)
        assert fit(negative, target=name).parameters.k_sol == 0.0
        rising = synthetic(crystal, replace(TRUTH, b_sol=-10.0), noise=0.05)
        assert fit(rising, target=name).parameters.b_sol >= 0.0

    def test_fixed_parameters_stay(self, data, name):
        start = ScaleParameters(2.4, (1.0, 2.0, 3.0, 0.5, 0.5, 0.5), 0.3, 60.0)
        found = fit(data, target=name, start=start, fixed=["b_sol", "b_overall"]).parameters
        assert (found.b_sol, found.b_overall) == (start.b_sol, start.b_overall)

    def test_everything_fixed(self, data, name):
        fixed = ["k_overall", "b_overall", "k_sol", "b_sol"]
        result = fit(data, target=name, start=ScaleParameters(2.4), fixed=fixed)
        assert result.n_parameters == 0
        assert result.converged


class TestOutliers:
    @staticmethod
    def moved(data: ScalingData, name: str, spoilt: np.ndarray) -> float:
        """Greatest relative change of k_overall, k_sol, b_sol and, in units of 10 Å^2, of B."""
        clean, dirty = (fit(d, target=name).parameters for d in (data, replace(data, f_obs=spoilt)))
        changes = [
            getattr(dirty, p) / getattr(clean, p) - 1 for p in ("k_overall", "k_sol", "b_sol")
        ]
        b = (np.array(dirty.b_overall) - clean.b_overall) / 10.0
        return float(np.abs([*changes, *b]).max())

    def test_one_in_a_hundred_ten_times_too_strong(self, data):
        chosen = np.random.default_rng(5).random(len(data)) < 0.01
        assert chosen.any()
        spoilt = np.where(chosen, 10.0 * data.f_obs, data.f_obs)
        changes = {name: self.moved(data, name, spoilt) for name in TARGETS}
        # the demand on the default target
        assert changes["l1"] < 0.02
        # the tail of Student's t, estimated, turns heavier, and with it what weighs most
        assert max(changes[name] for name in ROBUST) < 0.2 * changes["ls"]

    def test_one_in_a_hundred_zero(self, data):
        chosen = np.random.default_rng(5).random(len(data)) < 0.01
        spoilt = np.where(chosen, 0.0, data.f_obs)
        assert self.moved(data, "l1", spoilt) < 0.02


SCALES = np.linspace(0.9, 1.1, 21)
"""Relative."""


class TestL1:
    def test_width_is_the_likeliest(self):
        r = 3.0 * np.random.default_rng(2).laplace(size=5000)
        target = TARGETS["l1"].adapted(r)
        likelihood = [
            replace(target, scale=k * target.scale).negative_log_likelihood(r).mean()
            for k in SCALES
        ]
        assert np.argmin(likelihood) == len(SCALES) // 2


class TestStudentT:
    @pytest.mark.parametrize("tail", [2.0, 5.0])
    def test_tail_is_estimated(self, tail):
        r = 3.0 * np.random.default_rng(2).standard_t(tail, 20_000)
        target = TARGETS["student-t"]
        for _ in range(40):
            target = target.adapted(r)
        assert isinstance(target, StudentT)
        # the tail is of 2000 residuals: 10 % standard error
        assert target.tail == pytest.approx(tail, rel=0.3)
        assert target.scale == pytest.approx(3.0, rel=0.06)

    def test_normal_residuals_have_no_tail(self):
        target = TARGETS["student-t"].adapted(np.random.default_rng(2).normal(size=5000))
        for _ in range(20):
            target = target.adapted(np.random.default_rng(2).normal(size=5000))
        assert isinstance(target, StudentT)
        assert target.tail > 15.0


class Linear:
    """Residuals a @ x - y."""

    def __init__(self, a: np.ndarray, y: np.ndarray) -> None:
        self.a, self.y = a, y

    def evaluate(self, x: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(residuals=self.a @ x - self.y)

    def normal_equations(self, at, weights) -> tuple[np.ndarray, np.ndarray]:
        weighted = self.a.T * weights
        return weighted @ self.a, weighted @ at.residuals


UNLIMITED = np.array([[-np.inf], [np.inf]])


class TestReweighting:
    def test_linear_problem_in_one_step(self):
        rng = np.random.default_rng(1)
        a, y = rng.normal(size=(50, 3)), rng.normal(size=50)
        x, _, _, _, converged, _ = reweighted_fit(
            Linear(a, y),
            TARGETS["ls"],
            np.zeros(3),
            UNLIMITED,
            Prior(np.zeros(3), np.full(3, np.inf)),
        )
        assert converged
        np.testing.assert_allclose(x, np.linalg.lstsq(a, y, rcond=None)[0], atol=1e-4)

    def test_prior_pulls_where_data_say_nothing(self):
        prior = Prior(np.array([0.0, 7.0]), np.array([np.inf, 1.0]))
        a = np.column_stack([np.ones(30), np.zeros(30)])
        x, *_ = reweighted_fit(
            Linear(a, np.linspace(1.0, 3.0, 30)),
            TARGETS["ls"],
            np.array([0.0, -5.0]),
            UNLIMITED,
            prior,
        )
        np.testing.assert_allclose(x, [2.0, 7.0], atol=1e-3)
