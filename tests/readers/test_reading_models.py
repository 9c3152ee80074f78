import gzip
import shutil

import numpy as np
import pytest

import friedel
from friedel.model.special_positions import site_symmetry_order
from friedel.readers.amplitudes import as_reflections, split_labels
from friedel.readers.models import as_crystal, as_model

gemmi = pytest.importorskip("gemmi")

QUARTZ = """data_quartz
_cell_length_a 4.916
_cell_length_b 4.916
_cell_length_c 5.4054
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
_space_group_name_H-M_alt 'P 32 2 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
Si1 Si 0.4697 0 0.16666667 0.01
O1 O 0.4135 0.2669 0.28577 0.012
"""

PDB = """CRYST1   20.000   21.000   22.000  90.00  90.00  90.00 P 21 21 21
ATOM      1  N   ALA A   1      11.104   6.134   6.504  1.00 12.00           N
ATOM      2  CA  ALA A   1      11.639   6.071   5.147  0.50 13.00           C
ATOM      3  H   ALA A   1      10.104   6.134   7.504  1.00 14.00           H
END
"""


def write(path, text):
    path.write_text(text)
    return path


def test_small_molecule_occupancies_become_crystallographic(tmp_path):
    model = as_model(write(tmp_path / "quartz.cif", QUARTZ))
    # silicon lies on a two-fold axis
    occ = {
        model.atoms.scatterers[k]: o for k, o in zip(model.atoms.kind, model.atoms.occ, strict=True)
    }
    assert occ == {"O": 1.0, "Si": 0.5}
    assert any("special positions" in note for note in model.notes)
    assert model.crystal.n_operations == 6


def test_small_structure_objects_are_taken_as_they_are(tmp_path):
    small = gemmi.read_small_structure(str(write(tmp_path / "quartz.cif", QUARTZ)))
    assert as_model(small).atoms.occ.tolist() == [1.0, 1.0]


def test_site_symmetry_of_gemmi(shared_data):
    for name in ("1011031.cif", "4003024.cif", "2013551.cif", "2242624.cif"):
        small = gemmi.read_small_structure(str(shared_data / "models" / name))
        before = np.array([site.occ for site in small.sites])
        small.change_occupancies_to_crystallographic()
        after = np.array([site.occ for site in small.sites])
        frac = np.array([site.fract.tolist() for site in small.sites])
        order = site_symmetry_order(as_crystal(small), frac)
        np.testing.assert_allclose(before / order, after, rtol=1e-6, err_msg=name)


def test_pdb_forms_are_equivalent(tmp_path):
    path = write(tmp_path / "model.pdb", PDB)
    with path.open("rb") as plain, gzip.open(tmp_path / "model.pdb.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    structure = gemmi.read_structure(str(path))
    structure.make_mmcif_document().write_file(str(tmp_path / "model.cif"))
    forms = [
        path,
        str(tmp_path / "model.pdb.gz"),
        tmp_path / "model.cif",
        structure,
        (structure, structure[0]),
        (structure.cell, structure[0]),
    ]
    models = [as_model(form) for form in forms]
    for model in models:
        np.testing.assert_allclose(model.atoms.frac, models[0].atoms.frac, atol=1e-6)
        np.testing.assert_allclose(model.atoms.occ, [1.0, 0.5, 1.0])
        assert model.crystal.has_same_symmetry(models[0].crystal)
        assert model.atoms.is_hydrogen.sum() == 1


def test_several_models_use_the_first_and_say_so(tmp_path):
    structure = gemmi.read_structure(str(write(tmp_path / "model.pdb", PDB)))
    structure.add_model(structure[0])
    model = as_model(structure)
    assert len(model.atoms) == 3
    assert "the first of 2 models is used" in model.notes


def test_cartesian_u_of_an_oblique_cell(shared_data):
    """MgI2 in hexagonal axes: gemmi's own conversion of CIF tensors is the reference."""
    path = str(shared_data / "models" / "2013551.cif")
    small = gemmi.read_small_structure(path)
    model = as_model(small)
    hkl = (1, 2, 3)
    h = np.array(hkl)
    reciprocal = small.cell.reciprocal()
    star = np.array([reciprocal.a, reciprocal.b, reciprocal.c])
    for site, kind in zip(small.sites, range(len(small.sites)), strict=True):
        u = np.array(site.aniso.as_mat33().tolist())
        expected = 2 * np.pi**2 * (h * star) @ u @ (h * star)
        s = h @ model.crystal.fractionalization
        b = model.atoms.b_tensor[kind][[0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(3, 3)
        assert 0.25 * s @ b @ s == pytest.approx(expected, rel=1e-6)


BAD_MODELS = {
    "empty.pdb": "",
    "random.pdb": "\x00\x91garbage\xff" * 50,
    "random.cif": "data_\nloop_\n_a\n_b\n1 2 3\n",
    "noatoms.pdb": "CRYST1   20.000   21.000   22.000  90.00  90.00  90.00 P 21 21 21\nEND\n",
    "nocell.pdb": PDB.split("\n", 1)[1],
    "zerocell.pdb": PDB.replace("20.000   21.000", " 0.000    0.000"),
    "badgroup.pdb": PDB.replace("P 21 21 21", "P 99 99 99"),
    "nan.pdb": PDB.replace("  11.104", "     nan"),
    "misfit.pdb": PDB.replace("P 21 21 21", "P 4 3 2   "),
    "noatoms.cif": "data_x\n_cell_length_a 5\n",
    "nogroup.cif": QUARTZ.replace("'P 32 2 1'", "'Q 1'"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models_are_named_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_text(BAD_MODELS[name], encoding="latin-1")
    with pytest.raises(friedel.FriedelError) as caught:
        as_model(path)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_and_missing_files(tmp_path, shared_data):
    packed = (shared_data / "models" / "1pfe.cif.gz").read_bytes()
    (tmp_path / "cut.cif.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(friedel.FileFormatError, match="cut.cif.gz"):
        as_model(tmp_path / "cut.cif.gz")
    with pytest.raises(friedel.FileFormatError, match="no such file"):
        as_model(tmp_path / "missing.pdb")
    with pytest.raises(friedel.AtomsError, match="cannot take a model from int"):
        as_model(3)


EXPECTED_DATA = {
    "5e5z.mtz": ("FP", 403, 18),
    "1dur.mtz": ("FP", 3197, 271),
    "1dur-sf.cif": ("F_meas_au", 3256, None),
    "pka_data.mtz": ("F-obs-filtered", 18875, 1888),
    "rnase.mtz": ("FGMP18", 17024, 873),
    "lyso_c2.mtz": ("F", 10950, 485),
    "5a3h_sigmaa.mtz": ("FP", 26363, 751),
}


@pytest.mark.parametrize("name", EXPECTED_DATA)
def test_usual_labels_and_free_sets_are_found(shared_data, name):
    label, n, n_free = EXPECTED_DATA[name]
    data = as_reflections(shared_data / "models" / name)
    assert (data.label, len(data)) == (label, n)
    assert (None if data.free is None else data.free.sum()) == n_free
    assert label in data.description
    assert not data.crystal.is_absent(data.hkl).any()
    np.testing.assert_array_equal(data.crystal.to_asu(data.hkl)[0], data.hkl)


def test_labels_can_be_named(shared_data):
    path = str(shared_data / "models" / "rnase.mtz")
    assert as_reflections(f"{path}:FGMP18,SIGFGMP18").label == "FGMP18"
    with pytest.raises(friedel.FileFormatError, match="has no column NOPE; it has FreeR_flag"):
        as_reflections(f"{path}:NOPE")
    assert split_labels("a.mtz") == ("a.mtz", ())
    assert split_labels("a.mtz:F:SIGF") == ("a.mtz", ("F", "SIGF"))


def test_gemmi_objects_give_the_same_data(shared_data):
    path = str(shared_data / "models" / "5e5z.mtz")
    mtz = gemmi.read_mtz_file(path)
    from_file, from_mtz = as_reflections(path), as_reflections(mtz)
    from_asu = as_reflections(mtz.get_value_sigma("FP", "SIGFP"))
    for other in (from_mtz, from_asu):
        np.testing.assert_array_equal(other.hkl, from_file.hkl)
        np.testing.assert_allclose(other.values, from_file.values, rtol=1e-6)


def test_equivalent_observations_are_averaged():
    crystal = friedel.Crystal((10, 11, 12, 90, 90, 90))
    asu = gemmi.ValueSigmaAsuData(
        gemmi.UnitCell(*crystal.cell),
        gemmi.SpaceGroup("P 1"),
        np.array([[1, 2, 3], [-1, -2, -3]], np.int32),
        np.array([[10.0, 1.0], [12.0, 1.0]], np.float32),
    )
    data = as_reflections(asu)
    assert len(data) == 1
    assert data.values[0] == pytest.approx(11.0)
    # their spread, (1 + 1) / (2 sqrt(2 - 1)), is larger than 1 / sqrt(1 + 1)
    assert data.sigmas[0] == pytest.approx(1.0)
    assert "1 equivalent" in data.notes[0]


@pytest.mark.parametrize("content", [b"", b"MTZ ", b"\x00" * 200, b"not an mtz file at all" * 9])
def test_bad_data_files(tmp_path, content):
    for name in ("bad.mtz", "bad.cif"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(friedel.FileFormatError):
            as_reflections(tmp_path / name)
    with pytest.raises(friedel.FileFormatError, match="no such file"):
        as_reflections(tmp_path / "missing.mtz")
    with pytest.raises(friedel.FileFormatError, match="cannot take reflections"):
        as_reflections(42)


def test_atoms_near_special_positions_are_reported(tmp_path):
    text = QUARTZ.replace("Si 0.4697 0 ", "Si 0.4697 0.025 ")  # 0.2 Å from its image
    on = as_model(write(tmp_path / "on.cif", QUARTZ))
    near = as_model(write(tmp_path / "near.cif", text))
    assert not any("only near" in note for note in on.notes)
    assert near.atoms.occ.tolist() == on.atoms.occ.tolist()
    assert sum("only near a special position (1)" in note for note in near.notes) == 1


@pytest.mark.parametrize("options", [{"margin": 5.0}, {"strict_ncs": False}], ids=str)
def test_options_of_reading_are_not_dropped(options):
    crystal = friedel.Crystal((10, 10, 10, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["C"], [[0, 0, 0]])
    read = as_model((crystal, atoms))
    with pytest.raises(friedel.ParameterError, match="read"):
        as_model(read, **options)
    if "margin" in options:
        with pytest.raises(friedel.ParameterError, match="margin"):
            as_model((crystal, atoms), **options)
