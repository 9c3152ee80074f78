"""``-`` is standard input where a file is read, and standard output where one is written."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run

gemmi = pytest.importorskip("gemmi")


class Stdin:
    """Bytes as standard input, from a pipe or a terminal."""

    def __init__(self, content: bytes, *, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self.isatty = lambda: terminal


def piped(*arguments: object, content: bytes = b"") -> tuple[int, bytes, str]:
    """Exit code, standard output and standard error of a command in a process of its own."""
    command = [sys.executable, "-m", "friedel", *map(str, arguments)]
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def test_a_model_from_stdin_is_recognised_by_its_content(capsys, monkeypatch):
    call = ("--dmin", 1, "--to-csv", "-")
    expected = run(capsys, "fcalc", QUARTZ, *call)[1]
    for content in (QUARTZ.read_bytes(), gzip.compress(QUARTZ.read_bytes())):
        monkeypatch.setattr(sys, "stdin", Stdin(content))
        code, out, err = run(capsys, "fcalc", "-", *call)
        assert (code, out) == (0, expected), err
        assert "friedel-" not in err  # no name of a temporary file


def test_only_the_file_goes_to_stdout(capsys):
    """Also where the command prints a summary: that is on stderr then."""
    code, out, err = run(capsys, "fcalc", QUARTZ, "--dmin", 1, "--json", "-")
    assert code == 0
    found = json.loads(out)
    expected = friedel.fcalc(QUARTZ, d_min=1)
    np.testing.assert_array_equal(found["columns"]["FC"], expected.amplitudes)
    assert [tuple(x) for x in zip(*(found["columns"][k] for k in "hkl"), strict=True)] == [
        tuple(x) for x in expected.hkl.tolist()
    ]
    assert [note["text"] for note in found["notes"]] == [str(x) for x in expected.notes]
    assert "direct summation" in err


def test_data_and_a_binary_file_through_pipes(shared_data, tmp_path):
    models = shared_data / "models"
    content = (models / "5e5z.mtz").read_bytes()
    code, out, err = piped("data", "-:FP,SIGFP", "--to-mtz", "-", content=content)
    assert code == 0, err
    assert out[:4] == b"MTZ "
    assert "FP, SIGFP" in err  # the report
    path = tmp_path / "f.mtz"
    assert piped("data", f"{models / '5e5z.mtz'}:FP,SIGFP", "--to-mtz", path)[0] == 0
    columns = gemmi.read_mtz_file(str(path)).array
    path.write_bytes(out)
    np.testing.assert_array_equal(gemmi.read_mtz_file(str(path)).array, columns)


def test_a_small_structure_from_stdin_is_compared_with_its_list(capsys, monkeypatch, tmp_path):
    """The kind of the model decides which command it is."""
    target = tmp_path / "quartz.hkl"
    run(capsys, "fcalc", QUARTZ, "--dmin", 0.8, "--to-hkl", target)
    expected = run(capsys, "fmodel", QUARTZ, target)
    monkeypatch.setattr(sys, "stdin", Stdin(QUARTZ.read_bytes()))
    code, out, err = run(capsys, "fmodel", "-", target)
    assert code == 0, err
    assert out.replace("stdin", "quartz.cif") == expected[1]
    assert "R1" in out


def test_the_kind_of_stdin_can_be_given(capsys, monkeypatch, tmp_path):
    target = tmp_path / "quartz.hkl"
    run(capsys, "fcalc", QUARTZ, "--dmin", 0.8, "--to-hkl", target)
    monkeypatch.setattr(sys, "stdin", Stdin(target.read_bytes()))
    code, out, err = run(capsys, "data", "-", "--stdin-as", "hkl", "--model", QUARTZ)
    assert code == 0, err
    assert "stdin.hkl" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fcalc", "-", "--dmin", 1, "--compare", "-"], "one file only"),
        (["fcalc", QUARTZ, "--dmin", 1, "--to-csv", "-", "--json", "-"], "can take one file"),
        (["fcalc", QUARTZ, "--dmin", 1, "-o", "-"], "use --to-mtz, --to-cif"),
        (["fcalc", "-", "--dmin", 1, "--to-csv", "no/f.csv"], "no folder"),
    ],
)
def test_refused(capsys, monkeypatch, arguments, text):
    monkeypatch.setattr(sys, "stdin", Stdin(QUARTZ.read_bytes()))
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert text in err.splitlines()[-1]


def test_bad_input_is_named_standard_input(capsys, monkeypatch):
    for content, terminal, text in (
        (b"", False, "standard input (-) is empty"),
        (b"data", True, "standard input (-) is a terminal"),
        (b"MTZ " + bytes(100), False, "standard input"),
        (b"\xff\xfe\x00", False, "standard input"),
    ):
        monkeypatch.setattr(sys, "stdin", Stdin(content, terminal=terminal))
        code, out, err = run(capsys, "fcalc", "-", "--dmin", 2)
        assert (code, out) == (2, "")
        assert "friedel-" not in err  # the folder of the temporary file
        assert text in err or "stdin" in err
        if not (terminal or content == b""):
            monkeypatch.setattr(sys, "stdin", Stdin(content))
            code, out, err = run(capsys, "data", "-")
            assert (code, out) == (2, "")
            assert "friedel-" not in err
            assert "standard input" in err or "stdin" in err


def test_a_binary_file_is_not_printed_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, err = run(capsys, "fcalc", "no-such.pdb", "--dmin", 2, "--to-mtz", "-")
    assert (code, out) == (2, "")
    assert err == (
        "friedel: --to-mtz - would write a binary file to the terminal: "
        "send it to a file or a pipe\n"
    )
    assert run(capsys, "fcalc", QUARTZ, "--dmin", 2, "--to-csv", "-")[0] == 0


def test_a_map_as_the_second_argument(tmp_path):
    code, out, err = piped("map", QUARTZ, "-", "--dmin", 2)
    assert code == 0, err
    assert out[208:212] == b"MAP "
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(shared_data):
    for arguments in (["fcalc", QUARTZ, "--dmin", 1], ["fprime", "Se"], ["fcalc", QUARTZ, "--dmin",
                      1, "--to-mtz", "-"]):  # fmt: skip
        with open("/dev/full", "wb") as full:
            command = [sys.executable, "-m", "friedel", *map(str, arguments), "-q"]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2
        assert done.stderr.decode().splitlines() == [
            "friedel: cannot write: No space left on device"
        ]
