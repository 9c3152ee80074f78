import numpy as np
import pytest

import friedel
from friedel.constants import U_TO_B
from friedel.errors import AtomsError
from friedel.model.atoms import Atoms, expand_strict_ncs, rotate_tensors
from friedel.model.crystal import Crystal


def two_atoms(**fields):
    u_aniso = np.array([[0.0] * 6, [0.1, 0.2, 0.3, 0.01, 0.02, 0.03]])
    atoms = Atoms.from_labels(["C", "fe2+"], [[0, 0, 0], [0.1, 0.2, 0.3]], 1.0, 20.0, u_aniso)
    return atoms.replace(**fields)


def test_labels_become_kinds():
    atoms = two_atoms()
    assert atoms.scatterers == ("C", "Fe2+")
    assert atoms.symbols == ("C", "Fe")
    assert atoms.kind.tolist() == [0, 1]
    assert "C1 Fe2+1" in repr(atoms)


def test_arrays_are_frozen_and_the_callers_are_not():
    frac = np.zeros((1, 3))
    atoms = Atoms.from_labels(["C"], frac)
    with pytest.raises(ValueError, match="read-only"):
        atoms.frac[0, 0] = 1.0
    frac[0, 0] = 0.5
    assert atoms.frac[0, 0] == 0.0


@pytest.mark.parametrize("frac", [[[0, 0, 0, 0]], np.zeros((3, 1)), [0, 0], "abc", [["x", 0, 0]]])
def test_positions_of_another_shape_are_named(frac):
    """Also (3, n) arrays, whose numbers would be taken for n other positions."""
    with pytest.raises(friedel.AtomsError, match="frac"):
        Atoms.from_labels(["C"], frac)


def test_views_of_what_others_write_to_are_copied():
    """Read-only views are copied too: their values could change after a calculation was planned."""
    b_iso = np.array([10.0])
    atoms = Atoms.from_labels(["C"], [[0, 0, 0]])
    seen = atoms.replace(b_iso=np.broadcast_to(b_iso, (1,)))
    b_iso[:] = 20.0
    assert seen.b_iso == [10.0]
    assert atoms.replace(occ=atoms.occ[:]).occ.base is atoms.occ  # frozen all the way


def test_replace_changes_one_field_only():
    moved = two_atoms(frac=np.ones((2, 3)))
    assert (moved.frac == 1).all()
    np.testing.assert_array_equal(moved.u_aniso, two_atoms().u_aniso)


def test_anisotropic_atoms_ignore_b_iso():
    atoms = two_atoms()
    assert atoms.is_aniso.tolist() == [False, True]
    np.testing.assert_allclose(atoms.b_tensor[0], [20, 20, 20, 0, 0, 0])
    np.testing.assert_allclose(atoms.b_tensor[1], U_TO_B * atoms.u_aniso[1])
    assert atoms.b_eigenvalues[1].sum() == pytest.approx(U_TO_B * 0.6)
    assert not atoms.without_aniso().is_aniso.any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frac": np.full((2, 3), np.nan)}, "frac of atom 1"),
        ({"occ": np.array([1.0, np.inf])}, "occ of atom 2"),
        ({"b_iso": np.zeros(3)}, r"b_iso has shape \(3,\)"),
        ({"u_aniso": np.zeros((2, 3))}, r"expected \(2, 6\)"),
        ({"kind": np.array([0, 2])}, "values from 0 to 1"),
    ],
)
def test_fields_that_do_not_fit(fields, message):
    with pytest.raises(friedel.AtomsError, match=message):
        two_atoms(**fields)


def test_unknown_label():
    with pytest.raises(friedel.ElementError, match="Qq"):
        Atoms.from_labels(["Qq"], [[0, 0, 0]])


def test_strict_ncs_copies_positions_and_tensors():
    crystal = Crystal((10, 12, 14, 90, 100, 90))
    turn = np.array([[0.0, -1, 0, 1.0], [1, 0, 0, 2.0], [0, 0, 1, 3.0]])
    atoms = two_atoms()
    expanded = expand_strict_ncs(crystal, atoms, turn[None])
    assert len(expanded) == 4
    position = crystal.orthogonalization @ atoms.frac[1]
    copy = crystal.orthogonalization @ expanded.frac[3]
    np.testing.assert_allclose(copy, turn[:, :3] @ position + turn[:, 3], atol=1e-12)
    np.testing.assert_allclose(expanded.u_aniso[3], [0.2, 0.1, 0.3, -0.01, -0.03, 0.02], atol=1e-12)


def test_rotating_a_tensor_keeps_its_eigenvalues():
    rng = np.random.default_rng(1)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    atoms = two_atoms()
    rotated = atoms.replace(u_aniso=rotate_tensors(atoms.u_aniso, rotation))
    np.testing.assert_allclose(rotated.b_eigenvalues, atoms.b_eigenvalues, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"frac": [[0, 0]]}, r"frac has shape \(1, 2\), expected \(1, 3\) for 1 labels"),
        ({"frac": [[0, 0, 0]] * 2}, r"frac has shape \(2, 3\), expected \(1, 3\)"),
        ({"frac": "x"}, "frac is 'x', expected numbers"),
        ({"occ": [1, 2]}, r"occ has shape \(2,\), expected \(1,\)"),
        ({"b_iso": "a"}, "b_iso is 'a', expected numbers"),
    ],
)
def test_arguments_that_do_not_fit_the_labels(given, message):
    with pytest.raises(AtomsError, match=message):
        Atoms.from_labels(["C"], **({"frac": [[0, 0, 0]]} | given))
