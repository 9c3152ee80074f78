"""Peaks are where the maps are made to have them."""

import csv

import numpy as np
import pytest
from crystals import CELLS, crystal_of, distances, scattered_atoms

import friedel
from friedel.density.grid import Grid
from friedel.errors import AtomsError, CellError, ParameterError
from friedel.maps.peaks import DEFAULT_SIGMA
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

SKEWED = [
    (14.0, 15.0, 16.0, 90.0, 90.0, 90.0),
    (14.0, 15.0, 16.0, 75.0, 100.0, 140.0),
    (22.0, 12.0, 13.0, 110.0, 65.0, 55.0),
]


def gaussians(
    crystal: Crystal,
    shape: tuple[int, int, int],
    frac: np.ndarray,
    heights: np.ndarray,
    width: float,
) -> Grid:
    """The sum of Gaussians around atoms and their copies in all cells; symmetry is not used."""
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1)
    array = np.zeros(shape)
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for place, height in zip(frac, heights, strict=True):
        for shift in shifts:
            r = (points - place % 1.0 - shift) @ crystal.orthogonalization.T
            array += height * np.exp(-0.5 * (r**2).sum(axis=-1) / width**2)
    return Grid(array, crystal)


@pytest.mark.parametrize("cell", SKEWED)
def test_gaussians_are_found_where_they_are(cell):
    crystal, rng = Crystal(cell), np.random.default_rng(0)
    frac = (
        np.array([[0.02, 0.5, 0.98], [0.4, 0.1, 0.3], [0.6, 0.8, 0.5]]) + rng.normal(size=3) / 300
    )
    heights = np.array([3.0, 2.0, 1.0])
    # As wide as peaks at d_min = 1.6, with four points per d_min
    shape = tuple(np.ceil(np.array(cell[:3]) / 0.4).astype(int))
    grid = gaussians(crystal, shape, frac, heights, 0.67)
    peaks = friedel.find_peaks(grid, n=3)
    off = peaks.frac - frac
    off = (off - np.rint(off)) @ crystal.orthogonalization.T
    assert np.linalg.norm(off, axis=1).max() < (0.0016 if cell[3:] == (90.0,) * 3 else 0.008)
    np.testing.assert_allclose(peaks.height, heights, rtol=1e-3)
    deviations = (peaks.height - grid.array.mean()) / grid.array.std()
    np.testing.assert_allclose(peaks.sigma, deviations, rtol=1e-12)
    np.testing.assert_allclose(peaks.xyz, peaks.frac @ crystal.orthogonalization.T)
    assert ((peaks.frac > -1e-5) & (peaks.frac < 1)).all()


@pytest.mark.parametrize(("points", "place", "height"), [(4, 1e-3, 2e-3), (3, 4e-3, 1.5e-2)])
@pytest.mark.parametrize("cell", SKEWED)
def test_how_exact_peaks_are(cell, points, place, height):
    """The peak is that of a point atom, whose coefficients do not fall off with resolution."""
    crystal, d_min = Crystal(cell), 1.5
    hkl = crystal.unique_reflections(d_min)
    total = 2.0 * len(hkl) / crystal.volume
    if cell[3:] != (90.0, 90.0, 90.0):
        place *= 5.0
    for frac in np.random.default_rng(1).random((10, 3)):
        f = friedel.Reflections(crystal, hkl, np.exp(2j * np.pi * hkl @ frac))
        peaks = friedel.find_peaks(friedel.map_from_coefficients(f, spacing=d_min / points), n=1)
        off = peaks.frac[0] - frac
        off = (off - np.rint(off)) @ crystal.orthogonalization.T
        assert np.linalg.norm(off) < place * d_min
        assert peaks.height[0] == pytest.approx(total, rel=height)


@pytest.mark.parametrize("name", CELLS)
def test_peaks_are_at_the_atoms(name):
    """Each peak, on general and special positions, is found once, with its atom."""
    crystal, atoms = crystal_of(name), scattered_atoms(name)
    f = friedel.fcalc((crystal, atoms), d_min=1.2, method="direct")
    grid = friedel.map_from_coefficients(f)
    peaks = friedel.find_peaks(grid, n=len(atoms), atoms=atoms)
    assert sorted(peaks.atom) == list(range(len(atoms)))
    assert (peaks.distance < 0.02).all()
    assert np.abs(peaks.frac - atoms.frac[peaks.atom]).max() < 0.02 / min(crystal.cell[:3]) * 2
    assert set(peaks.label) == {"C"}
    # Carbon on special positions has the same height, as it is there once
    assert peaks.height.max() < 1.1 * peaks.height.min()
    # Without atoms the same peaks are found, and no copies of them
    alone = friedel.find_peaks(grid, sigma=0.6 * peaks.sigma.min())
    np.testing.assert_allclose(alone.height, peaks.height, rtol=1e-6)
    np.testing.assert_allclose(np.diag(distances(crystal, alone.frac, peaks.frac)), 0.0, atol=1e-3)


@pytest.mark.parametrize("name", ["P 31 2 1", "C 1 2 1", "F d -3 m:2"])
def test_a_grid_need_not_fit_the_symmetry(name):
    crystal, atoms = crystal_of(name), scattered_atoms(name)
    f = friedel.fcalc((crystal, atoms), d_min=1.2, method="direct")
    grid = friedel.map_from_coefficients(f, shape=(53, 55, 59))
    peaks = friedel.find_peaks(grid, sigma=8.0, atoms=atoms)
    assert sorted(peaks.atom) == list(range(len(atoms)))
    assert (peaks.distance < 0.02).all()


def test_holes():
    crystal, atoms = crystal_of("P 21 21 21"), scattered_atoms("P 21 21 21")
    f = friedel.fcalc((crystal, atoms), d_min=1.5)
    grid = friedel.map_from_coefficients(f)
    negative = Grid(-grid.array, crystal)
    peaks, holes = friedel.find_peaks(grid, sigma=5.0), friedel.find_peaks(negative, sigma=-5.0)
    assert len(peaks) >= len(atoms)
    np.testing.assert_array_equal(holes.frac, peaks.frac)
    np.testing.assert_array_equal(holes.height, -peaks.height)
    np.testing.assert_array_equal(holes.sigma, -peaks.sigma)
    assert (holes.mean, holes.deviation) == (-peaks.mean, peaks.deviation)
    assert len(friedel.find_peaks(negative, sigma=-5.0, n=2)) == 2


def test_how_many():
    crystal, atoms = crystal_of("P 21 21 21"), scattered_atoms("P 21 21 21")
    grid = friedel.map_from_coefficients(friedel.fcalc((crystal, atoms), d_min=1.5))
    every = friedel.find_peaks(grid, n=10**6)
    assert len(every) > 20
    assert (np.diff(every.height) <= 0.0).all()
    assert every.sigma[-1] < DEFAULT_SIGMA / 2
    for n in (1, 3, 10):
        np.testing.assert_array_equal(friedel.find_peaks(grid, n=n).height, every.height[:n])
    for sigma in (DEFAULT_SIGMA, 1.3):
        found = friedel.find_peaks(grid, sigma=sigma)
        np.testing.assert_array_equal(found.height, every.height[every.sigma >= sigma])
    assert len(friedel.find_peaks(grid)) == (every.sigma >= DEFAULT_SIGMA).sum()
    assert len(friedel.find_peaks(grid, sigma=DEFAULT_SIGMA, n=1)) == 1


def test_every_maximum_of_a_grid_is_at_a_peak():
    """In a random map, in a crystal with symmetry, no peak is missed and none is listed twice."""
    crystal = crystal_of("P 31 2 1")
    hkl = crystal.unique_reflections(2.0)
    values = np.random.default_rng(6).normal(size=(len(hkl), 2)) @ np.array([1.0, 1j])
    grid = friedel.map_from_coefficients(friedel.Reflections(crystal, hkl, values))
    peaks = friedel.find_peaks(grid, sigma=1.0)
    apart = distances(crystal, peaks.frac, peaks.frac)
    assert apart[~np.eye(len(peaks), dtype=bool)].min() > 0.5
    neighbours = [np.roll(grid.array, s, (0, 1, 2)) for s in np.ndindex(3, 3, 3)]
    neighbours = [np.roll(x, (-1, -1, -1), (0, 1, 2)) for x in neighbours]
    highest = np.max(neighbours, axis=0) == grid.array
    points = np.argwhere(highest & (grid.array > 1.5 * grid.array.std())) / grid.shape
    assert len(points) > 3 * len(peaks)
    nearest = distances(crystal, points, peaks.frac).min(axis=1)
    assert (nearest < 3.0 * max(grid.spacing)).all()


def test_flat_tops_and_steps():
    crystal = Crystal((12.0, 12.0, 12.0, 90, 90, 90))
    array = np.zeros((24, 24, 24), np.float32)
    array[5:8, 5:8, 5:8] = 4.0  # with its middle on a point
    array[np.ix_([22, 23, 0, 1, 2], [23, 0, 1], [10, 11, 12])] = 3.0  # across the border
    array[14:20, 14:18, 14:18] = 2.0  # a step of what is higher, no peak itself
    array[16, 16, 16] = 5.0
    peaks = friedel.find_peaks(Grid(array, crystal), n=10)
    np.testing.assert_array_equal(peaks.height[1:], [4.0, 3.0, 0.0][: len(peaks) - 1])
    assert len(peaks) == 3 or peaks.height[3] == 0.0
    np.testing.assert_allclose(peaks.frac[0] * 24, 16, atol=0.1)
    np.testing.assert_array_equal(peaks.frac[1] * 24, [6, 6, 6])
    np.testing.assert_array_equal(np.round(peaks.frac[2] * 24, 9) % 24, [0, 0, 11])


def test_a_peak_midway_between_points():
    crystal = Crystal((12.0, 12.0, 12.0, 90, 90, 90))
    u = 2.0 * np.pi * (np.arange(24) - 7.5) / 24
    array = np.cos(u)[:, None, None] + np.cos(u)[None, :, None] + np.cos(u)
    array = np.round(array, 12)  # eight points are exactly equal
    peaks = friedel.find_peaks(Grid(array, crystal), n=5)
    assert len(peaks) == 1
    np.testing.assert_allclose(peaks.frac * 24, 7.5, atol=1e-6)
    assert peaks.height[0] == pytest.approx(3.0, abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
def test_a_map_without_features_has_no_peaks(value):
    grid = Grid(np.full((8, 8, 8), value, np.float32), Crystal((10.0, 10.0, 10.0, 90, 90, 90)))
    for options in ({}, {"n": 4}, {"sigma": -2.0}, {"sigma": 0.1}):
        assert len(friedel.find_peaks(grid, **options)) == 0
    atoms = Atoms.from_labels(["C"], [[0, 0, 0]])
    empty = friedel.find_peaks(grid, atoms=atoms)
    assert empty.distance.shape == (0,)
    assert "distance" in str(empty)
    assert repr(empty) == "<friedel.Peaks 0>"


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.float16])
def test_masks_and_counts_have_peaks_too(kind):
    array = np.zeros((16, 16, 16), kind)
    array[3:6, 3:6, 3:6] = 1
    crystal = Crystal((10.0, 10.0, 10.0, 90, 90, 90))
    peaks = friedel.find_peaks(Grid(array, crystal))
    np.testing.assert_array_equal(peaks.frac * 16, [[4, 4, 4]])
    holes = friedel.find_peaks(Grid(1 - array.astype(kind), crystal), sigma=-3.0)
    np.testing.assert_array_equal(holes.frac * 16, [[4, 4, 4]])


def test_grids_of_gemmis_interface_have_peaks_too():
    crystal, atoms = crystal_of("P 31 2 1"), scattered_atoms("P 31 2 1")
    grid = friedel.map_from_coefficients(friedel.fcalc((crystal, atoms), d_min=1.5))
    other = friedel.FloatGrid(grid.array, crystal=crystal)
    found, expected = (friedel.find_peaks(x, n=5, atoms=atoms) for x in (other, grid))
    np.testing.assert_array_equal(found.frac, expected.frac)


@pytest.mark.parametrize("cell", [*SKEWED, "P 31 2 1", "F d -3 m:2", "P -1"])
@pytest.mark.parametrize("n_atoms", [1, 40])
def test_the_nearest_atom_of_all_copies(cell, n_atoms):
    crystal = crystal_of(cell) if isinstance(cell, str) else Crystal(cell)
    rng = np.random.default_rng(7)
    frac = rng.uniform(-1.5, 2.5, (n_atoms, 3)) if n_atoms > 1 else np.array([[2.1, -0.7, 0.4]])
    atoms = Atoms.from_labels(rng.choice(["N", "O"], n_atoms), frac)
    noise = friedel.map_from_coefficients(
        friedel.Reflections(
            crystal, hkl := crystal.unique_reflections(2.5), np.exp(6j * rng.random(len(hkl)))
        )
    )
    peaks = friedel.find_peaks(noise, sigma=1.0, atoms=atoms)
    assert len(peaks) > 0
    shortest = distances(crystal, peaks.frac, atoms.frac).min(axis=1)
    np.testing.assert_allclose(peaks.distance, shortest, atol=1e-6)
    straight = (peaks.frac - atoms.frac[peaks.atom]) @ crystal.orthogonalization.T
    np.testing.assert_allclose(np.linalg.norm(straight, axis=1), peaks.distance, atol=1e-6)
    np.testing.assert_array_equal(
        peaks.label, [atoms.scatterers[k] for k in atoms.kind[peaks.atom]]
    )
    bare = friedel.find_peaks(noise, sigma=1.0)
    same = np.diag(distances(crystal, bare.frac, peaks.frac))
    np.testing.assert_allclose(same, 0.0, atol=1e-4)


@pytest.fixture(scope="module")
def peaks() -> friedel.Peaks:
    crystal, atoms = crystal_of("C 1 2 1"), scattered_atoms("C 1 2 1")
    f = friedel.fcalc((crystal, atoms), d_min=1.5)
    return friedel.find_peaks(friedel.map_from_coefficients(f), n=4, atoms=(crystal, atoms))


def test_the_table_as_text(peaks):
    lines = str(peaks).splitlines()
    assert len(lines) == 5
    assert lines[0].split() == [*"xyzuvw", "height", "sigma", "atom", "label", "distance"]
    assert len({len(line) for line in lines}) == 1
    row = lines[1].split()
    assert float(row[8]) == pytest.approx(peaks.sigma[0], abs=0.01)
    assert row[10] == "C"
    assert "-0.00 " not in str(peaks)
    assert peaks._repr_html_().count("<tr>") == 5
    assert repr(peaks).startswith("<friedel.Peaks 4, ")


def test_the_table_as_a_file_and_a_data_frame(peaks, tmp_path):
    peaks.to_csv(tmp_path / "peaks.csv")
    with open(tmp_path / "peaks.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(r["height"]) for r in rows], peaks.height, rtol=1e-7)
    np.testing.assert_allclose([[float(r[x]) for x in "uvw"] for r in rows], peaks.frac, atol=1e-7)
    assert [int(r["atom"]) for r in rows] == peaks.atom.tolist()
    with pytest.raises(friedel.OutputError, match="exists"):
        peaks.to_csv(tmp_path / "peaks.csv")
    pytest.importorskip("pandas")
    frame = peaks.to_dataframe()
    assert list(frame.columns) == list(peaks.columns())
    np.testing.assert_array_equal(frame["distance"], peaks.distance)


def test_the_table_is_a_value(peaks):
    for name in ("frac", "height", "sigma", "atom", "distance"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(peaks, name)[0] = 1
    with pytest.raises(AttributeError):
        peaks.height = peaks.sigma


@pytest.mark.parametrize("options", [
    {"sigma": 0.0}, {"sigma": np.nan}, {"n": 0}, {"n": -5}, {"n": 2.5}, {"sigma": "high"},
])  # fmt: skip
def test_impossible_options(options):
    grid = Grid(np.random.default_rng(0).random((8, 8, 8)), Crystal((10, 10, 10, 90, 90, 90)))
    with pytest.raises(ParameterError, match="got"):
        friedel.find_peaks(grid, **options)


def test_impossible_maps_and_atoms():
    crystal = Crystal((10.0, 10.0, 10.0, 90, 90, 90))
    grid = Grid(np.random.default_rng(0).random((8, 8, 8)), crystal)
    for value in (np.nan, np.inf):
        spoilt = grid.array.copy()
        spoilt[1, 2, 3] = value
        with pytest.raises(ParameterError, match="not finite"):
            friedel.find_peaks(Grid(spoilt, crystal))
    with pytest.raises(ParameterError, match="without points"):
        friedel.find_peaks(Grid(np.zeros((0, 0, 0)), crystal))
    atoms = Atoms.from_labels(["C"], [[0, 0, 0]])
    with pytest.raises(AtomsError, match="no atoms"):
        friedel.find_peaks(grid, atoms=atoms.select(np.zeros(1, bool)))
    with pytest.raises(AtomsError, match="model"):
        friedel.find_peaks(grid, atoms=3)
    with pytest.raises(CellError, match="model"):
        friedel.find_peaks(grid, atoms=(Crystal((11.0, 10.0, 10.0, 90, 90, 90)), atoms))


def test_the_waters_that_a_model_lacks(shared_data):
    """Waters taken out of a refined structure are the highest peaks of its difference map."""
    models = shared_data / "models"
    model = friedel.as_model(models / "1dur.pdb")
    whole = friedel.FModel(model, models / "1dur.mtz").fit()
    n_waters = 5
    oxygen = np.flatnonzero(np.array(model.atoms.scatterers)[model.atoms.kind] == "O")
    alone = [i for i in oxygen if np.sort(distances(model.crystal, model.atoms.frac[[i]],
             model.atoms.frac)[0])[1] > 2.4]  # fmt: skip
    sharpest = sorted(alone, key=lambda i: model.atoms.b_iso[i])[:n_waters]
    kept = np.setdiff1d(np.arange(len(model.atoms)), sharpest)
    lacking = friedel.FModel((model.crystal, model.atoms.select(kept)), models / "1dur.mtz").fit()
    assert lacking.r_work > whole.r_work
    difference = friedel.map_from_coefficients(lacking.map_coefficients()[1])
    missing = model.atoms.select(np.array(sharpest))
    peaks = friedel.find_peaks(difference, n=n_waters, atoms=missing)
    assert sorted(peaks.atom) == list(range(n_waters))
    assert (peaks.distance < 0.4).all()
