"""F^2, sigmas and models of any size: a finite result that prints in columns, or a named error."""

import time

import numpy as np
import pytest

import friedel
from friedel.maps.symmetry_copies import next_to
from friedel.readers.reflection_lists import ReflectionList
from friedel.smallmolecule.parameter import Parameter
from friedel.writers.number_text import fixed

CRYSTAL = friedel.Crystal.from_triplets((7, 8, 9, 90, 100, 90), ["-x,y+1/2,-z", "-x,-y,-z"])
RNG = np.random.default_rng(0)
ATOMS = friedel.Atoms.from_labels(["C", "N", "O", "S"], RNG.random((4, 3)), 1.0, 3.0)
HKL = CRYSTAL.unique_reflections(0.9)
F2 = np.abs(friedel.fcalc((CRYSTAL, ATOMS), hkl=HKL, method="direct").values) ** 2
F2 = F2 * RNG.normal(1.0, 0.05, len(F2))
LAW = ["-h,-k,l"]


def fitted(f2, sigmas, atoms=ATOMS, **options):
    data = ReflectionList(HKL, f2, sigmas * np.ones(len(f2)))
    return friedel.fit_intensities((CRYSTAL, atoms), data, **options)


def check(f2, sigmas, **options):
    """A named error, or a result whose text has no NaN, no infinity and no long numbers."""
    try:
        fit = fitted(f2, sigmas, **options)
        text = fit.summary()
    except friedel.FriedelError:
        return
    assert np.isfinite(fit.f2_model).all()
    words = text.split("note:")[0].lower().replace("(", " ").split()
    assert not {"nan", "inf", "-inf"} & set(words)
    assert max(map(len, words)) < 25


def with_value(value, some=slice(3, 5)):
    f2 = F2.copy()
    f2[some] = value
    return f2


OPTIONS = (
    {},
    {"twin": LAW},
    {"wavelength": 0.71, "extinction": 0.01, "twin": LAW},
    {"wavelength": 0.71, "extinction": True},
    {"weights": "fit"},
    {"weights": (0.1, 1.0)},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 1e150, 1e308, -1e30, 0.0])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_values(value, options):
    for some in (slice(3, 5), slice(None)):
        check(with_value(value, some), 1.0, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("factor", [1e-300, 1e-150, 1e-30, 1e30, 1e150, 1e300])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_scales_of_values_and_sigmas(factor, options):
    for of_values, of_sigmas in ((factor, 1.0), (1.0, factor), (factor, factor), (1e150, factor)):
        check(F2 * of_values, of_sigmas, **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_some_sigmas_of_zero_beside_huge_values(options):
    sigmas = np.where(np.arange(len(F2)) % 7, 1.0, 0.0)
    check(F2 * 1e150, sigmas, **options)


def test_what_is_not_finite_is_left_out_with_a_note():
    plain = fitted(F2, 1.0)
    spoilt = fitted(with_value(np.nan), 1.0)
    assert "2 reflections whose F^2 or sigma is not finite are not used" in spoilt.notes
    assert spoilt.r1 == pytest.approx(plain.r1, abs=0.01)


def test_limits_have_figures():
    with pytest.raises(friedel.ReflectionsError, match=r"F\^2 has values of 1.0e\+60, expected"):
        fitted(with_value(1e60), 1.0)
    with pytest.raises(friedel.ReflectionsError, match="expected more than 1e-50"):
        fitted(F2, 1e-60)
    with pytest.raises(friedel.ParameterError, match="no finite weights"):
        fitted(F2, 1.0, weights=(0.1, 0.0, 1e6, 0.0, 0.0, 0.3))
    steep = ATOMS.replace(b_iso=np.full(4, -900.0))
    with pytest.raises(friedel.AtomsError, match="are B of the atoms negative"):
        fitted(F2, 1.0, atoms=steep)


def test_without_degrees_of_freedom_there_is_a_note_and_no_nan():
    fit = fitted(F2, 1.0, n_parameters=len(F2))
    text = fit.summary()
    assert "GooF       none" in text
    assert any("there is no goodness of fit" in note for note in fit.notes)


def test_data_that_determine_nothing_take_seconds():
    start = time.perf_counter()
    rng = np.random.default_rng(1)
    wild = F2 * 10.0 ** rng.uniform(-12, 12, len(F2))
    check(wild, 1e-6, wavelength=0.71, extinction=True, twin=LAW, weights="fit")
    assert time.perf_counter() - start < 60.0


def test_atoms_many_cells_apart():
    """The nearest atoms are found without looking through all cells between them."""
    group = ["y,z,x", "-x,-y,z", "y,x,z", "-x,-y,-z", "x+1/2,y+1/2,z", "x,y+1/2,z+1/2"]
    crystal = friedel.Crystal.from_triplets((9, 9, 9, 90, 90, 90), group)
    rng = np.random.default_rng(0)
    others, places = rng.random((9, 3)), rng.random((20, 3))
    shifts = rng.integers(-3000, 3000, (9, 3))
    copies, nearest, distance = next_to(crystal, places, others)
    far_copies, far_nearest, far_distance = next_to(crystal, places, others + shifts)
    np.testing.assert_array_equal(nearest, far_nearest)
    np.testing.assert_allclose(distance, far_distance, atol=1e-8)
    np.testing.assert_allclose(far_copies - shifts[nearest], copies, atol=1e-8)


@pytest.mark.parametrize(
    ("value", "su", "text"),
    [
        (0.0823, 0.0017, "0.0823(17)"),
        (12.0, 3.0, "12(3)"),
        (3.4e20, 2.0e18, "3.40(2)e+20"),
        (1.0, 4.0e20, "0(4)e+20"),
        (1.5e-30, 2.0e-32, "1.50(2)e-30"),
        (1.0, 1e-40, "1"),
        (2.5, 0.0, "2.5"),
    ],
)
def test_parameters_of_any_size(value, su, text):
    assert str(Parameter(value, su)) == text


def test_numbers_of_any_size_fit_their_columns():
    assert fixed(1234.5678, 2) == "1234.57"
    assert fixed(np.nan, 2) == "-"
    assert fixed(3e38, 3) == "3e+38"
    assert fixed(3.0, 1, "+") == "+3.0"
    for value in 10.0 ** np.arange(-300, 300.0, 7):
        assert len(fixed(-value, 4)) <= 13
