"""Neutron scattering lengths from periodictable: isotopes, complex lengths, and their sign."""

import builtins

import numpy as np
import pytest

import friedel
from friedel.scattering.formfactors import form_factor_table, neutron_length, scattering_factors
from friedel.scattering.formfactors.periodictable_lengths import periodictable_lengths

pytest.importorskip("periodictable")


SEARS = {
    "H": -3.739,
    "D": 6.671,
    "T": 4.792,
    "6Li": 2.00 + 0.261j,
    "7Li": -2.22,
    "B": 5.30 + 0.213j,
    "10B": -0.1 + 1.066j,
    "11B": 6.65,
    "Cd": 4.87 + 0.70j,
    "In": 4.065 + 0.0539j,
    "Sm": 0.80 + 1.65j,
    "Eu": 7.22 + 1.26j,
    "Gd": 6.5 + 13.82j,
    "157Gd": -1.14 + 71.9j,
    "Dy": 16.9 + 0.276j,
}
"""Values of Sears (1992), printed there as b' - i b\"."""


def test_published_lengths():
    for label, length in SEARS.items():
        assert neutron_length(label) == pytest.approx(length, abs=1e-9)
    assert neutron_length("2H") == neutron_length("D")
    newer = neutron_length("D", table="periodictable")
    assert newer == pytest.approx(6.67, abs=0.01)
    assert neutron_length("157Gd", table="periodictable").imag == pytest.approx(72, abs=0.5)


def test_the_calculation_uses_these_numbers():
    crystal = friedel.Crystal((6, 7, 8, 90, 90, 90))
    for label, length in SEARS.items():
        atoms = friedel.Atoms.from_labels([label], [[0, 0, 0]])
        for method in ("direct", "fft"):
            found = friedel.fcalc(
                (crystal, atoms.replace(b_iso=np.full(1, 5.0))),
                hkl=[[0, 0, 2]],
                source="neutron",
                method=method,
                rtol=1e-6,
            )
            damping = np.exp(-5.0 * crystal.stol2([[0, 0, 2]])[0])
            assert found.values[0] == pytest.approx(length * damping, rel=1e-5), (label, method)


def test_isotopes_against_periodictable():
    table, tested = form_factor_table("neutron92"), 0
    for label in table.labels:
        try:
            newer = neutron_length(label, table="periodictable")
        except friedel.ElementError:
            assert label in ("238Pu", "Cm")
            continue
        old = neutron_length(label)
        # both derive it from the absorption cross section, b\" = sigma / (2 lambda)
        if old.imag:
            assert old.imag == pytest.approx(newer.imag, rel=0.02), label
            tested += 1
        elif label.isalpha():
            # Sears leaves out what is small: Ir has 0.118 of 10.6 fm
            assert newer.imag < 0.12, label
    assert tested == 20


def test_imaginary_parts_are_said():
    factors = scattering_factors(["C", "Gd", "10B"], "neutron")
    (note,) = factors.notes
    assert note.startswith("complex scattering lengths of Gd, 10B")
    assert "1.798 A" in note
    assert (note.kind, note.number) == ("default", 2)
    assert not scattering_factors(["C", "H"], "neutron").notes


def test_friedel_pairs_differ_by_absorption():
    crystal = friedel.Crystal((6, 7, 8, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["Cd", "C"], [[0, 0, 0], [0.2, 0.1, 0.3]], b_iso=2.0)
    options = {"d_min": 1.0, "source": "neutron", "friedel_pairs": True, "rtol": 1e-6}
    by_fft = friedel.fcalc((crystal, atoms), method="fft", **options)
    direct = friedel.fcalc((crystal, atoms), method="direct", **options)
    assert np.abs(direct.differences).max() > 0.3
    np.testing.assert_allclose(by_fft.differences, direct.differences, atol=1e-4)


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
    length = neutron_length("Gd", table="periodictable")
    carbon = neutron_length("C", table="periodictable")
    np.testing.assert_allclose(pairs.anomalous, length.imag, rtol=1e-3)
    assert xray.anomalous[0].real > 0
    expected = length + carbon * np.exp(2j * np.pi * (0.2 + 0.2 + 0.9))
    np.testing.assert_allclose(pairs.plus, expected, rtol=1e-9)


def test_isotopes_by_label_and_by_number():
    by_label = scattering_factors(
        ["Li", "O"], "neutron", table="periodictable", form_factors={"Li": "6Li"}
    )
    length = neutron_length("6Li", table="periodictable")
    by_number = scattering_factors(["Li"], "neutron", form_factors={"Li": length})
    assert by_label.f_double_prime[0] == by_number.f_double_prime[0] > 0.2
    assert by_label.a[0, 0] == by_number.a[0, 0]
    assert by_label.notes[0] == "Li scatters as 6Li"


def test_unknown_isotopes_are_refused():
    with pytest.raises(friedel.ElementError, match="it has Li, 6Li, 7Li"):
        neutron_length("9Li")
    for bad in ("Qq", "", "6", "At"):
        with pytest.raises(friedel.ElementError):
            neutron_length(bad)
    with pytest.raises(friedel.ElementError, match="it has Li, 6Li, 7Li"):
        scattering_factors(["9Li"], "neutron")
    assert scattering_factors(["9Li"]).a.sum() == pytest.approx(3, abs=0.01)


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
        neutron_length("6Li", table="periodictable")
    assert neutron_length("6Li") == 2.00 + 0.261j
