"""Records of a PDB file by their names, and single columns of many records at once."""

import numpy as np

LINE_LENGTH = 80
"""Number of columns of a PDB file."""


class PdbRecords:
    """The lines of a PDB file.

    Whole files are searched as bytes: a pass over the lines in Python takes as long as gemmi takes
    to read them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        # One byte for each character, so that positions are those in the text
        self._bytes = np.frombuffer(
            text.encode("latin-1", "replace") + b"\n" * LINE_LENGTH, np.uint8
        )
        ends = np.flatnonzero(self._bytes == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        in_text = starts < len(text)
        self._starts, self._ends = starts[in_text], ends[in_text]

    def named(self, *names: str) -> np.ndarray:
        """(n,) numbers of the lines that begin with one of the names, ascending."""
        found = []
        for name in names:
            lines = np.arange(len(self._starts))
            for i, letter in enumerate(name.encode()):
                lines = lines[self._bytes[self._starts[lines] + i] == letter]
            found.append(lines)
        return np.sort(np.concatenate(found))

    def columns(self, lines: np.ndarray, first: int, last: int) -> np.ndarray:
        """(n, m) bytes of the columns `first` to `last`, counted from 1; blank beyond the line."""
        positions = self._starts[lines, None] + np.arange(first - 1, last)
        values = self._bytes[positions]
        values[positions >= self._ends[lines, None]] = ord(" ")
        return values

    def lines(self, lines: np.ndarray) -> list[str]:
        """The text of lines, without their ends."""
        return [self._text[self._starts[i] : self._ends[i]] for i in lines]

    def split_after(self, line: int) -> tuple[str, str]:
        """The text to the end of a line, and the rest."""
        end = int(self._ends[line]) + 1
        return self._text[:end], self._text[end:]

    def without(self, lines: np.ndarray) -> str:
        """The text without some lines."""
        bounds = [0, *(x for i in lines for x in (self._starts[i], self._ends[i] + 1)), None]
        return "".join(self._text[a:b] for a, b in zip(bounds[::2], bounds[1::2], strict=True))
