"""The command ensemble: files, profile, estimate, checkpoints and errors."""

import sys

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from einstein_crystal import EinsteinCrystal
from friedel import ensemble


@pytest.fixture(scope="module", name="pdb")
def pdb_fixture(tmp_path_factory):
    """An Einstein crystal of 16 models."""
    crystal = EinsteinCrystal.made(frames=16)
    made = gemmi.Structure()
    made.cell, made.spacegroup_hm = gemmi.UnitCell(*crystal.box.cell), "P 1"
    symbols = [crystal.atoms.symbols[k] for k in crystal.atoms.kind]
    for number, frame in enumerate(crystal.xyz, 1):
        model, chain = gemmi.Model(number), gemmi.Chain("A")
        for i, (symbol, x) in enumerate(zip(symbols, frame, strict=True), 1):
            residue, atom = gemmi.Residue(), gemmi.Atom()
            residue.name, residue.seqid = "LIG", gemmi.SeqId(i, " ")
            atom.name, atom.element, atom.pos = symbol, gemmi.Element(symbol), gemmi.Position(*x)
            residue.add_atom(atom)
            chain.add_residue(residue)
        model.add_chain(chain)
        made.add_model(model)
    path = tmp_path_factory.mktemp("ensemble") / "models.pdb"
    made.write_pdb(str(path))
    return path


def test_files_and_profile(capsys, tmp_path, pdb):
    pytest.importorskip("h5py")
    names = ["a.mtz", "a.npz", "a.nxs", "a.ccp4"]
    files = [x for name in names for x in ("-o", tmp_path / name)]
    files += ["--write-bragg", tmp_path / "bragg.mtz"]
    options = ["--dmin", 3, "--supercell", "2,1,1", "--parts", "element C"]
    code, out, err = run(capsys, "ensemble", pdb, *options, *files)
    assert code == 0
    assert "16 frames of 80 atoms" in err
    assert "ms a frame, about" in err
    result = ensemble.run(pdb, d_min=3, supercell=(2, 1, 1), parts=["element C"])
    assert len(out.splitlines()) == 2 + 10
    assert sum(int(line.split()[-1]) for line in out.splitlines()[2:]) == len(result.hkl)
    mtz = gemmi.read_mtz_file(str(tmp_path / "a.mtz"))
    assert mtz.column_labels()[3:] == ["FC", "PHIC", "IC", "ID", "SIGID"]
    assert [c.type for c in mtz.columns][3:] == ["F", "P", "J", "J", "Q"]
    np.testing.assert_allclose(mtz.column_with_label("ID").array, result.diffuse, rtol=1e-6)
    assert any("friedel ensemble" in line for line in mtz.history)
    bragg = gemmi.read_mtz_file(str(tmp_path / "bragg.mtz"))
    assert bragg.cell.a == pytest.approx(12)
    assert bragg.nreflections == result.is_bragg.sum()
    with np.load(tmp_path / "a.npz") as z:
        np.testing.assert_array_equal(z["covariances"], result.covariances)
        np.testing.assert_array_equal(z["fractions"][:, 0] * 2, result.hkl[:, 0])
    grid = gemmi.read_ccp4_map(str(tmp_path / "a.ccp4")).grid
    assert grid.unit_cell.a == pytest.approx(24)


def test_nexus(capsys, tmp_path, pdb):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.nxs"
    result = ensemble.run(pdb, d_min=3, supercell=(2, 1, 1))
    result.to_nexus(path)
    with h5py.File(path) as file:
        data = file["entry/intensity"]
        assert data.attrs["signal"] == "intensity"
        axes = [data[axis][()] for axis in data.attrs["axes"]]
        values, errors = data["intensity"][()], data["intensity_errors"][()]
        np.testing.assert_allclose(file["entry/sample/unit_cell"][:3], [12, 14, 16])
    assert np.isclose(axes[0], 0.5).any()
    for sign in (1, -1):
        index = [
            np.searchsorted(axis, sign * h - 1e-6)
            for axis, h in zip(axes, result.fractions.T, strict=True)
        ]
        np.testing.assert_allclose(values[tuple(index)], result.diffuse, rtol=1e-6)
        np.testing.assert_allclose(errors[tuple(index)], result.sigma_diffuse, rtol=1e-6)
    assert np.isfinite(values).sum() == 2 * len(result.hkl)


def test_an_estimate(capsys, pdb):
    code, out, err = run(capsys, "ensemble", pdb, "--dmin", 3, "--estimate", "--workers", 4)
    assert code == 0
    assert not out
    assert "with 4 processes" in err


def test_checkpoints_and_laue(capsys, tmp_path, pdb):
    options = ["--dmin", 3, "--symmetry", "P 2 2 2", "--laue", "--checkpoint", tmp_path / "run"]
    first = run(capsys, "ensemble", pdb, *options)
    again = run(capsys, "ensemble", pdb, *options, "--frames", "0:16")
    assert first[0] == again[0] == 0
    assert first[1] == again[1]
    code, _, err = run(capsys, "ensemble", pdb, *options, "--frames", "1:16")
    assert code == 2
    assert "another calculation" in err


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--supercell", "2,2"], "three integers A,B,C"),
        (["--b", "x"], "a number or file"),
        (["--workers", 2, "--scheduler", "tcp://nowhere:1"], "either --workers or --scheduler"),
        (["--select", "resname"], "has no value"),
        (["-o", "a.xyz"], "expected an ending"),
        (["--frames", "3"], "FIRST:LAST:STEP"),
    ],
)
def test_errors_are_one_line(capsys, pdb, options, match):
    code, out, err = run(capsys, "ensemble", pdb, "--dmin", 3, *options)
    assert code == 2
    assert not out
    assert match in err
    assert err.count("\n") == 1


def test_mdanalysis_is_asked_for(capsys, tmp_path, pdb, monkeypatch):
    monkeypatch.setitem(sys.modules, "MDAnalysis", None)
    frames = tmp_path / "frames.xtc"
    frames.write_bytes(b"")
    code, _, err = run(capsys, "ensemble", pdb, frames, "--dmin", 3)
    assert code == 2
    assert err.strip().endswith("pip install MDAnalysis")


# MDAnalysis complains when it closes what it could not open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broken_trajectory_is_an_error(capsys, tmp_path, pdb):
    pytest.importorskip("MDAnalysis")
    frames = tmp_path / "frames.xtc"
    frames.write_bytes(b"nothing")
    code, _, err = run(capsys, "ensemble", pdb, frames, "--dmin", 3)
    assert code == 2
    assert "MDAnalysis cannot read" in err


def test_notebooks_show_the_profile(pdb):
    shown = ensemble.run(pdb, d_min=3)._repr_html_()
    assert "diffuse intensity" in shown
    assert friedel.ensemble is ensemble


def test_comparison_with_data(capsys, tmp_path, pdb):
    pytest.importorskip("matplotlib")
    options = ["--dmin", 3, "--supercell", "2,1,1", "-q"]
    mtz, figure = tmp_path / "data.mtz", tmp_path / "figure.png"
    assert run(capsys, "ensemble", pdb, *options, "-o", mtz)[0] == 0
    code, out, err = run(capsys, "ensemble", pdb, *options, "--data", mtz, "--plot", figure)
    assert code == 0, err
    table = out[out.index("correlation with data.mtz") :].splitlines()
    assert len(table) == 2 + 10 + 2
    assert table[-2].split()[:2] == ["all", "1.0000"]
    assert figure.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (["--data", "missing.mtz"], "No such file"),
        (["--data-supercell", "2,1,1"], "is for --data"),
        (["--data", "list.hkl", "--data-supercell", "2,1"], "--data-supercell '2,1'"),
        (["--data", "list.hkl", "--strict"], "guess"),
        (["--data", "list.hkl"], "in common"),
    ],
)
def test_data_that_cannot_be_used_are_an_error_before_the_calculation(
    capsys, tmp_path, monkeypatch, pdb, given, match
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.hkl").write_text("90 90 90 1.0\n")
    code, out, err = run(capsys, "ensemble", pdb, "--dmin", 3, "--supercell", "2,1,1", *given)
    assert (code, out) == (2, "")
    assert match in err
