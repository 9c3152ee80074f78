"""A function that runs the command inside the test's own process."""

from pathlib import Path

from friedel.cli import main

QUARTZ = Path(__file__).parents[1] / "examples" / "quartz.cif"


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = 0
    try:
        main([str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err
