import hashlib
from importlib.resources import files

import numpy as np
import pytest

import friedel
from friedel.data import sources, table
from friedel.elements import element_record, make_label, parse_label
from friedel.formfactors import TABLES, GaussianSum, form_factor_table, scattering_factors
from friedel.formfactors.tables import VALENCE_STATES

STOL2 = np.linspace(0.0, 1.5, 50)


def test_tables_are_what_they_were_when_they_were_checked():
    for name, source in sources().items():
        content = files("friedel.data").joinpath(f"{name}.csv").read_bytes()
        assert hashlib.sha256(content).hexdigest() == source["sha256"], name
        assert source["references"]
        assert table(name)


@pytest.mark.parametrize("name", ["it92", "wk95"])
def test_forward_scattering_counts_the_electrons(name):
    found = form_factor_table(name)
    # each table states how far the constant of its fits is off
    tolerance = sources()[name]["f0_error"]
    for label, gaussians in found.entries.items():
        if label not in VALENCE_STATES:
            symbol, charge = parse_label(label)
            electrons = element_record(symbol).atomic_number - charge
            assert gaussians.f0 == pytest.approx(electrons, abs=tolerance), label


def test_density_integrates_to_f0_and_transforms_to_f():
    iron = form_factor_table("it92").entries["Fe"]
    b_iso = 12.0
    r = np.linspace(0.0, 12.0, 6001)
    density = iron.density_iso(r**2, b_iso)
    shells = 4 * np.pi * r**2 * density
    assert np.trapezoid(shells, r) == pytest.approx(iron.f0, rel=1e-6)
    for stol in (0.1, 0.3):
        wave = np.sinc(4 * stol * r)  # sin(2 pi s r) / (2 pi s r) with s = 2 stol
        expected = iron.f(stol**2) * np.exp(-b_iso * stol**2)
        assert np.trapezoid(shells * wave, r) == pytest.approx(expected, rel=1e-6)


def test_anisotropic_density_of_a_round_tensor_is_the_isotropic_one():
    carbon = form_factor_table("it92").entries["C"]
    vector = np.array([[0.3, -0.2, 0.7], [0.0, 0.0, 0.0]])
    found = carbon.density_aniso(vector, (20, 20, 20, 0, 0, 0))
    np.testing.assert_allclose(found, carbon.density_iso((vector**2).sum(axis=1), 20.0), rtol=1e-12)


def test_densities_that_do_not_exist():
    carbon = form_factor_table("it92").entries["C"]
    with pytest.raises(friedel.ParameterError, match="blur"):
        carbon.density_iso(1.0, 0.0)
    with pytest.raises(friedel.ParameterError, match="positive definite"):
        carbon.density_aniso(np.zeros(3), (10, 10, -10, 0, 0, 0))


def test_charges_are_ignored_unless_wanted():
    neutral = scattering_factors(["Fe2+"])
    np.testing.assert_array_equal(neutral.a, scattering_factors(["Fe"]).a)
    ion = scattering_factors(["Fe2+"], use_charge=True)
    assert ion.forward_limit()[0] == pytest.approx(24, abs=0.05)
    nearest = scattering_factors(["C4+"], use_charge=True)
    assert nearest.notes == ("C4+ scatters as C",)


def test_unknown_and_deuterium():
    factors = scattering_factors(["X", "D"])
    oxygen_and_hydrogen = scattering_factors(["O", "H"])
    np.testing.assert_array_equal(factors.a, oxygen_and_hydrogen.a)
    assert factors.notes == ("X scatters as O",)
    assert scattering_factors(["X"], unknown="C").a[0].sum() == pytest.approx(6, abs=0.01)
    lengths = scattering_factors(["D", "H"], "neutron").a[:, 0]
    np.testing.assert_allclose(lengths, [6.671, -3.739])


def test_custom_form_factor_for_one_kind_only():
    custom = GaussianSum((20.0,), (1.0,))
    factors = scattering_factors(["C", "Fe2+"], form_factors={"Fe2+": custom})
    assert factors.a[1].sum() == 20.0
    np.testing.assert_array_equal(factors.a[0], scattering_factors(["C"]).a[0])


def test_mott_bethe_has_a_finite_limit():
    factors = scattering_factors(["C"], "mott-bethe")
    carbon = form_factor_table("it92").entries["C"]
    assert factors.forward_limit()[0] == pytest.approx(
        0.0239337 * carbon.mott_bethe_limit, rel=1e-5
    )
    # 1e-4 rad: far enough from 0 for the table's constant, 2e-3 electrons, to have died out
    near = factors.f(np.array([0.05]))[0] * factors.post_factor(np.array([0.05]))
    assert near == pytest.approx(form_factor_table("c4322").entries["C"].f(0.05), rel=0.02)


@pytest.mark.parametrize(
    "call",
    [
        lambda: scattering_factors(["C"], "gamma"),
        lambda: form_factor_table("it2050"),
        lambda: scattering_factors(["Es"]),
        lambda: scattering_factors(["Xyz"]),
        lambda: GaussianSum((1.0,), (1.0, 2.0)),
        lambda: GaussianSum((np.nan,), (1.0,)),
    ],
)
def test_named_errors(call):
    with pytest.raises((friedel.ParameterError, friedel.ElementError)):
        call()


def test_every_element_has_a_value_or_a_clear_error():
    for row in table("elements"):
        for name in TABLES:
            found = form_factor_table(name)
            symbol = {"D": "H"}.get(row["symbol"], row["symbol"])
            if symbol == "X" or symbol in found.charges:
                assert np.isfinite(found.lookup(row["symbol"])[0].f(0.1))
            else:
                with pytest.raises(friedel.ElementError, match=symbol):
                    found.lookup(row["symbol"])


@pytest.mark.parametrize("text", ["Fe2+", "O1-", "C", "D", "X"])
def test_labels_round_trip(text):
    assert make_label(*parse_label(text)) == text


def test_other_spellings_of_labels():
    assert parse_label("FE+2") == ("Fe", 2)
    assert parse_label("cl-") == ("Cl", -1)
    for bad in ("", "2+", "Fe2", "Fe++", "iron"):
        with pytest.raises(friedel.ElementError):
            parse_label(bad)


class TestAgainstGemmi:
    gemmi = pytest.importorskip("gemmi")

    def test_it92_with_all_ions(self):
        gemmi = self.gemmi
        gemmi.IT92_set_ignore_charge(False)
        try:
            for label, ours in form_factor_table("it92").entries.items():
                symbol, charge = parse_label(label)
                theirs = gemmi.IT92_get_exact(gemmi.Element(symbol), charge)
                found = [theirs.calculate_sf(stol2=x) for x in STOL2]
                # gemmi works in float32: a few units in its last place of the largest term
                np.testing.assert_allclose(ours.f(STOL2), found, atol=2e-6 * 98, err_msg=label)
        finally:
            gemmi.IT92_set_ignore_charge(True)

    @pytest.mark.parametrize(
        ("name", "attribute"), [("c4322", "c4322"), ("neutron92", "neutron92")]
    )
    def test_neutral_atoms(self, name, attribute):
        for label, ours in form_factor_table(name).entries.items():
            theirs = getattr(self.gemmi.Element(label), attribute)
            found = [theirs.calculate_sf(stol2=x) for x in STOL2]
            np.testing.assert_allclose(ours.f(STOL2), found, rtol=1e-5, atol=1e-6, err_msg=label)
            density = theirs.calculate_density_iso(r2=1.7, B=30)
            assert ours.density_iso(1.7, 30) == pytest.approx(density, rel=1e-5)
