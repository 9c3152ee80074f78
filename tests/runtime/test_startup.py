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
import gc, sys
from friedel.cli import main
from numba.core.dispatcher import Dispatcher
def compiled():
    kernels = [x for x in gc.get_objects() if isinstance(x, Dispatcher)]
    stats = [x.stats for x in kernels if x.__module__.startswith("friedel.")]
    return [sum(sum(counts.values()) for counts in x) for x in zip(*(
        (y.cache_hits, y.cache_misses) for y in stats
    ))]
main(["warmup"])
hits, misses = compiled()
assert hits > 50 and misses == 0, (hits, misses)
main(["fcalc", sys.argv[1], "--dmin", "1"])
main(["fmodel", sys.argv[2], sys.argv[3], "--smooth-mask", "--search-mask"])
assert compiled()[1] == 0
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
from friedel.kernels.compiled import FOLDER
friedel.kernels.grid.gaussians.radii_at_level(np.ones((1, 1)), np.ones((1, 1)), 0.1, np.empty(1))
print(friedel.__file__)
print(FOLDER)
"""
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    used, folder = (Path(line) for line in done.stdout.split())
    assert used.is_relative_to(tmp_path)
    assert folder.parent.parent == tmp_path / "scratch"
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.nbc"))


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


def test_linear_algebra_is_there_when_it_is_asked_for():
    """Though numba starts without it."""
    code = """
import sys, numpy as np, numba
import friedel.kernels.reciprocal.indices
assert numba.np.linalg.ensure_blas.__module__ == "numba.np.linalg"  # put back
friedel.kernels.reciprocal.indices.largest_indices(np.zeros((1, 3), int), np.zeros((1, 3, 3), int))
assert "scipy.linalg" not in sys.modules
product = numba.njit(lambda a, b: np.dot(a, b))
a = np.arange(4.0).reshape(2, 2) + 1.0
assert (product(a, a) == a @ a).all()
import scipy.linalg
assert np.allclose(scipy.linalg.solve(a, a), np.eye(2))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
