from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import friedel
from friedel.accuracy.model import SAFETY
from friedel.density import atoms_on_grid
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime import threads
from friedel.scattering.formfactors import GaussianSum
from friedel.structure_factors.calculator import Calculator

CRYSTAL = Crystal.from_triplets((20, 22, 25, 90, 90, 90), ["-x,-y,z+1/2"])


def some_atoms(n=40, seed=5):
    rng = np.random.default_rng(seed)
    labels = rng.choice(["C", "N", "O"], n)
    return Atoms.from_labels(labels, rng.random((n, 3)), 1.0, 10 + 20 * rng.random(n))


def relative_rms(found, expected):
    return np.sqrt((np.abs(found - expected) ** 2).sum() / (np.abs(expected) ** 2).sum())


def test_planned_once_called_with_moved_atoms():
    atoms = some_atoms()
    calculator = Calculator.from_model((CRYSTAL, atoms), d_min=2.0, method="fft")
    plan = calculator.plan
    moved = atoms.replace(frac=atoms.frac + 0.01)
    found = calculator.forward(moved)
    assert calculator.plan is plan
    expected = Calculator.from_model((CRYSTAL, moved), d_min=2.0, method="direct").forward()
    assert relative_rms(found, expected) < 1e-4


def test_sharper_atoms_are_planned_anew():
    atoms = some_atoms()
    calculator = Calculator.from_model((CRYSTAL, atoms), d_min=2.0, method="fft")
    sharper = atoms.replace(b_iso=0.1 * atoms.b_iso)
    found = calculator.forward(sharper)
    expected = Calculator.from_model((CRYSTAL, sharper), d_min=2.0, method="direct").forward()
    assert relative_rms(found, expected) < 1e-4


def test_other_kinds_of_atoms_are_refused():
    calculator = Calculator.from_model((CRYSTAL, some_atoms()), d_min=2.0)
    with pytest.raises(friedel.AtomsError, match="planned for"):
        calculator.forward(Atoms.from_labels(["Fe"], [[0, 0, 0]]))


@pytest.mark.parametrize("rtol", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8])
def test_the_error_asked_for_is_met(rtol):
    atoms = some_atoms()
    calculator = Calculator.from_model((CRYSTAL, atoms), d_min=1.5, method="fft", rtol=rtol)
    expected = Calculator.from_model((CRYSTAL, atoms), d_min=1.5, method="direct").forward()
    assert relative_rms(calculator.forward(), expected) < rtol
    assert calculator.plan.error < rtol


def test_auto_takes_direct_summation_for_few_terms_and_fft_for_many():
    few = Calculator.from_model((CRYSTAL, some_atoms(3)), d_min=3.0)
    large = Crystal((60, 70, 80, 90, 90, 90))
    many = Calculator.from_model((large, some_atoms(10_000)), d_min=2.0)
    assert (few.method, many.method) == ("direct", "fft")
    assert "FFT: grid" in many.describe()


def test_any_reflections_in_the_order_given():
    hkl = np.array([[3, -2, 1], [0, 0, 0], [-1, 2, -3], [3, -2, 1]])
    for method in ("direct", "fft"):
        calculator = Calculator.from_model((CRYSTAL, some_atoms()), hkl=hkl, method=method)
        np.testing.assert_array_equal(calculator.hkl, hkl)
        f = calculator.forward()
        assert f[0] == f[3]
        assert f.dtype == np.complex128


def test_no_reflections_give_no_values():
    for method in ("auto", "direct", "fft"):
        found = Calculator.from_model((CRYSTAL, some_atoms()), hkl=np.empty((0, 3)), method=method)
        assert found.forward().shape == (0,)


def test_absent_atoms_scatter_nothing():
    atoms = some_atoms().replace(occ=np.zeros(40))
    for method in ("auto", "direct", "fft"):
        f = Calculator.from_model((CRYSTAL, atoms), d_min=3.0, method=method).forward()
        assert (f == 0).all()


def test_precision_of_the_grid_can_be_chosen():
    calculator = Calculator.from_model(
        (CRYSTAL, some_atoms()), d_min=2.0, method="fft", dtype="float64"
    )
    assert calculator.plan.dtype == np.float64
    with pytest.raises(friedel.AccuracyError, match="direct summation does"):
        Calculator.from_model(
            (CRYSTAL, some_atoms()), d_min=2.0, method="fft", dtype="float32", rtol=1e-9
        )


def test_custom_form_factors_reach_the_sum():
    atoms = Atoms.from_labels(["Fe2+"], [[0, 0, 0]])
    calculator = Calculator.from_model(
        (Crystal((10, 10, 10, 90, 90, 90)), atoms),
        hkl=[[0, 0, 0]],
        form_factors={"Fe2+": GaussianSum((7.0,), (1.0,))},
    )
    assert calculator.forward()[0] == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, friedel.ParameterError),
        ({"d_min": 2.0, "hkl": [[1, 0, 0]]}, friedel.ParameterError),
        ({"d_min": -2.0}, friedel.ResolutionError),
        ({"d_min": 2.0, "method": "magic"}, friedel.ParameterError),
        ({"d_min": 2.0, "source": "muon"}, friedel.ParameterError),
        ({"d_min": 2.0, "rtol": 0.0}, friedel.ParameterError),
        ({"d_min": 2.0, "rtol": 2.0}, friedel.ParameterError),
        ({"d_min": 2.0, "rtol": "small"}, friedel.ParameterError),
        ({"hkl": [[0.5, 0, 0]]}, friedel.ReflectionsError),
    ],
)
def test_bad_options_are_named(options, error):
    with pytest.raises(error):
        Calculator.from_model((CRYSTAL, some_atoms()), **options)


def test_resolution_beyond_the_table_is_said_once():
    atoms = Atoms.from_labels(["C"], [[0, 0, 0]])
    with pytest.warns(friedel.FriedelWarning, match="extrapolated"):
        Calculator.from_model((Crystal((5, 5, 5, 90, 90, 90)), atoms), hkl=[[25, 0, 0]])


def test_fixed_sampling_is_used_and_its_error_is_reported():
    atoms = some_atoms()
    exact = Calculator.from_model((CRYSTAL, atoms), d_min=2.0, method="direct").forward()
    for fixed in ({"rate": 1.5}, {"blur": 20.0}, {"cutoff": 1e-4}, {"rate": 1.2, "blur": 5.0}):
        calculator = Calculator.from_model((CRYSTAL, atoms), d_min=2.0, **fixed)
        assert calculator.method == "fft"
        for name, value in fixed.items():
            found = getattr(calculator.plan, name)
            # FFT-friendly sizes can only be finer than the rate that was asked for
            assert found >= value if name == "rate" else found == value
        error = relative_rms(calculator.forward(), exact)
        assert error < SAFETY * calculator.plan.error


@pytest.mark.parametrize(
    "fixed",
    [
        {"rate": 0.5}, {"rate": float("nan")}, {"blur": float("inf")}, {"cutoff": 0.0},
        {"cutoff": -1.0}, {"dtype": "float16"}, {"blur": -500.0}, {"threads": 0}, {"threads": 1.5},
    ],
)  # fmt: skip
def test_impossible_sampling_is_refused(fixed):
    with pytest.raises(friedel.ParameterError):
        Calculator.from_model((CRYSTAL, some_atoms()), d_min=2.0, method="fft", **fixed)


@pytest.mark.parametrize("threads", [2, 5])
def test_the_same_bits_for_any_number_of_threads(threads):
    one, many = (
        Calculator.from_model((CRYSTAL, some_atoms()), d_min=1.5, method="fft", threads=n)
        for n in (1, threads)
    )
    np.testing.assert_array_equal(one.forward(), many.forward())


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_the_number_of_threads_may_change(method, monkeypatch):
    """Objects kept between calls hold no reference to the calculator they were made with."""
    asked = []

    def in_stretches(work, n, threads, load=None, seconds=0.0):
        asked.append(threads)
        work(0, n)

    for module in (atoms_on_grid, threads):
        monkeypatch.setattr(module, "in_stretches", in_stretches)
    monkeypatch.setattr(atoms_on_grid, "POINTS_PER_THREAD", 1)
    monkeypatch.setattr(atoms_on_grid, "ATOMS_PER_THREAD", 1)
    monkeypatch.setattr(threads, "SECONDS_OF_THREADS", 0.0)
    model = CRYSTAL, some_atoms(500)
    calculator = Calculator.from_model(model, d_min=1.0, method=method, threads=1)
    w = np.ones(len(calculator.hkl), complex)
    for n_threads in (2, 3):
        asked.clear()
        calculator = calculator.with_threads(n_threads)
        calculator.forward()
        forward = len(asked)
        calculator.adjoint(None, w)
        assert n_threads in asked[:forward]
        assert n_threads in asked[forward:]
        assert max(asked) == n_threads


def test_several_threads_may_call_at_once():
    calculator = Calculator.from_model((CRYSTAL, some_atoms()), d_min=1.5, method="fft")
    alone = calculator.forward()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: calculator.forward(), range(16)):
            np.testing.assert_array_equal(found, alone)
