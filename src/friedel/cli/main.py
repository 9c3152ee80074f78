"""Entry point of the command: errors become one line on stderr and exit code 2."""

import errno
import os
import sys
import warnings
from contextlib import suppress
from typing import Any

import click

from friedel.constants import VERSION
from friedel.errors import FriedelError
from friedel.runtime.address_space import (
    NEEDED_BY_LIBRARIES,
    NEEDED_BY_TABLES,
    check_address_space,
    use_one_blas_thread,
)
from friedel.runtime.paths import printable, shown

COMMANDS = {
    "data": "friedel.cli.data",
    "ensemble": "friedel.cli.ensemble",
    "fcalc": "friedel.cli.fcalc",
    "fmodel": "friedel.cli.fmodel",
    "formfactor": "friedel.cli.formfactor",
    "fprime": "friedel.cli.fprime",
    "fsc": "friedel.cli.fsc",
    "map": "friedel.cli.map",
    "mapcc": "friedel.cli.mapcc",
    "warmup": "friedel.cli.warmup",
}


LIGHT = ("formfactor", "fprime")
"""Commands that need few libraries, and little memory."""


class LazyGroup(click.Group):
    """Imports a command only when it is called, which keeps start-up fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(cmd_name, COMMANDS, n=1)
            said = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {cmd_name!r}: {said}", ctx)
        from importlib import import_module

        use_one_blas_thread()
        check_address_space(NEEDED_BY_TABLES if cmd_name in LIGHT else NEEDED_BY_LIBRARIES)
        return getattr(import_module(COMMANDS[cmd_name]), "command")  # noqa: B009


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message="%(prog)s %(version)s")
def friedel() -> None:
    """Scattering from atomic models: X-rays, electrons and neutrons.

    "friedel COMMAND --help" lists the options of a command by purpose, with examples.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    The exit code is 0 for success, 2 for input that cannot be used or output that cannot be
    written, 130 for Ctrl-C, and 1 when the reader of a pipe has left.
    """
    warnings.showwarning = _show_warning
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        friedel.main(args=arguments, prog_name="friedel", standalone_mode=False, obj=arguments)
        sys.stdout.flush()  # here, since Python reports failed writes only at exit
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as needed:
        click.echo(needed.ctx.get_help() if needed.ctx else "", err=True)
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message() + _where_help_is(error))
    except FriedelError as error:
        _fail(str(error))
    except MemoryError:
        _fail("not enough memory")
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is not None:
            _fail(f"{shown(error.filename)}: {reason}")
        _drop_output()
        if error.errno == errno.EPIPE:
            sys.exit(1)
        _fail(f"cannot write: {reason}")
    except (KeyboardInterrupt, click.Abort):
        click.echo("friedel: interrupted", err=True)
        sys.exit(130)


def _where_help_is(error: click.ClickException) -> str:
    """Where to read on after a wrong call, if a command is known."""
    context = getattr(error, "ctx", None)
    return "" if context is None else f" ({context.command_path} --help)"


def _drop_output() -> None:
    """Discard the rest of standard output, which Python would try to write again at exit."""
    with suppress(OSError, ValueError):  # streams of tests have no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _fail(message: str) -> None:
    with suppress(OSError):  # a full disk may refuse the message, too
        click.echo("friedel: " + printable(" ".join(message.split())), err=True)
    sys.exit(2)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    from friedel.cli.output import echo_notes

    echo_notes([str(message)])
