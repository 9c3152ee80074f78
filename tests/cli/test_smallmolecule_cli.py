"""``friedel fmodel small.cif small.hkl``: recognised, its options, its files, what it refuses."""

import json

import gemmi
import numpy as np
import pytest

from commands import QUARTZ, run
from friedel.writers.mtz import write_mtz


@pytest.fixture
def models(shared_data):
    return shared_data / "models"


@pytest.fixture
def embedded(models):
    """One file with model and data: extinction, weights and R-factors are stated."""
    return [models / "4003024.cif"] * 2


def numbers(capsys, tmp_path, *arguments: object) -> dict:
    path = tmp_path / "out.json"
    code, _, err = run(capsys, "fmodel", *arguments, "--json", path, "--overwrite")
    assert code == 0, err
    return json.loads(path.read_text())


def test_summary_of_two_files(capsys, models):
    code, out, err = run(capsys, "fmodel", models / "2242624.cif", models / "2242624.hkl")
    assert code == 0
    assert [line[:14] for line in err.splitlines()] == ["friedel: note:"]
    found = {line[2:12].strip(): line[13:].split() for line in out.splitlines()[1:]}
    assert float(found["R1"][0]) == pytest.approx(0.0403, abs=2e-4)
    assert "the CIF states 0.0403" in out
    assert "GooF" in found
    assert "note: atoms on special positions (1)" in err
    assert "note" not in out


def test_extinction_follows_the_file_unless_options_differ(capsys, tmp_path, embedded):
    free = numbers(capsys, tmp_path, *embedded)
    assert free["extinction"]["value"] == pytest.approx(0.082, abs=2e-3)
    assert free["weights"] == [0.0, 0.1705]
    assert "disordered atoms (2, in groups 1, 2)" in " ".join(
        note["text"] for note in free["notes"]
    )
    without = numbers(capsys, tmp_path, *embedded, "--no-exti")
    assert without["extinction"] is None
    assert without["r1"] > 1.5 * free["r1"]


def test_options_reach_the_fit(capsys, tmp_path, embedded):
    plain = numbers(capsys, tmp_path, *embedded)
    other = numbers(capsys, tmp_path, *embedded, "--weights", 0.05, 0, "--parameters", 9)
    assert other["weights"] == [0.05, 0.0]
    assert other["n_parameters"] == 9
    cut = numbers(capsys, tmp_path, *embedded, "--dmin", 1.0)
    assert cut["n_reflections"] < plain["n_reflections"]
    cif = numbers(capsys, tmp_path, *embedded, "--cif-scattering")
    assert any("from the CIF" in note["text"] for note in cif["notes"])
    bare = numbers(capsys, tmp_path, *embedded, "--anomalous", "none")
    assert len({x["scale"]["value"] for x in (plain, cif, bare)}) == 3
    short = numbers(capsys, tmp_path, *embedded, "-w", 0.5)
    assert short["wavelength"] == 0.5


def test_twin_law_of_a_real_structure(capsys, tmp_path, models):
    # nobody says that this crystal is a twin: the fraction is small, and R hardly better
    pair = [models / "epoxide.cif", models / "epoxide.hkl"]
    plain = numbers(capsys, tmp_path, *pair)
    found = numbers(capsys, tmp_path, *pair, "--twin", "-h,-k,l")
    assert found["n_fitted"] == 2
    assert abs(found["twin_fractions"][0]["value"]) < 0.01
    assert found["r1"] == pytest.approx(plain["r1"], abs=1e-3)


def test_files(capsys, tmp_path, embedded):
    mtz, fcf = tmp_path / "out.mtz", tmp_path / "out.fcf"
    code, _, err = run(capsys, "fmodel", *embedded, "--output", mtz, "--to-fcf", fcf)
    assert code == 0, err
    read = gemmi.read_mtz_file(str(mtz))
    assert read.spacegroup.xhm() == "P m -3 m"
    assert len(read.make_miller_array()) == 59
    assert {"FP", "SIGFP", "FC", "PHIC", "I", "SIGI"} <= set(read.column_labels())
    assert read.datasets[-1].wavelength == pytest.approx(0.71073)
    assert np.isfinite(np.array(read.array)).all()
    block = gemmi.cif.read(str(fcf)).sole_block()
    table = block.find("_refln_", ["index_h", "F_squared_calc", "F_squared_meas"])
    assert len(table) == 59
    f = np.sqrt([[float(x) for x in list(row)[1:]] for row in table])
    # R1 by whoever reads the file, from six digits
    assert abs(f[:, 1] - f[:, 0]).sum() / f[:, 1].sum() == pytest.approx(0.0162, abs=1e-4)
    again = numbers(capsys, tmp_path, embedded[0], fcf)
    assert again["extinction"] is None  # taken out of the list already
    assert again["r1"] == pytest.approx(0.0162, abs=2e-4)
    (tmp_path / "out.json").unlink()
    before = mtz.read_bytes()
    code, out, err = run(capsys, "fmodel", *embedded, "--to-mtz", mtz)
    assert (code, out) == (2, "")
    assert "to replace it use" in err
    assert mtz.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"out.mtz", "out.fcf"}
    code, _, err = run(capsys, "fmodel", *embedded, "--to-fcf", fcf, "--fcf-list", 6, "--overwrite")
    assert code == 0, err
    assert gemmi.cif.read(str(fcf)).sole_block().find_values("_refln_phase_calc")


def test_help_is_that_of_the_files(capsys, embedded):
    assert "--twin" in run(capsys, "fmodel", *embedded, "--help")[1]
    assert "--solvent" in run(capsys, "fmodel", "--help")[1]


def test_mtz_data_go_the_other_way(capsys, tmp_path, models):
    import friedel

    f = friedel.fcalc(models / "epoxide.cif", d_min=0.8)
    path = tmp_path / "data.mtz"
    columns = {"FP": f.amplitudes, "SIGFP": 0.01 * f.amplitudes + 0.01}
    write_mtz(path, f.crystal, f.hkl, columns)
    options = ["--solvent", "none", "--target", "ls"]
    code, out, err = run(capsys, "fmodel", models / "epoxide.cif", path, *options)
    assert code == 0, err
    assert "R_work" in out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--twin", "h,k"], "expected three parts"),
        (["--twin", "h,k,2l"], "changes the volume"),
        (["--twin", "k,h,l"], "cannot be told apart"),
        (["--weights", "1"], "requires 2 arguments"),
        (["-w", "-1"], "wavelength"),
        (["-w", "3"], "does not reach"),
        (["--cif-scattering", "--for", "neutron"], "for X-rays"),
        (["--hklf", "6"], "6"),
        (["--solvent", "flat"], "No such option"),
        (["--to-fcf", "missing/out.fcf"], "no folder"),
    ],
)
def test_refused(capsys, tmp_path, monkeypatch, embedded, options, text):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "fmodel", *embedded, *options)
    assert (code, out) == (2, "")
    assert text in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_malformed_list(capsys, tmp_path, models):
    path = tmp_path / "bad.hkl"
    path.write_text((models / "epoxide.hkl").read_text().replace("-9   0   3", "-9   0   q"))
    code, _, err = run(capsys, "fmodel", models / "epoxide.cif", path)
    assert code == 2
    assert "line 2 of bad.hkl" in err


@pytest.mark.parametrize("hklf", [3, 4, 5])
def test_dauphine_twin_of_quartz_in_every_format(capsys, tmp_path, hklf):
    import friedel

    hkl = friedel.as_crystal(gemmi.read_small_structure(str(QUARTZ))).unique_reflections(0.8)
    other = hkl * [-1, -1, 1]
    one, two = (
        np.abs(friedel.fcalc(QUARTZ, hkl=h, wavelength=0.71073).values) ** 2 for h in (hkl, other)
    )
    f2 = 9.0 * (0.65 * one + 0.35 * two)
    path = tmp_path / "twin.hkl"
    with path.open("w") as file:
        for h, o, x in zip(hkl, other, f2, strict=True):
            value = np.sqrt(x) if hklf == 3 else x
            columns = f"{value:8.2f}{0.02 * value + 0.1:8.2f}"
            if hklf == 5:
                print(*(f"{i:4d}" for i in o), columns, f"{-2:4d}", sep="", file=file)
            print(*(f"{i:4d}" for i in h), columns, f"{1:4d}", sep="", file=file)
        print(f"{0:4d}" * 3, file=file)
    law = [] if hklf == 5 else ["--twin", "-h,-k,l"]
    code = ["--hklf", hklf] if hklf == 3 else []
    found = numbers(capsys, tmp_path, QUARTZ, path, "-w", 0.71073, *law, *code)
    # two decimals are written of F^2 of 100 to 10000 and more
    assert found["twin_fractions"][0]["value"] == pytest.approx(0.35, abs=1e-3)
    assert found["scale"]["value"] == pytest.approx(3.0, rel=1e-3)
    assert found["r1"] < 1e-3
    assert found["data"].startswith(f"twin.hkl (HKLF {hklf}")


def test_options_for_small_structures_are_a_group_of_the_help(capsys):
    code, out, _ = run(capsys, "fmodel", "--help")
    assert code == 0
    common, _, small = out.partition("Options for small structures")
    for option in ("--exti / --no-exti", "TWIN of the", "--hklf", "--weights A B", "--to-fcf"):
        assert option in small
        assert option not in common
    # what both kinds have in the same words is listed once
    for option in ("--dmin", "--overwrite", "--strict"):
        assert option in common
        assert option not in small


def test_difference_density_and_figures(capsys, tmp_path, models):
    pytest.importorskip("matplotlib")
    pair = [models / "2242624.cif", models / "2242624.hkl"]
    figure = tmp_path / "fit.png"
    code, out, err = run(capsys, "fmodel", *pair, "--plot", figure)
    assert code == 0, err
    assert figure.stat().st_size > 5000
    assert "the CIF states 0.757" in out
    assert any(line.split()[-2:-1] == ["N2"] for line in out.splitlines())
    found = numbers(capsys, tmp_path, *pair)
    assert found["difference_density"]["maximum"] == pytest.approx(0.757, rel=0.02)
    assert found["absolute_structure"] is None
    code, out, err = run(capsys, "fmodel", *pair, "--plot-bijvoet", tmp_path / "pairs.png")
    assert code == 2
    assert "no Bijvoet pairs" in err.splitlines()[-1]
