"""TLS groups of files: what is read, which atoms are selected, and when they are added."""

import gzip
import json
import re
import subprocess

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from friedel.constants import U_TO_B
from friedel.errors import GuessError, ParameterError
from friedel.model.tensors import rotate_tensors
from friedel.readers.models import as_model
from friedel.readers.tls_selections import SelectableAtoms
from friedel.readers.tls_statements import groups_of_remarks, stated_content
from tls_remarks import ORIGIN, REFMAC, RESIDUAL, TENSORS, remark

T = [0.051, 0.032, 0.043, 0.012, -0.013, 0.003]
L = [2.1, 3.2, 4.3, -0.2, 0.3, 0.1]
S = [[0.01, -0.02, 0.03], [0.04, 0.05, -0.06], [0.07, 0.08, -0.09]]
SUM = "REMARK   3   ATOM RECORD CONTAINS SUM OF TLS AND RESIDUAL B FACTORS\n"
LIKELY = "REMARK   3   B VALUE TYPE : LIKELY RESIDUAL\n"


def atom_lines(b=20.0, aniso=None, chains="AB"):
    lines, serial = [], 0
    for chain in chains:
        for number in range(1, 7):
            serial += 1
            x, y, z = 3.0 * number, 4.0 * serial % 11, 2.0 * serial % 7
            start = f"{serial:5d}  CA  ALA {chain}{number:4d} "
            lines.append(f"ATOM  {start}   {x:8.3f}{y:8.3f}{z:8.3f}  1.00{b:6.2f}           C  \n")
            if aniso is not None:
                u = "".join(f"{round(1e4 * value):7d}" for value in aniso[serial - 1])
                lines.append(f"ANISOU{start} {u}       C  \n")
    return "".join(lines)


def pdb_text(remarks, **atoms):
    cell = "CRYST1   25.000   30.000   35.000  90.00  90.00  90.00 P 21 21 21\n"
    return remarks + cell + atom_lines(**atoms) + "END\n"


def model(tmp_path, remarks, tls="auto", **atoms):
    path = tmp_path / "m.pdb"
    path.write_text(pdb_text(remarks, **atoms))
    return as_model(path, tls=tls)


def groups(text):
    return groups_of_remarks([line[10:] for line in text.splitlines()])


def test_numbers_of_a_group():
    ((group, _),) = groups(remark())
    np.testing.assert_array_equal(group.origin, [10.5, -2.0, 7.25])
    for tensor, expected in ((group.t, T), (group.l, L)):
        np.testing.assert_array_equal(tensor[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]], expected)
        np.testing.assert_array_equal(tensor, tensor.T)
    np.testing.assert_array_equal(group.s, S)


def test_numbers_that_touch_and_that_are_missing():
    touching = ORIGIN.replace("  10.5000  -2.0000   7.2500", "-110.5000-112.0000-107.2500")
    ((group, _),) = groups(remark(origin=touching))
    np.testing.assert_array_equal(group.origin, [-110.5, -112.0, -107.25])
    ((group, _),) = groups(remark(tensors=TENSORS.replace("-0.0900", "   NULL")))
    assert group.is_known
    assert group.s[2, 2] == pytest.approx(-0.06)
    for missing in ("2.1000", "0.0120"):
        ((group, _),) = groups(remark(tensors=TENSORS.replace(missing, "******")))
        assert not group.is_known
    ((group, _),) = groups(
        remark(origin="REMARK   3    ORIGIN FOR THE GROUP (A): NULL NULL NULL\n")
    )
    assert not group.is_known


def test_a_group_that_two_refinements_share_stands_once():
    assert len(groups(remark() + remark())) == 1
    assert len(groups(remark() + remark(number=2))) == 2


SELECTIONS = {
    "    RESIDUE RANGE :   A     2        A     4": "A2-4",
    "    RESIDUE RANGE :   A     5        B     2": "A5-6 B1-2",
    "    RESIDUE RANGE :         2              4": "A2-4 B2-4",
    "    RESIDUE RANGE :   A    -3        A  9999": "A1-6",
    "    SELECTION: ALL": "A1-6 B1-6",
    "    SELECTION: CHAIN A AND (RESID 1:2 OR RESID 5:6)": "A1-2 A5-6",
    "    SELECTION: CHAIN 'B' AND (RESID 2 THROUGH 4 )": "B2-4",
    "    SELECTION: (CHAIN A AND RESSEQ 2-3) OR (CHAIN B AND RESID 6)": "A2-3 B6-6",
    "    SELECTION: CHAIN A AND RESSEQ 3 :": "A3-6",
    "    SELECTION: CHAIN A AND RESSEQ 3:": "A3-6",
    "    SELECTION: NOT CHAIN A AND NOT RESSEQ :4": "B5-6",
    "    SELECTION: RESNAME ALA AND NAME CA AND ELEMENT C AND CHAIN b": "B1-6",
    "    SELECTION: CHAIN A AND (RESID 1:2 OR\n               RESID 5:6)": "A1-2 A5-6",
    "    SELECTION: CHAIN A AND (RESID 1:2 OR\n             : RESID 5:6)": "A1-2 A5-6",
    "    SELECTION: { A|2 - A|4 }": "A2-4",
    "    SET : { A|5 - 6 B|* }": "A5-6 B1-6",
    "    SET : { A|5 - B|2 B|6 }": "A5-6 B1-2 B6-6",
    "    SELECTION: NULL": None,
    "    SELECTION: CHAIN A AND WITHIN(5, RESID 3)": None,
    "    SELECTION: CHAIN A AND (RESID 3": None,
    "    SELECTION: { A|x }": None,
    "    RESIDUE RANGE :   A   xyz        A     4": None,
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_selections(selection):
    lines = "".join(f"REMARK   3{line}\n" for line in selection.splitlines())
    ((_, selections),) = groups(remark(lines))
    atoms = SelectableAtoms(gemmi.read_pdb_string(pdb_text(""))[0])
    expected = SELECTIONS[selection]
    if expected is None:
        with pytest.raises(ParameterError):
            atoms.selected(selections)
        return
    chosen = {
        f"{atoms.chain[i]}{atoms.number[i]}" for i in np.flatnonzero(atoms.selected(selections))
    }
    wanted = set()
    for part in expected.split():
        first, last = part[1:].split("-")
        wanted |= {f"{part[0]}{n}" for n in range(int(first), int(last) + 1)}
    assert chosen == wanted


def test_insertion_codes():
    text = pdb_text("").replace("A   3 ", "A   2A").replace("A   4 ", "A   2B")
    atoms = SelectableAtoms(gemmi.read_pdb_string(text)[0])
    for line, count in (("A     2        A     2A", 2), ("A     2        A     2", 3)):
        ((_, ranges),) = groups(remark(f"REMARK   3    RESIDUE RANGE :   {line}\n"))
        assert atoms.selected(ranges).sum() == count


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("ATOM RECORD CONTAINS RESIDUAL B FACTORS ONLY", "residual"),
        ("U VALUES : RESIDUAL ONLY", "residual"),
        ("B VALUE TYPE : LIKELY RESIDUAL", "residual"),
        ("B-FACTORS ARE RESIDUAL B-FACTORS", "residual"),
        ("ATOM RECORD CONTAINS SUM OF TLS AND RESIDUAL B FACTORS", "sum"),
        ("LIKELY RESIDUAL. U VALUES: WITH TLS\nADDED", "sum"),
        ("B FACTORS ARE RESIDUAL PLUS TLS COMPONENT", "sum"),
        ("RESIDUAL B FACTORS ONLY, THE SUM OF TLS AND RESIDUAL", None),
        ("B VALUE TYPE : UNVERIFIED", None),
    ],
)
def test_what_is_said_of_b(text, content):
    assert stated_content(text)[0] == content


def test_residual_b_gets_the_tls_part(tmp_path):
    plain = model(tmp_path, RESIDUAL + remark(), tls=None).atoms
    read = model(tmp_path, RESIDUAL + remark())
    expected = (
        "1 TLS group of the file is added to B and U of 3 atoms: those of the file are residual"
    )
    assert read.notes == (f'{expected} ("RESIDUAL B FACTORS ONLY")',)
    assert read.notes[0].kind == "file"
    ((group, _),) = groups(remark())
    own = [1, 2, 3]
    assert np.flatnonzero(read.atoms.is_aniso).tolist() == own
    expected = group.tensors(plain.frac[own] @ read.crystal.orthogonalization.T)
    expected[:, :3] += 20.0 / U_TO_B
    np.testing.assert_allclose(read.atoms.u_aniso[own], expected, atol=1e-12)
    np.testing.assert_allclose(read.atoms.b_iso[own], U_TO_B * expected[:, :3].mean(axis=1))
    np.testing.assert_array_equal(read.atoms.b_iso[4:], 20.0)
    assert plain.u_aniso is None


def test_the_sum_written_out_is_the_same_model(tmp_path):
    """ANISOU (1e-4 Å^2) with the sum, and the remark that says so: nothing is added twice."""
    read = model(tmp_path, RESIDUAL + remark("REMARK   3    SELECTION: ALL\n"))
    aniso = read.atoms.u_aniso
    for said in (SUM, ""):  # most atoms have ANISOU: the sum by default
        full = model(tmp_path, said + remark("REMARK   3    SELECTION: ALL\n"), aniso=aniso)
        np.testing.assert_allclose(full.atoms.u_aniso, aniso, atol=6e-5)
        assert "not added" in full.notes[0]
    # A remark that was left in the file although the sum was made
    full = model(tmp_path, RESIDUAL + remark("REMARK   3    SELECTION: ALL\n"), aniso=aniso)
    np.testing.assert_allclose(full.atoms.u_aniso, aniso, atol=6e-5)
    assert "1.00 times that of the TLS groups" in full.notes[0]
    assert full.notes[0].kind == "guess"


def test_residual_u_of_anisotropic_atoms(tmp_path):
    """TLS besides individual tensors, which do not resemble it."""
    rng = np.random.default_rng(1)
    own = np.concatenate([rng.uniform(0.2, 0.3, (12, 3)), rng.normal(0, 0.02, (12, 3))], axis=1)
    everything = remark("REMARK   3    SELECTION: ALL\n")
    read = model(tmp_path, RESIDUAL + everything, aniso=own)
    ((group, _),) = groups(everything)
    positions = read.atoms.frac @ read.crystal.orthogonalization.T
    np.testing.assert_allclose(read.atoms.u_aniso, own + group.tensors(positions), atol=6e-5)


def test_where_nothing_is_said_small_b_tell(tmp_path):
    read = model(tmp_path, remark(), b=2.0)
    assert "added to B and U of 3 atoms: those of the file cannot contain it" in read.notes[0]
    assert read.notes[0].kind == "guess"
    read = model(tmp_path, remark(), b=30.0)
    assert "not added to its B and U: nothing says" in read.notes[0]
    assert read.atoms.u_aniso is None
    with pytest.raises(GuessError, match="tls"):
        friedel.fcalc(tmp_path / "m.pdb", d_min=3.0, strict=True)
    assert friedel.fcalc(tmp_path / "m.pdb", d_min=3.0, strict=True, tls="residual").notes
    assert not friedel.fcalc(tmp_path / "m.pdb", d_min=3.0, strict=True, tls="none").notes


def test_sums_that_are_not_positive_definite_are_not_made(tmp_path):
    negative = TENSORS.replace("0.0510", "-.5000").replace("0.0320", "-.5000")
    read = model(tmp_path, LIKELY + remark(tensors=negative))
    assert "100% of the sums are not positive definite" in read.notes[0]
    assert read.atoms.u_aniso is None
    # A small negative T is shared with B, as REFMAC writes it
    read = model(tmp_path, LIKELY + remark(tensors=TENSORS.replace("0.0510", "-.0510")))
    assert read.atoms.is_aniso.sum() == 3
    assert "not positive definite are used as given (1: T of group 1)" in read.notes[1]


def test_groups_that_are_of_no_use(tmp_path):
    remarks = (
        RESIDUAL
        + remark("REMARK   3    RESIDUE RANGE :   C     1        C     4\n", number=1)
        + remark("REMARK   3    SELECTION: NULL\n", number=2)
        + remark(origin="", number=3)
        + remark(tensors=TENSORS.replace("2.1000", "2.e300"), number=5)
        + remark(tensors=re.sub(r"(?<=: ).{9}", "   0.0000", TENSORS), number=4)
    )
    read = model(tmp_path, remarks)
    said = " ".join(read.notes)
    assert "(1: 1): they select no atoms" in said
    assert "(1: 2): their selections are not understood" in said
    assert "(2: 3, 5): their numbers are not all stated" in said
    assert "(1: 4): their tensors are 0" in said
    assert "left after TLS, but has no TLS groups that could be added" in said
    assert read.atoms.u_aniso is None


def test_atoms_in_two_groups_belong_to_the_first(tmp_path):
    second = remark("REMARK   3    SELECTION: CHAIN A\n", number=2)
    one = model(tmp_path, RESIDUAL + remark()).atoms.u_aniso
    both = model(tmp_path, RESIDUAL + remark() + second)
    assert "atoms in two TLS groups (3) are displaced by the first of them" in both.notes
    np.testing.assert_array_equal(both.atoms.u_aniso[1:4], one[1:4])
    assert both.atoms.is_aniso.sum() == 6


def test_option_none_and_wrong_options(tmp_path):
    for choice in (None, "none", "no"):
        read = model(tmp_path, RESIDUAL + remark(), tls=choice)
        assert read.atoms.u_aniso is None
        assert "left after TLS; as asked, none is added" in read.notes[0]
    with pytest.raises(ParameterError, match="'residual' or None"):
        model(tmp_path, RESIDUAL + remark(), tls="yes")
    with pytest.raises(ParameterError, match="has none with atoms"):
        model(tmp_path, "", tls="residual")
    with pytest.raises(ParameterError, match="file of a macromolecule"):
        as_model((read.crystal, read.atoms), tls="residual")


def test_frame_of_scale_and_strict_ncs(tmp_path):
    """The tensors are turned with the atoms into the frame of the cell, and copied by MTRIX."""
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    text = pdb_text(RESIDUAL + remark())
    fractional = np.diag([1 / 25.0, 1 / 30.0, 1 / 35.0]) @ turn.T
    lines = "".join(
        f"SCALE{i + 1}    {row[0]:10.6f}{row[1]:10.6f}{row[2]:10.6f}        0.00000\n"
        for i, row in enumerate(fractional)
    )
    ncs = "".join(
        f"MTRIX{i + 1}   1{row[0]:10.6f}{row[1]:10.6f}{row[2]:10.6f}     {shift:10.5f}\n"
        for i, (row, shift) in enumerate(zip(turn, (1.0, 2.0, 3.0), strict=True))
    )
    plain = model(tmp_path, RESIDUAL + remark()).atoms
    for added, expected in ((lines, turn.T), (ncs, turn)):
        path = tmp_path / "framed.pdb"
        path.write_text(text.replace("ATOM      1", added + "ATOM      1"))
        u = as_model(path).atoms.u_aniso
        np.testing.assert_allclose(
            u[-11:-8], rotate_tensors(plain.u_aniso[1:4], expected), atol=3e-5
        )


def mmcif(text, flag, ranges):
    """The atoms of a PDB file as mmCIF, with its first group as the wwPDB states TLS groups."""
    structure = gemmi.read_pdb_string(text)
    structure.setup_entities()
    document = structure.make_mmcif_document()
    block = document.sole_block()
    block.set_pair("_refine.pdbx_refine_id", "'X-RAY DIFFRACTION'")
    block.set_pair("_refine.ls_d_res_high", "2.0")
    block.set_pair("_refine.pdbx_TLS_residual_ADP_flag", flag)
    tags = ["id", "pdbx_refine_id", *(f"origin_{x}" for x in "xyz")]
    numbers = ["10.5", "-2.0", "7.25"]
    for letter, six in (("T", T), ("L", L)):
        tags += [f"{letter}[{ij[0]}][{ij[1]}]" for ij in ("11", "22", "33", "12", "13", "23")]
        numbers += map(str, six)
    tags += [f"S[{i}][{j}]" for i in "123" for j in "123"]
    numbers += [str(value) for row in S for value in row]
    loop = block.init_mmcif_loop("_pdbx_refine_tls.", tags)
    loop.add_row(["1", "'X-RAY DIFFRACTION'", *numbers])
    names = "beg_auth_asym_id beg_auth_seq_id end_auth_asym_id end_auth_seq_id selection_details"
    tags = ["id", "refine_tls_id", "pdbx_refine_id", *names.split()]
    loop = block.init_mmcif_loop("_pdbx_refine_tls_group.", tags)
    for number, values in enumerate(ranges, 1):
        loop.add_row([str(number), "1", "'X-RAY DIFFRACTION'", *values])
    return document.as_string()


def test_mmcif_and_structures_agree_with_the_pdb_file(tmp_path):
    selection = REFMAC + "REMARK   3    SELECTION: CHAIN B\n"
    expected = model(tmp_path, RESIDUAL + remark(selection)).atoms.u_aniso
    of_structure = as_model(gemmi.read_structure(str(tmp_path / "m.pdb")))
    np.testing.assert_array_equal(of_structure.atoms.u_aniso, expected)
    ranges = [("A", "2", "A", "4", "?"), ("?", "?", "?", "?", "'chain B'")]
    path, text = tmp_path / "m.cif", pdb_text(RESIDUAL + remark(selection))
    path.write_text(mmcif(text, "'LIKELY RESIDUAL'", ranges))
    read = as_model(path)
    np.testing.assert_allclose(read.atoms.u_aniso, expected, atol=1e-12)
    assert "1 TLS group of the file is added to B and U of 9 atoms" in read.notes[0]
    path.write_text(mmcif(text, "UNVERIFIED", ranges))
    assert as_model(path).atoms.u_aniso is None
    assert "nothing says" in as_model(path).notes[0]
    path.write_text(mmcif(text, "'LIKELY RESIDUAL'", [("A", "5", "B", "2", "?")]))
    assert "their selections are not understood" in as_model(path).notes[0]


def test_commands(tmp_path, capsys):
    path = tmp_path / "m.pdb"
    path.write_text(pdb_text(RESIDUAL + remark()))
    added, without, unknown = (
        run(capsys, "fcalc", path, "--hkl", "3,4,5", *options)
        for options in ((), ("--tls", "no"), ("--tls", "yes"))
    )
    assert "1 TLS group of the file is added" in added[2]
    assert "as asked, none is added" in without[2]
    assert added[1] != without[1]
    assert unknown[0] == 2


IN_CCTBX = """
import gzip, json, sys
import iotbx.pdb
from mmtbx.tls import tools
opened = gzip.open if sys.argv[1].endswith(".gz") else open
lines = opened(sys.argv[1], "rt").read().splitlines()
source = iotbx.pdb.input(source_info=None, lines=lines)
hierarchy = source.construct_hierarchy()
groups = source.extract_tls_params(hierarchy).tls_params
cache = hierarchy.atom_selection_cache()
chosen = [cache.selection(g.selection_string).iselection() for g in groups]
tensors = [tools.tlso(t=g.t, l=g.l, s=g.s, origin=g.origin) for g in groups]
atoms = hierarchy.atoms()
u = tools.u_cart_from_tls(sites_cart=atoms.extract_xyz(), selections=chosen, tlsos=tensors)
rows = [(atoms[i].xyz, atoms[i].b, u[i]) for some in chosen for i in some]
json.dump(rows, open(sys.argv[2], "w"))
"""


@pytest.mark.parametrize(
    "name", ["pairs/2z62.pdb.gz", "pairs/1va7.pdb.gz", "models/5cvz_final.pdb"]
)
def test_beside_cctbx(shared_data, tmp_path, cctbx_python, name):
    """Files with residual B: the same atoms and U; cctbx has 4 digits fewer of pi."""
    from scipy.spatial import cKDTree

    if not (shared_data / name).exists():
        pytest.skip(f"no {name}")
    arguments = str(shared_data / name), str(tmp_path / "u.json")
    subprocess.run([cctbx_python, "-c", IN_CCTBX, *arguments], check=True)
    position, b, u = (
        np.array(x) for x in zip(*json.loads((tmp_path / "u.json").read_text()), strict=True)
    )
    u[:, :3] += b[:, None] / U_TO_B
    read = as_model(shared_data / name, strict_ncs=False)
    distance, own = cKDTree(read.atoms.frac @ read.crystal.orthogonalization.T).query(position)
    assert distance.max() < 1e-9
    assert sorted(own) == np.flatnonzero(read.atoms.is_aniso).tolist()
    np.testing.assert_allclose(read.atoms.u_aniso[own], u, atol=1e-6)


@pytest.mark.parametrize("name", ["3t5o", "4ctd", "5uui"])
def test_phenix_files_hold_the_sum(shared_data, name):
    path = shared_data / "pairs" / f"{name}.pdb.gz"
    if not path.exists():
        pytest.skip(f"no {name}")
    read = as_model(path)
    with gzip.open(path, "rt") as file:
        structure = gemmi.read_pdb_string(file.read())
    own = structure[0][0][0][0].aniso
    np.testing.assert_allclose(read.atoms.u_aniso[0], own.elements_pdb(), atol=1e-9)
    assert [note for note in read.notes if "TLS" in note and "not added" in note]
