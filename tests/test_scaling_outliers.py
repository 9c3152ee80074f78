"""The outlier report: which reflections, how far, why."""

import numpy as np
import pytest

from friedel.crystal import Crystal
from friedel.scaling import find_outliers
from friedel.scaling.outliers import local_scale

CRYSTAL = Crystal((40, 42, 44, 90, 90, 90))


@pytest.fixture
def example():
    rng = np.random.default_rng(3)
    hkl = CRYSTAL.unique_reflections(2.6)
    stol2 = CRYSTAL.stol2(hkl)
    f_model = 100.0 * np.abs(rng.normal(size=(2, len(hkl))).T @ [1, 1j]) * np.exp(-10 * stol2)
    f_obs = np.abs(f_model + 3.0 * np.exp(-5 * stol2) * rng.normal(size=len(hkl)))
    return hkl, f_obs, f_model


def where(hkl: np.ndarray, d: float) -> int:
    return int(np.argmin(np.abs(CRYSTAL.d_spacing(hkl) - d)))


def test_good_data_have_none(example):
    assert find_outliers(CRYSTAL, *example) == []


@pytest.mark.parametrize(
    ("d", "factor", "reason"),
    [
        (5.0, 40.0, "Wilson"),
        (30.0, 0.0, "beam stop"),
        (3.897, None, "ice ring"),
        (4.5, None, "much stronger"),
    ],
)
def test_reasons(example, d, factor, reason):
    hkl, f_obs, f_model = example
    chosen = where(hkl, d)
    f_obs, f_model = f_obs.copy(), f_model.copy()
    f_model[chosen] = 60.0
    f_obs[chosen] = 150.0 if factor is None else 60.0 * factor
    (outlier,) = find_outliers(CRYSTAL, hkl, f_obs, f_model)
    assert outlier.hkl == tuple(hkl[chosen])
    assert outlier.d == pytest.approx(CRYSTAL.d_spacing(hkl[chosen : chosen + 1])[0])
    assert np.sign(outlier.distance) == np.sign(outlier.f_obs - outlier.f_model)
    assert reason in outlier.reason
    assert reason in str(outlier)


def test_the_farthest_comes_first(example):
    hkl, f_obs, f_model = example
    spoilt = f_obs.copy()
    spoilt[[5, 50, 500]] += [90.0, 500.0, 200.0]
    distances = [abs(o.distance) for o in find_outliers(CRYSTAL, hkl, spoilt, f_model)]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == 3


def test_scale_follows_resolution():
    rng = np.random.default_rng(1)
    stol2 = np.sort(rng.random(5000))
    scale = local_scale(stol2, rng.normal(size=5000) * (1.0 + stol2))
    # of 200 residuals the median absolute one is known to 8 %
    np.testing.assert_allclose(scale, 1.0 + stol2, rtol=0.3)


def test_exact_models_have_none(example):
    hkl, _, f_model = example
    assert find_outliers(CRYSTAL, hkl, f_model, f_model) == []
    assert find_outliers(CRYSTAL, hkl[:1], f_model[:1], f_model[:1]) == []
