"""Figures: what they show, that they need no display, where they are written."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from friedel.errors import FriedelError, OutputError
from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.plots.data import plot_map, plot_outliers, plot_wilson
from friedel.plots.fmodel import plot_fmodel
from friedel.reflections.reflections import Reflections
from globule import CRYSTAL, globule, observed

pytest.importorskip("matplotlib")


def make(n_free: int = 80, d_min: float = 2.0, **options) -> FModel:
    crystal = Crystal((20, 22, 24, 90, 100, 90))
    rng = np.random.default_rng(0)
    atoms = Atoms.from_labels(["C"] * 40, rng.random((40, 3)) / 2, b_iso=10.0)
    hkl = crystal.unique_reflections(d_min)
    values = 20.0 * np.exp(-10 * crystal.stol2(hkl)) * rng.uniform(0.5, 1.5, len(hkl))
    free = np.arange(len(hkl)) < n_free
    return FModel((crystal, atoms), Reflections(crystal, hkl, values, free=free), **options)


@pytest.fixture(scope="module")
def fmodel() -> FModel:
    return make().fit()


def labels(figure) -> set[str]:
    return {text for axes in figure.axes for text in axes.get_legend_handles_labels()[1]}


def test_panels_and_labels(fmodel):
    figure = plot_fmodel(fmodel)
    top, bottom, correlation, right = figure.axes
    assert "correlation" in correlation.get_ylabel()
    assert top.get_ylabel() == "R-factor"
    assert "mean amplitude" in bottom.get_ylabel()
    assert right.get_ylabel() == "scale"
    assert "AA" in bottom.get_xlabel()
    text = " ".join(labels(figure))
    for part in ("R_{work}", "R_{free}", "F_{obs}", "F_{model}", "k_{overall}", "k_{mask}"):
        assert part in text


def test_shows_the_table(fmodel):
    figure = plot_fmodel(fmodel, n_shells=7)
    shells = fmodel.table(7)
    drawn = figure.axes[0].lines[0]
    np.testing.assert_allclose(drawn.get_ydata(), [s.r_work for s in shells])
    limits = [(s.d_max**-2, s.d_min**-2) for s in shells]
    assert all(a <= x <= b for x, (a, b) in zip(drawn.get_xdata(), limits, strict=True))


def test_resolution_axis_is_labelled_in_angstrom(fmodel):
    axes = plot_fmodel(fmodel).axes[1]
    ticks, texts = axes.get_xticks(), [t.get_text() for t in axes.get_xticklabels()]
    assert len(ticks) >= 5
    np.testing.assert_allclose(ticks, [float(t) ** -2 for t in texts])


def test_without_free_set_and_solvent():
    figure = plot_fmodel(make(n_free=0, solvent="none").fit())
    text = " ".join(labels(figure))
    assert "R_{free}" not in text
    assert "k_{mask}" not in text


def test_few_reflections(tmp_path):
    plot_fmodel(make(n_free=2, d_min=6.0).fit(), tmp_path / "few.png")


@pytest.mark.parametrize("name", ["plot.png", "plot.pdf", "plot.svg"])
def test_files(fmodel, tmp_path, name):
    plot_fmodel(fmodel, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 5000


def test_existing_file_is_kept(fmodel, tmp_path):
    path = tmp_path / "plot.png"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        plot_fmodel(fmodel, path)
    assert path.read_text() == "precious"
    plot_fmodel(fmodel, path, overwrite=True)
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ["plot.xyz", "plot", "missing/plot.png"])
def test_impossible_files(fmodel, tmp_path, name):
    with pytest.raises(OutputError):
        plot_fmodel(fmodel, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_not_fitted():
    with pytest.raises(FriedelError, match="call fit"):
        plot_fmodel(make())


def test_matplotlib_is_not_loaded_before_it_is_needed():
    code = "import sys, friedel.plots.fmodel; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wilson_plot_shows_the_means():
    fmodel = FModel((CRYSTAL, globule()), observed(noise=0.05)).fit()
    axes = plot_wilson(fmodel).axes[0]
    observed_means, of_model, _ = axes.lines
    assert [line.get_label() for line in axes.lines][:2] == ["$F_{obs}$", "$F_{model}$"]
    intensity = (fmodel.f_obs.values**2 / fmodel.crystal.epsilon(fmodel.f_obs.hkl))[fmodel.usable]
    n = len(observed_means.get_ydata())
    # shells are of nearly equal numbers: their mean is nearly the mean of all
    assert np.exp(observed_means.get_ydata()).sum() / n == pytest.approx(intensity.mean(), rel=0.02)
    np.testing.assert_allclose(of_model.get_ydata(), observed_means.get_ydata(), atol=0.1)


def test_outliers_are_marked():
    data = observed(noise=0.05)
    values = data.values.copy()
    strongest = int(np.argmax(values))
    values[strongest] *= 5.0
    spoilt = FModel((CRYSTAL, globule()), replace(data, values=values)).fit()
    left, right = plot_outliers(spoilt).axes
    marked = left.collections[1].get_offsets()
    assert len(marked) == len(spoilt.outliers) >= 1
    assert values[strongest] in marked[:, 1]
    assert "({} {} {})".format(*data.hkl[strongest]) in [t.get_text() for t in right.texts]


def test_map_section(fmodel, tmp_path):
    axes = plot_map(fmodel, tmp_path / "map.png", width=10.0).axes[0]
    assert axes.get_xlim()[1] - axes.get_xlim()[0] == pytest.approx(10.0)
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_data_report(tmp_path):
    """The line that is drawn has the B of the report; too few reflections are said."""
    from friedel.data_report.describe import describe_data
    from friedel.plots.data_report import plot_data_report

    data = observed()
    data.to_mtz(tmp_path / "data.mtz")
    report = describe_data(tmp_path / "data.mtz")
    figure = plot_data_report(report, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert f"line, $B$ = {report.wilson.b:.1f} $\\rm\\AA^2$" in labels(figure)
    line = next(x for x in figure.axes[0].lines if "line, " in str(x.get_label()))
    (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
    assert -2.0 * (y1 - y0) / (x1 - x0) == pytest.approx(report.wilson.b)
    few = plot_data_report(replace(report, wilson=None))
    assert any("too few" in text.get_text() for text in few.axes[0].texts)
