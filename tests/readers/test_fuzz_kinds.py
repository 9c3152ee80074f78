"""A seeded part of each kind of the fuzz suite; what it found once stays here by its seed."""

import pytest

import fuzz

pytest.importorskip("gemmi")

FOUND = {
    "arrays": (0, 25, 29, 117, 190, 257, 1092, 100_584, 101_447, 102_212),
    "parts": (400_196, 400_561),
    "others": (101_259, 101_885),
    "fits": (41, 100, 161, 234, 869, 1657, 1674, 1712, 101_456, 900_000),
    "small": (4, 15, 21, 28, 37, 44, 60, 87, 105, 343, 100_139),
}
"""Seeds of cases that once ended in a traceback, NaN, a column that overflowed or a warning."""


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "models"


@pytest.fixture(scope="module")
def cases(folder):
    return fuzz.kinds(folder)


@pytest.mark.parametrize(
    ("kind", "n"), [("arrays", 60), ("others", 60), ("options", 60), ("parts", 60)]
)
def test_input(cases, folder, kind, n):
    outcomes = {fuzz.outcome(cases[kind], seed, folder) for seed in range(n)}
    assert "result" in outcomes
    assert len(outcomes) > 1


@pytest.mark.parametrize("kind", ["fits", "small"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_perturbed_fits(cases, folder, kind):
    outcomes = {fuzz.outcome(cases[kind], seed, folder) for seed in range(15)}
    assert "result" in outcomes


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in FOUND for seed in FOUND[kind]])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_was_found_once(cases, folder, kind, seed):
    fuzz.outcome(cases[kind], seed, folder)
