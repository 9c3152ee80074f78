"""Reflections: indices with values, and the crystal they belong to."""

import dataclasses
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.errors import ReflectionsError
from friedel.html import html_table
from friedel.model.crystal import Crystal, _frozen
from friedel.notes import Note

if TYPE_CHECKING:
    import pandas as pd

HTML_ROWS = 5
"""Reflections that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Reflections:
    """Values on a list of reflections.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) int32 Miller indices, in any order, any asymmetric unit.
    values
        (n,) complex structure factors or real amplitudes.
    sigmas
        (n,) standard uncertainties of real values, or None.
    free
        (n,) bool, True for reflections kept out of refinement (R-free), or None.
    label
        What the values are called in files: ``"FC"``, ``"FP"``, ...
    description
        Where they come from, for people to read.
    notes
        What was decided on the way, which files tell as well.

    Raises
    ------
    ReflectionsError
        For arrays that do not fit together.
    """

    crystal: Crystal
    hkl: np.ndarray
    values: np.ndarray
    sigmas: np.ndarray | None = None
    free: np.ndarray | None = None
    label: str = "F"
    description: str = ""
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        hkl = checked_hkl(self.hkl)
        object.__setattr__(self, "hkl", _frozen(hkl))
        for name in ("values", "sigmas", "free"):
            value = getattr(self, name)
            if value is None:
                continue
            array = np.asarray(value)
            if array.shape != (len(hkl),):
                raise ReflectionsError(
                    f"{name} has shape {array.shape}, expected ({len(hkl)},) as there are "
                    f"{len(hkl)} reflections"
                )
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.hkl)

    def __repr__(self) -> str:
        range_text = ""
        if len(self):
            d = self.d_spacing
            range_text = f", {d[np.isfinite(d)].max(initial=0):.2f}-{d.min():.2f} A"
        return f"<friedel.Reflections {self.label}: {len(self)}{range_text}>"

    def _repr_html_(self) -> str:
        first, columns = slice(HTML_ROWS), self.columns()
        numbers = zip(self.d_spacing[first], *(x[first] for x in columns.values()), strict=True)
        rows = [
            [*hkl, f"{d:.3f}", *(f"{x:.7g}" for x in values)]
            for hkl, (d, *values) in zip(self.hkl[first].tolist(), numbers, strict=True)
        ]
        note = f"and {len(self) - len(rows)} more" if len(self) > len(rows) else ""
        return html_table(repr(self)[1:-1], ["h", "k", "l", "d, A", *columns], rows, note)

    @property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2, 1/A^2."""
        return self.crystal.stol2(self.hkl)

    @property
    def d_spacing(self) -> np.ndarray:
        """(n,) spacing d, A."""
        return self.crystal.d_spacing(self.hkl)

    @property
    def amplitudes(self) -> np.ndarray:
        """(n,) abs(values)."""
        return np.abs(self.values)

    @property
    def phases(self) -> np.ndarray:
        """(n,) phases in degrees, from -180 to 180."""
        return np.degrees(np.angle(self.values))

    def select(self, mask: np.ndarray) -> "Reflections":
        """The reflections chosen by a boolean mask or by indices."""
        chosen: dict[str, Any] = {
            name: None if (value := getattr(self, name)) is None else value[mask]
            for name in ("hkl", "values", "sigmas", "free")
        }
        return dataclasses.replace(self, **chosen)

    def columns(self) -> dict[str, np.ndarray]:
        """Named columns as they are written to files, phases in degrees."""
        if np.iscomplexobj(self.values):
            phase_label = {"FC": "PHIC", "FWT": "PHWT", "DELFWT": "PHDELWT"}.get(
                self.label, f"PHI{self.label}"
            )
            columns = {self.label: self.amplitudes, phase_label: self.phases}
        else:
            columns = {self.label: self.values}
        if self.sigmas is not None:
            columns[f"SIG{self.label}"] = self.sigmas
        if self.free is not None:
            columns["FREE"] = (~self.free.astype(bool)).astype(np.int32)
        return columns

    def to_mtz(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write an MTZ file; FREE follows CCP4: 0 is the free set.

        HISTORY tells the version, the notes and the command line `command`, where there was one.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_mtz

        told: dict[str, Any] = {"notes": self.notes, "command": command}
        write_mtz(path, self.crystal, self.hkl, self.columns(), overwrite=overwrite, **told)

    def to_cif(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write a structure-factor mmCIF: real values as F_meas_au, complex as F_calc.

        Map coefficients FWT and DELFWT are written as such. ``_audit.creation_method`` tells
        what HISTORY tells in an MTZ file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_sf_cif

        label = "FC" if np.iscomplexobj(self.values) else "FP"
        if self.label in ("FWT", "DELFWT"):
            label = self.label
        columns = dataclasses.replace(self, label=label).columns()
        told: dict[str, Any] = {"notes": self.notes, "command": command}
        write_sf_cif(path, self.crystal, self.hkl, columns, overwrite=overwrite, **told)

    def to_hklf(self, path: str | PathLike[str], *, code: int = 4, overwrite: bool = False) -> None:
        """Write a reflection file of SHELX: F^2 and its uncertainty, or with `code` 3 F.

        Values without uncertainties are given 1.

        Raises
        ------
        ParameterError
            For a code other than 3 and 4.
        OutputError
            When a number does not fit the format, the file exists and `overwrite` is false,
            or cannot be written.
        """
        from friedel.writers.text import write_hklf

        write_hklf(path, *self.measurable(), code=code, overwrite=overwrite)

    def measurable(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Indices (n, 3), amplitudes (n,) and sigmas (n,) as a diffractometer would list them."""
        return self.hkl, self.amplitudes, self.sigmas

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write comma-separated values: h, k, l and :meth:`columns`.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_csv

        write_csv(path, self.hkl, self.columns(), overwrite=overwrite)

    def to_gemmi(self) -> Any:
        """A gemmi AsuData object: complex, value-sigma or real, as the values are."""
        from friedel.writers.gemmi_objects import to_asu_data

        return to_asu_data(self.crystal, self.hkl, self.values, self.sigmas)

    def to_dataset(self) -> Any:
        """A reciprocalspaceship DataSet.

        Raises
        ------
        MissingDependencyError
            When reciprocalspaceship is not installed.
        """
        from friedel.writers.dataframes import to_dataset

        return to_dataset(self.crystal, self.hkl, self.columns())

    def to_dataframe(self) -> "pd.DataFrame":
        """A pandas DataFrame indexed by H, K, L.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        from friedel.writers.dataframes import to_dataframe

        return to_dataframe(self.hkl, self.columns())


def checked_hkl(hkl: object) -> np.ndarray:
    """Miller indices as an (n, 3) int32 array.

    Raises
    ------
    ReflectionsError
        When they are not integers in three columns.
    """
    try:
        array = np.asarray(hkl)
        if array.size == 0:
            return np.empty((0, 3), np.int32)
        numbers = np.atleast_2d(array if array.dtype.kind == "i" else array.astype(np.float64))
    except (TypeError, ValueError):
        raise ReflectionsError(f"got hkl {hkl!r}, expected an (n, 3) array of integers") from None
    if numbers.ndim != 2 or numbers.shape[1] != 3:
        raise ReflectionsError(f"hkl has shape {array.shape}, expected (n, 3)")
    small = ((numbers > -(2**20)) & (numbers < 2**20)).all()
    if not small or (numbers.dtype.kind == "f" and (np.rint(numbers) != numbers).any()):
        raise ReflectionsError("hkl must be integers of less than a million, got others")
    return np.ascontiguousarray(numbers, np.int32)


def match(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (i, j) with first[i] == second[j], for lists of distinct hkl.

    Parameters
    ----------
    first, second
        (n, 3) and (m, 3) integer arrays.
    """
    _, i, j = np.intersect1d(_as_keys(first), _as_keys(second), return_indices=True)
    return i, j


def _as_keys(hkl: np.ndarray) -> np.ndarray:
    """One integer for each hkl that sorts as (h, k, l) does."""
    h, k, l = np.asarray(hkl, np.int64).T + 2**20
    return (h << 42) | (k << 21) | l
