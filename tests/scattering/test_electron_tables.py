"""Electron form factors beyond C4322: Gaussian fits, physical laws, agreement with X-rays."""

import csv
import re
from importlib.resources import files

import numpy as np
import pytest

import friedel
from friedel.constants import BOHR_RADIUS, MOTT_BETHE
from friedel.model.elements import element_record, parse_label
from friedel.scattering.formfactors import form_factor_table, scattering_factors

STOL = np.linspace(0.0, 6.0, 241)
FITTED = ("lobato14", "kirkland10")
NEUTRAL = ("c4322", "c4323", *FITTED)


def mott_bethe(label, stol):
    """f_e from the X-ray factors of Waasmaier and Kirfel, A; stol > 0."""
    symbol, _ = parse_label(label)
    z = element_record(symbol).atomic_number
    label = "Hiso" if label == "H" else label  # the tables are of free atoms
    return MOTT_BETHE * (z - form_factor_table("wk95").f(label, stol**2)) / stol**2


@pytest.mark.parametrize("name", FITTED)
def test_gaussians_stand_for_the_published_formula_within_the_stated_error(name):
    found = form_factor_table(name)
    between = np.linspace(0.0, 6.0, 1009)  # not the points of the fit
    with files("friedel.data").joinpath(f"{name}_gaussians.csv").open() as file:
        stated = {row["symbol"]: float(row["relative_error"]) for row in csv.DictReader(file)}
    assert max(stated.values()) < 1.3e-3
    for label, sum_ in found.entries.items():
        f = found.f(label, between**2)
        np.testing.assert_allclose(sum_.f(between**2), f, rtol=1.1 * stated[label], err_msg=label)
        assert np.abs(sum_.f(between**2) - f).max() <= 1.1 * sum_.max_error
        # all terms positive and none broader than an atom: kind to the density
        assert min(sum_.a) > 0
        assert 0 < min(sum_.b) < max(sum_.b) < 300


@pytest.mark.parametrize("name", NEUTRAL)
def test_hydrogen_at_zero_is_the_bohr_radius(name):
    # f_e(0) of the exact hydrogen atom in the first Born approximation
    assert form_factor_table(name).f("H", 0.0) == pytest.approx(BOHR_RADIUS, rel=2e-3)


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_atoms_are_finite_positive_and_fall(name):
    found = form_factor_table(name)
    end = min(found.stol_max, 6.0)
    for label in found.labels:
        f = found.f(label, np.linspace(0.0, end, 101) ** 2)
        assert np.isfinite(f).all()
        assert (f > 0).all(), label
        assert (np.diff(f) < 0).all(), label


@pytest.mark.parametrize(("name", "tolerance"), [("lobato14", 0.018), ("kirkland10", 0.025)])
def test_high_angles_follow_from_x_ray_factors_by_mott_and_bethe(name, tolerance):
    # below stol = 0.3 rounding of Z - f decides; WK95 ends at 6
    stol = STOL[STOL >= 0.3]
    found = form_factor_table(name)
    tested = 0
    for label in found.labels:
        if label in form_factor_table("wk95").entries:
            expected = mott_bethe(label, stol)
            np.testing.assert_allclose(found.f(label, stol**2), expected, rtol=tolerance)
            tested += 1
    assert tested >= 90


def test_the_table_to_high_angle_is_as_far_off_as_its_note_says():
    found, truth = form_factor_table("c4323"), form_factor_table("lobato14")
    stol2 = STOL[STOL >= 1.0] ** 2
    medians = {}
    for label in found.labels:
        difference = np.abs(found.f(label, stol2) - truth.f(label, stol2))
        assert difference.max() < 0.006 * truth.f(label, 0.0), label
    for stol in (2.0, 4.0, 6.0):
        ratio = [found.f(x, stol**2) / truth.f(x, stol**2) for x in found.labels]
        medians[stol] = np.median(np.abs(np.array(ratio) - 1))
    assert list(medians.values()) == pytest.approx([0.03, 0.11, 0.77], abs=0.01)


class TestIons:
    def test_they_follow_from_x_ray_factors_by_mott_and_bethe(self):
        found = form_factor_table("peng98")
        at_end = {}
        for label in found.labels:
            if label not in form_factor_table("wk95").entries:
                continue
            at_end[label] = abs(float(found.f(label, 4.0) / mott_bethe(label, np.array(2.0))) - 1)
            middle = np.array([0.3, 0.5, 0.8])
            np.testing.assert_allclose(
                found.f(label, middle**2), mott_bethe(label, middle), rtol=0.08, err_msg=label
            )
        assert np.median(list(at_end.values())) < 0.0025
        poor = {label for label, error in at_end.items() if error > 0.095}
        named = re.findall(r"[A-Z][a-z]?\d?[+-]", found.info.note)
        assert poor == {friedel.model.elements.make_label(*parse_label(x)) for x in named}

    def test_the_charge_rules_at_small_angles(self):
        found = form_factor_table("peng98")
        for label in found.labels:
            _, charge = parse_label(label)
            assert found.f(label, 1e-8) * 1e-8 == pytest.approx(MOTT_BETHE * charge, rel=1e-4)
            assert found.f(label, 0.0) == np.sign(charge) * np.inf

    def test_the_engine_sends_to_mott_bethe(self):
        with pytest.raises(friedel.ParameterError, match="mott-bethe"):
            scattering_factors(["Fe2+"], "electron", table="peng98", use_charge=True)
        ions = scattering_factors(["Fe2+"], "mott-bethe", table="wk95", use_charge=True)
        stol2 = np.array([0.01, 0.09, 0.5])
        f = ions.f(stol2)[0] * ions.post_factor(stol2)
        np.testing.assert_allclose(f, form_factor_table("peng98").f("Fe2+", stol2), rtol=4e-3)
        assert np.isfinite(ions.forward_limit()).all()


def test_structure_factors_are_the_same_by_fft_and_directly():
    crystal = friedel.Crystal((9, 10, 11, 90, 100, 90))
    rng = np.random.default_rng(5)
    atoms = friedel.Atoms.from_labels(["C", "O", "Fe", "Cs"], rng.random((4, 3)), b_iso=3.0)
    for name in FITTED:
        f = [
            friedel.fcalc(
                (crystal, atoms), d_min=0.8, source="electron", table=name, method=m, rtol=1e-5
            ).values
            for m in ("fft", "direct")
        ]
        assert np.linalg.norm(f[0] - f[1]) < 2e-5 * np.linalg.norm(f[1])
