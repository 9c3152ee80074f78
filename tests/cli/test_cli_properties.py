"""The commands fprime and formfactor, and the options of fcalc that choose form factors."""

import csv
import io
import json
import sys

import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.cli.output import echo
from friedel.scattering.dispersion.edges import absorption_edges

gemmi = pytest.importorskip("gemmi")


@pytest.mark.parametrize("err", [False, True])
@pytest.mark.parametrize(
    ("encoding", "printed"),
    [("utf-8", "1.5 Å\n"), ("cp1252", "1.5 Å\n"), ("ascii", "1.5 A\n"), ("cp1251", "1.5 A\n")],
)
def test_lengths_are_printed_in_any_encoding(monkeypatch, err, encoding, printed):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
    monkeypatch.setattr(sys, "stderr" if err else "stdout", stream)
    echo("1.5 Å", err=err)
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == printed


class TestFprime:
    def test_csv_and_json_say_the_same_to_all_digits(self, capsys):
        call = (
            "fprime",
            "Se",
            "Fe",
            "-e",
            "9000",
            "-w",
            "0.9:1.1",
            "-n",
            3,
            "--anomalous",
            "chantler",
        )
        _, text, _ = run(capsys, *call, "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        _, text, _ = run(capsys, *call, "--format", "json")
        objects = json.loads(text)
        assert len(rows) == len(objects) == 8
        for row, found in zip(rows, objects, strict=True):
            assert {k: str(v) for k, v in found.items()} == row
            expected = friedel.anomalous(
                found["element"], energy=found["energy_eV"], anomalous="chantler"
            )
            assert (found["f_prime"], found["f_double_prime"]) == pytest.approx(expected)
            assert found["energy_eV"] * found["wavelength_A"] == pytest.approx(12398.4197)

    def test_repaired_source(self, capsys):
        values = [
            float(run(capsys, "fprime", "Bi", "-w", 1.5406, "--anomalous", source)[1].split()[-2])
            for source in ("cromer-liberman", "cromer-liberman-repaired")
        ]
        assert abs(values[0] - values[1]) > 0.5

    @pytest.mark.parametrize("arguments", [[], ["-e", 12000], ["-e", "11000:14000", "-n", 4]])
    def test_plot(self, capsys, tmp_path, arguments):
        pytest.importorskip("matplotlib")
        target = tmp_path / "se.png"
        code, out, err = run(capsys, "fprime", "Se", "Br", *arguments, "--plot", target)
        assert code == 0
        assert target.read_bytes().startswith(b"\x89PNG")
        assert bool(out) == bool(arguments)
        assert "wrote" in err
        assert run(capsys, "fprime", "Se", *arguments, "--plot", target)[0] == 2


class TestFormfactor:
    def test_the_pages_value(self, capsys):
        stol = np.sqrt(0.4)
        call = ("formfactor", "fe", "-t", "it92", "-t", "c4322", "--stol-max", stol, "-n", 2)
        code, out, _ = run(capsys, *call)
        assert code == 0
        header, _, last = out.splitlines()
        assert header.split() == ["stol[1/Å]", "Fe", "it92", "Fe", "c4322"]
        assert [float(x) for x in last.split()] == pytest.approx([stol, 9.3036, 0.99715], abs=1e-3)

    def test_formats(self, capsys):
        call = ("formfactor", "Fe", "Fe2+", "FE+3", "-t", "peng98", "-t", "lobato14", "-n", 5)
        code, text, _ = run(capsys, *call, "--format", "json")
        objects = json.loads(text)
        assert code == 0
        assert list(objects[0]) == ["stol", "Fe lobato14", "Fe2+ peng98", "Fe3+ peng98"]
        assert objects[0]["Fe2+ peng98"] is None  # infinite
        _, text, _ = run(capsys, *call, "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert float(rows[2]["Fe lobato14"]) == objects[2]["Fe lobato14"]
        assert float(rows[0]["Fe2+ peng98"]) == np.inf

    def test_all_tables_are_described(self, capsys):
        code, out, _ = run(capsys, "formfactor", "--list")
        assert code == 0
        for name in friedel.scattering.formfactors.TABLES:
            assert f"{name}: " in out

    def test_plot_with_a_panel_for_each_radiation(self, capsys, tmp_path):
        pytest.importorskip("matplotlib")
        from friedel.plots.scattering import plot_form_factors

        target = tmp_path / "fe.svg"
        tables = ("it92", "wk95", "lobato14", "peng98", "neutron92")
        options = [x for name in tables for x in ("-t", name)]
        code, _, _ = run(capsys, "formfactor", "Fe", "Fe2+", *options, "--plot", target)
        assert code == 0
        assert target.read_text().startswith("<?xml")
        figure = plot_form_factors(["Fe", "Fe2+"], tables=tables, stol_max=3.0)
        assert len(figure.axes) == 3
        assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log", "linear"]
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert labels == ["Fe, it92", "Fe2+, it92", "Fe, wk95", "Fe2+, wk95"]


class TestDispersionFigure:
    def test_edges_are_marked_and_both_sources_drawn(self):
        pytest.importorskip("matplotlib")
        from friedel.plots.scattering import plot_dispersion

        figure = plot_dispersion(["Au", "Pb"], energy=(10000.0, 17000.0))
        top, bottom = figure.axes[:2]
        assert [text.get_text() for text in top.texts] == [
            "Au L1", "Au L2", "Au L3", "Pb L1", "Pb L2", "Pb L3",
        ]  # fmt: skip
        drawn = bottom.get_legend_handles_labels()[1]
        assert drawn == [f"{x}, {y}" for x in ("Au", "Pb") for y in ("cromer-liberman", "chantler")]
        for line in top.lines:
            assert np.isfinite(line.get_ydata()).all()

    def test_hydrogen_has_chantler_only(self):
        pytest.importorskip("matplotlib")
        from friedel.plots.scattering import plot_dispersion

        figure = plot_dispersion(["H"], energy=(5000.0, 9000.0))
        assert figure.axes[1].get_legend_handles_labels()[1] == ["H, chantler"]

    @pytest.mark.parametrize(
        ("elements", "energy"),
        [
            ([], None),
            (["C"], None),  # no edge in the energy range of beamlines
            (["Se"], (9000.0, 8000.0)),
            (["Se"], (-1.0, 8000.0)),
            (["Es"], (8000.0, 9000.0)),
            (["Se", "Br", "Fe", "Cu", "Zn"], None),
        ],
    )
    def test_bad_calls(self, elements, energy):
        pytest.importorskip("matplotlib")
        from friedel.plots.scattering import plot_dispersion

        with pytest.raises(friedel.FriedelError):
            plot_dispersion(elements, energy=energy)

    def test_known_edges(self):
        # X-ray data booklet: Se K 12658, Fe K 7112, Au L3 11919 eV
        assert absorption_edges("Se")["K"] == pytest.approx(12658, abs=5)
        assert absorption_edges(26)["K"] == pytest.approx(7112, abs=5)
        assert absorption_edges("Au")["L3"] == pytest.approx(11919, abs=5)
        assert absorption_edges("H") == {}
        values = list(absorption_edges("U").values())
        assert values == sorted(values, reverse=True)


class TestFcalcOptions:
    CALL = ("fcalc", QUARTZ, "--hkl", "1,0,1", "--hkl", "2,1,3")

    def test_friedel_pairs(self, capsys):
        code, out, _ = run(capsys, *self.CALL, "--friedel-pairs", "-w", 1.5418)
        assert code == 0
        rows = [line.split() for line in out.splitlines()]
        assert [len(row) for row in rows] == [7, 7]
        assert float(rows[1][3]) != float(rows[1][5])
        other = run(capsys, *self.CALL, "-w", 1.5418, "--anomalous", "chantler")[1]
        assert other.splitlines()[0].split()[3] != rows[0][3]

    def test_pairs_to_mtz(self, capsys, tmp_path):
        target = tmp_path / "pairs.mtz"
        call = ("fcalc", QUARTZ, "--dmin", 1, "--friedel-pairs", "-e", 8048, "--to-mtz", target)
        assert run(capsys, *call)[0] == 0
        mtz = gemmi.read_mtz_file(str(target))
        assert {"F(+)", "F(-)", "FC", "PHIC", "FCanom", "PHICanom"} <= set(mtz.column_labels())
        assert mtz.dataset(1).wavelength == pytest.approx(1.5405, abs=1e-3)

    @pytest.mark.parametrize("scatterer", ["D", "0.6H+0.3D"])
    def test_phases_are_neither_minus_0_nor_minus_180(self, capsys, scatterer):
        urea = ("fcalc", QUARTZ.with_name("urea.cif"), "--for", "neutron")
        call = (*urea, "--scatter-as", f"H={scatterer}", "--hkl", "1,1,0", "--hkl", "2,0,0")
        phases = {line.split()[-1] for line in run(capsys, *call)[1].splitlines()}
        assert phases <= {"180.0000", "0.0000"}

    def test_entries_of_tables(self, capsys):
        _, plain, _ = run(capsys, *self.CALL)
        code, ion, err = run(capsys, *self.CALL, "--scatter-as", "Si=Si4+")
        assert code == 0
        assert "Si scatters as Si4+" in err
        assert ion != plain

    def test_scattering_from_the_file(self, capsys, shared_data):
        model = shared_data / "models" / "2013551.cif"
        code, out, err = run(capsys, "fcalc", model, "--hkl", "1,1,1", "--cif-scattering")
        assert code == 0
        assert "f' and f'' of I, Mg from the CIF" in err
        assert out != run(capsys, "fcalc", model, "--hkl", "1,1,1")[1]


BAD_CALLS = {
    "no atom": ["formfactor"],
    "no element": ["formfactor", "Qq"],
    "no such ion": ["formfactor", "Fe7+"],
    "no such table": ["formfactor", "Fe", "--table", "it93"],
    "stol of zero": ["formfactor", "Fe", "--stol-max", "0"],
    "stol nan": ["formfactor", "Fe", "--stol-max", "nan"],
    "one row": ["formfactor", "Fe", "-n", "1"],
    "unwritable plot": ["formfactor", "Fe", "--plot", "/nowhere/a.png"],
    "plot without ending": ["formfactor", "Fe", "--plot", "nothing.else"],
    "fprime format": ["fprime", "Se", "-e", "9000", "--format", "xml"],
    "fprime plot of no edge": ["fprime", "C", "--plot", "never.png"],
    "fprime plot unwritable": ["fprime", "Se", "--plot", "/nowhere/a.png"],
    "scatter as nothing": ["fcalc", QUARTZ, "--hkl", "1,0,1", "--scatter-as", "Si"],
    "scatter as unknown": ["fcalc", QUARTZ, "--hkl", "1,0,1", "--scatter-as", "Si=Si9+"],
    "table of other radiation": ["fcalc", QUARTZ, "--hkl", "1,0,1", "--table", "lobato14"],
    "anomalous without energy": ["fcalc", QUARTZ, "--hkl", "1,0,1", "--anomalous", "cl"],
    "nothing in the CIF": ["fcalc", QUARTZ, "--hkl", "1,0,1", "--cif-scattering"],
    "two sources of f'": ["fcalc", QUARTZ, "--hkl", "1,0,1", "--cif-scattering", "-w", "1"],
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls_end_in_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *BAD_CALLS[case])
    assert (code, out) == (2, "")
    errors = [line for line in err.splitlines() if not line.startswith("friedel: note:")]
    assert len(errors) == 1, err
    assert errors[0].startswith("friedel: ")
    assert not list(tmp_path.iterdir())
