"""Start-up: where compiled code goes, what is compiled beforehand, what an interruption leaves."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import friedel
from commands import QUARTZ, run

PACKAGE = Path(friedel.__file__).parent


def test_warmup(capsys):
    code, out, err = run(capsys, "warmup")
    assert (code, out) == (0, "")
    assert err.startswith("ready after")


def test_nothing_is_compiled_after_a_warmup(shared_data):
    """A second process finds all code, and so does a fit that searches for the mask."""
    code = """
import sys
sys.modules["numba"] = None  # any import of it fails
from friedel.cli import main
main(["warmup"])
main(["fcalc", sys.argv[1], "--dmin", "1"])
main(["fmodel", sys.argv[2], sys.argv[3], "--smooth-mask", "--search-mask"])
assert "friedel.runtime.native.processes" not in sys.modules  # which has kernels compiled
"""
    models = [shared_data / "models" / name for name in ("5e5z.pdb", "5e5z.mtz")]
    command = [sys.executable, "-c", code, str(QUARTZ), *map(str, models)]
    subprocess.run([*command[:2], "from friedel.cli import main; main(['warmup'])"], check=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nowhere_to_keep_compiled_code(tmp_path):
    """Folders can be made neither beside the kernels nor at home, where files have their names."""
    shutil.copytree(PACKAGE, tmp_path / "friedel", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("friedel/kernels/__pycache__", "home", "scratch"):
        (tmp_path / name).write_text("") if name != "scratch" else (tmp_path / name).mkdir()
    environment = {
        name: x for name, x in os.environ.items() if not name.startswith(("NUMBA", "XDG"))
    }
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "scratch"),
    }
    code = """
import friedel.kernels.grid.gaussians, numpy as np
from friedel.kernels.compiled import STORE
friedel.kernels.grid.gaussians.radii_at_level(np.ones((1, 1)), np.ones((1, 1)), 0.1, np.empty(1))
print(friedel.__file__)
print(STORE.folder)
"""
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    used, folder = (Path(line) for line in done.stdout.split())
    assert used.is_relative_to(tmp_path)
    assert folder.parent.parent == tmp_path / "scratch"
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.kernel"))


@pytest.mark.parametrize(
    "arguments", [["fprime", "Se"], ["fcalc", QUARTZ, "--hkl", "1,0,1"], ["fmodel", "--help"]]
)
def test_bare_environment(tmp_path, arguments):
    """No home, no folder for temporary files, an ASCII terminal; warnings are errors."""
    kept = ("PATH", "NUMBA_CACHE_DIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
    environment = {name: x for name, x in os.environ.items() if name in kept} | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "COLUMNS": "40", "NO_COLOR": "1", "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(tmp_path / "none"), "XDG_CACHE_HOME": str(tmp_path / "none" / "cache"),
    }  # fmt: skip
    command = [sys.executable, "-m", "friedel", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert all(x.startswith((b"friedel: note: ", b"quartz.cif: ", b"xray F of quartz.cif"))
               for x in done.stderr.splitlines())  # fmt: skip


HEAVY = {"numba", "llvmlite", "scipy", "gemmi", "importlib.metadata", "xraydb", "matplotlib"}


def modules_after(*arguments: str) -> set[str]:
    """Names of the modules that are imported when a command ends."""
    code = """
import sys
from contextlib import suppress
from friedel.cli import main
with suppress(SystemExit):
    main(sys.argv[1:])
print("\\n" + " ".join(sys.modules))
"""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", ["--version", "--help", "fcalc --help", "fmodel --help", "fprime Se -w 1"]
)
def test_help_and_small_commands_import_little(arguments):
    assert modules_after(*arguments.split()) & HEAVY == set()


@pytest.mark.parametrize(
    "options", [["--dmin", "1.0", "--method", "fft"], ["--hkl", "1,0,1"]], ids=["fft", "direct"]
)
def test_fcalc_imports_neither_numba_nor_scipy(options, tmp_path):
    modules_after("fcalc", str(QUARTZ), *options)  # compiles what is missing
    used = modules_after("fcalc", str(QUARTZ), *options, "--to-mtz", str(tmp_path / "f.mtz"))
    assert used & HEAVY == {"llvmlite", "gemmi"}
    assert "tqdm" not in used


def test_fmodel_imports_neither_numba_nor_a_minimiser(shared_data):
    models = [shared_data / "models" / name for name in ("5e5z.pdb", "5e5z.mtz")]
    modules_after("fmodel", *map(str, models))
    used = modules_after("fmodel", *map(str, models))
    assert used & HEAVY == {"llvmlite", "gemmi"}
    assert "tqdm" not in used  # nor importlib.metadata, which it imports


def test_kernels_run_by_numba():
    """With FRIEDEL_KERNELS=numba: the same bits, and the kernels are numba's own functions."""
    code = """
import friedel, numpy as np
from friedel.kernels.reciprocal.reflections import is_absent
crystal = friedel.Crystal((20, 24, 28, 90, 90, 90))
rng = np.random.default_rng(0)
atoms = friedel.Atoms.from_labels(["C"] * 50, rng.random((50, 3)), 1.0, 20.0)
f = friedel.fcalc((crystal, atoms), d_min=2.5, method="fft")
print(type(is_absent).__module__.partition(".")[0], f.values.tobytes().hex())
"""
    found = []
    for way in ("", "numba"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"FRIEDEL_KERNELS": way},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        found.append(done.stdout.split())
    (one, bits), (other, same_bits) = found
    assert (one, other) == ("friedel", "numba")
    assert bits == same_bits


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="signals of Unix")
def test_interrupted_command_leaves_no_file(tmp_path):
    """Ctrl-C while a file is being written: exit code 130, one line, and an empty folder."""
    code = f"""
import friedel.writers.files as writers, sys, time
from friedel.cli import main
link = writers.os.link
def slow(*arguments):
    print("writing", flush=True)
    time.sleep(30)
    link(*arguments)
writers.os.link = slow
main(["fcalc", {str(QUARTZ)!r}, "--dmin", "1", "--to-mtz", {str(tmp_path / "out.mtz")!r}])
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "friedel: interrupted"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_processes_give_the_same_bits():
    """Children of a process that has calculated with threads, and that calculates meanwhile."""
    code = """
import multiprocessing, threading, numpy as np, friedel
rng = np.random.default_rng(0)
crystal = friedel.Crystal((60, 70, 80, 90, 90, 90))
atoms = friedel.Atoms.from_labels(["C"] * 500, rng.random((500, 3)), 1.0, 20.0)
def work(_):
    f = friedel.fcalc((crystal, atoms), d_min=3.0, method="fft", threads=2)
    return f.values.tobytes()
here = work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    there = pool.map_async(work, range(4))
    meanwhile = work(0)
    assert {here, meanwhile, *there.get(timeout=60)} == {here}
print(len(here))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) > 0
