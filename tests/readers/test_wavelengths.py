"""The wavelength that a model's file states, and calculations with it."""

import gzip

import gemmi
import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.errors import FileFormatError, ParameterError
from friedel.readers.wavelengths import the_wavelength, wavelengths_of_model

REMARK = "REMARK 200  WAVELENGTH OR RANGE        (A) : {}\n"
ATOMS = (
    "CRYST1   20.000   25.000   30.000  90.00  90.00  90.00 P 21 21 21\n"
    "HETATM    1 SE   MSE A   1       1.000   2.000   3.000  1.00 20.00          SE\n"
    "HETATM    2  C   MSE A   1       5.000   2.000   3.000  1.00 20.00           C\n"
    "END\n"
)
ITEM = "_diffrn_radiation_wavelength."
MMCIF = (
    "_cell.length_a 20\n_cell.length_b 25\n_cell.length_c 30\n_cell.angle_alpha 90\n"
    "_cell.angle_beta 90\n_cell.angle_gamma 90\n_symmetry.space_group_name_H-M 'P 21 21 21'\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.9792", (0.9792,)),
        ("0.9690, 0.97915, 0.97938", (0.969, 0.97915, 0.97938)),
        (".98;0.98 ", (0.98,)),
        ("1.2-1.5", (1.2, 1.5)),
        ("NULL", ()),
        ("", ()),
    ],
)
@pytest.mark.parametrize("ending", [".pdb", ".ent.gz"])
def test_pdb(tmp_path, text, expected, ending):
    path = tmp_path / f"a{ending}"
    content = (REMARK.format(text) + ATOMS).encode()
    path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    assert wavelengths_of_model(path) == expected
    assert wavelengths_of_model(gemmi.read_structure(str(path))) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("_diffrn_radiation_wavelength.wavelength 0.9792\n", (0.9792,)),
        (
            f"loop_\n{ITEM}id\n{ITEM}wavelength\n1 0.97\n2 0.98\n",
            (0.97, 0.98),
        ),
        ("_diffrn_source.pdbx_wavelength_list '0.9792, 0.9794'\n", (0.9792, 0.9794)),
        (
            f"{ITEM}wavelength ?\n_diffrn_source.pdbx_wavelength_list 1.0332\n",
            (1.0332,),
        ),
        ("_diffrn_radiation_wavelength 0.71073(2)\n", (0.71073,)),
        ("_diffrn_source.pdbx_wavelength_list ?\n", ()),
    ],
)
def test_cif(tmp_path, items, expected):
    path = tmp_path / "a.cif"
    path.write_text(f"# a comment\ndata_a\n{MMCIF}{items}")
    assert wavelengths_of_model(path) == expected


def test_shelx(tmp_path):
    path = tmp_path / "a.res"
    path.write_text("TITL a\nCELL 0.71073 10 11 12 90 95.5 90\nZERR 4 0.1 0.1 0.1 0 0.01 0\n")
    assert wavelengths_of_model(path) == (0.71073,)


def test_one_is_needed():
    assert the_wavelength([0.98], "a.pdb") == 0.98
    with pytest.raises(FileFormatError, match="^a.pdb states no wavelength: give the wavelength"):
        the_wavelength([], "a.pdb")
    with pytest.raises(FileFormatError, match=r"^a.pdb states the wavelengths 0.97, 0.98 A: give"):
        the_wavelength([0.97, 0.98], "a.pdb")


def test_fcalc(tmp_path):
    path = tmp_path / "a.pdb"
    path.write_text(REMARK.format("0.95") + ATOMS)
    stated = friedel.fcalc(path, d_min=4.0, wavelength="file")
    np.testing.assert_array_equal(
        stated.values, friedel.fcalc(path, d_min=4.0, wavelength=0.95).values
    )
    assert stated.wavelength == 0.95
    note = next(note for note in stated.notes if "wavelength" in note)
    assert (note.kind, note.number) == ("file", 0.95)
    calculator = friedel.Calculator.from_model(path, d_min=4.0, wavelength="file")
    np.testing.assert_array_equal(calculator.forward(), stated.values)
    stated.to_mtz(tmp_path / "a.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "a.mtz"))
    assert mtz.datasets[-1].wavelength == pytest.approx(0.95)


def test_of_small_structures(tmp_path):
    path = tmp_path / "a.cif"
    path.write_text(QUARTZ.read_text() + "\n_diffrn_radiation_wavelength 0.71073\n")
    structure = gemmi.read_small_structure(str(path))
    assert wavelengths_of_model(path) == wavelengths_of_model(structure) == (0.71073,)
    assert friedel.fcalc(path, d_min=1.0, wavelength="file").wavelength == 0.71073


@pytest.mark.parametrize(
    ("model", "wavelength", "error", "message"),
    [
        ("path", "file", FileFormatError, "a.pdb states no wavelength"),
        ("arrays", "file", FileFormatError, "the model states no wavelength"),
        ("path", "fil", ParameterError, "got wavelength 'fil', expected a number or 'file'"),
    ],
)
def test_refused(tmp_path, model, wavelength, error, message):
    path = tmp_path / "a.pdb"
    path.write_text(ATOMS)
    source = path if model == "path" else friedel.as_model(path)
    with pytest.raises(error, match=message):
        friedel.fcalc(source, d_min=4.0, wavelength=wavelength)


def test_the_command(tmp_path, capsys):
    path = tmp_path / "a.pdb"
    path.write_text(REMARK.format("0.9792") + ATOMS)
    arguments = ("fcalc", path, "--dmin", 4)
    code, by_file, err = run(capsys, *arguments, "-w", "file")
    assert code == 0
    assert "the wavelength 0.9792 A is that of the model's file" in err
    assert by_file == run(capsys, *arguments, "-w", "0.9792")[1]
    assert by_file != run(capsys, *arguments)[1] == run(capsys, *arguments, "-w", "0")[1]
    path.write_text(REMARK.format("0.97, 0.98") + ATOMS)
    code, _, err = run(capsys, *arguments, "-w", "file")
    assert (code, err.count("\n")) == (2, 1)
    assert "states the wavelengths 0.97, 0.98 A" in err


def test_fmodel_names_that_of_the_model(tmp_path):
    path = tmp_path / "a.pdb"
    path.write_text(REMARK.format("0.9792") + ATOMS)
    f = friedel.fcalc(path, d_min=4.0)
    data = friedel.Reflections(f.crystal, f.hkl, f.amplitudes + 1.0, label="FP")
    with pytest.raises(FileFormatError, match=r"no wavelength \(the model states 0.9792 A\)"):
        friedel.FModel(path, data, wavelength="file", solvent="none")
