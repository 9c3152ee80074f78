"""Figures of ensembles: what their sections hold, and that they are drawn and written."""

import numpy as np
import pytest

import friedel
from einstein_crystal import EinsteinCrystal
from friedel import ensemble

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module", name="result")
def result_fixture():
    crystal = EinsteinCrystal.made(cells=(1, 1, 2), frames=12)
    keywords = {"d_min": 3.0, "supercell": (1, 1, 2), "symmetry": "P 2 2 2"}
    return ensemble.run(crystal.pair, crystal.xyz, parts="element C", chunk=4, **keywords)


@pytest.mark.parametrize("position", [0.0, 0.5])
def test_a_section_has_each_value_at_its_indices_and_those_of_its_friedel_mate(result, position):
    from friedel.plots.ensemble import section

    p1 = friedel.Crystal(result.crystal.cell)
    cells = result.lattice.cells
    picture, limits = section(p1, cells, result.fractions, result.diffuse, 2, position)
    found = 0
    for (h, k, l), value in zip(result.fractions, result.diffuse, strict=True):
        for sign in (1, -1):
            if sign * l == position:
                at = (np.array([sign * h, sign * k]) + limits).astype(int)
                assert picture[tuple(at)] == value
                found += 1
    assert np.isfinite(picture).sum() == found


def test_symmetry_completes_a_section(result):
    from friedel.plots.ensemble import section

    averaged = result.laue_averaged()
    octant = (result.hkl >= 0).all(axis=1)
    arguments = result.crystal, result.lattice.cells
    values = averaged.fractions[octant], averaged.diffuse[octant]
    some, _ = section(*arguments, *values, 2, 0.5)
    every, _ = section(*arguments, averaged.fractions, averaged.diffuse, 2, 0.5)
    np.testing.assert_allclose(some, every)
    with pytest.raises(friedel.ParameterError, match="l = 0.25"):
        section(*arguments, *values, 2, 0.25)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [((1, 1, 1), (2, (0, 1))), ((2, 1, 1), (0, (0, 0.5))), ((4, 1, 3), (2, (0, 1 / 3)))],
)
def test_positions_of_sections(cells, expected):
    from friedel.plots.ensemble import section_positions

    found = section_positions(cells)
    assert found == expected if cells != (1, 1, 1) else found[1] == (0, 1)


def test_figures(result, tmp_path):
    from friedel import plot_ensemble

    figure = plot_ensemble(result, tmp_path / "pattern.png")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert "l = 0" in titles
    assert "l = 0.5" in titles
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert "diffuse, element C" in labels
    data = ensemble.DiffuseLattice(result.fractions, result.diffuse, name="mine")
    compared = plot_ensemble(result, tmp_path / "compared.pdf", comparison=result.compare(data))
    titles = [axes.get_title(loc="left") for axes in compared.axes]
    assert "l = 0.5, mine" in titles
    assert "all positions: CC 1.000" in titles
    assert (tmp_path / "pattern.png").stat().st_size > 10_000
    assert (tmp_path / "compared.pdf").exists()
    few = ensemble.DiffuseLattice(
        result.fractions[result.is_bragg], result.diffuse[result.is_bragg]
    )
    without_halves = plot_ensemble(result, comparison=result.compare(few))
    assert any("no values" in t.get_text() for axes in without_halves.axes for t in axes.texts)
    with pytest.raises(friedel.OutputError):
        plot_ensemble(result, tmp_path / "pattern.png")
