"""The command ``friedel fmodel``: its options are passed to the fit; invalid ones are errors."""

import json

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from friedel.cli.fmodel import parse_tensor
from friedel.errors import ParameterError


@pytest.fixture
def pair(shared_data) -> list[str]:
    models = shared_data / "models"
    return [str(models / "1dur.pdb"), f"{models / '1dur.mtz'}:FP,SIGFP"]


def numbers(capsys, tmp_path, *arguments: object) -> dict:
    path = tmp_path / "out.json"
    code, _, err = run(capsys, "fmodel", *arguments, "--json", path, "--overwrite")
    assert code == 0, err
    return json.loads(path.read_text())


def test_page_recipe_and_its_options(capsys, tmp_path, pair):
    flat = [*pair, "--target", "ls", "--solvent", "flat"]
    page = numbers(capsys, tmp_path, *flat)
    assert page["n_parameters"] == 6
    assert page["target"] == "ls"
    other = numbers(capsys, tmp_path, *flat, "--r-probe", 1.3, "--r-shrink", 1.0)
    assert (other["mask"]["r_probe"], other["mask"]["r_shrink"]) == (1.3, 1.0)
    cut = numbers(capsys, tmp_path, *flat, "--sigma-cutoff", 4, "--dmin", 2.5)
    assert cut["n_reflections"] < page["n_reflections"]


def test_start_and_fixed(capsys, tmp_path, pair):
    given = ["--ksolv", 0.3, "--bsolv", 60, "--kov", 1.1, "--baniso", "1:2:3:0:0:0"]
    free = numbers(capsys, tmp_path, *pair, "--solvent", "flat", *given)
    assert free["scales"]["k_sol"] != 0.3
    kept = [x for name in ("ksolv", "bsolv", "kov", "baniso") for x in ("--fix", name)]
    fixed = numbers(capsys, tmp_path, *pair, *given, *kept)
    assert fixed["scales"]["k_sol"] == 0.3
    assert fixed["scales"]["b_overall"] == [1, 2, 3, 0, 0, 0]
    assert fixed["scales"]["overall_curve"] == []


def test_mask_written_and_read(capsys, tmp_path, pair):
    path = tmp_path / "mask.ccp4"
    code, out, err = run(capsys, "fmodel", *pair, "--solvent", "flat", "--write-mask", path)
    assert code == 0, err
    mask = np.array(gemmi.read_ccp4_map(str(path)).grid.array)
    assert set(np.unique(mask)) == {0.0, 1.0}
    code, again, _ = run(capsys, "fmodel", *pair, "--solvent", "flat", "--solvent-mask", path)
    assert code == 0
    assert again.splitlines()[3] == out.splitlines()[3]  # R_work


def test_other_files_hold_what_the_mtz_file_holds(capsys, tmp_path, pair):
    mtz, cif, hkl, csv = (tmp_path / f"out.{suffix}" for suffix in ("mtz", "cif", "hkl", "csv"))
    files = ["--to-mtz", mtz, "-o", cif, "--to-hkl", hkl, "-o", csv]
    code, _, err = run(capsys, "fmodel", *pair, "--solvent", "flat", *files)
    assert code == 0, err
    columns = gemmi.read_mtz_file(str(mtz))
    block = gemmi.as_refln_blocks(gemmi.cif.read(str(cif)))[0]
    for label, tag in {"FP": "F_meas_au", "FC": "F_calc", "FWT": "pdbx_FWT"}.items():
        # six digits in the file, float32 in the other
        np.testing.assert_allclose(
            block.make_float_array(tag), columns.array[:, columns.column_labels().index(label)],
            rtol=1e-5, atol=1e-3,
        )  # fmt: skip
    lines = [line for line in hkl.read_text().splitlines() if line[:12].split() != ["0"] * 3]
    f_model = columns.array[:, columns.column_labels().index("FMODEL")]
    # lists of F_model alone are of the data; the columns also have missing reflections, last
    measured = np.isfinite(columns.array[:, columns.column_labels().index("FP")])
    assert measured[: len(lines)].all()
    assert not measured[len(lines) :].any()
    f_model = f_model[measured]
    squares = [float(line[12:20]) for line in lines]
    np.testing.assert_allclose(squares, f_model**2, rtol=1e-3, atol=0.006)
    values = np.loadtxt(csv, delimiter=",", skiprows=1)
    np.testing.assert_allclose(values[:, 3], f_model, rtol=1e-6)


def test_smooth_mask(capsys, tmp_path, pair):
    found = numbers(capsys, tmp_path, *pair, "--solvent", "flat", "--smooth-mask")
    assert found["mask"]["smooth"]


def test_outliers_stay_if_asked_to(capsys, tmp_path, pair):
    model, data = pair
    mtz = gemmi.read_mtz_file(data.split(":")[0])
    values = mtz.array.copy()
    values[100, mtz.column_labels().index("FP")] *= 50.0
    mtz.set_data(values)
    mtz.write_to_file(str(tmp_path / "spoilt.mtz"))
    spoilt = [model, f"{tmp_path / 'spoilt.mtz'}:FP,SIGFP", "--solvent", "flat"]
    assert numbers(capsys, tmp_path, *spoilt)["n_rejected"] == 1
    assert numbers(capsys, tmp_path, *spoilt, "--keep-outliers")["n_rejected"] == 0


def test_hydrogens(capsys, tmp_path, pair):
    flat = [*pair, "--solvent", "flat"]
    found = numbers(capsys, tmp_path, *flat, "--hydrogens")
    text = "336 hydrogens are added, riding on C and N"
    assert {"text": text, "kind": "default", "number": 336} in found["notes"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fix", "ksolv"],
        ["--baniso", "1:2:3"],
        ["--r-probe", "-1"],
        ["--target", "ml"],
        ["--solvent-mask", "missing.ccp4"],
        ["--solvent", "none", "--write-mask", "mask.ccp4"],
        ["--kov", "-1"],
        ["--sigma-cutoff", "1e9"],
    ],
)
def test_refused(capsys, tmp_path, monkeypatch, pair, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "fmodel", *pair, *arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "1:2:3:4:5", "1:2:3:4:5:x"])
def test_tensor(text):
    assert parse_tensor("1:2:3:4:5:6") == (1, 2, 3, 4, 5, 6)
    with pytest.raises(ParameterError, match="expected B11"):
        parse_tensor(text)


def test_several_twin_laws(capsys, tmp_path, shared_data):
    pairs = shared_data / "pairs"
    files = [pairs / "5uui.pdb.gz", pairs / "5uui.mtz"]
    laws = ["-h-k,k,-l", "-h,-k,l"]
    found = numbers(capsys, tmp_path, *files, *(x for law in laws for x in ("--twin", law)))
    assert [one["law"] for one in found["twins"]] == laws
    fractions = [one["fraction"] for one in found["twins"]]
    assert fractions[0] == pytest.approx(0.458, abs=0.02)  # with this law alone 0.458
    assert fractions[1] < 0.05
    assert found["scales"]["twin_fractions"] == fractions
    code, _, err = run(capsys, "fmodel", *files, "--twin", "auto", "--twin", "-h,-k,l")
    assert code == 2
    assert "among several" in err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--omit", "A/999"], "A/999"),
        (["--centre", "A/999", "--plot-map", "OUT"], "A/999"),
        (["--minus", "no-such.mtz"], "no such file: no-such.mtz"),
    ],
)
def test_selections_and_files_are_checked_before_the_fit(
    capsys, monkeypatch, shared_data, tmp_path, options, text
):
    if "OUT" in options:
        pytest.importorskip("matplotlib")
    models = shared_data / "models"
    options = [tmp_path / "map.png" if x == "OUT" else x for x in options]
    monkeypatch.setattr(friedel.FModel, "fit", lambda *_: pytest.fail("the fit has begun"))
    code, out, err = run(capsys, "fmodel", models / "5e5z.pdb", models / "5e5z.mtz", *options)
    assert (code, out) == (2, "")
    assert text in err.splitlines()[-1]
