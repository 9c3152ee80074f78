"""Direct summation along rows against the same sum written out in extended precision."""

import gemmi
import numpy as np
import pytest

import friedel
from friedel import direct
from friedel.direct import DirectSum, atom_blocks, cost, direct_structure_factors, row_sums
from friedel.kernels.direct import rows as kernels
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.tensors import VOIGT
from friedel.runtime import threads

TOLERANCE = 1e-12
OBLIQUE = Crystal((9.3, 10.7, 12.1, 71, 98, 113))
P212121 = Crystal.from_triplets((9, 10, 11, 90, 90, 90), ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2"])
P21N = Crystal.from_triplets((9, 10, 11, 90, 103, 90), ["-x+1/2,y+1/2,-z+1/2", "-x,-y,-z"])
P6122 = Crystal.from_triplets((11, 11, 17, 90, 90, 120), ["x-y,x,z+1/6", "y,x,-z+1/3"])
CRYSTALS = {"P1": OBLIQUE, "P212121": P212121, "P21/n": P21N, "P6122": P6122}


def always(way, monkeypatch):
    """Sums by definition, by tables or along rows, however many the terms."""
    if way != "definition":
        monkeypatch.setattr(cost, "SECONDS_BY_DEFINITION", np.inf)
    monkeypatch.setattr(cost, "SECONDS_OF_TABLES", -np.inf if way == "tables" else np.inf)
    monkeypatch.setattr(cost, "SECONDS_OF_CALLS", np.inf if way == "definition" else 0.0)


@pytest.fixture(name="along_rows")
def along_rows_fixture(monkeypatch):
    always("rows", monkeypatch)


@pytest.fixture(name="way", params=["definition", "tables", "rows"])
def way_fixture(request, monkeypatch):
    always(request.param, monkeypatch)
    return request.param


def written_out(crystal, atoms, hkl, f):
    """All operations, atoms and reflections, with phases in extended precision."""
    total = np.zeros(len(hkl), complex)
    frac = atoms.frac.astype(np.longdouble)
    axes = crystal.fractionalization
    beta = 0.25 * axes @ atoms.b_tensor[:, VOIGT] @ axes.T
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        h = np.asarray(hkl, np.int64) @ rotation
        turns = h @ frac.T
        turns = (turns - np.rint(turns)).astype(float)
        shift = np.asarray(hkl, np.int64) @ translation % 24 / 24
        size = atoms.occ * np.exp(-np.einsum("ni,jik,nk->nj", h, beta, h))
        total += (f[atoms.kind].T * size * np.exp(2j * np.pi * (turns + shift[:, None]))).sum(1)
    return total


def error(found, expected):
    return np.abs(found - expected).max() / np.sqrt((np.abs(expected) ** 2).mean())


def some_atoms(n=30, seed=0, aniso=0.5, b=(2.0, 30.0)):
    rng = np.random.default_rng(seed)
    roots = np.sqrt(0.2) * (np.eye(3) + 0.3 * rng.normal(size=(n, 3, 3)))
    u_aniso = (roots @ roots.transpose(0, 2, 1))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    u_aniso[rng.random(n) >= aniso] = 0.0
    labels = rng.choice(["C", "N", "S"], n)
    place = 3.0 * rng.random((n, 3)) - 1.0
    return Atoms.from_labels(labels, place, rng.random(n), rng.uniform(*b, n), u_aniso)


def form_factors(crystal, atoms, hkl):
    table = friedel.form_factor_table("it92")
    return np.array([table.entries[s].f(crystal.stol2(hkl)) for s in atoms.scatterers])


def random_hkl(n, largest, seed=1):
    return np.random.default_rng(seed).integers(-largest, largest + 1, (n, 3))


def check(crystal, atoms, hkl, tolerance=TOLERANCE):
    hkl = np.asarray(hkl)
    f = form_factors(crystal, atoms, hkl)
    found = direct_structure_factors(crystal, atoms, hkl, f)
    expected = written_out(crystal, atoms, hkl, f)
    assert error(found, expected) < tolerance
    absent = crystal.is_absent(hkl)
    assert (found[absent] == 0).all()
    return found


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("aniso", [0.0, 0.5, 1.0])
@pytest.mark.usefixtures("way")
def test_unique_reflections(name, aniso):
    crystal = CRYSTALS[name]
    check(crystal, some_atoms(aniso=aniso), crystal.unique_reflections(0.9))


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_definition_itself(name):
    crystal = CRYSTALS[name]
    atoms, hkl = some_atoms(4), random_hkl(20, 9)
    assert DirectSum(crystal, hkl)._rows_if_faster(atoms) is None
    check(crystal, atoms, hkl)


def settings_by_system():
    groups = {}
    for group in gemmi.spacegroup_table():
        groups.setdefault(group.crystal_system_str(), []).append(group)
    return groups


@pytest.mark.parametrize("system", sorted(settings_by_system()))
def test_every_space_group_in_every_setting(system, monkeypatch):
    for number, group in enumerate(settings_by_system()[system]):
        crystal = crystal_of(group, number)
        atoms = some_atoms(5, seed=number)
        atoms = atoms.replace(frac=np.vstack([atoms.frac[:-2], [[0, 0, 0], [0.25, 0.25, 0.25]]]))
        hkl = np.vstack([random_hkl(25, 4, seed=number), [[0, 0, 0], [0, 0, 2], [1, 0, 0]]])
        for way in ("tables", "rows"):
            always(way, monkeypatch)
            check(crystal, atoms, hkl)


def crystal_of(group, seed):
    """A crystal with the operations of a group and a random cell that they leave invariant."""
    operations = group.operations()
    rotations = np.array([op.rot for op in operations]) // 24
    translations = np.array([op.tran for op in operations])
    root = 9.0 * (np.eye(3) + 0.2 * np.random.default_rng(seed).normal(size=(3, 3)))
    metric = np.einsum("nji,jk,nkl->il", rotations, root.T @ root, rotations) / len(rotations)
    lengths = np.sqrt(np.diag(metric))
    cosines = metric / np.outer(lengths, lengths)
    angles = np.degrees(np.arccos(cosines[[1, 0, 0], [2, 2, 1]]))
    return Crystal((*lengths, *np.round(angles, 10)), rotations, translations)


@pytest.mark.parametrize("beta", [90, 112])
@pytest.mark.usefixtures("along_rows")
def test_flat_and_sharp_atoms_far_along_a_row(beta):
    crystal = Crystal((4, 5, 90, 80, beta, 90))
    atoms = some_atoms(20, aniso=0.0).replace(b_iso=np.geomspace(1, 400, 20))
    check(crystal, atoms, crystal.unique_reflections(1.0))


@pytest.mark.parametrize("symbol", ["C 1 2 1", "I 2 2 2", "F d d 2", "F m -3 m"])
@pytest.mark.usefixtures("along_rows")
def test_centred_rows_hold_nothing_that_is_absent(symbol):
    crystal = crystal_of(gemmi.SpaceGroup(symbol), 5)
    hkl = crystal.unique_reflections(1.2)
    check(crystal, some_atoms(), hkl)
    planned = DirectSum(crystal, hkl)
    n_terms = len(hkl) * len(planned._setting.operations.rotations)
    # Symmetry-equivalent h R fall together; rows are filled up to the longest of each six
    assert planned._rows.n_points < 1.6 * n_terms


@pytest.mark.usefixtures("way")
def test_huge_cells_and_high_indices():
    crystal = Crystal((2000, 2100, 2300, 88, 93, 101))
    hkl = np.random.default_rng(0).integers(-2, 3, (30, 3)) * [7, 9, 400]
    check(crystal, some_atoms(8), hkl)


@pytest.mark.parametrize("angle", [90, 104])
@pytest.mark.usefixtures("along_rows")
def test_what_nearly_vanishes_is_as_exact_as_the_rest(angle):
    crystal = Crystal((4, 5, 90, angle, 90, 90))
    atoms = Atoms.from_labels(["S"], [[0.1, 0.2, 0.3]], 1.0, 200.0)
    hkl = crystal.unique_reflections(1.0)
    f = np.ones((1, len(hkl)))
    found, expected = (
        direct_structure_factors(crystal, atoms, hkl, f),
        written_out(crystal, atoms, hkl, f),
    )
    assert np.abs(expected).min() < 1e-21
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("least", [1, 5000])
@pytest.mark.usefixtures("way")
def test_atoms_that_would_leave_the_range_of_doubles(least):
    crystal = Crystal((4, 5, 90, 75, 104, 110))
    atoms = some_atoms(20, aniso=0.0).replace(b_iso=np.geomspace(least, 9000, 20))
    check(crystal, atoms, crystal.unique_reflections(1.0))


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.usefixtures("way")
def test_tensors_that_are_not_positive(name):
    u_aniso = np.tile([0.05, 0.02, -0.02, 0.03, -0.01, 0.02], (6, 1))
    atoms = some_atoms(6).replace(u_aniso=u_aniso)
    assert atoms.b_eigenvalues.min() < 0
    check(CRYSTALS[name], atoms, CRYSTALS[name].unique_reflections(0.9))


@pytest.mark.usefixtures("way")
def test_any_indices_in_any_order():
    hkl = np.vstack(
        [random_hkl(300, 12), [[0, 0, 0]], random_hkl(50, 12), [[0, 0, -7], [0, -3, 5]]]
    )
    for crystal in CRYSTALS.values():
        found = check(crystal, some_atoms(), hkl)
        np.testing.assert_array_equal(found[301:351], found[:50])


@pytest.mark.parametrize(("name", "limit"), [("P1", 12), ("P212121", 100), ("P212121", 1_000_000)])
def test_few_scattered_reflections_are_not_worth_rows(name, limit):
    crystal, hkl = CRYSTALS[name], random_hkl(3, limit)
    planned = DirectSum(crystal, hkl)
    sharp = some_atoms().replace(b_iso=np.zeros(30), u_aniso=None)
    assert planned._rows_if_faster(sharp.select(np.zeros(100_000, int))) is None
    found = planned.structure_factors(sharp, np.ones((3, 3)))
    expected = written_out(crystal, sharp, hkl, np.ones((3, 3)))
    # Large indices magnify the rounding of coordinates
    assert error(found, expected) < 1e-14 * limit


def test_many_terms_are_summed_along_rows():
    atoms, hkl = some_atoms(100), P212121.unique_reflections(1.0)
    assert DirectSum(P212121, hkl)._rows_if_faster(atoms) is not None
    check(P212121, atoms, hkl)


@pytest.mark.parametrize("name", ["P212121", "P21/n", "P6122"])
@pytest.mark.usefixtures("along_rows")
def test_isotropic_atoms_are_separable_in_cells_that_allow_it(name, monkeypatch):
    separables = []
    sum_rows = kernels.sum_rows

    def spy(first, last, rows, stride, step_k, limit_k, blocks, *others):
        separables.append(blocks.separable)
        sum_rows(first, last, rows, stride, step_k, limit_k, blocks, *others)

    monkeypatch.setattr(kernels, "sum_rows", spy)
    check(CRYSTALS[name], some_atoms(aniso=0.0), CRYSTALS[name].unique_reflections(1.5))
    assert np.concatenate(separables).all()


@pytest.mark.usefixtures("along_rows")
def test_nothing_to_sum():
    atoms = some_atoms()
    assert direct_structure_factors(P212121, atoms, np.empty((0, 3)), np.empty((3, 0))).shape == (
        0,
    )
    assert (direct_structure_factors(P212121, atoms, [[1, 0, 0]], np.ones((3, 1))) == 0).all()
    assert (
        direct_structure_factors(P212121, atoms.select([]), [[1, 2, 3]], np.ones((3, 1))) == 0
    ).all()


@pytest.mark.usefixtures("along_rows")
def test_kinds_without_atoms():
    atoms = some_atoms()
    check(P212121, atoms.select(atoms.kind == 1), P212121.unique_reflections(1.5))


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.usefixtures("along_rows")
def test_imaginary_form_factors_take_no_second_summation(name, monkeypatch):
    crystal, atoms = CRYSTALS[name], some_atoms()
    hkl = np.vstack([crystal.unique_reflections(1.2), random_hkl(30, 5)])
    f = form_factors(crystal, atoms, hkl)
    f = f + 1j * np.array([[0.1], [0.0], [2.5]])
    calls = []
    sum_rows = kernels.sum_rows
    monkeypatch.setattr(kernels, "sum_rows", lambda *args: (calls.append(1), sum_rows(*args)))
    found = direct_structure_factors(crystal, atoms, hkl, f)
    assert len(calls) == 1
    assert error(found, written_out(crystal, atoms, hkl, f)) < TOLERANCE


def test_imaginary_form_factors_by_definition():
    atoms, hkl = some_atoms(3), random_hkl(10, 5)
    f = form_factors(P21N, atoms, hkl) + 0.7j
    found = direct_structure_factors(P21N, atoms, hkl, f)
    assert error(found, written_out(P21N, atoms, hkl, f)) < TOLERANCE


@pytest.mark.parametrize("name", CRYSTALS)
def test_same_bits_for_any_number_of_threads(name, monkeypatch):
    monkeypatch.setattr(threads, "SECONDS_OF_THREADS", 0.0)
    crystal, atoms = CRYSTALS[name], some_atoms(300)
    hkl = crystal.unique_reflections(1.0)
    f = form_factors(crystal, atoms, hkl)
    one = DirectSum(crystal, hkl).structure_factors(atoms, f)
    for n_threads in (2, 3, 7):
        many = DirectSum(crystal, hkl, threads=n_threads).structure_factors(atoms, f)
        assert many.tobytes() == one.tobytes()


def test_same_bits_by_definition_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(threads, "SECONDS_OF_THREADS", 0.0)
    atoms, hkl = some_atoms(2), random_hkl(9, 5)
    f = form_factors(P6122, atoms, hkl)
    one, many = (DirectSum(P6122, hkl, n).structure_factors(atoms, f) for n in (1, 20))
    assert many.tobytes() == one.tobytes()


def test_blocks_batches_and_chunks_of_kinds(monkeypatch):
    atoms, hkl = some_atoms(3 * kernels.BLOCK + 50), P6122.unique_reflections(1.6)
    expected = check(P6122, atoms, hkl)
    monkeypatch.setattr(atom_blocks, "BLOCKS_AT_A_TIME", 2)
    monkeypatch.setattr(row_sums, "LARGEST_SUMS", 1)
    assert error(check(P6122, atoms, hkl), expected) < 1e-14


def test_planned_once_and_called_with_other_atoms():
    hkl = P21N.unique_reflections(0.8)
    planned = DirectSum(P21N, hkl)
    for seed, n in enumerate((40, 90, 300)):
        atoms = some_atoms(n, seed)
        f = form_factors(P21N, atoms, hkl)
        found = planned.structure_factors(atoms, f)
        np.testing.assert_array_equal(found, direct_structure_factors(P21N, atoms, hkl, f))
        assert error(found, written_out(P21N, atoms, hkl, f)) < TOLERANCE
    assert "reflections of" in repr(planned)


def test_prediction_of_time():
    def seconds(atoms, n, **options):
        return direct.predicted_seconds(P212121, atoms, n, **options)

    isotropic, anisotropic = (some_atoms(1000, aniso=share) for share in (0.0, 1.0))
    assert seconds(anisotropic, 10_000) > 2 * seconds(isotropic, 10_000)
    assert seconds(isotropic, 10_000) > seconds(isotropic, 10_000, planned=True)
    few = some_atoms(2)
    assert seconds(few, 5) == pytest.approx(2 * seconds(few.select([0]), 5))


@pytest.mark.parametrize("case", ["1dur.pdb", "1pfe.cif.gz", "5e5z.pdb", "epoxide.cif"])
def test_real_structures(case, shared_data):
    from friedel.readers.models import as_model

    model = as_model(shared_data / "models" / case)
    hkl = model.crystal.unique_reflections(0.7 if case == "epoxide.cif" else 1.2)
    f = form_factors(model.crystal, model.atoms, hkl)
    found = direct_structure_factors(model.crystal, model.atoms, hkl, f)
    sample = np.random.default_rng(2).choice(len(hkl), min(len(hkl), 200), replace=False)
    expected = written_out(model.crystal, model.atoms, hkl[sample], f[:, sample])
    assert error(found[sample], expected) < TOLERANCE


@pytest.mark.parametrize("shape", [(3, 5), (2, 6), (6,), (3, 6, 1)])
def test_form_factors_of_another_shape(shape):
    with pytest.raises(friedel.ParameterError, match=r"expected \(3, 6\)"):
        direct_structure_factors(P212121, some_atoms(), random_hkl(6, 5), np.ones(shape))


@pytest.mark.parametrize("hkl", [[[0.5, 1, 2]], [[1, 2]], "hkl"])
def test_reflections_that_are_none(hkl):
    with pytest.raises(friedel.ReflectionsError):
        DirectSum(P212121, hkl)
