"""Damaged copies of files end in a result or in one line and exit code 2, never in a traceback."""

import random
from pathlib import Path

import pytest

from commands import run

pytest.importorskip("gemmi")
QUARTZ = Path(__file__).parents[1] / "examples" / "quartz.cif"
SCRAPS = (b"nan", b"-", b"1e99", b"?", b"\n", b"loop_", b"99999", b"0", b"'")


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The data with some bytes changed, taken out, put in or cut off."""
    copy = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 30))):
        place, kind = rng.randrange(max(1, len(copy))), rng.random()
        if kind < 0.5 and copy:
            copy[place % len(copy)] = rng.randrange(256)
        elif kind < 0.7:
            del copy[place : place + rng.randrange(1, 200)]
        elif kind < 0.9:
            copy[place:place] = rng.choice(SCRAPS)
        else:
            del copy[place:]
    return bytes(copy)


def outcome(capsys, *arguments):
    """Exit code; nothing but lines that begin with the name stands on stderr of a failure."""
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
