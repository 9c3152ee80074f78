"""Compilation by other processes: right results whatever happens to them."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from friedel.kernels.compiled import STORE
from friedel.kernels.grid.arguments import Gaussians, GridAxes
from friedel.runtime.native import processes
from friedel.runtime.native.loader import types_of

CALL = """
import sys
import numpy as np
from friedel.kernels.reciprocal.indices import largest_indices
from friedel.kernels.reciprocal.reflections import is_absent
from friedel.runtime.native import processes
hkl = np.indices((6, 6, 6), np.int32).reshape(3, -1).T.copy()
rotations = np.eye(3, dtype=np.int32)[None]
absent = is_absent(hkl, rotations, np.array([[12, 0, 0]], np.int32))
print(*largest_indices(hkl, rotations), absent.sum(), "numba" in sys.modules)
"""
"""Two kernels are called; the reflections h00 with odd h are absent."""

EXPECTED = "5 5 5 108"


def environment(folder) -> dict[str, str]:
    return os.environ | {"NUMBA_CACHE_DIR": str(folder)}


def start(folder, code: str = CALL, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def answer(process: subprocess.Popen, error_begins: str = "") -> str:
    """What the process prints; its one line of errors begins as given."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert err.startswith(error_begins)
    assert len(err.splitlines()) == (1 if error_begins else 0)
    return out.strip()


def test_types_as_texts():
    gaussians = Gaussians(np.ones((2, 3)), np.ones((2, 3)), 0.5)
    axes = GridAxes((1, 2, 3), np.ones(3))
    frozen = np.ones(3, np.int32)
    frozen.setflags(write=False)
    values = [frozen, np.ones((2, 2), np.complex64, order="F"), np.ones(9)[::2], 1, 0.5, True, 1j]
    assert json.loads(types_of((*values, (1, 0.5), gaussians, axes))) == [
        *("int32[1]C", "complex64[2]F", "float64[1]A", "int64", "float64", "bool", "complex128"),
        ["int64", "float64"],
        {"friedel.kernels.grid.arguments:Gaussians": ["float64[2]C", "float64[2]C", "float64"]},
        {"friedel.kernels.grid.arguments:GridAxes": [["int64"] * 3, "float64[1]C"]},
    ]


def test_what_a_kernel_is_called_with():
    variants, jobs = processes.known_jobs(STORE)
    assert len(set(variants)) == len(variants)
    for variant in variants:
        others = processes.companions(STORE, variant)
        assert variant not in others
        for job in jobs:
            kernels = processes.kernels_of(STORE, job)
            assert variant not in kernels or set(others) <= set(kernels)
    job = "right angles, isotropic, fft, float32, F"
    names = [name for name, _ in processes.kernels_of(STORE, job)]
    assert "friedel.kernels.grid.density.add_orthogonal" in names
    assert not [name for name in names if "adjoint" in name or "scaling" in name]
    assert processes.companions(STORE, ("friedel.kernels.grid.density.unknown", "[]")) == []


def test_the_list_of_jobs_is_up_to_date():
    """The jobs call every listed kernel, and no other."""
    code = """
import gc, json
from friedel.cli.compile_kernels import run, steps
run()
from friedel.kernels.compiled import STORE
from friedel.runtime.native import processes
from friedel.runtime.native.loader import Kernel
variants, jobs = processes.known_jobs(STORE)
assert list(jobs) == [name for name, _ in steps()]
called = {(x.name, types) for x in gc.get_objects() if isinstance(x, Kernel) for types in x.calls}
print(json.dumps([sorted(called - set(variants)), sorted(set(variants) - called)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], []], "run tools/list_kernel_jobs.py"


def test_two_processes_that_compile_the_same_kernels(tmp_path):
    both = [start(tmp_path) for _ in range(2)]
    assert [answer(process) for process in both] == [f"{EXPECTED} False"] * 2
    assert answer(start(tmp_path)) == f"{EXPECTED} False"
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of Unix")
@pytest.mark.parametrize("files", [0, 1])
def test_a_process_that_is_killed_while_its_kernels_are_compiled(tmp_path, files):
    process = start(tmp_path)
    deadline = time.monotonic() + 300.0
    while len(list(tmp_path.rglob("*.kernel"))) < files and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5 * (files == 0))
    process.kill()
    process.communicate()
    assert answer(start(tmp_path)) == f"{EXPECTED} False"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of Unix")
def test_a_process_that_compiles_is_killed(tmp_path):
    """The kernel that it was to compile is called all the same, and the next one is compiled."""
    kill = """
began = processes._start
def start(store):
    processes._start = began
    process = began(store)
    process.kill()
    return process
processes._start = start
"""
    code = CALL.replace("hkl = ", kill + "\nhkl = ", 1)
    line = "friedel: numba runs the kernels itself"
    assert answer(start(tmp_path, code), line) == f"{EXPECTED} True"
    assert answer(start(tmp_path)) == f"{EXPECTED} False"


@pytest.mark.parametrize("way", ["no process starts", "numba is another one"])
def test_the_kernels_are_called_where_they_cannot_be_compiled_elsewhere(tmp_path, way):
    if way == "no process starts":
        change = "processes._start = lambda _: (_ for _ in ()).throw(OSError())"
    else:
        fails = "from friedel.runtime.native import builder; builder.build = None; "
        change = (
            "import subprocess as s\nprocesses._start = lambda _: s.Popen([sys.executable, '-c', "
            f"'{fails}from friedel.runtime.native.processes import serve; serve()'],"
            " stdin=-1, stdout=-1, text=True)"
        )
    code = CALL.replace("hkl = ", change + "\nhkl = ", 1)
    line = "friedel: numba runs the kernels itself"
    assert answer(start(tmp_path, code), line) == f"{EXPECTED} True"


def test_code_that_cannot_be_kept_is_said_once(tmp_path):
    """Otherwise each process would wait for the compiler, without a reason that a user sees."""
    nowhere = "from friedel.runtime.native import store\nstore._candidate_folders = lambda _: ()\n"
    line = "friedel: kernels are compiled, and will be each time"
    assert answer(start(tmp_path, nowhere + CALL), line) == f"{EXPECTED} False"
    assert answer(start(tmp_path)) == f"{EXPECTED} False"


@pytest.mark.skipif(os.name == "nt", reason="a working folder cannot be removed")
def test_the_working_folder_is_removed_while_kernels_are_compiled(tmp_path):
    """As that of a script that works in a temporary folder; modules are found all the same."""
    gone = tmp_path / "gone"
    gone.mkdir()
    change = "import os\nbegan = processes._start\n"
    change += "def start(store):\n    process = began(store)\n    os.rmdir(os.getcwd())\n"
    change += "    processes._start = lambda _: process\n    return process\n"
    change += "processes.usable_cores = lambda: 1\nprocesses._start = start\n"
    code = CALL.replace("hkl = ", change + "hkl = ", 1)
    assert answer(start(tmp_path, code, cwd=gone)) == f"{EXPECTED} False"
    assert not gone.exists()


@pytest.mark.parametrize("damage", [lambda x: x[:-100], lambda x: x[:-9] + b"x" * 9, lambda x: b""])
def test_a_damaged_file_is_compiled_anew(tmp_path, damage):
    assert answer(start(tmp_path)) == f"{EXPECTED} False"
    (file,) = (x for x in tmp_path.rglob("*.kernel") if "is_absent" in x.name)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert answer(start(tmp_path)) == f"{EXPECTED} False"
    assert len(file.read_bytes()) == len(whole)


def test_one_line_on_a_terminal(tmp_path):
    pty = pytest.importorskip("pty")
    reader, writer = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CALL],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
    ) as process:
        out = process.communicate(timeout=300)[0]
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    assert out.strip() == f"{EXPECTED} False"
    assert "\rcompiling kernels, once: 0 of " in shown
    assert "\n" not in shown
    assert shown.endswith(" \r")  # nothing is left of it
