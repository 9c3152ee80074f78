"""Scales and their fit: derivatives, symmetry, recovery of known parameters, bad input."""

import itertools
import random
from dataclasses import replace

import gemmi
import numpy as np
import pytest

from friedel.errors import ParameterError, ReflectionsError
from friedel.kernels.reciprocal.scaling import normal_equations
from friedel.model.crystal import Crystal
from friedel.scaling import (
    ScaleParameters,
    ScalingData,
    fit,
    fit_anisotropic_b,
    fit_isotropic_b,
    quadratic_terms,
    r_factor,
    symmetric_tensors,
)
from friedel.scaling.problem import Problem

CRYSTALS = {
    "P 1": ((20, 25, 30, 80, 95, 105), ["x,y,z"], 6),
    "P -1": ((20, 25, 30, 80, 95, 105), ["-x,-y,-z"], 6),
    "C 2": ((40, 25, 30, 90, 105, 90), ["-x,y,-z", "x+1/2,y+1/2,z"], 4),
    "P 1 1 2": ((20, 25, 30, 90, 90, 105), ["-x,-y,z"], 4),
    "P 21 21 21": ((20, 25, 30, 90, 90, 90), ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"], 3),
    "P 41": ((25, 25, 30, 90, 90, 90), ["-y,x,z+1/4"], 2),
    "P 31 2 1": ((25, 25, 40, 90, 90, 120), ["-y,x-y,z+1/3", "y,x,-z"], 2),
    "R 3 :R": ((25, 25, 25, 80, 80, 80), ["z,x,y"], 2),
    "P 61 2 2": ((25, 25, 40, 90, 90, 120), ["x-y,x,z+1/6", "y,x,-z+1/3"], 2),
    "I 2 3": ((30, 30, 30, 90, 90, 90), ["-x,-y,z", "z,x,y", "x+1/2,y+1/2,z+1/2"], 1),
}
TRUTH = ScaleParameters(2.5, (0.0,) * 6, 0.37, 52.0)


def make_crystal(name: str) -> Crystal:
    cell, triplets, _ = CRYSTALS[name]
    return Crystal.from_triplets(cell, triplets, name)


def allowed_b(crystal: Crystal) -> tuple[float, ...]:
    """Some tensor that obeys the symmetry, neither isotropic nor zero where that is possible."""
    basis = symmetric_tensors(crystal)
    return tuple(basis.T @ (np.linspace(1.0, -2.0, len(basis)) + 9.0 * basis[:, :3].sum(axis=1)))


def synthetic(
    crystal: Crystal, truth: ScaleParameters, noise: float = 0.0, n: int = 800
) -> ScalingData:
    """Amplitudes of a random structure and a random mask that fall off as real ones do."""
    rng = np.random.default_rng(7)
    hkl = crystal.unique_reflections(1.8)
    hkl = hkl[np.argsort(crystal.stol2(hkl))][:n]
    stol2 = crystal.stol2(hkl)
    normal = rng.normal(size=(4, len(hkl)))
    f_calc = 100.0 * (normal[0] + 1j * normal[1]) * np.exp(-15.0 * stol2)
    f_mask = 400.0 * (normal[2] + 1j * normal[3]) * np.exp(-30.0 * stol2)
    f_obs = np.abs(truth.f_total(crystal, hkl, f_calc, f_mask))
    f_obs *= np.exp(noise * rng.normal(size=len(hkl)))
    return ScalingData(crystal, hkl, f_obs, f_calc, f_mask)


def check_normal_equations(problem: Problem, x: np.ndarray) -> None:
    """The normal equations are those of the derivatives by finite differences."""
    steps = 1e-6 * np.diag(np.maximum(np.abs(x), 1.0))
    numeric = np.array(
        [
            (problem.evaluate(x + step).residuals - problem.evaluate(x - step).residuals)
            / (2 * step.sum())
            for step in steps
        ]
    )
    at = problem.evaluate(x)
    weights = np.linspace(0.5, 2.0, len(at.residuals))
    normal, gradient = problem.normal_equations(at, weights)
    expected = (numeric * weights) @ numeric.T
    # rounding of differences, 1e-16 / 1e-6 of amplitudes that are 10 times their derivatives
    unit = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        normal / np.outer(unit, unit), expected / np.outer(unit, unit), atol=1e-6
    )
    size = np.linalg.norm(at.residuals * weights)
    np.testing.assert_allclose(
        gradient / unit / size, numeric @ (weights * at.residuals) / unit / size, atol=1e-6
    )


@pytest.fixture
def data() -> ScalingData:
    crystal = make_crystal("C 2")
    return synthetic(crystal, replace(TRUTH, b_overall=allowed_b(crystal)), noise=0.1)


class TestSymmetricTensors:
    @pytest.mark.parametrize("name", CRYSTALS)
    def test_number_of_parameters(self, name):
        assert len(symmetric_tensors(make_crystal(name))) == CRYSTALS[name][2]

    @pytest.mark.parametrize("name", CRYSTALS)
    def test_orthonormal(self, name):
        basis = symmetric_tensors(make_crystal(name))
        products = basis * [1, 1, 1, 2, 2, 2] @ basis.T
        np.testing.assert_allclose(products, np.eye(len(basis)), atol=1e-12)

    @pytest.mark.parametrize("name", CRYSTALS)
    def test_equivalent_reflections_have_one_scale(self, name):
        crystal = make_crystal(name)
        scales = ScaleParameters(1.0, allowed_b(crystal))
        hkl = np.random.default_rng(1).integers(-8, 9, (20, 3))
        expected = scales.overall_scale(crystal, hkl)
        for rotation in crystal.rotations:
            np.testing.assert_allclose(
                scales.overall_scale(crystal, hkl @ rotation), expected, rtol=1e-12
            )

    def test_every_setting_of_every_space_group(self):
        parameters = {
            "triclinic": 6, "monoclinic": 4, "orthorhombic": 3, "tetragonal": 2, "trigonal": 2,
            "hexagonal": 2, "cubic": 1,
        }  # fmt: skip
        rng = np.random.default_rng(0)
        hkl = rng.integers(-9, 10, (20, 3))
        # rotations alone matter: one group stands for all that have the same
        settings = {
            frozenset(str(op.rot) for op in group.operations().sym_ops): group
            for group in gemmi.spacegroup_table()
        }
        for group in settings.values():
            rotations = np.array([op.rot for op in group.operations().sym_ops]) // gemmi.Op.DEN
            # some cell that the group allows: the mean of a general one over its operations
            axes = np.array([[31.0, -4.0, 3.0], [0.0, 37.0, -5.0], [0.0, 0.0, 43.0]])
            metric = np.mean([r.T @ axes.T @ axes @ r for r in rotations], axis=0)
            lengths = np.sqrt(np.diag(metric))
            cosines = metric / np.outer(lengths, lengths)
            angles = np.degrees(np.arccos(cosines[[1, 0, 0], [2, 2, 1]]))
            no_shifts = np.zeros((len(rotations), 3), int)
            crystal = Crystal((*lengths, *angles), rotations, no_shifts)
            basis = symmetric_tensors(crystal)
            assert len(basis) == parameters[group.crystal_system_str()], group.xhm()
            b = rng.normal(size=len(basis)) @ basis
            of_one = quadratic_terms(crystal, hkl) @ b
            for rotation in crystal.primitive_operations[0]:
                of_mate = quadratic_terms(crystal, hkl @ rotation) @ b
                # |h|^2 |B| / 4 is 0.1 and more; rounding is 1e-16 of it, the cell's 1e-14
                np.testing.assert_allclose(of_mate, of_one, atol=1e-12, err_msg=group.xhm())

    def test_constraint_is_exact_for_a_rounded_cell(self):
        crystal = Crystal.from_triplets((25, 25.02, 40, 90, 90, 120), CRYSTALS["P 31 2 1"][1])
        terms = [
            quadratic_terms(crystal, np.array([[3, 1, 2]]) @ rotation)
            @ symmetric_tensors(crystal).T
            for rotation in crystal.rotations
        ]
        np.testing.assert_allclose(terms, np.broadcast_to(terms[0], np.shape(terms)), rtol=1e-12)


class TestScaleParameters:
    def test_isotropic_b_is_a_temperature_factor(self):
        crystal = make_crystal("P 1")
        hkl = np.array([[1, 2, 3], [-4, 0, 2]])
        scales = ScaleParameters(3.0, (20.0, 20.0, 20.0, 0.0, 0.0, 0.0))
        expected = 3.0 * np.exp(-20.0 * crystal.stol2(hkl))
        np.testing.assert_allclose(scales.overall_scale(crystal, hkl), expected, rtol=1e-12)

    def test_agrees_with_gemmi(self):
        cell, triplets, _ = CRYSTALS["P 1"]
        scales = ScaleParameters(1.7, (1.0, 2.0, 3.0, -0.5, 5.0, 0.7), 0.3, 40.0)
        theirs = gemmi.Scaling(gemmi.UnitCell(*cell), gemmi.SpaceGroup("P 1"))
        theirs.k_overall, theirs.b_overall = 1.7, gemmi.SMat33d(*scales.b_overall)
        theirs.k_sol, theirs.b_sol = 0.3, 40.0
        crystal = Crystal.from_triplets(cell, triplets)
        hkl = [3, 2, -4]
        assert scales.overall_scale(crystal, np.array([hkl]))[0] == pytest.approx(
            theirs.get_overall_scale_factor(hkl), rel=1e-12
        )
        assert scales.solvent_scale(0.01) == pytest.approx(
            theirs.get_solvent_scale(0.01), rel=1e-12
        )

    def test_b_iso_is_the_mean_of_the_diagonal(self):
        assert ScaleParameters(1.0, (1.0, 2.0, 6.0, 9.0, 9.0, 9.0)).b_iso == 3.0

    def test_without_mask_there_is_no_solvent(self):
        crystal = make_crystal("P 1")
        hkl, f_calc = np.array([[1, 2, 3]]), np.array([3.0 + 4.0j])
        np.testing.assert_allclose(ScaleParameters(2.0).f_total(crystal, hkl, f_calc), [6.0 + 8.0j])


class TestDerivatives:
    @pytest.mark.parametrize(
        "fixed", [(), ("k_overall",), ("b_overall",), ("k_sol", "b_sol"), ("k_sol",), ("b_sol",)]
    )
    @pytest.mark.parametrize("weighted", [False, True])
    def test_jacobian_against_finite_differences(self, data, fixed, weighted):
        weights = np.linspace(0.5, 2.0, len(data)) if weighted else None
        start = ScaleParameters(2.0, (1.0, 3.0, -2.0, 0.4, 0.5, 0.6), 0.3, 40.0)
        problem = Problem(data, start, frozenset({*fixed, "k_layer", "twin_fractions"}), weights)
        x = problem.start_vector[problem.free]
        check_normal_equations(problem, x)

    @pytest.mark.parametrize("n_parts", [1, 3])
    def test_normal_equations_add_up(self, data, n_parts):
        problem = Problem(data, TRUTH, frozenset({"k_layer", "twin_fractions"}))
        at = problem.evaluate(problem.start_vector[problem.free])
        edges = np.linspace(0, len(data), n_parts + 1).astype(int)
        parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
        weights = np.linspace(1.0, 2.0, len(data))
        whole = problem.normal_equations(at, weights)
        for found, expected in zip(
            map(sum, zip(*problem.normal_equations_of(at, weights, parts), strict=True)),
            whole,
            strict=True,
        ):
            # sums in another order: rounding
            np.testing.assert_allclose(
                found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max()
            )

    def test_where_amplitudes_vanish_there_is_no_slope(self):
        crystal = make_crystal("P 1")
        data = ScalingData(
            crystal,
            np.array([[1, 0, 0], [0, 1, 0]]),
            np.ones(2),
            np.array([1.0 + 0j, 2.0]),
            np.array([-2.0 + 0j, 0.0]),
        )
        np.testing.assert_array_equal(data.unscaled_amplitudes(np.array([0.5, 0.5])), [0.0, 2.0])
        problem = Problem(
            data, ScaleParameters(1.0, k_sol=0.5, b_sol=0.0), frozenset({"twin_fractions"})
        )
        at = problem.evaluate(problem.start_vector[problem.free])
        assert at.unscaled[0] == 0.0
        normal, gradient = problem.normal_equations(at, np.array([1.0, 0.0]))
        assert not normal.any()
        assert not gradient.any()


class TestStart:
    def test_isotropic_is_exact_on_isotropic_data(self):
        crystal = make_crystal("P 31 2 1")
        truth = replace(TRUTH, b_overall=(7.0, 7.0, 7.0, 0.0, 0.0, 0.0))
        found = fit_isotropic_b(synthetic(crystal, truth), truth)
        assert found.k_overall == pytest.approx(2.5)
        np.testing.assert_allclose(found.b_overall, truth.b_overall, atol=1e-9)

    @pytest.mark.parametrize("name", CRYSTALS)
    def test_anisotropic_is_exact_on_anisotropic_data(self, name):
        crystal = make_crystal(name)
        truth = replace(TRUTH, b_overall=allowed_b(crystal))
        found = fit_anisotropic_b(synthetic(crystal, truth), truth)
        assert found.k_overall == pytest.approx(2.5)
        np.testing.assert_allclose(found.b_overall, truth.b_overall, atol=1e-8)

    def test_fixed_parameters_stay(self, data):
        start = ScaleParameters(2.2, (1.0, 1.0, 1.0, 0.0, 0.0, 0.0))
        assert fit_isotropic_b(data, start, ["k_overall"]).k_overall == 2.2
        assert fit_anisotropic_b(data, start, ["b_overall"]).b_overall == start.b_overall
        assert fit_isotropic_b(data, start, ["k_overall", "b_overall"]) == start

    def test_is_close_to_the_fit(self, data):
        assert fit_isotropic_b(data).k_overall == pytest.approx(
            fit(data).parameters.k_overall, rel=0.2
        )


class TestFit:
    @pytest.mark.parametrize("name", CRYSTALS)
    def test_recovers_the_truth(self, name):
        crystal = make_crystal(name)
        truth = replace(TRUTH, b_overall=allowed_b(crystal))
        data = synthetic(crystal, truth)
        result = fit(data)
        found = result.parameters
        assert result.converged
        assert result.n_parameters == 3 + CRYSTALS[name][2]
        assert result.n_reflections == len(data)
        assert found.k_overall == pytest.approx(truth.k_overall, rel=1e-5)
        assert found.k_sol == pytest.approx(truth.k_sol, rel=1e-5)
        assert found.b_sol == pytest.approx(truth.b_sol, rel=1e-5)
        np.testing.assert_allclose(found.b_overall, truth.b_overall, atol=1e-4)

    @pytest.mark.parametrize("k_overall", [1e-4, 1.0, 1e5])
    def test_units_of_the_data_do_not_matter(self, k_overall):
        crystal = make_crystal("P 21 21 21")
        truth = ScaleParameters(k_overall, (60.0, 40.0, 20.0, 0.0, 0.0, 0.0), 0.45, 20.0)
        found = fit(synthetic(crystal, truth)).parameters
        assert found.k_overall == pytest.approx(k_overall, rel=1e-5)
        np.testing.assert_allclose(found.b_overall, truth.b_overall, atol=1e-4)

    def test_value_is_the_sum_of_squares_at_a_minimum(self, data):
        result = fit(data)
        p = result.parameters

        def sum_of_squares(p: ScaleParameters) -> float:
            f_total = p.f_total(data.crystal, data.hkl, data.f_calc, data.f_mask)
            return float(((np.abs(f_total) - data.f_obs) ** 2).sum())

        assert result.value == pytest.approx(sum_of_squares(p), rel=1e-9)
        for name in ("k_overall", "k_sol", "b_sol"):
            for factor in (0.99, 1.01):
                moved = replace(p, **{name: getattr(p, name) * factor})
                assert sum_of_squares(moved) > result.value

    @pytest.mark.parametrize("name", ["k_overall", "b_overall", "k_sol", "b_sol"])
    def test_fixed_parameters_stay(self, data, name):
        start = ScaleParameters(2.4, (1.0, 2.0, 3.0, 0.5, 0.5, 0.5), 0.3, 60.0)
        result = fit(data, start=start, fixed=[name])
        assert getattr(result.parameters, name) == getattr(start, name)
        assert result.n_parameters == 7 - (4 if name == "b_overall" else 1)
        others = {"k_overall", "b_overall", "k_sol", "b_sol"} - {name}
        for other in others:
            assert getattr(result.parameters, other) != getattr(start, other)

    def test_everything_fixed(self, data):
        start = ScaleParameters(2.4)
        result = fit(data, start=start, fixed=["k_overall", "b_overall", "k_sol", "b_sol"])
        assert (result.parameters, result.n_parameters) == (start, 0)
        assert result.value > fit(data).value

    def test_an_empty_mask_is_said_and_not_fitted(self, data):
        empty = replace(data, f_mask=np.zeros_like(data.f_mask))
        none = replace(data, f_mask=None)
        result = fit(empty)
        assert result.n_parameters == 5
        assert "F_mask is zero" in result.notes[0]
        assert fit(none).notes == ()
        np.testing.assert_allclose(
            result.parameters.b_overall, fit(none).parameters.b_overall, rtol=1e-6, atol=1e-8
        )

    def test_negative_solvent_density_is_set_to_zero_and_said(self):
        crystal = make_crystal("P 21 21 21")
        data = synthetic(crystal, replace(TRUTH, k_sol=-0.05), noise=0.05)
        result = fit(data)
        assert result.parameters.k_sol == 0.0
        assert result.n_parameters == 4
        assert "k_sol" in result.notes[0]

    def test_negative_solvent_density_where_it_is_allowed(self):
        crystal = make_crystal("P 21 21 21")
        data = synthetic(crystal, replace(TRUTH, k_sol=-0.1))
        found = fit(data, start=fit_isotropic_b(data), k_sol_min=-np.inf).parameters
        assert found.k_sol == pytest.approx(-0.1, rel=1e-4)

    def test_solvent_never_rises_with_resolution(self):
        crystal = make_crystal("P 21 21 21")
        data = synthetic(crystal, replace(TRUTH, b_sol=-10.0), noise=0.05)
        assert fit(data).parameters.b_sol >= 0.0

    def test_weights_choose_what_is_fitted(self, data):
        spoilt = replace(data, f_obs=np.where(np.arange(len(data)) % 2, data.f_obs, 9.0))
        weights = (np.arange(len(data)) % 2).astype(float)
        kept = replace(
            data, **{n: getattr(data, n)[1::2] for n in ("hkl", "f_obs", "f_calc", "f_mask")}
        )
        start = ScaleParameters(2.0)
        found = fit(spoilt, start=start, weights=weights).parameters
        assert found.k_overall == pytest.approx(fit(kept, start=start).parameters.k_overall, 1e-4)


class TestRFactor:
    def test_formula(self):
        assert r_factor(np.array([1.0, 3.0]), np.array([2j, -3.0])) == pytest.approx(0.25)

    def test_nothing_to_compare(self):
        assert np.isnan(r_factor(np.empty(0), np.empty(0)))


class TestErrors:
    def test_unknown_target(self, data):
        with pytest.raises(ParameterError, match="unknown target 'ml'"):
            fit(data, target="ml")

    def test_unknown_parameter(self, data):
        with pytest.raises(ParameterError, match="cannot fix b_cart"):
            fit(data, fixed=["b_cart"])

    def test_scale_must_be_positive(self, data):
        with pytest.raises(ParameterError, match="k_overall starts at 0"):
            fit(data, start=ScaleParameters(0.0))

    def test_too_few_reflections(self, data):
        few = {n: getattr(data, n)[:7] for n in ("hkl", "f_obs", "f_calc", "f_mask")}
        with pytest.raises(ReflectionsError, match="got 7 reflections to fit 7 parameters"):
            fit(replace(data, **few))

    def test_shapes(self, data):
        with pytest.raises(ReflectionsError, match=r"f_obs has shape \(3,\)"):
            replace(data, f_obs=np.ones(3))

    def test_not_finite(self, data):
        with pytest.raises(ReflectionsError, match="f_calc has values that are not finite"):
            replace(data, f_calc=data.f_calc * np.nan)

    def test_nothing_scatters(self, data):
        with pytest.raises(ReflectionsError, match="F_calc is zero"):
            replace(data, f_calc=data.f_calc * 0)


def test_normal_equations_have_the_same_bits_wherever_their_arrays_are():
    """Compiled sums may depend on addresses; one in a thousand did."""
    rng, sizes = np.random.default_rng(0), random.Random(0)
    n = 2821
    arrays = [rng.random(shape) for shape in ((5, n), (2, n), (1, n), (3, n), (n,), (n,))]
    found, others = set(), []
    for _ in range(12_000):
        normal, gradient = np.zeros((8, 8)), np.zeros(8)
        normal_equations(*arrays, 0, n, normal, gradient)
        found.add(normal.tobytes() + gradient.tobytes())
        # Other memory is taken, so that the arrays of the next call are elsewhere
        others[:] = [
            np.empty(sizes.randrange(60_000), np.uint8) for _ in range(sizes.randrange(30))
        ]
    assert len(found) == 1
