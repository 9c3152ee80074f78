"""``friedel fprime`` and ``formfactor``: an element alone, lists, marks and zoom of the figure."""

import json

import numpy as np
import pytest

import friedel
from commands import run
from friedel.scattering.dispersion.common_energies import K_ALPHA, common_energies, main_edge


@pytest.mark.parametrize("source", ["cromer-liberman", "chantler"])
def test_an_element_alone(capsys, source):
    code, out, _ = run(capsys, "fprime", "Se", "--anomalous", source)
    assert code == 0
    first, header, *rows = out.splitlines()
    assert first.startswith("Se: edges K 12657.8, L1 ")
    assert header.split() == ["E[eV]", "Wavelength[A]", "f'", 'f"']
    assert [row[:20].strip() for row in rows] == [
        *(f"{anode} K-alpha" for anode in K_ALPHA),
        *(f"K {name}" for name in ("inflection", "peak", "remote")),
    ]
    for row in rows:
        energy, wavelength, f1, f2 = map(float, row[20:].split())
        assert energy * wavelength == pytest.approx(12398.4, rel=1e-5)
        expected = friedel.anomalous("Se", energy=[energy], anomalous=source)
        # six digits of the energy are printed; beside the edge f' changes by 1 in 0.1 eV
        assert (f1, f2) == pytest.approx([float(x[0]) for x in expected], abs=2e-3)


def test_peak_and_inflection_are_the_extremes_of_the_source():
    names, energies = common_energies("Se", "chantler")
    at = dict(zip(names, energies, strict=True))
    near = np.arange(12600.0, 12720.0)
    f1, f2 = friedel.anomalous("Se", energy=near, anomalous="chantler")
    assert at["K inflection"] == near[f1.argmin()]
    assert at["K peak"] == near[f2.argmax()]
    assert at["K inflection"] < at["K peak"] < at["K remote"]
    assert main_edge("Hg")[0] == "L1"  # the highest below 50 keV
    assert main_edge("C") is None
    assert len(common_energies("C")[0]) == len(K_ALPHA)


def test_wavelengths_of_anodes():
    """Means of K-alpha1 and K-alpha2, in Å, of International Tables C 4.2.2."""
    doublets = {"Cr": (2.28973, 2.29365), "Cu": (1.54059, 1.54443), "Mo": (0.70932, 0.71361),
                "Ag": (0.55942, 0.56381)}  # fmt: skip
    for anode, (one, two) in doublets.items():
        assert K_ALPHA[anode] == pytest.approx((2 * one + two) / 3, abs=2e-5)


def test_elements_that_a_source_lacks_are_left_out_of_a_list(capsys):
    code, out, err = run(capsys, "fprime", "H", "C", "He", "Se", "-e", 9000)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["C", "Se"]
    assert err.count("left out") == 1
    assert err.startswith("friedel: note: H, He left out: got element 'H' (Z = 1)")
    assert run(capsys, "fprime", "H", "He", "-e", 9000)[:2] == (2, "")
    assert run(capsys, "fprime", "C", "Qq", "-e", 9000)[:2] == (2, "")  # no element at all


def test_atoms_that_tables_lack_are_left_out_of_a_list(capsys):
    code, out, err = run(capsys, "formfactor", "Fe9+", "Fe", "C9+", "-n", 2)
    assert code == 0
    assert out.splitlines()[0].split() == ["stol[1/Å]", "Fe", "it92"]
    assert err.startswith("friedel: note: Fe9+, C9+ left out: it92 has no form factor of Fe9+")
    assert len(err.splitlines()) == 1


def test_a_table_that_has_none_of_the_atoms_has_no_panel(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    figure = friedel.plot_form_factors(["C"], tables=["it92", "peng98"])
    assert len(figure.axes) == 1
    call = ("formfactor", "C", "-t", "it92", "-t", "peng98", "--plot", tmp_path / "c.png")
    assert run(capsys, *call)[0] == 0


def test_json_with_notes_and_csv(capsys, tmp_path):
    target = tmp_path / "se.csv"
    call = ("fprime", "Se", "-e", 12660, "--anomalous", "chantler")
    code, out, _ = run(capsys, *call, "--json", "-", "--to-csv", target)
    assert code == 0
    found = json.loads(out)
    assert found["command"].startswith("friedel fprime Se -e 12660")
    assert "edge K" in found["notes"][0]["text"]
    assert found["rows"][0]["energy_eV"] == 12660
    assert target.read_text().startswith("element,energy_eV,wavelength_A,f_prime,f_double_prime\n")
    assert run(capsys, *call, "--format", "json")[2].count("--format json is --json - now") == 1


def test_the_figure_marks_the_energy_and_zooms(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    figure = friedel.plot_dispersion(["Se"], marks=[12662.0, 1.0], zoom="K")
    top, bottom = figure.axes[:2]
    low, high = bottom.get_xlim()
    assert (low, high) == pytest.approx((12.6578 * 0.99, 12.6578 * 1.01), rel=1e-6)
    for axes in (top, bottom):
        assert any(list(line.get_xdata()) == [12.662, 12.662] for line in axes.lines)
    assert "12662 eV" in [text.get_text() for text in bottom.texts]
    with pytest.raises(friedel.ParameterError, match="has no edge M5"):
        friedel.plot_dispersion(["C"], zoom="M5")
    with pytest.raises(friedel.ParameterError, match="either a range"):
        friedel.plot_dispersion(["Se"], zoom="K", energy=(1e4, 2e4))
    target = tmp_path / "se.png"
    code, out, err = run(capsys, "fprime", "Se", "-e", 12662, "--plot", target, "--zoom", "K")
    assert code == 0, err
    assert len(out.splitlines()) == 2  # the value is printed as well
    assert target.stat().st_size > 5000
    code, _, err = run(capsys, "fprime", "Se", "--zoom", "K")
    assert (code, err) == (2, "friedel: --zoom is for a figure: give --plot FILE\n")


def test_figures_of_one_element():
    """Its name is no list of letters."""
    pytest.importorskip("matplotlib")
    assert len(friedel.plot_dispersion("Se").axes) == len(friedel.plot_dispersion(["Se"]).axes)
    lines = friedel.plot_form_factors("Fe2+").axes[0].lines
    assert len(lines) == len(friedel.plot_form_factors(["Fe2+"]).axes[0].lines)
