"""SHELX instruction files: what they say, and the structure factors of their models."""

import contextlib

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import friedel
from friedel.errors import FileFormatError, SymmetryError
from friedel.readers.shelx import decoded, looks_like_shelx, read_shelx
from friedel.readers.shelx_models import (
    CENTRINGS,
    as_shelx,
    crystal_of_shelx,
    model_of_shelx,
    scatterer_labels,
)

TEXT = """\
TITL a structure = not continued ! nor cut
    made.res
CELL 0.71073 10 11 12 90 95 90
ZERR 4 0.001 0.002 0.003 0 0.01 0
LATT 1
SYMM -X, 0.5+Y, 0.5-Z
SFAC C H N
SFAC O
SFAC Fe
DISP $Fe 0.3463 0.8444 334
UNIT 40 40 4 4 4
L.S. 4 0 0 0
SUMP 1 0.01 1 2 1 3
PLAN 20
OMIT -3 55
omit 1 2 3 ! why
OMIT 0 0 -2
OMIT C1 C2
TWIN 0 1 0 1 0 0 0 0 -1 -4
BASF 0.3 0.1 =
 0.05
EXTI 0.01
MERG 4
SHEL 9 0.8
WGHT 0.05 0.2
FVAR 0.5 0.6
FVAR 0.04
REM C9 1 0 0 0 = is a remark
C1 1 0.1 0.2 0.3 11.0 0.02 0.03 = ! and a comment
 0.04 0.001 0.002 0.003
AFIX 43
H1 2 0.15 0.25 0.35 11 -1.2
AFIX 0
PART 1 21
N1 3 0.3 0.4 0.5 11 31
PART 2 -21
RESI 7 ABC
N1 3 0.3 0.42 0.5 11 31
RESI 0
PART 0
FE1 5 10.5 10.5 10.5 10.5 0.01
MOVE 1 1 1 -1
O1 4 0.3 0.25 -9.75
FRAG 17 1 1 1 90 90 90
C1 1 0.1 0.2 0.3
FEND
HFIX 43 C1
HKLF 4 1 0 1 0 1 0 0 0 0 -1
REM R1 = 0.04
Q1 1 0.1 0.1 0.1 11 0.05 1
END
C2 1 0.1 0.1 0.1 11 0.05
"""

HEAD = """\
CELL 0.71073 5 6 7 90 90 90
LATT -1
SFAC C H
FVAR 1.0 0.25
"""


def test_what_a_file_says():
    said = read_shelx(TEXT, "made.res")
    assert said.title == "a structure = not continued ! nor cut"
    assert (said.wavelength, said.z, said.cell[4], said.cell_su[1]) == (0.71073, 4, 95, 0.002)
    assert (said.lattice, said.symmetry) == (1, ("-X, 0.5+Y, 0.5-Z",))
    assert [s.name for s in said.scatterers] == ["C", "H", "N", "O", "Fe"]
    assert [s.dispersion for s in said.scatterers][3:] == [None, 0.3463 + 0.8444j]
    assert said.unit == (40, 40, 4, 4, 4)
    assert said.omit_hkl == ((1, 2, 3), (0, 0, -2))
    assert (said.omit_threshold, said.omit_two_theta) == (-3, 55)
    assert said.twin == ((0, 1, 0, 1, 0, 0, 0, 0, -1), -4)
    assert said.basf == (0.3, 0.1, 0.05)
    assert (said.extinction, said.merg, said.shel) == (0.01, 4, (9, 0.8))
    assert said.weights == (0.05, 0.2, 0, 0, 0, 1 / 3)
    assert said.fvar == (0.5, 0.6, 0.04)
    assert (said.hklf.code, said.hklf.matrix) == (4, (0, 1, 0, 1, 0, 0, 0, 0, -1))
    assert said.remarks == ("C9 1 0 0 0 = is a remark", "R1 = 0.04")
    assert (said.hfix, said.neutron, said.swat, said.notes) == (1, False, None, ())


def test_atoms_with_all_codes():
    atoms = read_shelx(TEXT).atoms
    assert [a.label for a in atoms] == ["C1", "H1", "N1", "N1", "FE1", "O1"]
    carbon, hydrogen, first, second, iron, oxygen = atoms
    # SHELX's order is U11 U22 U33 U23 U13 U12
    assert carbon.u == (0.02, 0.03, 0.04, 0.003, 0.002, 0.001)
    crystal = friedel.Crystal((10, 11, 12, 90, 95, 90))
    cell = gemmi.UnitCell(*crystal.cell)
    site = gemmi.SmallStructure.Site()
    site.aniso = gemmi.SMat33d(*carbon.u)
    u_eq = cell.calculate_u_eq(site.aniso)
    assert hydrogen.u == (pytest.approx(1.2 * u_eq),)
    assert hydrogen.afix == 43
    assert (first.sof, second.sof, first.part, second.part) == (0.6, 0.4, 1, 2)
    assert (first.residue, second.residue, iron.residue) == (0, 7, 0)
    assert first.u == (0.04,)
    assert iron.xyz == (0.5, 0.5, 0.5)
    assert (iron.sof, iron.part, iron.afix) == (0.5, 0, 0)
    # MOVE: 1 - x; -9.75 is 0.25 held
    np.testing.assert_allclose(oxygen.xyz, [0.7, 0.75, 0.75])
    assert (oxygen.sof, oxygen.u) == (1.0, (0.05,))


@given(
    m=st.integers(-6, 6),
    p=st.floats(-4.99, 4.99),
    fvar=st.lists(st.floats(-4, 4), min_size=6, max_size=6),
)
def test_codes_of_free_variables(m, p, fvar):
    code = 10 * m + p
    variable = fvar[abs(m) - 1]
    expected = p if abs(m) <= 1 else p * variable if m > 1 else p * (variable - 1)
    # the code carries 60 in front of p
    assert decoded(code, fvar) == pytest.approx(expected, abs=1e-12)


@given(occ=st.floats(0.01, 0.99), order=st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24, 48]))
def test_two_parts_share_a_site(occ, order):
    p = 1 / order
    text = f"{HEAD}FVAR {occ:.12f}\nC1 1 0 0 0 {30 + p:.12f}\nC2 1 0 0 0 {-30 - p:.12f}\n"
    one, two = read_shelx(text).atoms
    assert one.sof == pytest.approx(occ * p, abs=1e-11)
    assert one.sof + two.sof == pytest.approx(p, abs=1e-11)


def test_a_variable_that_is_missing_is_an_error():
    with pytest.raises(FileFormatError, match=r"line 5 of x.res, 'C1 1 .*code 41, expected one of"):
        read_shelx(f"{HEAD}C1 1 0 0 0 41 0.05\n", "x.res")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("C1 3 0 0 0", "scattering factor 3, expected 1 to 2"),
        ("C1 1 0 zero 0", "could not convert"),
        ("H1 2 0 0 0 11 -1.2", "atom before, but there is none"),
        ("TWIN 1 0 0 0 1 0 0 0 1 1", "1 twin components"),
        ("OMIT 1.5 0 2", "integers h k l"),
        ("CELL 0.7 1 1 1 90 90 200", "CELL"),
        ("CELL 0.7 5 5 5", "expected the wavelength"),
        ("SFAC C 1 2 3", "expected a1 b1"),
        ("WGHT a", "could not convert"),
        ("ZERR", "not enough values"),
    ],
)
def test_lines_that_cannot_be_read_are_named(line, text):
    with pytest.raises(FileFormatError, match=text) as error:
        read_shelx(HEAD + line + "\n", "x.res")
    assert "line 5 of x.res" in str(error.value)


@settings(max_examples=200)
@given(st.text(alphabet="CELSFAORMTWIN 0123456789.-+=!\n_", max_size=300))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(friedel.FriedelError):
        read_shelx(HEAD + text)


def test_explicit_scattering_factors_keep_their_place():
    first = "2.31 20.84 1.02 10.21 1.5886 0.5687 0.865"
    rest = "51.65 0.2156 0.0033 0.0016 11.5 0.77 12.01"
    said = read_shelx(f"{HEAD}SFAC $O2 {first} =\n {rest}\nSFAC N\nN1 4 0 0 0\nO1 3 0 0 0\n")
    assert scatterer_labels(said) == ["C", "H", "O", "N"]
    oxygen = said.scatterers[2]
    assert oxygen.coefficients == tuple(float(x) for x in f"{first} {rest}".split()[:9])
    assert oxygen.dispersion == 0.0033 + 0.0016j
    assert [a.element for a in said.atoms] == [3, 2]


def test_isotopes_ions_and_names_that_are_none():
    said = read_shelx("SFAC H D 7Li Fe3+ CL $c\n")
    assert scatterer_labels(said) == ["H", "D", "7Li", "Fe3+", "Cl", "C"]
    with pytest.raises(FileFormatError, match="element of 'Qq'"):
        scatterer_labels(read_shelx("SFAC C Qq\n"))


def test_what_is_not_done_is_said():
    said = read_shelx(f"{HEAD}SWAT 0.5 3\nABIN\n+rigid.txt\nWHAT is this\nNEUT\nEXTI\n")
    notes = " | ".join(said.notes)
    for words in ("SWAT is not applied", "ABIN is not applied", "rigid.txt", "WHAT"):
        assert words in notes
    assert said.swat == (0.5, 3.0)
    assert said.neutron
    assert said.extinction == 0.0


@pytest.mark.parametrize("n", range(1, 8))
def test_centrings_and_inversion(n):
    cell = (5, 5, 7, 90, 90, 120) if n == 3 else (5, 6, 7, 90, 90, 90)
    text = "CELL 1 " + " ".join(map(str, cell)) + "\nLATT {}\n"
    symbols = {1: "P", 2: "I", 3: "R", 4: "F", 5: "A", 6: "B", 7: "C"}
    polar = crystal_of_shelx(read_shelx(text.format(-n)))
    centric = crystal_of_shelx(read_shelx(text.format(n)))
    order = {1: 1, 3: 3, 4: 4}.get(n, 2)
    assert (polar.n_operations, centric.n_operations) == (order, 2 * order)
    expected = {tuple(np.array(t) % 24) for t in gemmi.symops_from_hall(symbols[n] + " 1").cen_ops}
    assert {tuple(t) for t in polar.translations} == expected
    assert n in CENTRINGS


@pytest.mark.parametrize("third", ["1/3", "0.33", ".3333", "0.333333"])
def test_decimals_of_symmetry_operations(third):
    text = f"CELL 1 5 5 7 90 90 120\nLATT -1\nSYMM -Y, X-Y, Z+{third}\n"
    assert crystal_of_shelx(read_shelx(text)).name == "P 31"


def test_impossible_symmetry():
    with pytest.raises(SymmetryError, match="LATT 9"):
        crystal_of_shelx(read_shelx("CELL 1 5 5 7 90 90 90\nLATT 9\n"))
    with pytest.raises(SymmetryError):
        crystal_of_shelx(read_shelx("CELL 1 5 5 7 90 90 90\nSYMM 0.3-X, Y, Z\n"))
    with pytest.raises(FileFormatError, match="no atoms"):
        model_of_shelx(read_shelx("CELL 1 5 5 7 90 90 90\n"))
    with pytest.raises(FileFormatError, match="no CELL"):
        model_of_shelx(read_shelx("TITL\n"))


def centring(crystal: friedel.Crystal) -> set[tuple[int, ...]]:
    return {tuple(int(x) for x in t) for t in crystal.centring_translations}


def as_res(model: friedel.Model) -> str:
    """The instructions and atoms of a model, with eight decimals."""
    crystal, atoms = model.crystal, model.atoms
    rotations, translations = crystal.rotations, crystal.translations
    shifts = centring(crystal)
    lattice = next(
        number
        for number, generators in CENTRINGS.items()
        if shifts == centring(friedel.Crystal.from_triplets((9, 9, 9, 90, 90, 90), generators))
    )
    inverse = [
        i
        for i, (r, t) in enumerate(zip(rotations, translations, strict=True))
        if (r == -np.eye(3)).all() and not t.any()
    ]
    cell = " ".join(f"{x:.8f}" for x in crystal.cell)
    lines = [f"CELL 0.71073 {cell}", f"LATT {lattice if inverse else -lattice}"]
    for r, t in zip(rotations, translations, strict=True):
        parts = []
        for row, shift in zip(r, t, strict=True):
            axes = zip(row, "XYZ", strict=True)
            terms = "".join(f"{'+' if x > 0 else '-'}{axis}" for x, axis in axes if x)
            parts.append(f"{shift / 24:.5f}{terms}")
        lines.append("SYMM " + ", ".join(parts))
    lines += ["SFAC " + " ".join(atoms.scatterers), "FVAR 1.0"]
    axes = crystal.orthogonalization * crystal.reciprocal_lengths
    back = np.linalg.inv(axes)
    for i in range(len(atoms)):
        xyz = " ".join(f"{x:.8f}" for x in atoms.frac[i])
        head = f"A{i} {atoms.kind[i] + 1} {xyz} {10 + atoms.occ[i]:.8f}"
        if atoms.is_aniso[i]:
            u = atoms.u_aniso[i][np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])]
            u = back @ u @ back.T
            six = [u[0, 0], u[1, 1], u[2, 2], u[1, 2], u[0, 2], u[0, 1]]
            text = [f"{x:.8f}" for x in six]
            lines += [f"{head} {' '.join(text[:2])} =", f"  {' '.join(text[2:])}"]
        else:
            lines.append(f"{head} {atoms.b_iso[i] / (8 * np.pi**2):.8f}")
    return "\n".join([*lines, "HKLF 4", "END", ""])


@pytest.mark.parametrize(
    "name", ["1011031.cif", "2013551.cif", "2242624.cif", "4003024.cif", "epoxide.cif"]
)
def test_structure_factors_are_those_of_the_cif(shared_data, tmp_path, name):
    model = friedel.as_model(shared_data / "models" / name)
    path = tmp_path / "x.res"
    path.write_text(as_res(model))
    read = friedel.as_model(path)
    assert read.crystal.has_same_symmetry(model.crystal)
    hkl = model.crystal.unique_reflections(0.8)
    found, expected = (friedel.fcalc(m, hkl=hkl, method="direct").values for m in (read, model))
    # eight decimals of coordinates, U and site occupation factors
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_neutrons_of_the_file_are_used(tmp_path):
    text = "CELL 1.2 5 6 7 90 90 90\nLATT -1\nNEUT\nSFAC C D\nFVAR 1\nC1 1 .1 .2 .3 11 .05\n"
    path = tmp_path / "n.ins"
    path.write_text(text + "D1 2 .4 .2 .3 11 -1.2\n")
    f = friedel.fcalc(path, hkl=[[1, 2, 3]])
    assert "neutron F of n.ins" in f.description
    with pytest.raises(friedel.ParameterError, match="hydrogens can be added"):
        friedel.as_model(path, hydrogens=True)


def test_five_decimals_of_full_occupancy(shared_data):
    block = gemmi.cif.read(str(shared_data / "models" / "4003024.cif")).sole_block()
    said = read_shelx(gemmi.cif.as_string(block.find_value("_shelx_res_file")))
    model = model_of_shelx(said)
    # 10.02083 and 10.06250 are full occupancy, the others 0.9 and 0.067 of 1/48
    assert sorted(model.atoms.occ) == pytest.approx([0.0014, 0.01875, 1 / 48, 1 / 16], abs=1e-15)
    assert model.crystal.name == "P m -3 m"
    assert any("disordered atoms (2, in parts 1, 2)" in note for note in model.notes)


def test_files_that_are_something_else(shared_data, tmp_path):
    assert looks_like_shelx(TEXT)
    assert not looks_like_shelx("   1   2   3    4.00    0.10\n")
    assert as_shelx(shared_data / "models" / "4003024.cif") is None
    assert as_shelx(tmp_path / "nothing.res") is None
