"""Completion of commands, options, choices and files, as docs/command.md says it is set up."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text("utf-8")
SHELLS = {"bash": ".bashrc", "zsh": ".zshrc", "fish": "friedel.fish"}


def complete(shell: str, *words: str) -> str:
    """What the command offers to a shell for the last of these words."""
    line = " ".join(words)
    env = os.environ | {"_FRIEDEL_COMPLETE": f"{shell}_complete", "COMP_WORDS": line}
    env["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words) - 1)
    code = "from friedel.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_options_choices_and_files(shell):
    assert "fmodel" in complete(shell, "friedel", "fm")
    assert "--twin" in complete(shell, "friedel", "fmodel", "--tw")
    assert "neutron" in complete(shell, "friedel", "fcalc", "--for", "neu")
    assert "file" in complete(shell, "friedel", "fcalc", "--to-mtz", "x")
    assert "--source" not in complete(shell, "friedel", "fprime", "--s")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_page_sets_it_up(shell, tmp_path):
    """The shell runs what the page says, and then knows the completion of friedel."""
    assert f"_FRIEDEL_COMPLETE={shell}_source" in PAGE
    assert SHELLS[shell] in PAGE
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    program = tmp_path / "friedel"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m friedel "$@"\n')
    program.chmod(0o755)
    line = next(x for x in PAGE.splitlines() if f"_FRIEDEL_COMPLETE={shell}_source" in x)
    source = re.sub(r"\s*(>.*|# .*)$", "", line)
    asked = {"bash": "complete -p friedel", "zsh": "print $_comps[friedel]",
             "fish": "complete friedel"}[shell]  # fmt: skip
    begin = "autoload -Uz compinit; compinit -u;" if shell == "zsh" else ""
    if shell == "fish":
        source += " | source"
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    env |= {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)}
    done = subprocess.run(
        [shell, "-c", f"{begin}\n{source}\n{asked}"], env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "friedel" in done.stdout, done.stderr
