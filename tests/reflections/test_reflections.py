import numpy as np
import pytest

import friedel
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections, match

CRYSTAL = Crystal.from_triplets((30, 40, 50, 90, 90, 90), ["-x,-y,z"], name="P 1 1 2")
HKL = np.array([[1, 2, 3], [0, 0, 1]])


def complex_reflections():
    return Reflections(CRYSTAL, HKL, np.array([1 + 1j, -2.0]), label="FC")


def test_amplitudes_and_phases():
    reflections = complex_reflections()
    np.testing.assert_allclose(reflections.amplitudes, [np.sqrt(2), 2])
    np.testing.assert_allclose(reflections.phases, [45, 180])
    assert list(reflections.columns()) == ["FC", "PHIC"]
    assert reflections.hkl.dtype == np.int32


def test_observed_columns_follow_ccp4():
    observed = Reflections(
        CRYSTAL, HKL, np.array([3.0, 4.0]), np.array([0.1, 0.2]), np.array([True, False]), "FP"
    )
    columns = observed.columns()
    assert list(columns) == ["FP", "SIGFP", "FREE"]
    assert columns["FREE"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("hkl", "message"),
    [
        ([[1, 2]], "expected"),
        ([[1.5, 2, 3]], "integers"),
        ("abc", "expected"),
        ([[2**21, 0, 0]], "integers"),
        ([[np.nan, 0, 0]], "integers"),
    ],
)
def test_bad_indices(hkl, message):
    with pytest.raises(friedel.ReflectionsError, match=message):
        Reflections(CRYSTAL, hkl, np.zeros(1))


def test_values_must_be_as_many_as_reflections():
    with pytest.raises(friedel.ReflectionsError, match="2 reflections"):
        Reflections(CRYSTAL, HKL, np.zeros(3))


def test_selection_takes_all_columns_along():
    observed = Reflections(CRYSTAL, HKL, np.array([3.0, 4.0]), np.array([0.1, 0.2]))
    chosen = observed.select(observed.values > 3.5)
    assert chosen.hkl.tolist() == [[0, 0, 1]]
    assert chosen.sigmas.tolist() == [0.2]


def test_matching_lists():
    i, j = match(np.array([[1, 2, 3], [-1, 0, 2], [5, 5, 5]]), np.array([[-1, 0, 2], [1, 2, 3]]))
    pairs = set(zip(i.tolist(), j.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 0)}


def test_mtz_round_trip(tmp_path):
    gemmi = pytest.importorskip("gemmi")
    path = tmp_path / "out.mtz"
    complex_reflections().to_mtz(path)
    mtz = gemmi.read_mtz_file(str(path))
    assert mtz.spacegroup.xhm() == "P 1 1 2"
    assert mtz.column_labels() == ["H", "K", "L", "FC", "PHIC"]
    assert [c.type for c in mtz.columns] == ["H", "H", "H", "F", "P"]
    np.testing.assert_allclose(np.array(mtz.column_with_label("PHIC").array), [45, 180])
    assert [p.name for p in tmp_path.iterdir()] == ["out.mtz"]


def test_existing_files_are_kept(tmp_path):
    path = tmp_path / "out.mtz"
    path.write_text("mine")
    with pytest.raises(friedel.OutputError, match="exists"):
        complex_reflections().to_mtz(path)
    assert path.read_text() == "mine"
    complex_reflections().to_mtz(path, overwrite=True)
    assert path.read_bytes().startswith(b"MTZ")


def test_missing_folder(tmp_path):
    with pytest.raises(friedel.OutputError, match="no folder"):
        complex_reflections().to_mtz(tmp_path / "nowhere" / "out.mtz")


def test_other_packages_objects():
    reflections = complex_reflections()
    gemmi = pytest.importorskip("gemmi")
    assert isinstance(reflections.to_gemmi(), gemmi.ComplexAsuData)
    pytest.importorskip("pandas")
    assert reflections.to_dataframe().loc[(0, 0, 1), "FC"] == pytest.approx(2.0)


def test_reciprocalspaceship_dataset():
    rs = pytest.importorskip("reciprocalspaceship")
    dataset = complex_reflections().to_dataset()
    assert isinstance(dataset, rs.DataSet)
    assert dataset.spacegroup.xhm() == "P 1 1 2"
    assert isinstance(dataset["PHIC"].dtype, rs.PhaseDtype)


def test_untabulated_origin_is_written_in_p1(tmp_path):
    gemmi = pytest.importorskip("gemmi")
    # P 2 with the axis at x = 1/8: a valid group that no table lists
    crystal = Crystal.from_triplets((10, 11, 12, 90, 90, 90), ["-x+1/4,y,-z"])
    atoms = friedel.Atoms.from_labels(["C", "O"], [[0.1, 0.2, 0.3], [0.4, 0.1, 0.9]], 1, 10)
    f = friedel.fcalc((crystal, atoms), d_min=3.0)
    f.to_mtz(tmp_path / "out.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "out.mtz"))
    assert mtz.spacegroup.xhm() == "P 1"
    hkl = mtz.make_miller_array()
    written = mtz.array[:, 3] * np.exp(1j * np.radians(mtz.array[:, 4]))
    expected = friedel.fcalc((crystal, atoms), hkl=hkl).values
    assert len(hkl) == len(Crystal(crystal.cell).unique_reflections(3.0))
    np.testing.assert_allclose(written, expected, atol=1e-4)
