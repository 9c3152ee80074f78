"""Limits of memory: an answer or an error, never a hang; readers and masks ask before they take."""

import gzip
import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import friedel
from commands import QUARTZ
from friedel.errors import MemoryLimitError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.special_positions import site_symmetry_order
from friedel.readers.reading import read_text
from friedel.runtime import memory
from friedel.runtime.address_space import address_space, check_address_space
from friedel.runtime.memory import available_memory

LIMITED = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from friedel.cli import main
main(sys.argv[1:])
"""
PYTHON = """
import resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
import friedel
try:
    friedel.fcalc(sys.argv[2], d_min=2.0)
except friedel.MemoryLimitError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems differ")
@pytest.mark.parametrize("gib", [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0])
def test_a_little_address_space(gib, tmp_path):
    """The command does not hang: scipy's BLAS asks for memory in an endless loop."""
    command = [sys.executable, "-c", LIMITED, str(int(gib * 2**30)), "fcalc", str(QUARTZ)]
    command += ["--dmin=1", "--to-csv", str(tmp_path / "f.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if gib < 0.5:
        assert done.returncode == 2
    if gib >= 0.7:
        assert done.returncode == 0, done.stderr
    assert done.returncode in (0, 2), done.stderr
    if done.returncode:
        assert "address space" in done.stderr
        assert done.stderr.count("\n") == 1
    else:
        assert (tmp_path / "f.csv").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems differ")
def test_a_little_address_space_in_python():
    command = [sys.executable, "-c", PYTHON, str(2**29), str(QUARTZ)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "address space" in done.stderr.splitlines()[-1]


def test_no_limit():
    if address_space() == math.inf:
        check_address_space()


def test_control_groups_limit_memory(tmp_path):
    folder = tmp_path / "sys/fs/cgroup/job"
    (tmp_path / "proc/self").mkdir(parents=True)
    folder.mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    (folder / "memory.max").write_text("1000000\n")
    (folder / "memory.current").write_text("600000\n")
    (folder / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    (folder.parent / "memory.max").write_text("max\n")
    assert list(memory._left_of_groups(tmp_path)) == [500000.0]
    assert available_memory() > 0


def bomb(path: Path, unit: bytes, size: int) -> Path:
    """A gzipped file that is `size` bytes long when decompressed."""
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(size // len(unit)):
            file.write(unit)
    return path


@pytest.mark.parametrize(
    ("name", "unit", "read"),
    [
        ("model.pdb.gz", b"REMARK   1 nothing\n" * 5000, friedel.as_model),
        ("model.cif.gz", b" " * 100_000, friedel.as_model),
        ("data.mtz.gz", bytes(100_000), friedel.as_reflections),
        ("data-sf.cif.gz", b"#\n" * 50_000, friedel.as_reflections),
        ("list.hkl.gz", b"   1   2   3   10.00    1.00\n" * 3000, friedel.as_reflections),
    ],
)
def test_decompressed_content_is_bounded_by_the_memory_left(
    tmp_path, monkeypatch, name, unit, read
):
    path = bomb(tmp_path / name, unit, 100_000_000)
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr(memory, "available_memory", lambda: 1e8)
    monkeypatch.setattr("friedel.readers.reading.available_memory", lambda: 1e8)
    with pytest.raises(MemoryLimitError, match="decompressed"):
        read(path)


def test_a_file_that_does_not_fit(tmp_path, monkeypatch):
    path = tmp_path / "large.pdb"
    path.write_bytes(bytes(2_000_000))
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "available_memory", lambda: 1e6)
    with pytest.raises(MemoryLimitError, match="content"):
        read_text(path)


PEAK = """
import resource, sys
import numpy as np
from friedel import Crystal
from friedel.model.special_positions import site_symmetry_order
group = ["y,z,x", "-x,-y,z", "y,x,z", "-x,-y,-z", "x+1/2,y+1/2,z", "x,y+1/2,z+1/2"]
crystal = Crystal.from_triplets((20, 20, 20, 90, 90, 90), group)
frac = np.random.default_rng(0).random((int(sys.argv[1]), 3))
site_symmetry_order(crystal, frac[:10])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
site_symmetry_order(crystal, frac)
print(crystal.n_operations, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems measure in other units")
def test_site_symmetry_of_many_atoms_takes_little_memory():
    command = [sys.executable, "-c", PEAK, "100000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_operations, peak = map(int, done.stdout.split())
    assert n_operations == 192
    assert peak < 100e6  # 2 GB were needed for all distances at once


def measured_memory():
    """The module benchmarks/memory.py."""
    path = Path(__file__).parents[2] / "benchmarks" / "memory.py"
    spec = importlib.util.spec_from_file_location("memory_of_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform != "linux", reason="other systems state it elsewhere")
@pytest.mark.parametrize("case", measured_memory().CASES, ids=str)
def test_predicted_memory_is_that_measured(case):
    """The peak with 100,000 atoms, or fewer for direct sums, beyond that of imports and model."""
    predicted, measured = measured_memory().in_process(case | {"n": 100_000})
    assert predicted == pytest.approx(measured, rel=0.2)


def test_memory_of_derivatives_is_asked_for(monkeypatch):
    """They are refused where F is not: they need more."""
    rng = np.random.default_rng(0)
    crystal = Crystal((120, 130, 140, 90, 90, 90))
    atoms = Atoms.from_labels(["C"] * 50_000, rng.random((50_000, 3)), 1.0, 20.0)
    planned = friedel.Calculator.from_model((crystal, atoms), d_min=2.5, method="fft")
    needed = planned._on_grid.bytes / memory.MEMORY_SHARE
    monkeypatch.setattr(memory, "available_memory", lambda: 1.01 * needed)
    f = planned.forward()
    with pytest.raises(MemoryLimitError, match=r"derivatives by atoms needs .* GiB of memory"):
        planned.adjoint(atoms, f)
    forced = friedel.Calculator.from_model((crystal, atoms), d_min=2.5, method="fft", force=True)
    forced.adjoint(atoms, f)


def test_memory_of_direct_sums_is_asked_for(monkeypatch):
    crystal = Crystal((60, 70, 80, 90, 90, 90))
    atoms = Atoms.from_labels(["C", "N", "O"], np.zeros((3, 3)), 1.0, 20.0)
    hkl = crystal.unique_reflections(1.0)
    monkeypatch.setattr(memory, "available_memory", lambda: 2e7)
    with pytest.raises(MemoryLimitError, match="direct summation of 3 atoms"):
        friedel.Calculator.from_model((crystal, atoms), hkl=hkl, method="direct")


def test_site_symmetry_in_stretches_is_the_same(monkeypatch):
    crystal = Crystal.from_triplets((9, 9, 9, 90, 90, 90), ["y,z,x", "-x,-y,z", "-x,-y,-z"])
    frac = np.random.default_rng(0).integers(0, 8, (100, 3)) / 8.0
    whole = site_symmetry_order(crystal, frac)
    monkeypatch.setattr("friedel.model.special_positions.DISTANCES_AT_A_TIME", 50)
    np.testing.assert_array_equal(site_symmetry_order(crystal, frac), whole)
    assert len(set(whole)) > 2


class TestRefusedByCost:
    """Absurd calculations are refused before work, with the figures, and can be forced."""

    CRYSTAL = Crystal((30, 32, 34, 90, 90, 90))
    ATOMS = Atoms.from_labels(["C"] * 50, np.random.default_rng(0).random((50, 3)), 1.0, 20.0)

    @pytest.mark.parametrize("blur", [1e4, -1e4, 1e9, 1e308, 700.0])
    def test_blur(self, blur):
        model = (self.CRYSTAL, self.ATOMS)
        with pytest.raises(friedel.FriedelError, match="blur"):
            friedel.Calculator.from_model(model, d_min=1.0, blur=blur)
        if blur == 700.0:
            friedel.Calculator.from_model(model, d_min=1.0, blur=blur, force=True)

    def test_density_with_a_large_blur(self):
        atoms = Atoms.from_labels(["C"] * 900, np.random.default_rng(0).random((900, 3)), 1.0, 9.0)
        model = Crystal((300, 300, 300, 90, 90, 90)), atoms
        with pytest.raises(friedel.TimeLimitError, match=r"predicted.*force"):
            friedel.model_density(model, d_min=1.5, blur=1e5, cutoff=1e-30)

    def test_direct_sum(self):
        n = 2_000_000
        atoms = Atoms.from_labels(["C"] * n, np.random.default_rng(0).random((n, 3)), 1.0, 20.0)
        crystal = Crystal((400, 400, 400, 90, 90, 90))
        hkl = crystal.unique_reflections(2.0)
        with pytest.raises(friedel.TimeLimitError, match=r"direct summation of 2000000.*force"):
            friedel.Calculator.from_model((crystal, atoms), hkl=hkl, method="direct", threads=1)

    @pytest.mark.parametrize("far", [(300, 0, 1), (900, 0, 1), (2000, 1, 0), (0, 0, 30000)])
    @pytest.mark.parametrize("smooth", [False, True])
    def test_one_far_reflection_among_hundreds(self, far, smooth):
        hkl = np.vstack([self.CRYSTAL.unique_reflections(5.0), [far]])
        data = friedel.Reflections(self.CRYSTAL, hkl, np.ones(len(hkl)), sigmas=np.ones(len(hkl)))
        with pytest.raises(friedel.FriedelError, match=r"\({} {} {}\).*force".format(*far)):
            friedel.FModel((self.CRYSTAL, self.ATOMS), data, smooth_mask=smooth)

    def test_fine_masks_of_real_data_are_not_refused(self):
        for d_min in (0.8, 2.0, 8.0):
            hkl = self.CRYSTAL.unique_reflections(d_min)
            data = friedel.Reflections(
                self.CRYSTAL, hkl, np.ones(len(hkl)), sigmas=np.ones(len(hkl))
            )
            friedel.FModel((self.CRYSTAL, self.ATOMS), data)
