import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gemmi
import numpy as np
import pytest

import friedel
from friedel import ensemble
from friedel.ensemble.frames import FrameReader, mean_box
from friedel.ensemble.plan import Worker
from friedel.notes import Notes
from friedel.readers.topology import Topology, guessed_element
from friedel.readers.trajectories import as_trajectory, cell_of_vectors, parse_slice

CELL = (21.0, 24.0, 30.0, 90.0, 100.0, 90.0)
M = 6
ATOMS = (
    ("A", "ALA", 1, "N", "N"),
    ("A", "ALA", 1, "CA", "C"),
    ("A", "ALA", 1, "C", "C"),
    ("A", "ALA", 1, "O", "O"),
    ("A", "ALA", 1, "HB1", "H"),
    ("W", "HOH", 2, "O", "O"),
    ("W", "HOH", 2, "H1", "H"),
    ("I", "NA", 3, "NA", "Na"),
)


def positions():
    rng = np.random.default_rng(0)
    start = 15 * rng.random((len(ATOMS), 3)) + 2
    return np.round(start + 0.3 * rng.normal(size=(M, len(ATOMS), 3)), 2)


def structure(xyz, group="P 1", occ=1.0):
    made = gemmi.Structure()
    made.cell, made.spacegroup_hm = gemmi.UnitCell(*CELL), group
    for i, frame in enumerate(xyz, 1):
        model = gemmi.Model(i)
        for (chain, residue, number, name, element), x in zip(ATOMS, frame, strict=True):
            if model.find_chain(chain) is None:
                model.add_chain(gemmi.Chain(chain))
            of = model.find_chain(chain)
            if not len(of) or of[-1].seqid.num != number:
                new = gemmi.Residue()
                new.name, new.seqid = residue, gemmi.SeqId(number, " ")
                of.add_residue(new)
            atom = gemmi.Atom()
            atom.name, atom.element, atom.occ, atom.b_iso = name, gemmi.Element(element), occ, 7.0
            atom.pos = gemmi.Position(*x)
            of[-1].add_atom(atom)
        made.add_model(model)
    made.setup_entities()
    return made


@pytest.fixture(name="pdb")
def pdb_fixture(tmp_path):
    path = tmp_path / "models.pdb"
    structure(positions()).write_pdb(str(path))
    return path


def of_arrays(**keywords):
    crystal = friedel.Crystal(CELL)
    labels = [element for *_, element in ATOMS]
    atoms = friedel.Atoms.from_labels(labels, np.zeros((len(ATOMS), 3)))
    return ensemble.run((crystal, atoms), positions(), d_min=3, **keywords)


def test_models_of_a_pdb_file_are_frames(pdb):
    found, expected = ensemble.run(pdb, d_min=3), of_arrays()
    assert found.n_frames == M
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-9)
    np.testing.assert_allclose(found.diffuse, expected.diffuse, atol=1e-8)


def test_models_of_an_mmcif_file_are_frames(tmp_path):
    path = tmp_path / "models.cif"
    structure(positions()).make_mmcif_document().write_file(str(path))
    np.testing.assert_allclose(ensemble.run(path, d_min=3).mean, of_arrays().mean, atol=1e-9)


def test_b_of_the_file(pdb):
    found = ensemble.run(pdb, d_min=3, b="file")
    decay = np.exp(-7.0 * found.lattice.box.stol2(found.hkl))
    np.testing.assert_allclose(found.mean, of_arrays().mean * decay, atol=1e-8)


def test_occupancies_divided_by_the_number_of_models(tmp_path):
    path = tmp_path / "models.pdb"
    structure(positions(), occ=0.17).write_pdb(str(path))  # 1 / 6 with two digits
    found = ensemble.run(path, d_min=3)
    np.testing.assert_allclose(found.mean, 6 * 0.17 * of_arrays().mean, atol=1e-8)
    assert any("multiplied by 6" in note for note in found.notes)
    with pytest.raises(friedel.GuessError):
        ensemble.run(path, d_min=3, strict=True)


def test_occupancies_of_zero(tmp_path):
    path = tmp_path / "models.pdb"
    structure(positions(), occ=0.0).write_pdb(str(path))
    found = ensemble.run(path, d_min=3)
    np.testing.assert_allclose(found.mean, of_arrays().mean, atol=1e-9)
    assert any("occupancies are 0" in note for note in found.notes)


def test_models_with_other_atoms_are_an_error(tmp_path):
    made = structure(positions())
    del made[2].find_chain("W")[0][1]
    path = tmp_path / "models.pdb"
    made.write_pdb(str(path))
    with pytest.raises(friedel.AtomsError, match="model 3"):
        ensemble.run(path, d_min=3)


def test_symmetry_of_a_file_is_applied(tmp_path):
    path = tmp_path / "models.pdb"
    structure(positions(), "P 1 2 1").write_pdb(str(path))
    found = ensemble.run(path, d_min=3)
    one = friedel.fcalc((friedel.Crystal.from_triplets(CELL, ["-x,y,-z"]), atoms_of(0)), d_min=3)
    assert len(found.hkl) == len(one.hkl)
    assert any("lockstep" in note for note in found.notes)


def atoms_of(frame):
    crystal = friedel.Crystal(CELL)
    frac = positions()[frame] @ crystal.fractionalization.T
    return friedel.Atoms.from_labels([element for *_, element in ATOMS], frac)


def mdtraj_like():
    """An object with the attributes of mdtraj.Trajectory that are used: lengths in nm."""
    chain = SimpleNamespace(index=0)
    atoms = [
        SimpleNamespace(
            name=name,
            residue=SimpleNamespace(name=residue, chain=chain),
            element=SimpleNamespace(symbol=element),
        )
        for _, residue, _, name, element in ATOMS
    ]
    vectors = friedel.Crystal(CELL).orthogonalization.T / 10
    return SimpleNamespace(
        xyz=positions().astype(np.float32) / 10,
        topology=SimpleNamespace(atoms=atoms),
        unitcell_vectors=np.repeat(vectors[None], M, axis=0),
    )


def test_mdtraj_objects():
    found, expected = ensemble.run(mdtraj_like(), d_min=3), of_arrays()
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-4)
    without = mdtraj_like()
    without.unitcell_vectors = None
    with pytest.raises(friedel.MissingCellError):
        ensemble.run(without, d_min=3)


def test_a_box_that_changes_is_refused_or_averaged():
    changing = mdtraj_like()
    scales = 1 + 0.01 * np.arange(M)
    changing.unitcell_vectors = changing.unitcell_vectors * scales[:, None, None]
    changing.xyz = changing.xyz * scales[:, None, None]
    with pytest.raises(friedel.CellError, match="box='mean'"):
        ensemble.run(changing, d_min=3)
    found = ensemble.run(changing, d_min=3, box="mean")
    edges = np.array(found.lattice.box.cell[:3]) / CELL[:3]
    np.testing.assert_allclose(edges, scales.mean(), rtol=1e-6)
    same = (found.hkl[:, None] == of_arrays().hkl[None]).all(axis=2)
    i, j = np.nonzero(same)
    # fractional positions are the same; form factors are at the resolution of the mean box
    ratio = found.mean[i] / of_arrays().mean[j]
    assert np.median(np.abs(np.angle(ratio))) < 0.05


def test_the_mean_box_leaves_out_frames_that_cannot_be_read():
    class Damaged:
        def __init__(self, plain):
            self._plain = plain

        def __getattr__(self, name):
            return getattr(self._plain, name)

        def __len__(self):
            return M

        def frame(self, index):
            if index == 1:
                raise friedel.errors.FrameError("cannot read frame 1")
            return self._plain.frame(index)

    damaged, notes = Damaged(as_trajectory(mdtraj_like())), Notes()
    with pytest.raises(friedel.errors.FrameError):
        mean_box(damaged, range(M), skip=False, notes=notes)
    box = mean_box(damaged, range(M), skip=True, notes=notes)
    np.testing.assert_allclose(box.cell, CELL, rtol=1e-6)
    assert notes.records()[-1].startswith(f"the box is the mean of {M - 1} frames")


def test_a_box_in_another_orientation_is_the_same():
    turned = mdtraj_like()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    turned.xyz, turned.unitcell_vectors = (
        turned.xyz @ rotation.T,
        turned.unitcell_vectors @ rotation.T,
    )
    np.testing.assert_allclose(ensemble.run(turned, d_min=3).mean, of_arrays().mean, atol=1e-4)


@pytest.mark.filterwarnings("ignore:DCDReader")
@pytest.mark.parametrize("ending", ["xtc", "dcd"])
def test_trajectories_of_mdanalysis(pdb, tmp_path, ending):
    mda = pytest.importorskip("MDAnalysis")
    universe = mda.Universe(str(pdb), positions().astype(np.float32))
    path = tmp_path / f"frames.{ending}"
    with mda.Writer(str(path), len(ATOMS)) as writer:
        for step in universe.trajectory:
            step.dimensions = CELL
            writer.write(universe.atoms)
    found, expected = ensemble.run(pdb, path, d_min=3), of_arrays()
    size = np.abs(expected.mean).max()
    np.testing.assert_allclose(found.mean, expected.mean, atol=2e-3 * size)  # XTC has 0.01 Å
    np.testing.assert_allclose(found.diffuse, expected.diffuse, atol=2e-3 * size**2)
    opened = mda.Universe(str(pdb), str(path))
    np.testing.assert_array_equal(ensemble.run(opened, d_min=3).mean, found.mean)
    chosen = ensemble.run(pdb, [path], d_min=3, select="protein", parts=["name CA"])
    assert chosen.parts == ("name CA", "rest")
    with pytest.raises(friedel.ParameterError, match="cannot understand"):
        ensemble.run(pdb, [path], d_min=3, select="nonsense of")


def test_a_trajectory_of_files_can_be_sent_to_another_process(pdb):
    mda = pytest.importorskip("MDAnalysis")
    read = as_trajectory(mda.Universe(str(pdb)))
    again = pickle.loads(pickle.dumps(read))
    np.testing.assert_array_equal(again.frame(2).xyz, read.frame(2).xyz)
    with pytest.raises(friedel.FileFormatError, match="frame 99"):
        read.frame(99)


def universe_and_xtc(pdb, tmp_path, frames=40):
    """MDAnalysis, and a trajectory of its making."""
    mda = pytest.importorskip("MDAnalysis")
    warnings.filterwarnings("ignore", "Reader has no dt")
    universe = mda.Universe(str(pdb), topology_format="PDB")
    path, rng = tmp_path / "many.xtc", np.random.default_rng(5)
    start = universe.atoms.positions.copy()
    with mda.Writer(str(path), len(ATOMS)) as writer:
        for _ in range(frames):
            universe.atoms.positions = start + rng.normal(0, 1, start.shape)
            universe.dimensions = CELL
            writer.write(universe.atoms)
    return mda, path


def test_threads_that_share_a_trajectory_read_the_right_frames(pdb, tmp_path):
    """MDAnalysis has one current frame, which threads of a pool or of a Dask worker share."""
    _, path = universe_and_xtc(pdb, tmp_path)
    read = as_trajectory(pdb, path)
    expected = [read.frame(i).xyz for i in range(len(read))]
    wanted = np.random.default_rng(0).integers(len(read), size=2000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: read.frame(i).xyz, wanted.tolist()))
    assert all(np.array_equal(x, expected[i]) for x, i in zip(found, wanted, strict=True))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of MDAnalysis
def test_files_that_a_worker_lacks_are_an_error_even_if_frames_are_skipped(pdb, tmp_path):
    _, path = universe_and_xtc(pdb, tmp_path)
    plan = ensemble.prepare(pdb, path, d_min=3, on_error="skip")
    sent = pickle.dumps(plan)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for offsets in tmp_path.glob(".*offsets*"):
        offsets.unlink()
    with pytest.raises(friedel.FileFormatError, match="expected 40"):
        Worker(pickle.loads(sent)).chunk(0, 8)
    path.unlink()
    with pytest.raises(friedel.FileFormatError, match="cannot read"):
        Worker(pickle.loads(sent)).chunk(0, 8)


def test_a_universe_with_transformations(pdb, tmp_path):
    mda, path = universe_and_xtc(pdb, tmp_path)
    from MDAnalysis.transformations import translate

    universe = mda.Universe(str(pdb), str(path))
    universe.trajectory.add_transformations(translate([1.0, 2.0, 3.0]))
    expected = np.array([step.positions.copy() for step in universe.trajectory])
    read = pickle.loads(pickle.dumps(as_trajectory(universe)))
    np.testing.assert_array_equal(read.frame(7).xyz, expected[7])


@pytest.mark.filterwarnings("ignore:Reader has no dt")
def test_a_universe_in_memory(pdb):
    mda = pytest.importorskip("MDAnalysis")
    universe = mda.Universe(str(pdb), in_memory=True)
    found = ensemble.run(universe, d_min=3)
    np.testing.assert_allclose(found.mean, of_arrays().mean, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "residue", "element"),
    [
        ("CA", "ALA", "C"),
        ("CA", "CA", "Ca"),
        ("CAL", "CAL", "Ca"),
        ("NA", "NA", "Na"),
        ("SOD", "SOD", "Na"),
        ("CLA", "CLA", "Cl"),
        ("HG21", "VAL", "H"),
        ("1HB", "ALA", "H"),
        ("OW", "SOL", "O"),
        ("HW1", "SOL", "H"),
        ("MW", "SOL", ""),
        ("EPW", "TIP4", ""),
        ("SE", "MSE", "Se"),
        ("SG", "CYS", "S"),
        ("CL1", "LIG", "Cl"),
        ("C12", "LIG", "C"),
        ("CA1", "LIG", "C"),
        ("Fe", "HEM", "Fe"),
        ("O5'", "DA", "O"),
    ],
)
def test_elements_guessed_from_names(name, residue, element):
    assert guessed_element(name, residue) == element


def test_guesses_are_said_and_an_error_if_strict():
    topology = Topology(["CA", "OW", "MW"], ["ALA", "SOL", "SOL"], ["", "", ""])
    notes = Notes()
    labels, is_atom = topology.labels(notes)
    assert labels == ["C", "O"]
    assert is_atom.tolist() == [True, True, False]
    assert [note.kind for note in notes.records()] == ["guess", "left out"]
    with pytest.raises(friedel.GuessError):
        topology.labels(Notes(strict=True))
    with pytest.raises(friedel.ElementError, match="cannot tell"):
        Topology(["?"], ["LIG"], [""]).labels(Notes())


@pytest.mark.parametrize(
    ("text", "atoms"),
    [
        ("all", range(8)),
        ("protein", range(5)),
        ("protein and not hydrogen", range(4)),
        ("water or resname NA", [5, 6, 7]),
        ("name CA N", [0, 1]),
        ("not (protein or water)", [7]),
        ("element o", [3, 5]),
        ("chain A and element C", [1, 2]),
    ],
)
def test_selections(pdb, text, atoms):
    assert np.flatnonzero(as_trajectory(pdb).select(text)).tolist() == list(atoms)


@pytest.mark.parametrize("text", ["", "nonsense", "name", "(protein", "protein )", "not"])
def test_selections_that_make_no_sense(pdb, text):
    with pytest.raises(friedel.ParameterError, match="cannot understand"):
        as_trajectory(pdb).select(text)


def test_slices():
    assert parse_slice("0::10") == slice(0, None, 10)
    assert parse_slice(":-5") == slice(None, -5)
    for wrong in ("5", "1:2:3:4", "::0", "::-1", "x:"):
        with pytest.raises(friedel.ParameterError):
            parse_slice(wrong)


def test_cell_of_vectors_has_exact_right_angles():
    cell = cell_of_vectors(np.float32(friedel.Crystal(CELL).orthogonalization.T).astype(float))
    np.testing.assert_allclose(cell, CELL, rtol=1e-6)
    assert cell[3] == cell[5] == 90.0


def test_sources_that_are_none():
    with pytest.raises(friedel.ParameterError, match="cannot take a trajectory"):
        as_trajectory(7)
    with pytest.raises(friedel.FileFormatError, match="no such file"):
        as_trajectory("missing.pdb")
    with pytest.raises(friedel.AtomsError, match="shape"):
        as_trajectory((friedel.Crystal(CELL), atoms_of(0)), np.zeros((2, 3, 3)))


def test_positions_are_the_same_on_any_number_of_threads(pdb):
    source = as_trajectory(pdb)
    reader = FrameReader(source, source.crystal, np.arange(len(ATOMS)))
    expected = positions()[0] @ source.crystal.fractionalization.T
    np.testing.assert_allclose(reader.frac(0), expected, atol=1e-12)
