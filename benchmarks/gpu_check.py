"""Check the structure factors on a GPU: bits, errors, times, memory; under ten minutes.

    python benchmarks/gpu_check.py              # on the GPU
    python benchmarks/gpu_check.py --twin       # the same checks, small, on the CPU

It needs friedel, PyTorch and numba-cuda, and makes its own structures. SFC_torch and TorchRef are
timed where they are installed. Times are medians of events of the GPU, eagerly and as a CUDA graph.
The lines GO and NO-GO compare with what was planned before any GPU was at hand.
"""

import argparse
import importlib.util
import sys
import time

import numpy as np
import torch

from friedel.bridges.torch import StructureFactors, operators
from friedel.bridges.torch.engines import DeviceEngine
from friedel.device.engine import DeviceSum
from friedel.device.plan import DevicePlan
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.agreement import worst_shell_error
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator

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
    "batch": ((24, 28, 31, 90, 90, 90), ORTHORHOMBIC, 200, 2.5),
}
RTOL = 1e-4

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
    b_iso = rng.normal(25, 6, n).clip(10)
    atoms = Atoms.from_labels(labels, rng.random((n, 3)), 1.0, b_iso, u_aniso)
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

    def milliseconds(self, call, times=20):
        for _ in range(3):
            call()
        found = []
        for _ in range(times):
            if self.device.type == "cuda":
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                call()
                end.record()
                end.synchronize()
                found.append(begin.elapsed_time(end))
            else:
                start = time.perf_counter()
                call()
                found.append(1e3 * (time.perf_counter() - start))
        return sorted(found)[times // 2]

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
    """Against direct sums, or for large structures against the engine of the CPU."""
    calculator = check.calculator
    model, w = (calculator.crystal, calculator.atoms), check.w.cpu().numpy()
    is_large = len(calculator.atoms) > 10_000
    exact = calculator
    if not is_large:
        exact = Calculator.from_model(model, hkl=calculator.hkl, method="direct")
    xyz = check.xyz[0].double().cpu().numpy() @ calculator.crystal.fractionalization.T
    b_iso = check.b_iso[0].double().cpu().numpy()
    atoms = calculator.atoms.replace(frac=xyz, b_iso=b_iso)
    f, by_xyz, by_b = (x[0].cpu().numpy() for x in check.both())
    expected = exact.forward(atoms)
    reflections = Reflections(calculator.crystal, calculator.hkl, f)
    against = "the CPU" if is_large else "direct sums"
    verdict(
        f"{name}: error of F, worst shell, against {against}",
        worst_shell_error(reflections, expected),
        RTOL,
    )
    gradients = exact.adjoint(atoms, w)
    verdict(f"{name}: error of d/dxyz", rms(by_xyz, gradients.xyz), RTOL)
    if not atoms.is_aniso.any():
        verdict(f"{name}: error of d/dB", rms(by_b, gradients.b_iso), 2 * RTOL)


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
    eager, full = check.milliseconds(check.forward), check.milliseconds(check.both)
    print(f"{name}: forward {eager:.3f} ms, forward and backward {full:.3f} ms")
    if forward:
        verdict(f"{name}: forward", eager, forward, "ms")
    if both:
        verdict(f"{name}: forward and backward", full, both, "ms")
    if check.device.type != "cuda":
        return
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    check.both()
    print(f"{name}: {(torch.cuda.max_memory_allocated() - before) / 2**20:.0f} MiB at most")
    try:
        captured, f = check.graph()
        replay = check.milliseconds(captured.replay)
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
    given = parser.parse_args()
    if not given.twin and not torch.cuda.is_available():
        sys.exit("gpu_check: PyTorch finds no GPU; --twin runs the checks on the CPU")
    device = torch.device("cpu" if given.twin else "cuda:0")
    cases, members = (SMALL, 3) if given.twin else (CASES, given.members)
    name = "CPU twin" if given.twin else torch.cuda.get_device_name()
    print(f"{name}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}, numpy {np.__version__}")
    start = time.perf_counter()
    is_gpu = device.type == "cuda"
    for case, arguments in cases.items():
        aniso = case == "oblique"
        calculator = calculator_of(*arguments, aniso=aniso)
        check = Check(calculator, device, members if case == "batch" else 1)
        begin = time.perf_counter()
        check.both()
        check.synchronise()
        print(f"\n{case}: {calculator.plan}; first call {time.perf_counter() - begin:.1f} s")
        errors(case, check)
        bits(case, check)
        limits = {
            "protein": {"forward": 0.5, "graph": 0.25},
            "large": {"forward": 10.0},
            "batch": {"both": 35.0},
        }
        times(case, check, **(limits.get(case, {}) if is_gpu else {}))
        if case == "protein" and is_gpu:
            profile(check)
        del check
    for peer in ("SFC_Torch", "torchref"):
        if importlib.util.find_spec(peer) is None:
            print(f"{peer} is not installed: not compared")
        else:
            print(f"{peer} is installed: time it with benchmarks/gradients.py on the same machine")
    seconds = time.perf_counter() - start
    print(f"\n{sum(verdicts)} of {len(verdicts)} GO, {seconds:.0f} s")
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
