"""Neutron scattering lengths from periodictable: isotopes, complex lengths, and their sign."""

import builtins

import numpy as np
import pytest

import friedel
from friedel.scattering.formfactors import form_factor_table, neutron_length, scattering_factors
from friedel.scattering.formfactors.periodictable_lengths import periodictable_lengths

pytest.importorskip("periodictable")


def test_documented_lengths():
    # Sears (1992): 2H 6.671, 6Li 2.00-0.261i, 7Li -2.22, 157Gd -1.14-71.9i; newer values differ
    assert neutron_length("D") == pytest.approx(6.67, abs=0.01)
    assert neutron_length("2H") == neutron_length("D")
    assert neutron_length("6Li").imag == pytest.approx(0.261, abs=0.002)
    assert neutron_length("7Li").real < 0
    assert neutron_length("157Gd").imag == pytest.approx(72, abs=0.5)


def test_natural_elements_are_those_of_1992_mostly():
    old, new = form_factor_table("neutron92"), form_factor_table("periodictable")
    differences = [
        abs(old.entries[x].f0 - new.entries[x].f0) for x in old.labels if x in new.entries
    ]
    assert len(differences) > 85
    assert np.median(differences) < 0.01


def test_absorption_is_positive():
    assert min(form_factor_table("periodictable").imaginary.values()) >= 0


def test_absorption_makes_the_sign_of_f_double_prime():
    # What absorbs neutrons and what absorbs X-rays change F(h) - F(-h) in the same sense
    crystal = friedel.Crystal((6, 7, 8, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["Gd", "C"], [[0, 0, 0], [0.2, 0.1, 0.3]])
    options = {"hkl": [[1, 2, 3]], "friedel_pairs": True}
    pairs = friedel.fcalc((crystal, atoms), source="neutron", table="periodictable", **options)
    xray = friedel.fcalc((crystal, atoms), wavelength=1.0, **options)
    length = neutron_length("Gd")
    np.testing.assert_allclose(pairs.anomalous, length.imag, rtol=1e-3)
    assert xray.anomalous[0].real > 0
    expected = length + neutron_length("C") * np.exp(2j * np.pi * (0.2 + 0.2 + 0.9))
    np.testing.assert_allclose(pairs.plus, expected, rtol=1e-9)


def test_isotopes_by_label_and_by_number():
    by_label = scattering_factors(
        ["Li", "O"], "neutron", table="periodictable", form_factors={"Li": "6Li"}
    )
    by_number = scattering_factors(["Li"], "neutron", form_factors={"Li": neutron_length("6Li")})
    assert by_label.f_double_prime[0] == by_number.f_double_prime[0] > 0.2
    assert by_label.a[0, 0] == by_number.a[0, 0]
    assert by_label.notes == ("Li scatters as 6Li",)


def test_unknown_isotopes_are_refused():
    with pytest.raises(friedel.ElementError, match="it has Li, 6Li, 7Li"):
        neutron_length("9Li")
    for bad in ("Qq", "", "6", "At"):
        with pytest.raises(friedel.ElementError):
            neutron_length(bad)


def test_without_periodictable(monkeypatch):
    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "periodictable":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for cached in (periodictable_lengths, form_factor_table):
        cached.cache_clear()
    with pytest.raises(friedel.MissingDependencyError, match="pip install periodictable$"):
        neutron_length("6Li")
