"""Tables of results: as text, CSV, DataFrame and records for JSON."""

import math
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from friedel.html import html_table

if TYPE_CHECKING:
    import pandas as pd

HTML_ROWS = 10
"""Number of rows that a notebook shows."""


class Table:
    """Rows of numbers and texts with named columns; subclasses define :meth:`columns`."""

    STYLES: ClassVar[dict[str, str]] = {}
    """Formats of the columns of numbers, by name."""

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name, (n,) each."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text()

    def text(self, rows: int | None = None, every: int = 1) -> str:
        """The table as aligned columns.

        Parameters
        ----------
        rows
            Number of rows printed; by default all.
        every
            Print one of so many rows, and the last one.
        """
        texts = {title: column[:rows] for title, column in self._texts().items()}
        n = len(next(iter(texts.values())))
        chosen = [i for i in range(n) if i % every == 0 or i == n - 1]
        texts = {title: [column[i] for i in chosen] for title, column in texts.items()}
        widths = [max(map(len, [title, *column])) for title, column in texts.items()]
        lines = [list(texts), *zip(*texts.values(), strict=True)]
        return "\n".join(
            " ".join(["", *(x.rjust(w) for x, w in zip(line, widths, strict=True))])
            for line in lines
        )

    def _repr_html_(self) -> str:
        texts = self._texts()
        rows = list(zip(*texts.values(), strict=True))
        note = f"and {len(rows) - HTML_ROWS} more" if len(rows) > HTML_ROWS else ""
        return html_table(repr(self)[1:-1], list(texts), rows[:HTML_ROWS], note)

    def records(self) -> list[dict[str, Any]]:
        """One dictionary for each row, for JSON."""
        columns = {name: values.tolist() for name, values in self.columns().items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write comma-separated values: :meth:`columns`.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_table

        write_table(path, self.columns(), overwrite=overwrite)

    def to_dataframe(self) -> "pd.DataFrame":
        """A pandas DataFrame with :meth:`columns`, one row for each of the table.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        from friedel.writers.dataframes import table_to_dataframe

        return table_to_dataframe(self.columns())

    def _texts(self) -> dict[str, list[str]]:
        """Columns as printed, by title."""
        columns = self.columns()
        n = len(next(iter(columns.values())))
        texts = {"": [str(i + 1) for i in range(n)]}
        for name, values in columns.items():
            style = self.STYLES.get(name, "")
            texts[name] = [_shown(float(x), style) if style else str(x) for x in values]
        return texts


def _shown(number: float, style: str) -> str:
    """A number in a format, or a dash for NaN; adding zero turns the -0 of a rounded one into 0."""
    return "-" if math.isnan(number) else format(round(number, 6) + 0.0, style)
