"""Option by option, `friedel fcalc` and `friedel fmodel` against the program `gemmi sfcalc`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run

gemmi = pytest.importorskip("gemmi")

PRINTED = 2e-6
"""Relative to the largest F: gemmi sums in float32 and prints eight decimals."""


@pytest.fixture(scope="module")
def sfcalc():
    """The program as pip's gemmi-program brings it: its output as one text."""
    program = shutil.which("gemmi", path=str(Path(sys.executable).parent)) or shutil.which("gemmi")
    if program is None:
        pytest.skip("no program gemmi: pip install gemmi-program")

    def call(*arguments) -> str:
        command = [program, "sfcalc", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    return call


def theirs(text: str) -> dict[tuple[int, ...], complex]:
    """`` (1 2 3)  682.6  247.1`` in lines of sfcalc."""
    found = re.findall(r"\((-?\d+) (-?\d+) (-?\d+)\)\s+(\S+)\s+(\S+)\s*$", text, re.MULTILINE)
    return {
        (int(h), int(k), int(l)): float(f) * np.exp(1j * np.radians(float(phi)))
        for h, k, l, f, phi in found
    }


def ours(text: str) -> dict[tuple[int, ...], complex]:
    rows = [line.split() for line in text.splitlines()]
    return {
        tuple(map(int, row[:3])): float(row[3]) * np.exp(1j * np.radians(float(row[4])))
        for row in rows
    }


def assert_alike(found, expected, tolerance):
    assert found.keys() == expected.keys()
    assert found
    largest = max(abs(f) for f in expected.values())
    for hkl, f in expected.items():
        assert found[hkl] == pytest.approx(f, abs=tolerance * largest), hkl


def test_every_option_is_in_the_table(sfcalc):
    """The options that the table gives for friedel exist."""
    docs = (Path(__file__).parents[2] / "docs" / "sfcalc.md").read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z][-a-z0-9]*", sfcalc("--help")))
    assert len(options) > 35
    assert {o for o in options if f"{o}`" not in docs and f"{o}=" not in docs} <= {
        "--help",
        "--verbose",
        "--version",
    }
    from friedel.cli.fcalc import command as fcalc
    from friedel.cli.fmodel import command as fmodel

    ours = {o for command in (fcalc, fmodel) for p in command.params for o in p.opts}
    rows = [line.split("|") for line in docs.splitlines() if line.startswith("| `")]
    named = {o for row in rows for o in re.findall(r"`(?:f\w+ )?(--[-a-z0-9]+)", row[2])}
    assert named <= ours | {"--version"}


SOME = [f"--hkl={hkl}" for hkl in ("1,1,2", "2,0,2", "-3,4,-5", "0,2,4")]
OPTIONS = {
    "plain": ([], []),
    "electron": (["--for=electron"], ["--for=electron"]),
    "neutron": (["--for=neutron"], ["--for=neutron"]),
    "mott-bethe": (["--for=mott-bethe"], ["--for=mott-bethe"]),
    "normalize": (["--normalize-it92"], ["--normalize-it92"]),
    "wavelength": (["--wavelength=0.8"], ["--wavelength=0.8"]),
    "no wavelength": (["-w0"], ["-w0"]),
}
"""Options of sfcalc and of fcalc; every F of friedel includes f'', no F of sfcalc --hkl does."""


@pytest.mark.parametrize("case", OPTIONS)
def test_chosen_reflections(capsys, sfcalc, page_models, case):
    model = page_models / "4oz7.pdb"
    their_options, our_options = OPTIONS[case]
    expected = theirs(sfcalc(*SOME, *their_options, model))
    extra = ["--friedel-pairs"] if case == "wavelength" else []
    _, out, _ = run(capsys, "fcalc", model, *SOME, *our_options, *extra)
    found = ours(out)
    if extra:  # what f0 + f' scatter is the mean of F(h) and F(-h)*
        for line in out.splitlines():
            *hkl, _, _, f, phi = line.split()
            mate = float(f) * np.exp(-1j * np.radians(float(phi)))
            found[tuple(map(int, hkl))] = (found[tuple(map(int, hkl))] + mate) / 2
    # Mott-Bethe's Z - f magnifies gemmi's float32 rounding
    assert_alike(found, expected, 3e-5 if case == "mott-bethe" else PRINTED)


def test_charges_unknown_atoms_and_isotropic(capsys, sfcalc, page_models, tmp_path):
    ions = tmp_path / "ions.cif"
    ions.write_text(QUARTZ.read_text().replace("Si1 Si 0", "Si1 Si4+ 0"))
    unknown = tmp_path / "unknown.cif"
    unknown.write_text(QUARTZ.read_text().replace("O1  O ", "X1 X "))
    for model, *options in (
        (ions,),
        (ions, "--use-charge"),
        (ions, "--noaniso"),
        (unknown, "--unknown=N"),
    ):
        expected = theirs(sfcalc(*SOME, *options, model))
        found = ours(run(capsys, "fcalc", model, *SOME, *options)[1])
        assert_alike(found, expected, PRINTED)


def test_small_molecules_to_a_resolution(capsys, sfcalc, page_models):
    """sfcalc uses the wavelength of the file; friedel uses it only on request.

    sfcalc 0.7.5 lists l >= 0 only, and misses reflections of this trigonal crystal.
    """
    model = page_models / "2013551.cif"
    expected = theirs(sfcalc("--dmin=0.9", "-w0", model))
    found = ours(run(capsys, "fcalc", model, "--dmin=0.9")[1])
    assert {hkl for hkl in found if hkl[2] >= 0} == expected.keys()
    assert_alike({hkl: found[hkl] for hkl in expected}, expected, PRINTED)


def test_macromolecule_to_a_resolution_by_fft(capsys, sfcalc, page_models, tmp_path):
    """Both agree within their errors: gemmi's at rate 2.5 is below 1e-5, friedel's below rtol."""
    model, csv = page_models / "5e5z.pdb", tmp_path / "f.csv"
    expected = theirs(sfcalc("--dmin=2", "--rate=2.5", "--rcut=1e-7", model))
    run(capsys, "fcalc", model, "--dmin=2", "--method=fft", "--rtol=1e-5", "--to-csv", csv)
    rows = np.loadtxt(csv, delimiter=",", skiprows=1)
    found = {tuple(map(int, r[:3])): r[3] * np.exp(1j * np.radians(r[4])) for r in rows}
    assert_alike(found, expected, 3e-5)


def test_test_reports_the_same_error(capsys, sfcalc, page_models):
    """The error with the same sampling is that of gemmi within a small factor."""
    model = page_models / "4oz7.pdb"
    sampling = ["--dmin=2.5", "--rate=1.5", "--blur=20", "--rcut=1e-4"]
    line = sfcalc(*sampling, "--test", model)
    their_error = float(re.search(r"RMSE=\S+\s+(\S+)%", line)[1]) / 100
    err = run(capsys, "fcalc", model, *sampling, "--test")[2]
    our_error = float(re.search(r"\((\S+) of rms", err)[1])
    assert 0.2 < our_error / their_error < 5.0


def test_anomalous_map(capsys, sfcalc, page_models, tmp_path):
    """The other program's FCanom, compared with by --compare: one file, two programs.

    Its FC lacks f' and has f'' as if that were real, gemmi 0.7.5: it is F0 + FCanom.
    """
    model, target = page_models / "4oz7.pdb", tmp_path / "theirs.mtz"
    sfcalc("--dmin=3", "-w1.3", "--anomalous", "--rate=2.5", "--to-mtz", target, model)
    options = ["--compare", target, "-w1.3", "--friedel-pairs", "--dmin=3"]
    code, out, _ = run(capsys, "fcalc", model, *options)
    assert (code, "FCanom, PHICanom" in out) == (0, True)
    # f'' does not fall off with angle: gemmi's error at this rate is 2e-4
    assert float(re.findall(r"\((\S+) of rms", out)[1]) < 1e-3
    f, anomalous = (
        friedel.read_calculated(target, *x) for x in (("FC", "PHIC"), ("FCanom", "PHICanom"))
    )
    without = friedel.fcalc(model, hkl=f.hkl)
    assert friedel.agreement(without, f.values - anomalous.values).relative_rmse < 2e-4


def test_compare_reports_what_sfcalc_reports(capsys, sfcalc, shared_data):
    models = shared_data / "models"
    for model, data, options in (
        ("2242624.cif", "2242624.hkl", ["-w0"]),
        ("1dur.pdb", "1dur.mtz", ["--dmin=2.5"]),
    ):
        text = sfcalc(f"--compare={models / data}", *options, models / model)
        _, out, _ = run(capsys, "fcalc", models / model, "--compare", models / data, *options)
        for name, pattern in (("RMSE=", r"RMSE (\S+)"), ("max|dF|=", r"max \|dF\| (\S+)")):
            expected = float(text.split(name)[-1].split()[0])
            assert float(re.search(pattern, out)[1]) == pytest.approx(expected, rel=0.01), name


def test_ciffp(capsys, sfcalc, shared_data):
    """sfcalc takes f' of the file, without f'': with f'' the CIF's own F agree more closely."""
    model, data = (shared_data / "models" / f"2242624.{x}" for x in ("cif", "hkl"))
    text = sfcalc(f"--compare={data}", "--ciffp", model)
    _, out, _ = run(capsys, "fcalc", model, "--compare", data, "--cif-scattering")
    their_error = float(text.split("RMSE=")[-1].split()[0])
    assert float(re.search(r"RMSE (\S+)", out)[1]) < their_error


def test_margin(capsys, sfcalc, page_models, tmp_path):
    model = tmp_path / "molecule.pdb"
    lines = (page_models / "4oz7.pdb").read_text().splitlines(keepends=True)
    model.write_text("".join(x for x in lines if not x.startswith(("CRYST1", "SCALE"))))
    assert run(capsys, "fcalc", model, *SOME)[0] == 2
    expected = theirs(sfcalc(*SOME, "--margin=5", model))
    code, out, err = run(capsys, "fcalc", model, *SOME, "--margin=5")
    assert (code, "a cell of" in err) == (0, True)
    assert_alike(ours(out), expected, PRINTED)
    assert run(capsys, "fcalc", model, *SOME, "--margin=0")[0] == 2


def test_density_map(capsys, sfcalc, page_models, tmp_path):
    model, target = page_models / "4oz7.pdb", tmp_path / "ours.ccp4"
    sampling = ["--dmin=3", "--rate=1.5", "--blur=40", "--rcut=1e-6"]
    sfcalc(*sampling, "--write-map", tmp_path / "theirs.ccp4", model)
    code, _, _ = run(capsys, "fcalc", model, *sampling, "--write-map", target)
    assert code == 0
    found, expected = (
        gemmi.read_ccp4_map(str(path), setup=True).grid
        for path in (target, tmp_path / "theirs.ccp4")
    )
    assert found.shape == expected.shape
    # Each of some hundred atoms around a point ends where its density is 1e-6
    np.testing.assert_allclose(found.array, expected.array, atol=1e-4)


def test_scale_to_is_fmodel(capsys, sfcalc, shared_data, tmp_path):
    """Amplitudes of both programs agree after a fit of flat solvent by least squares."""
    models, target = shared_data / "models", tmp_path / "theirs.mtz"
    data = f"{models / '1dur.mtz'}:FP:SIGFP"
    options = ["--dmin=2.5", "--rate=2.5", "--radii-set=refmac", f"--scale-to={data}"]
    sfcalc(*options, "--to-mtz", target, models / "1dur.pdb")
    ours_file = tmp_path / "ours.mtz"
    recipe = ["--solvent=flat", "--target=ls", "--all", "--dmin=2.5", "--to-mtz", ours_file]
    assert run(capsys, "fmodel", models / "1dur.pdb", data, *recipe)[0] == 0
    found, expected = gemmi.read_mtz_file(str(ours_file)), gemmi.read_mtz_file(str(target))
    by_hkl = dict(zip(map(tuple, expected.make_miller_array()), expected.array[:, 3], strict=True))
    mine = found.column_with_label("FMODEL").array
    pairs = [
        (f, by_hkl[tuple(hkl)])
        for hkl, f in zip(found.make_miller_array(), mine, strict=True)
        if tuple(hkl) in by_hkl
    ]
    a, b = np.array(pairs).T
    assert len(pairs) > 1500
    # Grids and ends of the fits differ: R, 0.136, agrees to 0.001
    assert np.abs(a - b).sum() / b.sum() < 0.01
