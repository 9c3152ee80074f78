"""Comparison with measured diffuse intensities, and the files that hold these."""

import gemmi
import numpy as np
import pytest

import friedel
from einstein_crystal import EinsteinCrystal
from friedel import ensemble
from friedel.ensemble.supercell import laue_groups

CELLS = (2, 1, 1)


@pytest.fixture(scope="module", name="result")
def result_fixture():
    crystal = EinsteinCrystal.made(frames=24)
    return ensemble.run(
        crystal.pair, crystal.xyz, d_min=2.5, supercell=CELLS, symmetry="P 2 2 2", chunk=4
    )


@pytest.fixture(scope="module", name="averaged")
def averaged_fixture(result):
    return result.laue_averaged()


def background(result):
    return 500 * np.exp(-20 * result.lattice.box.stol2(result.hkl))


def test_a_scale_and_an_isotropic_background_do_not_matter(result):
    data = ensemble.DiffuseLattice(result.fractions, 3 * result.diffuse + background(result))
    found = result.compare(data, n_shells=8)
    assert found.overall > 0.999
    assert found.scale == pytest.approx(3, rel=0.02)  # its profile is made of straight lines
    assert (found.correlation > 0.999).all()
    assert found.overall_total < found.overall
    assert found.number.sum() == len(found.fractions)


def test_correlation_falls_with_noise_as_expected(result, averaged):
    rng = np.random.default_rng(0)
    noise = 100.0
    noisy = averaged.diffuse + rng.normal(0, noise, len(result.hkl))
    found = result.compare(ensemble.DiffuseLattice(result.fractions, noisy))
    number = np.bincount(laue_groups(result.hkl, CELLS, result.crystal.primitive_operations[0]))
    signal, rest = found.calculated_anisotropic.var(), (noise**2 / number).mean()
    assert rest > 0.1 * signal
    assert found.overall == pytest.approx(np.sqrt(signal / (signal + rest)), abs=0.06)  # 3 sigma


def test_both_are_laue_averaged(result, averaged):
    """Data of one octant, and of all reflections, are compared with the same averages."""
    octant = (result.hkl >= 0).all(axis=1)
    some = ensemble.DiffuseLattice(result.fractions[octant], averaged.diffuse[octant])
    found = result.compare(some)
    assert found.overall == pytest.approx(1)
    np.testing.assert_allclose(found.measured, found.calculated)
    # equivalents of the general position are in one half of the octants, of either sign
    every = result.compare(ensemble.DiffuseLattice(result.fractions, result.diffuse))
    np.testing.assert_allclose(every.measured, every.calculated)
    assert len(every.fractions) == len(found.fractions)


def test_positions_that_are_not_on_the_lattice_are_left_out(result):
    thirds = result.fractions / [1, 1, 3]
    data = ensemble.DiffuseLattice(thirds, result.diffuse)
    found = result.compare(data)
    n_off = int((np.abs(thirds[:, 2] - np.rint(thirds[:, 2])) > 0.1).sum())
    assert any(note.startswith(f"{n_off} positions of data are not") for note in found.notes)
    with pytest.raises(friedel.errors.ReflectionsError, match="in common"):
        result.compare(ensemble.DiffuseLattice(result.fractions + 0.25, result.diffuse))


def test_equivalents_off_the_lattice_of_a_supercell():
    """Under a fourfold axis (1/2 0 0) of a 2 x 1 cell has an equivalent that is not on it."""
    four = friedel.Crystal.from_triplets((10, 10, 12, 90, 90, 90), ["-y,x,z"])
    hkl = np.array([[1, 0, 1], [2, 0, 1], [0, 1, 1], [-1, 0, 1], [1, 0, -1]])
    groups = laue_groups(hkl, (2, 1, 1), four.primitive_operations[0])
    assert groups[1] == groups[2]  # (1 0 1) and (0 1 1) of the crystal
    assert groups[0] == groups[3] == groups[4]
    assert groups[0] != groups[1]


def check(result, found):
    # files have float32 or two decimals
    np.testing.assert_allclose(found.measured, found.calculated, rtol=1e-6, atol=0.006)
    assert len(found.fractions) > 200


def test_nexus_tables_of_mdx2(result, averaged, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "merged.nxs"
    octant = (result.hkl >= 0).all(axis=1)
    with h5py.File(path, "w") as file:  # as HKLTable.to_nexus of mdx2 1.0 writes it
        table = file.create_group("entry/hkl_table")
        for axis, values in zip("hkl", result.fractions[octant].T, strict=True):
            table[axis] = values
        table["ndiv"] = [2, 1, 1]
        table["intensity"] = averaged.diffuse[octant]
        table["intensity_error"] = averaged.sigma_diffuse[octant]
        table["other"] = np.ones(octant.sum())
    check(result, result.compare(path))
    read = ensemble.read_diffuse_lattice(path, result.crystal)
    np.testing.assert_array_equal(read.sigma, averaged.sigma_diffuse[octant])
    other = ensemble.read_diffuse_lattice(f"{path}:other", result.crystal)
    assert (other.intensity == 1).all()
    with pytest.raises(friedel.FileFormatError, match="no 'nothing'"):
        result.compare(f"{path}:nothing")


def test_nexus_maps(result, averaged, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "map.nxs"
    averaged.to_nexus(path)
    check(result, result.compare(path))
    with h5py.File(path) as file:
        attributes = dict(file["entry/intensity"].attrs)
    assert (attributes["mdx2_module"], attributes["mdx2_class"]) == ("mdx2.geometry", "GridData")
    larger = friedel.Crystal((13.0, 14, 16, 90, 90, 90))
    with pytest.raises(friedel.CellError, match="expected about 13"):
        ensemble.read_diffuse_lattice(path, larger)


def test_mtz_of_the_box_and_of_the_crystal(result, averaged, tmp_path):
    averaged.to_mtz(tmp_path / "box.mtz")
    check(result, result.compare(tmp_path / "box.mtz"))
    chosen = result.is_bragg
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 2 2 2")
    mtz.set_cell_for_all(gemmi.UnitCell(*result.crystal.cell))
    mtz.add_dataset("x")
    mtz.add_column("IMEAN", "J")
    at = result.hkl[chosen] // CELLS
    mtz.set_data(np.column_stack([at, averaged.diffuse[chosen]]).astype(np.float32))
    mtz.write_to_file(str(tmp_path / "crystal.mtz"))
    found = result.compare(tmp_path / "crystal.mtz")
    np.testing.assert_allclose(found.measured, found.calculated, rtol=1e-4)
    np.testing.assert_array_equal(found.fractions, np.rint(found.fractions))


@pytest.mark.parametrize("with_sigma", [False, True])
def test_lists_of_lunus(result, averaged, tmp_path, with_sigma):
    path = tmp_path / "diffuse.hkl"
    sigma = " 1.5" * with_sigma
    lines = [
        f"{h:4d} {k:4d} {l:4d}   {i:10.2f}{sigma}"
        for (h, k, l), i in zip(result.hkl.tolist(), averaged.diffuse, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    check(result, result.compare(path, cells=CELLS))
    read = ensemble.read_diffuse_lattice(path, result.crystal, cells=CELLS)
    assert (read.sigma is not None) == with_sigma
    guessed = ensemble.read_diffuse_lattice(path, result.crystal)
    np.testing.assert_array_equal(guessed.fractions, result.hkl)
    assert guessed.notes[0].kind == "guess"
    with pytest.raises(friedel.GuessError):
        result.compare(path, strict=True)
    path.write_text("\n".join([*lines, "1 2 three 4"]))
    with pytest.raises(friedel.FileFormatError, match=f"line {len(lines) + 1} of diffuse.hkl"):
        result.compare(path)
    path.write_text("# nothing\n")
    with pytest.raises(friedel.FileFormatError, match="no intensities"):
        result.compare(path, cells=CELLS)


def test_values_that_are_missing_are_not_used(result):
    values = result.diffuse.copy()
    values[::2] = np.nan
    assert len(ensemble.DiffuseLattice(result.fractions, values)) == len(values) // 2
    with pytest.raises(friedel.FileFormatError, match="expected"):
        ensemble.DiffuseLattice(result.fractions[1:], values)
