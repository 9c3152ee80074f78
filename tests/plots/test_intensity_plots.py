"""Figures of small structures: what is drawn, files, few reflections, what cannot be drawn."""

import numpy as np
import pytest

import friedel
from friedel.readers.reflection_lists import ReflectionList

pytest.importorskip("matplotlib")

WAVELENGTH = 0.71073


@pytest.fixture(scope="module")
def fit():
    crystal = friedel.Crystal.from_triplets((7.3, 7.3, 9.1, 90, 90, 120), ["-y,x-y,z"])
    frac = np.random.default_rng(3).random((6, 3))
    atoms = friedel.Atoms.from_labels(["Fe", "S", "O", "N", "C", "C"], frac, b_iso=1.2)
    hkl = crystal.unique_reflections(0.9)
    hkl = np.concatenate([hkl, -hkl[~crystal.is_centric(hkl)]])
    f = friedel.fcalc((crystal, atoms), hkl=hkl, method="direct", wavelength=WAVELENGTH)
    mates = friedel.fcalc((crystal, atoms), hkl=-hkl, method="direct", wavelength=WAVELENGTH)
    f2 = 0.8 * f.amplitudes**2 + 0.2 * mates.amplitudes**2
    sigmas = 0.02 * f2 + 2.0
    data = ReflectionList(hkl, f2 + sigmas * np.random.default_rng(1).normal(size=len(hkl)), sigmas)
    return friedel.fit_intensities((crystal, atoms), data, wavelength=WAVELENGTH)


def test_panels_show_the_fit(fit):
    intensities, probability, resolution, strength, *_ = friedel.plot_intensities(fit).axes
    assert intensities.get_xscale() == intensities.get_yscale() == "log"
    points = np.asarray(intensities.collections[0].get_offsets())
    strong = fit.f2 > 10 * fit.sigmas
    np.testing.assert_allclose(points[strong, 1], (fit.f2 / fit.correction)[strong])
    np.testing.assert_allclose(points[strong, 0], (fit.f2_model / fit.correction)[strong])
    residuals = np.asarray(probability.collections[0].get_offsets())
    drawn = np.sqrt(fit.weights) * (fit.f2 - fit.f2_model)
    np.testing.assert_allclose(residuals[:, 1], np.sort(drawn))
    # of normal errors with right sigmas: the slope is 1
    slope = np.polyfit(*residuals.T, 1)[0]
    assert slope == pytest.approx(fit.goodness_of_fit, rel=0.05)
    r1 = resolution.lines[0].get_ydata()
    assert r1.min() < fit.r1_all < r1.max()
    assert "AA" in resolution.get_xlabel()
    assert strength.lines[0].get_ydata()[0] > strength.lines[0].get_ydata()[-1]


def test_bijvoet_pairs_and_their_line(fit):
    absolute = fit.absolute_structure
    quotients, differences = friedel.plot_bijvoet_pairs(fit).axes
    points = np.asarray(quotients.collections[-1].get_offsets())
    some = absolute.selected
    np.testing.assert_allclose(points, np.stack([absolute.q_calc, absolute.q_obs], 1)[some])
    for axes, found in (
        (quotients, absolute.by_quotients),
        (differences, absolute.by_differences),
    ):
        line = axes.lines[-1]
        x, y = line.get_data()
        assert y[1] / x[1] == pytest.approx(1 - 2 * found.value)
        assert str(found) in line.get_label()


@pytest.mark.parametrize("draw", [friedel.plot_intensities, friedel.plot_bijvoet_pairs])
def test_files(fit, tmp_path, draw):
    for name in ("plot.png", "plot.pdf", "plot.svg"):
        draw(fit, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
    with pytest.raises(friedel.OutputError, match="exists"):
        draw(fit, tmp_path / "plot.png")
    draw(fit, tmp_path / "plot.png", overwrite=True)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_few_reflections(fit, tmp_path, n):
    data = ReflectionList(fit.hkl[:n], fit.f2[:n], fit.sigmas[:n])
    few = friedel.fit_intensities((fit.crystal, fit.atoms), data, wavelength=WAVELENGTH)
    friedel.plot_intensities(few, tmp_path / "few.png")


def test_no_pairs_to_draw(fit):
    data = ReflectionList(fit.hkl, fit.f2, fit.sigmas)
    without = friedel.fit_intensities((fit.crystal, fit.atoms), data)
    with pytest.raises(friedel.ReflectionsError, match="Bijvoet pairs"):
        friedel.plot_bijvoet_pairs(without)
