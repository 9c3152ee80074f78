"""Errors of commands when an optional package is missing come before any work."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
EXTRAS = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
OPTIONAL = {
    re.match(r"[\w-]+", name)[0]
    for extra, names in EXTRAS.items()
    if extra not in ("dev", "docs")
    for name in names
}


def reflections() -> Reflections:
    return Reflections(Crystal((5, 5, 5, 90, 90, 90)), np.array([[1, 0, 0]]), np.ones(1))


def isotope() -> complex:
    from friedel.scattering.formfactors import form_factor_table
    from friedel.scattering.formfactors.periodictable_lengths import periodictable_lengths

    for cached in (periodictable_lengths, form_factor_table):
        cached.cache_clear()
    return friedel.neutron_length("6Li", table="periodictable")


def trajectory() -> object:
    from friedel.readers.mdanalysis_trajectories import MDAnalysisTrajectory

    return MDAnalysisTrajectory(["top.psf"])


def nexus() -> None:
    from friedel.writers.nexus import write_intensity_lattice

    crystal, h = Crystal((5, 5, 5, 90, 90, 90)), np.array([[1, 0, 0]])
    write_intensity_lattice("a.nxs", crystal, h, (1, 1, 1), np.ones(1), np.ones(1))


FEATURES = {
    "matplotlib": lambda: friedel.plot_form_factors(["Fe"]),
    "pandas": lambda: reflections().to_dataframe(),
    "reciprocalspaceship": lambda: reflections().to_dataset(),
    "periodictable": isotope,
    "MDAnalysis": trajectory,
    "h5py": nexus,
    "torch": lambda: importlib.import_module("friedel.bridges.torch"),
    "jax": lambda: importlib.import_module("friedel.bridges.jax"),
}


@pytest.mark.parametrize("package", FEATURES)
def test_the_hint_installs_the_package_itself(monkeypatch, package):
    """Friedel may come from a clone or a wheel: pip need not find it under its name."""
    assert package in OPTIONAL
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"friedel.bridges.{package}", raising=False)
    with pytest.raises(friedel.MissingDependencyError, match=f" needs {package}: ") as caught:
        FEATURES[package]()
    assert str(caught.value).endswith(f": pip install {package}")


PLOTS = (
    ["fcalc", QUARTZ, "--dmin", 1, "--to-mtz", "OUT", "--plot-section"],
    ["fcalc", QUARTZ, "--dmin", 1, "--to-mtz", "OUT", "--plot-cost"],
    *(
        ["fmodel", "model.pdb", "data.mtz", "--to-mtz", "OUT", option]
        for option in ("--plot", "--plot-wilson", "--plot-outliers", "--plot-map")
    ),
    ["fprime", "Se", "--plot"],
    ["formfactor", "Fe", "--plot"],
)


@pytest.mark.parametrize(
    "arguments", PLOTS, ids=lambda arguments: f"{arguments[0]} {arguments[-1]}"
)
def test_matplotlib_is_missed_before_the_work(monkeypatch, capsys, tmp_path, arguments):
    """Models that do not exist are not even opened, and nothing is written or printed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    output = tmp_path / "fcalc.mtz"
    given = [output if x == "OUT" else x for x in arguments]
    code, out, err = run(capsys, *given, tmp_path / "figure.png")
    assert (code, out) == (2, "")
    assert err == "friedel: drawing a figure needs matplotlib: pip install matplotlib\n"
    assert not output.exists()


def test_brackets_are_quoted_in_the_hint():
    """zsh takes them for a pattern of file names otherwise."""
    error = friedel.MissingDependencyError.of("--scheduler", "dask[distributed]")
    assert str(error) == '--scheduler needs dask: pip install "dask[distributed]"'


def test_h5py_is_missed_before_the_work(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "h5py", None)
    for option in ("--to-nexus", "-o"):
        call = ("ensemble", "no-such.pdb", "--dmin", 3, option, tmp_path / "a.nxs")
        code, out, err = run(capsys, *call)
        assert (code, out) == (2, "")
        assert err == "friedel: writing NeXus files needs h5py: pip install h5py\n"


def test_dask_is_missed_before_the_work(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    call = ("ensemble", "no-such.pdb", "--dmin", 3, "--scheduler", "tcp://host:8786")
    code, out, err = run(capsys, *call)
    assert (code, out) == (2, "")
    assert err == 'friedel: --scheduler needs dask: pip install "dask[distributed]"\n'


@pytest.mark.parametrize("command", ["fcalc", "fmodel"])
def test_a_figure_of_unknown_kind_is_refused_before_the_work(capsys, tmp_path, command):
    pytest.importorskip("matplotlib")
    files = [tmp_path / "no.pdb"] if command == "fcalc" else [tmp_path / "no.pdb", tmp_path / "no"]
    option = "--plot-section" if command == "fcalc" else "--plot"
    code, _, err = run(capsys, command, *files, "--dmin", 2, option, tmp_path / "figure.xyz")
    assert code == 2
    assert "its ending should be one of" in err
