"""Scale and B of groups of atoms against synthetic truth."""

import json
from dataclasses import replace

import numpy as np
import pytest

import friedel
from commands import run
from friedel.errors import ParameterError
from friedel.fmodel.twinning import twinned_amplitudes
from friedel.model.atom_names import AtomNames
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.atom_names import parts_of_atoms
from friedel.readers.twin_laws import find_twin_laws
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters

P212121 = Crystal.from_triplets(
    (30, 34, 38, 90, 90, 90), ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"], "P 21 21 21"
)
P3 = Crystal.from_triplets((36, 36, 40, 90, 90, 120), ["-y,x-y,z"], "P 3")
SCALES = ScaleParameters(3.0, (2.0, -1.0, 4.0, 0.0, 0.0, 0.0), 0.35, 45.0)
SLICES = {"one": slice(0, 150), "two": slice(150, 230), "three": slice(230, 300)}


def ball(crystal, n=300):
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    positions = 9.0 * directions * rng.random((n, 1)) ** (1 / 3) + [12.0, 11.0, 14.0]
    frac = positions @ crystal.fractionalization.T
    return Atoms.from_labels(["C", "O", "N"] * (n // 3), frac, b_iso=rng.uniform(10, 25, n))


def masks(names=SLICES):
    return {name: np.isin(np.arange(300), np.arange(300)[SLICES[name]]) for name in names}


def changed(atoms, group="two", occ=0.8, b=10.0):
    """The atoms with a group that has another occupancy and B."""
    chosen = masks()[group]
    return atoms.replace(occ=np.where(chosen, occ, 1.0), b_iso=atoms.b_iso + b * chosen)


def data_of(crystal, atoms, noise, seed, scales=SCALES, law=None):
    """Amplitudes of atoms with solvent, with errors of both signs, and a free set."""
    hkl = crystal.unique_reflections(2.0)
    blank = Reflections(crystal, hkl, np.ones(len(hkl)))
    model = friedel.FModel((crystal, atoms), blank, solvent="flat", twin=None)
    components = model._setup.components
    total = scales.f_total(crystal, hkl, components.f_calc, components.f_mask)
    values = np.abs(total)
    if law is not None:
        domain = components.twin_domain(law)
        other = domain.f_total(crystal, hkl, scales)
        values = twinned_amplitudes(total, [other], scales.twin_fractions)
    rng = np.random.default_rng(seed)
    values = np.abs(values + noise * values.mean() * rng.normal(size=len(hkl)))
    return Reflections(crystal, hkl, values, 0.05 * values + 0.1, rng.random(len(hkl)) < 0.05, "FP")


def deviations(found, expected_k, expected_db):
    """Errors in standard uncertainties, of groups that are not the reference."""
    other = np.isfinite(found.k_su)
    by_k = (found.k - expected_k) / found.k_su
    by_db = (found.db - expected_db) / found.db_su
    return np.concatenate([by_k[other], by_db[other]])


@pytest.fixture(scope="module")
def atoms():
    return ball(P212121)


def test_a_group_with_too_much_weight_is_found(atoms):
    """Occupancy 0.8 and B + 10 in the data, found in six sets of errors, others 1 and 0."""
    found = []
    for seed in range(6):
        data = data_of(P212121, changed(atoms), 0.03, seed)
        fitted = friedel.FModel((P212121, atoms), data, solvent="flat").fit()
        groups = fitted.groups(masks())
        assert groups.group.tolist() == ["one", "two", "three"]
        assert set(groups.reference) <= {"one", "three"}
        assert groups.k[1] == pytest.approx(0.8, abs=0.05)
        assert groups.db[1] == pytest.approx(10.0, abs=2.0)
        found.append(deviations(groups, [1.0, 0.8, 1.0], [0.0, 10.0, 0.0]))
    found = np.array(found)
    # 24 deviations, those of k and B of one group correlated
    assert 0.6 < np.sqrt((found**2).mean()) < 1.5
    assert np.abs(found).max() < 4.0


def test_exact_data_and_a_right_model(atoms):
    data = data_of(P212121, changed(atoms), 0.0, 0)
    wrong = friedel.FModel((P212121, atoms), data, solvent="flat", target="ls").fit()
    groups = wrong.groups(masks())
    np.testing.assert_allclose(groups.k, [1.0, 0.8, 1.0], atol=5e-3)
    np.testing.assert_allclose(groups.db, [0.0, 10.0, 0.0], atol=0.2)
    right = friedel.FModel((P212121, changed(atoms)), data, solvent="flat", target="ls").fit()
    groups = right.groups(masks())
    np.testing.assert_allclose(groups.k, 1.0, atol=1e-3)
    np.testing.assert_allclose(groups.db, 0.0, atol=0.02)


def test_nothing_is_changed(atoms):
    data = data_of(P212121, changed(atoms), 0.03, 0)
    fitted = friedel.FModel((P212121, atoms), data, solvent="flat").fit()
    before = fitted.r_work, fitted.f_model.values.copy(), fitted.scales
    fitted.groups(masks())
    assert fitted.r_work == before[0]
    np.testing.assert_array_equal(fitted.f_model.values, before[1])
    assert fitted.scales == before[2]


def test_groups_of_a_twin():
    atoms = ball(P3)
    law = next(iter(find_twin_laws(P3).values()))
    scales = replace(SCALES, b_overall=(2.0, 2.0, 1.0, 0, 0, 0), twin_fractions=(0.35,))
    data = data_of(P3, changed(atoms), 0.02, 1, scales, law)
    fitted = friedel.FModel((P3, atoms), data, solvent="flat", twin=law.name).fit()
    assert fitted.twins[law.name] == pytest.approx(0.35, abs=0.03)
    groups = fitted.groups(masks())
    assert np.abs(deviations(groups, [1.0, 0.8, 1.0], [0.0, 10.0, 0.0])).max() < 4.0
    assert groups.k_su[1] < 0.02
    assert "nan" not in str(groups)
    assert str(groups).splitlines()[1].split()[-4:-2] == ["-", "0.00"]


def test_babinets_solvent(atoms):
    data = data_of(P212121, changed(atoms), 0.03, 0)
    fitted = friedel.FModel((P212121, atoms), data, solvent="babinet").fit()
    groups = fitted.groups(masks())
    assert groups.k[1] == pytest.approx(0.8, abs=0.1)


def test_selections_and_what_is_wrong_with_them(atoms):
    data = data_of(P212121, atoms, 0.03, 0)
    fitted = friedel.FModel((P212121, atoms), data, solvent="none").fit()
    groups = fitted.groups(masks(["two"]))
    assert groups.group.tolist() == ["two", "others"]
    assert groups.n_atoms.tolist() == [80, 220]
    assert groups.reference.tolist() == ["others", "others"]
    np.testing.assert_allclose(groups.b[0], atoms.b_iso[150:230].mean())
    everything = np.ones(300, bool)
    for selections, words in (
        (None, "groups of your own"),
        ({"all": everything}, "nothing to compare"),
        ({"a": everything, "b": masks()["one"]}, "150 atoms are in two groups"),
        ({"a": everything[:5]}, "expected a text or 300 booleans"),
        ({"a": "A/1"}, "needs the names"),
    ):
        with pytest.raises(ParameterError, match=words):
            fitted.groups(selections)


def test_parts_of_macromolecules():
    residues = ["ALA", "ALA", "DA", "DA", "A", "HOH", "ZN", "MSE"]
    names = ["CA", "CB", "O5'", "N1", "OP1", "O", "ZN", "SE"]
    n = len(names)
    atoms = AtomNames(("A",) * n, ("1",) * n, tuple(residues), tuple(names), ("",) * n)
    assert parts_of_atoms(atoms).tolist() == [
        "main chain", "side chains", "main chain", "side chains", "main chain", "water", "ligands",
        "side chains",
    ]  # fmt: skip


def test_a_real_structure_and_the_command(shared_data, tmp_path, capsys):
    folder = shared_data / "models"
    report = tmp_path / "rnase.json"
    code, out, _ = run(
        capsys, "fmodel", folder / "rnase.pdb", folder / "rnase.mtz", "--groups", "--solvent",
        "flat", "--json", report,
    )  # fmt: skip
    assert code == 0
    assert "scale and B of groups" in out
    groups = json.loads(report.read_text())["groups"]
    assert [row["group"] for row in groups] == ["main chain", "side chains", "chain A", "chain B"]
    assert sum(row["n_atoms"] for row in groups[:2]) == 1465
    for row in groups:
        assert row["k"] == pytest.approx(1.0, abs=0.1)
        assert row["db"] == pytest.approx(0.0, abs=4.0)
        assert (row["k_su"] is None) == (row["group"] == row["reference"])
