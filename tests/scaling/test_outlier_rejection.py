"""Outliers are left out of the last fit, and good data are not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_scaling import TRUTH, allowed_b, make_crystal, synthetic

from friedel.errors import ParameterError
from friedel.fmodel.fmodel import FModel
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters, ScalingData, fit
from friedel.scaling.rejection import MAX_REJECTED, about_rejected, near_model
from globule import CRYSTAL, globule, observed

ROBUST = ["huber", "l1", "student-t"]


def noisy(n: int = 3000, width: float = 0.1) -> ScalingData:
    crystal = make_crystal("C 2")
    exact = synthetic(crystal, replace(TRUTH, b_overall=allowed_b(crystal)), n=n)
    noise = np.random.default_rng(6).normal(size=len(exact))
    return replace(exact, f_obs=np.abs(exact.f_obs + width * exact.f_obs.mean() * noise))


def spoilt(data: ScalingData, chosen: np.ndarray) -> ScalingData:
    return replace(data, f_obs=data.f_obs + np.where(chosen, 2.0 * data.f_obs.mean(), 0.0))


def every(step: int, n: int) -> np.ndarray:
    """(n,) bool: one reflection of each `step`, beginning in the middle."""
    return np.arange(n) % step == step // 2


class TestNearModel:
    @pytest.mark.parametrize("name", ROBUST)
    @pytest.mark.parametrize("n", [150, 3000])
    def test_outliers_are_found_and_no_others(self, name, n):
        data = noisy(n)
        chosen = every(100, len(data))
        near = near_model(spoilt(data, chosen), fit(spoilt(data, chosen), target=name))
        np.testing.assert_array_equal(near, ~chosen)
        assert f"{chosen.sum()} outlier" in about_rejected(near)[0]

    def test_good_data_stay(self):
        data = noisy()
        near = near_model(data, fit(data, target="l1"))
        assert near.all()
        assert about_rejected(near) == ()

    def test_heavy_tails_are_no_outliers(self):
        data = noisy(width=0.0)
        noise = np.random.default_rng(6).laplace(size=len(data))
        data = replace(data, f_obs=np.abs(data.f_obs + 0.1 * data.f_obs.mean() * noise))
        # one in 10^4 is farther: 0.3 of them
        assert (~near_model(data, fit(data, target="l1"))).sum() <= 2

    def test_no_more_than_a_share_go_and_the_farthest_do(self):
        data = noisy()
        far = every(105, len(data))
        data = spoilt(
            spoilt(data, every(35, len(data))), far
        )  # 3 % by one unit, of these 1 % by two
        found = near_model(data, fit(data, target="student-t"))
        assert (~found).sum() == math.ceil(MAX_REJECTED * len(data))
        assert not found[far].any()
        assert "at most 2% of the data are rejected" in about_rejected(found)[0]

    def test_data_that_are_met_exactly_stay(self):
        data = noisy(width=0.0)
        assert near_model(data, fit(data, target="l1")).all()

    def test_weights_say_what_is_far(self):
        data = noisy()
        chosen = every(100, len(data))
        weights = np.where(chosen, 1e-3, 1.0)
        data = spoilt(data, chosen)
        assert near_model(data, fit(data, target="l1", weights=weights), weights).all()


class TestFModel:
    @staticmethod
    def spoilt(data: Reflections, step: int = 150) -> tuple[Reflections, np.ndarray]:
        chosen = every(step, len(data)) & ~data.free
        return replace(data, values=np.where(chosen, 10.0 * data.values, data.values)), chosen

    @pytest.mark.parametrize(
        "options",
        [{}, {"solvent": "flat"}, {"solvent": "smooth"}, {"weights": "sigma"}, {"use_free": False}],
        ids=str,
    )
    def test_which_are_left_out_can_be_asked(self, options):
        data, chosen = self.spoilt(observed(noise=0.1))
        found = FModel((CRYSTAL, globule()), data, **options)
        assert not found.rejected.any()
        found.fit()
        # ten times a weak one is no outlier
        assert found.rejected[chosen].sum() >= 0.6 * chosen.sum()
        assert not found.rejected[~chosen].any()
        work = found.usable & ~found.free
        assert found.result.n_reflections == (work & ~found.rejected).sum()
        n = found.rejected.sum()
        assert f"{n} outliers are left out of the last fit" in found.summary()
        assert f"fitted to all but {n} of them" in found.summary()
        assert found.to_dict()["n_rejected"] == n

    @pytest.mark.parametrize("options", [{"reject_outliers": False}, {"target": "ls"}], ids=str)
    def test_or_none_are(self, options):
        data, _ = self.spoilt(observed(noise=0.1))
        found = FModel((CRYSTAL, globule()), data, **options).fit()
        assert not found.rejected.any()
        assert found.result.n_reflections == (found.usable & ~found.free).sum()

    def test_the_shape_is_chosen_without_them(self):
        good = observed(noise=0.1)
        data, chosen = self.spoilt(good)
        missing = replace(good, values=np.where(chosen, np.nan, good.values))
        found, expected = (FModel((CRYSTAL, globule()), d).fit() for d in (data, missing))
        assert found.result.n_parameters == expected.result.n_parameters
        # the weak outliers that stay are within six standard deviations
        assert found.scales.k_sol == pytest.approx(expected.scales.k_sol, rel=0.02)

    def test_few_reflections_keep_their_low_orders(self):
        data = observed(noise=0.1)
        few = data.select(np.argsort(data.stol2)[:250])
        low = few.d_spacing > 8.0
        few = replace(few, values=np.where(low, 1.5 * few.values, few.values))
        found = FModel((CRYSTAL, globule()), few, solvent="flat").fit()
        assert not found.rejected.any()


class TestFixedParameters:
    """Fixed parameters keep their values, whatever scale models are tried."""

    @pytest.mark.parametrize("name", ["k_sol", "k_layer", "overall_curve", "solvent_curve"])
    @pytest.mark.parametrize("solvent", ["auto", "flat", "smooth"])
    def test_fixed(self, name, solvent):
        model = FModel((CRYSTAL, globule()), observed(noise=0.1), solvent=solvent)
        values = {"k_sol": 0.05, "k_layer": 0.7, "overall_curve": (0.1, -0.1)}
        values |= {"solvent_curve": (0.2,), "curve_range": (0.1, 0.4)}
        start = replace(model.quick_start(), **values)
        found = model.fit(start, fixed=[name]).scales
        assert getattr(found, name) == values[name]

    def test_a_start_with_curves_has_none_for_a_flat_solvent(self):
        start = ScaleParameters(3.0, overall_curve=(0.1, 0.2), solvent_curve=(0.3,), k_layer=0.5)
        found = FModel((CRYSTAL, globule()), observed(noise=0.1), solvent="flat").fit(start)
        plain = FModel((CRYSTAL, globule()), observed(noise=0.1), solvent="flat").fit()
        assert found.result.n_parameters == plain.result.n_parameters
        assert found.scales.overall_curve == found.scales.solvent_curve == ()
        assert found.scales.k_layer == 0.0


@pytest.mark.parametrize("name", ["search_mask", "smooth_mask"])
def test_options_of_a_mask_need_one(name):
    data = observed()
    for solvent in ("none", "babinet"):
        with pytest.raises(ParameterError, match=f"{name} needs a mask"):
            FModel((CRYSTAL, globule()), data, solvent=solvent, **{name: True})
    with pytest.raises(ParameterError, match="a mask is given"):
        FModel((CRYSTAL, globule()), data, solvent_mask="any.map", **{name: True})
