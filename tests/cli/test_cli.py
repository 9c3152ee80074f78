import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.cli.fprime import expand
from friedel.errors import ParameterError

gemmi = pytest.importorskip("gemmi")


def test_fcalc_prints_reflections(capsys):
    code, out, err = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "--hkl", "0,0,1")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert [row[:3] for row in rows] == [["1", "0", "1"], ["0", "0", "1"]]
    small = gemmi.read_small_structure(str(QUARTZ))
    small.change_occupancies_to_crystallographic()
    expected = gemmi.StructureFactorCalculatorX(small.cell)
    f = expected.calculate_sf_from_small_structure(small, (1, 0, 1))
    assert float(rows[0][3]) == pytest.approx(abs(f), rel=1e-6)
    assert float(rows[1][3]) == 0.0
    assert "direct summation" in err


def test_fcalc_writes_mtz(capsys, tmp_path, shared_data):
    model = shared_data / "models" / "1dur.pdb"
    target = tmp_path / "fcalc.mtz"
    options = ["--dmin", 2.5, "--method", "fft", "--to-mtz", target]
    code, out, err = run(capsys, "fcalc", model, *options)
    assert (code, out) == (0, "")
    assert "FFT: grid" in err
    mtz = gemmi.read_mtz_file(str(target))
    assert mtz.column_labels() == ["H", "K", "L", "FC", "PHIC"]
    assert mtz.resolution_high() >= 2.5
    assert mtz.nreflections == len(gemmi.make_miller_array(mtz.cell, mtz.spacegroup, 2.5))


@pytest.mark.parametrize(("source", "letter"), [("xray", "X"), ("electron", "E"), ("neutron", "N")])
def test_radiations(capsys, source, letter):
    _, out, _ = run(capsys, "fcalc", QUARTZ, "--hkl", "1,1,2", "--for", source)
    small = gemmi.read_small_structure(str(QUARTZ))
    small.change_occupancies_to_crystallographic()
    calculator = getattr(gemmi, f"StructureFactorCalculator{letter}")(small.cell)
    expected = abs(calculator.calculate_sf_from_small_structure(small, (1, 1, 2)))
    assert float(out.split()[3]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("source", ["xray", "neutron"])
def test_hydrogens_at_the_distance_of_the_source(capsys, shared_data, source):
    path = shared_data / "models" / "5e5z.pdb"
    arguments = [path, "--for", source, "--hkl", "1,2,3", "--hydrogens"]
    code, out, err = run(capsys, "fcalc", *arguments)
    assert code == 0, err
    assert "42 hydrogens are added, riding on C and N" in err
    expected = friedel.fcalc(path, hkl=[[1, 2, 3]], source=source, hydrogens=True)
    # five digits are printed
    assert float(out.split()[3]) == pytest.approx(abs(expected.values[0]), rel=1e-4)


def test_hydrogens_take_the_values_that_fmodel_has(capsys, shared_data):
    """Without a value, as in 0.1.0, they are added; a file that follows is no value."""
    path = shared_data / "models" / "5e5z.pdb"
    first, *others = (
        run(capsys, "fcalc", *arguments, "--hkl", "1,2,3")
        for arguments in (
            [path, "--hydrogens"],
            ["--hydrogens", path],
            [path, "--hydrogens", "yes"],
            [path, "--hydrogens=yes"],
        )
    )
    assert first[0] == 0
    assert "42 hydrogens are added" in first[2]
    assert all(x == first for x in others)
    without = run(capsys, "fcalc", path, "--hkl", "1,2,3")
    assert without[1] != first[1]
    assert run(capsys, "fcalc", path, "--hydrogens", "none", "--hkl", "1,2,3") == without
    code, _, err = run(capsys, "fcalc", path, "--hydrogens=auto", "--hkl", "1,2,3")
    assert (code, "'auto' is not one of 'none', 'yes'" in err) == (2, True)


def test_wavelength_adds_dispersion(capsys):
    _, with_f, _ = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "-w", 1.54)
    _, without, _ = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1")
    assert with_f.split()[3] != without.split()[3]
    code, _, err = run(capsys, "fcalc", QUARTZ, "--hkl", "1,0,1", "-w", 1.54, "--for", "neutron")
    assert (code, "X-rays only" in err) == (2, True)


def test_noaniso_uses_b_iso(capsys):
    _, aniso, _ = run(capsys, "fcalc", QUARTZ, "--hkl", "5,0,5")
    _, iso, _ = run(capsys, "fcalc", QUARTZ, "--hkl", "5,0,5", "--noaniso")
    assert aniso != iso


def test_fprime_matches_the_page(capsys):
    code, out, _ = run(capsys, "fprime", "Se", "-e", "10332")
    symbol, energy, _, f_prime, f_double_prime = out.splitlines()[1].split()
    assert (code, symbol, float(energy)) == (0, "Se", 10332)
    assert float(f_prime) == pytest.approx(-1.41862, abs=1e-4)
    assert float(f_double_prime) == pytest.approx(0.72389, abs=1e-4)


def test_fprime_ranges(capsys):
    _, out, _ = run(capsys, "fprime", "Se", "Fe", "-w", "0.5:0.9", "-s", "0.1", "-e", "9000")
    assert len(out.splitlines()) == 1 + 2 * 6
    np.testing.assert_allclose(expand("8000:9000", None, 3), [8000, 8500, 9000])
    for bad in ("a", "1:2:3", "-5", "0", "nan"):
        with pytest.raises(ParameterError):
            expand(bad, None, 3)
    for step, n in ((None, None), (0.1, 3), (0.0, None), (None, 0)):
        with pytest.raises(ParameterError):
            expand("1:2", step, n)


def test_fmodel_end_to_end(capsys, tmp_path, shared_data):
    models = shared_data / "models"
    target, plot = tmp_path / "fmodel.mtz", tmp_path / "fmodel.png"
    code, out, _ = run(
        capsys,
        "fmodel",
        models / "5e5z.pdb",
        models / "5e5z.mtz",
        "--to-mtz",
        target,
        "--plot",
        plot,
    )
    assert code == 0
    assert "R" in out
    labels = gemmi.read_mtz_file(str(target)).column_labels()
    for label in ("FMODEL", "PHIFMODEL", "FC", "PHIC", "FMASK", "PHIMASK", "FP", "SIGFP", "FREE"):
        assert label in labels
    for label in ("FWT", "PHWT", "DELFWT", "PHDELWT"):
        assert label in labels
    assert plot.read_bytes().startswith(b"\x89PNG")


BAD_CALLS = {
    "no command": [],
    "unknown command": ["fnothing"],
    "missing model": ["fcalc", "missing.pdb", "--dmin", "2"],
    "neither dmin nor hkl": ["fcalc", QUARTZ],
    "dmin of zero": ["fcalc", QUARTZ, "--dmin", "0"],
    "negative dmin": ["fcalc", QUARTZ, "--dmin", "-1"],
    "absurd dmin": ["fcalc", QUARTZ, "--dmin", "0.0001"],
    "dmin not a number": ["fcalc", QUARTZ, "--dmin", "two"],
    "dmin nan": ["fcalc", QUARTZ, "--dmin", "nan"],
    "bad hkl": ["fcalc", QUARTZ, "--hkl", "1,2"],
    "bad rtol": ["fcalc", QUARTZ, "--dmin", "2", "--rtol", "0"],
    "bad table": ["fcalc", QUARTZ, "--dmin", "2", "--table", "it1"],
    "unknown element for X": ["fcalc", QUARTZ, "--dmin", "2", "--unknown", "Qq"],
    "unwritable output": ["fcalc", QUARTZ, "--dmin", "2", "--to-mtz", "/nowhere/out.mtz"],
    "fprime of no element": ["fprime", "Qq", "-e", "9000"],
    "fprime outside": ["fprime", "H", "-e", "9000"],
    "fprime of a negative wavelength": ["fprime", "Se", "-w", "-1"],
    "missing data": ["fmodel", QUARTZ, "missing.mtz"],
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls_end_in_one_line_and_exit_code_2(capsys, case):
    code, out, err = run(capsys, *BAD_CALLS[case])
    assert code == 2
    assert "Traceback" not in err
    if case != "no command":
        errors = [line for line in err.splitlines() if not line.startswith("friedel: note:")]
        assert len(errors) == 1, err
        assert errors[0].startswith("friedel: ")
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fmodle", "a", "b"], "no command 'fmodle': did you mean 'fmodel'? (friedel --help)"),
        (["fcalc", QUARTZ, "--d-min", "3"], "Did you mean one of: '--dmin'"),
        (["fcalc"], "Missing argument 'MODEL'. (friedel fcalc --help)"),
        (["fcalc", QUARTZ, "--threads", "0"], "(friedel fcalc --help)"),
    ],
)
def test_a_wrong_call_says_what_is_there(capsys, arguments, text):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert len(err.splitlines()) == 1


def test_missing_columns_and_other_cells(capsys, tmp_path, shared_data):
    models = shared_data / "models"
    target = tmp_path / "out.mtz"
    calls = [
        (models / "5e5z.pdb", f"{models / '5e5z.mtz'}:NOPE"),
        (models / "5e5z.pdb", models / "1dur.mtz"),
        (models / "5e5z.pdb", models / "5e5z.pdb"),
        (models / "5e5z.mtz", models / "5e5z.mtz"),
    ]
    for model, data in calls:
        code, _, err = run(capsys, "fmodel", model, data, "--to-mtz", target)
        assert code == 2, (model, data)
        assert "Traceback" not in err
        assert not target.exists()


def test_existing_output_is_kept_before_any_work(capsys, tmp_path):
    target = tmp_path / "out.mtz"
    target.write_text("mine")
    code, _, err = run(capsys, "fcalc", QUARTZ, "--dmin", "1", "--to-mtz", target)
    assert (code, target.read_text()) == (2, "mine")
    assert "to replace it use" in err
    assert run(capsys, "fcalc", QUARTZ, "--dmin", "1", "--to-mtz", target, "--overwrite")[0] == 0


def test_installed_command():
    script = Path(sys.executable).with_name("friedel")
    if not script.exists():
        pytest.skip("friedel is not installed here")
    done = subprocess.run(
        [script, "--version"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.startswith("friedel ")


def test_fcalc_test_compares_with_direct_summation(capsys, shared_data):
    model = shared_data / "models" / "5e5z.pdb"
    options = ["--method", "fft", "--rtol", "1e-3", "--test"]
    code, _, err = run(capsys, "fcalc", model, "--dmin", 2, *options)
    assert code == 0
    worst = float(err.split("worst of ten resolution shells ")[1].split()[0])
    assert 0 < worst < 1e-3
    asked, predicted, achieved = re.search(
        r"asked (\S+), predicted (\S+), achieved (\S+)", err
    ).groups()
    assert float(asked) == 1e-3
    assert float(achieved) == pytest.approx(worst, rel=0.05)
    assert 0.4 < float(achieved) / float(predicted) < 2.2
    code, _, err = run(capsys, "fcalc", model, "--dmin", 2, "--rate", 1.5, "--blur", 30)
    assert "blur 30.0" in err
    assert run(capsys, "fcalc", model, "--dmin", 2, "--rate", 0.1)[0] == 2


def test_the_package_runs_as_the_command():
    command = [sys.executable, "-m", "friedel", "fprime", "Se", "-w", "0.9795"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Se" in done.stdout
