"""Completeness, multiplicity and signal by shell, with gemmi's count of reflections."""

import gemmi
import numpy as np
import pytest

from friedel.errors import ParameterError
from friedel.reflections.data_shells import data_shells, whole_range
from wilson_intensities import make_crystal

CELLS = {
    "P 21 21 21": (30, 40, 50, 90, 90, 90),
    "C 1 2 1": (50, 30, 40, 90, 110, 90),
    "R 3:H": (60, 60, 40, 90, 90, 120),
    "P 43 3 2": (60, 60, 60, 90, 90, 90),
}


@pytest.mark.parametrize("name", CELLS)
def test_possible_reflections_are_those_of_gemmi(name):
    crystal = make_crystal(name, CELLS[name])
    rng = np.random.default_rng(1)
    hkl = crystal.unique_reflections(2.5)
    hkl = hkl[rng.random(len(hkl)) < 0.8]
    values, counts = np.ones(len(hkl)), rng.integers(1, 5, len(hkl))
    shells = data_shells(crystal, hkl, values, 0.5 * values, counts)
    cell, group = gemmi.UnitCell(*crystal.cell), gemmi.SpaceGroup(name)
    d = crystal.d_spacing(hkl)
    for shell in shells:
        expected = gemmi.count_reflections(cell, group, shell.d_min, shell.d_max)
        inside = (d >= shell.d_min) & (d <= shell.d_max)
        assert shell.n_possible == expected
        assert shell.n == inside.sum()
        assert shell.completeness == shell.n / expected
        assert shell.multiplicity == pytest.approx(counts[inside].mean())
        assert (shell.mean, shell.mean_over_sigma) == (1.0, 2.0)
    volumes = [shell.d_min**-3 - shell.d_max**-3 for shell in shells]
    np.testing.assert_allclose(volumes, volumes[0], rtol=1e-6)
    total = whole_range(crystal, hkl, values, None, counts)
    assert total.n == sum(shell.n for shell in shells) == len(hkl)
    assert total.n_possible == sum(shell.n_possible for shell in shells)
    assert np.isnan(total.mean_over_sigma)


def test_few_reflections_make_fewer_shells():
    crystal = make_crystal("P 1", (10, 11, 12, 90, 90, 90))
    hkl = crystal.unique_reflections(3.0)
    ones = np.ones(len(hkl))
    assert len(data_shells(crystal, hkl, ones, ones, ones)) == len(hkl) // 40
    assert len(data_shells(crystal, hkl[:1], ones[:1], ones[:1], ones[:1])) == 1
    assert len(data_shells(crystal, hkl, ones, ones, ones, 7)) == 7
    with pytest.raises(ParameterError, match="0 resolution shells"):
        data_shells(crystal, hkl, ones, ones, ones, 0)


def test_shells_may_be_empty_and_sigmas_zero():
    crystal = make_crystal("P 1", (10, 11, 12, 90, 90, 90))
    hkl = np.array([[1, 0, 0], [5, 0, 0]])
    shells = data_shells(crystal, hkl, np.ones(2), np.array([0.5, 0.0]), np.ones(2), 4)
    assert [shell.n for shell in shells] == [1, 0, 0, 1]
    assert np.isnan(shells[1].mean)
    assert shells[0].mean_over_sigma == 2.0
    assert np.isnan(shells[3].mean_over_sigma)
