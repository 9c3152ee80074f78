"""F_model and the targets in PyTorch: values and derivatives of the classes for numpy."""

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from friedel.bridges.scale_terms import SCALES  # noqa: E402
from friedel.bridges.torch import FModel, LeastSquares, MaximumLikelihood, operators  # noqa: E402
from friedel.bridges.torch.engines import DeviceEngine  # noqa: E402
from friedel.bridges.torch.masks import MaskEngine  # noqa: E402
from friedel.device.engine import DeviceSum  # noqa: E402
from friedel.device.mask_engine import DeviceMask  # noqa: E402
from friedel.device.plan import DevicePlan  # noqa: E402
from friedel.errors import AtomsError, ParameterError, ReflectionsError  # noqa: E402
from friedel.fmodel.adjoint import FixedMaskModel, MovingMaskModel, TwinnedModel  # noqa: E402
from friedel.model.atoms import Atoms  # noqa: E402
from friedel.solvent.flat_mask import MaskParameters  # noqa: E402
from friedel.solvent.smooth_mask import SmoothMask  # noqa: E402
from friedel.structure_factors import refinement_targets  # noqa: E402
from friedel.structure_factors.calculator import Calculator  # noqa: E402
from scales import CRYSTAL, FLAT, RICH  # noqa: E402

KINDS = ("no solvent", "fixed", "layer and curves", "babinet", "moving", "moving layer", "twin")


def some_atoms(seed=5):
    rng = np.random.default_rng(seed)
    labels = ["C", "N", "S"] * 2
    occ, b_iso = 0.4 + 0.5 * rng.random(6), 15 + 5 * rng.random(6)
    return Atoms.from_labels(labels, rng.random((6, 3)), occ, b_iso)


def complex_numbers(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def model_of(kind):
    options = {"method": "fft", "rtol": 1e-6, "dtype": np.float64}
    calculator = Calculator.from_model((CRYSTAL, some_atoms()), d_min=2.0, **options)
    n = len(calculator.hkl)
    mask, nearer = (
        SmoothMask(CRYSTAL, calculator.hkl, (20, 24, 28), MaskParameters(0.9, probe, 0.6))
        for probe in (0.9, 0.4)
    )
    f_mask, f_layer = 30 * complex_numbers(n, 1), 10 * complex_numbers(n, 2)
    models = {
        "no solvent": FixedMaskModel(calculator, FLAT),
        "fixed": FixedMaskModel(calculator, FLAT, f_mask),
        "layer and curves": FixedMaskModel(calculator, RICH, f_mask, f_layer),
        "babinet": FixedMaskModel(calculator, RICH, None, None, True),
        "moving": MovingMaskModel(calculator, FLAT, mask),
        "moving layer": MovingMaskModel(calculator, RICH, mask, nearer),
    }
    if kind != "twin":
        return models[kind]
    twinned = replace(FLAT, twin_fractions=(0.3,))
    exist = np.arange(n) % 3 != 0
    mates = calculator.hkl[exist] * [-1, -1, 1]
    other = Calculator.from_model((CRYSTAL, some_atoms()), hkl=mates, **options)
    first = FixedMaskModel(calculator, twinned, f_mask)
    second = FixedMaskModel(other, twinned, f_mask[exist], scaled_at=calculator.hkl[exist])
    return TwinnedModel(first, [second], [exist])


def with_twin_engines(module):
    """The module with the engines for GPUs, on the CPU."""
    for domain in module.domains:
        f_calc, model = domain.f_calc, domain._model
        plan = DevicePlan.of(model.calculator)
        f_calc._engine = DeviceEngine(DeviceSum(plan), None)
        f_calc._name = operators.register(f_calc._engine)
        if isinstance(model, MovingMaskModel):
            atoms, masks = model.calculator.atoms, (model.mask, model.nearer)
            domain._masks = [
                MaskEngine(x, atoms, torch.device("cpu"), None, DeviceMask(x, atoms, dtype="f8"))
                for x in masks
                if x is not None
            ]
            domain._names = [operators.register(engine) for engine in domain._masks]
    return module


def tensors_of(*members):
    xyz = np.stack([atoms.frac @ CRYSTAL.orthogonalization.T for atoms in members])
    others = (np.stack([getattr(atoms, x) for atoms in members]) for x in ("b_iso", "occ"))
    return [torch.as_tensor(x).requires_grad_() for x in (xyz, *others)]


def assert_same(found, expected, limit):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    scale = np.abs(expected).max(initial=0.0)
    assert np.abs(found - expected).max(initial=0.0) <= limit * max(scale, 1e-9)


@pytest.mark.parametrize("engine", ["engine of the CPU", "twin"])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_derivatives_of_each_member(kind, engine):
    """Equal to those of the adjoint; for the twin, as accurate as its F_calc."""
    model, limit = model_of(kind), 1e-12
    module = FModel(model)
    if engine == "twin":
        module, limit = with_twin_engines(module), 1e-5
    first = model.first if kind == "twin" else model
    members = [some_atoms(seed).replace(occ=some_atoms().occ) for seed in (5, 6)]
    members = [first.calculator.atoms.replace(frac=x.frac) for x in members]
    parameters = tensors_of(*members)
    xyz, b_iso, occ = parameters
    found = module(xyz, b_iso, occ=occ)
    w = np.stack([complex_numbers(found.shape[-1], 3 + i) for i in range(2)])
    if kind == "twin":
        w = w.real
        (torch.as_tensor(w) * found).sum().backward()
    else:
        (torch.as_tensor(w).conj() * found).sum().real.backward()
    by_scales = dict.fromkeys(SCALES, 0.0)
    for i, atoms in enumerate(members):
        assert_same(found[i].detach().numpy(), model.forward(atoms), limit)
        expected = model.adjoint(atoms, w[i])
        assert_same(xyz.grad[i].numpy(), expected.atoms.xyz, 10 * limit)
        assert_same(b_iso.grad[i].numpy(), expected.atoms.b_iso, 10 * limit)
        assert_same(occ.grad[i].numpy(), expected.atoms.occ, 10 * limit)
        by_scales = {k: x + getattr(expected.scales, k) for k, x in by_scales.items()}
    for name, expected in by_scales.items():
        gradient = module.scales[name].grad
        gradient = torch.zeros_like(module.scales[name]) if gradient is None else gradient
        assert_same(gradient.numpy(), expected, 10 * limit)
    assert module.scale_parameters() == first.scales


@pytest.mark.parametrize("kind", ["fixed", "moving layer"])
def test_conformers_together_are_one_crystal(kind):
    """F_calc and mask of m conformers are those of one model with all of their atoms."""
    model = model_of(kind)
    members = [some_atoms(seed) for seed in (5, 6, 7)]
    frac = np.concatenate([x.frac for x in members])
    one = model.calculator.atoms
    union = one.select(np.tile(np.arange(6), 3)).replace(frac=frac, occ=np.tile(one.occ, 3) / 3)
    xyz = tensors_of(*members)[0]
    found = FModel(model, together=True)(xyz)
    expected = model.forward(union)
    assert_same(found.detach().numpy(), expected, 1e-5)
    w = complex_numbers(len(expected), 3)
    (torch.as_tensor(w).conj() * found).sum().real.backward()
    by_union = model.adjoint(union, w).atoms.xyz.reshape(3, 6, 3)
    assert_same(xyz.grad.numpy(), by_union, 1e-4)
    with pytest.raises(AtomsError, match=r"batch of shape \(\), expected \(m,\)"):
        FModel(model, together=True)(xyz[0])


def test_copies_and_transforms():
    module = FModel(model_of("moving"))
    xyz = tensors_of(some_atoms(), some_atoms(6))[0].detach()
    expected = module(xyz)
    assert torch.equal(copy.deepcopy(module)(xyz), expected)
    assert torch.equal(torch.vmap(module)(xyz), expected)
    gradient = torch.func.grad(lambda x: (module(x).abs() ** 2).sum())(xyz[0])
    assert gradient.isfinite().all()
    assert module(xyz.float()).dtype == torch.complex64


def test_a_fit_is_taken_as_it_is(tmp_path):
    from friedel.fmodel.fmodel import FModel as Fit
    from friedel.reflections.reflections import Reflections

    model = model_of("moving")
    f = model.forward()
    data = Reflections(CRYSTAL, model.calculator.hkl, np.abs(f), 0.02 * np.abs(f) + 0.1, label="FP")
    for smooth in (False, True):
        fitted = Fit((CRYSTAL, some_atoms()), data, smooth_mask=smooth).fit()
        module = FModel(fitted)
        found = module().detach()
        assert_same(found.numpy(), fitted.f_model.values, 1e-6)
        target = LeastSquares(fitted.f_obs.values, fitted.f_obs.sigmas)
        value, w = refinement_targets.least_squares(
            found.numpy(), fitted.f_obs.values, fitted.f_obs.sigmas
        )
        xyz = tensors_of(fitted.as_function.calculator.atoms)[0]
        loss = target(module(xyz[0]))
        loss.backward()
        assert float(loss.detach()) == pytest.approx(value, rel=1e-6)
        expected = fitted.adjoint(None, w).atoms.xyz
        assert_same(xyz.grad[0].numpy(), expected, 1e-5)


def some_data(n=40):
    rng = np.random.default_rng(2)
    f = complex_numbers(n, 1)
    f_obs = np.abs(f) * (1 + 0.3 * rng.normal(size=n))
    f[3], f_obs[5], f_obs[7] = 0.0, np.nan, -0.1
    use = np.arange(n) % 4 != 0
    return f, f_obs, 0.1 + rng.random(n), use, rng.random(n) < 0.3, 1.0 + rng.random(n)


@pytest.mark.parametrize("scaled", [False, True])
def test_targets_have_the_values_and_derivatives_of_the_functions(scaled):
    f, f_obs, sigma, use, centric, epsilon = some_data()
    scale = 1.0 + np.arange(len(f)) / len(f) if scaled else 1.3
    likelihood = {"centric": centric, "epsilon": epsilon, "sigma": sigma, "use": use}
    pairs = [
        (
            LeastSquares(f_obs, sigma, use=use),
            refinement_targets.least_squares(f, f_obs, sigma, scale=scale, use=use),
        ),
        (
            MaximumLikelihood(f_obs, 0.9, 0.5, **likelihood),
            refinement_targets.maximum_likelihood(f, f_obs, 0.9, 0.5, scale=scale, **likelihood),
        ),
    ]
    for module, (value, w) in pairs:
        x = torch.as_tensor(f).requires_grad_()
        found = module(x, torch.as_tensor(scale, dtype=torch.float64))
        found.backward()
        assert float(found.detach()) == pytest.approx(value, rel=1e-13)
        assert_same(x.grad.numpy(), w, 1e-12)
        both = module(torch.stack([x, 2.0 * x]), torch.as_tensor(scale, dtype=torch.float64))
        assert both.shape == (2,)


def test_errors_of_targets():
    f, f_obs, sigma, use, centric, _ = some_data()
    with pytest.raises(ParameterError, match="sigma must be positive"):
        LeastSquares(f_obs, 0.0)
    with pytest.raises(ReflectionsError, match=r"sigma has shape \(3,\)"):
        LeastSquares(f_obs, sigma[:3])
    with pytest.raises(ReflectionsError, match="`use` must be"):
        LeastSquares(f_obs, use=use.astype(int))
    with pytest.raises(ReflectionsError, match=r"the data have shape \(1, 40\)"):
        LeastSquares(f_obs[None])
    with pytest.raises(ReflectionsError, match=r"F has shape \(39,\)"):
        LeastSquares(f_obs)(torch.as_tensor(f[1:]))
    with pytest.raises(ParameterError, match="beta > 0"):
        MaximumLikelihood(f_obs, 1.0, 0.0, centric=centric)
