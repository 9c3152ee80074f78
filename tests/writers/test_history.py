"""Files tell version, command and notes."""

import json

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.notes import Note, friedel_version
from friedel.writers.history import MOST_LINES, WIDTH, history, text_field

gemmi = pytest.importorskip("gemmi")


def test_lines_fit_into_mtz_files():
    notes = [Note("a long note " * 20, "warning"), Note("größer\nals", "file")]
    lines = history(notes, "friedel fcalc " + "x" * 200)
    assert lines[0] == f"friedel {friedel_version()}"
    assert all(len(line) <= WIDTH and line.isascii() and "\n" not in line for line in lines)
    together = "".join(line.strip() for line in lines)
    assert "x" * 200 in together
    assert "note (file): gr\\xf6\\xdfer als" in lines
    assert not any(line.startswith(" ") for line in lines)


def test_a_semicolon_does_not_end_a_field():
    field = text_field(["first", ";second", "third"])
    value = gemmi.cif.read_string(f"data_x\n_a\n{field}\n").sole_block().find_value("_a")
    assert gemmi.cif.as_string(value).split() == ["first", ";second", "third"]


def test_no_more_lines_than_programs_read():
    lines = history([Note(f"note {i}", "file") for i in range(100)])
    assert len(lines) == MOST_LINES
    assert lines[-1].startswith(f"and {101 - MOST_LINES + 1} more lines")


@pytest.fixture
def pair(shared_data) -> list[str]:
    models = shared_data / "models"
    return [str(models / "1dur.pdb"), str(models / "1dur.mtz")]


def method_of(path, tag: str) -> list[str]:
    value = gemmi.cif.read(str(path)).sole_block().find_value(tag)
    return gemmi.cif.as_string(value).strip().splitlines()


def assert_told(lines: list[str], command: str, notes: list[dict]) -> None:
    text = " ".join(" ".join(lines).split())
    assert lines[0] == f"friedel {friedel_version()}"
    # long words, such as paths, are broken where a line ends
    bare = text.replace(" ", "")
    assert f"command:{command}".replace(" ", "") in bare
    for note in notes:
        assert f"note({note['kind']}):{note['text']}".replace(" ", "") in bare


def test_fmodel_reports_notes_once_in_every_output(capsys, tmp_path, pair):
    files = {name: tmp_path / f"out.{name}" for name in ("mtz", "cif", "json")}
    options = ["--to-mtz", files["mtz"], "--to-cif", files["cif"], "--json", files["json"]]
    arguments = [*pair, "--solvent", "flat", "--dmin", "3", *map(str, options)]
    code, out, err = run(capsys, "fmodel", *arguments)
    assert code == 0, err
    numbers = json.loads(files["json"].read_text())
    notes = numbers["notes"]
    assert notes
    assert all(set(note) == {"text", "kind", "number"} for note in notes)
    for note in notes:
        assert err.count(f"friedel: note: {note['text']}\n") == 1
        assert note["text"] not in out
    command = " ".join(["friedel", "fmodel", *arguments])
    assert (numbers["version"], numbers["command"]) == (friedel.__version__, command)
    mtz = gemmi.read_mtz_file(str(files["mtz"]))
    assert all(len(line) <= WIDTH for line in mtz.history)
    assert_told(mtz.history, command, notes)
    assert_told(method_of(files["cif"], "_audit.creation_method"), command, notes)


def test_fcalc_reports_notes_in_every_output(capsys, tmp_path):
    mtz, cif = tmp_path / "f.mtz", tmp_path / "f.cif"
    arguments = [str(QUARTZ), "--dmin", "1.5", "--to-mtz", str(mtz), "--to-cif", str(cif)]
    code, _, err = run(capsys, "fcalc", *arguments)
    assert code == 0, err
    assert err.count("occupancy is divided by the site's order") == 1
    note = {"text": "atoms on special positions (1): occupancy is divided by the site's order"}
    command = " ".join(["friedel", "fcalc", *arguments])
    assert_told(gemmi.read_mtz_file(str(mtz)).history, command, [note | {"kind": "default"}])
    method = method_of(cif, "_audit.creation_method")
    assert_told(method, command, [note | {"kind": "default"}])


def test_small_structures_tell_them_too(capsys, tmp_path, shared_data):
    pair = [str(shared_data / "models" / f"2242624.{ending}") for ending in ("cif", "hkl")]
    mtz, fcf, path = (tmp_path / f"out.{ending}" for ending in ("mtz", "fcf", "json"))
    options = ["--to-mtz", str(mtz), "--to-fcf", str(fcf), "--json", str(path)]
    code, out, err = run(capsys, "fmodel", *pair, *options)
    assert code == 0, err
    numbers = json.loads(path.read_text())
    command = " ".join(["friedel", "fmodel", *pair, *options])
    assert (numbers["version"], numbers["command"]) == (friedel.__version__, command)
    (note,) = numbers["notes"]
    assert err.count(note["text"]) == 1
    assert note["text"] not in out
    assert_told(gemmi.read_mtz_file(str(mtz)).history, command, [note])
    assert_told(method_of(fcf, "_audit_creation_method"), command, [note])


def test_without_a_command_there_is_a_version(tmp_path):
    crystal = friedel.Crystal((10, 11, 12, 90, 90, 90))
    hkl = crystal.unique_reflections(3.0)
    data = friedel.Reflections(crystal, hkl, np.ones(len(hkl)), label="FP")
    data.to_mtz(tmp_path / "f.mtz")
    assert gemmi.read_mtz_file(str(tmp_path / "f.mtz")).history == [f"friedel {friedel_version()}"]


@pytest.mark.parametrize("command", ["fcalc", "fmodel"])
def test_strict_is_one_line_and_exit_code_2(capsys, tmp_path, shared_data, command):
    lines = (shared_data / "models" / "1dur.pdb").read_text().splitlines()
    model = tmp_path / "two.pdb"
    cell = [line for line in lines if line.startswith("CRYST1")]
    atoms = [line for line in lines if line.startswith("ATOM")]
    model.write_text("\n".join([*cell, "MODEL 1", *atoms, "ENDMDL", "MODEL 2", *atoms, "ENDMDL"]))
    data = [f"{shared_data / 'models' / '1dur.mtz'}:FP,SIGFP"] if command == "fmodel" else []
    arguments = [command, model, *data, "--dmin", 4]
    code, _, err = run(capsys, *arguments)
    assert code == 0, err
    assert err.count("friedel: note: the first of 2 models is used") == 1
    code, out, err = run(capsys, *arguments, "--strict")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "the first of 2 models is used" in err
    assert "give a file with one model" in err


def test_strict_small_structure(capsys, tmp_path, shared_data):
    text = (shared_data / "models" / "2242624.cif").read_text()
    model = tmp_path / "small.cif"
    model.write_text("\n".join(x for x in text.splitlines() if "_wavelength" not in x))
    data = shared_data / "models" / "2242624.hkl"
    code, _, err = run(capsys, "fmodel", model, data, "--strict")
    assert code == 0, err
    assert "the wavelength (CELL): from _shelx_res_file" in err
    assert run(capsys, "fmodel", model, data, "--no-instructions")[0] == 0
    code, out, err = run(capsys, "fmodel", model, data, "--strict", "--no-instructions")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "give the wavelength" in err
