import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from friedel.bridges.jax import structure_factor_function  # noqa: E402
from friedel.errors import AtomsError  # noqa: E402
from friedel.model.atoms import Atoms  # noqa: E402
from friedel.model.crystal import Crystal  # noqa: E402
from friedel.structure_factors.calculator import Calculator  # noqa: E402

CRYSTAL = Crystal.from_triplets((8, 6, 7, 90, 107, 90), ["-x,y,-z", "x+1/2,y+1/2,z"])
N = 3


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(name="calculator", params=["direct", "fft"])
def calculator_fixture(request):
    rng = np.random.default_rng(0)
    atoms = Atoms.from_labels(["C", "N", "O"], rng.random((N, 3)), 1.0, 10 + rng.random(N))
    return Calculator.from_model(
        (CRYSTAL, atoms), d_min=2.5, method=request.param, rtol=1e-8, dtype=np.float64
    )


def some_parameters(*batch):
    rng = np.random.default_rng(1)
    return 6 * rng.random((*batch, N, 3)), 8 + 9 * rng.random((*batch, N)), rng.random((*batch, N))


def target_of(calculator):
    f = structure_factor_function(calculator)
    rng = np.random.default_rng(2)
    w = rng.normal(size=len(calculator.hkl)) + 1j * rng.normal(size=len(calculator.hkl))

    def target(xyz, b_iso, occ):
        # depends on phases, so that a wrong sign of the imaginary part would show
        return (jnp.abs(f(xyz, b_iso=b_iso, occ=occ) - w) ** 2).sum()

    return target


@pytest.mark.parametrize("wrap", [lambda x: x, jax.jit], ids=["plain", "jit"])
def test_derivatives_by_finite_differences(calculator, wrap):
    target = target_of(calculator)
    parameters = some_parameters()
    gradients = wrap(jax.grad(target, argnums=(0, 1, 2)))(*parameters)
    rng = np.random.default_rng(3)
    for i, gradient in enumerate(gradients):
        direction = rng.normal(size=parameters[i].shape)
        both = []
        for step in (1e-4, -1e-4):
            moved = list(parameters)
            moved[i] = moved[i] + step * direction
            both.append(float(target(*moved)))
        assert float((gradient * direction).sum()) == pytest.approx(
            (both[0] - both[1]) / 2e-4, rel=1e-5
        )


def test_jit_gives_the_same(calculator):
    f = structure_factor_function(calculator)
    xyz = some_parameters()[0]
    np.testing.assert_array_equal(jax.jit(f)(xyz), f(xyz))
    np.testing.assert_array_equal(f(), calculator.forward())


@pytest.mark.parametrize("axes", [(0, None, None), (0, 0, 0), (None, 0, None)])
def test_vmap(calculator, axes):
    target = target_of(calculator)
    single, batch = some_parameters(), some_parameters(4)
    parameters = [s if axis is None else b for s, b, axis in zip(single, batch, axes, strict=True)]
    values = jax.vmap(target, in_axes=axes)(*parameters)
    gradients = jax.vmap(jax.grad(target), in_axes=axes)(*parameters)
    for i in range(4):
        one = [
            s if axis is None else p[i] for s, p, axis in zip(single, parameters, axes, strict=True)
        ]
        # B of its own may change the plan, within rtol
        np.testing.assert_allclose(values[i], target(*one), rtol=1e-6)
        expected = jax.grad(target)(*one)
        np.testing.assert_allclose(
            gradients[i], expected, rtol=1e-5, atol=1e-5 * abs(expected).max()
        )


def test_batches_and_vmap_together(calculator):
    f = structure_factor_function(calculator)
    xyz, b_iso = some_parameters(4)[0], some_parameters(2)[1]
    found = jax.vmap(lambda x: f(x, b_iso=b_iso))(xyz)
    assert found.shape == (4, 2, len(calculator.hkl))
    np.testing.assert_allclose(found[3, 1], f(xyz[3], b_iso=b_iso[1]), atol=1e-5)


def test_precision_follows_the_arrays(calculator):
    f = structure_factor_function(calculator)
    xyz = some_parameters()[0]
    assert f(xyz).dtype == jnp.complex128
    single = xyz.astype(np.float32)
    assert f(single).dtype == jnp.complex64
    assert jax.grad(lambda x: jnp.abs(f(x)).sum())(single).dtype == jnp.float32


@pytest.mark.parametrize("wrap", [lambda x: x, jax.jit], ids=["plain", "jit"])
def test_wrong_shapes_are_told_when_traced(calculator, wrap):
    f = wrap(structure_factor_function(calculator))
    with pytest.raises(AtomsError, match=r"xyz has shape \(4, 3\), expected \(..., 3, 3\)"):
        f(jnp.zeros((4, 3)))
    with pytest.raises(AtomsError, match="batch shapes"):
        f(jnp.zeros((2, 3, 3)), jnp.zeros((3, 3)))
