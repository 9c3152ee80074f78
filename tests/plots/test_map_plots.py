"""Figures of maps: legends and names lie neither on curves nor on each other."""

import numpy as np
import pytest

import friedel
from friedel.map_model.fsc import FSC
from friedel.maps.residue_agreement import ResidueAgreement

pytest.importorskip("matplotlib")


def test_the_legend_of_an_fsc_is_above_the_curves():
    x = np.linspace(0.02, 0.5, 20)
    curves = [1.0 / (1.0 + np.exp(20.0 * (x - end))) for end in (0.4, 0.3, 0.35, 0.05)]
    figure = friedel.plot_fsc(FSC(x, np.full(20, 100), *curves))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1 - 1.0


def test_names_of_poor_residues_do_not_overlap():
    n = 80
    cc = np.full(n, 0.95)
    cc[[30, 31, 60, 78, 79]] = 0.70, 0.71, 0.5, 0.65, 0.76
    number = np.arange(1, n + 1).astype(str)
    names, ones = np.full(n, "ALA"), np.ones(n)
    residues = ResidueAgreement(
        np.full(n, "A"), number, names, np.full(n, 5), ones, ones, cc, ones, 1.5
    )
    figure = friedel.plot_residues(residues)
    figure.draw_without_rendering()
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == ["ALA 61", "ALA 79", "ALA 31", "ALA 80"]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_logarithmic_axis_of_form_factors_has_plain_numbers():
    figure = friedel.plot_form_factors(["Fe"], tables=["lobato14"])
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_ylim()
    ticks = figure.axes[0].yaxis.get_major_ticks()
    shown = [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]
    assert shown == ["0.2", "0.5", "1", "2", "5"]
