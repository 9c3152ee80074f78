"""Files of models that were once read wrongly, and similar ones of each kind."""

import json
from fractions import Fraction

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import friedel
from commands import run
from friedel.errors import CellError, FileFormatError, GuessError, ParameterError
from friedel.notes import Notes
from friedel.readers.elements_of_sites import read_label, read_type
from friedel.readers.models import as_model

HKL = [(1, 2, 3), (2, 0, 4), (3, 3, 1), (0, 2, 2), (5, 4, 3)]
BASE = [11.4997, 57.317, 17.4091, 27.0548, 10.9804]
BOX = [65.0712, 41.209]

MACROMOLECULES = {
    # file: amplitudes, margin, words of the notes
    "base.pdb": (BASE, None, ()),
    "scale_shift.pdb": (BASE, None, ("frame of their own",)),
    "end_mid.pdb": (BASE, None, ("2 atoms after an END record",)),
    "scale_id.pdb": (BASE, None, ("the identity: they are not used",)),
    "scale_5.pdb": (BASE, None, ("of another cell: they are not used",)),
    "box_ncs.pdb": (BOX, 10.0, ("118.10 x 17.80 x 19.00",)),
    "s_int.cif": (BASE, None, ("number 19",)),
    "s_alt.cif": (BASE, None, ()),
    "s_hall.cif": (BASE, None, ()),
    "bneg.pdb": (
        [12.5772, 61.3251, 19.9138, 27.0902, 19.4724],
        None,
        ("negative B are used as given (1, the lowest -2 A^2)",),
    ),
}

SMALL = {
    "01_U_null_B_given.cif": (),
    "02_type_null.cif": ("told by the label (3: Fe1 Fe, O1 O, N1 N)",),
    "03_dum_at_minus1.cif": ("dummy sites are left out (1)",),
    "06_label_only_H_D_I.cif": ("told by the label",),
    "08_aniso_B_and_U_in_one_loop.cif": (),
    "11_symops_4digit_thirds.cif": (),
    "13_number_only.cif": ("number 14",),
    "15_ddlm_dotted_names.cif": (),
    "17_template_block_first.cif": (),
    "19_part_minus1_order1.cif": ("the file is followed",),
    "21_duplicate_labels_aniso_U.cif": ("taken in order",),
}


def said(notes, words):
    return all(any(part in note for note in notes) for part in words)


@pytest.mark.parametrize("name", MACROMOLECULES)
def test_macromolecules(cases, name):
    expected, margin, words = MACROMOLECULES[name]
    model = as_model(cases / "mx" / "m" / name, margin=margin)
    hkl = HKL if margin is None else [(1, 0, 0), (2, 0, 0)]
    # the expected amplitudes have six digits; a shift of 1e-5 of the cell changes one of 57 by 2e-3
    np.testing.assert_allclose(np.abs(friedel.fcalc(model, hkl=hkl).values), expected, atol=2e-3)
    assert said(model.notes, words)


def test_a_cell_of_zeros_is_none(cases):
    """CRYST1 0 0 0 is a placeholder, as no CRYST1 is."""
    path = cases / "mx" / "m" / "c000.pdb"
    with pytest.raises(CellError, match="states no unit cell"):
        as_model(path)
    boxed = as_model(path, margin=10.0)
    assert boxed.crystal.cell == pytest.approx((17.8, 17.8, 19.0, 90, 90, 90), abs=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_small_structures(cases, name):
    entry = json.loads((cases / "sm" / "expected_F.json").read_text())[name]
    model = as_model(cases / "sm" / name)
    values = friedel.fcalc(model, hkl=entry["hkl"]).values
    np.testing.assert_allclose(values.real, entry["expected_F"], atol=6e-4)  # three decimals
    assert said(model.notes, SMALL[name])


def test_no_z_is_an_error(cases):
    with pytest.raises(FileFormatError, match="no _atom_site_fract_z"):
        as_model(cases / "sm" / "05_missing_fract_z.cif")


# Siblings of those files, made here

CIF = """data_t
_cell_length_a 5.1
_cell_length_b 6.2
_cell_length_c 7.3
_cell_angle_beta 95
{symmetry}
{more}
loop_
{columns}
{rows}
"""
COLUMNS = ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "U_iso_or_equiv", "occupancy"]
ROWS = (
    "Fe1 Fe 0.11 0.22 0.33 0.01 1",
    "O1 O 0.35 0.05 0.61 0.02 1",
    "N1 N 0.60 0.41 0.15 0.03 0.7",
)
SYMMETRY = "_space_group_name_H-M_alt 'P 1 21/c 1'"


def cif(rows=ROWS, columns=COLUMNS, symmetry=SYMMETRY, more=""):
    names = "\n".join(f"_atom_site_{name}" for name in columns)
    return CIF.format(rows="\n".join(rows), columns=names, symmetry=symmetry, more=more)


def model_of(tmp_path, text, **options):
    path = tmp_path / "t.cif"
    path.write_text(text, encoding="utf-8")
    return as_model(path, **options)


def amplitudes(model):
    return np.abs(friedel.fcalc(model, hkl=[(1, 1, 2), (2, 0, 2), (0, 1, 1)]).values)


@pytest.fixture
def plain(tmp_path):
    return amplitudes(model_of(tmp_path, cif()))


OPERATIONS = """loop_
_{}
'x,y,z'
'-x,y+1/2,-z+1/2'
'-x,-y,-z'
'x,-y+1/2,z+1/2'"""


@pytest.mark.parametrize(
    ("symmetry", "words"),
    [
        ("_symmetry_space_group_name_H-M 'P21/c'", ()),
        ("_symmetry_space_group_name_H-M 'P2(1)/c'", ()),
        ("_space_group_name_H-M_alt 'P 1 2_1/c 1'", ()),
        ("_space_group.name_H-M_ref 'P 21/c'", ()),
        ("_space_group_name_H-M_alt ?\n_symmetry_space_group_name_H-M 'P 21/c'", ()),
        ("_space_group_name_Hall '-P 2ybc'", ()),
        ("_symmetry_space_group_name_Hall '-P 2ybc'\n_space_group_IT_number 14", ()),
        ("_space_group_IT_number 14", ("number 14",)),
        ("_symmetry_Int_Tables_number 14\n_space_group_name_H-M_alt 'Q 5'", ("'Q 5' is unknown",)),
        (OPERATIONS.format("symmetry_equiv_pos_as_xyz"), ()),
        (OPERATIONS.format("space_group_symop.operation_xyz"), ()),
        (OPERATIONS.format("symmetry_equiv_pos_as_xyz").replace("1/2", "0.5"), ()),
        (f"{SYMMETRY}\nloop_\n_symmetry_equiv_pos_as_xyz\n?", ()),
        (f"{SYMMETRY}\n_space_group_IT_number 2", ("number 2 is not used",)),
        (f"{SYMMETRY}\n_space_group_IT_number P21/c", ()),
        (
            OPERATIONS.format("symmetry_equiv_pos_as_xyz")
            + "\n_space_group_name_H-M_alt 'P 21 21 21'",
            ("contradicts the operations",),
        ),
    ],
)
def test_symmetry_by_any_item(tmp_path, plain, symmetry, words):
    model = model_of(tmp_path, cif(symmetry=symmetry))
    np.testing.assert_allclose(amplitudes(model), plain, rtol=1e-12)
    assert said(model.notes, words)


@pytest.mark.parametrize(
    ("spelling", "number"),
    [
        *(("P 1-", 2), ("P -1", 2), ("P 2(1)2(1)2(1)", 19), ("P 2_1 2_1 2_1", 19)),
        *(("P 2~1~ 2~1~ 2~1~", 19), ("P2(1)/c", 14), ("P 1 21/c 1", 14), ("P 21/n", 14)),
        *(("Hall: P 2ac 2ab", 19), ("D2^4", 19), ("C2h^5", 14), ("Oh^7", 227), ("Ci^1", 2)),
        *(("F d -3 m Z", 227), ("F d 3 m S", 227), ("F d -3 m :2", 227), ("P 4/n Z", 85)),
        *(("48:1", 48), ("155:R", 155), ("P 1 (No. 1)", 1), ("P6(3)/mmc", 194)),
        *(("I4(1)32", 214), ("P-42(1)m", 113), ("C m c e", 64), ("H 3 2", 155), ("R -3 c H", 167)),
        *(("B 1 1 2", 5), ("I 1 2/a 1", 15), ("p212121", 19), ("Pm-3m", 221), ("C -1", 2)),
    ],
)
def test_spellings_of_groups(spelling, number):
    from friedel.readers.symmetry import find_group

    found = find_group(spelling)
    assert found is not None
    assert found.number == number


def test_spellings_tell_the_origin():
    from friedel.readers.symmetry import find_group

    assert find_group("F d -3 m S").ext == "1"
    assert find_group("F d -3 m Z").ext == "2"
    assert find_group("F d -3 m", setting="1").ext == "1"
    assert find_group("F d -3 m").ext == "2"
    assert find_group("R 3 m", setting="r").ext == "R"
    assert find_group("Q 1") is None
    assert find_group("D2^40") is None
    assert find_group("X9^1") is None


def test_every_schoenflies_symbol():
    """The numbers of groups per class add up to 230, and each group has the class's point group."""
    from friedel.readers.symmetry import CLASSES, GROUPS_OF_CLASS, find_group

    assert sum(GROUPS_OF_CLASS) == 230
    number = 0
    for name, n in zip(CLASSES, GROUPS_OF_CLASS, strict=True):
        groups = [find_group(f"{name}^{i + 1}") for i in range(n)]
        assert [g.number for g in groups] == list(range(number + 1, number + n + 1))
        assert len({g.point_group_hm() for g in groups if name != "D3h"}) <= 2
        number += n


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([Fraction(n, 24) for n in range(24)]),
    st.integers(2, 6),
    st.booleans(),
)
def test_decimal_translations(value, digits, cut):
    """Rounded or cut to two digits or more, a decimal is the nearest multiple of 1/24."""
    from friedel.model.operations import parse_triplet

    scaled = value * 10**digits
    text = int(scaled) if cut else round(scaled)
    operation = parse_triplet(f"x+{text // 10**digits}.{text % 10**digits:0{digits}d},y,z")
    assert operation[1][0] == value * 24 % 24


def test_a_decimal_that_is_no_translation():
    from friedel.errors import SymmetryError
    from friedel.model.operations import parse_triplet

    for text in ("x+0.3,y,z", "x+0.35,y,z", "x+0.4,y,z"):
        with pytest.raises(SymmetryError, match="multiple of 1/24"):
            parse_triplet(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("Fe", ("Fe", 0)), ("Fe3+", ("Fe", 3)), ("Fe+3", ("Fe", 3)), ("O-2", ("O", -2))),
        *(("O2-", ("O", -2)), ("2H", ("D", 0)), ("D", ("D", 0)), ("7Li", ("Li", 0))),
        *(("Cval", ("C", 0)), ("Hiso", ("H", 0)), ("T", ("H", 0)), ("Wat", ("O", 0))),
        *(("FE", ("Fe", 0)), ("C1", ("C", 0)), ("Fe2.5+", ("Fe", 2)), ("Dw", ("D", 0))),
        *(("", None), ("X", None), ("Q", None), ("?", None), ("123", None)),
    ],
)
def test_type_symbols(text, expected):
    found = read_type(text)
    assert (None if found is None else (found.element, found.charge)) == expected


@pytest.mark.parametrize(
    ("label", "formula", "expected"),
    [
        ("Fe1", "Fe O", ("Fe", True)),
        ("HO1", "C H O", ("H", True)),
        ("HO1", "Ho O", ("Ho", True)),
        ("HN1", "", ("H", True)),
        ("OS1", "Os O", ("Os", True)),
        ("OS1", "Si O", ("O", True)),
        ("CA1", "C H N", ("C", True)),
        ("CA1", "Ca C O", ("Ca", True)),
        ("Ca1", "", ("Ca", True)),
        ("CA1", "", ("Ca", False)),
        ("CS1", "C S", ("C", True)),
        ("W1", "Na O H", ("O", False)),
        ("OW2", "Na O H", ("O", True)),
        ("Dw", "D O", ("D", True)),
        ("IX", "I K", ("I", True)),
        ("UA1", "U O", ("U", True)),
        ("VM1", "V O", ("V", True)),
        ("HC2", "C H", ("H", True)),
        ("O1", "", ("O", True)),
        ("M1", "", ("X", False)),
        ("1", "", ("X", False)),
    ],
)
def test_elements_by_label(label, formula, expected):
    assert read_label(label, frozenset(formula.split())) == expected


def test_labels_tell_elements_only_beside_nothing_better(tmp_path, plain):
    """A missing column of types, null types, and types that agree give the same F."""
    columns = [name for name in COLUMNS if name != "type_symbol"]
    rows = [" ".join(row.split()[:1] + row.split()[2:]) for row in ROWS]
    model = model_of(tmp_path, cif(rows, columns))
    np.testing.assert_allclose(amplitudes(model), plain, rtol=1e-12)
    assert said(model.notes, ("told by the label (3: Fe1 Fe, O1 O, N1 N)",))


def test_an_atom_that_nothing_names(tmp_path):
    rows = (*ROWS, "Q1 ? 0.2 0.2 0.2 0.01 1")
    model = model_of(tmp_path, cif(rows))
    assert "X" in model.atoms.scatterers
    assert said(model.notes, ("cannot be told (1: Q1)",))
    with pytest.raises(GuessError, match="cannot be told"):
        Notes(strict=True).extend(model.notes)


def test_elements_that_the_formula_lacks(tmp_path):
    model = model_of(tmp_path, cif(more="_chemical_formula_sum 'Fe O2'"))
    assert said(model.notes, ("the formula lacks elements of the atoms (N)",))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("H1 H ? ? ? 0.05 1", ("without coordinates are left out (1: H1)",)),
        ("H1 H . . . . .", ("without coordinates are left out (1: H1)",)),
        ("H1 H -1 -1 -1 0.05 1 dum", ("dummy sites are left out (1)",)),
    ],
)
def test_sites_that_are_not_atoms(tmp_path, plain, row, words):
    columns = [*COLUMNS, "calc_flag"]
    rows = [*(f"{r} d" for r in ROWS), row if row.endswith("dum") else f"{row} calc"]
    model = model_of(tmp_path, cif(rows, columns))
    np.testing.assert_allclose(amplitudes(model), plain, rtol=1e-12)
    assert said(model.notes, words)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ("N1 N 0.60 0.41 0.15 0.03 full", "occupancy"),
        ("N1 N 0.60 0.41 0.15 0.03 7/10", "occupancy"),
        ("N1 N 0.60 0.4l 0.15 0.03 0.7", "fract_y"),
        ("N1 N 0.60 0.41 0.15 0.O3 0.7", "u_iso"),
    ],
)
def test_values_that_are_no_numbers(tmp_path, wrong, what):
    with pytest.raises(FileFormatError, match=what):
        model_of(tmp_path, cif((*ROWS[:2], wrong)))


def test_values_that_are_not_stated(tmp_path):
    rows = (*ROWS[:2], "N1 N 0.60 0.41 0.15 ? ?")
    model = model_of(tmp_path, cif(rows))
    assert said(model.notes, ("taken as 1 (1)", "without displacement parameters (1: N1)"))
    assert model.atoms.occ[2] == 1.0
    assert model.atoms.b_iso[2] == 0.0


def test_occupancies_beyond_0_and_1(tmp_path):
    rows = (*ROWS, "H1 H 0.2 0.2 0.2 0.05 -0.5", "H2 H 0.3 0.2 0.2 0.05 1.5")
    notes = model_of(tmp_path, cif(rows)).notes
    assert said(notes, ("negative occupancies are used as given (1, the lowest -0.5)",))
    assert said(notes, ("occupancies above 1 are used as given (1, the highest 1.5)",))


ANISO = "loop_\n_atom_site_aniso_label\n{}\n{}\n"
U = (0.010, 0.012, 0.013, 0.001, 0.002, -0.001)


def aniso(rows, kind="U", components=("11", "22", "33", "12", "13", "23")):
    names = "\n".join(f"_atom_site_aniso_{kind}_{c}" for c in components)
    return ANISO.format(names, "\n".join(rows))


def test_tensors_in_any_convention(tmp_path):
    """U, B and beta of one tensor give the same F: beta_ij = 2 pi^2 a*_i a*_j U_ij."""
    star = gemmi.UnitCell(5.1, 6.2, 7.3, 90, 95, 90).reciprocal().parameters[:3]
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    beta = [2 * np.pi**2 * star[i] * star[j] * u for (i, j), u in zip(pairs, U, strict=True)]
    b = [8 * np.pi**2 * u for u in U]
    found = [
        amplitudes(model_of(tmp_path, cif() + aniso([f"Fe1 {' '.join(map(repr, t))}"], kind)))
        for kind, t in (("U", U), ("B", b), ("beta", beta))
    ]
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-12)


def test_tensors_that_do_not_fit(tmp_path):
    values = " ".join(map(str, U))
    with pytest.raises(FileFormatError, match="aniso_u_11 has 'abc'"):
        model_of(tmp_path, cif() + aniso([f"Fe1 abc {values[6:]}"]))
    with pytest.raises(FileFormatError, match="lacks components"):
        model_of(tmp_path, cif() + aniso([f"Fe1 ? {values[6:]}"]))
    with pytest.raises(FileFormatError, match="number of anisotropic rows"):
        model_of(tmp_path, cif() + aniso([f"Fe1 {values}", f"Fe1 {values}"]))
    notes = model_of(tmp_path, cif() + aniso([f"Fe1 {values}", f"Zn7 {values}"])).notes
    assert said(notes, ("that no atom has (1: Zn7)",))
    diagonal = aniso(["Fe1 0.010 0.012 0.013"], components=("11", "22", "33"))
    model = model_of(tmp_path, cif() + diagonal)
    assert said(model.notes, ("some components only (1)",))
    assert model.atoms.is_aniso.tolist() == [True, False, False]


def test_items_that_stand_twice(tmp_path, plain):
    """Exports of databases have an empty formula besides the formula."""
    more = "_chemical_formula_sum 'Fe O N0.7'\n_chemical_formula_sum ''"
    np.testing.assert_allclose(amplitudes(model_of(tmp_path, cif(more=more))), plain, rtol=1e-12)


def test_columns_that_may_be_missing(tmp_path, plain):
    """No label column, an angle at its default of 90 degrees, a byte-order mark."""
    columns = [name for name in COLUMNS if name != "label"]
    rows = [row.split(" ", 1)[1] for row in ROWS]
    model = model_of(tmp_path, "\ufeff" + cif(rows, columns))
    np.testing.assert_allclose(amplitudes(model), plain, rtol=1e-12)
    assert model.crystal.cell == (5.1, 6.2, 7.3, 90.0, 95.0, 90.0)


def test_blocks(tmp_path, plain):
    """A template first, two structures, and the one with reflections before one without."""
    template = "data_global\nloop_\n_atom_site_label\n_atom_site_fract_x\n? ?\n"
    other = cif().replace("data_t", "data_other").replace("0.11", "0.12")
    reflections = "loop_\n_refln_index_h\n_refln_index_k\n_refln_index_l\n1 0 0\n"
    model = model_of(tmp_path, template + other + cif() + reflections)
    np.testing.assert_allclose(amplitudes(model), plain, rtol=1e-12)
    assert said(model.notes, ("2 blocks with atoms: block t is used",))
    named = model_of(tmp_path, template + other + cif(), block="t")
    np.testing.assert_allclose(amplitudes(named), plain, rtol=1e-12)
    with pytest.raises(ParameterError, match="the blocks with atoms: other, t"):
        model_of(tmp_path, template + other + cif(), block="u")


def test_block_by_the_command(capsys, tmp_path):
    path = tmp_path / "two.cif"
    path.write_text(cif().replace("data_t", "data_other").replace("0.11", "0.12") + cif())
    single = tmp_path / "one.cif"
    single.write_text(cif())
    code, expected, _ = run(capsys, "fcalc", single, "--dmin", 2)
    assert code == 0
    code, out, _ = run(capsys, "fcalc", path, "--dmin", 2, "--block", "t")
    assert (code, out) == (0, expected)
    code, _, err = run(capsys, "fcalc", path, "--dmin", 2, "--strict")
    assert code == 2
    assert "--block" in err


def test_modulated_and_magnetic_structures_say_so(tmp_path):
    for more, word in (
        ("_cell_modulation_dimension 1", "modulated"),
        ("_space_group_magn.name_BNS 'P 21/c'", "magnetic"),
    ):
        assert said(model_of(tmp_path, cif(more=more)).notes, (f"is {word}: its average",))


def test_time_reversal_is_left_out(tmp_path, plain):
    magnetic = OPERATIONS.format("space_group_symop_magn_operation.xyz").replace("z'", "z,+1'")
    magnetic = magnetic.replace("+1/2'", "+1/2,-1'")
    model = model_of(tmp_path, cif(symmetry=magnetic))
    np.testing.assert_allclose(amplitudes(model), plain, rtol=1e-12)


SPINEL = """data_spinel
_cell_length_a 8.08
_cell_length_b 8.08
_cell_length_c 8.08
_space_group_name_H-M_alt 'F d -3 m{}'
_chemical_formula_sum 'Al2 Mg O4'
_cell_formula_units_Z 8
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mg1 {} {} {}
Al1 {} {} {}
O1 {} {} {}
"""


@pytest.mark.parametrize("origin", [1, 2])
def test_formula_times_z_tells_the_origin(tmp_path, origin):
    """MgAl2O4, with the positions of Wyckoff sites 8a, 16d and 32e for either origin."""
    u = 0.2624
    shift = 0.0 if origin == 2 else 0.125
    sites = [x + shift for x in (0.125,) * 3 + (0.5,) * 3 + (u,) * 3]
    text = SPINEL.format("", *sites)
    model = model_of(tmp_path, text)
    assert said(model.notes, (f"tells the origin: F d -3 m:{origin}",))
    stated = model_of(tmp_path, SPINEL.format(f" :{origin}", *sites))
    np.testing.assert_array_equal(amplitudes(model), amplitudes(stated))
    open_text = text.replace("_cell_formula_units_Z 8", "")
    assert said(model_of(tmp_path, open_text).notes, ("does not tell the origin",))


PDB = """CRYST1   21.000   25.000   29.000  90.00  90.00  90.00 P 21 21 21    4
ATOM      1  CA  ALA A   1       1.200   2.300   3.400  1.00 15.00           C
ATOM      2  N   ALA A   1       4.500   1.000   7.700  1.00 15.00           N
HETATM    3 ZN    ZN A   2       6.100   8.800   2.200  1.00 15.00          ZN
END
"""


def pdb(tmp_path, text, **options):
    path = tmp_path / "t.pdb"
    path.write_text(text)
    return as_model(path, **options)


def test_unknown_elements_are_named(tmp_path):
    text = PDB.replace(" N   ALA", " Q7  ALA").replace("15.00           N", "15.00           X")
    assert said(pdb(tmp_path, text).notes, ("cannot be told (1: Q7)",))


def test_old_line_numbers(tmp_path):
    rows = [
        f"{line[:72].ljust(72)}1ABC{i:4d}" if line.startswith(("ATOM", "HETATM")) else line
        for i, line in enumerate(PDB.splitlines(), 97)
    ]
    model, expected = pdb(tmp_path, "\n".join(rows)), pdb(tmp_path, PDB)
    assert model.atoms.scatterers == expected.atoms.scatterers
    assert said(model.notes, ("line numbers (old PDB format)",))


def test_elements_of_residues(tmp_path):
    """A name in the wrong column, without an element: CA of alanine is carbon, not calcium."""
    shifted = PDB.replace(" CA  ALA", "CA   ALA").replace("15.00           C", "15.00")
    model = pdb(tmp_path, shifted)
    assert sorted(model.atoms.scatterers) == ["C", "N", "Zn"]
    assert said(model.notes, ("1 atoms of polymers",))


def test_frames_after_end(tmp_path):
    model = pdb(tmp_path, PDB + PDB.split("\n", 1)[1])
    assert len(model.atoms) == 3
    assert said(model.notes, ("as frames do",))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_frame_of_its_own(tmp_path, sign):
    """A model turned about z with SCALE records that say so; mirrored records are an error."""
    plain = pdb(tmp_path, PDB)
    angle = np.radians(37.0)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, sign]])
    scale = np.diag(1 / np.array([21.0, 25.0, 29.0])) @ turn.T
    lines = [
        f"SCALE{i + 1}    " + "".join(f"{x:10.6f}" for x in row) + f"     {0:10.5f}"
        for i, row in enumerate(scale)
    ]
    turned = []
    for line in PDB.splitlines():
        if line.startswith(("ATOM", "HETATM")):
            xyz = turn @ [float(line[30 + 8 * i : 38 + 8 * i]) for i in range(3)]
            line = line[:30] + "".join(f"{x:8.3f}" for x in xyz) + line[54:]
        turned.append(line)
    text = "\n".join([turned[0], *lines, *turned[1:]])
    if sign < 0:
        with pytest.raises(CellError, match="left-handed"):
            pdb(tmp_path, text)
        return
    model = pdb(tmp_path, text)
    assert said(model.notes, ("frame of their own",))
    # coordinates have three decimals: 0.0005 A of cells above 21 A
    np.testing.assert_allclose(model.atoms.frac, plain.atoms.frac, atol=6e-5)


def test_hybrid_36_numbers(tmp_path):
    text = PDB.replace("ATOM      1 ", "ATOM  A0000 ").replace("ALA A   1", "ALA AA000")
    assert len(pdb(tmp_path, text).atoms) == 3


def test_residual_b_is_said(tmp_path):
    remark = "REMARK   3   ATOM RECORD CONTAINS RESIDUAL B FACTORS ONLY\n"
    assert said(pdb(tmp_path, remark + PDB).notes, ("left after TLS",))
    assert pdb(tmp_path, PDB).notes == ()


def test_negative_b_by_both_methods(tmp_path):
    """An isotropic tensor is the reference: the two ways to state B = -2 agree."""
    model = pdb(tmp_path, PDB.replace("1.00 15.00           N", "1.00 -2.00           N"))
    direct = friedel.fcalc(model, d_min=2.0, method="direct").values
    by_fft = friedel.fcalc(model, d_min=2.0, method="fft", rtol=1e-5).values
    assert np.linalg.norm(by_fft - direct) < 1e-5 * np.linalg.norm(direct)
    u_aniso = np.zeros((3, 6))
    u_aniso[:, :3] = (model.atoms.b_iso / (8 * np.pi**2))[:, None]
    tensors = (model.crystal, model.atoms.replace(u_aniso=u_aniso))
    same = friedel.fcalc(tensors, d_min=2.0, method="direct").values
    np.testing.assert_allclose(same, direct, rtol=1e-9, atol=1e-9)
    for b in (-2.0, -20.0):
        hard = (model.crystal, model.atoms.replace(b_iso=np.array([15.0, b, 15.0])))
        a = friedel.fcalc(hard, d_min=2.0, method="direct").values
        f = friedel.fcalc(hard, d_min=2.0, method="fft").values
        assert np.linalg.norm(f - a) < 1e-4 * np.linalg.norm(a)


def test_a_model_without_a_group_takes_that_of_the_data(cases, tmp_path):
    text = (cases / "mx" / "base.pdb").read_text()
    model = tmp_path / "nogroup.pdb"
    model.write_text(text.replace(" P 21 21 21", " " * 11))
    data = str(cases / "mx" / "d01_ccp4.mtz")
    fitted = friedel.FModel(str(model), data, solvent="none", target="ls").fit()
    assert fitted.r_work < 1e-5  # four digits of F
    assert said(fitted.notes, ("states no space group: that of the data, P 21 21 21, is used",))
    without = str(cases / "mx" / "c08_nosg.cif")
    with pytest.raises(FileFormatError, match="states no space group"):
        friedel.FModel(str(model), without, solvent="none")


def test_the_radiation_that_the_file_states(capsys, cases, tmp_path):
    """A CIF of neutron diffraction with its list inside is all that the command needs."""
    path = cases / "sm" / "35_probe_neutron.cif"
    fit = friedel.fit_intensities(str(path), str(path))
    assert fit.source == "neutron"
    assert fit.r1 < 1e-4  # F^2 has six digits
    assert said(fit.notes, ("states its radiation: neutron",))
    code, out, err = run(capsys, "fmodel", path)
    assert code == 0
    assert "R1         0.0000" in out
    assert "states its radiation" in err
    expected = friedel.fcalc(str(path), d_min=1.0, source="neutron").values
    np.testing.assert_array_equal(friedel.fcalc(str(path), d_min=1.0).values, expected)
    for argument, radiation in ((None, "neutron"), ("xray", "xray")):
        options = [] if argument is None else ["--for", argument]
        _, _, err = run(capsys, "fcalc", path, "--dmin", 2, *options)
        assert f"{radiation} F of" in err
    text = path.read_text().replace("_diffrn_radiation_probe neutron", "")
    assert model_of(tmp_path, text).source is None


def test_content_that_contradicts_the_formula(tmp_path):
    formula = "_chemical_formula_sum 'Fe N{} O'\n_cell_formula_units_Z 4"
    assert model_of(tmp_path, cif(more=formula.format(0.7))).notes == ()
    of_cell = "_chemical_formula_sum 'Fe4 N2.8 O4'\n_cell_formula_units_Z 4"
    assert model_of(tmp_path, cif(more=of_cell)).notes == ()
    notes = model_of(tmp_path, cif(more=formula.format(3))).notes
    assert said(notes, ("differs from formula times Z by 28% of its mass",))
    cell = gemmi.UnitCell(5.1, 6.2, 7.3, 90, 95, 90)
    mass = 4 * (55.847 + 15.999 + 0.7 * 14.007) / 0.6022 / cell.volume
    assert model_of(tmp_path, cif(more=f"_exptl_crystal_density_diffrn {mass:.3f}")).notes == ()
    notes = model_of(tmp_path, cif(more=f"_exptl_crystal_density_diffrn {2 * mass:.3f}")).notes
    assert said(notes, ("differs from the stated density by 50% of its mass",))
