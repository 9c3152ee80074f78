"""Measured diffuse intensities in reciprocal space: NeXus of mdx2, MTZ, lists of lunus."""

from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from friedel.errors import CellError, FileFormatError, MissingDependencyError
from friedel.model.arrays import frozen_copy
from friedel.model.crystal import Crystal
from friedel.notes import Note, Notes
from friedel.readers.amplitudes import read_tables
from friedel.readers.column_choice import Observed, named_columns, usual_columns
from friedel.readers.reading import (
    about_end,
    check_file,
    read_bytes,
    read_text,
    reading,
    split_labels,
)
from friedel.readers.reflection_tables import INTENSITIES, ReflectionTable

HDF5 = b"\x89HDF\r\n\x1a\n"
"""First bytes of HDF5 files, which NeXus files are."""
MTZ = b"MTZ "
"""First bytes of MTZ files."""
USUAL_LABEL = "ID"
"""Label of diffuse intensities in MTZ files of lunus and friedel."""
SIGMA_ENDINGS = ("_error", "_errors")
"""Endings of the names of standard uncertainties in NeXus files of mdx2."""
CELL_TOLERANCE = 0.03
"""Largest relative difference of two cells that are taken as the same one."""
ANGLE_TOLERANCE = 3.0
"""Largest difference of their angles, degrees."""


@dataclass(frozen=True, eq=False)
class DiffuseLattice:
    """Diffuse intensities of a crystal at points of reciprocal space.

    Parameters
    ----------
    fractions
        (n, 3) indices of the crystal cell: integers at Bragg positions.
    intensity
        (n,) intensities on any scale.
    sigma
        (n,) standard uncertainties, or None.
    name
        Name for messages.
    notes
        Notes on what was decided when it was read.

    Raises
    ------
    FileFormatError
        When the arrays do not fit together.
    """

    fractions: np.ndarray
    intensity: np.ndarray
    sigma: np.ndarray | None = None
    name: str = "data"
    notes: tuple[Note, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        fractions = np.asarray(self.fractions, np.float64)
        intensity = np.asarray(self.intensity, np.float64)
        sigma = None if self.sigma is None else np.asarray(self.sigma, np.float64)
        n = len(intensity)
        if fractions.shape != (n, 3) or (sigma is not None and sigma.shape != (n,)):
            raise FileFormatError(
                f"{self.name}: indices have shape {fractions.shape} and intensities "
                f"{intensity.shape}, expected (n, 3) and (n,)"
            )
        use = np.isfinite(intensity) & np.isfinite(fractions).all(axis=1)
        object.__setattr__(self, "fractions", frozen_copy(fractions[use]))
        object.__setattr__(self, "intensity", frozen_copy(intensity[use]))
        object.__setattr__(self, "sigma", None if sigma is None else frozen_copy(sigma[use]))

    def __len__(self) -> int:
        return len(self.intensity)


def read_diffuse_lattice(
    path: str | PathLike[str],
    crystal: Crystal,
    *,
    cells: tuple[int, int, int] | None = None,
    strict: bool = False,
) -> DiffuseLattice:
    """Diffuse intensities from a NeXus file, an MTZ file or a list with h, k, l, I and sigma.

    Parameters
    ----------
    path
        A NeXus file with an ``hkl_table`` or a map with axes h, k, l, as mdx2 writes them; an MTZ
        file; or a text with three indices, an intensity and perhaps its sigma in each line, as
        lunus writes it. ``FILE:LABEL`` or ``FILE:LABEL,SIGMA`` names the columns.
    crystal
        The crystal cell.
    cells
        Numbers of crystal cells, along each axis, in the cell that the indices belong to. By
        default they follow from the cell that the file states; indices of NeXus files are those of
        the crystal, and so are those of a text, with a note.
    strict
        Whether a guess raises an error instead of adding a note.

    Raises
    ------
    FileFormatError
        When the file cannot be read, or lacks intensities.
    CellError
        When its cell is not that of the crystal or a multiple of it.
    MissingDependencyError
        When h5py is needed and not installed.
    GuessError
        For a guess, in strict mode.
    """
    name, labels = split_labels(fspath(path))
    file, notes = Path(name), Notes(strict=strict)
    check_file(file)
    sigma: np.ndarray | None
    if read_bytes(file, len(HDF5)) == HDF5:
        indices, intensity, sigma, cell = _of_nexus(file, labels)
        cells = cells or (1, 1, 1)
        if cell is not None:
            _check_cell(cell, crystal, cells, file.name)
    elif read_bytes(file, len(MTZ)) == MTZ:
        table = read_tables(file)[0]
        observed = _columns(table, labels, notes)
        indices, intensity = table.hkl.astype(np.float64), observed.value.values
        sigma = None if observed.sigma is None else observed.sigma.values
        stated = observed.value.cell or table.cell
        if stated is None:
            cells = cells or (1, 1, 1)
        else:
            cells = cells or _multiples(stated.parameters, crystal, file.name)
            _check_cell(stated.parameters, crystal, cells, file.name)
    else:
        indices, intensity, sigma = _of_text(file)
        notes.extend(about_end(read_text(file), file.name))
        if cells is None:
            text = f"the indices in {file.name} are taken as those of the crystal cell"
            notes.add(text, "guess", give="give their cells (cells, --data-supercell)")
            cells = (1, 1, 1)
    fractions = indices / np.array(cells, np.float64)
    missing = int(np.sum(~(np.isfinite(intensity) & np.isfinite(fractions).all(axis=1))))
    if missing:
        notes.add(
            f"{missing} points of {file.name} without an intensity are left out",
            "left out",
            missing,
        )
    lattice = DiffuseLattice(fractions, intensity, sigma, file.name, notes=notes.records())
    if not len(lattice):
        raise FileFormatError(f"{file.name} has no intensities")
    return lattice


def _columns(table: ReflectionTable, labels: tuple[str, ...], notes: Notes) -> Observed:
    if not labels and any(column.label == USUAL_LABEL for column in table.columns):
        labels = (USUAL_LABEL,)
    if labels:
        observed, about = named_columns(table, labels)
    else:
        observed, about = usual_columns(table, intensities=True)
    if observed.value.kind not in INTENSITIES:
        raise FileFormatError(f"{table.name}: {observed.value.label} is no intensity")
    notes.extend(about)
    return observed


def _multiples(cell: tuple[float, ...], crystal: Crystal, name: str) -> tuple[int, int, int]:
    """Numbers of crystal cells in a cell."""
    ratios = np.array(cell[:3]) / np.array(crystal.cell[:3])
    a, b, c = np.maximum(np.rint(ratios), 1).astype(int).tolist()
    return a, b, c


def _check_cell(
    cell: tuple[float, ...], crystal: Crystal, cells: tuple[int, int, int], name: str
) -> None:
    expected = np.array(crystal.cell)
    expected[:3] *= cells
    difference = np.abs(np.array(cell) - expected)
    if (difference[:3] > CELL_TOLERANCE * expected[:3]).any() or (
        difference[3:] > ANGLE_TOLERANCE
    ).any():
        text = " ".join(f"{x:.2f}" for x in cell)
        wanted = " ".join(f"{x:.2f}" for x in expected)
        raise CellError(f"{name} has the cell {text}, expected about {wanted}")


Read = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Indices (n, 3), intensities (n,) and their sigmas."""


def _of_text(file: Path) -> Read:
    rows = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            rows.append([float(word) for word in words[:5]])
        except ValueError:
            rows.append([])
        if len(rows[-1]) < 4:
            raise FileFormatError(
                f"line {number} of {file.name} is {line.strip()!r}, expected h, k, l and I"
            )
    has_sigma = bool(rows) and min(map(len, rows)) == 5
    table = np.array([row[: 4 + has_sigma] for row in rows]).reshape(len(rows), 4 + has_sigma)
    return table[:, :3], table[:, 3], table[:, 4] if has_sigma else None


def _of_nexus(file: Path, labels: tuple[str, ...]) -> tuple[Any, Any, Any, Any]:
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError.of("reading NeXus files", "h5py") from None
    with reading(file, "diffuse intensities"), h5py.File(file, "r") as opened:
        groups: list[Any] = []
        opened.visititems(
            lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None
        )
        cell = next(
            (tuple(np.array(g["unit_cell"], float).tolist()) for g in groups if "unit_cell" in g),
            None,
        )
        lattices = [g for g in groups if all(axis in g for axis in "hkl")]
        if not lattices:
            raise FileFormatError(f"{file.name} has no table or map with h, k and l")
        group = lattices[0]
        signal = group.attrs.get("signal", "intensity")
        signal = signal.decode() if isinstance(signal, bytes) else str(signal)
        label = labels[0] if labels else signal
        if label not in group:
            raise FileFormatError(
                f"{file.name} has no {label!r} in {group.name}: there are {', '.join(group)}"
            )
        endings = [label + ending for ending in SIGMA_ENDINGS]
        sigma_label = next((x for x in (*labels[1:], *endings) if x in group), None)
        axes = [np.array(group[axis], np.float64) for axis in "hkl"]
        values = np.array(group[label], np.float64)
        sigma = None if sigma_label is None else np.array(group[sigma_label], np.float64)
    if values.ndim == 3:
        axes = [grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")]
        values = values.ravel()
        sigma = None if sigma is None else sigma.ravel()
    if any(axis.shape != values.shape for axis in axes):
        raise FileFormatError(f"{file.name}: {label!r} does not fit to its h, k and l")
    return np.stack(axes, axis=1), values, sigma, cell
