"""Notes are text with kind and number; in strict mode a guess is an error."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import friedel
from friedel.errors import GuessError, ParameterError
from friedel.notes import KINDS, Note, Notes

DOCS = Path(__file__).parents[1] / "docs"
CELL = (10, 11, 12, 90, 90, 90)


def test_a_note_is_text():
    note = Note("3 lines are not read", "left out", 3)
    assert "; ".join([note, "more"]) == "3 lines are not read; more"
    assert note == "3 lines are not read"
    assert (note.text, note.kind, note.number) == (str(note), "left out", 3)
    assert note.to_dict() == {"text": str(note), "kind": "left out", "number": 3}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_keep_the_record(copied):
    note = Note("P 1 is taken", "guess", 1, give="give the group")
    found = copied(note)
    assert (found, found.kind, found.number, found.give) == (note, "guess", 1, "give the group")


@pytest.mark.parametrize("name", ["kind", "number", "text", "give", "_kind", "other"])
def test_a_note_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(Note("x"), name, "fit")


def test_kinds_are_few_and_documented():
    with pytest.raises(ParameterError, match="expected one of guess"):
        Note("x", "surprise")
    page = (DOCS / "conventions.md").read_text("utf-8")
    section = page.split("## Notes")[1].split("\n## ")[0]
    assert set(re.findall(r"^- `([a-z ]+)`", section, re.MULTILINE)) == set(KINDS)


def test_a_collector_keeps_order_and_each_text_once():
    notes = Notes()
    notes.add("first", "fit", 1)
    notes.extend([Note("second", "guess"), "third", Note("first", "file")])
    assert notes.records() == ("first", "second", "third")
    assert [note.kind for note in notes.records()] == ["fit", "guess", "default"]


def test_strict_mode_says_what_was_guessed_and_what_to_give():
    notes = Notes(strict=True)
    notes.add("n are not used", "left out", 2)
    with pytest.raises(GuessError, match="X scatters as O: a guess.*give form_factors"):
        notes.add("X scatters as O", "guess", give="give form_factors={'X': ...}")
    assert issubclass(GuessError, ParameterError)


def model(label: str) -> tuple[friedel.Crystal, friedel.Atoms]:
    crystal = friedel.Crystal(CELL)
    atoms = friedel.Atoms.from_labels(["C", label], [[0.1, 0.2, 0.3], [0.5, 0.5, 0.6]], b_iso=9.0)
    return crystal, atoms


def test_fcalc_guesses_unless_it_is_strict():
    found = friedel.fcalc(model("X"), d_min=3.0)
    assert [(note, note.kind) for note in found.notes] == [("X scatters as O", "guess")]
    with pytest.raises(GuessError, match="X scatters as O.*form_factors"):
        friedel.fcalc(model("X"), d_min=3.0, strict=True)
    given = friedel.fcalc(model("X"), d_min=3.0, strict=True, form_factors={"X": "O"})
    assert [note.kind for note in given.notes] == ["default"]
    np.testing.assert_array_equal(given.values, found.values)


def test_fmodel_guesses_unless_it_is_strict():
    f = friedel.fcalc(model("X"), d_min=1.5)
    data = friedel.Reflections(f.crystal, f.hkl, f.amplitudes, label="FP")
    assert "X scatters as O" in friedel.FModel(model("X"), data).notes
    with pytest.raises(GuessError, match="X scatters as O"):
        friedel.FModel(model("X"), data, strict=True)
    friedel.FModel(model("O"), data, strict=True)


FLAGS = {"two": [0, 1, 0, 0, 0, 0, 0, 0], "twenty": [0, 1, 2, 3, 4, 5, 6, 7]}


@pytest.mark.parametrize(("flags", "guessed"), [("two", True), ("twenty", False)])
def test_the_value_of_the_free_set_is_a_guess_where_there_are_two(tmp_path, flags, guessed):
    pytest.importorskip("gemmi")
    from friedel.writers.mtz import write_mtz

    crystal = friedel.Crystal(CELL)
    hkl = crystal.unique_reflections(3.0)[:8]
    values = {"FP": np.arange(1.0, 9.0), "SIGFP": np.ones(8), "FREE": np.array(FLAGS[flags])}
    write_mtz(tmp_path / "data.mtz", crystal, hkl, values)
    (note,) = friedel.as_reflections(tmp_path / "data.mtz").notes
    assert note.kind == ("guess" if guessed else "default")
    (note,) = friedel.as_reflections(tmp_path / "data.mtz", free_value=1).notes
    assert note.kind == "default"


def test_columns_are_a_guess_where_several_would_do(tmp_path):
    pytest.importorskip("gemmi")
    from friedel.writers.mtz import write_mtz

    crystal = friedel.Crystal(CELL)
    hkl = crystal.unique_reflections(3.0)[:8]
    one = np.arange(1.0, 9.0)
    columns = {"FP": one, "SIGFP": one, "F2": one, "SIGF2": one}
    path = tmp_path / "data.mtz"
    write_mtz(path, crystal, hkl, columns)
    (note,) = friedel.as_reflections(path).notes
    assert (note.kind, note.number) == ("guess", 1)
    assert note == "FP, SIGFP are used; there are also F2, SIGF2"
    assert not friedel.as_reflections(f"{path}:FP,SIGFP").notes


def test_intensities_guess_unless_they_are_strict(shared_data):
    paths = [shared_data / "models" / f"2242624.{ending}" for ending in ("cif", "hkl")]
    fit = friedel.fit_intensities(*paths, strict=True)
    assert [note.kind for note in fit.notes] == ["default"]
    crystal_and_atoms = friedel.as_model(paths[0])
    with pytest.raises(GuessError, match="no wavelength is known.*give the wavelength"):
        friedel.fit_intensities(crystal_and_atoms, paths[1], strict=True)


def test_strict_fmodel_asks_for_the_value_of_the_free_set(shared_data):
    models = shared_data / "models"
    pair = models / "1dur.pdb", models / "1dur.mtz"
    with pytest.raises(GuessError, match="free_value"):
        friedel.FModel(*pair, d_min=4.0, strict=True)
    assert friedel.FModel(*pair, d_min=4.0, strict=True, free_value=0).free.any()
