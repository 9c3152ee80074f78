"""Reading of CCP4 and MRC maps: over the whole unit cell, or a box as it is in the file."""

import math
from os import PathLike, fspath

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.readers.reading import check_file, reading
from friedel.readers.symmetry import crystal_from_gemmi
from friedel.runtime.memory import check_memory
from friedel.runtime.paths import shown

COUNTS, SAMPLING, AXES, SYMMETRY_BYTES = (1, 2, 3), (8, 9, 10), (17, 18, 19), 24
"""Words of the header: number of columns, rows and sections (NX, NY, NZ), of intervals along the
cell edges (MX, MY, MZ), the axes of the former, and the length of the symmetry operations."""

LARGEST_COUNT = 100_000
"""Largest number of grid points along an axis that a header is believed to state."""

LARGEST_SYMMETRY = 192 * 80
"""Largest length of the symmetry operations, lines of 80 characters."""

STARTS, ORIGIN = (5, 6, 7), (50, 51, 52)
"""Words with the indices of the first point, and with the position of the grid's origin in Å."""

ON_GRID = 1e-3
"""Largest distance from a grid point, in grid steps, at which an origin is taken to be on it."""

BYTES_PER_POINT = 12
"""Memory per grid point (bytes): gemmi's grid as in the file, over the whole cell, and a copy."""


def read_map(path: str | PathLike[str]) -> Grid:
    """A CCP4 map as a grid over the whole unit cell, completed by symmetry.

    Modes 0 (bytes), 1 (16-bit integers) and 2 (floats) are read, with any order of axes.

    Raises
    ------
    FileFormatError
        When the file cannot be read, its header states an impossible grid, or it does not cover
        an asymmetric unit.
    MemoryLimitError
        When the grid needs more memory than there is.
    """
    ccp4 = _read(path, gemmi.MapSetup.Full)
    values = np.array(ccp4.grid.array, np.float32)
    if np.isnan(values).any():
        raise FileFormatError(f"{shown(path)} does not cover an asymmetric unit of the cell")
    if np.isinf(values).any():
        raise FileFormatError(f"{shown(path)} has values that are infinite")
    return Grid(values, crystal_from_gemmi(ccp4.grid.unit_cell, ccp4.grid.spacegroup))


def read_map_box(path: str | PathLike[str]) -> MapBox:
    """A CCP4 or MRC map as it is in the file, with its position; axes are put in the order a, b, c.

    The position is that of ORIGIN (words 50 to 52) if it is not zero, and otherwise that of
    NXSTART, NYSTART and NZSTART, as in ChimeraX.

    Raises
    ------
    FileFormatError
        When the file cannot be read, its header states an impossible grid, or values are not
        finite.
    MemoryLimitError
        When the grid needs more memory than there is.
    """
    ccp4 = _read(path, gemmi.MapSetup.ReorderOnly)
    values = np.array(ccp4.grid.array, np.float32)
    if not np.isfinite(values).all():
        raise FileFormatError(f"{shown(path)} has values that are not finite numbers")
    crystal = crystal_from_gemmi(ccp4.grid.unit_cell, ccp4.grid.spacegroup)
    sampling, start = (_three(ccp4, words) for words in (SAMPLING, STARTS))
    origin = np.array([ccp4.header_float(word) for word in ORIGIN], float)
    if not np.isfinite(origin).all():
        raise FileFormatError(f"the header of {shown(path)} states an origin that is no number")
    if origin.any():
        steps = crystal.fractionalization @ origin * sampling
        u, v, w = np.rint(steps).astype(int).tolist()
        start = (u, v, w)
        if np.abs(steps - start).max() <= ON_GRID:
            origin[:] = 0.0
        else:
            start = (0, 0, 0)
    x, y, z = origin.tolist()
    return MapBox(values, crystal, sampling, start, (x, y, z))


def _three(ccp4: gemmi.Ccp4Base, words: tuple[int, int, int]) -> tuple[int, int, int]:
    i, j, k = (ccp4.header_i32(word) for word in words)
    return i, j, k


def _read(path: str | PathLike[str], how: gemmi.MapSetup) -> gemmi.Ccp4Map:
    with reading(path, "a CCP4 map"):
        check_file(path)
        _check_header(gemmi.read_ccp4_header(fspath(path)), shown(path))
        ccp4 = gemmi.read_ccp4_map(fspath(path))
        ccp4.setup(float("nan"), how)
    return ccp4


def _check_header(ccp4: gemmi.Ccp4Base, name: str) -> None:
    """Check numbers that gemmi divides by, allocates by or uses as indices.

    Raises
    ------
    FileFormatError
        When they are impossible.
    MemoryLimitError
        When the grid needs more memory than there is.
    """
    counts, sampling, axes = (
        tuple(ccp4.header_i32(word) for word in words) for words in (COUNTS, SAMPLING, AXES)
    )
    for what, numbers in (("NX NY NZ", counts), ("MX MY MZ", sampling)):
        if not all(1 <= number <= LARGEST_COUNT for number in numbers):
            raise FileFormatError(
                f"the header of {name} states a grid {what} = {numbers}, expected three numbers "
                f"from 1 to {LARGEST_COUNT}"
            )
    if sorted(axes) != [1, 2, 3]:
        raise FileFormatError(
            f"the header of {name} states the axes {axes}, expected 1, 2 and 3 in some order"
        )
    if not 0 <= ccp4.header_i32(SYMMETRY_BYTES) <= LARGEST_SYMMETRY:
        raise FileFormatError(
            f"the header of {name} states {ccp4.header_i32(SYMMETRY_BYTES)} bytes of symmetry "
            f"operations, expected 0 to {LARGEST_SYMMETRY}"
        )
    points = max(math.prod(counts), math.prod(sampling))
    check_memory(BYTES_PER_POINT * points, f"the map in {name} with {points:.2g} grid points")
