"""Derivatives through solvent and scales, against finite differences and as transposes."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from friedel.density.grid import Grid
from friedel.errors import FriedelError, ParameterError, ReflectionsError
from friedel.fmodel.adjoint import FixedMaskModel, MovingMaskModel
from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections
from friedel.solvent.flat_mask import MaskParameters
from friedel.solvent.smooth_mask import SmoothMask
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.refinement_targets import least_squares
from scales import CRYSTAL, FLAT, RICH

FIXED = ["atoms alone", "flat", "layer and curves", "babinet"]
MOVING = ["moving mask", "moving layer"]

STEP = 1e-5
"""Relative step of central differences: truncation and rounding are both near 1e-10."""
TOLERANCE = 1e-6
"""Relative; it allows for parameters to which T is not sensitive."""


def some_atoms() -> Atoms:
    rng = np.random.default_rng(5)
    roots = 0.25 * np.eye(3) + 0.05 * rng.normal(size=(6, 3, 3))
    u_aniso = (roots @ roots.transpose(0, 2, 1))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    u_aniso[::2] = 0.0
    labels, b_iso = ["C", "N", "S"] * 2, 5 + 20 * rng.random(6)
    return Atoms.from_labels(labels, rng.random((6, 3)), 0.2 + rng.random(6), b_iso, u_aniso)


def complex_numbers(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


@pytest.fixture(name="model", params=FIXED + MOVING)
def model_fixture(request) -> FixedMaskModel | MovingMaskModel:
    calculator = Calculator.from_model((CRYSTAL, some_atoms()), d_min=2.0, method="direct")
    n = len(calculator.hkl)
    mask, nearer = (
        SmoothMask(CRYSTAL, calculator.hkl, (20, 24, 28), MaskParameters(0.9, probe, 0.6))
        for probe in (0.9, 0.4)
    )
    if request.param == "moving mask":
        return MovingMaskModel(calculator, FLAT, mask)
    if request.param == "moving layer":
        return MovingMaskModel(calculator, RICH, mask, nearer)
    f_mask, f_layer = 30 * complex_numbers(n, 1), 10 * complex_numbers(n, 2)
    solvent = {
        "atoms alone": (FLAT,),
        "flat": (FLAT, f_mask),
        "layer and curves": (RICH, f_mask, f_layer),
        "babinet": (RICH, None, None, True),
    }
    return FixedMaskModel(calculator, *solvent[request.param])


def target(model: FixedMaskModel | MovingMaskModel, w: np.ndarray, atoms: Atoms) -> float:
    """The linear one, whose derivatives by F_model are w."""
    return float(np.vdot(w, model.forward(atoms)).real)


def slope(value_at, size: float) -> float:
    step = STEP * size
    return (value_at(step) - value_at(-step)) / (2.0 * step)


@pytest.mark.parametrize("kind", ["frac", "occ", "b_iso", "u_aniso"])
def test_by_atoms(model, kind):
    atoms, w = some_atoms(), complex_numbers(len(model.calculator.hkl), 3)
    found = getattr(model.adjoint(atoms, w).atoms, kind)
    values = getattr(atoms, kind)
    for index in np.ndindex(found.shape):
        if kind == "u_aniso" and not atoms.is_aniso[index[0]]:
            assert found[index] == 0.0
            continue

        def value_at(step, index=index):
            moved = values.copy()
            moved[index] += step
            return target(model, w, atoms.replace(**{kind: moved}))

        by_differences = slope(value_at, 10.0 if kind == "b_iso" else 1.0)
        limit = TOLERANCE * np.abs(found).max()
        assert found[index] == pytest.approx(by_differences, rel=TOLERANCE, abs=limit)


def test_by_scales(model):
    atoms, w = some_atoms(), complex_numbers(len(model.calculator.hkl), 3)
    found = model.adjoint(atoms, w).scales
    sizes = {"k_overall": 1.0, "k_sol": 1.0, "b_sol": 30.0, "k_layer": 1.0}
    arrays = {"b_overall": 10.0, "overall_curve": 1.0, "solvent_curve": 1.0}
    arrays["anisotropic_curve"] = 1.0
    for name, size in (sizes | arrays).items():
        values = np.atleast_1d(getattr(model.scales, name))
        derivatives = np.atleast_1d(getattr(found, name))
        if name == "anisotropic_curve":
            values = values.reshape(-1, 6)
        assert derivatives.shape == values.shape
        for i in np.ndindex(values.shape):

            def value_at(step, name=name, values=values, i=i):
                moved = values.copy()
                moved[i] += step
                given = float(moved[0]) if name in sizes else tuple(moved)
                if name == "anisotropic_curve":
                    given = tuple(map(tuple, moved))
                changed = replace(model, scales=replace(model.scales, **{name: given}))
                return target(changed, w, atoms)

            expected = slope(value_at, size)
            # what does not depend on a parameter differs by the rounding of T alone
            rounding = 1e-14 * abs(target(model, w, atoms)) / (STEP * size)
            assert derivatives[i] == pytest.approx(expected, rel=TOLERANCE, abs=10 * rounding)


@pytest.mark.parametrize("model", FIXED, indirect=True)
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_transpose_in_what_f_model_is_linear_in(model, method):
    """<A x, w> = <x, A* w> for occupancies, k_overall and k_sol, to rounding."""
    options = {"method": method, "dtype": np.float64, "hkl": model.calculator.hkl}
    model = replace(model, calculator=Calculator.from_model((CRYSTAL, some_atoms()), **options))
    atoms, w = some_atoms(), complex_numbers(len(model.calculator.hkl), 3)
    gradients = model.adjoint(atoms, w)
    total = target(model, w, atoms)
    empty = target(model, w, atoms.replace(occ=np.zeros(len(atoms))))
    unsolvated = replace(model, scales=replace(model.scales, k_sol=0.0))
    rounding = 1e-12 * abs(total)
    assert gradients.atoms.occ @ atoms.occ == pytest.approx(total - empty, rel=1e-12, abs=rounding)
    along_k = gradients.scales.k_overall * model.scales.k_overall
    assert along_k == pytest.approx(total, rel=1e-12)
    along_k_sol = gradients.scales.k_sol * model.scales.k_sol
    expected = total - target(unsolvated, w, atoms)
    assert along_k_sol == pytest.approx(expected, rel=1e-12, abs=rounding)


@pytest.mark.parametrize("name", ["k_overall", "k_sol"])
def test_where_a_factor_is_zero(model, name):
    atoms, w = some_atoms(), complex_numbers(len(model.calculator.hkl), 3)

    def with_factor(value):
        return replace(model, scales=replace(model.scales, **{name: value}))

    found = getattr(with_factor(0.0).adjoint(atoms, w).scales, name)
    expected = target(with_factor(1.0), w, atoms) - target(with_factor(0.0), w, atoms)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("solvent", "smooth_mask"),
    [*product(["none", "flat", "smooth", "babinet"], [False]), ("flat", True), ("smooth", True)],
)
def test_of_a_fitted_model(solvent, smooth_mask):
    """A target of F_model decreases along its negative derivatives by coordinates."""
    crystal = Crystal.from_triplets(
        (20, 25, 30, 90, 90, 90), ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"]
    )
    rng = np.random.default_rng(3)
    frac = 0.2 + 0.2 * rng.random((40, 3))
    atoms = Atoms.from_labels(["C", "O"] * 20, frac, b_iso=rng.uniform(8, 20, 40))
    hkl = crystal.unique_reflections(2.5)
    f = FModel((crystal, atoms), Reflections(crystal, hkl, np.ones(len(hkl)))).f_calc.values
    data = Reflections(crystal, hkl, np.abs(f) * rng.uniform(0.8, 1.2, len(hkl)))
    options = {"solvent": solvent, "smooth_mask": smooth_mask, "method": "direct"}
    fitted = FModel((crystal, atoms), data, **options).fit()
    model = fitted.with_moving_mask if smooth_mask else fitted.with_fixed_mask
    assert np.array_equal(model.forward(), fitted.f_model.values)
    assert np.array_equal(fitted.with_fixed_mask.forward(), fitted.f_model.values)

    value, w = least_squares(fitted.f_model.values, data.values)
    gradients = fitted.adjoint(None, w)
    direction = rng.normal(size=frac.shape)

    def value_at(step):
        moved = atoms.replace(frac=atoms.frac + step * direction)
        return least_squares(model.forward(moved), data.values)[0]

    expected = slope(value_at, 0.1)
    assert (gradients.atoms.frac * direction).sum() == pytest.approx(expected, rel=TOLERANCE)
    k = fitted.scales.k_overall
    scaled = [
        least_squares(fitted.f_model.values * (k + s) / k, data.values)[0] for s in (1e-5, -1e-5)
    ]
    assert gradients.scales.k_overall == pytest.approx(
        (scaled[0] - scaled[1]) / 2e-5, rel=TOLERANCE, abs=1e-9 * value / k
    )


@pytest.mark.parametrize("model", MOVING, indirect=True)
def test_one_evaluation_for_value_and_derivatives(model):
    atoms, w = some_atoms(), complex_numbers(len(model.calculator.hkl), 2)
    atoms = atoms.replace(frac=atoms.frac + 0.01)
    at = model.at(atoms)
    np.testing.assert_array_equal(at.forward(), model.forward(atoms))
    found, expected = at.adjoint(w, anomalous=True), model.adjoint(atoms, w, anomalous=True)
    np.testing.assert_array_equal(found.atoms.frac, expected.atoms.frac)
    np.testing.assert_array_equal(found.atoms.f_prime, expected.atoms.f_prime)
    assert at.fixed is at.fixed


def test_wrong_weights(model):
    with pytest.raises(ReflectionsError, match="dT/dF"):
        model.adjoint(None, np.ones(3))


@pytest.mark.parametrize("model", FIXED, indirect=True)
def test_wrong_mask(model):
    with pytest.raises(ReflectionsError, match="F_mask has shape"):
        replace(model, f_mask=np.ones(3, complex))


@pytest.mark.parametrize("solvent", ["none", "flat"])
def test_a_flat_mask_does_not_move(solvent):
    atoms = some_atoms()
    hkl = CRYSTAL.unique_reflections(2.0)
    data = Reflections(CRYSTAL, hkl, np.arange(1.0, 1.0 + len(hkl)))
    fitted = FModel((CRYSTAL, atoms), data, solvent=solvent).fit()
    with pytest.raises(FriedelError, match="needs smooth_mask=True"):
        fitted.with_moving_mask.forward()


def test_a_mask_that_is_given_does_not_move():
    hkl = CRYSTAL.unique_reflections(2.0)
    data = Reflections(CRYSTAL, hkl, np.ones(len(hkl)))
    given = Grid(np.ones((12, 12, 16)), CRYSTAL)
    with pytest.raises(ParameterError, match="a mask is given"):
        FModel((CRYSTAL, some_atoms()), data, solvent_mask=given, smooth_mask=True)


def test_before_a_fit_there_are_no_scales():
    atoms = some_atoms()
    hkl = CRYSTAL.unique_reflections(2.0)
    model = FModel((CRYSTAL, atoms), Reflections(CRYSTAL, hkl, np.ones(len(hkl))))
    with pytest.raises(FriedelError, match="call fit"):
        model.adjoint(None, np.ones(len(hkl)))


def test_a_smooth_mask_without_boundary_is_none():
    atoms = some_atoms()
    hkl = CRYSTAL.unique_reflections(2.0)
    data = Reflections(CRYSTAL, hkl, np.arange(1.0, 1.0 + len(hkl)))
    model = FModel(
        (CRYSTAL, atoms), data, solvent="flat", radii=MaskParameters(6.0), smooth_mask=True
    ).fit()
    assert model.solvent_fraction == 0.0
    assert not model.has_solvent
    w = complex_numbers(len(hkl), 3)
    held = model.with_fixed_mask.adjoint(None, w).atoms.frac
    np.testing.assert_array_equal(model.adjoint(None, w).atoms.frac, held)
