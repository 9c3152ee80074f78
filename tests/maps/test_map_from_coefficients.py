"""Maps are the Fourier sums of their definition."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest
from crystals import CELLS, crystal_of, scattered_atoms

import friedel
from friedel.density.fourier import structure_factors
from friedel.errors import ParameterError, ReflectionsError, TimeLimitError
from friedel.model.crystal import Crystal
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections

D_MIN = 2.2


def coefficients(name: str, *, with_000: bool = False) -> Reflections:
    crystal = crystal_of(name)
    hkl = crystal.unique_reflections(D_MIN)
    if with_000:
        hkl = np.concatenate([hkl, np.zeros((1, 3), np.int32)])
    return friedel.fcalc((crystal, scattered_atoms(name)), hkl=hkl, method="direct")


def whole_sphere(name: str) -> Reflections:
    """Half of all reflections without use of symmetry; the others are their Friedel mates."""
    crystal = crystal_of(name)
    hkl = Crystal(crystal.cell).unique_reflections(D_MIN)
    return friedel.fcalc((crystal, scattered_atoms(name)), hkl=hkl, method="direct")


def worst(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.std(expected))


def test_a_map_that_is_absurdly_large_for_its_reflections():
    """As of a cell with an edge that is wrong: it was made, and written to 1.5 GB."""
    crystal = Crystal((700.0, 600.0, 700.0, 90.0, 90.0, 90.0))
    f = Reflections(crystal, np.array([[150, 0, 0], [0, 1, 0], [0, 0, 149]]), np.ones(3, complex))
    message = r"a map of \d+ x \d+ x \d+ of 3 reflections is predicted .* longer than 3.15 s"
    with pytest.raises(TimeLimitError, match=message):
        friedel.map_from_coefficients(f)
    assert friedel.map_from_coefficients(f, shape=(320, 8, 320), force=True).shape[1] == 8


@pytest.mark.parametrize("name", CELLS)
def test_a_map_is_the_sum_over_all_reflections(name):
    f, every = coefficients(name), whole_sphere(name)
    grid = friedel.map_from_coefficients(f)
    points = np.random.default_rng(0).integers(0, grid.shape, (100, 3))
    turns = (points / grid.shape) @ every.hkl.T
    exact = 2.0 * (every.values * np.exp(-2j * np.pi * turns)).real.sum(axis=1)
    # float32: 6e-8 of a maximum of some 20 standard deviations
    assert worst(grid.array[tuple(points.T)], exact / f.crystal.volume) < 3e-6
    assert grid.array.dtype == np.float32


@pytest.mark.parametrize("name", CELLS)
def test_gemmi_makes_the_same_map(name):
    f = coefficients(name, with_000=True)
    cell, group = gemmi.UnitCell(*f.crystal.cell), gemmi.SpaceGroup(name)
    data = gemmi.ComplexAsuData(cell, group, f.hkl, f.values.astype(np.complex64))
    grid = friedel.map_from_coefficients(f)
    expected = np.array(data.transform_f_phi_to_map(exact_size=grid.shape).array)
    assert worst(grid.array, expected) < 5e-6


@pytest.mark.parametrize("name", CELLS)
def test_the_transform_of_the_map_is_the_coefficients(name):
    f = coefficients(name, with_000=True)
    grid = friedel.map_from_coefficients(f)
    back = structure_factors(grid.array.astype(float), f.crystal, f.hkl, symmetry_sum=False)
    assert np.abs(back - f.values).max() < 1e-6 * np.abs(f.values).max()


@pytest.mark.parametrize("name", CELLS)
def test_equivalent_reflections_count_once(name):
    f = coefficients(name)
    expected = friedel.map_from_coefficients(f).array
    every = whole_sphere(name)
    both = replace(
        every,
        hkl=np.concatenate([every.hkl, -every.hkl, every.hkl[:7]]),
        values=np.concatenate([every.values, every.values.conj(), every.values[:7]]),
    )
    shuffled = both.select(np.random.default_rng(1).permutation(len(both)))
    for redundant in (every, shuffled):
        assert worst(friedel.map_from_coefficients(redundant).array, expected) < 3e-6


def test_unlike_values_of_equivalent_reflections_are_averaged():
    f = coefficients("P 21 21 21")
    other = f.values * np.exp(1j * np.random.default_rng(2).normal(size=len(f)))
    twice = replace(f, hkl=np.concatenate([f.hkl, -f.hkl]), values=np.r_[f.values, other.conj()])
    mean = replace(f, values=0.5 * (f.values + other))
    maps = [friedel.map_from_coefficients(x).array for x in (twice, mean)]
    assert worst(*maps) < 2e-6


@pytest.mark.parametrize("name", ["P 1", "F d -3 m:2"])
def test_the_mean_of_a_map_is_f000(name):
    without, f = coefficients(name), coefficients(name, with_000=True)
    mean = f.values[-1].real / f.crystal.volume
    assert friedel.map_from_coefficients(f).array.mean(dtype=float) == pytest.approx(mean, rel=1e-6)
    assert abs(friedel.map_from_coefficients(without).array.mean(dtype=float)) < 1e-6 * mean
    alone = friedel.map_from_coefficients(f.select(f.stol2 == 0.0), shape=(6, 6, 6)).array
    np.testing.assert_allclose(alone, mean, rtol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_parseval(name):
    """The mean square of a map is the sum of all F^2 over the square of the volume."""
    every = whole_sphere(name)
    square = np.mean(friedel.map_from_coefficients(coefficients(name)).array.astype(float) ** 2)
    expected = 2.0 * (every.amplitudes**2).sum() / every.crystal.volume**2
    assert square == pytest.approx(expected, rel=1e-6)


def test_maps_are_linear_in_their_coefficients():
    f = coefficients("P 31 2 1")
    g = replace(f, values=np.random.default_rng(3).permutation(f.values))
    of_f, of_g, of_both = (
        friedel.map_from_coefficients(replace(f, values=values)).array.astype(float)
        for values in (f.values, g.values, 2.0 * f.values - 3.0 * g.values)
    )
    assert worst(of_both, 2.0 * of_f - 3.0 * of_g) < 3e-6


@pytest.mark.parametrize("name", CELLS)
def test_maps_have_the_symmetry_of_the_crystal(name):
    """Whatever the coefficients: of forbidden phases the part that symmetry allows counts."""
    f = coefficients(name)
    rng = np.random.default_rng(4)
    grid = friedel.map_from_coefficients(
        replace(f, values=rng.normal(size=(len(f), 2)) @ np.array([1.0, 1j]))
    )
    size, crystal = np.array(grid.shape), grid.crystal
    points = rng.integers(0, size, (50, 3))
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        images = (points / size) @ rotation.T + translation / 24
        index = np.rint(images * size).astype(int) % size
        difference = grid.array[tuple(index.T)] - grid.array[tuple(points.T)]
        assert np.abs(difference).max() < 3e-6 * grid.array.std()


def test_missing_and_absent_reflections_are_left_out():
    f = coefficients("P 21 21 21")
    values = f.values.copy()
    values[::5] = np.nan
    expected = friedel.map_from_coefficients(f.select(~np.isnan(values)), spacing=0.5).array
    found = friedel.map_from_coefficients(replace(f, values=values), spacing=0.5).array
    np.testing.assert_array_equal(found, expected)
    axial = np.array([[3, 0, 0], [0, 0, 5]])
    assert f.crystal.is_absent(axial).all()
    more = replace(f, hkl=np.concatenate([f.hkl, axial]), values=np.r_[f.values, 50.0, 70j])
    np.testing.assert_array_equal(
        friedel.map_from_coefficients(more, spacing=0.5).array,
        friedel.map_from_coefficients(f, spacing=0.5).array,
    )


def test_friedel_pairs_give_the_map_of_their_mean():
    crystal, atoms = crystal_of("P 21 21 21"), scattered_atoms("P 21 21 21")
    atoms = atoms.replace(scatterers=("Se",))
    pairs = friedel.fcalc((crystal, atoms), d_min=D_MIN, wavelength=0.9, friedel_pairs=True)
    assert isinstance(pairs, FriedelPairs)
    f = Reflections(crystal, pairs.hkl, pairs.mean)
    found, expected = (friedel.map_from_coefficients(x).array for x in (pairs, f))
    np.testing.assert_array_equal(found, expected)
    # Where h and -h are listed apart the mean is the same
    apart = Reflections(
        crystal, np.concatenate([pairs.hkl, -pairs.hkl]), np.r_[pairs.plus, pairs.minus]
    )
    assert worst(friedel.map_from_coefficients(apart).array, expected) < 3e-6


@pytest.mark.parametrize("name", ["P 1", "P 31 2 1"])
def test_any_grid_that_holds_the_indices_gives_the_same_map(name):
    f = coefficients(name)
    largest = np.abs(whole_sphere(name).hkl).max(axis=0)
    least = friedel.map_from_coefficients(f, shape=2 * largest + 1)
    assert least.shape == tuple(2 * largest + 1)
    finer = friedel.map_from_coefficients(f, shape=(4 * largest + 2).tolist())
    assert worst(finer.array[::2, ::2, ::2], least.array) < 3e-6
    for axis in range(3):
        coarse = 2 * largest + 1
        coarse[axis] -= 1
        with pytest.raises(ParameterError, match="too coarse"):
            friedel.map_from_coefficients(f, shape=coarse)


def test_the_spacing():
    f = coefficients("P 31 2 1")
    cell = np.array(f.crystal.cell[:3])
    for spacing, limit in ((None, f.d_spacing.min() / 4), (0.31, 0.31)):
        shape = friedel.map_from_coefficients(f, spacing=spacing).shape
        assert (cell / shape <= limit).all()
        assert shape[0] == shape[1]
        assert shape[2] % 3 == 0
    with pytest.raises(ParameterError, match="a spacing below 1.1"):
        friedel.map_from_coefficients(f, spacing=2.0)


@pytest.mark.parametrize("options", [
    {"spacing": 0.0}, {"spacing": np.nan}, {"shape": (10, 10)}, {"shape": (0, 10, 10)},
    {"shape": 3}, {"shape": (20.5, 30, 30)}, {"shape": "abc"},
    {"shape": (40, 40, 40), "spacing": 1},
])  # fmt: skip
def test_impossible_grids(options):
    with pytest.raises(ParameterError, match="got|expected"):
        friedel.map_from_coefficients(coefficients("P 1"), **options)


def test_impossible_coefficients():
    f = coefficients("P 1", with_000=True)
    with pytest.raises(ReflectionsError, match="phases"):
        friedel.map_from_coefficients(replace(f, values=f.amplitudes))
    with pytest.raises(ReflectionsError, match="no values"):
        friedel.map_from_coefficients(replace(f, values=np.full(len(f), np.nan + 0j)))
    with pytest.raises(ReflectionsError, match="no values"):
        friedel.map_from_coefficients(f.select(np.zeros(len(f), bool)))
    with pytest.raises(ReflectionsError, match="infinite"):
        friedel.map_from_coefficients(replace(f, values=np.where(f.stol2 > 0, f.values, np.inf)))
    with pytest.raises(ReflectionsError, match="friedel.Reflections"):
        friedel.map_from_coefficients("map.mtz")
    with pytest.raises(ParameterError, match="no resolution"):
        friedel.map_from_coefficients(f.select(f.stol2 == 0.0))


def test_maps_of_a_refined_structure_are_those_of_gemmi(shared_data, tmp_path):
    models = shared_data / "models"
    fmodel = friedel.FModel(models / "1dur.pdb", models / "1dur.mtz").fit()
    fmodel.to_mtz(tmp_path / "fitted.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "fitted.mtz"))
    fwt, difference = fmodel.map_coefficients()
    doubled = np.where(fmodel.crystal.is_centric(difference.hkl), 1.0, 2.0) * difference.values
    delfwt = replace(difference, values=doubled)
    for f, labels in ((fwt, ("FWT", "PHWT")), (delfwt, ("DELFWT", "PHDELWT"))):
        grid = friedel.map_from_coefficients(f)
        expected = np.array(mtz.transform_f_phi_to_map(*labels, exact_size=grid.shape).array)
        # Phases in the file are float32 in degrees
        assert worst(grid.array, expected) < 2e-5
