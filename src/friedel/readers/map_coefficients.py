"""Reading of complex map coefficients: amplitudes and phases of an MTZ or mmCIF file."""

from os import PathLike, fspath
from pathlib import Path

import numpy as np

from friedel.errors import FileFormatError
from friedel.model.arrays import checked_hkl
from friedel.readers.amplitudes import read_tables
from friedel.readers.reading import MTZ, decoded, read_bytes, split_labels
from friedel.readers.reflection_tables import Column, ReflectionTable
from friedel.readers.symmetry import crystal_from_gemmi
from friedel.reflections.reflections import Reflections

USUAL = (("FWT", "PHWT"), ("2FOFCWT", "PH2FOFCWT"), ("pdbx_FWT", "pdbx_PHWT"))
"""Labels of amplitude and phase that are looked for when none are given."""


def read_map_coefficients(path: str | PathLike[str]) -> Reflections:
    """Complex coefficients from an MTZ file or a structure-factor mmCIF.

    Parameters
    ----------
    path
        Path, with the labels of amplitude and phase as in ``"fmodel.mtz:DELFWT,PHDELWT"``; by
        default FWT and PHWT, or 2FOFCWT and PH2FOFCWT.

    Returns
    -------
    Reflections
        Complex, as many as the file has; NaN where amplitude or phase is missing.

    Raises
    ------
    FileFormatError
        When the file cannot be read, lacks the columns or any values, or states no cell.
    """
    name, labels = split_labels(fspath(path))
    if len(labels) not in (0, 2):
        raise FileFormatError(
            f"got the labels {', '.join(labels)}, expected those of amplitude and phase, such as "
            "FWT,PHWT"
        )
    with decoded(name):
        tables = read_tables(Path(name))
        for table in tables:
            for wanted in (labels,) if labels else USUAL:
                found = [_column(table, label) for label in wanted]
                if None not in found:
                    return _coefficients(table, *(x for x in found if x is not None))
    asked = ",".join(labels) or "map coefficients such as FWT,PHWT"
    known = ", ".join(column.label for column in tables[0].columns) or "no columns"
    raise FileFormatError(f"{tables[0].name} has no {asked}; it has {known}")


def has_coefficients(path: str) -> bool:
    """Whether a path is that of reflections and not of a model: by its labels, or as an MTZ file.

    Raises
    ------
    FileFormatError
        When the file cannot be read.
    """
    name, labels = split_labels(path)
    return bool(labels) or (Path(name).is_file() and read_bytes(name, len(MTZ)) == MTZ)


def _column(table: ReflectionTable, label: str) -> Column | None:
    return next((column for column in table.columns if column.label == label), None)


def _coefficients(table: ReflectionTable, amplitude: Column, phase: Column) -> Reflections:
    cell = amplitude.cell or table.cell
    if cell is None:
        raise FileFormatError(f"{table.name} states no unit cell")
    with np.errstate(invalid="ignore"):  # of infinite values, which are NaN then
        values = amplitude.values * np.exp(1j * np.radians(phase.values))
    if not np.isfinite(values).any():
        raise FileFormatError(f"{table.name} has no values of {amplitude.label}, {phase.label}")
    return Reflections(
        crystal_from_gemmi(cell, table.spacegroup),
        checked_hkl(table.hkl),
        values,
        label=amplitude.label,
        description=f"{amplitude.label}, {phase.label} from {table.name}",
        notes=table.notes,
    )
