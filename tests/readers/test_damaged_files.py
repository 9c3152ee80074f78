"""Damaged copies of files end in a result or in one line and exit code 2, never in a traceback."""

import random

import pytest

import friedel
from commands import QUARTZ, run
from fuzz import contents_of, damaged, mutation_outcome, originals

gemmi = pytest.importorskip("gemmi")


def outcome(capsys, *arguments):
    """Exit code; stderr of a failure has only lines that begin with the program's name."""
    code, _, err = run(capsys, *arguments)
    assert code in (0, 2)
    if code == 2:
        assert all(line.startswith("friedel: ") for line in err.splitlines()), err
    return code


@pytest.mark.parametrize("seed", range(40))
def test_models(capsys, tmp_path, seed, page_models):
    rng = random.Random(seed)
    for origin in (QUARTZ, page_models / "5e5z.pdb"):
        path = tmp_path / origin.name
        path.write_bytes(damaged(origin.read_bytes(), rng))
        outcome(capsys, "fcalc", path, "--dmin", 2.5)


@pytest.mark.parametrize("seed", range(40))
def test_data(capsys, tmp_path, seed, page_models):
    path = tmp_path / "data.mtz"
    path.write_bytes(damaged((page_models / "5e5z.mtz").read_bytes(), random.Random(seed)))
    model, target = page_models / "5e5z.pdb", tmp_path / "out.mtz"
    options = ["--target", "ls", "--solvent", "none", "--to-mtz", target]
    code = outcome(capsys, "fmodel", model, path, *options)
    assert target.exists() == (code == 0)
    assert {p.name for p in tmp_path.iterdir()} <= {"data.mtz", "out.mtz"}


@pytest.mark.parametrize("seed", range(40))
def test_lists_of_small_structures(capsys, tmp_path, seed, shared_data):
    rng = random.Random(seed)
    models = shared_data / "models"
    for name in ("epoxide.hkl", "2242624.hkl", "4003024.cif"):
        path, target = tmp_path / name, tmp_path / f"{name}.fcf"
        path.write_bytes(damaged((models / name).read_bytes(), rng))
        model = path if name.endswith(".cif") else models / f"{path.stem}.cif"
        code = outcome(capsys, "fmodel", model, path, "--to-fcf", target)
        assert target.exists() == (code == 0)


@pytest.mark.parametrize("seed", range(40))
def test_shelx_instructions(capsys, tmp_path, seed, shared_data):
    """Damage to a .res file gives a result or one line of error."""
    rng = random.Random(seed)
    document = gemmi.cif.read(str(shared_data / "models" / "4003024.cif"))
    block = document.sole_block()
    for tag, ending in (("_shelx_res_file", "res"), ("_shelx_hkl_file", "hkl")):
        text = gemmi.cif.as_string(block.find_value(tag)).lstrip("\n").encode()
        path = tmp_path / f"x.{ending}"
        path.write_bytes(damaged(text, rng) if ending == "res" else text)
    target = tmp_path / "x.fcf"
    code = outcome(capsys, "fmodel", tmp_path / "x.res", tmp_path / "x.hkl", "--to-fcf", target)
    assert target.exists() == (code == 0)


def test_a_seeded_part_of_the_fuzz_suite(tmp_path, page_models):
    """`make fuzz` runs many more; what it found once stays here by its seed."""
    files = contents_of(originals(page_models))
    outcomes = {mutation_outcome(seed, files, tmp_path) for seed in range(200)}
    assert "result" in outcomes
    assert {"FileFormatError", "CellError"} <= outcomes


def test_text_that_is_not_utf8(capsys, tmp_path):
    """Found by fuzzing: such text is taken as Latin-1; what it says must still be right."""
    path = tmp_path / "quartz.cif"
    path.write_bytes(QUARTZ.read_bytes().replace(b"1/3+z", b"1/\xa5+z"))
    code, _, err = run(capsys, "fcalc", path, "--dmin", 2)
    assert code == 2
    assert "symmetry operation" in err
    path.write_bytes(b"# Universit\xe4t\n" + QUARTZ.read_bytes())
    code, out, _ = run(capsys, "fcalc", path, "--dmin", 2)
    assert (code, out) == run(capsys, "fcalc", QUARTZ, "--dmin", 2)[:2]


def test_long_names(page_models):
    """Found by fuzzing: such values overflow fields of gemmi's FlatStructure."""
    structure = gemmi.read_structure(str(page_models / "5i55.cif"))
    before = friedel.fcalc(structure, hkl=[[1, 2, 3]]).values
    chain = structure[0][0]
    chain.name, chain[0].name, chain[0][0].name = "A" * 9, "LIGAND-OF-OURS", "CARBON-17"
    assert friedel.fcalc(structure, hkl=[[1, 2, 3]]).values == before
