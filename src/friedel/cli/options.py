"""Options and small conversions that several commands share."""

from collections.abc import Iterable

import click

from friedel.errors import ParameterError

OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace files that exist.")


def parse_hkl(text: str) -> tuple[int, int, int]:
    """``"1,2,3"`` -> (1, 2, 3).

    Raises
    ------
    ParameterError
        When the text is not three integers.
    """
    parts = text.replace(",", " ").split()
    try:
        h, k, l = (int(part) for part in parts)
    except ValueError:
        raise ParameterError(f"got reflection {text!r}, expected three integers H,K,L") from None
    return h, k, l


def echo_notes(notes: Iterable[str]) -> None:
    """What was decided while reading, one line each, on stderr."""
    for note in notes:
        click.echo(f"friedel: note: {note}", err=True)
