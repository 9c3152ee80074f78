"""Reflections as text, read again; and structure factors of other programs."""

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.errors import FileFormatError, OutputError, ParameterError, ReflectionsError

pytest.importorskip("gemmi")


@pytest.fixture
def f():
    crystal = friedel.Crystal.from_triplets((9, 10, 11, 90, 95, 90), ["-x,y+1/2,-z"])
    atoms = friedel.Atoms.from_labels(["Fe", "O"], [[0.1, 0.2, 0.3], [0.4, 0.4, 0.1]], b_iso=9.0)
    return friedel.fcalc((crystal, atoms), d_min=1.5)


def read_hklf(path):
    """(n, 3) indices and (n, 2) numbers by column, as SHELX reads them: 3I4, 2F8."""
    lines = path.read_text().splitlines()
    hkl = np.array([[int(line[i : i + 4]) for i in (0, 4, 8)] for line in lines])
    numbers = np.array([[float(line[i : i + 8]) for i in (12, 20)] for line in lines])
    assert not hkl[-1].any()
    return hkl[:-1], numbers[:-1]


@pytest.mark.parametrize("ending", ["mtz", "cif"])
def test_mtz_and_mmcif_come_back(f, tmp_path, ending):
    path = tmp_path / f"f.{ending}"
    getattr(f, f"to_{ending}")(path)
    found = friedel.read_calculated(path)
    np.testing.assert_array_equal(found.hkl, f.hkl)
    # float32, written with six digits
    assert friedel.agreement(f, found.values).relative_rmse < 1e-5


def test_mmcif_whatever_the_labels(f, tmp_path):
    free = np.arange(len(f)) % 20 == 0
    labels = {"label": "F-obs-filtered", "free": free, "sigmas": 0.1 * f.amplitudes + 0.1}
    friedel.Reflections(f.crystal, f.hkl, f.amplitudes, **labels).to_cif(tmp_path / "obs.cif")
    found = friedel.as_reflections(tmp_path / "obs.cif")
    np.testing.assert_allclose(found.values, f.amplitudes, rtol=1e-5)
    np.testing.assert_array_equal(found.free, free)
    assert found.sigmas is not None
    friedel.Reflections(f.crystal, f.hkl, f.values, label="FMODEL").to_cif(tmp_path / "f.cif")
    model = friedel.read_calculated(tmp_path / "f.cif")
    assert friedel.agreement(f, model.values).relative_rmse < 1e-5


def test_csv(f, tmp_path):
    path = tmp_path / "f.csv"
    f.to_csv(path)
    rows = np.genfromtxt(path, delimiter=",", names=True)
    assert rows.dtype.names == ("h", "k", "l", "FC", "PHIC")
    np.testing.assert_allclose(rows["FC"], f.amplitudes, rtol=1e-7)
    with pytest.raises(OutputError):
        f.to_csv(path)


@pytest.mark.parametrize(("code", "power"), [(3, 1), (4, 2)])
def test_hklf(f, tmp_path, code, power):
    f.to_hklf(tmp_path / "f.hkl", code=code)
    hkl, numbers = read_hklf(tmp_path / "f.hkl")
    np.testing.assert_array_equal(hkl, f.hkl)
    np.testing.assert_allclose(numbers[:, 0], f.amplitudes**power, atol=0.005001)
    assert (numbers[:, 1] == 1.0).all()


def test_hklf_of_uncertain_large_and_friedel_pairs(f, tmp_path):
    values = np.geomspace(1.0, 3e3, len(f))
    measured = friedel.Reflections(f.crystal, f.hkl, values, 0.1 * values)
    measured.to_hklf(tmp_path / "a.hkl")
    _, numbers = read_hklf(tmp_path / "a.hkl")
    np.testing.assert_allclose(numbers[:, 0], values**2, rtol=1e-3, atol=0.005)
    np.testing.assert_allclose(numbers[:, 1], 0.2 * values**2, rtol=1e-3, atol=0.005)
    too_large = friedel.Reflections(f.crystal, f.hkl, values * 1e3)
    with pytest.raises(OutputError, match="cannot hold"):
        too_large.to_hklf(tmp_path / "b.hkl")
    with pytest.raises(ParameterError):
        f.to_hklf(tmp_path / "b.hkl", code=5)
    pairs = friedel.fcalc(QUARTZ, d_min=1.5, wavelength=1.54, friedel_pairs=True)
    pairs.to_hklf(tmp_path / "c.hkl", code=3)
    hkl, numbers = read_hklf(tmp_path / "c.hkl")
    np.testing.assert_array_equal(hkl[1::2], -pairs.hkl)
    np.testing.assert_allclose(numbers[1::2, 0], np.abs(pairs.minus), atol=0.005001)
    assert not (tmp_path / "b.hkl").exists()


def test_the_command_writes_them_all(capsys, tmp_path):
    names = {
        "--to-mtz": "a.mtz",
        "--to-cif": "a.cif",
        "--to-hkl": "4.hkl",
        "--to-hkl3": "3.hkl",
        "--to-csv": "a.csv",
        "--write-map": "a.ccp4",
    }
    options = [x for option, name in names.items() for x in (option, tmp_path / name)]
    assert run(capsys, "fcalc", QUARTZ, "--dmin=1", *options)[:2] == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == set(names.values())
    assert run(capsys, "fcalc", QUARTZ, "--hkl=1,1,1", "--write-map", tmp_path / "b.ccp4")[0] == 2
    code, out, _ = run(capsys, "fcalc", QUARTZ, "--compare", tmp_path / "a.cif", "--dmin=1.2")
    assert (code, "F_calc" in out) == (0, True)
    for wrong in (["--f=NOPE"], ["--phi=NOPE"], ["--dmin=90"]):
        assert run(capsys, "fcalc", QUARTZ, "--compare", tmp_path / "a.mtz", *wrong)[0] == 2


def test_figures_of_a_model(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    names = [tmp_path / f"{x}.png" for x in ("section", "cost")]
    options = ["--plot-section", names[0], "--plot-cost", names[1]]
    assert run(capsys, "fcalc", QUARTZ, "--dmin=1", *options)[0] == 0
    assert all(name.read_bytes().startswith(b"\x89PNG") for name in names)
    figure = friedel.plot_cost(QUARTZ, d_min=1.0)
    asked, achieved = (line.get_ydata() for line in figure.axes[0].lines[:2])
    assert (achieved <= asked).all()
    assert figure._repr_png_().startswith(b"\x89PNG")
    grid = friedel.model_density(QUARTZ, d_min=1.0)
    section = friedel.plot_section(grid, axis="a", position=1.25).axes[0]
    plane = grid.array[round(0.25 * grid.shape[0])]
    np.testing.assert_array_equal(section.collections[0].get_array(), plane)
    for wrong in ({"axis": "x"}, {"position": np.nan}):
        with pytest.raises(ParameterError):
            friedel.plot_section(grid, **wrong)


def test_maps_in_files_are_drawn_and_searched(tmp_path):
    pytest.importorskip("matplotlib")
    grid, path = friedel.model_density(QUARTZ, d_min=1.0), tmp_path / "a.ccp4"
    grid.to_ccp4(path)
    planes = [
        friedel.plot_section(x, axis="a").axes[0].collections[0].get_array() for x in (grid, path)
    ]
    np.testing.assert_array_equal(*planes)
    found, expected = (friedel.find_peaks(x, n=1) for x in (path, grid))
    np.testing.assert_allclose(found.height, expected.height, rtol=1e-6)


def test_the_density_holds_all_electrons():
    """Its sum is F(000), but for what is beyond the radii."""
    crystal = friedel.Crystal.from_triplets((9, 10, 11, 80, 95, 100), ["-x,-y,-z"])
    atoms = friedel.Atoms.from_labels(["Fe", "O"], [[0.1, 0.2, 0.3], [0.4, 0.4, 0.1]], b_iso=20.0)
    grid = friedel.model_density((crystal, atoms), d_min=1.5, cutoff=1e-7)
    exact = friedel.fcalc((crystal, atoms), hkl=[[0, 0, 0]]).values[0].real
    assert grid.array.mean(dtype=float) * crystal.volume == pytest.approx(exact, rel=1e-4)
    for wrong in ({"d_min": 0.0}, {"d_min": 1, "rate": 0.5}, {"d_min": 2, "source": "mott-bethe"}):
        with pytest.raises(friedel.FriedelError):
            friedel.model_density((crystal, atoms), **wrong)


def test_agreement_of_amplitudes_and_phases(f):
    turned = friedel.agreement(f, f.values * np.exp(0.1j))
    assert turned.r == pytest.approx(0.0, abs=1e-12)
    assert turned.mean_phase_difference == pytest.approx(np.degrees(0.1))
    assert turned.relative_rmse == pytest.approx(2 * np.sin(0.05))
    assert turned.cc == pytest.approx(np.cos(0.1))
    amplitudes = friedel.agreement(f, 2 * f.amplitudes)
    assert (amplitudes.r, amplitudes.power_ratio) == pytest.approx((0.5, 0.25))
    assert amplitudes.cc == pytest.approx(1.0)
    noisy = f.amplitudes[::-1]
    expected = np.corrcoef(f.amplitudes, noisy)[0, 1]
    assert friedel.agreement(f, noisy).cc == pytest.approx(expected)
    assert "dPhi" not in str(amplitudes)
    assert friedel.agreement(f, friedel.Reflections(f.crystal, f.hkl, 3 * f.values)).cc == 1.0
    others = friedel.Reflections(f.crystal, f.hkl[::-1], f.values[::-1])
    for wrong in (f.values[1:], np.zeros(len(f)), others):
        with pytest.raises(ReflectionsError):
            friedel.agreement(f, wrong)


def test_files_without_calculated_values(tmp_path):
    for text in ("", "data_a\n", "data_a\nloop_\n_refln_index_h\n_refln_index_k\n1 1\n", "MTZ "):
        path = tmp_path / "a.cif"
        path.write_text(text)
        with pytest.raises(FileFormatError):
            friedel.read_calculated(path)
    with pytest.raises(FileFormatError):
        friedel.read_calculated(tmp_path / "missing.mtz")


def test_notebooks_show_tables(f):
    model = friedel.as_model(QUARTZ)
    for thing, words in (
        (f, ("FC", "PHIC", f"and {len(f) - 5} more")),
        (model.atoms, ("Si", "sum of occupancies", "0.50")),
        (model.crystal, ("P 32 2 1", "5.4054")),
    ):
        html = thing._repr_html_()
        assert html.startswith("<table>")
        assert all(word in html for word in words), html
        assert len(repr(thing)) < 100
