"""Curves, layer, and the choice among scales by reflections left out."""

from dataclasses import replace

import numpy as np
import pytest
from test_scaling import TRUTH, allowed_b, check_normal_equations, make_crystal, synthetic

from friedel.scaling import ScalingData, choose_shape, fit, fit_isotropic_b
from friedel.scaling.choice import (
    FLAT,
    NO_SOLVENT,
    SMOOTH,
    Shape,
    candidates,
    left_out_negative_log_likelihood,
)
from friedel.scaling.curves import anisotropic_terms, curve_terms
from friedel.scaling.parameters import harmonic_rows
from friedel.scaling.problem import ANISOTROPIC_WIDTH, Problem

LIMITS = (0.05, 0.5)


def curved(noise: float = 0.05, n: int = 2500, **changes) -> tuple[ScalingData, object]:
    """Data with a layer and curves in both scales, and the parameters that made them."""
    crystal = make_crystal("C 2")
    flat = synthetic(crystal, TRUTH, n=n)
    rng = np.random.default_rng(8)
    f_layer = 200.0 * (rng.normal(size=len(flat)) + 1j * rng.normal(size=len(flat)))
    f_layer *= np.exp(-20.0 * flat.stol2)
    truth = replace(
        TRUTH,
        b_overall=allowed_b(crystal),
        k_layer=0.6,
        overall_curve=(0.3, -0.2, 0.1),
        solvent_curve=(0.4,),
        curve_range=flat.curve_range,
    )
    truth = replace(truth, **changes)
    f_obs = np.abs(truth.f_total(crystal, flat.hkl, flat.f_calc, flat.f_mask, f_layer))
    f_obs *= np.exp(noise * rng.normal(size=len(flat)))
    return replace(flat, f_obs=f_obs, f_layer=f_layer), truth


class TestCurveTerms:
    def test_are_not_straight_lines(self):
        stol2 = np.linspace(0.01, 0.06, 300)
        line = np.column_stack([np.ones_like(stol2), stol2])
        terms = curve_terms(stol2, LIMITS, 5)
        assert np.linalg.matrix_rank(np.column_stack([line, terms])) == 7

    def test_factor_and_b_keep_their_meaning(self):
        inverse_d = np.linspace(*LIMITS, 4000)
        stol2, weights = 0.25 * inverse_d**2, inverse_d**2
        terms = curve_terms(stol2, LIMITS, 4)
        scale = np.abs(terms * weights[:, None]).sum(axis=0)
        # sums over different points in place of one integral: 1e-3
        for other in (np.ones_like(stol2), stol2 / stol2.max()):
            assert (np.abs((weights * other) @ terms) < 1e-2 * scale).all()

    def test_constant_beyond_the_limits(self):
        beyond = curve_terms(np.array([0.0, 0.3, 9.0]), LIMITS, 3)
        ends = curve_terms(0.25 * np.array(LIMITS) ** 2, LIMITS, 3)
        np.testing.assert_allclose(beyond[[0, 2]], ends, rtol=1e-12)

    def test_none(self):
        assert curve_terms(np.linspace(0.01, 0.06, 7), LIMITS, 0).shape == (7, 0)


class TestAnisotropy:
    """Harmonics of order 2 times terms of 1/d in the logarithm of the scale."""

    TENSORS = ((0.2, -0.15, -0.05, 0.0, 0.1, 0.0), (-0.1, 0.05, 0.05, 0.0, 0.2, 0.0))

    def test_terms_are_not_those_of_b(self):
        inverse_d = np.linspace(*LIMITS, 4000)
        stol2 = 0.25 * inverse_d**2
        terms = anisotropic_terms(stol2, LIMITS, 4)
        assert np.linalg.matrix_rank(np.column_stack([stol2, terms])) == 5
        weighted = stol2 * inverse_d**2
        sizes = np.abs(terms * weighted[:, None]).sum(axis=0)
        assert (np.abs(weighted @ terms) < 1e-2 * sizes).all()

    def test_terms_are_constant_beyond_the_limits(self):
        beyond = anisotropic_terms(np.array([0.0, 0.3, 9.0]), LIMITS, 3)
        ends = anisotropic_terms(0.25 * np.array(LIMITS) ** 2, LIMITS, 3)
        np.testing.assert_allclose(beyond[[0, 2]], ends, rtol=1e-12)

    def test_harmonics_depend_on_the_direction_alone(self):
        crystal = make_crystal("P 1")
        hkl = np.array([[1, 2, -3], [2, 4, -6], [0, 0, 0]])
        once, twice, nothing = harmonic_rows(crystal, hkl, np.array(self.TENSORS)).T
        np.testing.assert_allclose(once, twice, rtol=1e-12)
        assert not nothing.any()

    @pytest.mark.parametrize("group", ["P 1", "C 2", "P 21 21 21", "P 41", "P 31 2 1", "I 2 3"])
    def test_the_fitted_scale_obeys_the_laue_group(self, group):
        crystal = make_crystal(group)
        data = synthetic(crystal, TRUTH, noise=0.1, n=900)
        shape = candidates(data, "smooth", ())[-1]
        n_tensors = len(data.b_basis) - 1
        assert shape.anisotropic_terms == (3 if n_tensors else 0)
        found = fit(data, target="l1", start=shape.start(data, TRUTH), fixed=shape.held)
        assert len(found.parameters.anisotropic_curve) == shape.anisotropic_terms
        scale = found.parameters.overall_scale(crystal, data.hkl)
        for rotation in crystal.rotations:
            mates = data.hkl @ rotation
            np.testing.assert_allclose(
                found.parameters.overall_scale(crystal, mates), scale, rtol=1e-6
            )
        for tensor in found.parameters.anisotropic_curve:
            assert sum(tensor[:3]) == pytest.approx(0.0, abs=1e-6)

    def test_recovered(self):
        data, _ = curved(noise=0.0, anisotropic_curve=self.TENSORS)
        shape = Shape(3, 1, layer=True, anisotropic_terms=2)
        near = fit(data, target="ls", start=shape.start(data, fit_isotropic_b(data)))
        np.testing.assert_allclose(near.parameters.anisotropic_curve, self.TENSORS, atol=5e-3)
        assert near.n_parameters == 3 + 4 + 1 + 3 + 1 + 2 * 3

    def test_fixed_one_stays_even_where_symmetry_does_not_allow_it(self):
        data, truth = curved(anisotropic_curve=((0.1, -0.1, 0.0, 0.2, 0.0, 0.1),))
        start = replace(truth, k_overall=1.3 * truth.k_overall)
        found = fit(data, start=start, fixed=["anisotropic_curve"])
        assert found.parameters.anisotropic_curve == truth.anisotropic_curve
        expected = np.abs(data.f_obs - data.amplitudes(truth)).mean()
        assert np.abs(data.f_obs - data.amplitudes(found.parameters)).mean() < 1.05 * expected
        problem = Problem(data, start, frozenset({"twin_fractions", "anisotropic_curve"}))
        at = problem.evaluate(problem.start_vector[problem.free])
        np.testing.assert_allclose(at.residuals, data.residuals(start), rtol=1e-9, atol=1e-9)

    def test_few_data_without_it_get_little_of_it(self):
        isotropic = replace(TRUTH, b_overall=(8.0, 8.0, 8.0, 0.0, 0.0, 0.0))
        data = synthetic(make_crystal("P 1"), isotropic, noise=0.3, n=400)
        shape = candidates(data, "smooth", ())[-1]
        assert shape.anisotropic_terms
        found = fit(data, target="l1", start=shape.start(data, TRUTH), fixed=shape.held)
        tensors = np.array(found.parameters.anisotropic_curve)
        assert np.abs(tensors).max() < 2.0 * ANISOTROPIC_WIDTH


class TestDerivatives:
    @pytest.mark.parametrize("k_sol", [0.3, -0.3])
    def test_jacobian_with_anisotropy(self, k_sol):
        data, truth = curved()
        start = replace(truth, k_sol=k_sol, anisotropic_curve=TestAnisotropy.TENSORS)
        problem = Problem(data, start, frozenset({"twin_fractions"}))
        check_normal_equations(problem, problem.start_vector[problem.free])

    @pytest.mark.parametrize("k_sol", [0.3, -0.3])
    @pytest.mark.parametrize("n_solvent", [0, 3])
    def test_jacobian_against_finite_differences(self, k_sol, n_solvent):
        data, truth = curved()
        start = replace(
            truth, k_sol=k_sol, overall_curve=(0.1, 0.2), solvent_curve=(0.3, -0.1, 0.2)[:n_solvent]
        )
        problem = Problem(data, start, frozenset({"twin_fractions"}))
        x = problem.start_vector[problem.free]
        assert problem.parameters(x).k_sol == pytest.approx(k_sol)
        check_normal_equations(problem, x)

    def test_amplitudes_are_those_of_f_total(self):
        data, truth = curved()
        total = truth.f_total(data.crystal, data.hkl, data.f_calc, data.f_mask, data.f_layer)
        np.testing.assert_allclose(data.amplitudes(truth), np.abs(total), rtol=1e-9)


class TestFit:
    @pytest.mark.parametrize("target", ["ls", "student-t"])
    def test_recovers_curves_and_layer(self, target):
        data, truth = curved(noise=0.0)
        start = Shape(3, 1, layer=True).start(data, fit_isotropic_b(data))
        result = fit(data, target=target, start=start)
        assert result.converged
        assert result.n_parameters == 3 + 4 + 1 + 3 + 1
        found = result.parameters
        # the priors, wide as they are, pull at data that are exact
        assert found.k_layer == pytest.approx(0.6, abs=5e-3)
        np.testing.assert_allclose(found.overall_curve, truth.overall_curve, atol=5e-3)
        np.testing.assert_allclose(data.amplitudes(found), data.f_obs, rtol=0.02, atol=0.5)

    def test_scales_are_the_sum_of_their_parts(self):
        data, truth = curved()
        isotropic = replace(truth, b_overall=(5.0, 5.0, 5.0, 0.0, 0.0, 0.0))
        np.testing.assert_allclose(
            isotropic.overall_scale(data.crystal, data.hkl),
            isotropic.isotropic_scale(data.stol2),
            rtol=1e-12,
        )


class TestCandidates:
    def test_kinds(self):
        data, _ = curved()
        assert candidates(data, "none", ()) == [NO_SOLVENT]
        assert candidates(data, "flat", ()) == [FLAT]
        assert candidates(data, "smooth", ())[0] == FLAT
        assert candidates(data, "auto", ())[:2] == [NO_SOLVENT, FLAT]
        assert any(shape.layer for shape in candidates(data, "auto", ()))

    def test_without_solvent(self):
        data, _ = curved()
        shapes = candidates(replace(data, f_mask=None, f_layer=None), "auto", ())
        assert len(shapes) > 1
        assert not any(s.solvent or s.solvent_terms or s.layer for s in shapes)

    def test_curves_of_fixed_scales_are_not_fitted(self):
        data, _ = curved()
        assert not any(s.overall_terms for s in candidates(data, "auto", ["k_overall"]))
        assert not any(s.solvent_terms for s in candidates(data, "auto", ["b_sol"]))

    def test_solvent_whose_density_is_fixed_is_there(self):
        data, _ = curved()
        assert candidates(data, "auto", ["k_sol"])[0] == FLAT
        without = replace(data, f_mask=None, f_layer=None)
        assert candidates(without, "auto", ["k_sol"])[0] == NO_SOLVENT

    def test_few_reflections_pay_for_few_terms(self):
        data, _ = curved()
        few = data.select(np.arange(300))
        assert max(s.anisotropic_terms for s in candidates(few, "auto", ())) == 3
        fewer = data.select(np.arange(280))
        assert not any(s.anisotropic_terms for s in candidates(fewer, "auto", ()))
        assert max(s.overall_terms for s in candidates(fewer, "auto", ())) == 7
        fewer = data.select(np.arange(160))
        for fixed in ([], ["k_sol"]):
            assert not any(s.overall_terms for s in candidates(fewer, "auto", fixed))


class TestChoice:
    def test_does_not_depend_on_which_reflections_are_left_out(self):
        """Few noisy data: the same number of parameters in four of five samples."""
        data, _ = curved(noise=0.3, n=700)
        numbers = []
        for seed in range(5):
            part = data.select(np.random.default_rng(seed).random(len(data)) > 0.1)
            shapes = candidates(part, "auto", ())
            _, found, _ = choose_shape(part, shapes, fit_isotropic_b(part), target="l1")
            numbers.append(found.n_parameters)
        assert max(map(numbers.count, numbers)) >= 4

    @staticmethod
    def chosen(data: ScalingData) -> Shape:
        first = fit_isotropic_b(data)
        return choose_shape(data, candidates(data, "auto", ()), first, target="student-t")[0]

    def test_flat_data_get_a_flat_solvent(self):
        flat = synthetic(make_crystal("C 2"), TRUTH, noise=0.1, n=1500)
        assert self.chosen(flat) == FLAT

    def test_data_without_solvent_get_none(self):
        flat = synthetic(make_crystal("C 2"), replace(TRUTH, k_sol=0.0), noise=0.1, n=1500)
        assert self.chosen(flat) == NO_SOLVENT

    def test_curved_data_get_curves_and_the_layer(self):
        shape = self.chosen(curved()[0])
        assert shape.overall_terms >= 3
        assert shape.layer

    def test_exact_data_end_the_search(self):
        exact = synthetic(make_crystal("C 2"), TRUTH)
        assert self.chosen(exact) == FLAT

    def test_can_be_repeated_and_is_said(self):
        data, _ = curved()
        runs = [
            choose_shape(data, [FLAT, SMOOTH], fit_isotropic_b(data), target="l1") for _ in range(2)
        ]
        assert runs[0][1].parameters == runs[1][1].parameters
        assert "chosen of 2 scales" in runs[0][2][0]

    def test_progress_sees_every_shape(self):
        data, _ = curved()
        seen = []

        def progress(shapes):
            for shape in shapes:
                seen.append(shape)
                yield shape

        shapes = candidates(data, "smooth", ())
        choose_shape(data, shapes, fit_isotropic_b(data), target="huber", progress=progress)
        assert seen == shapes

    def test_left_out_reflections_are_more_surprising_than_fitted_ones(self):
        data, _ = curved(n=200)
        near = fit(data, target="student-t", start=Shape(7, 3).start(data, fit_isotropic_b(data)))
        values = left_out_negative_log_likelihood(data, near)
        assert len(values) == len(data)
        assert values.sum() > near.value

    @pytest.mark.parametrize("target", ["ls", "l1", "student-t"])
    def test_a_few_steps_do_for_a_fit(self, target):
        data, _ = curved(n=1000)
        shuffled = data.select(np.random.default_rng(4).permutation(len(data)))
        start = Shape(3, 1).start(data, fit_isotropic_b(data))
        near = fit(shuffled, target=target, start=start, fixed=["k_layer"])
        values = left_out_negative_log_likelihood(shuffled, near, fixed=["k_layer"])
        rest, left_out = shuffled.select(slice(200, None)), shuffled.select(slice(200))
        refitted = fit(rest, target=target, start=near.parameters, fixed=["k_layer"])
        residuals = left_out.amplitudes(refitted.parameters) - left_out.f_obs
        expected = near.target.negative_log_likelihood(residuals).mean()
        fitted = near.target.negative_log_likelihood(
            shuffled.amplitudes(near.parameters) - shuffled.f_obs
        )[:200]
        gap = expected - fitted.mean()
        assert gap > 0.0
        # of l1 each step goes about two thirds of the way; a choice needs no more
        assert values[:200].mean() - fitted.mean() == pytest.approx(gap, rel=0.25)

    def test_weights_follow_their_reflections(self):
        data, _ = curved(n=400)
        twos = np.full(len(data), 2.0)
        weighted = left_out_negative_log_likelihood(
            data, fit(data, target="huber", weights=twos), twos
        )
        plain = left_out_negative_log_likelihood(data, fit(data, target="huber"))
        # residuals in half the unit: each value grows by log 2
        np.testing.assert_allclose(weighted - plain, np.log(2.0), atol=1e-3)
