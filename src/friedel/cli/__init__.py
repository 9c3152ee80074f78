"""The command ``friedel``: arguments in, public functions called, exit codes out."""

from friedel.cli.main import main

__all__ = ["main"]
