"""Check the structure factors on a GPU: bits, errors, times, memory; under ten minutes.

    python benchmarks/gpu_check.py              # on the GPU
    python benchmarks/gpu_check.py --twin       # the same checks, small, on the CPU

It needs friedel, PyTorch and numba-cuda, and makes its own structures. Times are medians of events
of the GPU, eagerly and as a CUDA graph. The lines GO and NO-GO compare with what was planned before
any GPU was at hand.

SFC_torch (`pip install SFcalculator-torch`) and TorchRef calculate the same models, reflections and
batches where they are installed, each in a process of its own; FRIEDEL_SFC_TORCH_PYTHON and
FRIEDEL_TORCHREF_PYTHON name other interpreters that have them. Their errors are those of F and of
the derivatives by coordinates of the first member. `--without-peers` leaves them out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from on_device import mebibytes, milliseconds
from pdb_text import pdb_text
from scipy.spatial import cKDTree

from friedel.bridges.torch import StructureFactors, operators
from friedel.bridges.torch.engines import DeviceEngine
from friedel.device.engine import DeviceSum
from friedel.device.plan import DevicePlan
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.agreement import worst_shell_error
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator
from friedel.writers.gemmi_objects import find_gemmi_spacegroup

HERE = Path(__file__).resolve().parent
ORTHORHOMBIC = ["x+1/2,-y+1/2,-z", "-x,y+1/2,-z+1/2"]
CASES = {
    # Like 5a3h: 2,765 atoms at 1.8 A
    "protein": ((54.8, 69.6, 77.0, 90, 90, 90), ORTHORHOMBIC, 2765, 1.8),
    "oblique": ((54.8, 69.6, 77.0, 80, 95, 100), ["-x,-y,-z"], 2765, 2.0),
    "large": ((210, 450, 620, 90, 90, 90), ORTHORHOMBIC, 150_000, 3.0),
    "batch": ((60, 70, 80, 90, 90, 90), ORTHORHOMBIC, 3000, 2.0),
}
SMALL = {
    "protein": ((24, 28, 31, 90, 90, 90), ORTHORHOMBIC, 200, 2.5),
    "oblique": ((24, 28, 31, 80, 95, 100), ["-x,-y,-z"], 200, 2.5),
    "large": ((30, 45, 62, 90, 90, 90), ORTHORHOMBIC, 400, 3.0),
    "batch": ((24, 28, 31, 90, 90, 90), ORTHORHOMBIC, 200, 2.5),
}
RTOL = 1e-4
PEERS = {"SFC_Torch": "FRIEDEL_SFC_TORCH_PYTHON", "torchref": "FRIEDEL_TORCHREF_PYTHON"}
"""Modules, and the environment variables that name their interpreters."""
SECONDS_OF_ALL, SECONDS_OF_PEER = 540.0, 75.0
"""The most time of the whole check with peers, and of one peer with one structure."""

verdicts = []


def verdict(name, value, limit, unit=""):
    passed = value <= limit
    verdicts.append(passed)
    print(f"{'GO   ' if passed else 'NO-GO'} {name}: {value:.3g} {unit}, planned {limit:g}")


def calculator_of(cell, triplets, n, d_min, *, aniso=False):
    rng = np.random.default_rng(0)
    crystal = Crystal.from_triplets(cell, triplets)
    labels = rng.choice(["C", "N", "O", "S"], n, p=[0.62, 0.17, 0.2, 0.01])
    u_aniso = None
    if aniso:
        roots = rng.normal(0, 0.1, (n, 3, 3))
        tensors = roots @ roots.transpose(0, 2, 1) + 0.25 * np.eye(3)
        u_aniso = tensors[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        u_aniso = u_aniso.round(4)
    # Rounded as in a PDB file, which peers read
    b_iso = rng.normal(25, 6, n).clip(10).round(2)
    xyz = (rng.random((n, 3)) @ crystal.orthogonalization.T).round(3)
    frac = xyz @ crystal.fractionalization.T
    atoms = Atoms.from_labels(labels, frac, 1.0, b_iso, u_aniso)
    return Calculator.from_model((crystal, atoms), d_min=d_min, rtol=RTOL, method="fft")


class Check:
    """One structure on the device."""

    def __init__(self, calculator, device, members=1):
        self.calculator, self.device = calculator, device
        if device.type == "cuda":
            self.module = StructureFactors(calculator, device=device)
        else:  # the kernels for the GPU instead of the engine of the CPU
            self.module = StructureFactors(calculator)
            self.module._engine = DeviceEngine(DeviceSum(DevicePlan.of(calculator)), None)
            self.module._name = operators.register(self.module._engine)
        atoms = calculator.atoms
        xyz = atoms.frac @ calculator.crystal.orthogonalization.T
        steps = 0.01 * np.arange(members)[:, None, None]
        self.xyz = torch.as_tensor(xyz + steps, dtype=torch.float32, device=device)
        b_iso = np.repeat(atoms.b_iso[None], members, 0)
        self.b_iso = torch.as_tensor(b_iso, dtype=torch.float32, device=device)
        w = np.exp(2j * np.pi * np.random.default_rng(1).random(len(calculator.hkl)))
        self.w = torch.as_tensor(w, dtype=torch.complex64, device=device)

    def forward(self):
        with torch.no_grad():
            return self.module(self.xyz, self.b_iso)

    def both(self, some=slice(None)):
        xyz, b_iso = (x[some].detach().clone().requires_grad_() for x in (self.xyz, self.b_iso))
        f = self.module(xyz, b_iso)
        f.backward(self.w.expand(f.shape))
        return f.detach(), xyz.grad, b_iso.grad

    def synchronise(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def graph(self):
        """A CUDA graph of the forward calculation, and its result."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.forward()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            f = self.forward()
        return graph, f


def rms(found, expected):
    return float(np.sqrt((abs(found - expected) ** 2).sum() / (abs(expected) ** 2).sum()))


def errors(name, check):
    """Against direct sums, or for the large structure against the engine of the CPU.

    Returns what is expected of the first member: F, and the derivatives by coordinates.
    """
    calculator = check.calculator
    model, w = (calculator.crystal, calculator.atoms), check.w.cpu().numpy()
    exact, against = calculator, "the CPU"
    if name != "large":
        exact = Calculator.from_model(model, hkl=calculator.hkl, method="direct")
        against = "direct sums"
    xyz = check.xyz[0].double().cpu().numpy() @ calculator.crystal.fractionalization.T
    b_iso = check.b_iso[0].double().cpu().numpy()
    atoms = calculator.atoms.replace(frac=xyz, b_iso=b_iso)
    f, by_xyz, by_b = (x[0].cpu().numpy() for x in check.both())
    expected = exact.forward(atoms)
    reflections = Reflections(calculator.crystal, calculator.hkl, f)
    verdict(
        f"{name}: error of F, worst shell, against {against}",
        worst_shell_error(reflections, expected),
        RTOL,
    )
    gradients = exact.adjoint(atoms, w)
    verdict(f"{name}: error of d/dxyz", rms(by_xyz, gradients.xyz), RTOL)
    if not atoms.is_aniso.any():
        verdict(f"{name}: error of d/dB", rms(by_b, gradients.b_iso), 2 * RTOL)
    of_f, of_xyz = rms(f, expected), rms(by_xyz, gradients.xyz)
    print(f"{name}: rms error of F {of_f:.1e}, of d/dxyz {of_xyz:.1e}")
    return expected, gradients.xyz


def same(one, other):
    return all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


def bits(name, check):
    first = check.both()
    verdict(
        f"{name}: different bits in ten runs",
        sum(not same(first, check.both()) for _ in range(9)),
        0,
    )
    m = len(check.xyz)
    if m > 1:
        alone = (check.both(slice(i, i + 1)) for i in range(min(m, 4)))
        differ = sum(not same([x[i : i + 1] for x in first], one) for i, one in enumerate(alone))
        verdict(f"{name}: members that differ from alone", differ, 0)
        half = check.both(slice(0, m // 2))
        verdict(f"{name}: half a batch differs", not same([x[: m // 2] for x in first], half), 0)


def times(name, check, forward=None, graph=None, both=None):
    eager, full = (milliseconds(call, check.device) for call in (check.forward, check.both))
    print(f"{name}: forward {eager:.3f} ms, forward and backward {full:.3f} ms")
    if forward:
        verdict(f"{name}: forward", eager, forward, "ms")
    if both:
        verdict(f"{name}: forward and backward", full, both, "ms")
    if check.device.type != "cuda":
        return
    before = torch.cuda.memory_allocated() / 2**20
    most = mebibytes(check.both, check.device)
    print(f"{name}: {most:.0f} MiB at most, of which {before:.0f} MiB before the call")
    try:
        captured, f = check.graph()
        replay = milliseconds(captured.replay, check.device)
    except Exception as error:
        verdicts.append(False)
        print(f"NO-GO {name}: no CUDA graph: {type(error).__name__}: {str(error)[:200]}")
        return
    captured.replay()
    check.synchronise()
    verdict(f"{name}: CUDA graph has other bits", not torch.equal(f, check.forward()), 0)
    print(f"{name}: CUDA graph {replay:.3f} ms")
    if graph:
        verdict(f"{name}: CUDA graph", replay, graph, "ms")


def peers(name, check, d_min, expected, end):
    """Print what the peers need for the same, and their errors."""
    calculator = check.calculator
    atoms, crystal = calculator.atoms, calculator.crystal
    u_cart = np.zeros((len(atoms), 6)) if atoms.u_aniso is None else atoms.u_aniso
    as_arrays = {
        "cell": crystal.cell, "hm": find_gemmi_spacegroup(crystal).hm, "frac": atoms.frac,
        "occ": atoms.occ, "b_iso": atoms.b_iso, "u_cart": u_cart,
        "labels": np.array(atoms.symbols)[atoms.kind],
    }  # fmt: skip
    for peer, variable in PEERS.items():
        timeout = min(SECONDS_OF_PEER, end - time.perf_counter())
        if timeout < 5:
            print(f"{name}: {peer}: left out, for the check is to end")
            continue
        with tempfile.TemporaryDirectory() as folder:
            path, output = Path(folder) / "case.npz", Path(folder) / "out.npz"
            np.savez(
                path, pdb=pdb_text(as_arrays), hkl=calculator.hkl, w=check.w.cpu().numpy(),
                members=len(check.xyz), d_min=d_min,
            )  # fmt: skip
            python = os.environ.get(variable, sys.executable)
            script = HERE / "peer_on_device.py"
            command = [python, script, peer, str(check.device), path, output]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=timeout
                )
            except subprocess.TimeoutExpired:
                print(f"{name}: {peer}: not done in {timeout:.0f} s")
                continue
            if done.returncode:
                print(f"{name}: {peer}: {(done.stderr.splitlines() or ['failed'])[-1][:200]}")
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            if "missing" in found:
                print(f"{name}: {peer}: {found['missing']} is not installed, not compared")
                continue
            if "failed" in found:
                print(f"{name}: {peer}: {found['failed'].splitlines()[0][:200]}")
                continue
            arrays = dict(np.load(output))
        of_f = rms(arrays["f"], expected[0])
        print(
            f"{name}: {peer}: forward {found['forward']:.3f} ms, rms error of F {of_f:.1e}, "
            f"{found['mebibytes']:.0f} MiB at most"
        )
        if "both" not in found:
            print(f"{name}: {peer}: not enough memory for derivatives")
            continue
        # Peers may sort the atoms
        order = cKDTree(arrays["sites"]).query(check.xyz[0].cpu().numpy())[1]
        of_xyz = rms(arrays["by_xyz"][order], expected[1])
        print(
            f"{name}: {peer}: forward and backward {found['both']:.3f} ms, "
            f"rms error of d/dxyz {of_xyz:.1e}"
        )


def profile(check):
    from torch.profiler import ProfilerActivity, profile as profiled

    with profiled(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
        check.both()
        check.synchronise()
    table = found.key_averages().table(sort_by="cuda_time_total", row_limit=12)
    print("\n".join(line[:160] for line in table.splitlines()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--twin", action="store_true", help="small, on the CPU")
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--without-peers", action="store_true")
    given = parser.parse_args()
    if not given.twin and not torch.cuda.is_available():
        sys.exit("gpu_check: PyTorch finds no GPU; --twin runs the checks on the CPU")
    device = torch.device("cpu" if given.twin else "cuda:0")
    cases, members = (SMALL, 3) if given.twin else (CASES, given.members)
    name = "CPU twin" if given.twin else torch.cuda.get_device_name()
    print(f"{name}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}, numpy {np.__version__}")
    start = time.perf_counter()
    is_gpu = device.type == "cuda"
    for case in given.cases:
        arguments, aniso = cases[case], case == "oblique"
        calculator = calculator_of(*arguments, aniso=aniso)
        check = Check(calculator, device, members if case == "batch" else 1)
        begin = time.perf_counter()
        check.both()
        check.synchronise()
        print(f"\n{case}: {calculator.plan}; first call {time.perf_counter() - begin:.1f} s")
        expected = errors(case, check)
        bits(case, check)
        limits = {
            "protein": {"forward": 0.5, "graph": 0.25},
            "large": {"forward": 10.0},
            "batch": {"both": 35.0},
        }
        times(case, check, **(limits.get(case, {}) if is_gpu else {}))
        if case == "protein" and is_gpu:
            profile(check)
        if not given.without_peers:
            if is_gpu:  # peers need the memory that PyTorch keeps here
                torch.cuda.empty_cache()
            peers(case, check, arguments[3], expected, start + SECONDS_OF_ALL)
        del check
    seconds = time.perf_counter() - start
    print(f"\n{sum(verdicts)} of {len(verdicts)} GO, {seconds:.0f} s")
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
