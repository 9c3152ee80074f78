"""U of small-molecule CIFs in oblique cells: the same F as from Cartesian U in PDB and mmCIF.

Programs have taken cells with some right angles for orthogonal ones (gemmi pull request 430).
"""

import gemmi
import numpy as np
import pytest

import friedel

CELLS = {
    "P 31": (7.1, 7.1, 9.3, 90.0, 90.0, 120.0),
    "P 1 21/n 1": (5.2, 8.4, 7.7, 90.0, 107.3, 90.0),
    "P -1": (5.1, 6.2, 7.3, 81.0, 107.0, 95.0),
}
FRAC = np.array([[0.11, 0.27, 0.38], [0.62, 0.05, 0.81], [0.31, 0.72, 0.55]])
U_CIF = np.array([0.041, 0.022, 0.033, 0.009, -0.011, 0.006])
"""U11 U22 U33 U12 U13 U23 of the first atom, as in _atom_site_aniso_U."""
U_ISO = 0.035
"""U of the second atom, Å^2; the third has the tensor of an isotropic atom."""
HKL = np.array([[h, k, l] for h in range(-4, 5) for k in range(-4, 5) for l in range(6)])
INDICES = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def reciprocal(cell: gemmi.UnitCell) -> np.ndarray:
    """Rows a*, b*, c* in Cartesian coordinates."""
    return np.array(cell.frac.mat.tolist())


def isotropic_tensor(cell: gemmi.UnitCell) -> np.ndarray:
    """U_ij of a CIF for an isotropic atom: U times the cosines between reciprocal axes."""
    axes = reciprocal(cell) / np.linalg.norm(reciprocal(cell), axis=1)[:, None]
    return np.array([U_ISO * axes[i] @ axes[j] for i, j in INDICES])


def cartesian(cell: gemmi.UnitCell, u_cif: np.ndarray) -> np.ndarray:
    """Cartesian U whose factor exp(-2 pi^2 s.U.s) is that of the CIF for six reflections.

    Solved for, so that no formula of the conversion is taken for granted.
    """
    rows = reciprocal(cell)
    lengths = np.linalg.norm(rows, axis=1)
    hkl = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    s = hkl @ rows
    exponents = exponent(hkl, lengths, u_cif)
    factors = np.array([1, 1, 1, 2, 2, 2])
    matrix = np.column_stack(
        [f * s[:, i] * s[:, j] for (i, j), f in zip(INDICES, factors, strict=True)]
    )
    return np.linalg.solve(matrix, exponents)


def exponent(hkl: np.ndarray, lengths: np.ndarray, u_cif: np.ndarray) -> np.ndarray:
    """Sum over i, j of U_ij h_i h_j a*_i a*_j: the definition of U in a CIF."""
    x = hkl * lengths
    full = u_cif[[[0, 3, 4], [3, 1, 5], [4, 5, 2]]]
    return np.einsum("ni,ij,nj->n", x, full, x)


def small_cif(name: str) -> str:
    a, b, c, alpha, beta, gamma = CELLS[name]
    cell = gemmi.UnitCell(*CELLS[name])
    tensors = {"Fe1": U_CIF, "C1": isotropic_tensor(cell)}
    sites = [("Fe1", "Fe", "Uani"), ("O1", "O", "Uiso"), ("C1", "C", "Uani")]
    atoms = "\n".join(
        f"{label} {kind} {x} {y} {z} {U_ISO} {adp}"
        for (label, kind, adp), (x, y, z) in zip(sites, FRAC, strict=True)
    )
    aniso = "\n".join(
        f"{label} {' '.join(f'{x:.9f}' for x in u[[0, 1, 2, 5, 4, 3]])}"
        for label, u in tensors.items()
    )
    return f"""data_x
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta {beta}
_cell_angle_gamma {gamma}
_space_group_name_H-M_alt '{name}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
_atom_site_adp_type
{atoms}
loop_
_atom_site_aniso_label
_atom_site_aniso_U_11
_atom_site_aniso_U_22
_atom_site_aniso_U_33
_atom_site_aniso_U_23
_atom_site_aniso_U_13
_atom_site_aniso_U_12
{aniso}
"""


def macromolecular(name: str) -> gemmi.Structure:
    """The same atoms as a structure of PDB and mmCIF."""
    structure = gemmi.Structure()
    structure.name = "x"
    structure.cell = gemmi.UnitCell(*CELLS[name])
    structure.spacegroup_hm = name
    residue = gemmi.Residue()
    residue.name, residue.seqid = "LIG", gemmi.SeqId("1")
    for symbol, frac in zip(("Fe", "O", "C"), FRAC, strict=True):
        atom = gemmi.Atom()
        atom.name = symbol
        atom.element = gemmi.Element(symbol)
        atom.pos = structure.cell.orthogonalize(gemmi.Fractional(*frac))
        atom.b_iso = 8 * np.pi**2 * U_ISO
        if symbol == "Fe":
            atom.aniso = gemmi.SMat33f(*cartesian(structure.cell, U_CIF))
        residue.add_atom(atom)
    model, chain = gemmi.Model(1), gemmi.Chain("A")
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    return structure


@pytest.fixture(params=CELLS)
def both(request, tmp_path):
    path = tmp_path / "small.cif"
    path.write_text(small_cif(request.param))
    return path, macromolecular(request.param)


def f_of(model) -> np.ndarray:
    return friedel.fcalc(model, hkl=HKL, method="direct").values


def relative(f: np.ndarray, g: np.ndarray) -> float:
    return float(np.abs(f - g).max() / np.sqrt((np.abs(f) ** 2).mean()))


def test_same_structure_factors(both):
    path, structure = both
    # gemmi holds U and B of its structures in single precision
    assert relative(f_of(path), f_of(structure)) < 1e-5
    assert relative(f_of(gemmi.read_small_structure(str(path))), f_of(structure)) < 1e-5


def test_through_files(both, tmp_path):
    path, structure = both
    structure.write_pdb(str(tmp_path / "x.pdb"))
    structure.make_mmcif_document().write_file(str(tmp_path / "x.cif"))
    # half a unit of the last place: 5e-4 Å, 5e-5 Å^2 and 5e-3 Å^2 of B, at |s| up to 1.2 1/Å,
    # so that 2 pi s dx is 4e-3 and 2 pi^2 s^2 dU is 1.4e-3; three atoms, and F beside its rms
    assert relative(f_of(path), f_of(str(tmp_path / "x.pdb"))) < 0.02
    assert relative(f_of(path), f_of(str(tmp_path / "x.cif"))) < 0.02


def test_the_definition_itself(both):
    path, structure = both
    model = friedel.as_model(path)
    cell = structure.cell
    lengths = np.linalg.norm(reciprocal(cell), axis=1)
    stol2 = model.crystal.stol2(HKL)
    expected = np.zeros(len(HKL), complex)
    for rotation, shift in zip(model.crystal.rotations, model.crystal.translations, strict=True):
        turned = HKL @ rotation
        phase = np.exp(2j * np.pi * (turned @ FRAC.T + (HKL @ shift)[:, None] / 24))
        factors = np.column_stack(
            [
                np.exp(-2 * np.pi**2 * exponent(turned, lengths, U_CIF)),
                np.exp(-8 * np.pi**2 * U_ISO * stol2),
                np.exp(-8 * np.pi**2 * U_ISO * stol2),
            ]
        )
        table = friedel.form_factor_table("it92").entries
        f = np.column_stack([table[x].f(stol2) for x in ("Fe", "O", "C")])
        expected += (f * factors * phase).sum(axis=1)
    # nine digits of U are in the file
    assert relative(f_of(path), expected) < 1e-7


@pytest.mark.parametrize("older", ["B", "beta"])
def test_older_files_with_b_or_beta(both, tmp_path, older):
    path, structure = both
    cell = structure.cell
    lengths = np.linalg.norm(reciprocal(cell), axis=1)
    # the order of the file: 11 22 33 23 13 12
    products = np.array(
        [lengths[i] * lengths[j] for i, j in [*INDICES[:3], (1, 2), (0, 2), (0, 1)]]
    )
    factor = 8 * np.pi**2 if older == "B" else 2 * np.pi**2 * products
    lines = []
    in_tensors = False
    for line in path.read_text().replace("aniso_U_", f"aniso_{older}_").splitlines():
        words = line.split()
        if in_tensors and len(words) == 7:
            line = " ".join([words[0], *(f"{x:.12f}" for x in np.array(words[1:], float) * factor)])
        in_tensors = in_tensors or "aniso" in line
        lines.append(line)
    other = tmp_path / "older.cif"
    other.write_text("\n".join(lines))
    assert relative(f_of(path), f_of(other)) < 1e-7
