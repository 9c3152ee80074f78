"""Peaks of a map as a table."""

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from friedel.html import html_table
from friedel.model.arrays import frozen
from friedel.model.crystal import Crystal

if TYPE_CHECKING:
    import pandas as pd

HTML_ROWS = 10
"""Number of peaks that a notebook shows."""


@dataclass(frozen=True, eq=False, repr=False)
class Peaks:
    """Peaks of a map, the highest first, or its holes, the deepest first.

    Attributes
    ----------
    crystal
        Cell and symmetry.
    frac
        (n, 3) fractional coordinates.
    height
        (n,) values of the map at the peaks, in its units: e/Å^3.
    sigma
        (n,) heights above the mean of the map in its standard deviations; negative for holes.
    atom
        (n,) index of the nearest atom, or None when no atoms were given.
    label
        (n,) labels of the type of the nearest atom: ``"O"``, ``"Fe2+"``; or None.
    distance
        (n,) distances from the nearest atom, Å; or None.
    mean, deviation
        Mean and standard deviation of the map over the unit cell.
    """

    crystal: Crystal
    frac: np.ndarray
    height: np.ndarray
    sigma: np.ndarray
    atom: np.ndarray | None
    label: np.ndarray | None
    distance: np.ndarray | None
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        for name in ("frac", "height", "sigma", "atom", "label", "distance"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen(np.array(value)))

    def __len__(self) -> int:
        return len(self.frac)

    def __repr__(self) -> str:
        extent = f", {self.sigma[0]:.1f} to {self.sigma[-1]:.1f} sigma" if len(self) else ""
        return f"<friedel.Peaks {len(self)}{extent}>"

    def __str__(self) -> str:
        texts = self._texts()
        widths = [max(map(len, [title, *column])) for title, column in texts.items()]
        rows = [list(texts), *zip(*texts.values(), strict=True)]
        return "\n".join(
            " ".join(["", *(x.rjust(w) for x, w in zip(row, widths, strict=True))]) for row in rows
        )

    def _repr_html_(self) -> str:
        texts = self._texts()
        rows = list(zip(*texts.values(), strict=True))
        note = f"and {len(rows) - HTML_ROWS} more" if len(rows) > HTML_ROWS else ""
        return html_table(repr(self)[1:-1], list(texts), rows[:HTML_ROWS], note)

    @property
    def xyz(self) -> np.ndarray:
        """(n, 3) Cartesian coordinates, Å."""
        return self.frac @ self.crystal.orthogonalization.T

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name: x, y, z (Å), u, v, w (fractional), height, sigma, and nearest atoms."""
        columns = {
            **dict(zip("xyz", self.xyz.T, strict=True)),
            **dict(zip("uvw", self.frac.T, strict=True)),
            "height": self.height,
            "sigma": self.sigma,
        }
        of_atoms = {"atom": self.atom, "label": self.label, "distance": self.distance}
        return columns | {name: x for name, x in of_atoms.items() if x is not None}

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
        """A pandas DataFrame with :meth:`columns`, one row per peak.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        from friedel.writers.dataframes import table_to_dataframe

        return table_to_dataframe(self.columns())

    def _texts(self) -> dict[str, list[str]]:
        """Columns as printed, by title."""
        texts = {"": [str(i + 1) for i in range(len(self))]}
        styles = {"x": "8.2f", "u": "7.4f", "height": ".3f", "sigma": ".2f", "distance": ".2f"}
        styles |= {"y": styles["x"], "z": styles["x"], "v": styles["u"], "w": styles["u"]}
        for name, values in self.columns().items():
            style = styles.get(name, "")
            # Adding zero turns the -0 of a rounded number into 0
            texts[name] = [
                format(round(float(x), 6) + 0.0, style) if style else str(x) for x in values
            ]
        return texts
