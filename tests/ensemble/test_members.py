import numpy as np
import pytest

import friedel
from friedel import ensemble
from friedel.ensemble.members import Ensemble
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator

CRYSTAL = Crystal.from_triplets((12, 9, 11, 90, 107, 90), ["-x,y,-z", "x+1/2,y+1/2,z"])
N, M = 6, 7


@pytest.fixture(name="calculator", params=["fft", "direct"])
def calculator_fixture(request):
    rng = np.random.default_rng(0)
    atoms = Atoms.from_labels(["C", "N", "O"] * 2, rng.random((N, 3)), 1.0, 10 + rng.random(N))
    return Calculator.from_model((CRYSTAL, atoms), d_min=2.0, method=request.param, rtol=1e-4)


@pytest.fixture(name="members")
def members_fixture(calculator):
    rng = np.random.default_rng(1)
    return Ensemble(calculator.atoms, calculator.atoms.frac + 0.02 * rng.normal(size=(M, N, 3)))


def test_members_with_b_of_their_own_are_what_they_are_one_by_one(calculator, members):
    rng = np.random.default_rng(2)
    own = Ensemble(calculator.atoms, members.frac, b_iso=5 + 20 * rng.random((M, N)))
    every = list(ensemble.member_structure_factors(calculator, own, threads=2))
    assert len(every) == M
    for f, atoms in zip(every, own, strict=True):
        alone = Calculator.from_model(
            (CRYSTAL, atoms), d_min=2.0, method=calculator.method, rtol=1e-4
        ).forward()
        assert np.linalg.norm(f - alone) < 2e-4 * np.linalg.norm(alone)


def test_moments_are_those_of_all_members(calculator, members):
    every = np.array(list(ensemble.member_structure_factors(calculator, members)))
    found = ensemble.moments(calculator, members)
    np.testing.assert_allclose(found.mean, every.mean(axis=0), rtol=1e-12)
    intensity = (np.abs(every) ** 2).mean(axis=0)
    np.testing.assert_allclose(found.mean_intensity, intensity, rtol=1e-12)
    np.testing.assert_allclose(
        found.diffuse, (np.abs(every - every.mean(axis=0)) ** 2).mean(axis=0), rtol=1e-9
    )


def test_weights(calculator, members):
    weights = np.arange(1, M + 1)
    every = np.array(list(ensemble.member_structure_factors(calculator, members)))
    found = ensemble.moments(calculator, members, weights=weights)
    np.testing.assert_allclose(found.mean, np.average(every, axis=0, weights=weights), rtol=1e-12)
    with pytest.raises(friedel.ParameterError, match="weight"):
        ensemble.moments(calculator, members, weights=[-1.0] * M)


@pytest.mark.parametrize("threads", [2, 3, 20])
def test_the_same_bits_for_any_number_of_threads(calculator, members, threads):
    one, many = (ensemble.moments(calculator, members, threads=n) for n in (1, threads))
    np.testing.assert_array_equal(one.mean, many.mean)
    np.testing.assert_array_equal(one.diffuse, many.diffuse)


def test_members_are_taken_as_they_are_needed(calculator, members):
    taken = []

    def frames():
        for i, atoms in enumerate(members):
            taken.append(i)
            yield atoms

    every = ensemble.member_structure_factors(calculator, frames(), threads=2)
    next(every)
    assert len(taken) <= 4


def test_identical_members_scatter_nothing_diffusely(calculator):
    same = np.repeat(calculator.atoms.frac[None], 4, axis=0)
    found = ensemble.moments(calculator, Ensemble(calculator.atoms, same))
    np.testing.assert_array_equal(found.mean, calculator.forward())
    assert not found.diffuse.any()


def test_gradients_of_each_member(calculator, members):
    rng = np.random.default_rng(2)
    w = rng.normal(size=(M, len(calculator.hkl))) * (1 + 2j)
    for found, atoms, x in zip(
        ensemble.gradients(calculator, members, w, threads=2), members, w, strict=True
    ):
        np.testing.assert_array_equal(found.frac, calculator.at(atoms).adjoint(x).frac)


def test_cartesian_coordinates(calculator, members):
    xyz = members.frac @ CRYSTAL.orthogonalization.T
    again = Ensemble.from_xyz(calculator, xyz)
    np.testing.assert_allclose(again.frac, members.frac, atol=1e-12)


def test_bad_ensembles(calculator, members):
    with pytest.raises(friedel.AtomsError, match="frac has shape"):
        Ensemble(calculator.atoms, members.frac[:, :-1])
    with pytest.raises(friedel.AtomsError, match="b_iso has shape"):
        Ensemble(calculator.atoms, members.frac, b_iso=np.ones(N))
    with pytest.raises(friedel.ParameterError, match="no members"):
        ensemble.moments(calculator, [])
