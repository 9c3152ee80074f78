"""Riding hydrogens: geometry, numbers by residue, and where another program puts them."""

from collections import Counter

import gemmi
import numpy as np
import pytest

from friedel.errors import AtomsError, ParameterError
from friedel.fmodel import FModel
from friedel.hydrogens import C_H, N_H, riding_hydrogens
from friedel.io.hydrogens import with_riding_hydrogens
from friedel.io.models import as_model

BOUND_TO_C_AND_N = {
    "ALA": 5, "ARG": 13, "ASN": 6, "ASP": 4, "CYS": 4, "GLN": 8, "GLU": 6, "GLY": 3, "HIS": 6,
    "ILE": 11, "LEU": 11, "LYS": 13, "MET": 9, "PHE": 9, "PRO": 7, "SER": 4, "THR": 6, "TRP": 9,
    "TYR": 8, "VAL": 9,
}  # fmt: skip
"""Of each amino acid in a chain, without those of nitrogen in rings (HIS, TRP)."""

TETRAHEDRAL = 109.47122063449069


def angles(directions: np.ndarray) -> np.ndarray:
    """Degrees between all pairs of vectors."""
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]
    i, j = np.triu_indices(len(unit), 1)
    return np.degrees(np.arccos((unit[i] * unit[j]).sum(axis=1)))


def placed(position, elements, bonds) -> tuple[np.ndarray, np.ndarray]:
    neighbours = [[b for a, b in [*bonds, *(x[::-1] for x in bonds)] if a == i]
                  for i in range(len(position))]  # fmt: skip
    return riding_hydrogens(np.array(position, float), np.array(elements), neighbours)


class TestGeometry:
    def test_tetrahedral_carbon(self):
        corners = 1.53 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1]]) / np.sqrt(3)
        found, parent = placed([[0, 0, 0], *corners], ["C"] + ["O"] * 3, [(0, 1), (0, 2), (0, 3)])
        np.testing.assert_array_equal(parent, [0])
        np.testing.assert_allclose(found, C_H * np.array([[-1, -1, 1]]) / np.sqrt(3), atol=1e-12)

    def test_carbonyl_has_none(self):
        corners = 1.4 * np.array([[1, 0, 0], [-0.5, 0.866, 0], [-0.5, -0.866, 0]])
        found, _ = placed([[0, 0, 0], *corners], ["C"] + ["O"] * 3, [(0, 1), (0, 2), (0, 3)])
        assert len(found) == 0

    @pytest.mark.parametrize(
        ("length", "bond_angle", "n"), [(1.53, 111.0, 2), (1.39, 120.0, 1), (1.2, 180.0, 0)]
    )
    def test_carbon_in_a_chain_or_ring(self, length, bond_angle, n):
        half = np.radians(bond_angle / 2)
        ends = length * np.array(
            [[np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]]
        )
        found, _ = placed([[0, 0, 0], *ends], ["C", "O", "O"], [(0, 1), (0, 2)])
        assert len(found) == n
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), C_H, rtol=1e-12)
        if n == 2:
            assert angles(found) == pytest.approx(TETRAHEDRAL)
            crosswise = [angles(np.array([end, h]))[0] for end in ends for h in found]
            assert np.ptp(crosswise) < 1e-6

    def test_methyl_is_staggered(self):
        atoms = [[0, 0, 0], [0, 0, 1.53], [1.4, 0, 2.0]]
        found, parent = placed(atoms, ["C", "C", "O"], [(0, 1), (1, 2)])
        ends = found[parent == 0]
        assert len(ends) == 3
        np.testing.assert_allclose(angles(ends), TETRAHEDRAL)
        np.testing.assert_allclose(
            [angles(np.array([[0, 0, 1.0], h]))[0] for h in ends], TETRAHEDRAL
        )
        # none in the plane of O on its side, one on the other
        assert (ends[:, 0] < C_H * 0.6).all()
        assert ends[:, 0].min() == pytest.approx(-C_H * np.sin(np.radians(TETRAHEDRAL)), rel=1e-9)

    def test_amide_nitrogen(self):
        atoms = [[0, 0, 0], [0, 0, 1.33], [1.05, 0, 1.95], [-1.1, 0, 2.0]]
        found, parent = placed(atoms, ["N", "C", "O", "C"], [(0, 1), (1, 2), (1, 3)])
        ends = found[parent == 0]
        assert len(ends) == 2
        np.testing.assert_allclose(np.linalg.norm(ends, axis=1), N_H, rtol=1e-12)
        np.testing.assert_allclose(ends[:, 1], 0.0, atol=1e-12)
        assert angles(ends) == pytest.approx(120.0)

    def test_alone(self):
        assert len(placed([[0, 0, 0]], ["C"], [])[0]) == 0


@pytest.fixture(scope="module")
def cellulase(shared_data) -> gemmi.Structure:
    return gemmi.read_structure(str(shared_data / "models" / "5a3h.pdb"))


class TestModels:
    def test_numbers_by_residue(self, cellulase):
        added, n = with_riding_hydrogens(cellulase)
        assert added[0].count_atom_sites() - cellulase[0].count_atom_sites() == n
        wrong = Counter()
        residues = [
            r for chain in added[0] for r in list(chain)[1:-1] if r.name in BOUND_TO_C_AND_N
        ]
        residues = [r for r in residues if all(a.altloc == "\0" for a in r)]
        for residue in residues:
            names = [a.name for a in residue if a.is_hydrogen()]
            assert len(set(names)) == len(names)
            wrong[residue.name] += len(names) != BOUND_TO_C_AND_N[residue.name]
        assert len(residues) > 250
        assert wrong.total() == 0

    def test_given_ones_stay(self, cellulase):
        once, _ = with_riding_hydrogens(cellulase)
        again, n = with_riding_hydrogens(once)
        notes = as_model(once, hydrogens=True).notes
        assert n == 0
        assert again[0].count_atom_sites() == once[0].count_atom_sites()
        assert "no hydrogens are added: the model has them, or no place for them" in notes

    def test_atoms_in_one_place_are_not_bound(self, cellulase):
        twice = cellulase.clone()
        chain = twice[0][0]
        chain[5].add_atom(chain[5][1].clone())
        added = as_model(twice, hydrogens=True).atoms
        assert np.isfinite(added.frac).all()
        chain[5][1].pos = gemmi.Position(np.nan, 0, 0)
        with pytest.raises(AtomsError, match="frac"):
            as_model(twice, hydrogens=True)

    def test_only_of_structures(self, cellulase, shared_data):
        read = as_model(cellulase)
        for other in (read, (read.crystal, read.atoms), shared_data / "models" / "epoxide.cif"):
            with pytest.raises(ParameterError, match="hydrogens can be added to"):
                as_model(other, hydrogens=True)

    def test_as_another_program_places_them(self, shared_data):
        given = gemmi.read_structure(str(shared_data / "models" / "pka_start.pdb"))
        bare = given.clone()
        bare.remove_hydrogens()
        added, n = with_riding_hydrogens(bare)
        off = []
        for chain, original in zip(added[0], given[0], strict=True):
            for residue, reference in zip(chain, original, strict=True):
                near = np.array([a.pos.tolist() for a in reference if a.is_hydrogen()])
                for atom in residue:
                    if atom.is_hydrogen():
                        assert len(near)
                        off.append(np.linalg.norm(near - atom.pos.tolist(), axis=1).min())
        assert len(off) == n > 2000
        # they agree on where the electrons are; angles of the model bend a bond by some degrees,
        # and side chains cut short end here in a methyl group
        assert np.median(off) < 0.05
        assert np.mean(np.array(off) < 0.5) > 0.99

    def test_the_fit_gets_better(self, shared_data):
        models = shared_data / "models"
        data = f"{models / '5a3h_sigmaa.mtz'}:FP,SIGFP"
        without, with_them = (
            FModel(models / "5a3h.pdb", data, solvent="flat", hydrogens=wanted).fit()
            for wanted in (False, True)
        )
        assert "2180 hydrogens are added, riding on C and N" in with_them.notes
        # on a free set of 1300, whose own R is sure to 0.003
        assert with_them.r_free < without.r_free - 0.008
        assert with_them.result.n_parameters == without.result.n_parameters
