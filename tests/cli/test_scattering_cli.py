"""Options of the commands that concern the scattering of atoms, as they are typed."""

import json

import numpy as np
import pytest

import friedel
from commands import run

CIF = """data_t
_cell_length_a 5.1
_cell_length_b 6.2
_cell_length_c 7.3
_cell_angle_alpha 90
_cell_angle_beta 95
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1 21 1'
_diffrn_radiation_wavelength 0.71073
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
_atom_site_occupancy
{}1 {} 0.11 0.22 0.33 0.010 1
{}2 {} 0.35 0.05 0.61 0.020 1
H1 H 0.60 0.41 0.15 0.030 1
Li1 Li 0.70 0.41 0.15 0.030 1
"""
REFLECTION = ("--hkl", "1,2,3")


@pytest.fixture
def cif(tmp_path):
    def make(symbol="Se"):
        path = tmp_path / f"{symbol}.cif"
        path.write_text(CIF.format(*[symbol] * 4))
        return path

    return make


def amplitude(out):
    return float(out.split()[3])


def test_mixtures_and_vacancies(capsys, cif):
    options = ["--for", "neutron", "--scatter-as", "H=0.6H+0.3D"]
    code, out, err = run(capsys, "fcalc", cif(), *REFLECTION, *options)
    expected = friedel.fcalc(
        cif(), hkl=[[1, 2, 3]], source="neutron", form_factors={"H": {"H": 0.6, "D": 0.3}}
    )
    assert code == 0
    assert amplitude(out) == pytest.approx(abs(expected.values[0]), rel=1e-6)
    assert "H scatters as 0.6 H + 0.3 D" in err
    assert "sum to 0.9" in err


def test_isotopes(capsys, cif):
    options = ["--for", "neutron", "--scatter-as", "Li=6Li", "--friedel-pairs"]
    code, out, err = run(capsys, "fcalc", cif(), *REFLECTION, *options)
    assert code == 0
    assert "complex scattering lengths of Li" in err
    values = out.split()
    assert float(values[3]) != float(values[5])


def test_isotopes_that_the_file_names(capsys, tmp_path):
    path = tmp_path / "isotopes.cif"
    lines = CIF.format(*["Se"] * 4).replace("Li1 Li", "Li1 7Li").replace("H1 H", "H1 2H")
    path.write_text(lines + "Li2 6Li 0.2 0.3 0.4 0.01 1\n")
    assert set(friedel.as_model(path).atoms.scatterers) == {"Se", "D", "7Li", "6Li"}
    of_first = [[0.11, 0.22, 0.33], [0.35, 0.05, 0.61], [0.6, 0.41, 0.15], [0.7, 0.41, 0.15]]
    by_label = friedel.Atoms.from_labels(
        ["Se", "Se", "D", "7Li", "6Li"],
        [*of_first, [0.2, 0.3, 0.4]],
        b_iso=8 * np.pi**2 * np.array([0.01, 0.02, 0.03, 0.03, 0.01]),
    )
    crystal = friedel.as_model(path).crystal
    for source in ("xray", "neutron"):
        code, out, _ = run(capsys, "fcalc", path, *REFLECTION, "--for", source)
        expected = friedel.fcalc((crystal, by_label), hkl=[[1, 2, 3]], source=source)
        assert code == 0
        assert amplitude(out) == pytest.approx(abs(expected.values[0]), rel=1e-6)


def test_f_prime_by_element_atom_and_scan(capsys, cif, tmp_path):
    scan = tmp_path / "se.efs"
    scan.write_text("12650 0.6 -7.1\n12660 4.0 -9.1\n")
    for given, addends in {
        "Se=-8.0,4.5": {"Se": -8 + 4.5j},
        "SE1=-8,4.5": {"Se1": (-8.0, 4.5)},
        f"Se={scan}": {"Se": scan},
    }.items():
        options = ["-e", 12655, "--fprime", given]
        code, out, err = run(capsys, "fcalc", cif(), *REFLECTION, *options)
        expected = friedel.fcalc(cif(), hkl=[[1, 2, 3]], energy=12655.0, addends=addends)
        assert code == 0
        assert amplitude(out) == pytest.approx(abs(expected.values[0]), rel=1e-6)
        assert ("edge K" in err) == given.startswith("SE1")  # the other Se is calculated
        assert ("interpolated in se.efs" in err) == (str(scan) in given)


@pytest.mark.parametrize(
    "options",
    [
        ["--fprime", "Se=1"],
        ["--fprime", "Se=1,2,3"],
        ["--fprime", "Se"],
        ["--fprime", "Se=none.efs", "-e", 12655],
        ["--fprime", "SE9=1,2"],
        ["--fprime", "Se=1,2", "--for", "neutron"],
        ["--scatter-as", "H=0.6H+"],
        ["--scatter-as", "Li=9Li", "--for", "neutron"],
    ],
    ids=str,
)
def test_bad_options_end_in_one_line(capsys, cif, options):
    code, out, err = run(capsys, "fcalc", cif(), *REFLECTION, *options)
    lines = [line for line in err.splitlines() if not line.startswith("friedel: note")]
    assert (code, out) == (2, "")
    assert len(lines) == 1


def test_doubts_are_said_at_the_prompt(capsys, cif):
    code, _, err = run(capsys, "fcalc", cif("Bi"), *REFLECTION, "-e", 8150)
    assert code == 0
    assert "f' of Bi by Cromer-Liberman has a false resonance at 8150 eV: -455.18" in err
    assert "--anomalous chantler" in err
    _, _, err = run(capsys, "fcalc", cif("Bi"), *REFLECTION, "-e", 8150, "--anomalous", "chantler")
    assert "resonance" not in err
    _, out, err = run(capsys, "fprime", "Bi", "Se", "-e", 8150, "-e", 12657)
    assert "false resonance at 8150 eV" in err
    assert "edge K (12657.8 eV)" in err
    assert len(out.splitlines()) == 5
    code, _, err = run(capsys, "fprime", "Bi", "-e", 8150, "--anomalous", "chantler")
    assert (code, err) == (0, "")


def write_hklf4(path, model, **options):
    hkl = friedel.as_model(model).crystal.unique_reflections(0.8)
    hkl = np.concatenate([hkl, -hkl])
    f2 = np.abs(friedel.fcalc(model, hkl=hkl, method="direct", **options).values) ** 2
    f2 *= 9000 / f2.max()
    rows = (f"{h:4d}{k:4d}{l:4d}{x:8.2f}{1:8.2f}" for (h, k, l), x in zip(hkl, f2, strict=True))
    path.write_text("\n".join(rows) + "\n")
    return path


def test_an_element_without_f_prime_in_a_small_structure(capsys, cif, tmp_path):
    hkl = write_hklf4(tmp_path / "t.hkl", cif("Am"), addends={"Li": 0.0})
    target = tmp_path / "t.json"
    code, _, err = run(capsys, "fmodel", cif("Am"), hkl, "--json", target)
    assert code == 0, err
    assert "no f' and f'' of Am in cromer-liberman" in err
    assert json.loads(target.read_text())["r1"] < 1e-4


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ({"addends": {"Se1": -3 + 4j, "Se2": -1 + 2j}}, ["--fprime", "SE1=-3,4", "--fprime"]),
        ({"form_factors": {"Se": "0.5Se+0.5S"}, "wavelength": 0.71073}, ["--scatter-as"]),
    ],
    ids=["fprime", "mixture"],
)
def test_the_same_options_in_a_comparison_of_intensities(capsys, cif, tmp_path, written, typed):
    last = "SE2=-1,2" if "addends" in written else "Se=0.5Se+0.5S"
    hkl = write_hklf4(tmp_path / "t.hkl", cif(), **written)
    target = tmp_path / "t.json"
    code, _, err = run(capsys, "fmodel", cif(), hkl, *typed, last, "--json", target)
    assert code == 0, err
    assert json.loads(target.read_text())["r1"] < 1e-3
    target.unlink()
    run(capsys, "fmodel", cif(), hkl, "--json", target)
    assert json.loads(target.read_text())["r1"] > 5e-3


def test_form_factor_command(capsys):
    code, out, err = run(capsys, "formfactor", "Gd", "7Li", "T", "-t", "neutron92", "-n", 2)
    assert code == 0
    assert out.splitlines()[1].split() == ["0.000", "6.50000", "-2.22000", "4.79200"]
    assert "Gd of neutron92 absorbs: imaginary part 13.82 fm" in err
    code, _, err = run(capsys, "formfactor", "Y3+", "-t", "wk95")
    assert (code, "grow with angle" in err) == (2, True)
    for spelling in ("Fe+3", "Siva"):
        code, _, _ = run(capsys, "formfactor", spelling, "-t", "wk95")
        assert code == 0
