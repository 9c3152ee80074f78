"""Content of a reflection file: rows of Miller indices, and typed columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.notes import Note

MISSING = (-999.0, -9999.0)
"""Numbers by which programs mark missing values."""


class Kind(StrEnum):
    """Type of quantity in a column."""

    AMPLITUDE = "amplitude"
    AMPLITUDE_PLUS = "amplitude F(+)"
    AMPLITUDE_MINUS = "amplitude F(-)"
    INTENSITY = "intensity"
    INTENSITY_PLUS = "intensity I(+)"
    INTENSITY_MINUS = "intensity I(-)"
    SIGMA = "standard uncertainty"
    CALCULATED = "calculated amplitude"
    DIFFERENCE = "anomalous difference"
    NORMALIZED = "normalized amplitude E"
    PHASE = "phase"
    WEIGHT = "weight or figure of merit"
    FLAG = "whole number, such as an R-free flag"
    STATUS = "status of reflections"
    INDEX = "Miller index"
    OTHER = "number of unknown kind"


AMPLITUDES = (Kind.AMPLITUDE, Kind.AMPLITUDE_PLUS, Kind.AMPLITUDE_MINUS)
LONGEST_WAVELENGTH = 9.0
"""Wavelengths above this (Å) mark unknown ones: 9.999 in MTZ files."""


def known_wavelength(value: float) -> float:
    """A wavelength that a file states, or 0 for a value that marks an unknown one."""
    return value if 0 < value < LONGEST_WAVELENGTH else 0.0


INTENSITIES = (Kind.INTENSITY, Kind.INTENSITY_PLUS, Kind.INTENSITY_MINUS)
MINUS = {
    Kind.AMPLITUDE_PLUS: Kind.AMPLITUDE_MINUS,
    Kind.INTENSITY_PLUS: Kind.INTENSITY_MINUS,
}
"""Kinds of the columns of Friedel mates, by those of single columns."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a file.

    Attributes
    ----------
    label, kind
        Label in the file, and type of quantity.
    read
        Function that returns the values (n,); called once, on first use.
    data_set
        Name of the data set of the column, empty if there is none.
    cell
        Cell of its data set, or None.
    wavelength
        Wavelength of its data set, Å, or 0 if unknown.
    sigma
        Label of the column with its standard uncertainties, or None.
    """

    label: str
    kind: Kind
    read: Callable[[], np.ndarray]
    data_set: str = ""
    cell: gemmi.UnitCell | None = None
    wavelength: float = 0.0
    sigma: str | None = None

    @cached_property
    def values(self) -> np.ndarray:
        """(n,) float64 values, NaN where missing."""
        values = np.array(self.read(), np.float64)
        values[~np.isfinite(values)] = np.nan
        values[np.isin(values, MISSING)] = np.nan
        return values

    @cached_property
    def has_data(self) -> bool:
        """Whether any value is present and not zero."""
        return bool((np.isfinite(self.values) & (self.values != 0.0)).any())


def arrays_as_columns(
    named: Mapping[str, tuple[Kind, np.ndarray, str | None]],
) -> tuple[Column, ...]:
    """Columns from kind, values (n,) and label of the sigmas (or None), by label."""

    def column(label: str, kind: Kind, values: np.ndarray, sigma: str | None) -> Column:
        return Column(label, kind, lambda: values, sigma=sigma)

    return tuple(column(label, *parts) for label, parts in named.items())


@dataclass(frozen=True, eq=False)
class ReflectionTable:
    """The reflections of one file, or of one block of it.

    Attributes
    ----------
    name
        Name of the file, with that of the block if there are several.
    hkl
        (n, 3) Miller indices as in the file.
    columns
        All columns except the indices.
    cell, spacegroup
        Cell and space group of the whole file; None if not stated.
    status
        (n,) status of each row as text, ``""`` where missing; or None.
    group
        (n,) text that distinguishes data sets which share the columns, or None.
    notes
        Notes on decisions made while reading.
    wavelengths
        Wavelengths (Å) that the file states for all its columns, by their id.
    """

    name: str
    hkl: np.ndarray
    columns: tuple[Column, ...]
    cell: gemmi.UnitCell | None = None
    spacegroup: gemmi.SpaceGroup | None = None
    status: np.ndarray | None = None
    group: np.ndarray | None = None
    notes: tuple[Note, ...] = field(default=())
    wavelengths: Mapping[str, float] = field(default_factory=dict)

    def labels(self) -> list[str]:
        """All labels, in the order of the file."""
        return [column.label for column in self.columns]

    def find(self, label: str, data_set: str | None = None) -> Column:
        """The first column with this label, of one data set if that is given.

        Raises
        ------
        FileFormatError
            When there is none.
        """
        for column in self.columns:
            if column.label == label and data_set in (None, column.data_set):
                return column
        where = f" in data set {data_set}" if data_set is not None else ""
        raise FileFormatError(
            f"{self.name} has no column {label}{where}; it has {', '.join(self.labels())}"
        )

    def wavelengths_of(self, column: Column, data_set: str | None = None) -> tuple[float, ...]:
        """Wavelengths (Å) of a column: none, one, or several among which the file does not choose.

        Parameters
        ----------
        data_set
            Name of the data set among those which share the columns; by default the first.
        """
        if column.wavelength > 0:
            return (column.wavelength,)
        if self.group is not None:
            chosen = self.group[0] if data_set is None else data_set
            of_group = self.wavelengths.get(chosen.split("/")[0])
            if of_group is not None:
                return (of_group,)
        return tuple(dict.fromkeys(self.wavelengths.values()))

    def sigma_of(self, column: Column) -> Column | None:
        """The column with the standard uncertainties of another."""
        if column.sigma is None:
            return None
        return self.find(column.sigma, column.data_set)
