"""Derivatives of targets of <F> and <abs(F)^2> by the atoms of every member."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import friedel
from friedel import ensemble
from friedel.structure_factors.refinement_targets import least_squares

M = 9
CELL = (11.0, 12.0, 13.0, 90.0, 100.0, 90.0)


@pytest.fixture(scope="module", name="members")
def members_fixture():
    rng = np.random.default_rng(0)
    atoms = friedel.Atoms.from_labels(list("CNOCSC"), rng.random((6, 3)), 1.0, 10.0)
    frac = atoms.frac + rng.normal(0, 0.02, (M, 6, 3))
    return ensemble.Ensemble(atoms, frac, b_iso=rng.uniform(5, 15, (M, 6)))


@pytest.fixture(scope="module", params=["direct", "fft"], name="calculator")
def calculator_fixture(request, members):
    crystal = friedel.Crystal.from_triplets(CELL, ["-x,y+1/2,-z"], name="P 1 21 1")
    return friedel.Calculator.from_model(
        (crystal, members.atoms), d_min=2.0, method=request.param, dtype=np.float64, rtol=1e-7
    )


def bragg_and_diffuse(calculator):
    rng = np.random.default_rng(1)
    n = len(calculator.hkl)
    f_obs, i_obs, phases = rng.uniform(5, 40, n), rng.uniform(10, 300, n), rng.normal(size=n)

    def target(mean, mean_intensity):
        bragg, by_mean = least_squares(mean, f_obs)
        rest = mean_intensity - np.abs(mean) ** 2 - i_obs
        by_phases = np.cos(phases) - 1j * np.sin(phases)  # of a term linear in <F>
        linear = float((np.conj(by_phases) * mean).real.sum())
        value = bragg + 1e-3 * (rest**2).sum() + linear
        return value, by_mean - 4e-3 * rest * mean + by_phases, 2e-3 * rest

    return target


def test_derivatives_are_those_of_finite_differences(calculator, members):
    target = bragg_and_diffuse(calculator)

    def value(changed):
        moments = ensemble.moments(calculator, changed)
        return target(moments.mean, moments.mean_intensity)[0]

    found = ensemble.target_gradients(calculator, members, target)
    assert found.value == pytest.approx(value(members))
    assert len(found.members) == M
    assert found.xyz.shape == (M, 6, 3)
    rng = np.random.default_rng(2)
    step = 1e-4
    for name, derivatives in (
        ("frac", found.frac),
        ("b_iso", np.array([gradients.b_iso for gradients in found.members])),
    ):
        start = getattr(members, name)
        size = step * (1 if name == "frac" else 100)
        for _ in range(3):
            direction = rng.normal(size=start.shape)
            sides = [
                value(ensemble.Ensemble(members.atoms, **{
                    "frac": members.frac, "b_iso": members.b_iso, name: start + s * direction,
                }))
                for s in (-2 * size, -size, size, 2 * size)
            ]  # fmt: skip
            expected = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * size)
            norm = np.linalg.norm(derivatives) * np.linalg.norm(direction)
            assert abs((derivatives * direction).sum() - expected) < 1e-5 * norm


def bits(found):
    arrays = [found.mean, found.mean_intensity, found.xyz]
    arrays += [gradients.b_iso for gradients in found.members]
    return b"".join(array.tobytes() for array in arrays)


def test_the_same_bits_for_any_number_of_workers(calculator, members):
    target = bragg_and_diffuse(calculator)
    one, two = (calculator.with_threads(n) for n in (1, 2))
    expected = bits(ensemble.target_gradients(one, members, target))
    assert bits(ensemble.target_gradients(two, members, target)) == expected
    for workers in (1, 2):
        found = ensemble.target_gradients(two, members, target, executor=workers)
        assert bits(found) == expected
    with ThreadPoolExecutor(3) as pool:
        found = ensemble.target_gradients(one, members, target, executor=pool)
    assert bits(found) == expected


def test_a_target_of_one_average_is_the_adjoint_of_each_member(calculator, members):
    w = np.random.default_rng(3).normal(size=len(calculator.hkl)) + 0.5j
    of_mean = ensemble.target_gradients(calculator, members, lambda mean, _: (0.0, M * w, None))
    of_intensity = ensemble.target_gradients(
        calculator, members, lambda mean, _: (0.0, None, M * w.real)
    )
    for i in range(M):
        expected = calculator.adjoint(members[i], w).frac
        size = np.abs(expected).max()
        np.testing.assert_allclose(
            of_mean.members[i].frac, expected, atol=1e-6 * size
        )  # rtol is 1e-7
        own = 2 * w.real * calculator.forward(members[i])
        expected = calculator.adjoint(members[i], own).frac
        size = np.abs(expected).max()
        np.testing.assert_allclose(
            of_intensity.members[i].frac, expected, atol=1e-6 * size
        )  # rtol is 1e-7


def test_what_cannot_be_used_is_an_error(calculator, members):
    def run(derivatives, some=members, **options):
        return ensemble.target_gradients(
            calculator, some, lambda *_: (0.0, *derivatives), **options
        )

    n = len(calculator.hkl)
    with pytest.raises(friedel.errors.ReflectionsError):
        run((np.zeros(n - 1), None))
    with pytest.raises(friedel.errors.ReflectionsError, match="real"):
        run((None, np.full(n, 1j)))
    with pytest.raises(friedel.errors.ReflectionsError):
        run((None, np.full(n, np.nan)))
    with pytest.raises(friedel.ParameterError, match="no members"):
        run((None, None), [])
    with pytest.raises(friedel.ParameterError, match="chunk"):
        run((None, None), chunk=0)
    with pytest.raises(friedel.ParameterError, match="executor"):
        run((None, None), executor=0)
