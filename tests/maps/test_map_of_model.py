"""Maps of models: limited to d_min, on the grid asked for, and where the model is."""

import gemmi
import numpy as np
import pytest

import friedel
from commands import QUARTZ, run
from friedel.density.fourier import structure_factors
from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import CellError, FileFormatError, ParameterError, ReflectionsError
from friedel.maps.boxes import box_around
from friedel.maps.interpolation import values_at
from friedel.maps.model_map import map_of_model
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.map_coefficients import read_map_coefficients
from friedel.readers.maps import read_map_box
from friedel.reflections.agreement import worst_shell_error
from friedel.reflections.reflections import Reflections

CRYSTAL = Crystal.from_triplets((24, 26, 28, 90, 90, 90), ["-x,y+1/2,-z"], name="P 1 21 1")


def molecule(n: int = 40, seed: int = 0, shift=(0.0, 0.0, 0.0)) -> tuple[Crystal, Atoms]:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-6, 6, (n, 3)) + shift
    labels = rng.choice(["C", "N", "O"], n)
    frac = xyz @ CRYSTAL.fractionalization.T
    return CRYSTAL, Atoms.from_labels(labels, frac, 1.0, rng.uniform(20, 60, n))


def direct_density(xyz: np.ndarray, atoms: Atoms, d_min: float, at: np.ndarray) -> np.ndarray:
    """Density at positions, by sums over F in a large cell: an independent calculation."""
    crystal = Crystal((70.0, 70.0, 70.0, 90, 90, 90))
    moved = atoms.replace(frac=xyz / 70.0)
    hkl = np.concatenate([[[0, 0, 0]], crystal.unique_reflections(d_min)])
    f = friedel.fcalc((crystal, moved), hkl=hkl, method="direct").values
    copies = np.where(hkl.any(axis=1), 2.0, 1.0)
    phases = np.exp(-2j * np.pi * (at / 70.0) @ hkl.T)
    return (phases @ (copies * f)).real / crystal.volume


def test_whole_cell_is_limited_to_its_own_f():
    grid = map_of_model(molecule(), d_min=2.0, rtol=1e-5)
    assert isinstance(grid, Grid)
    hkl = CRYSTAL.unique_reflections(1.3)
    found = structure_factors(grid.array, CRYSTAL, hkl, symmetry_sum=False)
    expected = friedel.fcalc(molecule(), hkl=hkl, rtol=1e-6).values
    inside = CRYSTAL.d_spacing(hkl) >= 2.0
    f = Reflections(CRYSTAL, hkl[inside], found[inside])
    assert worst_shell_error(f, expected[inside]) < 1e-5
    assert np.abs(found[~inside]).max() < 1e-5 * np.abs(expected).max()
    total = friedel.fcalc(molecule(), hkl=[[0, 0, 0]]).values[0].real
    assert grid.array.mean(dtype=float) * CRYSTAL.volume == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (31.3, -40.1, 7.7)])
def test_box_has_the_density_of_the_atoms_alone(shift):
    """Small margins too: periodic images are kept away."""
    crystal, atoms = molecule(shift=shift)
    xyz = atoms.frac @ crystal.orthogonalization.T
    box = map_of_model((crystal, atoms), d_min=2.5, margin=1.0, rtol=1e-6)
    assert isinstance(box, MapBox)
    assert (xyz.min(axis=0) - box.first_point >= 1.0).all()
    last = box.first_point + box.steps @ (np.array(box.shape) - 1)
    assert (last - xyz.max(axis=0) >= 1.0).all()
    exact = direct_density(xyz, atoms, 2.5, xyz)
    found = values_at(box, xyz)
    assert np.corrcoef(found, exact)[0, 1] > 0.9995
    # the ripples of a sharp limit depend on the cell in which F is sampled
    np.testing.assert_allclose(found, exact, atol=0.015 * exact.max())


def test_1orc_alone(shared_data):
    model = friedel.as_model(shared_data / "models" / "1orc.pdb")
    xyz = model.atoms.frac @ model.crystal.orthogonalization.T
    box = map_of_model(model, d_min=3.0, margin=5.0)
    exact = direct_density(xyz, model.atoms, 3.0, xyz)
    assert np.corrcoef(values_at(box, xyz), exact)[0, 1] >= 0.999


@pytest.mark.filterwarnings("ignore:Setting the dtype:DeprecationWarning")  # mrcfile, NumPy 2.5
def test_written_map_lies_on_the_model(tmp_path):
    """By NXSTART, with which gemmi and mrcfile agree, and ORIGIN zero."""
    mrcfile = pytest.importorskip("mrcfile")
    crystal, atoms = molecule(shift=(31.3, -40.1, 7.7))
    xyz = atoms.frac @ crystal.orthogonalization.T
    box = map_of_model((crystal, atoms), d_min=2.5, margin=4.0)
    expected = values_at(box, xyz)
    box.to_ccp4(tmp_path / "box.mrc")
    with mrcfile.open(tmp_path / "box.mrc") as file:
        header, voxel = file.header, file.voxel_size
        assert file.validate is not None
        step = np.array([voxel.x, voxel.y, voxel.z], float)
        start = np.array([header.nxstart, header.nystart, header.nzstart])
        assert [float(header.origin[x]) for x in "xyz"] == [0, 0, 0]
        assert (header.mapc, header.mapr, header.maps) == (1, 2, 3)
        values = np.array(file.data).transpose(2, 1, 0)
    of_file = MapBox(values, Crystal((*(step * box.shape), 90, 90, 90)), box.shape)
    np.testing.assert_allclose(values_at(of_file, xyz - step * start), expected, rtol=1e-4)
    assert mrcfile.validate(tmp_path / "box.mrc")
    ccp4 = gemmi.read_ccp4_map(str(tmp_path / "box.mrc"), setup=False)
    ccp4.setup(0.0, gemmi.MapSetup.NoSymmetry)
    found = [ccp4.grid.interpolate_value(gemmi.Position(*x), 3) for x in xyz]
    # gemmi's cubic interpolation, with four points per d_min
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.max())
    again = read_map_box(tmp_path / "box.mrc")
    assert (again.start, again.sampling, again.origin) == (box.start, box.sampling, box.origin)
    np.testing.assert_array_equal(again.array, box.array)


def test_like_a_map_with_another_origin_and_order_of_axes(tmp_path):
    crystal, atoms = molecule(shift=(3.0, -4.0, 5.0))
    xyz = atoms.frac @ crystal.orthogonalization.T
    cell = Crystal((40 * 0.9, 36 * 0.9, 44 * 0.9, 90, 90, 90), name="P 1")
    given = MapBox(np.zeros((40, 36, 44)), cell, (40, 36, 44), origin=(-14.33, -20.17, -14.71))
    given.to_ccp4(tmp_path / "given.mrc")
    box = map_of_model((crystal, atoms), d_min=2.5, like=tmp_path / "given.mrc", rtol=1e-6)
    np.testing.assert_allclose(box.origin, given.origin, rtol=1e-6)
    assert box.shape == given.shape
    exact = direct_density(xyz, atoms, 2.5, xyz)
    # less than three points per d_min between which splines interpolate
    np.testing.assert_allclose(values_at(box, xyz), exact, atol=0.03 * exact.max())
    with pytest.raises(ParameterError, match=r"0\.9 A apart cannot hold a map to 1\.5 A"):
        map_of_model((crystal, atoms), d_min=1.5, like=given)
    # the same in a file with axes in the order z, x, y
    ccp4 = gemmi.Ccp4Map()
    values = np.ascontiguousarray(box.array.transpose(2, 0, 1))
    ccp4.grid = gemmi.FloatGrid(values, gemmi.UnitCell(*cell.cell), gemmi.SpaceGroup("P1"))
    ccp4.update_ccp4_header()
    for word, value in zip((8, 9, 10, 17, 18, 19), (*given.sampling, 3, 1, 2), strict=True):
        ccp4.set_header_i32(word, value)
    for i, x in enumerate(given.origin):
        ccp4.set_header_float(50 + i, x)
    ccp4.write_ccp4_map(str(tmp_path / "zxy.mrc"))
    np.testing.assert_array_equal(read_map_box(tmp_path / "zxy.mrc").array, box.array)


def test_origin_on_the_grid_becomes_a_start(tmp_path):
    cell = Crystal((10, 12, 14, 90, 90, 90), name="P 1")
    given = MapBox(np.ones((10, 12, 14)), cell, (10, 12, 14), origin=(5.0, -6.0, 7.0))
    given.to_ccp4(tmp_path / "given.mrc")
    found = read_map_box(tmp_path / "given.mrc")
    assert (found.start, found.origin) == ((5, -6, 7), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(found.first_point, given.first_point)


def test_like_a_map_of_the_crystal():
    whole = map_of_model(molecule(), d_min=2.5, spacing=0.7)
    box = whole.box((-3, 5, 2), (20, 21, 22))
    found = map_of_model(molecule(), d_min=2.5, like=box)
    np.testing.assert_allclose(found.array, box.array, atol=1e-5)
    assert found.start == (-3, 5, 2)
    other = Crystal.from_triplets((24, 26, 28, 90, 90, 90), ["-x,-y,z"])
    with pytest.raises(CellError, match="the map has"):
        map_of_model((other, molecule()[1]), d_min=2.5, like=box)


def test_one_b_and_a_soft_edge():
    crystal, atoms = molecule()
    same = atoms.replace(b_iso=np.full(len(atoms), 30.0))
    found = map_of_model((crystal, atoms), d_min=2.5, margin=3.0, b=30.0)
    np.testing.assert_array_equal(
        found.array, map_of_model((crystal, same), d_min=2.5, margin=3.0).array
    )
    soft = map_of_model((crystal, atoms), d_min=2.0, soft_edge=0.25)
    hkl = crystal.unique_reflections(2.0)
    f = structure_factors(soft.array, crystal, hkl, symmetry_sum=False)
    ratio = (f / friedel.fcalc((crystal, atoms), hkl=hkl).values).real
    s = 2.0 / crystal.d_spacing(hkl)
    expected = np.where(s < 0.75, 1.0, 0.5 + 0.5 * np.cos(np.pi * (s - 0.75) / 0.25))
    np.testing.assert_allclose(ratio, expected, atol=2e-3)


def test_only_the_real_part_of_dispersion():
    model = molecule()
    found = map_of_model(model, d_min=2.5, addends={"O": 1.0 + 5.0j})
    expected = map_of_model(model, d_min=2.5, addends={"O": 1.0})
    np.testing.assert_array_equal(found.array, expected.array)


@pytest.mark.parametrize(
    "options", [{"like": 3}, {"soft_edge": 2.0}, {"b": -1.0}, {"margin": -1.0}, {"spacing": 0.0}]
)
def test_bad_options(options):
    with pytest.raises(ParameterError, match="got"):
        map_of_model(molecule(), d_min=2.0, **options)


def test_like_excludes_a_margin():
    box = map_of_model(molecule(), d_min=3.0, margin=3.0)
    with pytest.raises(ParameterError, match="neither margin nor spacing"):
        map_of_model(molecule(), d_min=3.0, like=box, margin=3.0)


def test_cover_of_a_periodic_map():
    crystal, atoms = molecule(shift=(40.0, -30.0, 10.0))
    xyz = atoms.frac @ crystal.orthogonalization.T
    whole = map_of_model((crystal, atoms), d_min=2.5)
    box = box_around(whole, xyz, margin=3.0)
    np.testing.assert_allclose(values_at(box, xyz), values_at(whole, xyz), rtol=1e-3)


@pytest.fixture
def pdb(shared_data, tmp_path):
    lines = (shared_data / "models" / "1orc.pdb").read_text().splitlines(keepends=True)
    path = tmp_path / "molecule.pdb"
    path.write_text("".join(x for x in lines if not x.startswith(("CRYST1", "SCALE"))))
    return path


def test_command(capsys, shared_data, pdb, tmp_path):
    model, out = shared_data / "models" / "1orc.pdb", tmp_path / "a.mrc"
    code, text, err = run(capsys, "map", model, "--dmin", 4, "--margin", 3, "--for=electron", out)
    assert (code, text) == (0, "")
    assert "density of 1orc.pdb to 4 A in A/A^3, " in err
    assert "points 1 A apart, a box from (" in err
    read = friedel.as_model(model)
    expected = map_of_model(read, d_min=4.0, margin=3.0, source="electron")
    np.testing.assert_array_equal(read_map_box(out).array, expected.array)
    # a model without cell gets a box; fcalc writes the same map
    assert run(capsys, "map", pdb, "--dmin", 4, "-o", tmp_path / "b.mrc")[0] == 0
    code, _, err = run(
        capsys, "fcalc", pdb, "--dmin", 4, "--margin", 10, "--write-map", tmp_path / "c.mrc"
    )
    assert "c.mrc: density to 4 A in electrons/A^3, " in err
    boxes = [read_map_box(tmp_path / name) for name in ("b.mrc", "c.mrc")]
    assert boxes[0].start == boxes[1].start
    np.testing.assert_array_equal(boxes[0].array, boxes[1].array)
    like = tmp_path / "d.mrc"
    assert run(capsys, "map", pdb, "--dmin", 4, "--like", out, "--for=electron", like)[0] == 0
    np.testing.assert_allclose(read_map_box(like).array, expected.array, atol=1e-4)
    # an existing map is not replaced
    code, _, err = run(capsys, "map", pdb, "--dmin", 4, like)
    assert (code, "exists" in err) == (2, True)
    assert run(capsys, "map", pdb, "--dmin", 4, like, "--overwrite")[0] == 0


def test_command_on_coefficients(capsys, shared_data, tmp_path):
    mtz = shared_data / "models" / "5a3h_sigmaa.mtz"
    model, out = shared_data / "models" / "5a3h.pdb", tmp_path / "a.map"
    code, _, err = run(
        capsys, "map", f"{mtz}:DELFWT,PHDELWT", "--cover", model, "--margin", 2, "--dmin", 3, out
    )
    assert code == 0
    assert "map of DELFWT, PHDELWT from 5a3h_sigmaa.mtz around 5a3h.pdb" in err
    coefficients = read_map_coefficients(f"{mtz}:DELFWT,PHDELWT")
    whole = friedel.map_from_coefficients(coefficients.select(coefficients.d_spacing >= 3))
    read = friedel.as_model(model)
    xyz = read.atoms.frac @ read.crystal.orthogonalization.T
    np.testing.assert_allclose(values_at(read_map_box(out), xyz), values_at(whole, xyz), atol=1e-3)
    for options, text in (
        (["--b", 20], "options for models"),
        (["--margin", 5], "--cover"),
        (["--spacing", 3], "too coarse"),
    ):
        code, _, err = run(capsys, "map", mtz, *options, tmp_path / "b.map")
        assert (code, text in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "--dmin"),
        (["--dmin", 1, "--cover", QUARTZ], "--cover is for map coefficients"),
        (["--dmin", 1, "--soft-edge", 2], "soft_edge"),
    ],
)
def test_command_says_what_is_wrong(capsys, tmp_path, options, text):
    code, _, err = run(capsys, "map", QUARTZ, *options, tmp_path / "a.map")
    assert (code, text in err.splitlines()[-1]) == (2, True)
    assert run(capsys, "map", QUARTZ, "--dmin", 1)[0] == 2


def test_coefficients_that_are_not_there(shared_data, tmp_path):
    mtz = shared_data / "models" / "5a3h_sigmaa.mtz"
    with pytest.raises(FileFormatError, match="expected those of amplitude and phase"):
        read_map_coefficients(f"{mtz}:FWT")
    with pytest.raises(FileFormatError, match="has no A,B; it has FREE"):
        read_map_coefficients(f"{mtz}:A,B")
    usual = read_map_coefficients(mtz)
    assert usual.label == "FWT"
    usual.to_cif(tmp_path / "fwt.cif")
    again = read_map_coefficients(tmp_path / "fwt.cif")
    first, second = (friedel.map_from_coefficients(x, spacing=0.9).array for x in (usual, again))
    np.testing.assert_allclose(first, second, atol=2e-3)
    with pytest.raises(ReflectionsError):
        friedel.map_from_coefficients(usual.select(usual.d_spacing > 1e6))
