"""R-factors of models that have nothing to do with their data."""

import numpy as np
import pytest

import friedel
from friedel.reflections.agreement import r_factor
from friedel.reflections.wrong_models import OF_ACENTRIC, OF_CENTRIC, about_r_factor


def random_model(seed):
    """120 atoms at random places in P 21 21 21."""
    triplets = ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2", "x+1/2,-y+1/2,-z"]
    crystal = friedel.Crystal.from_triplets((30, 31, 32, 90, 90, 90), triplets)
    frac = np.random.default_rng(seed).random((120, 3))
    return crystal, friedel.Atoms.from_labels(["C"] * 120, frac, b_iso=20.0)


def test_r_factors_of_random_atoms():
    """The difference of two amplitudes varies by about 0.6 of their mean, so that R of n
    reflections has the standard error 0.6 / sqrt(n); four of these are allowed."""
    first, second = (friedel.fcalc(random_model(seed), d_min=2.0) for seed in (1, 2))
    centric = first.crystal.is_centric(first.hkl)
    for chosen, expected in ((centric, OF_CENTRIC), (~centric, OF_ACENTRIC)):
        found = r_factor(first.amplitudes[chosen], second.amplitudes[chosen])
        assert found == pytest.approx(expected, abs=2.4 / np.sqrt(chosen.sum()))


def test_a_model_of_another_crystal_is_told():
    data = friedel.fcalc(random_model(1), d_min=2.0)
    data = friedel.Reflections(data.crystal, data.hkl, data.amplitudes)
    options = {"solvent": "flat", "hydrogens": None, "twin": "none"}
    wrong = friedel.FModel(random_model(2), data, **options).fit()
    assert any("R_work 0.5" in note and "random places" in note for note in wrong.notes)
    right = friedel.FModel(random_model(1), data, **options).fit()
    assert not any("random places" in note for note in right.notes)


def test_no_r_factor_is_no_warning():
    assert about_r_factor("R", float("nan"), np.zeros(5, bool)) == ()
    assert about_r_factor("R", 0.9, np.zeros(0, bool)) == ()


def test_a_small_structure_with_the_list_of_another(shared_data):
    cases = shared_data.parent / "cases" / "sm"
    if not cases.is_dir():
        pytest.skip("no cases beside the shared data")
    fit = friedel.fit_intensities(cases / "39_actinide.cif", cases / "39_actinide.hkl")
    assert any("R1 0.8149 is near" in note or "R1 0.815 is near" in note for note in fit.notes)
