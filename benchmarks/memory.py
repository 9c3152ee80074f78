"""Predicted against measured peak memory of F, of derivatives and of direct sums.

    python benchmarks/memory.py [N_ATOMS ...]         # cases of 10^5 and 10^6 atoms by default
    python benchmarks/memory.py --case '{"n": 100000, "d_min": 2.0}'

Each case runs in a process of its own. The measured peak is that beyond the size of the process
which has imported everything, compiled the kernels, and holds the model and the reflections.
"""

import json
import os
import subprocess
import sys

import numpy as np

import friedel

VOLUME_PER_ATOM = 20.0
ORTHORHOMBIC = ["-x,-y,z+1/2", "-x,y+1/2,-z+1/2"]
CUBIC = ["y,z,x", "-x,-y,z", "y,x,-z"]
CASES = (
    {"d_min": 2.2},
    {"d_min": 1.4, "triplets": ORTHORHOMBIC},
    {"d_min": 2.7, "angles": [75, 100, 85]},
    {"d_min": 2.2, "triplets": ORTHORHOMBIC, "aniso": True},
    {"d_min": 3.2, "source": "electron", "rtol": 1e-3},
    {"d_min": 2.4, "dtype": "float64"},
    {"d_min": 2.8, "wavelength": 1.5, "threads": 2},
    {"d_min": 3.5, "triplets": CUBIC, "equal": True, "part": 0.3},
    {"d_min": 2.2, "derivatives": True},
    {"d_min": 2.9, "derivatives": True, "angles": [90, 112, 90], "aniso": True},
    {"d_min": 2.6, "derivatives": True, "triplets": CUBIC, "equal": True},
    {"d_min": 1.1, "method": "direct", "share": 0.03, "triplets": ORTHORHOMBIC},
    {"d_min": 0.9, "method": "direct", "share": 0.01, "angles": [75, 100, 85], "aniso": True},
    {"d_min": 1.0, "method": "direct", "share": 0.01, "derivatives": True, "wavelength": 1.5},
)
"""Cases for any number of atoms, of which direct sums have a share. No constant of the predictions
was chosen with any of them."""

OPTIONS = ("source", "dtype", "rtol", "threads", "wavelength", "method")


def size_of_process(name):
    """VmRSS or VmHWM, the peak, in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def model_of(case, n):
    """Crystal and atoms of a case."""
    rng = np.random.default_rng(0)
    triplets, angles = case.get("triplets", []), case.get("angles", [90, 90, 90])
    operations = friedel.Crystal.from_triplets((9, 9, 9, 90, 90, 90), triplets).n_operations
    edge = (VOLUME_PER_ATOM * n * operations) ** (1 / 3)
    edges = [edge] * 3 if case.get("equal") else [edge, 1.1 * edge, 0.9 * edge]
    crystal = friedel.Crystal.from_triplets([*edges, *angles], triplets)
    tensors = None
    if case.get("aniso"):
        tensors = rng.uniform(0.1, 0.5, (n, 6)) * [1, 1, 1, 0.04, 0.04, 0.04]
    frac = case.get("part", 1.0) * rng.random((n, 3))
    kinds, b_iso = rng.choice(["C", "N", "O"], n), rng.uniform(10, 40, n)
    return crystal, friedel.Atoms.from_labels(kinds, frac, 1.0, b_iso, u_aniso=tensors)


def measure(case):
    """Predicted and measured peak (bytes) of a case in this process."""
    options = {"method": "fft", "threads": 1} | {k: case[k] for k in OPTIONS if k in case}

    def calculate(n, d_min):
        crystal, atoms = model_of(case, n)
        hkl = crystal.unique_reflections(d_min)
        w = np.ones(len(hkl), complex)
        before = size_of_process("VmRSS")
        planned = friedel.Calculator.from_model((crystal, atoms), hkl=hkl, **options)
        if case.get("derivatives"):
            planned.adjoint(atoms, w)
        else:
            planned.forward()
        return planned, size_of_process("VmHWM") - before

    calculate(1000, 3.0)
    friedel.release_memory()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak so far is forgotten
    planned, measured = calculate(round(case["n"] * case.get("share", 1.0)), case["d_min"])
    if planned._on_grid is None:
        return planned._bytes_of_direct_sum, measured
    on_grid = planned._on_grid
    return on_grid.bytes_of_gradients if case.get("derivatives") else on_grid.bytes, measured


def in_process(case):
    """`measure` in a process of its own.

    Its allocator returns blocks at once: kept ones would be reused, and would not be measured.
    """
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    predicted, measured = json.loads(done.stdout.splitlines()[-1])
    return predicted, measured


def main(*sizes):
    print(f"{'atoms':>8} {'predicted':>10} {'measured':>10}  ratio  case  (MiB)")
    for n in map(int, sizes or (100_000, 1_000_000)):
        for case in CASES:
            predicted, measured = in_process(case | {"n": n})
            of_mib = f"{predicted / 2**20:10.1f} {measured / 2**20:10.1f}"
            print(f"{n:8d} {of_mib} {predicted / measured:6.2f}  {case}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(measure(json.loads(sys.argv[2]))))
    else:
        main(*sys.argv[1:])
