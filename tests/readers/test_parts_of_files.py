"""Files that are read in part say so: lists of other programs, scans, and diffuse intensities."""

import numpy as np
import pytest

import friedel
from commands import run
from friedel import ensemble
from friedel.errors import FileFormatError, FriedelWarning
from friedel.readers.dispersion_scans import read_dispersion_scan

CRYSTAL = friedel.Crystal.from_triplets((12, 13, 14, 90, 100, 90), ["-x,y+1/2,-z"], "P 1 21 1")
BOX = friedel.Crystal((10, 11, 12, 90, 90, 90))
WITHIN_A_LINE = "ends within a line: it may have been cut off"


@pytest.fixture(name="f")
def f_fixture():
    atoms = friedel.Atoms.from_labels(["C", "O"], [[0.1, 0.2, 0.3], [0.4, 0.6, 0.7]], 1.0, 10.0)
    return friedel.fcalc((CRYSTAL, atoms), d_min=3.0)


@pytest.fixture(name="model")
def model_fixture(tmp_path):
    path = tmp_path / "m.pdb"
    path.write_text(
        "CRYST1   12.000   13.000   14.000  90.00 100.00  90.00 P 1 21 1\n"
        "ATOM      1  C   ALA A   1       1.000   2.000   3.000  1.00 10.00           C\nEND\n"
    )
    return path


def test_structure_factors_that_were_cut_off(f, tmp_path, model, capsys):
    path = tmp_path / "f.cif"
    f.to_cif(path)
    text = path.read_text()
    path.write_text(text.rstrip()[:-2])
    labels = f"{path}:F_calc,phase_calc"
    for found in (friedel.read_calculated(path), friedel.read_map_coefficients(labels)):
        assert any(WITHIN_A_LINE in note for note in found.notes)
    for arguments in (("map", labels, tmp_path / "f.map"), ("fcalc", model, "--compare", path)):
        code, _, err = run(capsys, *arguments)
        assert code == 0
        assert WITHIN_A_LINE in err


def test_rows_without_values(f, tmp_path):
    path = tmp_path / "f.cif"
    f.to_cif(path)
    lines = path.read_text().splitlines()
    rows = [i for i, line in enumerate(lines) if line[:1] in "-0123456789" and line]
    for i in rows[3:5]:
        lines[i] = " ".join([*lines[i].split()[:-1], "x1"])
    path.write_text("\n".join([*lines, ""]))
    found = friedel.read_calculated(path)
    assert len(found.hkl) == len(f) - 2
    (note,) = found.notes
    assert (note.kind, note.number) == ("left out", 2)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("number", ["inf", "nan", "9e99"])
def test_infinite_values(f, tmp_path, model, number):
    """They are left out, or not used, without a warning of NumPy."""
    path = tmp_path / "f.cif"
    f.to_cif(path)
    lines = path.read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith(("0 ", "1 ", "-")))
    words = lines[row].split()
    lines[row] = " ".join([*words[:3], number, *words[4:]])
    path.write_text("\n".join([*lines, ""]))
    assert len(friedel.read_calculated(path).hkl) >= len(f) - 1
    friedel.read_map_coefficients(f"{path}:F_calc,phase_calc")
    scale = "".join(f"SCALE{i}    {number:>10}  0.000000  0.000000        0.00000\n" for i in "123")
    model.write_text(model.read_text().replace("ATOM", scale + "ATOM", 1))
    read = friedel.as_model(model)
    assert any("SCALE records are of another cell: they are not used" in x for x in read.notes)


SCAN = "# energy f' f''\n12650 -7.1 0.6\n12658 -9.0 4.0\n12670 -6.0 4.6\n"


@pytest.mark.parametrize("line", ["12660", "12660 -8", "1266o -8 4", "\x00\x00", "f' f'' 1"])
def test_lines_of_a_scan_that_are_damaged(tmp_path, line):
    path = tmp_path / "se.txt"
    path.write_text(SCAN.replace("12658 -9.0 4.0", line))
    with pytest.raises(FileFormatError, match=r"line 3 of|damaged: line 3"):
        read_dispersion_scan(path)


def test_a_scan_that_was_cut_off(tmp_path):
    path = tmp_path / "se.txt"
    path.write_text(SCAN + "# end\n")
    assert len(read_dispersion_scan(path).energy) == 3
    path.write_text(SCAN[:-2])
    with pytest.warns(FriedelWarning, match=WITHIN_A_LINE):
        read_dispersion_scan(path)


def test_diffuse_intensities(tmp_path):
    rows = "".join(f"{h} {k} {l} {h + k}.5\n" for h in range(4) for k in range(4) for l in range(4))
    path = tmp_path / "d.txt"
    path.write_text(rows[:-2])
    assert any(WITHIN_A_LINE in x for x in ensemble.read_diffuse_lattice(path, BOX).notes)
    path.write_text(rows.replace("1 2 3 3.5", "1 2 3 nan"))
    found = ensemble.read_diffuse_lattice(path, BOX, cells=(1, 1, 1))
    (note,) = found.notes
    assert (note.kind, note.number) == ("left out", 1)


def test_diffuse_intensities_at_impossible_indices():
    """They are not on the lattice; their conversion to integers was a warning of NumPy."""
    rng = np.random.default_rng(0)
    atoms = friedel.Atoms.from_labels(["C"] * 5, rng.random((5, 3)))
    result = ensemble.run((BOX, atoms), 10 * rng.random((6, 5, 3)), d_min=3)
    fractions = np.concatenate([result.fractions, [[1e30, 0, 0], [0, 2.0**40, 1]]])
    data = ensemble.DiffuseLattice(fractions, np.append(result.diffuse, [1.0, 2.0]))
    assert result.compare(data).overall == pytest.approx(1.0)
