"""Commands: help in groups with examples, options that all commands have, names of 0.1.0."""

from collections.abc import Sequence
from itertools import pairwise, zip_longest
from typing import Any

import click

from friedel.cli.groups import GROUPS, OTHERS
from friedel.cli.output import QUIET, OutputArgument, OutputOption, echo_notes
from friedel.cli.streams import STDIN, STDIN_KIND, readable, with_stdin
from friedel.errors import FriedelError
from friedel.runtime.progress import LINE


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta[f"friedel.{parameter.name}"] = value
    LINE.is_silent = bool(context.meta.get(QUIET))
    LINE.is_wanted = not LINE.is_silent


def talk_options() -> list[click.Parameter]:
    """The options ``--quiet`` and ``--verbose``, which every command has."""

    def option(names: list[str], text: str) -> click.Option:
        return click.Option(
            names, help=text, is_flag=True, expose_value=False, callback=_remember, is_eager=True
        )

    return [
        option(["-q", "--quiet"], "Print results and errors only."),
        option(["-v", "--verbose"], "Say how long each stage takes."),
    ]


class OnceAFlag(click.Option):
    """An option with listed values that was a flag in 0.1.0: without a value it is ``yes``."""


class Command(click.Command):
    """A command with grouped options, examples, and names that options had in 0.1.0.

    Parameters
    ----------
    examples
        Commands that run as they stand in a folder with the files that they name.
    old_names
        Options of 0.1.0 that have another name now: ``{"--twin-law": "--twin"}``. They are
        accepted with a note.
    """

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[str] = (),
        old_names: dict[str, str] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.examples = tuple(examples)
        self.old_names = old_names or {}
        if any(is_input(x) for x in self.params):
            self.params.append(STDIN_KIND)
        self.params += talk_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, options under their present names."""
        now, notes = [], []
        for text in with_values_of_flags(self, args):
            name, equals, value = text.partition("=")
            if name in self.old_names:
                notes.append(f"{name} is {self.old_names[name]} now")
                text = self.old_names[name] + equals + value
            now.append(STDIN + text[1:] if text.startswith("-:") else text)
        rest = super().parse_args(ctx, now)
        echo_notes(notes)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, with standard input as a file where an argument is ``-``."""
        kind = ctx.params.pop(STDIN_KIND.name, None)
        for parameter in self.params:
            if is_input(parameter) and parameter.name in ctx.params:
                ctx.params[parameter.name] = with_stdin(ctx.params[parameter.name], kind, ctx)
        try:
            return super().invoke(ctx)
        except FriedelError as error:
            raise click.ClickException(readable(str(error))) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by purpose."""
        write_groups(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def with_values_of_flags(command: click.Command, args: list[str]) -> list[str]:
    """Arguments with ``--hydrogens=yes`` for ``--hydrogens`` that no value follows."""
    values: dict[str, Sequence[Any]] = {}
    for option in command.params:
        if isinstance(option, OnceAFlag) and isinstance(option.type, click.Choice):
            values |= dict.fromkeys(option.opts, option.type.choices)
    return [
        f"{word}=yes" if word in values and following not in values[word] else word
        for word, following in zip_longest(args, args[1:])
    ]


def with_stdin_first(command: click.Command, args: list[str], parent: click.Context) -> list[str]:
    """Arguments with a file in place of ``-``, for a command that looks into its files first."""
    outputs = {name for x in command.params if isinstance(x, OutputOption) for name in x.opts}
    kinds = [value for name, value in pairwise(args) if name in STDIN_KIND.opts]
    found = []
    for before, text in zip(["", *args], args, strict=False):
        is_stdin = (text == "-" or text.startswith("-:")) and before not in outputs
        if is_stdin:
            text = with_stdin(STDIN + text[1:], kinds[0] if kinds else None, parent)
        found.append(text)
    return found


def is_input(parameter: click.Parameter) -> bool:
    """Whether a parameter names files that are read."""
    is_path = isinstance(parameter.type, click.Path)
    return is_path and not isinstance(parameter, OutputOption | OutputArgument)


def write_groups(
    params: Sequence[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the options in groups, in the order of :data:`friedel.cli.groups.GROUPS`."""
    records: dict[str, list[tuple[str, str]]] = {name: [] for name in [*GROUPS, OTHERS]}
    for parameter in params:
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
            records[group_of(parameter)].append(record)
    for name, rows in records.items():
        if rows:
            with formatter.section(name):
                formatter.write_dl(rows)


def group_of(option: click.Option) -> str:
    """The group in which an option is listed."""
    for name, options in GROUPS.items():
        if any(x in options for x in option.opts):
            return name
    return OTHERS
