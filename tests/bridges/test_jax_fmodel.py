"""F_model and the targets in JAX: values and derivatives of the classes for numpy."""

from dataclasses import replace

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from friedel.bridges.jax import (  # noqa: E402
    fmodel_function,
    least_squares,
    maximum_likelihood,
)
from friedel.bridges.scale_terms import values_of  # noqa: E402
from friedel.fmodel.adjoint import FixedMaskModel, MovingMaskModel, TwinnedModel  # noqa: E402
from friedel.model.atoms import Atoms  # noqa: E402
from friedel.model.crystal import Crystal  # noqa: E402
from friedel.scaling import ScaleParameters  # noqa: E402
from friedel.solvent.flat_mask import MaskParameters  # noqa: E402
from friedel.solvent.smooth_mask import SmoothMask  # noqa: E402
from friedel.structure_factors import refinement_targets  # noqa: E402
from friedel.structure_factors.calculator import Calculator  # noqa: E402

CRYSTAL = Crystal.from_triplets((9, 11, 13, 90, 104, 90), ["-x,y+1/2,-z"])
SCALES = ScaleParameters(
    *(1.7, (2.0, -1.0, 4.0, 0.3, 1.5, -0.4), 0.4, 30.0, -0.3, (0.2, -0.1), (0.3,), (0.1, 0.5))
)


@pytest.fixture(autouse=True)
def double_precision():
    # For all threads: those that run callbacks within jit do not see a context of this one
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def complex_numbers(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def model_of(kind):
    rng = np.random.default_rng(5)
    atoms = Atoms.from_labels(
        ["C", "N", "S"] * 2, rng.random((6, 3)), 0.5 + 0.4 * rng.random(6), 18
    )
    calculator = Calculator.from_model((CRYSTAL, atoms), d_min=2.0, method="direct")
    n = len(calculator.hkl)
    f_mask, f_layer = 30 * complex_numbers(n, 1), 10 * complex_numbers(n, 2)
    if kind == "fixed":
        return FixedMaskModel(calculator, SCALES, f_mask, f_layer)
    if kind == "moving":
        masks = (
            SmoothMask(CRYSTAL, calculator.hkl, (20, 24, 28), MaskParameters(0.9, probe, 0.6))
            for probe in (0.9, 0.4)
        )
        return MovingMaskModel(calculator, SCALES, *masks)
    twinned, exist = replace(SCALES, twin_fractions=(0.3,)), np.arange(n) % 3 != 0
    mates = calculator.hkl[exist] * [-1, -1, 1]
    other = Calculator.from_model((CRYSTAL, atoms), hkl=mates, method="direct")
    first = FixedMaskModel(calculator, twinned, f_mask)
    second = FixedMaskModel(other, twinned, f_mask[exist], scaled_at=calculator.hkl[exist])
    return TwinnedModel(first, [second], [exist])


def assert_same(found, expected, limit=1e-11):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    size = np.abs(expected).max(initial=1e-9)
    assert np.abs(np.asarray(found) - expected).max(initial=0.0) <= limit * size


@pytest.mark.parametrize("wrap", [lambda x: x, jax.jit], ids=["plain", "jit"])
@pytest.mark.parametrize("kind", ["fixed", "moving", "twin"])
def test_values_and_derivatives(kind, wrap):
    model = model_of(kind)
    first = model.first if kind == "twin" else model
    atoms = first.calculator.atoms
    f = fmodel_function(model)
    scales = values_of(first.scales)
    xyz, b_iso, occ = atoms.frac @ CRYSTAL.orthogonalization.T, atoms.b_iso, atoms.occ
    expected = model.forward(atoms)
    assert_same(f(), expected)
    w = complex_numbers(len(expected), 3)
    w = w.real if kind == "twin" else w

    def target(scales, xyz, b_iso, occ):
        return (jnp.conj(w) * f(scales, xyz, b_iso, occ=occ)).sum().real

    given = (scales, *(np.array(x) for x in (xyz, b_iso, occ)))
    found = wrap(jax.grad(target, argnums=(0, 1, 2, 3)))(*given)
    gradients = model.adjoint(atoms, w)
    for x, name in zip(found[1:], ("xyz", "b_iso", "occ"), strict=True):
        assert_same(x, getattr(gradients.atoms, name))
    for name, x in found[0].items():
        assert_same(x, getattr(gradients.scales, name))


def test_members_with_their_own_masks():
    model = model_of("moving")
    f = fmodel_function(model)
    atoms = model.calculator.atoms
    xyz = atoms.frac @ CRYSTAL.orthogonalization.T
    both = np.stack([xyz, xyz + 0.3])
    found = f(None, both)
    assert_same(found[0], model.forward())
    assert_same(jax.vmap(lambda x: f(None, x))(both), found)


def test_targets_have_the_values_and_derivatives_of_the_functions():
    rng = np.random.default_rng(2)
    f = complex_numbers(40, 1)
    f_obs, sigma = np.abs(f) * (1 + 0.3 * rng.normal(size=40)), 0.1 + rng.random(40)
    f[3], f_obs[5], f_obs[7] = 0.0, np.nan, -0.1
    likelihood = {"centric": rng.random(40) < 0.3, "epsilon": 1 + rng.random(40), "sigma": sigma}
    pairs = [
        (
            lambda x: least_squares(x, f_obs, sigma, scale=1.3),
            refinement_targets.least_squares(f, f_obs, sigma, scale=1.3),
        ),
        (
            lambda x: maximum_likelihood(x, f_obs, 0.9, 0.5, scale=1.3, **likelihood),
            refinement_targets.maximum_likelihood(f, f_obs, 0.9, 0.5, scale=1.3, **likelihood),
        ),
    ]
    for function, (value, w) in pairs:
        found, gradient = jax.value_and_grad(function)(f)
        # An observed value of zero has a density of zero, written with the smallest number
        assert float(found) == pytest.approx(value, rel=1e-12, abs=700)
        assert_same(np.conj(gradient), w)  # JAX's gradient is the conjugate
