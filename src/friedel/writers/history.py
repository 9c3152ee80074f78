"""Where a file comes from: version, command and notes, as lines of text."""

import textwrap
from collections.abc import Iterable

from friedel.notes import Notes, friedel_version

WIDTH = 80
"""Characters of a line of HISTORY in MTZ files."""

MOST_LINES = 30
"""Lines of HISTORY that programs of CCP4 read."""


def history(notes: Iterable[str] = (), command: str | None = None) -> list[str]:
    """Lines of at most 80 ASCII characters: the version, the command, the notes by kind.

    Parameters
    ----------
    notes
        Of the result.
    command
        The command line that made it; None where there was none.
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
        lines = [*lines[: MOST_LINES - 1], f"and {rest} more lines, which there is no room for"]
    return lines


def _wrapped(text: str) -> list[str]:
    ascii_text = " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")
    # not indented: gemmi reads past the end of lines of HISTORY that begin with spaces
    return textwrap.wrap(ascii_text, WIDTH, break_on_hyphens=False)


def text_field(lines: Iterable[str]) -> str:
    """The lines as a text field of CIF, which a semicolon in the first column would end."""
    safe = (f" {line}" if line.startswith(";") else line for line in lines)
    return "\n".join([";", *safe, ";"])
