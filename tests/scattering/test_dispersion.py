"""f' and f'': published values, independent programs, and the laws between them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from friedel.constants import HC
from friedel.data import table
from friedel.errors import ElementError, EnergyError, ParameterError
from friedel.scattering.dispersion import anomalous, chantler, cromer_liberman, cromer_liberman_all

CROMER_LIBERMAN = ("cromer-liberman", "cromer-liberman-repaired")
SOURCES = (*CROMER_LIBERMAN, "chantler")
ALL_Z = range(3, 93)

# gemmi rounds the logarithms of energies and cross sections to single precision. Where the energy
# meets a node of the dispersion integral two nearly equal numbers are subtracted, and at
# an edge f' diverges: there the rounding is amplified without limit. Elsewhere it
# stays below this; our own logarithms are double.
GEMMI_TOLERANCE = 3e-3
GEMMI_DISTANCE = 1e-3


def special_energies(z):
    """Binding energies and nodes of an element as published, eV."""
    x = (np.polynomial.legendre.leggauss(5)[0] + 1) / 2
    energies = []
    for row in table("cromer_liberman"):
        if int(row["Z"]) == z:
            power = 1.0 if row["nparm"] == "11" else 2.0
            if z >= 79 and row["orb"] == "1":
                power = 0.5
            energies += [float(row["binden_keV"]), *(float(row["binden_keV"]) / x**power)]
    return 1000 * np.array(energies)


# --- published values and independent programs ---


@pytest.mark.parametrize(
    ("energy", "expected"), [(10332.0, (-1.41862, 0.72389)), (HC / 0.71073, (-0.09201, 2.23336))]
)
@pytest.mark.parametrize("repaired", [False, True])
def test_selenium_has_the_documented_values(energy, expected, repaired):
    result = cromer_liberman(z=34, energy=energy, repaired=repaired)
    assert result == pytest.approx(expected, abs=1e-5)


def test_gold_values(shared_data):
    gold = json.loads((shared_data / "gold" / "fprime_cl.json").read_text())
    for z, fp, fpp in zip(gold["Z"], gold["fp"], gold["fpp"], strict=True):
        f1, f2 = anomalous(z, energy=gold["energies_eV"])
        np.testing.assert_allclose(f1, fp, atol=GEMMI_TOLERANCE, rtol=0)
        np.testing.assert_allclose(f2, fpp, atol=GEMMI_TOLERANCE, rtol=0)


def test_all_elements_against_gemmi():
    gemmi = pytest.importorskip("gemmi")
    energies = np.geomspace(2000, 70000, 200)
    tested = 0
    for z in ALL_Z:
        peer = np.array([gemmi.cromer_liberman(z=z, energy=e) for e in energies.tolist()])
        f1, f2 = cromer_liberman(z, energies)
        distance = np.abs(energies[:, None] / special_energies(z) - 1).min(axis=1)
        away = distance > GEMMI_DISTANCE
        tested += np.count_nonzero(away)
        np.testing.assert_allclose(f1[away], peer[away, 0], atol=GEMMI_TOLERANCE, rtol=0)
        np.testing.assert_allclose(f2, peer[:, 1], atol=1e-4, rtol=1e-4)
    assert tested > 0.97 * len(ALL_Z) * len(energies)


@pytest.mark.parametrize("z", [1, 6, 17, 34, 55, 60, 79, 92])
def test_chantler_against_xraydb_at_single_energies_away_from_edges(z):
    """Near edges xraydb's interpolation is worse: see test_chantler.py."""
    xraydb = pytest.importorskip("xraydb")
    symbol = xraydb.atomic_symbol(z)
    energies = np.geomspace(1000, 9e5, 150)
    edges = np.array([edge.energy for edge in xraydb.xray_edges(symbol).values()])
    energies = energies[(np.abs(energies[:, None] / edges - 1) > 0.03).all(axis=1)]
    assert len(energies) > 100
    f1, f2 = anomalous(z, energy=energies, anomalous="chantler")
    for energy, a, b in zip(energies.tolist(), f1, f2, strict=True):
        assert a == pytest.approx(xraydb.f1_chantler(symbol, energy), abs=0.03)
        assert b == pytest.approx(xraydb.f2_chantler(symbol, energy), abs=1e-6, rel=5e-3)


@pytest.mark.parametrize("z", [1, 6, 34, 79])
def test_chantler_against_xraydb_at_its_table(z):
    xraydb = pytest.importorskip("xraydb")
    symbol = xraydb.atomic_symbol(z)
    energies = xraydb.chantler_energies(symbol)
    f1, f2 = chantler(z, energies)
    np.testing.assert_allclose(f1, xraydb.f1_chantler(symbol, energies), atol=1e-6, rtol=0)
    np.testing.assert_allclose(f2, xraydb.f2_chantler(symbol, energies), atol=1e-6, rtol=1e-6)


def test_the_two_sources_agree_away_from_edges():
    for z in ALL_Z:
        edges = special_energies(z)[::6]
        energies = np.geomspace(5000, 70000, 400)
        energies = energies[(np.abs(energies[:, None] / edges - 1) > 0.03).all(axis=1)]
        a = anomalous(z, energy=energies, anomalous="cromer-liberman-repaired")
        b = anomalous(z, energy=energies, anomalous="chantler")
        np.testing.assert_allclose(a[0], b[0], atol=0.8)
        np.testing.assert_allclose(a[1], b[1], rtol=0.06)


# --- what the repair repairs ---


@pytest.mark.parametrize(("z", "energy"), [(18, 5900), (58, 3900), (83, 8150), (84, 8892)])
def test_repair_removes_false_resonances(z, energy):
    expected, _ = chantler(z, energy)
    published, _ = cromer_liberman(z, energy)
    repaired, _ = cromer_liberman(z, energy, repaired=True)
    assert abs(published - expected) > 2
    assert abs(repaired - expected) < 0.5


@pytest.mark.parametrize("repaired", [False, True])
def test_pole_of_a_heavy_k_shell_is_integrated(repaired):
    energies = np.array([1.01, 1.02, 1.1, 1.2, 1.5, 2.0]) * 80724.9
    f1, _ = cromer_liberman(79, energies, repaired=repaired)
    np.testing.assert_allclose(f1, chantler(79, energies)[0], atol=0.1)


@pytest.mark.parametrize("z", [18, 30, 58, 83])
def test_no_steps_where_an_energy_meets_a_node(z):
    nodes = np.setdiff1d(special_energies(z), special_energies(z)[::6])
    nodes = nodes[(nodes > 5000) & (nodes < 70000)]
    edges = special_energies(z)[::6]
    nodes = nodes[(np.abs(nodes[:, None] / edges - 1) > 0.1).all(axis=1)]
    offsets = np.concatenate([-np.geomspace(1e-3, 1e-12, 40), [0], np.geomspace(1e-12, 1e-3, 40)])
    f1, _ = cromer_liberman(z, nodes[:, None] * (1 + offsets), repaired=True)
    assert np.ptp(f1, axis=1).max() < 0.1


# --- laws ---


@pytest.mark.parametrize("source", SOURCES)
def test_absorption_is_never_negative_and_everything_finite(source):
    energies = np.geomspace(1000, 400000, 500)
    for z in ALL_Z:
        f1, f2 = anomalous(z, energy=energies, anomalous=source)
        assert np.isfinite(f1).all()
        assert np.isfinite(f2).all()
        assert (f2 >= 0).all()


@pytest.mark.parametrize("source", SOURCES)
def test_high_energies_leave_only_the_relativistic_correction(source):
    for z in ALL_Z:
        f1, f2 = anomalous(z, energy=9e5, anomalous=source)
        assert abs(f1) < 0.02 + 2e-4 * z**2
        assert f2 < 0.2


@pytest.mark.parametrize("source", CROMER_LIBERMAN)
def test_f_double_prime_jumps_up_and_f_prime_dips_at_an_edge(source):
    (f1, f2) = anomalous("Se", energy=[12600.0, 12657.0, 12659.0, 12720.0], anomalous=source)
    assert f2[2] > 5 * f2[1]
    assert max(f1[1], f1[2]) < min(f1[0], f1[3])


@pytest.mark.parametrize("repaired", [False, True])
def test_every_edge_itself_is_finite(repaired):
    for z in ALL_Z:
        f1, f2 = cromer_liberman(z, special_energies(z), repaired=repaired)
        assert np.isfinite([f1, f2]).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 92), st.lists(st.floats(200, 5e5), min_size=1, max_size=8))
def test_energies_do_not_know_of_each_other(z, energies):
    for source in SOURCES:
        together = anomalous(z, energy=energies, anomalous=source)
        alone = [np.ravel(anomalous(z, energy=[e], anomalous=source)) for e in energies]
        np.testing.assert_allclose(np.transpose(together), alone, rtol=1e-9, atol=1e-12)


# --- interfaces, shapes, errors ---


@pytest.mark.parametrize("repaired", [False, True])
def test_all_at_once_is_each_in_turn(repaired):
    together = cromer_liberman_all(12398.4, repaired=repaired)
    alone = [cromer_liberman(z, 12398.4, repaired=repaired) for z in range(93)]
    assert together.shape == (93, 2)
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-12)


def test_below_lithium_cromer_liberman_says_zero():
    assert cromer_liberman(z=2, energy=8000.0) == (0.0, 0.0)
    assert cromer_liberman(z=1, energy=np.ones(3))[0].shape == (3,)


@pytest.mark.parametrize("source", SOURCES)
def test_shapes(source):
    f1, f2 = anomalous("Fe", energy=8000, anomalous=source)
    assert type(f1) is float
    assert type(f2) is float
    for shape in [(0,), (1,), (3000,), (2, 3), (2, 0)]:
        a, b = anomalous("Fe", energy=np.full(shape, 8000.0), anomalous=source)
        assert a.shape == b.shape == shape
        np.testing.assert_allclose(a, f1, rtol=1e-12)
        np.testing.assert_allclose(b, f2, rtol=1e-12)


@pytest.mark.parametrize(
    "element", ["Se", "se", 34, np.int64(34), SimpleNamespace(atomic_number=34)]
)
def test_an_element_may_be_named_in_any_way(element):
    assert anomalous(element, energy=10332.0) == cromer_liberman(34, 10332.0)
    assert anomalous(element, wavelength=HC / 10332.0) == pytest.approx(cromer_liberman(34, 10332))


def test_names_of_sources_and_deuterium():
    assert anomalous("C", energy=8000, anomalous="cl") == anomalous("C", energy=8000)
    deuterium = anomalous("D", energy=8000, anomalous="chantler")
    assert deuterium == anomalous("H", energy=8000, anomalous="chantler")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("bad", [float("nan"), -1.0, 0.0, float("inf"), "Cu", [8000.0, -2.0], 2e6])
def test_bad_energies_are_refused(source, bad):
    with pytest.raises(EnergyError, match="got energy"):
        anomalous("Fe", energy=bad, anomalous=source)


def test_an_energy_outside_of_the_range_gives_an_error_with_the_range():
    with pytest.raises(EnergyError, match=r"0\.5 eV; expected 1\.01 to 966267 eV for Fe"):
        anomalous("Fe", energy=0.5, anomalous="chantler")
    with pytest.raises(EnergyError, match=r"12\.4 eV; .* from 100 to 1e\+06 eV"):
        anomalous("Fe", energy=12.4)  # keV, no doubt
    with pytest.raises(EnergyError, match="got wavelength = -1"):
        anomalous("Fe", wavelength=-1.0)
    with pytest.raises(EnergyError, match="expected one number"):
        cromer_liberman_all([8000.0, 9000.0])


def test_an_element_without_values_gives_an_error_with_the_range():
    for element in ("H", "D", "He", "Np", "X"):
        with pytest.raises(ElementError, match="Z = 3 to 92"):
            anomalous(element, energy=8000)
    with pytest.raises(ElementError, match="1 to 92"):
        anomalous("Np", energy=8000, anomalous="chantler")
    with pytest.raises(ElementError, match="92"):
        cromer_liberman(93, 8000)


@pytest.mark.parametrize("element", ["Qq", "", 0.5, None, 200, -1])
def test_unknown_elements_are_refused(element):
    with pytest.raises(ElementError):
        anomalous(element, energy=8000)


def test_contradictory_arguments_are_refused():
    with pytest.raises(ParameterError, match="neither"):
        anomalous("Fe")
    with pytest.raises(ParameterError, match="both"):
        anomalous("Fe", energy=8000, wavelength=1.5)
    with pytest.raises(ParameterError, match="chantler"):
        anomalous("Fe", energy=8000, anomalous="henke")
