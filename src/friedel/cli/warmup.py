"""``friedel warmup``: compile all kernels ahead of time."""

import sys
import time

import click

from friedel.cli.output import echo


@click.command("warmup", short_help="compile all kernels ahead of time")
def command() -> None:
    """Compile all kernels ahead of time, so that no later call waits for the compiler.

    It takes a minute or two the first time, and seconds if all are compiled.
    """
    from tqdm import tqdm

    from friedel.cli.compile_kernels import run

    start = time.perf_counter()
    run(lambda jobs: tqdm(jobs, desc="compiling", disable=not sys.stderr.isatty()))
    echo(f"ready after {time.perf_counter() - start:.0f} s", err=True)
