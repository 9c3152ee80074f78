"""The command data: text, JSON, amplitudes, figure and free set."""

import json

import gemmi
import pytest

import friedel
from commands import run


@pytest.fixture(scope="module")
def path(page_models):
    return str(page_models / "5e5z.mtz")


def test_text_json_amplitudes_and_figure(capsys, tmp_path, path):
    pytest.importorskip("matplotlib")
    names = {"--json": "a.json", "--to-mtz": "a.mtz", "--plot": "a.png"}
    files = [x for option, name in names.items() for x in (option, tmp_path / name)]
    code, out, err = run(capsys, "data", f"{path}:I,SIGI", *files)
    assert code == 0
    report = friedel.describe_data(f"{path}:I,SIGI")
    assert out.strip() == report.summary(notes=False)
    assert all(f"friedel: note: {note}" in err for note in report.notes)
    numbers = json.loads((tmp_path / "a.json").read_text())
    assert numbers["n_reflections"] == 403
    assert numbers["columns"][3] == {
        "label": "I", "kind": "intensity", "data_set": "1", "wavelength": None, "n": 403,
    }  # fmt: skip
    assert numbers["command"].startswith("friedel data")
    assert numbers["wilson"]["b"] == pytest.approx(report.wilson.b)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    labels = gemmi.read_mtz_file(str(tmp_path / "a.mtz")).column_labels()
    assert labels == ["H", "K", "L", "F", "SIGF", "FREE"]
    code, _, err = run(capsys, "data", f"{path}:I,SIGI", *files)
    assert code == 2
    assert "exists" in err


def test_free_sets(capsys, tmp_path, path):
    target = tmp_path / "a.mtz"
    code, _, err = run(capsys, "data", path, "--make-free", 5, "--to-mtz", target)
    assert (code, target.exists()) == (2, False)
    assert "has a free set, FREE = 0" in err
    code, _, err = run(capsys, "data", path, "--make-free", 5)
    assert code == 2
    assert "give --to-mtz FILE" in err
    mtz = gemmi.read_mtz_file(path)
    mtz.remove_column(mtz.column_labels().index("FREE"))
    mtz.write_to_file(str(tmp_path / "without.mtz"))
    call = ["data", tmp_path / "without.mtz", "--make-free", 10, "--seed", 7]
    code, _, err = run(capsys, *call, "-o", target)
    assert code == 0
    assert "free set FreeR_flag = 0 is new" in err
    first = friedel.as_reflections(target)
    assert 0.04 < first.free.mean() < 0.16
    assert run(capsys, *call, "-o", target, "--overwrite")[0] == 0
    assert (friedel.as_reflections(target).free == first.free).all()


def test_a_guess_is_an_error_in_strict_mode(capsys, path):
    code, _, err = run(capsys, "data", path, "--strict")
    assert code == 2
    assert "name the columns" in err


def test_errors_are_one_line(capsys, tmp_path):
    code, out, err = run(capsys, "data", tmp_path / "no.mtz")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no such file" in err
