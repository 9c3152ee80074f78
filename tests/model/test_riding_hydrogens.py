"""Riding hydrogens: geometry, numbers by residue, and where another program puts them."""

from collections import Counter

import gemmi
import numpy as np
import pytest
import scipy.spatial

import friedel
from friedel.errors import AtomsError, ParameterError
from friedel.fmodel.fmodel import FModel
from friedel.model.riding_hydrogens import ELECTRONS, NUCLEI, riding_hydrogens
from friedel.readers.added_hydrogens import with_riding_hydrogens
from friedel.readers.models import as_model

C_H, N_H = ELECTRONS["C"], ELECTRONS["N"]
RING = dict.fromkeys(("CD1", "CD2", "CE1", "CE2"), 1)
SUGAR = {"C5'": 2, "C4'": 1, "C3'": 1, "C2'": 2, "C1'": 1}
ON_ATOMS = {
    "ALA": {"CB": 3},
    "ARG": {"CB": 2, "CG": 2, "CD": 2, "NE": 1, "NH1": 2, "NH2": 2},
    "ASN": {"CB": 2, "ND2": 2},
    "ASP": {"CB": 2},
    "CYS": {"CB": 2},
    "GLN": {"CB": 2, "CG": 2, "NE2": 2},
    "GLU": {"CB": 2, "CG": 2},
    "GLY": {"CA": 2},
    "HIS": {"CB": 2, "CD2": 1, "CE1": 1},
    "ILE": {"CB": 1, "CG1": 2, "CG2": 3, "CD1": 3},
    "LEU": {"CB": 2, "CG": 1, "CD1": 3, "CD2": 3},
    "LYS": {"CB": 2, "CG": 2, "CD": 2, "CE": 2, "NZ": 3},
    "MET": {"CB": 2, "CG": 2, "CE": 3},
    "PHE": {"CB": 2, **RING, "CZ": 1},
    "PRO": {"CB": 2, "CG": 2, "CD": 2, "N": 0},
    "SER": {"CB": 2},
    "THR": {"CB": 1, "CG2": 3},
    "TRP": {"CB": 2, "CD1": 1, "NE1": 1, "CE3": 1, "CZ2": 1, "CZ3": 1, "CH2": 1},
    "TYR": {"CB": 2, **RING},
    "VAL": {"CB": 1, "CG1": 3, "CG2": 3},
    "DA": {**SUGAR, "C2": 1, "C8": 1, "N6": 2},
    "DC": {**SUGAR, "C5": 1, "C6": 1, "N4": 2},
    "DG": {**SUGAR, "C8": 1, "N1": 1, "N2": 2},
    "DT": {**SUGAR, "C6": 1, "N3": 1, "C7": 3},
    "BGC": dict.fromkeys(("C1", "C2", "C3", "C4", "C5"), 1) | {"C6": 2},
    "G2F": dict.fromkeys(("C1", "C2", "C3", "C4", "C5"), 1) | {"C6": 2},
}  # fmt: skip
"""Hydrogens that ride on each atom of a residue; amino acids also have one on N and on CA."""

TETRAHEDRAL = 109.47122063449069


def angles(directions: np.ndarray) -> np.ndarray:
    """Degrees between all pairs of vectors."""
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]
    i, j = np.triu_indices(len(unit), 1)
    return np.degrees(np.arccos((unit[i] * unit[j]).sum(axis=1)))


def placed(position, elements, bonds, **options) -> tuple[np.ndarray, np.ndarray]:
    neighbours = [[b for a, b in [*bonds, *(x[::-1] for x in bonds)] if a == i]
                  for i in range(len(position))]  # fmt: skip
    radii = np.array([gemmi.Element(element).covalent_r for element in elements])
    return riding_hydrogens(
        np.array(position, float), elements, radii, neighbours, ELECTRONS, **options
    )


def number_on_end(element: str, length: float, other: str, bond_angle: float) -> int:
    """The number of hydrogens on the first of three atoms in a row."""
    bend = np.radians(180.0 - bond_angle)
    last = [1.4 * np.sin(bend), 0.0, length + 1.4 * np.cos(bend)]
    position = [[0, 0, 0], [0, 0, length], last]
    _, parents = placed(position, [element, other, "C"], [(0, 1), (1, 2)])
    return int((parents == 0).sum())


def number_between(element: str, first: tuple, second: tuple, **options) -> int:
    """The number on an atom between two others, given as element and bond length."""
    half = np.radians(57.0)
    across = np.array([np.sin(half), 0.0, 0.0])
    along = np.array([0.0, np.cos(half), 0.0])
    (a, to_a), (b, to_b) = first, second
    ends = [to_a * (along + across), to_b * (along - across)]
    further = [2.0 * end for end in ends]
    position = [[0, 0, 0], *ends, *further]
    bonds = [(0, 1), (0, 2), (1, 3), (2, 4)]
    _, parents = placed(position, [element, a, b, "C", "C"], bonds, **options)
    return int((parents == 0).sum())


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
        found, parents = placed([[0, 0, 0], *ends], ["C", "C", "C"], [(0, 1), (0, 2)])
        found = found[parents == 0]
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


class TestGroups:
    @pytest.mark.parametrize(
        ("element", "length", "other", "bond_angle", "n"),
        [
            ("C", 1.53, "C", 112, 3),
            ("C", 1.79, "S", 101, 3),
            ("C", 1.43, "O", 113, 3),
            ("C", 1.33, "C", 122, 0),  # =CH2, or what is left of a ring
            ("C", 1.47, "C", 180, 0),  # propyne: nothing tells its turn
            ("N", 1.49, "C", 111, 3),
            ("N", 1.33, "C", 120, 2),
            ("N", 1.37, "C", 120, 2),  # aniline
            ("N", 1.14, "C", 179.5, 0),  # nitrile
            ("N", 1.16, "C", 170, 0),  # bent cyanide
            ("N", 1.60, "S", 107, 0),  # sulfonamide
            ("N", 1.65, "P", 107, 0),
            ("N", 1.14, "N", 173, 0),  # azide
        ],
    )
    def test_at_an_end(self, element, length, other, bond_angle, n):
        assert number_on_end(element, length, other, bond_angle) == n

    @pytest.mark.parametrize(
        ("first", "second", "n"),
        [
            (("C", 1.52), ("N", 1.45), 2),
            (("C", 1.51), ("O", 1.43), 2),
            (("C", 1.52), ("S", 1.81), 2),
            (("C", 1.52), ("P", 1.80), 2),
            (("O", 1.41), ("O", 1.41), 2),
            (("C", 1.39), ("C", 1.39), 1),
            (("C", 1.50), ("C", 1.33), 1),
            (("C", 1.36), ("S", 1.71), 1),  # thiophene
            (("N", 1.30), ("S", 1.72), 1),  # thiazole
            (("C", 1.35), ("O", 1.37), 1),  # furan
            (("C", 1.53), ("O", 1.23), 0),  # carbonyl whose other neighbour is missing
            (("C", 1.42), ("C", 1.45), 0),  # neither
        ],
    )
    def test_carbon_between(self, first, second, n):
        assert number_between("C", first, second) == n

    @pytest.mark.parametrize(
        ("first", "second", "n"),
        [
            (("C", 1.33), ("C", 1.46), 1),
            (("C", 1.32), ("C", 1.37), 0),  # imidazole
            (("C", 1.47), ("C", 1.47), 0),  # amine
            (("S", 1.63), ("C", 1.46), 0),
        ],
    )
    def test_nitrogen_between(self, first, second, n):
        assert number_between("N", first, second) == n

    def test_nitrogen_that_is_known(self):
        known = number_between("N", ("C", 1.37), ("C", 1.37), known_nh=[0])
        left_out = number_between("N", ("C", 1.33), ("C", 1.46), left_out=[0])
        assert (known, left_out) == (1, 0)


@pytest.fixture(scope="module")
def cellulase(shared_data) -> gemmi.Structure:
    return gemmi.read_structure(str(shared_data / "models" / "5a3h.pdb"))


def wrong_numbers(structure: gemmi.Structure) -> dict[str, tuple[int, int]]:
    """Atoms of known residues with another number of hydrogens than `ON_ATOMS` says."""
    wrong = {}
    for cra in structure[0].all():
        if cra.residue.name not in ON_ATOMS or cra.atom.element.name not in ("C", "N"):
            continue
        of_amino_acids = {"N": 1, "CA": 1} if len(cra.residue.name) == 3 else {}
        expected = (of_amino_acids | ON_ATOMS[cra.residue.name]).get(cra.atom.name, 0)
        found = sum(
            atom.is_hydrogen()
            and atom.altloc == cra.atom.altloc
            and atom.pos.dist(cra.atom.pos) < 1.0
            for atom in cra.residue
        )
        if found != expected:
            name = f"{cra.chain.name} {cra.residue} {cra.atom.name} {cra.atom.altloc}"
            wrong[name.strip(" \0")] = (found, expected)
    return wrong


def split(residue: gemmi.Residue, letters: str, names: tuple[str, ...] = ()) -> None:
    """Atoms of a residue, by default all, are split into two conformations 0.04 Å apart."""
    for atom in [atom.clone() for atom in residue]:
        if not names or atom.name in names:
            residue.remove_atom(atom.name, atom.altloc)
            for letter, shift in zip(letters, (-0.02, 0.02), strict=True):
                other = atom.clone()
                other.altloc, other.occ = letter, 0.5
                other.pos += gemmi.Position(shift, 0, 0)
                residue.add_atom(other)


def ligand(atoms: list[tuple[str, tuple[float, float, float]]]) -> gemmi.Structure:
    structure = gemmi.Structure()
    structure.cell, structure.spacegroup_hm = gemmi.UnitCell(40, 40, 40, 90, 90, 90), "P 1"
    residue = gemmi.Residue()
    residue.name, residue.seqid = "LIG", gemmi.SeqId("1")
    for number, (element, position) in enumerate(atoms):
        atom = gemmi.Atom()
        atom.name, atom.element = f"{element}{number}", gemmi.Element(element)
        atom.pos, atom.b_iso = gemmi.Position(*position), 10.0
        residue.add_atom(atom)
    chain = gemmi.Chain("A")
    chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    return structure


class TestConformations:
    def test_of_side_chains(self, cellulase):
        # Met, Val, Ser, Asp split from CB on, Glu from CG; the N-terminus is an ammonium group
        added, n, _ = with_riding_hydrogens(cellulase)
        assert wrong_numbers(added) == {"A 4(SER) N": (3, 1)}
        letters = Counter(a.atom.altloc for a in added[0].all() if a.atom.is_hydrogen())
        assert letters["A"] == letters["B"] == 20
        # 2126 of amino acids in chains, 2 more of ammonium, 14 of sugars, 20 of second
        # conformations, and 11 of nitrogen in tryptophan
        assert n == 2173

    def test_of_the_main_chain(self, cellulase):
        other = cellulase.clone()
        split(other[0][0][60], "AB")
        assert wrong_numbers(with_riding_hydrogens(other)[0]) == {"A 4(SER) N": (3, 1)}

    def test_of_two_neighbours_with_other_letters(self, cellulase):
        other = cellulase.clone()
        chain = other[0][0]
        split(chain[60], "AB", ("CA", "C", "O", "CB"))
        split(chain[61], "CD", ("CA", "C", "O", "CB"))
        assert wrong_numbers(with_riding_hydrogens(other)[0]) == {"A 4(SER) N": (3, 1)}

    def test_of_nucleotides(self, shared_data):
        echinomycin = gemmi.read_structure(str(shared_data / "models" / "1pfe.cif.gz"))
        added, n, _ = with_riding_hydrogens(echinomycin)
        assert n > 150
        assert wrong_numbers(added) == {}


class TestEnds:
    def test_of_a_gap(self, cellulase):
        other = cellulase.clone()
        chain = other[0][0]
        before_proline = next(i for i, r in enumerate(chain) if r.name == "PRO") - 1
        after = str(chain[101])
        for i in (100, before_proline):
            del chain[i]
        # neither carbon before a gap nor nitrogen after it has any, proline neither
        expected = {"A 4(SER) N": (3, 1), f"A {after} N": (0, 1)}
        assert wrong_numbers(with_riding_hydrogens(other)[0]) == expected

    def test_carbon_of_an_end_without_its_second_oxygen(self, shared_data):
        repressor = gemmi.read_structure(str(shared_data / "models" / "1orc.pdb"))
        assert [a.name for a in repressor[0][0]["61"]["ASN"]].count("OXT") == 0
        # one side chain ends at CB
        expected = {"A 3(GLN) N": (3, 1), "A 21(LYS) CB": (3, 2)}
        found = wrong_numbers(with_riding_hydrogens(repressor)[0])
        assert found == expected

    @pytest.mark.parametrize(
        "atoms",
        [
            [("Fe", (0, 0, 0)), ("N", (0, 0, 1.75)), ("O", (0.6, 0, 2.75))],
            [("Fe", (0, 0, 0)), ("C", (0, 0, 1.9)), ("N", (0.1, 0, 3.06))],
            [("Zn", (0, 0, 0)), ("N", (0, 0, 2.0)), ("C", (1.3, 0, 2.6)), ("C", (1.4, 0, 4.1))],
        ],
        ids=["nitrosyl", "cyanide", "amine"],
    )
    def test_of_metals(self, atoms):
        added, *_ = with_riding_hydrogens(ligand(atoms))
        found = [a.atom for a in added[0].all() if a.atom.is_hydrogen()]
        bound = [a.atom for a in added[0].all() if a.atom.name in ("N1", "C1")]
        assert min((a.pos.dist(b.pos) for a in found for b in bound), default=9.0) > 1.5


class TestSources:
    @pytest.mark.parametrize(
        ("source", "lengths"),
        [("xray", ELECTRONS), ("neutron", NUCLEI), ("electron", NUCLEI), ("mott-bethe", NUCLEI)],
    )
    def test_distance(self, shared_data, source, lengths):
        models = shared_data / "models"
        fmodel = FModel(
            models / "1dur.pdb", f"{models / '1dur.mtz'}:FP,SIGFP", source=source,
            solvent="none", hydrogens=True,
        )  # fmt: skip
        of_atoms, of_hydrogens = (
            atoms.frac @ fmodel.crystal.orthogonalization.T
            for atoms in (fmodel.atoms, fmodel.riding_hydrogens)
        )
        distances, _ = scipy.spatial.cKDTree(of_atoms).query(of_hydrogens)
        assert set(distances.round(6)) == set(lengths.values())

    def test_unknown_one(self, cellulase):
        with pytest.raises(ParameterError, match="unknown source 'muon': expected one of xray"):
            as_model(cellulase, hydrogens=True, source="muon")

    def test_structure_factors(self, shared_data):
        path = shared_data / "models" / "5e5z.pdb"
        hkl = [[1, 0, 0], [1, 2, 3]]
        f = friedel.fcalc(path, hkl=hkl, source="neutron", hydrogens=True)
        model = as_model(path, hydrogens=True, source="neutron")
        same = friedel.fcalc(model, hkl=hkl, source="neutron")
        np.testing.assert_array_equal(f.values, same.values)
        assert "42 hydrogens are added" in f.description


class TestModels:
    def test_names_and_numbers(self, cellulase):
        added, n, _ = with_riding_hydrogens(cellulase)
        assert added[0].count_atom_sites() - cellulase[0].count_atom_sites() == n
        for chain in added[0]:
            for residue in chain:
                names = [(a.name, a.altloc) for a in residue if a.is_hydrogen()]
                assert len(set(names)) == len(names)

    def test_given_ones_stay(self, cellulase):
        once, n, _ = with_riding_hydrogens(cellulase)
        again, n_more, n_kept = with_riding_hydrogens(once)
        assert (n, n_more) == (2173, 0)
        assert n_kept > 300
        assert again[0].count_atom_sites() == once[0].count_atom_sites()
        notes = as_model(once, hydrogens=True).notes
        assert "no hydrogens are added: C and N have hydrogens already" in notes

    @pytest.mark.parametrize("element", ["H", "D"])
    def test_hydrogen_elsewhere_stops_none(self, cellulase, element):
        other = cellulase.clone()
        water = next(r for chain in other[0] for r in chain if r.name == "HOH")
        glycine = next(r for r in other[0][0] if r.name == "GLY")
        for residue, on in ((water, "O"), (glycine, "N")):
            atom = gemmi.Atom()
            atom.name, atom.element = "H1", gemmi.Element(element)
            atom.pos = residue[on][0].pos + gemmi.Position(0.5, 0.5, 0.5)
            residue.add_atom(atom)
        # those of the glycine, which has its own, are left out
        notes = as_model(other, hydrogens=True).notes
        expected = (
            "2170 hydrogens are added, riding on C and N (residues that have hydrogens already: 1)"
        )
        assert expected in notes

    def test_no_place(self):
        notes = as_model(ligand([("O", (0, 0, 0))]), hydrogens=True).notes
        assert "no hydrogens are added: no group with known geometry is found" in notes

    def test_first_of_several_models(self, cellulase):
        several = cellulase.clone()
        several.add_model(cellulase[0].clone())
        added, n, _ = with_riding_hydrogens(several)
        assert n == 2173
        assert added[1].count_atom_sites() == cellulase[0].count_atom_sites()

    def test_copies_by_strict_ncs_have_them(self, shared_data):
        path = shared_data / "models" / "5cvz_final.pdb"
        one = as_model(path, strict_ncs=False, hydrogens=True).atoms
        all_copies = as_model(path, hydrogens=True).atoms
        assert one.is_hydrogen.sum() > 900
        assert all_copies.is_hydrogen.sum() == 20 * one.is_hydrogen.sum()

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
        added, n, _ = with_riding_hydrogens(bare)
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
        assert "2173 hydrogens are added, riding on C and N" in with_them.notes
        # on a free set of 1300, whose own R is sure to 0.003
        assert with_them.r_free < without.r_free - 0.008
        assert with_them.result.n_parameters == without.result.n_parameters
