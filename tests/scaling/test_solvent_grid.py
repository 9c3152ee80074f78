"""The start of a fit: what the grid searches, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest
from test_scaling import TRUTH, allowed_b, make_crystal, synthetic

from friedel.scaling import ScaleParameters, fit, fit_isotropic_b, start_of_fit
from friedel.scaling.quick_start import without_outliers
from friedel.scaling.solvent_grid import MOST_REFLECTIONS, few_reflections, solvent_start


@pytest.fixture(scope="module")
def data():
    crystal = make_crystal("C 2")
    exact = synthetic(crystal, TRUTH)
    # a mask that is the complement of the atoms at low resolution, as real ones are
    fall = np.exp(-60.0 * exact.stol2)
    exact = replace(exact, f_mask=-2.5 * fall * exact.f_calc + 0.1 * exact.f_mask)
    truth = replace(TRUTH, b_overall=allowed_b(crystal))
    total = truth.f_total(crystal, exact.hkl, exact.f_calc, exact.f_mask)
    return replace(exact, f_obs=np.abs(total))


def test_finds_the_minimum_nearby(data):
    start = solvent_start(data, ScaleParameters())
    assert start.k_sol == pytest.approx(TRUTH.k_sol, abs=0.1)
    assert start.k_overall == pytest.approx(TRUTH.k_overall, rel=0.2)


def test_units_do_not_matter(data):
    cm = replace(data, f_calc=data.f_calc * 1e-12, f_obs=data.f_obs * 1e5)
    one, other = solvent_start(data, ScaleParameters()), solvent_start(cm, ScaleParameters())
    assert other.k_sol == pytest.approx(1e-12 * one.k_sol, rel=1e-6)
    assert other.b_sol == pytest.approx(one.b_sol)
    found = fit(cm).parameters
    assert found.k_sol == pytest.approx(1e-12 * TRUTH.k_sol, rel=1e-4)
    assert found.k_overall == pytest.approx(1e17 * TRUTH.k_overall, rel=1e-4)


@pytest.mark.parametrize("fixed", ["k_overall", "b_overall", "k_sol", "b_sol"])
@pytest.mark.parametrize("target", ["l1", "ls"])
def test_fixed_parameters_stay(data, fixed, target):
    near = ScaleParameters(2.4, (1.0, 2.0, 3.0, 0.5, 0.5, 0.5), 0.3, 60.0)
    start = start_of_fit(data, near, target=target, fixed=[fixed])
    assert getattr(start, fixed) == getattr(near, fixed)
    for other in {"k_overall", "b_overall", "k_sol", "b_sol"} - {fixed}:
        assert getattr(start, other) != getattr(near, other)


def test_without_free_solvent_nothing_is_searched(data):
    near = ScaleParameters(2.4, k_sol=0.2)
    assert solvent_start(data, near, ["k_sol", "b_sol"]) == near
    none = replace(data, f_mask=None)
    assert start_of_fit(none, near) == fit_isotropic_b(none, near)


def test_negative_densities_only_where_allowed(data):
    negative = replace(TRUTH, k_sol=-0.2)
    total = negative.f_total(data.crystal, data.hkl, data.f_calc, data.f_mask)
    data = replace(data, f_obs=np.abs(total))
    assert solvent_start(data, ScaleParameters()).k_sol == 0.0
    start = solvent_start(data, ScaleParameters(), k_sol_min=-np.inf)
    assert start.k_sol == pytest.approx(-0.2, abs=0.1)


def test_reflections_without_weight_do_not_count(data):
    odd = np.arange(len(data)) % 2 == 1
    spoilt = replace(data, f_obs=np.where(odd, data.f_obs, 9.0))
    start = solvent_start(spoilt, ScaleParameters(), weights=odd.astype(float))
    assert start.k_sol == pytest.approx(TRUTH.k_sol, abs=0.15)


def test_few_reflections_are_of_all_resolutions():
    stol2 = np.random.default_rng(0).uniform(size=7000)
    some = few_reflections(stol2)
    assert len(set(some)) == MOST_REFLECTIONS
    half = MOST_REFLECTIONS // 2
    assert set(np.argsort(stol2)[:half]) <= set(some)
    # the others are evenly spread: 6750 ranks in 250 steps
    assert np.diff(np.sort(stol2[some])[half:]).max() < 3 * 27 / 7000
    np.testing.assert_array_equal(few_reflections(stol2[:400]), np.arange(400))


def test_one_wrong_amplitude_is_bounded():
    f_obs = np.linspace(1.0, 100.0, 300)
    np.testing.assert_array_equal(without_outliers(f_obs), f_obs)
    f_obs[7] = 1e30
    assert without_outliers(f_obs).max() < 2000.0
    assert not len(without_outliers(np.empty(0)))
    np.testing.assert_array_equal(without_outliers(np.array([3.0])), [3.0])
