"""The line of a Wilson plot gives back the B and the scale of simulated intensities."""

import numpy as np
import pytest

import friedel
from friedel.reflections.wilson import WilsonLine, wilson_line
from wilson_intensities import make_crystal, wilson

CELLS = {
    "P 1": (40, 45, 50, 80, 95, 100),
    "C 1 2 1": (90, 50, 60, 90, 110, 90),
    "P 43 21 2": (60, 60, 90, 90, 90, 90),
    "F 2 3": (120, 120, 120, 90, 90, 90),
}


@pytest.mark.parametrize("b", [8.0, 35.0])
@pytest.mark.parametrize("name", CELLS)
def test_b_and_scale_come_back(name, b):
    """Within four uncertainties; epsilon and the centring are allowed for."""
    crystal = make_crystal(name, CELLS[name])
    hkl = crystal.unique_reflections(2.0)
    expected = 1e5 * np.exp(-5.0 * crystal.stol2(hkl))
    multiple = len(crystal.centring_translations)
    mean = 0.3 * multiple * expected * np.exp(-2.0 * b * crystal.stol2(hkl))
    found = wilson_line(crystal, hkl, wilson(crystal, hkl, mean), expected)
    assert isinstance(found, WilsonLine)
    assert found.b == pytest.approx(b, abs=4.0 * found.b_sigma)
    assert found.b_sigma < 1.0
    assert found.scale == pytest.approx(0.3, rel=0.15)
    assert found.d_max <= 4.0
    assert len(found.stol2) == len(found.log_ratio) == len(found.fitted)


@pytest.mark.parametrize("name", ["C 1 2 1", "P 43 21 2", "I 4 3 2"])
def test_real_structure_factors_are_on_the_absolute_scale(name):
    """Atoms at random positions have k = 1 and their own B, whatever the symmetry."""
    cells = {**CELLS, "I 4 3 2": (110, 110, 110, 90, 90, 90)}
    crystal = make_crystal(name, cells[name])
    atoms = friedel.Atoms.from_labels(
        ["C"] * 300, np.random.default_rng(2).random((300, 3)), b_iso=20.0
    )
    fc = friedel.fcalc((crystal, atoms), d_min=2.0)
    f = friedel.form_factor_table("it92").f("C", fc.stol2)
    n_atoms = 300 * crystal.n_operations
    found = wilson_line(crystal, fc.hkl, fc.amplitudes**2, n_atoms * f**2)
    assert found.b == pytest.approx(20.0, abs=max(1.0, 4.0 * found.b_sigma))
    assert found.scale == pytest.approx(1.0, rel=0.2)


def test_uncertainty_is_that_of_the_scatter():
    crystal = make_crystal("P 1", CELLS["P 1"])
    hkl = crystal.unique_reflections(2.5)
    mean = np.exp(-40.0 * crystal.stol2(hkl))
    found = [wilson_line(crystal, hkl, wilson(crystal, hkl, mean, i), 0 * mean + 1.0)
             for i in range(60)]  # fmt: skip
    deviations = np.array([(line.b - 20.0) / line.b_sigma for line in found])
    assert 0.7 < deviations.std() < 1.4
    assert abs(deviations.mean()) < 0.5


def test_low_resolution_uses_all_shells():
    crystal = make_crystal("P 1", CELLS["P 1"])
    hkl = crystal.unique_reflections(4.5)
    intensity = wilson(crystal, hkl, np.exp(-40.0 * crystal.stol2(hkl)))
    found = wilson_line(crystal, hkl, intensity, np.ones(len(hkl)))
    assert all(found.fitted)
    assert found.d_max > 10.0


def test_too_few_reflections_are_said():
    crystal = make_crystal("P 1", (8, 9, 10, 90, 90, 90))
    hkl = crystal.unique_reflections(3.0)
    assert "a line needs 4" in wilson_line(crystal, hkl, np.ones(len(hkl)), np.ones(len(hkl)))
    assert "0 points" in wilson_line(crystal, hkl, -np.ones(len(hkl)), np.ones(len(hkl)))
