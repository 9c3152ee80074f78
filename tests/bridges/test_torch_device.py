"""The module with either engine: a citizen of autograd, and what it says of devices."""

import copy
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from friedel.bridges.torch import StructureFactors, operators  # noqa: E402
from friedel.bridges.torch.engines import DeviceEngine  # noqa: E402
from friedel.device.engine import DeviceSum  # noqa: E402
from friedel.device.plan import DevicePlan  # noqa: E402
from friedel.errors import (  # noqa: E402
    AtomsError,
    DerivativeError,
    MissingDependencyError,
    ParameterError,
)
from friedel.model.atoms import Atoms  # noqa: E402
from friedel.model.crystal import Crystal  # noqa: E402
from friedel.structure_factors.calculator import Calculator  # noqa: E402

CRYSTAL = Crystal.from_triplets((8, 6, 7, 90, 107, 90), ["-x,y,-z", "x+1/2,y+1/2,z"])
N = 3


def planned(**options):
    rng = np.random.default_rng(0)
    u_aniso = np.zeros((N, 6))
    u_aniso[1] = 0.2, 0.25, 0.22, 0.02, -0.03, 0.01
    places = rng.random((N, 3))
    atoms = Atoms.from_labels(["C", "N", "S"], places, 0.9, 12 + rng.random(N), u_aniso)
    options = {"d_min": 2.2, "method": "fft", "addends": {"S": 0.2 + 0.5j}} | options
    return Calculator.from_model((CRYSTAL, atoms), **options)


def with_twin(calculator, dtype=None, **options):
    """The module with the engine for GPUs, on the CPU."""
    module = StructureFactors(calculator)
    module._engine = DeviceEngine(
        DeviceSum(DevicePlan.of(calculator), dtype=dtype, **options), None
    )
    module._name = operators.register(module._engine)
    return module


@pytest.fixture(name="module", params=["engine of the CPU", "twin"])
def module_fixture(request):
    calculator = planned(rtol=1e-6, dtype=np.float64)
    return with_twin(calculator) if request.param == "twin" else StructureFactors(calculator)


def some_parameters(*batch, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    random = torch.rand(*batch, N, 5, generator=generator, dtype=torch.float64)
    every = (6 * random[..., :3], 12 + 2 * random[..., 3], 0.5 + random[..., 4])
    return tuple(x.to(dtype) for x in every)


def target(module, xyz, b_iso, occ):
    f = module(xyz, b_iso=b_iso, occ=occ)
    phase = torch.arange(f.shape[-1], device=f.device).to(f.real.dtype)
    return (f.abs() ** 2).sum(-1) + (f * torch.polar(torch.ones_like(phase), phase)).real.sum(-1)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_gradcheck_of_the_twin(batch):
    module = with_twin(planned(rtol=1e-9, dtype=np.float64))
    xyz, b_iso, occ = (x.requires_grad_() for x in some_parameters(*batch))
    u_aniso = torch.as_tensor(np.array(module.calculator.atoms.u_aniso)).requires_grad_()

    def f(xyz, b_iso, occ, row):
        tensors = torch.cat([u_aniso.detach()[:1], row[None], u_aniso.detach()[2:]])
        return module(xyz, b_iso, tensors, occ)

    row = u_aniso.detach()[1].clone().requires_grad_()
    assert torch.autograd.gradcheck(f, (xyz, b_iso, occ, row), eps=1e-4)


def test_the_twin_equals_the_engine_of_the_cpu():
    calculator = planned(rtol=1e-6)
    every = []
    for module in (StructureFactors(calculator), with_twin(calculator)):
        parameters = [x.requires_grad_() for x in some_parameters(2)]
        target(module, *parameters).sum().backward()
        every.append([module(*parameters[:2]).detach(), *(x.grad for x in parameters)])
    for x, y in zip(*every, strict=True):
        assert (x - y).abs().max() < 1e-5 * y.abs().max()


def test_func_grad_equals_backward(module):
    parameters = some_parameters()
    found = torch.func.grad(lambda *x: target(module, *x), argnums=(0, 1, 2))(*parameters)
    for x in parameters:
        x.requires_grad_()
    expected = torch.autograd.grad(target(module, *parameters), parameters)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize("axes", [(0, None, None), (0, 0, 0), (None, 0, None), (2, 1, None)])
def test_vmap_is_the_batch(module, axes):
    one, many = some_parameters(), some_parameters(4)
    parameters = [
        x if axis is None else y.movedim(0, axis)
        for x, y, axis in zip(one, many, axes, strict=True)
    ]
    found = torch.vmap(lambda *x: module(*x[:2], occ=x[2]), in_dims=axes)(*parameters)
    flat = [x if axis is None else y for x, y, axis in zip(one, many, axes, strict=True)]
    assert torch.equal(found, module(*flat[:2], occ=flat[2]))
    gradient = torch.func.grad(lambda *x: target(module, *x), argnums=(0, 1, 2))
    mapped = torch.vmap(gradient, in_dims=axes)(*parameters)
    for i in range(4):
        member = [x if axis is None else x[i] for x, axis in zip(flat, axes, strict=True)]
        for x, y in zip(mapped, gradient(*member), strict=True):
            torch.testing.assert_close(x[i], y, rtol=1e-9, atol=1e-9)


def test_vmap_of_a_batch_and_of_a_batch_of_w(module):
    xyz, b_iso, occ = some_parameters(3, 2)
    found = torch.vmap(lambda x: module(x, b_iso=b_iso[0, 0]), in_dims=0)(xyz)
    assert torch.equal(found, module(xyz, b_iso=b_iso[0, 0]))
    one = xyz[0, 0]
    f, pullback = torch.func.vjp(lambda x: module(x, b_iso[0, 0], occ=occ[0, 0]), one)
    w = torch.stack([f, 2.0 * f, 1j * f])
    (rows,) = torch.vmap(pullback)(w)
    for row, x in zip(rows, w, strict=True):
        torch.testing.assert_close(row, pullback(x)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_compiled_without_a_break(module, batch):
    torch.compiler.reset()
    found, expected = some_parameters(*batch), some_parameters(*batch)
    for x in (*found, *expected):
        x.requires_grad_()
    compiled = torch.compile(target, backend="aot_eager", fullgraph=True)
    compiled(module, *found).sum().backward()
    target(module, *expected).sum().backward()
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_calculated_in_single(module, dtype):
    xyz, b_iso, occ = some_parameters(dtype=dtype)
    xyz.requires_grad_()
    f = module(xyz, b_iso, occ=occ)
    assert f.dtype == torch.complex64
    assert torch.equal(f.detach(), module(xyz.detach().float(), b_iso.float(), occ=occ.float()))
    f.abs().sum().backward()
    assert xyz.grad.dtype == dtype


def test_autocast_changes_nothing(module):
    parameters = some_parameters(2, dtype=torch.float32)
    expected = module(*parameters[:2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(*parameters[:2]), expected)


def test_second_derivatives_are_refused(module):
    xyz = some_parameters()[0].requires_grad_()
    (first,) = torch.autograd.grad((module(xyz).abs() ** 2).sum(), xyz, create_graph=True)
    with pytest.raises(DerivativeError, match="second derivatives"):
        first.sum().backward()
    with pytest.raises(DerivativeError, match="second derivatives"):
        torch.func.grad(lambda x: torch.func.grad(lambda y: module(y).abs().sum())(x).sum())(xyz)


def test_moments_of_a_batch(module):
    xyz, b_iso, _ = some_parameters(5)
    f = module(xyz, b_iso)
    mean, diffuse = module.moments(xyz, b_iso)
    torch.testing.assert_close(mean, f.mean(0))
    torch.testing.assert_close(diffuse, (f.abs() ** 2).mean(0) - f.mean(0).abs() ** 2)
    weights = torch.tensor([1.0, 0.0, 2.0, 0.0, 1.0])
    mean, diffuse = module.moments(xyz, b_iso, weights=weights)
    torch.testing.assert_close(mean, (f[0] + 2 * f[2] + f[4]) / 4)
    xyz.requires_grad_()
    module.moments(xyz).diffuse.sum().backward()
    assert xyz.grad.abs().max() > 0
    with pytest.raises(AtomsError, match=r"batch of shape \(\), expected \(m,\)"):
        module.moments(xyz[0])
    with pytest.raises(AtomsError, match=r"weights of shape \(3,\)"):
        module.moments(xyz, weights=weights[:3])


def test_errors_name_what_was_given(module):
    xyz, b_iso, _ = some_parameters(2)
    with pytest.raises(AtomsError, match=r"xyz has shape \(2, 3, 2\), expected \(..., 3, 3\)"):
        module(xyz[..., :2])
    with pytest.raises(AtomsError, match=r"b_iso has shape \(\), expected \(..., 3\)"):
        module(xyz, b_iso=torch.tensor(1.0))
    with pytest.raises(AtomsError, match="batch shapes cannot be broadcast"):
        module(xyz, b_iso=b_iso[[0, 1, 0]])


def test_numbers_that_are_not_finite():
    calculator = planned()
    xyz = some_parameters(2)[0]
    xyz[1, 2, 0] = np.nan
    with pytest.raises(
        AtomsError, match=r"xyz of atom 3 in member 1 is \[ *nan .* expected finite"
    ):
        StructureFactors(calculator)(xyz)
    f = with_twin(calculator)(xyz)  # a GPU is not waited for
    assert f[0].isfinite().all()
    assert f[1].isnan().all()


def test_the_planned_model_in_all_types():
    calculator = planned()
    twin = with_twin(calculator)
    assert twin().dtype == StructureFactors(calculator)().dtype == torch.complex128
    found = (twin() - StructureFactors(calculator)()).abs().max()
    assert found < 1e-4 * twin().abs().max()
    assert StructureFactors(calculator, dtype=torch.float32)().dtype == torch.complex64
    assert StructureFactors(calculator).float()().dtype == torch.complex128
    assert StructureFactors(calculator).bfloat16()().dtype == torch.complex64


def test_to_another_device_works_or_says_what_is_missing():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: benchmarks/gpu_check.py tests it")
    module = StructureFactors(planned())
    message = "install one with CUDA|a driver for CUDA"
    for move in (lambda: module.to("cuda"), module.cuda, lambda: module.cuda(0)):
        with pytest.raises(MissingDependencyError, match=message):
            move()
    with pytest.raises(MissingDependencyError, match=message):
        StructureFactors(planned(), device="cuda")
    with pytest.raises(ParameterError, match="expected 'cpu' or 'cuda'"):
        module.to("meta")
    assert module.device == torch.device("cpu")
    assert module().isfinite().all()
    assert copy.deepcopy(module).to("cpu")().isfinite().all()


MEMORY = """
import resource, sys
import numpy as np, torch
from friedel.bridges.torch import StructureFactors, operators
from friedel.bridges.torch.engines import DeviceEngine
from friedel.device.engine import DeviceSum
from friedel.device.plan import DevicePlan
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def build(cell, n):
    rng = np.random.default_rng(0)
    crystal = Crystal.from_triplets(cell, ["x+1/2,-y+1/2,-z", "-x,y+1/2,-z+1/2"])
    labels = rng.choice(["C", "N", "O", "S"], n, p=[0.6, 0.18, 0.2, 0.02])
    atoms = Atoms.from_labels(labels, rng.random((n, 3)), 1.0, rng.normal(25, 5, n).clip(10))
    calculator = Calculator.from_model((crystal, atoms), d_min=3.0, method="fft")
    on_device = DeviceSum(DevicePlan.of(calculator), max_bytes=2**26, threads=2)
    engine = DeviceEngine(on_device, None)
    xyz = torch.as_tensor(atoms.frac @ crystal.orthogonalization.T, dtype=torch.float32)
    return engine, operators.register(engine), xyz, torch.as_tensor(np.array(atoms.b_iso)).float()

def run(m, engine, name, xyz, b):
    generator = torch.Generator().manual_seed(0)
    xyz = (xyz + 0.1 * torch.randn(m, *xyz.shape, generator=generator)).requires_grad_()
    b = b.expand(m, -1).clone().requires_grad_()
    (operators.values(name, xyz, b, None, None).abs() ** 2).sum().backward()
    assert xyz.grad.isfinite().all() and b.grad.isfinite().all()

run(1, *build((12, 13, 14, 90, 90, 90), 20))  # what imports and compiled code take
before = peak()
made = build((60, 70, 80, 90, 90, 90), 3000)
found = []
for m in (2, 16):
    run(m, *made)
    found.append(peak() - before)
print(*found)
"""


def test_memory_of_a_batch_with_derivatives():
    """16 members of 3,000 atoms: under 400 MB, and hardly more than of 2 members."""
    if not sys.platform.startswith("linux"):
        pytest.skip("ru_maxrss has another unit")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    few, many = map(float, done.stdout.split())
    assert many < 400
    assert many < few + 60
