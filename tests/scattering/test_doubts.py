"""Doubtful f' and f'': what is warned of, by which argument, and what is not."""

import numpy as np
import pytest

import friedel
from friedel.model.elements import element_record
from friedel.scattering.dispersion import (
    chantler,
    covers,
    cromer_liberman,
    dispersion_notes,
)
from friedel.scattering.dispersion.cromer_liberman import peaked_edges
from friedel.scattering.dispersion.doubts import FALSE, NEAR_EDGE
from friedel.scattering.dispersion.edges import absorption_edges


def text_of(element, energy, source="cromer-liberman"):
    return " ".join(dispersion_notes(element, energy, source))


@pytest.mark.parametrize(("symbol", "energy"), [("Bi", 8150.0), ("Ar", 5896.0), ("Ce", 3900.0)])
def test_known_false_resonances_are_said(symbol, energy):
    (note,) = dispersion_notes(symbol, energy)
    assert note.kind == "warning"
    assert "false resonance" in note
    assert "--anomalous chantler" in note
    published, repaired = (
        cromer_liberman(element_record(symbol).atomic_number, energy, repaired=x)[0]
        for x in (False, True)
    )
    assert note.number == pytest.approx(abs(published - repaired))
    assert not dispersion_notes(symbol, energy, "cromer-liberman-repaired")
    assert not dispersion_notes(symbol, energy, "chantler")


def test_no_difference_from_chantler_goes_unsaid():
    # The whole range of diffraction, all elements: what is off by more than an electron is an
    # edge or a false resonance
    energies = np.exp(np.arange(np.log(4400.0), np.log(70000.0), 1e-3))
    said = total = 0
    for z in range(3, 93):
        f1 = cromer_liberman(z, energies)[0]
        repaired = cromer_liberman(z, energies, repaired=True)[0]
        edges = np.array(list(absorption_edges(z).values()))
        near = np.abs(energies[:, None] / edges - 1.0).min(axis=1) <= NEAR_EDGE
        flagged = near | (np.abs(f1 - repaired) > FALSE)
        off = np.abs(f1 - chantler(z, energies)[0]) > 1.0
        assert not (off & ~flagged).any(), z
        said, total = said + int(flagged.sum()), total + energies.size
    assert said / total < 0.02


@pytest.mark.parametrize("source", ["cromer-liberman", "cromer-liberman-repaired", "chantler"])
def test_edges_are_said_of_every_source(source):
    edge = absorption_edges("Se")["K"]
    for energy in (0.9951 * edge, edge, 1.0049 * edge):
        (note,) = dispersion_notes("Se", energy, source)
        assert "edge K (12657.8 eV)" in note
        assert ("--anomalous chantler" in note) == (source != "chantler")
    for energy in (0.9949 * edge, 1.0051 * edge):
        assert not dispersion_notes("Se", energy, source)


def test_false_peaks_of_the_tables_are_said():
    assert "false peak" in text_of("W", 1900.0)
    assert "false peak" in text_of("W", 1900.0, "cromer-liberman-repaired")
    assert not text_of("W", 1900.0, "chantler")
    assert not text_of("W", 2200.0)
    peaked = [z for z in range(3, 93) if len(peaked_edges(z))]
    assert peaked == [*range(30, 37), *range(60, 88)]


def test_a_scan_tells_how_many_energies_and_which():
    (note,) = dispersion_notes("Se", np.linspace(12000.0, 13000.0, 11))
    assert "at 2 of 11 energies (12600 to 12700 eV)" in note
    assert not dispersion_notes("Se", np.empty(0))


@pytest.mark.parametrize("symbol", ["H", "D", "X", "Am"])
def test_elements_without_edges_have_no_doubts(symbol):
    assert not dispersion_notes(symbol, 8000.0)


def test_the_function_warns_of_one_energy_and_not_of_many():
    with pytest.warns(friedel.errors.FriedelWarning, match="false resonance"):
        f1, _ = friedel.anomalous("Bi", energy=8150.0)
    assert f1 == pytest.approx(-455.18, abs=0.01)
    with pytest.warns(friedel.errors.FriedelWarning, match="edge K"):
        friedel.anomalous("Se", wavelength=0.9795, anomalous="chantler")
    friedel.anomalous("Bi", energy=[8150.0, 9000.0])


def test_coverage():
    assert not covers("Am")
    assert not covers("H")
    assert covers("H", "chantler")
    assert covers("U", "cl")
    with pytest.raises(friedel.ParameterError):
        covers("U", "none")
