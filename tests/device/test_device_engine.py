"""The engine on the CPU twin: errors against direct sums in the worst shell, bits, derivatives."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from friedel.constants import U_TO_B  # noqa: E402
from friedel.device.engine import DeviceSum  # noqa: E402
from friedel.device.launch import launch_on  # noqa: E402
from friedel.device.plan import DevicePlan  # noqa: E402
from friedel.errors import (  # noqa: E402
    AccuracyError,
    AtomsError,
    FriedelWarning,
    MissingDependencyError,
    ParameterError,
)
from friedel.model.atoms import Atoms  # noqa: E402
from friedel.model.crystal import Crystal  # noqa: E402
from friedel.reflections.agreement import worst_shell_error  # noqa: E402
from friedel.reflections.reflections import Reflections  # noqa: E402
from friedel.structure_factors.calculator import Calculator  # noqa: E402

ORTHORHOMBIC = ["x+1/2,-y+1/2,-z", "-x,y+1/2,-z+1/2"]
HEXAGONAL = ["x-y,x,z"]
CUBIC = ["z,x,y", "-x+1/2,-y,z+1/2"]
CASES = {
    "P212121, isotropic": ((20, 24, 29, 90, 90, 90), ORTHORHOMBIC, False),
    "P21 beta 112, anisotropic": ((20, 24, 29, 90, 112, 90), ["-x,y+1/2,-z"], True),
    "P-1, anisotropic": ((19, 23, 27, 75, 80, 105), ["-x,-y,-z"], True),
    "P6, isotropic": ((24, 24, 30, 90, 90, 120), HEXAGONAL, False),
    "P213, isotropic": ((24, 24, 24, 90, 90, 90), CUBIC, False),
}
"""Cells of the table that the notes on this engine promised to reproduce, and a cubic one."""

ALLOWED = 1e-4
"""The relative error asked for: F must be within it in the worst of ten shells."""


def some_atoms(crystal, anisotropic, n=60, seed=3):
    rng = np.random.default_rng(seed)
    others = {"b_iso": rng.normal(30, 8, n).clip(8)}
    if anisotropic:
        roots = rng.normal(0, 0.12, (n, 3, 3))
        tensors = roots @ roots.transpose(0, 2, 1) + 0.25 * np.eye(3)
        others = {"u_aniso": tensors[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]}
    labels = list(rng.choice(["C", "N", "O", "S"], size=n))
    return Atoms.from_labels(labels, rng.random((n, 3)), rng.uniform(0.3, 1, n), **others)


def tensors_of(crystal, *members):
    """(m, n, 3) xyz, (m, n, 6) B tensors, (m, n) occupancies."""
    xyz = np.stack([atoms.frac @ crystal.orthogonalization.T for atoms in members])
    others = (np.stack([getattr(atoms, x) for atoms in members]) for x in ("b_tensor", "occ"))
    return tuple(torch.as_tensor(x) for x in (xyz, *others))


def relative_rms(found, expected):
    return np.sqrt((abs(found - expected) ** 2).sum() / (abs(expected) ** 2).sum())


def complex_numbers(*shape, seed=1):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.normal(size=shape) + 1j * rng.normal(size=shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_errors_against_direct_sums(name, dtype):
    cell, triplets, anisotropic = CASES[name]
    crystal = Crystal.from_triplets(cell, triplets)
    atoms = some_atoms(crystal, anisotropic)
    calculator = Calculator.from_model((crystal, atoms), d_min=2.5, method="fft", rtol=ALLOWED)
    exact = Calculator.from_model((crystal, atoms), hkl=calculator.hkl, method="direct")
    on_device = DeviceSum(DevicePlan.of(calculator), dtype=dtype)
    given = tensors_of(crystal, atoms)
    expected = exact.forward()
    found = on_device.structure_factors(*given)[0].numpy()
    assert worst_shell_error(Reflections(crystal, exact.hkl, found), expected) < ALLOWED
    w = complex_numbers(1, len(expected))
    by_xyz, by_b, by_occ = (x[0].numpy() for x in on_device.derivatives(*given, w))
    exactly = exact.adjoint(None, w[0].numpy())
    assert relative_rms(by_xyz, exactly.xyz) < ALLOWED
    assert relative_rms(by_occ, exactly.occ) < ALLOWED
    if anisotropic:
        assert relative_rms(U_TO_B * by_b, exactly.u_aniso) < ALLOWED
    else:
        assert relative_rms(by_b[:, :3].sum(1), exactly.b_iso) < ALLOWED


SOURCES = {
    "electrons": {"source": "electron"},
    "Mott-Bethe": {"source": "mott-bethe"},
    "neutrons": {"source": "neutron"},
    "one f''": {"addends": {"S": 0.3 + 0.6j}},
    "all f''": {"wavelength": 1.54},
}


@pytest.mark.parametrize("source", SOURCES)
def test_all_sources_with_f_000(source):
    if source == "neutrons":
        pytest.importorskip("periodictable")
    crystal = Crystal.from_triplets((20, 24, 29, 90, 112, 90), ["-x,y+1/2,-z", "x+1/2,y+1/2,z"])
    atoms = some_atoms(crystal, False)
    hkl = np.vstack([crystal.unique_reflections(2.5), [[0, 0, 0], [0, 3, 0]]])
    options = {"hkl": hkl, "rtol": ALLOWED, **SOURCES[source]}
    calculator = Calculator.from_model((crystal, atoms), method="fft", **options)
    exact = Calculator.from_model((crystal, atoms), method="direct", **options)
    on_device = DeviceSum(DevicePlan.of(calculator))
    given = tensors_of(crystal, atoms)
    found, expected = on_device.structure_factors(*given)[0].numpy(), exact.forward()
    assert relative_rms(found[:-2], expected[:-2]) < ALLOWED
    assert found[-2] == pytest.approx(expected[-2], rel=1e-5)
    assert found[-1] == 0.0  # absent: (0 3 0) under 2_1
    w = complex_numbers(1, len(hkl))
    found = on_device.derivatives(*given, w)
    exactly = exact.adjoint(None, w[0].numpy())
    assert relative_rms(found[0][0].numpy(), exactly.xyz) < ALLOWED
    assert relative_rms(found[2][0].numpy(), exactly.occ) < ALLOWED


def three_members():
    crystal = Crystal.from_triplets((20, 24, 29, 90, 112, 90), ["-x,y+1/2,-z"])
    members = [some_atoms(crystal, True, seed=seed) for seed in (3, 4, 5)]
    kinds = members[0]
    members = [x.replace(kind=kinds.kind, scatterers=kinds.scatterers) for x in members]
    options = {"d_min": 2.5, "method": "fft", "addends": {"S": 0.3 + 0.6j}}
    return crystal, members, Calculator.from_model((crystal, kinds), **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_member_of_a_batch_is_as_if_alone_and_repeats_to_the_bit(dtype):
    crystal, members, calculator = three_members()
    plan = DevicePlan.of(calculator)
    given = tensors_of(crystal, *members)
    w = complex_numbers(3, len(calculator.hkl))

    def every(on_device, some=slice(None)):
        mine = [x[some] for x in given]
        return on_device.structure_factors(*mine), *on_device.derivatives(*mine, w[some])

    together = every(DeviceSum(plan, dtype=dtype))
    others = [every(DeviceSum(plan, dtype=dtype)), every(DeviceSum(plan, dtype=dtype, threads=3))]
    others.append(every(DeviceSum(plan, dtype=dtype, max_bytes=1)))  # one member at a time
    for other in others:
        assert all(torch.equal(x, y) for x, y in zip(together, other, strict=True))
    for i in range(3):
        alone = every(DeviceSum(plan, dtype=dtype), slice(i, i + 1))
        assert all(torch.equal(x[i : i + 1], y) for x, y in zip(together, alone, strict=True))


def test_it_is_the_transpose_in_occupancies():
    """<A x, w> = <x, A* w> in double precision: F is linear in occupancies."""
    crystal, members, calculator = three_members()
    on_device = DeviceSum(DevicePlan.of(calculator), dtype=np.float64)
    xyz, b, occ = tensors_of(crystal, *members)
    w = complex_numbers(3, len(calculator.hkl))
    # The mean density, which is constant, is the only part of F that occupancies do not change
    f = on_device.structure_factors(xyz, b, occ) - on_device.structure_factors(xyz, b, 0 * occ)
    by_occ = on_device.derivatives(xyz, b, occ, w)[2]
    along_f = (w.conj() * f).sum(1).real
    torch.testing.assert_close((by_occ * occ).sum(1), along_f, rtol=1e-11, atol=0.0)


def test_derivatives_by_finite_differences():
    crystal, members, calculator = three_members()
    on_device = DeviceSum(DevicePlan.of(calculator), dtype=np.float64)
    given = tensors_of(crystal, members[0])
    w = complex_numbers(1, len(calculator.hkl))
    derivatives = on_device.derivatives(*given, w)
    rng = np.random.default_rng(0)
    for i, step in enumerate((1e-4, 1e-2, 1e-3)):
        direction = torch.as_tensor(rng.normal(size=given[i].shape))
        both = []
        for sign in (1, -1):
            moved = list(given)
            moved[i] = moved[i] + sign * step * direction
            both.append(float((w.conj() * on_device.structure_factors(*moved)).sum().real))
        along = float((derivatives[i] * direction).sum())
        assert along == pytest.approx((both[0] - both[1]) / (2 * step), rel=1e-3)


def test_atoms_that_leave_the_range_of_the_plan_are_told():
    crystal, members, calculator = three_members()
    on_device = DeviceSum(DevicePlan.of(calculator))
    xyz, b, occ = tensors_of(crystal, members[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_device.structure_factors(xyz, b, occ)
    b = b.clone()
    b[0, 5, :3] = 300.0
    with pytest.warns(FriedelWarning, match=r"outside of .* A\^2"):
        on_device.structure_factors(xyz, b, occ)


def test_the_range_of_the_plan_is_one_in_which_it_meets_the_error():
    cell, triplets, _ = CASES["P212121, isotropic"]
    crystal = Crystal.from_triplets(cell, triplets)
    atoms = some_atoms(crystal, False)
    calculator = Calculator.from_model((crystal, atoms), d_min=2.5, method="fft", rtol=ALLOWED)
    plan = DevicePlan.of(calculator)
    low, high = plan.b_limits
    assert low < atoms.b_iso.min() < atoms.b_iso.max() < high
    on_device = DeviceSum(plan)
    for shift in (low - atoms.b_iso.min(), high - atoms.b_iso.max()):
        moved = atoms.replace(b_iso=atoms.b_iso + shift)
        exact = Calculator.from_model((crystal, moved), hkl=calculator.hkl, method="direct")
        found = on_device.structure_factors(*tensors_of(crystal, moved))[0].numpy()
        f = Reflections(crystal, exact.hkl, found)
        assert worst_shell_error(f, exact.forward()) < ALLOWED


def test_a_calculator_that_sums_directly_is_planned_anew():
    crystal, members, _ = three_members()
    exact = Calculator.from_model((crystal, members[0]), d_min=2.5, method="direct")
    found = DeviceSum(DevicePlan.of(exact)).structure_factors(*tensors_of(crystal, members[0]))
    assert relative_rms(found[0].numpy(), exact.forward()) < ALLOWED


def test_what_cannot_be_planned():
    crystal, members, _ = three_members()
    nothing = members[0].replace(occ=np.zeros(60))
    with pytest.raises(AtomsError, match="no atoms with occupancy"):
        DevicePlan.of(Calculator.from_model((crystal, nothing), d_min=2.5))
    with pytest.raises(AccuracyError, match="0, 0, 0"):
        DevicePlan.of(Calculator.from_model((crystal, members[0]), hkl=[[0, 0, 0]]))
    options = {"d_min": 2.5, "method": "fft", "blur": -15.0, "rate": 1.5, "force": True}
    narrow = members[0].replace(u_aniso=None, b_iso=np.full(60, 16.0))
    with pytest.raises(AccuracyError, match="too narrow on this grid for float32"):
        DeviceSum(DevicePlan.of(Calculator.from_model((crystal, narrow), **options)), dtype="f4")


def test_a_gpu_works_or_says_what_to_install():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: benchmarks/gpu_check.py tests it")
    with pytest.raises(MissingDependencyError, match=r"install|driver"):
        launch_on(torch.device("cuda"))
    with pytest.raises(ParameterError, match="expected 'cpu' or 'cuda'"):
        launch_on(torch.device("meta"))


SIMULATED = """
import numpy as np, torch
from numba import cuda
from friedel.device.engine import DeviceSum
from friedel.device.launch import GpuLaunch
from friedel.device.plan import DevicePlan
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator

class Simulated(GpuLaunch):
    def _array(self, tensor):
        return tensor.numpy()

    def _stream(self):
        return 0

rng = np.random.default_rng(3)
crystal = Crystal.from_triplets((7, 8, 9, 90, 100, 90), ["-x,y+1/2,-z"])
atoms = Atoms.from_labels(["C", "O"] * 2, rng.random((4, 3)), 0.9, 30.0)
calculator = Calculator.from_model(
    (crystal, atoms), d_min=4.0, method="fft", addends={"O": 0.1 + 0.3j}
)
plan = DevicePlan.of(calculator)
xyz = torch.as_tensor(atoms.frac @ crystal.orthogonalization.T)
others = [torch.as_tensor(np.array(x)) for x in (atoms.b_tensor, atoms.occ)]
given = [torch.stack([x, x]) for x in (xyz, *others)]
w = torch.ones((2, len(calculator.hkl)), dtype=torch.complex128)
for dtype, limit in ((np.float32, 1e-5), (np.float64, 1e-12)):
    both = []
    for launch in (None, Simulated(cuda)):
        on_device = DeviceSum(plan, dtype=dtype, launch=launch)
        both.append([on_device.structure_factors(*given), *on_device.derivatives(*given, w)])
    for x, y in zip(*both):
        assert (x - y).abs().max() < limit * y.abs().max(), (dtype, x, y)
"""


def test_the_launch_code_in_the_simulator_of_numba():
    """In a process of its own: whether numba simulates a GPU is decided when it is imported."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-c", SIMULATED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
