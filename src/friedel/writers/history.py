"""Provenance of a file: version, command and notes, as lines of text."""

import textwrap
from collections.abc import Iterable

from friedel.notes import Notes, friedel_version

WIDTH = 80
"""Characters per line of HISTORY in MTZ files."""

MOST_LINES = 30
"""Number of lines of HISTORY that CCP4 programs read."""


def history(notes: Iterable[str] = (), command: str | None = None) -> list[str]:
    """Lines of at most 80 ASCII characters: the version, the command, the notes by kind.

    Parameters
    ----------
    notes
        Notes of the result.
    command
        The command line that made the result, or None.
    """
    records = Notes()
    records.extend(notes)
    texts = [f"friedel {friedel_version()}"]
    if command:
        texts.append(f"command: {command}")
    texts += [f"note ({note.kind}): {note}" for note in records.records()]
    lines = [line for text in texts for line in _wrapped(text)]
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES + 1
        lines = [*lines[: MOST_LINES - 1], f"and {rest} more lines, which do not fit"]
    return lines


def _wrapped(text: str) -> list[str]:
    ascii_text = " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")
    # Lines are not indented: gemmi reads beyond the end of HISTORY lines that begin with spaces
    return textwrap.wrap(ascii_text, WIDTH, break_on_hyphens=False)


def text_field(lines: Iterable[str]) -> str:
    """The lines as a CIF text field, without semicolons in the first column, which would end it."""
    safe = (f" {line}" if line.startswith(";") else line for line in lines)
    return "\n".join([";", *safe, ";"])
