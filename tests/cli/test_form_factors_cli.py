"""``--form-factors``: aspherical atoms in ``friedel fcalc`` and ``friedel fmodel``."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

import friedel
from aspherical import equivalents, spherical
from commands import run

UREA = Path(__file__).parents[2] / "examples" / "urea.cif"
LABELS = ("C1", "O1", "N1", "H1", "H2")


def urea(labels=LABELS):
    crystal, atoms = (model := friedel.as_model(UREA)).crystal, model.atoms
    return crystal, atoms.replace(site_labels=labels)


def printed(out):
    """Indices and structure factors as printed."""
    h, k, l, amplitude, phase = np.array([line.split() for line in out.splitlines()], float).T
    return np.stack([h, k, l]), amplitude * np.exp(1j * np.radians(phase))


@pytest.fixture
def table(tmp_path):
    """The table it92 as a file, to 0.8 A."""
    crystal, atoms = urea()
    path = tmp_path / "it92.tscb"
    spherical(crystal, atoms, crystal.unique_reflections(0.8)).to_tsc(path)
    return path


def test_fcalc_prints_the_f_of_the_table(capsys, table):
    code, out, err = run(capsys, "fcalc", UREA, "--dmin", 0.9, "--form-factors", table)
    assert code == 0
    assert "note: form factors of 5 atoms at" in err
    assert "from it92.tscb" in err
    assert "direct summation" in err
    expected = run(capsys, "fcalc", UREA, "--dmin", 0.9, "--method", "direct")[1]
    (hkl, f), (other_hkl, other_f) = printed(out), printed(expected)
    assert (hkl == other_hkl).all()
    np.testing.assert_allclose(f, other_f, atol=1e-5)


def test_a_protein_whose_atoms_are_named_by_sites(capsys, page_models, tmp_path):
    """As NoSpherA2 writes: atoms without labels are found by element and site."""
    path = page_models / "1orc.pdb"
    crystal, atoms = (model := friedel.as_model(path)).crystal, model.atoms
    hkl = crystal.unique_reflections(8.0)
    made = spherical(crystal, atoms.replace(site_labels=tuple(map(str, range(len(atoms))))), hkl)
    numbers = np.array([{"C": 6, "N": 7, "O": 8, "S": 16}[s] for s in atoms.symbols])[atoms.kind]
    ids = (
        struct.pack("<iiihBB", *np.rint(x * (2**31 - 1) / 16).astype(int), 0, number, 0)
        for x, number in zip(atoms.frac, numbers, strict=True)
    )
    made.to_tsc(tmp_path / "labels.tsc")
    text = (tmp_path / "labels.tsc").read_text().splitlines()
    halves = (f"{a:016x}{b:016x}" for a, b in map(struct.Struct("<QQ").unpack, ids))
    text[3] = "SCATTERER_IDS: " + " ".join(halves)
    (tmp_path / "ids.tsc").write_text("\n".join([*text, ""]))
    call = ("fcalc", path, "--dmin", 8.0)
    code, out, err = run(capsys, *call, "--form-factors", tmp_path / "ids.tsc")
    assert code == 0, err
    expected = run(capsys, *call, "--method", "direct")[1]
    np.testing.assert_allclose(printed(out)[1], printed(expected)[1], atol=1e-4)
    code, _, err = run(capsys, *call, "--form-factors", tmp_path / "labels.tsc")
    assert code == 2
    assert "the atoms have no labels (site_labels), by which labels.tsc names them" in err


def test_resolution_beyond_the_file_is_noted(capsys, table):
    code, _, err = run(capsys, "fcalc", UREA, "--dmin", 0.7, "--form-factors", table)
    assert code == 0
    assert "reflections to 0.7 A are not in it92.tscb" in err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--method", "fft"], "summed directly"),
        (["--rate", 2], "summed directly"),
        (["--scatter-as", "H=D"], "--form-factors replaces --scatter-as"),
        (["--normalize-it92"], "--form-factors replaces"),
        (["--table", "wk95"], "replace a table"),
        (["--for", "neutron"], "X-rays or electrons"),
        (["--write-map", "never.ccp4"], "no density"),
    ],
)
def test_contradictions_are_one_line(capsys, table, tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "fcalc", UREA, "--dmin", 1, "--form-factors", table, *options)
    assert code == 2
    assert text in err.splitlines()[-1]


def test_labels_that_do_not_match(capsys, tmp_path):
    crystal, atoms = urea(("C1", "O1", "N1", "H1A", "H1B"))
    path = tmp_path / "other.tsc"
    spherical(crystal, atoms, crystal.unique_reflections(1.0)).to_tsc(path)
    code, out, err = run(capsys, "fcalc", UREA, "--dmin", 1, "--form-factors", path)
    assert (code, out) == (2, "")
    assert "none of atoms H1, H2; the model has no atoms H1A, H1B" in err


class TestFit:
    """Aspherical atoms simulated: R1 is 0 with their form factors only."""

    @pytest.fixture
    def files(self, tmp_path):
        crystal, atoms = urea()
        hkl = crystal.unique_reflections(0.6)
        # displacements along the twofold axis and mirrors keep the symmetry of the sites
        plain = spherical(crystal, atoms, np.concatenate([hkl, -hkl]))
        shift = np.exp(2j * np.pi * plain.hkl[:, 2:] * [0.02, -0.03]) @ [0.7, 0.3]
        table = friedel.AtomFormFactors(LABELS, plain.hkl, plain.f * shift)
        f = friedel.fcalc((crystal, atoms), hkl=hkl, form_factors=table, wavelength=0.71073)
        data, path = tmp_path / "urea.hkl", tmp_path / "urea.tsc"
        f2 = np.abs(f.values) ** 2
        friedel.Reflections(crystal, hkl, np.sqrt(f2), sigmas=0.01 * np.sqrt(f2) + 0.01).to_hklf(
            data
        )
        table.to_tsc(path)
        return data, path

    def numbers(self, capsys, tmp_path, *arguments):
        path = tmp_path / "fit.json"
        call = ("fmodel", *arguments, "-w", 0.71073, "--json", path, "--overwrite")
        code, _, err = run(capsys, *call)
        assert code == 0, err
        return json.loads(path.read_text())

    def test_r_factors(self, capsys, tmp_path, files):
        data, table = files
        without = self.numbers(capsys, tmp_path, UREA, data)
        fitted = self.numbers(capsys, tmp_path, UREA, data, "--form-factors", table)
        first = self.numbers(capsys, tmp_path, "--form-factors", table, UREA, data)
        assert without["r1"] > 0.02
        assert fitted["r1"] < 1e-3
        assert fitted["wr2"] < 2e-3
        assert first["r1"] == fitted["r1"]
        texts = [note["text"] for note in fitted["notes"]]
        assert sum("form factors of 5 atoms" in text for text in texts) == 1

    def test_dispersion_in_the_file(self, files):
        data, path = files
        table = friedel.read_form_factors(path)
        crystal, atoms = urea()
        # hydrogen has no f' and f'' by Cromer and Liberman
        dispersion = [
            complex(*friedel.anomalous(s, wavelength=0.71073)) if s != "H" else 0.0
            for s in atoms.symbols
        ]
        hkl = equivalents(crystal, np.concatenate([table.hkl, -table.hkl]))
        f = table.at(hkl) + np.array(dispersion)[atoms.kind, None]
        contained = friedel.AtomFormFactors(LABELS, hkl, f, with_dispersion=True)
        fit = friedel.fit_intensities(UREA, data, form_factors=contained)
        assert fit.r1 < 1e-3
        assert not any("no wavelength" in note for note in fit.notes)
