"""benchmarks/gpu_check.py where there is no GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_check.py"


def check(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCHREF_NUM_THREADS": "1"}
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_small_structures_on_the_cpu():
    """Errors and bits are as planned, and machine code is kept of each kernel."""
    done = check("--twin", "--without-peers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "numba runs the kernels itself" not in done.stderr
    verdicts = [line for line in done.stdout.splitlines() if line.startswith(("GO", "NO-GO"))]
    names = [re.match(r"GO +(\w+): ", line)[1] for line in verdicts]
    assert {name: names.count(name) for name in names} == {
        "protein": 4, "oblique": 3, "large": 4, "batch": 6,
    }  # fmt: skip
    assert "17 of 17 GO" in done.stdout


def test_peers_where_they_are_installed():
    """Both have the same model, reflections and batch: the error of direct sums is theirs."""
    done = check("--twin", "--cases", "batch")
    assert done.returncode == 0, done.stdout + done.stderr
    for peer, allowed in (("SFC_Torch", 1e-5), ("torchref", 2e-2)):
        lines = [x for x in done.stdout.splitlines() if x.startswith(f"batch: {peer}: ")]
        if not lines[0].endswith("is not installed, not compared"):
            forward, both = lines
            assert re.search(r": forward [\d.]+ ms, .* \d+ MiB at most$", forward)
            assert float(re.search(r"error of F ([\d.e-]+)", forward)[1]) < allowed, forward
            assert re.search(r": forward and backward [\d.]+ ms", both)
            assert float(re.search(r"of d/dxyz ([\d.e-]+)", both)[1]) < 5 * allowed, both


def test_without_a_gpu_it_says_so():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = check()
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "gpu_check: PyTorch finds no GPU; --twin runs the checks on the CPU"
    )
