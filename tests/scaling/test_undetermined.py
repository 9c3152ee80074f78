"""B that the reflections do not determine: bounded by a prior, and named in a note."""

from dataclasses import replace

import numpy as np
import pytest
from test_scaling import TRUTH, allowed_b, make_crystal, synthetic

from friedel.scaling import TARGETS, fit
from friedel.scaling.undetermined import START_OF_NOTE


def undetermined(result):
    notes = [note for note in result.notes if note.startswith(START_OF_NOTE)]
    assert all(note.kind == "warning" for note in notes)
    return [note.removeprefix(START_OF_NOTE + " ").split(":")[0] for note in notes]


def data_of(name, chosen, n=3000, noise=0.05):
    crystal = make_crystal(name)
    truth = replace(TRUTH, b_overall=allowed_b(crystal))
    data = replace(synthetic(crystal, truth, noise=noise, n=n), f_mask=None)
    truth = replace(truth, k_sol=0.0)
    f_obs = np.abs(truth.f_total(crystal, data.hkl, data.f_calc))
    rng = np.random.default_rng(3)
    data = replace(data, f_obs=f_obs * np.exp(noise * rng.normal(size=len(data))))
    return data.select(chosen(data.hkl)), truth


def zone(*axis):
    return lambda hkl: hkl @ np.array(axis) == 0


def row(i):
    return lambda hkl: (np.delete(hkl, i, axis=1) == 0).all(axis=1)


CASES = {
    "all, P 1": ("P 1", lambda hkl: np.ones(len(hkl), bool), []),
    "all, C 2": ("C 2", lambda hkl: np.ones(len(hkl), bool), []),
    "h0l, P 1": ("P 1", zone(0, 1, 0), ["B22 and B23 (along b and b*)"]),
    "hk0, P 1": ("P 1", zone(0, 0, 1), ["B33, B13 and B23 (along c and c*)"]),
    "h0l, C 2": ("C 2", zone(0, 1, 0), ["B22 (along b)"]),
    "0kl, P 21 21 21": ("P 21 21 21", zone(1, 0, 0), ["B11 (along a)"]),
    "hk0, P 41": ("P 41", zone(0, 0, 1), ["B33 (along c)"]),
    "hk0, P 31 2 1": ("P 31 2 1", zone(0, 0, 1), ["B33 (along c)"]),
    "00l, P 31 2 1": ("P 31 2 1", row(2), ["B11 and B22 (along a, b, a* and b*)"]),
    "0k0, P 21 21 21": ("P 21 21 21", row(1), ["B11 and B33 (along a and c)"]),
    "hk0, I 2 3": ("I 2 3", zone(0, 0, 1), []),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_directions_are_named(case, noise):
    name, chosen, expected = CASES[case]
    data, truth = data_of(name, chosen, noise=noise)
    result = fit(data)
    assert undetermined(result) == expected
    b = np.array(result.parameters.b_overall)
    assert np.abs(b).max() < 200.0
    # what is determined is right: scales of the reflections that there are
    expected_scale = truth.overall_scale(data.crystal, data.hkl)
    scale = result.parameters.overall_scale(data.crystal, data.hkl)
    np.testing.assert_allclose(scale, expected_scale, rtol=1e-6 if noise == 0.0 else 0.2)


@pytest.mark.parametrize("target", TARGETS)
def test_by_every_target(target):
    data, _ = data_of("C 2", zone(0, 1, 0))
    result = fit(data, target=target)
    assert undetermined(result) == ["B22 (along b)"]
    b11, b22, b33 = result.parameters.b_overall[:3]
    # of all B22 that fit as well, that of the least anisotropy
    assert b22 == pytest.approx((b11 + b33) / 2, abs=0.5)


def test_a_thin_shell_does_not_determine_an_isotropic_b():
    crystal = make_crystal("P 21 21 21")
    data, _ = data_of("P 21 21 21", lambda hkl: np.abs(crystal.stol2(hkl) - 0.03) < 1e-4)
    assert len(data) > 5
    result = fit(data)
    assert undetermined(result) == ["the isotropic part of B beside k_overall"]
    assert abs(result.parameters.b_iso) < 400.0


def test_a_fixed_b_needs_no_note():
    data, _ = data_of("C 2", zone(0, 1, 0))
    assert undetermined(fit(data, fixed=["b_overall"])) == []


def test_where_the_data_determine_b_the_prior_does_not_matter(monkeypatch):
    data, _ = data_of("P 1", lambda hkl: np.ones(len(hkl), bool), n=800, noise=0.2)
    with_prior = fit(data).parameters
    monkeypatch.setattr("friedel.scaling.problem.B_WIDTHS", (1e6, 1e6))
    without = fit(data).parameters
    np.testing.assert_allclose(with_prior.b_overall, without.b_overall, atol=0.05)
