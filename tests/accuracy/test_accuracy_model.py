import numpy as np
import pytest

from friedel.accuracy.model import ALIAS_PART, RATES, SAFETY, AccuracyModel
from friedel.accuracy.search import cheapest
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.scattering.formfactors.refits import with_fewest_gaussians
from friedel.structure_factors.calculator import REFIT_SHARE, Calculator

FLOAT32 = np.dtype(np.float32)
ORTHOGONAL = Crystal.from_triplets((20, 22, 25, 90, 90, 90), ["-x,-y,z+1/2"])
OBLIQUE = Crystal((11, 14, 19, 80, 95, 105))


def accuracy_model(crystal, d_min, b_iso, anisotropic=False, n=60):
    rng = np.random.default_rng(3)
    labels = rng.choice(["C", "N", "O", "S"], n)
    u_aniso = np.array([0.2, 0.3, 0.4, 0.02, 0.0, 0.03]) * rng.random((n, 1))
    atoms = Atoms.from_labels(
        labels, rng.random((n, 3)), 1.0, b_iso * (1 + rng.random(n)), u_aniso * anisotropic
    )
    calculator = Calculator.from_model((crystal, atoms), d_min=d_min, method="direct", rtol=1e-4)
    factors = calculator.factors
    a, b = with_fewest_gaussians(factors.a, factors.b, calculator._d_min, REFIT_SHARE * 1e-4)
    return AccuracyModel(crystal, atoms, a, b, d_min)


MODELS = {
    "isotropic": lambda: accuracy_model(ORTHOGONAL, 1.5, 12.0),
    "anisotropic, oblique": lambda: accuracy_model(OBLIQUE, 1.2, 5.0, anisotropic=True),
    "coarse": lambda: accuracy_model(ORTHOGONAL, 3.0, 40.0),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-5])
def test_grids_that_are_left_out_could_not_win(name, rtol):
    model = MODELS[name]()
    plan = model.cheapest(rtol, FLOAT32)
    allowed = rtol / SAFETY
    every = [
        model._cheapest_of([shape], allowed, ALIAS_PART * allowed, FLOAT32)
        for shape in model._shapes(RATES)
    ]
    least = min(other.seconds for other in every if other is not None)
    # Density levels are found to 5 %, which changes radii by less than 1 %
    assert plan.seconds < 1.02 * least


@pytest.mark.parametrize("name", MODELS)
def test_a_plan_predicts_its_error_and_uses_most_of_what_is_allowed(name):
    model = MODELS[name]()
    for rtol in (1e-2, 1e-4):
        plan = model.cheapest(rtol, FLOAT32)
        again = model.error(plan.shape, plan.blur, plan.cutoff, plan.dtype)
        # Radii are found to 1e-4 of the density there
        assert plan.error == pytest.approx(again, rel=1e-3)
        assert 0.8 * rtol < SAFETY * plan.error <= rtol


def test_the_smallest_blur_is_just_enough():
    model = MODELS["isotropic"]()
    shape, allowed = model._shapes(np.array([1.3]))[0], 1e-4
    blur = model._smallest_blur(shape, allowed)
    assert blur > model.min_blur
    # The search aims 1 % beyond
    assert 0.98 * allowed < model._alias_error(shape, blur) <= allowed


def test_broad_atoms_at_high_resolution_have_a_plan():
    # At the edge F is 1e-6 of F(000): in float32 hardly more than rounding
    plan = cheapest(accuracy_model(ORTHOGONAL, 1.0, 50.0), 1e-6)
    assert plan.dtype == np.float64
    assert np.isfinite([plan.blur, plan.cutoff, plan.error, plan.seconds]).all()


def test_a_sharp_atom_without_occupancy_gets_a_density():
    """Such an atom does not change the predicted errors, but must be put on the grid."""
    rng = np.random.default_rng(0)
    b_iso, occ = np.full(400, 80.0), np.ones(400)
    b_iso[0] = occ[0] = 0.0
    atoms = Atoms.from_labels(["C"] * 400, rng.random((400, 3)), occ, b_iso)
    calculator = Calculator.from_model((ORTHOGONAL, atoms), d_min=2.0, method="fft")
    assert np.isfinite(calculator.forward()).all()


def test_fixed_sampling_takes_float64_where_float32_is_too_rough():
    rng = np.random.default_rng(0)
    model = ORTHOGONAL, Atoms.from_labels(["C"] * 50, rng.random((50, 3)), 1.0, 20.0)
    rough, fine = (
        Calculator.from_model(model, d_min=2.0, rate=3.0, rtol=rtol).plan for rtol in (1e-3, 1e-7)
    )
    assert rough.dtype == np.float32
    assert fine.dtype == np.float64
    assert fine.error * SAFETY <= 1e-7
