"""The outlier report: which reflections, how far, why."""

import numpy as np
import pytest

from friedel.model.crystal import Crystal
from friedel.scaling import find_outliers
from friedel.scaling.outliers import OUTLIER_SIGMA, residual_scale

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
    hkl = CRYSTAL.unique_reflections(2.6)
    stol2 = CRYSTAL.stol2(hkl)
    root = np.sqrt(CRYSTAL.epsilon(hkl) * (1 + CRYSTAL.is_centric(hkl)))
    truth = 3.0 * root * np.exp(-30.0 * stol2)
    noise = np.random.default_rng(1).normal(size=len(hkl))
    # four terms of log|r|, whose standard deviation is 1.1, from 2700: 4 %, at the ends twice that
    np.testing.assert_allclose(residual_scale(CRYSTAL, hkl, truth * noise), truth, rtol=0.2)


def far(crystal: Crystal, hkl: np.ndarray, residual: np.ndarray) -> int:
    return int((np.abs(residual) > OUTLIER_SIGMA * residual_scale(crystal, hkl, residual)).sum())


def test_good_data_of_a_pseudo_translation_are_near():
    """Two of three reflections are weak, and their residuals small."""
    hkl = CRYSTAL.unique_reflections(2.6)
    noise = np.random.default_rng(2).normal(size=len(hkl))
    is_strong = hkl.sum(axis=1) % 3 == 0
    # of 900 normal residuals 0.03 in all are beyond four of their own standard deviations
    assert far(CRYSTAL, hkl, noise * np.where(is_strong, 10.0, 1.0)) <= 1


def test_good_data_of_an_anisotropic_crystal_are_near():
    hkl = CRYSTAL.unique_reflections(2.6)
    noise = np.random.default_rng(2).normal(size=len(hkl))
    # B33 is 60 Å^2 more than the others
    assert far(CRYSTAL, hkl, noise * np.exp(-15.0 * (hkl[:, 2] / 44.0) ** 2)) <= 1


def test_good_axial_reflections_are_near():
    """Epsilon is 6 along the hexagonal axis, and residuals grow with its root."""
    crystal = Crystal.from_triplets((60, 60, 90, 90, 90, 120), ["x-y,x,z+1/6"])
    hkl = crystal.unique_reflections(3.0)
    epsilon = crystal.epsilon(hkl)
    assert epsilon.max() == 6
    residual = np.random.default_rng(2).normal(size=len(hkl)) * np.sqrt(epsilon)
    residual[epsilon == 6] = 4.0 * np.sqrt(6.0)
    assert far(crystal, hkl, residual) == 0


@pytest.mark.parametrize("n", [60, 100, 300])
def test_the_few_reflections_that_tell_of_the_solvent_are_near(n):
    """Residuals of low orders are ten times those of the rest."""
    hkl = CRYSTAL.unique_reflections(4.0)
    hkl = hkl[np.argsort(CRYSTAL.stol2(hkl))][:n]
    noise = np.random.default_rng(2).normal(size=n)
    assert far(CRYSTAL, hkl, noise * (1.0 + 10.0 * np.exp(-np.arange(n) / 10.0))) == 0


def test_exact_models_have_none(example):
    hkl, _, f_model = example
    assert find_outliers(CRYSTAL, hkl, f_model, f_model) == []
    assert find_outliers(CRYSTAL, hkl[:1], f_model[:1], f_model[:1]) == []
