"""The examples at the end of each command's help run as they stand."""

import os
import shutil
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from commands import QUARTZ, run
from friedel.cli import smallmolecule
from friedel.cli.main import COMMANDS

gemmi = pytest.importorskip("gemmi")
pytest.importorskip("matplotlib")

EXAMPLES = {
    example: None
    for command in [*(import_module(x).command for x in COMMANDS.values()), smallmolecule.command]
    for example in command.examples
    if example != "friedel warmup"  # tests/runtime/test_startup.py runs it
}
NEEDED = ("5e5z.pdb", "5e5z.mtz", "2242624.cif", "2242624.hkl")


@pytest.fixture(scope="module")
def folder(shared_data, tmp_path_factory):
    """A folder with the files that the examples name."""
    path = tmp_path_factory.mktemp("examples")
    shutil.copy(QUARTZ, path)
    for name in NEEDED:
        shutil.copy(shared_data / "models" / name, path)
    structure = gemmi.read_structure(str(path / "5e5z.pdb"))
    rng = np.random.default_rng(1)
    for number in range(2, 5):
        model = structure[0].clone()
        model.num = number
        for site in model.all():
            site.atom.pos += gemmi.Position(*rng.normal(0.0, 0.2, 3))
        structure.add_model(model)
    structure.write_pdb(str(path / "frames.pdb"))
    (path / "friedel").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m friedel "$@"\n')
    (path / "friedel").chmod(0o755)
    return path


def made_before(example: str, folder, capsys) -> None:
    """Make the files that an example takes from another one."""
    model, data = folder / "5e5z.pdb", folder / "5e5z.mtz"
    if "half" in example or "5e5z.map 5e5z.pdb --" in example.replace("map 5e5z.pdb 5e5z.map", ""):
        for name in ("5e5z.map", "half1.map", "half2.map"):
            call = ("map", model, folder / name, "--dmin", 2, "--overwrite")
            assert run(capsys, *call)[0] == 0
    if "fmodel.mtz:" in example:
        call = ("fmodel", model, data, "--to-mtz", folder / "fmodel.mtz", "--overwrite")
        assert run(capsys, *call)[0] == 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_runs(capsys, monkeypatch, folder, example):
    for path in folder.glob("*.*"):
        if path.name not in (QUARTZ.name, "frames.pdb", *NEEDED):
            path.unlink()
    made_before(example, folder, capsys)
    if "|" in example or "<" in example:
        env = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            example, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "friedel: cannot" in done.stderr) == (0, False), done.stderr
        assert done.stdout
        return
    monkeypatch.chdir(folder)
    code, out, err = run(capsys, *example.split()[1:])
    assert code == 0, err
    assert out or "wrote " in err or "processes" in err or "frames" in err
