"""Machine code as in a platform wheel: it is loaded where it can be, and nowhere else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

import friedel
from friedel.runtime.native import shipped

TOOL = Path(__file__).parents[3] / "tools/platform_wheel.py"

COMPILE = """
import sys
sys.path.insert(0, sys.argv[1])
from platform_wheel import compile_kernels
from friedel.runtime.native import processes
jobs = processes.known_jobs
def of_two(store):
    return [x for x in jobs(store)[0] if x[0].rpartition(".")[2] in ("is_absent", "locate")], {}
processes.known_jobs = of_two
compile_kernels(sys.argv[2])
"""

CALL = """
import sys
import numpy as np
if sys.argv[1] == "without numba":
    sys.modules["numba"] = None
from friedel.kernels.reciprocal.reflections import is_absent
hkl = np.indices((6, 6, 6), np.int32).reshape(3, -1).T.copy()
absent = is_absent(hkl, np.eye(3, dtype=np.int32)[None], np.array([[12, 0, 0]], np.int32))
print(absent.sum(), "friedel.runtime.native.processes" in sys.modules)
"""

LOADED, COMPILED = "108 False", "108 True"
"""The reflections h00 with odd h are absent, and whether something had to be compiled."""

needs_levels = pytest.mark.skipif(
    not shipped.levels_here(), reason="the processor has none of the levels of a wheel"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of the package with the machine code of two kernels for each level."""
    folder = tmp_path_factory.mktemp("installed")
    package = Path(friedel.__file__).parent
    shutil.copytree(package, folder / "friedel", ignore=shutil.ignore_patterns("__pycache__"))
    for level in shipped.LEVELS:
        changed = {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", COMPILE, str(TOOL.parent), level]
        subprocess.run(command, env=os.environ | changed, check=True)
    return folder


@pytest.fixture
def copy(installed, tmp_path):
    """A copy of that, which a test may change."""
    shutil.copytree(installed, tmp_path / "copy")
    return tmp_path / "copy"


def call(folder: Path, way: str = "", before: str = "", **environment: str) -> str:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    unset = ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "XDG_CACHE_HOME")
    own = {name: x for name, x in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", before + CALL, way],
        env=own | {"PYTHONPATH": str(folder), "HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def code_of(folder: Path, level: str) -> Path:
    (file,) = (folder / "friedel/kernels/machine_code" / level).glob("*is_absent*")
    return file


@needs_levels
def test_nothing_is_compiled_or_written(copy):
    assert call(copy, "without numba") == LOADED
    assert not list((copy.parent / "home").iterdir())
    assert not list(copy.rglob("friedel-kernels-*"))


@needs_levels
@pytest.mark.parametrize("level", shipped.levels_here())
def test_every_level_of_this_processor(copy, level):
    """Without the code of the other levels, and where one level is asked for."""
    for other in set(shipped.LEVELS) - {level}:
        shutil.rmtree(copy / "friedel/kernels/machine_code" / other)
    assert call(copy, "without numba") == LOADED
    assert call(copy, "without numba", NUMBA_CPU_NAME=level, NUMBA_CPU_FEATURES="") == LOADED


@needs_levels
def test_the_best_level_is_used(copy):
    code = "from friedel.kernels.compiled import STORE\n"
    code += "from friedel.runtime.native.shipped import usable_levels\n"
    code += "print(*usable_levels(STORE.sources), file=open(sys.argv[0] + 'levels', 'w'))\n"
    out = copy.parent / "levels"
    call(copy, before=f"import sys; sys.argv[0] = {str(out.parent) + os.sep!r}\n{code}")
    assert out.read_text().split() == shipped.levels_here()


@needs_levels
@pytest.mark.parametrize("mode", [0o777, 0o775])
@pytest.mark.parametrize("place", ["machine_code", "machine_code/x86-64-v3"])
def test_folders_that_others_may_write_to_are_not_used(copy, monkeypatch, place, mode):
    kernels = copy / "friedel/kernels"
    assert shipped.usable_levels.__wrapped__(kernels) == tuple(shipped.levels_here())
    (kernels / place).chmod(mode)
    assert "x86-64-v3" not in shipped.usable_levels.__wrapped__(kernels)


@needs_levels
def test_a_damaged_file_is_compiled_anew(copy):
    for level in shipped.levels_here():
        file = code_of(copy, level)
        file.write_bytes(file.read_bytes()[:-100])
    assert call(copy) == COMPILED
    assert call(copy, "without numba") == LOADED  # what was compiled is kept


@needs_levels
def test_kernels_that_were_edited_are_compiled_anew(copy):
    source = copy / "friedel/kernels/reciprocal/indices.py"
    text = source.read_text()
    old = "return turn - TRANSLATION_DENOMINATOR *"
    assert old in text
    source.write_text(text.replace(old, "return 1 + turn - TRANSLATION_DENOMINATOR *"))
    number, compiled = call(copy).split()
    assert int(number) != 108
    assert compiled == "True"


def test_levels_need_all_their_features(monkeypatch):
    """Code for instructions that the processor or the system lacks is never loaded."""
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    for level, needed in shipped.LEVELS.items():
        features = dict.fromkeys(needed, True)
        monkeypatch.setattr(llvm, "get_host_cpu_features", lambda found=features: found)
        assert shipped.levels_here()[0] == level
        for lacking in needed:
            without = features | {lacking: False}
            monkeypatch.setattr(llvm, "get_host_cpu_features", lambda found=without: found)
            assert level not in shipped.levels_here()
            assert lacking in shipped.LEVELS["x86-64-v4"] - shipped.LEVELS["x86-64-v3"] or (
                shipped.levels_here() == []
            )
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"neon": True, "fp-armv8": True})
    assert shipped.levels_here() == []


@needs_levels
def test_another_processor_that_is_asked_for(monkeypatch):
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    assert shipped.levels_here() == []
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
    assert shipped.levels_here() == ["x86-64-v3"]
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2")
    assert shipped.levels_here() == []


def test_the_features_of_the_levels_are_those_of_llvm():
    """Every feature of a level is one that LLVM reports; a name that it lacks would never match."""
    known = llvm.get_host_cpu_features()
    if "sse3" not in known:
        pytest.skip("the processor is no x86-64")
    assert set(known) >= shipped.LEVELS["x86-64-v4"]
