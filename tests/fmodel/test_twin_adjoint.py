"""Derivatives of a twin's amplitudes, against finite differences."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from friedel.errors import ParameterError
from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters

CRYSTALS = {
    "P 31": ((15, 15, 18, 90, 90, 120), ["-h,-k,l"]),
    "P 3": ((15, 15, 18, 90, 90, 120), ["-h,-k,l", "h+k,-k,-l", "-h-k,k,-l"]),
    "C 2 2 2": ((15, 15 * 3**0.5, 14, 90, 90, 90), ["-h/2-k/2,-3/2*h+k/2,-l"]),
    # a third of the reflections have mates by the first law
    "R 3:H": ((20, 20, 24, 90, 90, 120), ["-h,-k,l", "k,h,-l"]),
}
FRACTIONS = (0.3, 0.2, 0.15)
OPTIONS = {
    "atoms": {"solvent": "none"},
    "flat": {"solvent": "flat"},
    "babinet": {"solvent": "babinet"},
    "moving": {"solvent": "smooth", "smooth_mask": True},
}
STEP = 1e-5


def twin_of(name, kind):
    cell, laws = CRYSTALS[name]
    operations = gemmi.SpaceGroup(name).operations()
    crystal = Crystal.from_triplets(cell, [op.triplet() for op in operations], name)
    rng = np.random.default_rng(7)
    positions = [4.0, 3.0, 5.0] + 2.0 * rng.normal(size=(10, 3))
    frac = positions @ np.linalg.inv(crystal.orthogonalization).T
    atoms = Atoms.from_labels(["C", "O"] * 5, frac, rng.uniform(0.5, 1, 10), rng.uniform(8, 20, 10))
    hkl = crystal.unique_reflections(1.8)
    calculated = FModel((crystal, atoms), Reflections(crystal, hkl, np.ones(len(hkl))))
    f_obs = np.abs(calculated.f_calc.values) * np.exp(0.1 * rng.normal(size=len(hkl)))
    data = Reflections(crystal, hkl, f_obs + 1.0)
    found = FModel((crystal, atoms), data, twin=laws, method="direct", **OPTIONS[kind])
    fractions = FRACTIONS[: len(laws)]
    start = ScaleParameters(1.3, (1.0,) * 3 + (0.0,) * 3, 0.3, 40.0, twin_fractions=fractions)
    fixed = ["k_overall", "b_overall", "k_sol", "b_sol", "twin_fractions", "k_layer"]
    return found.fit(start, fixed=fixed), rng.normal(size=len(hkl))


def as_function(found):
    model = (
        found.with_moving_mask if found.masked and found.masked.smooth else found.with_fixed_mask
    )
    laws = [domain.law for domain in found._outcome.twins]
    return found._setup.components.twinned(model, laws)


def slope(value_at):
    return (value_at(STEP) - value_at(-STEP)) / (2.0 * STEP)


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_derivatives_are_those_of_the_amplitudes(name, kind):
    found, w = twin_of(name, kind)
    model, atoms, gradients = as_function(found), found.atoms, found.adjoint(None, w)
    np.testing.assert_allclose(model.forward(), found.amplitudes, rtol=1e-9)
    assert found.scales.twin_fractions == FRACTIONS[: len(found.twin_laws)]
    rng = np.random.default_rng(3)
    shift, by_occ, by_b = rng.normal(size=(10, 3)), rng.normal(size=10), rng.normal(size=10)

    def along_atoms(step):
        moved = replace(
            atoms,
            frac=atoms.frac + 0.05 * step * shift,
            occ=atoms.occ + step * by_occ,
            b_iso=atoms.b_iso + 20.0 * step * by_b,
        )
        return float(w @ model.forward(moved))

    expected = 0.05 * (gradients.atoms.frac * shift).sum()
    expected += gradients.atoms.occ @ by_occ + 20.0 * gradients.atoms.b_iso @ by_b
    assert slope(along_atoms) == pytest.approx(expected, rel=1e-5)

    b = np.array([0.5, 0.3, -0.2, 0.1, 0.2, 0.3])

    def along_scales(name, direction):
        def value(step):
            scales = found.scales
            start = np.array(getattr(scales, name))
            changed = start + step * direction
            changed = tuple(changed) if changed.ndim else float(changed)
            scales = replace(scales, **{name: changed})
            others = [replace(other, scales=scales) for other in model.others]
            first = replace(model.first, scales=scales)
            return float(w @ type(model)(first, others, model.exist).forward())

        return slope(value)

    by_scales = gradients.scales
    for scale in ("k_overall", "k_sol"):
        assert along_scales(scale, 1.0) == pytest.approx(getattr(by_scales, scale), rel=1e-5), scale
    for unit, by_fraction in zip(
        np.eye(len(found.twin_laws)), by_scales.twin_fractions, strict=True
    ):
        assert along_scales("twin_fractions", unit) == pytest.approx(by_fraction, rel=1e-5)
    assert along_scales("b_sol", 10.0) == pytest.approx(10.0 * by_scales.b_sol, rel=1e-5)
    assert along_scales("b_overall", b) == pytest.approx(b @ by_scales.b_overall, rel=1e-5)


def test_complex_weights_are_refused():
    found, w = twin_of("P 31", "flat")
    with pytest.raises(ParameterError, match="complex"):
        found.adjoint(None, w + 0j)
