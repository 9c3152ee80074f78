import copy
import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from friedel.bridges.torch import StructureFactors, operators  # noqa: E402
from friedel.errors import AtomsError, DerivativeError  # noqa: E402
from friedel.model.atoms import Atoms  # noqa: E402
from friedel.model.crystal import Crystal  # noqa: E402
from friedel.structure_factors.calculator import Calculator  # noqa: E402

CRYSTAL = Crystal.from_triplets((8, 6, 7, 90, 107, 90), ["-x,y,-z", "x+1/2,y+1/2,z"])
N = 3


@pytest.fixture(name="calculator", params=["direct", "fft"])
def calculator_fixture(request):
    rng = np.random.default_rng(0)
    atoms = Atoms.from_labels(["C", "N", "O"], rng.random((N, 3)), 1.0, 10 + rng.random(N))
    # finite differences of a complex64 or rough F would say nothing
    return Calculator.from_model(
        (CRYSTAL, atoms), d_min=2.5, method=request.param, rtol=1e-8, dtype=np.float64
    )


def some_parameters(*batch, dtype=torch.float64, requires_grad=True):
    generator = torch.Generator().manual_seed(1)

    def random(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    roots = 0.3 * torch.eye(3) + 0.05 * random(*batch, N, 3, 3)
    tensors = roots @ roots.transpose(-1, -2)
    u_aniso = tensors[..., [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    u_aniso[..., 0, :] = 0.0
    parameters = [6 * random(*batch, N, 3), 8 + 9 * random(*batch, N), u_aniso]
    parameters.append(0.5 + random(*batch, N))
    return [x.to(dtype).requires_grad_(requires_grad) for x in parameters]


@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
def test_gradcheck_of_coordinates_b_and_occupancies(calculator, batch):
    module = StructureFactors(calculator)
    xyz, b_iso, _, occ = some_parameters(*batch)
    assert torch.autograd.gradcheck(
        lambda *x: module(x[0], b_iso=x[1], occ=x[2]), (xyz, b_iso, occ), eps=1e-5
    )


def test_gradcheck_of_tensors(calculator):
    module = StructureFactors(calculator)
    xyz, b_iso, u_aniso, occ = some_parameters()
    # the isotropic atom's tensor is not a variable: it would become anisotropic
    rest = u_aniso.detach()[1:].clone().requires_grad_()

    def f(xyz, b_iso, rest, occ):
        return module(xyz, b_iso, torch.cat([torch.zeros(1, 6, dtype=rest.dtype), rest]), occ)

    assert torch.autograd.gradcheck(f, (xyz, b_iso, rest, occ), eps=1e-4)


def test_batch_shapes_are_broadcast(calculator):
    module = StructureFactors(calculator)
    xyz, b_iso = some_parameters(4)[0], some_parameters(2, 1)[1]
    f = module(xyz, b_iso=b_iso)
    assert f.shape == (2, 4, len(calculator.hkl))
    torch.testing.assert_close(f[1, 3], module(xyz[3], b_iso=b_iso[1, 0]), rtol=1e-6, atol=1e-6)
    f.abs().sum().backward()
    assert xyz.grad.shape == xyz.shape
    assert b_iso.grad.shape == b_iso.shape


def test_precision_follows_the_tensors(calculator):
    module = StructureFactors(calculator)
    for dtype, expected in ((torch.float32, torch.complex64), (torch.float64, torch.complex128)):
        xyz = some_parameters(dtype=dtype)[0]
        f = module(xyz)
        assert f.dtype == expected
        f.abs().sum().backward()
        assert xyz.grad.dtype == dtype


def test_without_arguments_it_is_the_planned_model(calculator):
    f = StructureFactors(calculator)()
    np.testing.assert_array_equal(f.numpy(), calculator.forward())


def test_under_no_grad(calculator):
    module = StructureFactors(calculator)
    xyz = some_parameters()[0]
    with torch.no_grad():
        assert not module(xyz).requires_grad


def test_threads(calculator):
    xyz = some_parameters(6)[0]
    w = torch.rand(len(calculator.hkl), dtype=torch.float64)

    def gradient(threads):
        x = xyz.detach().clone().requires_grad_()
        (StructureFactors(calculator, threads=threads)(x).abs() * w).sum().backward()
        return x.grad

    expected = gradient(1)
    assert torch.equal(gradient(3), expected)
    with ThreadPoolExecutor(3) as pool:
        assert all(torch.equal(x, expected) for x in pool.map(gradient, [1, 2, 1, 2]))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_one_operator_of_a_compiled_function(calculator, backend, batch):
    """Without a break in the graph, and with the same derivatives."""
    torch.compiler.reset()  # it counts how often the code below is compiled
    module = StructureFactors(calculator, threads=2)

    def f(xyz, b_iso):
        return (module(2.0 * xyz, b_iso=b_iso).abs() ** 2).sum()

    found, expected = some_parameters(*batch)[:2], some_parameters(*batch)[:2]
    compiled = torch.compile(f, backend=backend, fullgraph=True)
    compiled(*found).backward()
    f(*expected).backward()
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x.grad, y.grad)
    with torch.no_grad():
        value = compiled(*found)
    torch.testing.assert_close(value, f(*expected).detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [(), (2, 1)])
def test_the_operator_is_registered_as_it_should_be(calculator, dtype, batch):
    """PyTorch's own checks pass: schema, shapes without data, derivative."""
    module = StructureFactors(calculator)
    xyz, b_iso, u_aniso, occ = some_parameters(*batch, dtype=dtype)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    for given in ((xyz, b_iso, u_aniso, occ), (xyz, None, None, None)):
        arguments = (module._name, *given)
        torch.library.opcheck(operators.forward, arguments, test_utils=checks)


def test_derivatives_are_first_ones_only(calculator):
    xyz = some_parameters()[0]
    target = (StructureFactors(calculator)(xyz).abs() ** 2).sum()
    (first,) = torch.autograd.grad(target, xyz, create_graph=True)
    with pytest.raises(DerivativeError, match="second derivatives"):
        first.sum().backward()


def test_copies_and_temporaries_own_their_calculators():
    atoms = Atoms.from_labels(["C"] * N, np.random.default_rng(0).random((N, 3)), 1.0, 10.0)

    def temporary():
        return StructureFactors(Calculator.from_model((CRYSTAL, atoms), d_min=2.5))

    xyz = some_parameters()[0]
    copied = copy.deepcopy(temporary())
    gc.collect()
    expected = copied(xyz)
    f = temporary()(xyz)
    gc.collect()
    torch.testing.assert_close(f, expected)
    f.abs().sum().backward()
    assert xyz.grad.abs().max() > 0


def test_a_step_downhill(calculator):
    module = StructureFactors(calculator)
    target = module(some_parameters()[0]).detach().abs()
    xyz = (some_parameters()[0] + 0.05).detach().requires_grad_()
    optimizer = torch.optim.LBFGS([xyz], max_iter=30)

    def closure():
        optimizer.zero_grad()
        loss = ((module(xyz).abs() - target) ** 2).sum()
        loss.backward()
        return loss

    before = float(closure().detach())
    optimizer.step(closure)
    assert float(closure().detach()) < 1e-3 * before


def test_wrong_shapes(calculator):
    module = StructureFactors(calculator)
    with pytest.raises(AtomsError, match="xyz has shape"):
        module(torch.zeros(N + 1, 3))
    with pytest.raises(AtomsError, match="batch shapes"):
        module(torch.zeros(2, N, 3), b_iso=torch.zeros(3, N))
