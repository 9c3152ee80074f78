"""Reading of CCP4 maps: densities and masks over the whole unit cell."""

from os import PathLike, fspath

import gemmi
import numpy as np

from friedel.density.grid import Grid
from friedel.errors import FileFormatError
from friedel.readers.reading import reading
from friedel.readers.symmetry import crystal_from_gemmi


def read_map(path: str | PathLike[str]) -> Grid:
    """A CCP4 map as a grid over the whole unit cell, completed by symmetry.

    Modes 0 (bytes), 1 (16-bit integers) and 2 (floats) are read, with any order of axes.

    Raises
    ------
    FileFormatError
        When the file cannot be read, or does not cover an asymmetric unit.
    """
    with reading(path, "a CCP4 map"):
        ccp4 = gemmi.read_ccp4_map(fspath(path))
        ccp4.setup(float("nan"))
    values = np.array(ccp4.grid.array, np.float32)
    if np.isnan(values).any():
        raise FileFormatError(f"{fspath(path)} does not cover an asymmetric unit of the cell")
    return Grid(values, crystal_from_gemmi(ccp4.grid.unit_cell, ccp4.grid.spacegroup))
