"""``friedel warmup``: compile all kernels ahead of time."""

import time

import click

from friedel.cli.command import Command
from friedel.cli.output import echo, stage
from friedel.runtime.progress import counted


@click.command(
    "warmup",
    cls=Command,
    short_help="compile all kernels ahead of time",
    examples=("friedel warmup",),
)
def command() -> None:
    """Compile all kernels ahead of time, so that no later call waits for the compiler.

    It takes a minute or two the first time, and seconds if all are compiled.
    """
    from friedel.cli.compile_kernels import run

    start = time.perf_counter()
    with stage("compiling"):
        run(counted)
    echo(f"ready after {time.perf_counter() - start:.0f} s", err=True)
