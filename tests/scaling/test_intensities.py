"""Fits to intensities: known scales come back, negative intensities count, derivatives."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from friedel.model.crystal import Crystal
from friedel.reflections.french_wilson import posterior
from friedel.reflections.mean_intensity import mean_of_intensities
from friedel.scaling import ScaleParameters, ScalingData, fit, symmetric_tensors
from friedel.scaling.fitting import problem_of
from friedel.structure_factors.refinement_targets import least_squares_intensity

CELLS = {
    "P 1": ((20, 25, 30, 80, 95, 105), ["x,y,z"]),
    "C 2": ((40, 25, 30, 90, 105, 90), ["-x,y,-z", "x+1/2,y+1/2,z"]),
    "P 21 21 21": ((20, 25, 30, 90, 90, 90), ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"]),
    "P 31": ((25, 25, 40, 90, 90, 120), ["-y,x-y,z+1/3"]),
}
TRUTH = ScaleParameters(2.5, (0.0,) * 6, 0.37, 52.0)
SEEDS = 24


def truth_of(crystal, **others):
    basis = symmetric_tensors(crystal)
    components = np.linspace(1.0, -2.0, len(basis)) + 9.0 * basis[:, :3].sum(axis=1)
    return replace(TRUTH, b_overall=tuple(components @ basis), **others)


def synthetic(name, n=800, n_twins=0, **others):
    """Exact intensities of a random structure with its true scales."""
    cell, triplets = CELLS[name]
    crystal = Crystal.from_triplets(cell, triplets, name)
    truth = truth_of(crystal, **others)
    rng = np.random.default_rng(7)
    hkl = crystal.unique_reflections(1.8)
    hkl = hkl[np.argsort(crystal.stol2(hkl))][:n]
    stol2 = crystal.stol2(hkl)

    def random(size, b):
        parts = rng.normal(size=(2, 1 + n_twins, len(hkl)))
        return size * (parts[0] + 1j * parts[1]) * np.exp(-b * stol2)

    f_calc, f_mask, f_layer = random(100.0, 15.0), random(400.0, 30.0), random(100.0, 20.0)
    twin = (f_calc[1:], f_mask[1:], f_layer[1:]) if n_twins else None
    ones = np.ones(len(hkl))
    data = ScalingData(crystal, hkl, ones, f_calc[0], f_mask[0], f_layer[0], twin)
    f_obs = data.amplitudes(truth)
    return replace(data, f_obs=f_obs, i_obs=f_obs**2), truth


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("weighted", [False, True])
def test_scales_come_back(name, weighted):
    data, truth = synthetic(name)
    data = replace(data, f_layer=None)
    weights = 1.0 / (1.0 + 0.05 * data.i_obs) if weighted else None
    found = fit(data, target="ls-i", weights=weights)
    assert found.converged
    scales = found.parameters
    assert scales.k_overall == pytest.approx(truth.k_overall, rel=1e-6)
    assert scales.k_sol == pytest.approx(truth.k_sol, rel=1e-5)
    assert scales.b_sol == pytest.approx(truth.b_sol, rel=1e-5)
    np.testing.assert_allclose(scales.b_overall, truth.b_overall, atol=1e-4)


def test_twin_fractions_come_back():
    data, truth = synthetic("P 31", n_twins=2, twin_fractions=(0.2, 0.3))
    start = replace(TRUTH, k_sol=0.3, twin_fractions=(0.1, 0.1))
    found = fit(data, target="ls-i", start=start).parameters
    assert found.twin_fractions == pytest.approx(truth.twin_fractions, abs=1e-6)
    assert found.k_overall == pytest.approx(truth.k_overall, rel=1e-6)


@pytest.mark.parametrize("n_twins", [0, 1, 2])
@pytest.mark.parametrize("curves", [False, True])
def test_derivatives_by_finite_differences(n_twins, curves):
    data, truth = synthetic("C 2", n_twins=n_twins)
    rng = np.random.default_rng(1)
    data = replace(data, i_obs=data.i_obs * rng.normal(1.0, 0.3, len(data)))
    start = replace(truth, k_layer=0.4, twin_fractions=(0.2, 0.3)[:n_twins])
    if curves:
        start = replace(
            start,
            overall_curve=(0.1, -0.05),
            solvent_curve=(0.2, 0.1),
            curve_range=data.curve_range,
        )
    weights = rng.uniform(0.5, 2.0, len(data)) / data.i_obs.std()
    problem = problem_of(data, start, (), weights, of_intensities=True)
    x = problem.start_vector[problem.free]
    at, w = problem.evaluate(x), np.linspace(0.5, 2.0, len(data))
    np.testing.assert_allclose(
        at.residuals, weights * (data.amplitudes(start) ** 2 - data.i_obs), atol=1e-9
    )
    numeric = []
    for step in 1e-6 * np.diag(np.maximum(np.abs(x), 1.0)):
        up, down = (problem.evaluate(x + sign * step).residuals for sign in (1, -1))
        numeric.append((up - down) / (2 * step.sum()))
    numeric = np.array(numeric)
    normal, gradient = problem.normal_equations(at, w)
    unit = np.linalg.norm(numeric * np.sqrt(w), axis=1)
    expected = (numeric * w) @ numeric.T
    # rounding of differences, 1e-16 / 1e-6 of intensities that are 100 times their derivatives
    np.testing.assert_allclose(
        normal / np.outer(unit, unit), expected / np.outer(unit, unit), atol=1e-6
    )
    size = unit * np.linalg.norm(at.residuals * np.sqrt(w))
    np.testing.assert_allclose(gradient / size, numeric @ (w * at.residuals) / size, atol=1e-6)


def test_value_is_the_refinement_target():
    """The sum of squares is that of `least_squares_intensity`, at its minimum."""
    data, _ = synthetic("P 21 21 21")
    data = replace(data, f_layer=None)
    rng = np.random.default_rng(3)
    sigmas = 1.0 + 0.1 * data.i_obs
    data = replace(data, i_obs=data.i_obs + sigmas * rng.normal(size=len(data)))
    found = fit(data, target="ls-i", weights=1.0 / sigmas)

    def value(scales):
        f = scales.f_total(data.crystal, data.hkl, data.f_calc, data.f_mask)
        return least_squares_intensity(f, data.i_obs, sigmas)[0]

    assert found.value == pytest.approx(value(found.parameters), rel=1e-9)
    # a sum of n squares of standard normal numbers
    n = len(data) - found.n_parameters
    assert found.value == pytest.approx(n, abs=5 * np.sqrt(2 * n))
    for name in ("k_overall", "k_sol", "b_sol"):
        for factor in (0.99, 1.01):
            moved = replace(found.parameters, **{name: getattr(found.parameters, name) * factor})
            assert value(moved) > found.value


def test_squares_of_amplitudes_where_there_are_no_intensities():
    data, _ = synthetic("C 2")
    plain, squared = replace(data, i_obs=None), replace(data, i_obs=data.f_obs**2)
    one, other = (fit(d, target="ls-i").parameters for d in (plain, squared))
    # to rounding, which depends on where in memory the arrays are
    for name, value in asdict(one).items():
        np.testing.assert_allclose(value, getattr(other, name), rtol=1e-9, atol=1e-9)


def test_negative_intensities_do_not_bias_the_scale():
    """A third of the intensities are negative, and their French-Wilson amplitudes are biased.

    The amplitudes have Wilson's prior with the mean of the exact intensities, which is more than
    can be known of real data.
    """
    data, truth = synthetic("P 21 21 21", n=1500)
    data = replace(data, f_mask=None, f_layer=None)
    exact, centric = data.amplitudes(truth) ** 2, data.crystal.is_centric(data.hkl)
    mean = data.crystal.epsilon(data.hkl) * mean_of_intensities(data.crystal, data.hkl, exact)
    strongest = np.argsort(data.stol2)[:500]
    sigmas = np.full(len(data), 0.75 * exact[strongest].mean())
    of_intensities, of_amplitudes, of_clipped, share = [], [], [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        noisy = exact + sigmas * rng.normal(size=len(data))
        share.append((noisy < 0).mean())
        f_obs = posterior(noisy, sigmas, mean, centric).f
        measured = replace(data, f_obs=f_obs, i_obs=noisy)
        clipped = replace(measured, i_obs=np.maximum(noisy, 0.0))
        for one, target, weights, found in (
            (measured, "ls-i", 1.0 / sigmas, of_intensities),
            (clipped, "ls-i", 1.0 / sigmas, of_clipped),
            (measured, "ls", None, of_amplitudes),
        ):
            scales = fit(one, target=target, weights=weights).parameters
            found.append((scales.k_overall / truth.k_overall - 1.0, scales.b_iso - truth.b_iso))
    assert np.mean(share) == pytest.approx(1 / 3, abs=0.03)

    def deviation(found):
        """Of k and of B, in standard errors of the mean over the seeds."""
        return np.mean(found, axis=0) / (np.std(found, axis=0, ddof=1) / np.sqrt(SEEDS))

    assert np.abs(deviation(of_intensities)).max() < 3.0
    assert np.abs(deviation(of_clipped)).max() > 10.0
    assert np.abs(deviation(of_amplitudes)).max() > 10.0
