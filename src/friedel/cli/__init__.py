"""The command ``friedel``: parses arguments, calls public functions, returns exit codes."""

from friedel.cli.main import main

__all__ = ["main"]
