"""What the bridges are given: numbers that are not finite, wrong shapes, empty batches."""

import numpy as np
import pytest

import friedel
from friedel.bridges.batches import Batch
from friedel.errors import AtomsError, FriedelError, ReflectionsError

CRYSTAL = friedel.Crystal.from_triplets((8, 6, 7, 90, 107, 90), ["-x,y,-z"])
N = 3
WRONG_NUMBERS = (np.nan, np.inf, -np.inf, 1e30, 1e308)
WRONG_SHAPES = {
    "xyz": [(N,), (N, 2), (N + 1, 3), (3, N, 1), (0, 3), ()],
    "b_iso": [(N + 1,), (N, 1), (), (0,)],
    "u_aniso": [(N, 3), (N, 3, 3), (6,)],
    "occ": [(1,), (N, N + 1), ()],
}


@pytest.fixture(name="calculator", params=["direct", "fft"])
def calculator_fixture(request):
    rng = np.random.default_rng(0)
    atoms = friedel.Atoms.from_labels(["C", "N", "O"], rng.random((N, 3)), 1.0, 15.0)
    return friedel.Calculator.from_model((CRYSTAL, atoms), d_min=2.5, method=request.param)


def parameters(*batch):
    rng = np.random.default_rng(1)
    return {
        "xyz": 6 * rng.random((*batch, N, 3)),
        "b_iso": 8 + 9 * rng.random((*batch, N)),
        "u_aniso": np.zeros((*batch, N, 6)),
        "occ": 0.5 + rng.random((*batch, N)),
    }


@pytest.mark.parametrize("name", WRONG_SHAPES)
@pytest.mark.parametrize("wrong", WRONG_NUMBERS)
def test_numbers(calculator, name, wrong):
    given = parameters(2)
    given[name][1].flat[2] = wrong
    with pytest.raises(AtomsError):
        Batch.from_parameters(calculator, given).forward()


@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in WRONG_SHAPES for shape in WRONG_SHAPES[name]]
)
def test_shapes(calculator, name, shape):
    with pytest.raises(AtomsError, match=f"{name} has shape"):
        Batch.from_parameters(calculator, {name: np.ones(shape)})


def test_batches_that_do_not_fit_together(calculator):
    given = parameters(2) | {"occ": np.ones((3, N))}
    with pytest.raises(AtomsError, match="cannot be broadcast"):
        Batch.from_parameters(calculator, given)


@pytest.mark.parametrize("batch", [(0,), (2, 0), (0, 3)])
def test_empty_batches(calculator, batch):
    """They have results and derivatives of their shape."""
    made = Batch.from_parameters(calculator, parameters(*batch))
    f = made.forward()
    assert f.shape == (*batch, len(calculator.hkl))
    assert np.iscomplexobj(f)
    found = made.adjoint(np.zeros(f.shape, complex))
    for name, given in parameters(*batch).items():
        assert found[name].shape == given.shape


@pytest.mark.parametrize("wrong", [*WRONG_NUMBERS[:3], 1e308])
def test_weights(calculator, wrong):
    made = Batch.from_parameters(calculator, parameters(2))
    w = np.ones((2, len(calculator.hkl)), complex)
    w[1, 3] = wrong
    with pytest.raises(ReflectionsError, match="dT/dF"):
        made.adjoint(w)


class TestTorch:
    torch = None

    @pytest.fixture(autouse=True)
    def module(self, calculator):
        self.torch = pytest.importorskip("torch")
        from friedel.bridges.torch import StructureFactors

        self.f = StructureFactors(calculator)

    @pytest.mark.parametrize("wrong", WRONG_NUMBERS)
    def test_numbers(self, wrong):
        xyz = self.torch.rand(N, 3, dtype=self.torch.float64)
        xyz[0, 0] = wrong
        with pytest.raises(FriedelError):
            self.f(xyz)

    def test_shapes(self):
        for shape in WRONG_SHAPES["xyz"]:
            with pytest.raises(FriedelError):
                self.f(self.torch.ones(shape))

    def test_empty_batches(self):
        xyz = self.torch.rand(0, N, 3, dtype=self.torch.float64, requires_grad=True)
        f = self.f(xyz)
        f.abs().sum().backward()
        assert f.shape[0] == 0
        assert xyz.grad.shape == xyz.shape


class TestJax:
    jax = None

    @pytest.fixture(autouse=True)
    def function(self, calculator):
        self.jax = pytest.importorskip("jax")
        from friedel.bridges.jax import structure_factor_function

        self.f = structure_factor_function(calculator)

    @pytest.mark.parametrize("wrong", WRONG_NUMBERS[:4])
    def test_numbers(self, wrong):
        """JAX wraps errors of the host in its own, with their text."""
        xyz = np.ones((N, 3), np.float32)
        xyz[0, 0] = wrong
        with pytest.raises(Exception, match="AtomsError|frac|not finite"):
            self.f(xyz).block_until_ready()

    def test_shapes(self):
        for shape in WRONG_SHAPES["xyz"]:
            with pytest.raises(Exception, match="shape|broadcast|AtomsError"):
                self.f(np.ones(shape, np.float32)).block_until_ready()

    def test_empty_batches(self):
        xyz = np.ones((0, N, 3), np.float32)
        assert self.f(xyz).shape[0] == 0
        found = self.jax.grad(lambda x: abs(self.f(x)).sum())(xyz)
        assert found.shape == xyz.shape
