"""Files and the disk: complete or absent, one line when it is full, modes, names that are taken."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from commands import QUARTZ, run
from friedel.errors import OutputError
from friedel.writers import files
from friedel.writers.files import write_atomically

pytest.importorskip("gemmi")

MAIN = "from friedel.cli import main; main()"
# A limit to the size of files stops each of them as a full disk does, with another reason
LIMITED = """
import contextlib, io, json, os, resource, signal, sys
from friedel.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
def result(command, path, limit):
    said = io.StringIO()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main([*command, path]) or 0
        except SystemExit as stop:
            code = stop.code
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    return code, said.getvalue()
command, whole, part = json.loads(sys.argv[1])
results = [result(command, whole, unlimited[0])]
for limit in (100, os.path.getsize(whole) - 1):
    results.append(result(command, part, limit))
print(json.dumps(results))
"""


def start(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    # Python itself leaves its own compiled code in halves on a full disk
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, check=False, **options
    )


def check_one_line(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("friedel: ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("option", ["mtz", "cif", "hkl", "csv", "map", "json", "fcf", "png"])
def test_full_disk(tmp_path, option, shared_data):
    """The disk is full early, and full at the last byte.

    Both names are of one length, because some files tell the command that wrote them.
    """
    pytest.importorskip("resource")
    if option == "png":
        pytest.importorskip("matplotlib")
    small = [shared_data / "models/epoxide.cif", shared_data / "models/epoxide.hkl"]
    command = {
        "map": ["fcalc", QUARTZ, "--dmin=1", "--write-map"],
        "json": ["fmodel", *small, "--json"],
        "fcf": ["fmodel", *small, "--to-fcf"],
        "png": ["fcalc", QUARTZ, "--dmin=1", "--plot-section"],
    }.get(option, ["fcalc", QUARTZ, "--dmin=1", f"--to-{option}"])
    whole, part = tmp_path / f"whole.{option}", tmp_path / f"other.{option}"
    arguments = json.dumps([list(map(str, command)), str(whole), str(part)])
    done = start(LIMITED, arguments, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    (code, said), *limited = json.loads(done.stdout)
    assert code == 0, said
    for code, said in limited:
        assert code == 2, said
        assert said.splitlines()[-1].startswith(f"friedel: cannot write {part}: ")
    assert list(tmp_path.iterdir()) == [whole]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "command",
    [
        ["--version"],
        ["--help"],
        ["formfactor", "--list"],
        ["fprime", "Fe", "-w", "1"],
        ["fcalc", QUARTZ, "--dmin=1"],
    ],
)
def test_full_disk_of_standard_output(command):
    with open("/dev/full", "w") as full:
        done = start(MAIN, *command, stdout=full)
    check_one_line(done)
    assert os.strerror(errno.ENOSPC) in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_messages_that_cannot_be_written_either():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", MAIN, "fcalc", str(QUARTZ), "--dmin=1"]
        done = subprocess.run(command, stdout=full, stderr=full, check=False)
    assert done.returncode == 2


@pytest.mark.parametrize("command", [["formfactor", "--list"], ["fprime", "Fe", "-w", "1"]])
def test_a_reader_that_left_is_no_error_to_speak_of(command):
    read, write = os.pipe()
    os.close(read)
    done = start(MAIN, *command, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_umask_of_the_process_is_left_alone(tmp_path, monkeypatch):
    """Setting the umask, even briefly, would affect files that other threads make."""

    def set_umask(mask: int) -> int:
        raise AssertionError("the umask is the whole process's")

    monkeypatch.setattr(os, "umask", set_umask)
    write_atomically(tmp_path / "a.txt", lambda name: Path(name).write_text("a"))
    assert (tmp_path / "a.txt").read_text() == "a"


@pytest.mark.skipif(os.name == "nt", reason="modes of Unix")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_files_have_the_mode_of_any_other(tmp_path, mask):
    code = """
import os, sys
from pathlib import Path
from friedel.writers.files import write_atomically
os.umask(int(sys.argv[1]))
write_atomically(sys.argv[2], lambda name: Path(name).write_text("a"))
"""
    done = start(code, mask, tmp_path / "a.txt")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch, links):
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    if not links:
        monkeypatch.setattr(files.os, "link", no_links)
    path = tmp_path / "a.txt"

    def write(name: str) -> None:
        Path(name).write_text("ours")
        path.write_text("another's")

    with pytest.raises(OutputError, match="exists"):
        write_atomically(path, write)
    assert path.read_text() == "another's"
    write_atomically(path, write, overwrite=True)
    assert path.read_text() == "ours"
    write_atomically(tmp_path / "b.txt", lambda name: Path(name).write_text("ours"))
    assert (tmp_path / "b.txt").read_text() == "ours"
    assert {x.name for x in tmp_path.iterdir()} == {"a.txt", "b.txt"}


def test_one_of_many_writers_gets_the_name(tmp_path):
    path, refused = tmp_path / "a.txt", []
    barrier = threading.Barrier(8)

    def write(i: int) -> None:
        def content(name: str) -> None:
            barrier.wait()  # all have seen that there is no such file
            Path(name).write_text(str(i))

        try:
            write_atomically(path, content)
        except OutputError:
            refused.append(i)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert set(range(8)) - set(refused) == {int(path.read_text())}
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_no_file_can_have(tmp_path, capsys):
    path = tmp_path / ("a" * 300)
    code, _, err = run(capsys, "fcalc", QUARTZ, "--dmin=1", "--to-mtz", path)
    assert code == 2
    assert err.splitlines()[-1].startswith("friedel: ")
