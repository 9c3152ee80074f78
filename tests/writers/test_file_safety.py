"""Inputs are never replaced, links are followed, modes stay, names are printed safely."""

import itertools
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from commands import QUARTZ, run
from friedel.errors import FileFormatError, OutputError
from friedel.readers.reading import read_text, split_labels
from friedel.runtime.paths import exists, shown
from friedel.writers.files import check_output, write_atomically, write_text

pytest.importorskip("gemmi")


@pytest.fixture
def model(tmp_path) -> Path:
    return Path(shutil.copy(QUARTZ, tmp_path / "quartz.cif"))


def fcalc(capsys, model: Path, *options: object) -> tuple[int, str]:
    code, _, said = run(capsys, "fcalc", model, "--dmin=2", *options)
    return code, said


def check_refused(capsys, model: Path, *options: object) -> str:
    """The command says why in one line, and changes no file."""
    before = {path: path.read_bytes() for path in model.parent.iterdir() if path.is_file()}
    code, said = fcalc(capsys, model, *options)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert said.startswith("friedel: ")
    assert {p: p.read_bytes() for p in model.parent.iterdir() if p.is_file()} == before
    return said


def names_of(path: Path) -> list[str]:
    """Other names of a file: relative, through a folder, a symbolic link and a hard link."""
    soft, hard = path.with_name("soft"), path.with_name("hard")
    soft.symlink_to(path)
    os.link(path, hard)
    folder = path.with_name("folder")
    folder.symlink_to(path.parent, target_is_directory=True)
    inside = path.parent / "other"
    inside.mkdir()
    return [str(x) for x in (path, soft, hard, folder / path.name, inside / ".." / path.name)]


def test_an_input_by_any_name_is_never_an_output(capsys, model):
    kinds = ("--to-mtz", "--to-csv", "--write-map")
    for name, kind in itertools.product(names_of(model), kinds):
        assert "it is an input" in check_refused(capsys, model, kind, name, "--overwrite")


def test_data_with_labels_are_an_input(capsys, shared_data, tmp_path):
    data = Path(shutil.copy(shared_data / "models/5e5z.mtz", tmp_path))
    before = data.read_bytes()
    model = shared_data / "models/5e5z.pdb"
    for text in (data, f"{data}:FP,SIGFP"):
        arguments = ("fmodel", model, text, "--to-mtz", data, "--overwrite")
        code, _, said = run(capsys, *arguments)
        assert (code, "it is an input" in said, said.count("\n")) == (2, True, 1)
    for arguments in (
        ("data", data, "--json", data, "--overwrite"),
        ("fcalc", model, "--compare", data, "--to-mtz", data, "--overwrite"),
    ):
        code, _, said = run(capsys, *arguments)
        assert (code, "it is an input" in said) == (2, True)
    assert data.read_bytes() == before


def test_two_outputs_of_one_name(capsys, model):
    out = model.with_name("out.mtz")
    out.symlink_to(model.with_name("target.mtz"))
    for other in (out, model.with_name("target.mtz"), model.parent / "." / "out.mtz"):
        said = check_refused(capsys, model, "--to-mtz", out, "--to-csv", other, "--overwrite")
        assert "two outputs" in said
    assert not exists(model.with_name("target.mtz"))


def test_no_output_is_written_if_one_cannot_be(capsys, model):
    good = model.with_name("good.mtz")
    bad = (model.parent, model.parent / "none" / "x.csv", "", "x" * 300, os.devnull)
    for name in bad:
        check_refused(capsys, model, "--to-mtz", good, "--to-csv", name, "--overwrite")
        assert not good.exists()


def test_symbolic_links_are_written_through(capsys, model):
    link, target = model.with_name("link.mtz"), model.with_name("target.mtz")
    link.symlink_to("target.mtz")
    assert fcalc(capsys, model, "--to-mtz", link)[0] == 0  # a dangling link: a new file
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"MTZ ")
    check_refused(capsys, model, "--to-mtz", link)  # it exists now
    target.write_text("old")
    assert fcalc(capsys, model, "--to-mtz", link, "--overwrite")[0] == 0
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"MTZ ")


def test_links_in_a_circle(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.symlink_to(second)
    second.symlink_to(first)
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            check_output(first, overwrite=overwrite)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_mode_and_owner_of_a_replaced_file_stay(tmp_path, mode):
    path = tmp_path / "file"
    path.write_text("old")
    if os.geteuid() == 0:
        os.chown(path, 4711, 4712)
    path.chmod(mode)
    before = path.stat()
    write_text(path, "new", overwrite=True)
    after = path.stat()
    assert path.read_text() == "new"
    assert stat.S_IMODE(after.st_mode) == mode
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_a_secret_is_never_readable_meanwhile(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o600)

    def write(name: str) -> None:
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o600
        Path(name).write_text("new")

    write_atomically(path, write, overwrite=True)


def test_devices_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, os.devnull):
        with pytest.raises(OutputError, match="device"):
            write_text(path, "new", overwrite=True)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_control_characters_are_printed_as_escapes(capsys, model):
    odd = "esc\x1b[31m\nline\x7f\x9b.mtz"
    said = fcalc(capsys, model, "--to-mtz", model.with_name(odd))[1]
    assert r"esc\x1b[31m\nline\x7f\x9b.mtz" in said
    moved = model.rename(model.with_name("mo\x1b]0;title\x07del\n.cif"))
    code, _, said = run(capsys, "fcalc", moved, "--dmin=2", "--to-csv", model.with_name("a.csv"))
    assert code == 0
    assert all(x.isprintable() or x == "\n" for x in said)
    assert r"mo\x1b]0;title\x07del\n.cif" in said
    code, _, said = run(capsys, "fcalc", model.with_name("missing\n\x1b.pdb"), "--dmin=2")
    assert (code, said.count("\n")) == (2, 1)
    assert r"missing\n\x1b.pdb" in said


def test_every_character_is_printable_when_shown():
    for number in (*range(0x250), 0x2028, 0x202E, 0xDC80, 0xFEFF, 0x1F600):
        text = shown(f"a{chr(number)}b")
        assert text.isprintable()
        text.encode()
    assert shown("Ångström é.mtz") == "Ångström é.mtz"


def test_names_that_are_not_utf8(model, tmp_path):
    data = model.read_bytes()
    name = os.fsencode(tmp_path) + b"/caf\xe9.cif"
    Path(os.fsdecode(name)).write_bytes(data)
    out = os.fsencode(tmp_path) + b"/out\xe9.mtz"
    code = "from friedel.cli import main; main()"
    command = [sys.executable, "-c", code, "fcalc", name, "--dmin=2", "--to-mtz", out]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(os.fsdecode(out)).read_bytes().startswith(b"MTZ ")
    command = [sys.executable, "-c", code, "data", out]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"not UTF-8" in done.stderr


def test_a_name_that_exists_is_not_divided_into_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.mtz").touch()
    assert split_labels("a.mtz:b.mtz") == ("a.mtz", ("b.mtz",))
    Path("a.mtz:b.mtz").touch()
    assert split_labels("a.mtz:b.mtz") == ("a.mtz:b.mtz", ())
    assert split_labels("a.mtz:b.mtz:FP,SIGFP") == ("a.mtz:b.mtz", ("FP", "SIGFP"))


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000], ids=["long", "deep"])
def test_names_that_no_file_can_have(capsys, model, name):
    for options in (
        ("fcalc", name, "--dmin=2"),
        ("fcalc", model, "--dmin=2", "--to-mtz", name),
        ("fcalc", model, "--compare", name),
        ("fmodel", model, name),
        ("fmodel", name, "data.mtz"),
        ("fmodel", model, f"d.mtz:{name}"),
        ("fmodel", model, "d.mtz", "--solvent-mask", name),
        ("data", name),
    ):
        code, _, said = run(capsys, *options)
        assert code == 2
        errors = [x for x in said.splitlines() if not x.startswith("friedel: note: ")]
        assert len(errors) == 1, said
        assert len(errors[0]) < 300
    for path in (name, "a\0b"):  # no command line has null characters, but Python's strings may
        with pytest.raises(FileFormatError):
            read_text(Path(path))
        with pytest.raises(OutputError):
            write_text(path, "new")


WRITER = """
    import os, signal, sys
    from friedel.writers.files import write_atomically
    def write(name):
        with open(name, "w") as file:
            file.write("half")
            file.flush()
            os.kill(os.getpid(), getattr(signal, sys.argv[2]))
            file.write("other half")
    write_atomically(sys.argv[1], write, overwrite=True)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_signal_while_a_file_is_written(tmp_path, name):
    path = tmp_path / "file"
    path.write_text("old")
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), name]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (-getattr(signal, name), 1)
    assert path.read_text() == "old"
    if name == "SIGINT":  # the others leave no time to tidy up
        assert os.listdir(tmp_path) == ["file"]


REPLACER = """
    import os, sys
    names = sys.argv[2:]
    print("ready", flush=True)
    while True:
        for name in names:
            os.link(name, sys.argv[1] + ".new")
            os.replace(sys.argv[1] + ".new", sys.argv[1])
"""


def test_files_replaced_while_they_are_read(model, shared_data, tmp_path):
    """Every result is that of one file or of the other, never of halves of both."""
    from friedel import as_model
    from friedel.readers.amplitudes import as_reflections

    models = shared_data / "models"
    for ending, files, read in (
        (".cif", (models / "5e5z.pdb", model), lambda path: len(as_model(path).atoms)),
        (".mtz", (models / "5e5z.mtz", models / "1dur.mtz"), lambda x: len(as_reflections(x))),
    ):
        copies = [shutil.copy(path, tmp_path / f"{i}{ending}") for i, path in enumerate(files)]
        whole = {read(path) for path in copies}
        changing = tmp_path / f"changing{ending}"
        changing.unlink(missing_ok=True)
        os.link(copies[0], changing)
        command = [
            sys.executable,
            "-c",
            textwrap.dedent(REPLACER),
            str(changing),
            *map(str, copies),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
            try:
                other.stdout.readline()
                for _ in range(50):
                    assert read(changing) in whole
            finally:
                other.kill()
