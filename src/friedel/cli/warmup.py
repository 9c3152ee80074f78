"""``friedel warmup``: compile everything once."""

import sys
import time

import click


@click.command("warmup", short_help="compile everything once, for later calls to be quick")
def command() -> None:
    """Compile all kernels and keep them, so that no later call waits for the compiler.

    It takes a minute or two the first time, and seconds when there is nothing left to do.
    """
    from tqdm import tqdm

    from friedel.cli.compile_kernels import run

    start = time.perf_counter()
    run(lambda jobs: tqdm(jobs, desc="compiling", disable=not sys.stderr.isatty()))
    click.echo(f"ready after {time.perf_counter() - start:.0f} s", err=True)
