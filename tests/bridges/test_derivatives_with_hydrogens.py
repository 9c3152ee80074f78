"""F_model with riding hydrogens in PyTorch and JAX: derivatives are those of the adjoint."""

import numpy as np
import pytest

from friedel.fmodel.adjoint import FixedMaskModel, MovingMaskModel
from friedel.model.atoms import Atoms
from friedel.model.bonds import bonds_between
from friedel.model.crystal import Crystal
from friedel.model.riding_hydrogens import ELECTRONS, riding_rules
from friedel.scaling import ScaleParameters
from friedel.scattering.formfactors import scattering_factors
from friedel.solvent.flat_mask import MaskParameters
from friedel.solvent.smooth_mask import SmoothMask
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.with_hydrogens import CalculatorWithHydrogens

CRYSTAL = Crystal.from_triplets((9, 11, 13, 90, 104, 90), ["-x,y+1/2,-z"])
SCALES = ScaleParameters(1.7, (2.0, -1.0, 4.0, 0.3, 1.5, -0.4), 0.4, 30.0)
ALANINE = {
    "N": (0.0, 0.0, 0.0),
    "CA": (1.458, 0.0, 0.0),
    "C": (2.009, 1.42, 0.0),
    "O": (1.251, 2.39, 0.0),
    "CB": (1.988, -0.773, -1.199),
    "NT": (3.33, 1.54, 0.0),
}
RADII = {"C": 0.76, "N": 0.71, "O": 0.66}
NAMES = ("xyz", "b_iso", "u_aniso", "occ")


def alanine_amide():
    """NH3, CH, CH3 and NH2 groups; every other atom is anisotropic."""
    rng = np.random.default_rng(5)
    labels, xyz = [name[0] for name in ALANINE], np.array(list(ALANINE.values())) + 2.0
    u_aniso = 0.02 * rng.random((6, 6)) + [0.2, 0.2, 0.2, 0, 0, 0]
    u_aniso[::2] = 0.0
    frac = xyz @ CRYSTAL.fractionalization.T
    atoms = Atoms.from_labels(labels, frac, 0.4 + 0.5 * rng.random(6), 18, u_aniso)
    elements, radii = np.array(labels), np.array([RADII[label] for label in labels])
    bonds = bonds_between(xyz, radii, np.zeros(6, int))
    no = np.zeros(6, bool)
    return atoms, riding_rules(xyz, elements, radii, bonds, ELECTRONS, no, no)


def model_of(kind):
    atoms, riding = alanine_amide()
    assert np.bincount(riding.parents).tolist() == [3, 1, 0, 0, 3, 2]
    of_atoms = Calculator.from_model((CRYSTAL, atoms), d_min=2.0, method="direct")
    calculator = CalculatorWithHydrogens(of_atoms, riding, scattering_factors(("H",), "xray"))
    n, rng = len(calculator.hkl), np.random.default_rng(1)
    if kind == "moving":
        mask = SmoothMask(CRYSTAL, calculator.hkl, (20, 24, 28), MaskParameters(0.9, 0.9, 0.6))
        return MovingMaskModel(calculator, SCALES, mask)
    return FixedMaskModel(calculator, SCALES, rng.normal(size=n) + 1j * rng.normal(size=n))


def parameters_of(atoms):
    xyz = atoms.frac @ CRYSTAL.orthogonalization.T
    return [np.array(x) for x in (xyz, atoms.b_iso, atoms.u_aniso, atoms.occ)]


def weights(model):
    rng, n = np.random.default_rng(3), len(model.calculator.hkl)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def assert_same(found, expected):
    size = np.abs(expected).max()
    assert np.shape(found) == np.shape(expected)
    assert np.abs(np.asarray(found) - expected).max() < 1e-10 * size


@pytest.mark.parametrize("kind", ["fixed", "moving"])
def test_in_pytorch(kind):
    torch = pytest.importorskip("torch")
    from friedel.bridges.torch import FModel

    model = model_of(kind)
    module, w, atoms = FModel(model), weights(model), model.calculator.atoms
    assert_same(module().detach().numpy(), model.forward(atoms))
    moved = atoms.replace(frac=atoms.frac + 0.01)
    shift = np.linspace(0.0, 0.1, 18).reshape(6, 3) @ CRYSTAL.fractionalization.T
    members = [atoms, moved.replace(frac=moved.frac + shift, b_iso=moved.b_iso + 3.0)]
    stacked = [np.stack(x) for x in zip(*map(parameters_of, members), strict=True)]
    given = [torch.as_tensor(x).requires_grad_() for x in stacked]
    found = module(*given)
    (torch.as_tensor(w.conj()) * found).sum().real.backward()
    for i, member in enumerate(members):
        assert_same(found[i].detach().numpy(), model.forward(member))
        expected = model.adjoint(member, w).atoms
        for tensor, name in zip(given, NAMES, strict=True):
            assert_same(tensor.grad[i].numpy(), getattr(expected, name))
    # of parameters that are not given the planned ones are used
    alone = torch.as_tensor(stacked[3][0] * 0.5)
    expected = model.forward(atoms.replace(occ=atoms.occ * 0.5))
    assert_same(module(occ=alone).detach().numpy(), expected)
    single = module(*(x.detach().float() for x in given))
    assert single.dtype == torch.complex64


@pytest.mark.parametrize("kind", ["fixed", "moving"])
def test_in_jax(kind):
    jax = pytest.importorskip("jax")
    from friedel.bridges.jax import fmodel_function

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        model = model_of(kind)
        f, w, atoms = fmodel_function(model), weights(model), model.calculator.atoms
        assert_same(f(), model.forward(atoms))
        given = parameters_of(atoms)

        def target(*parameters):
            return (jax.numpy.conj(w) * f(None, *parameters)).sum().real

        expected = model.adjoint(atoms, w).atoms
        for wrap in (lambda x: x, jax.jit):
            found = wrap(jax.grad(target, argnums=(0, 1, 2, 3)))(*given)
            for x, name in zip(found, NAMES, strict=True):
                assert_same(x, getattr(expected, name))
        half = model.forward(atoms.replace(b_iso=atoms.b_iso + 2.0))
        assert_same(f(None, None, given[1] + 2.0), half)
    finally:
        jax.config.update("jax_enable_x64", before)
