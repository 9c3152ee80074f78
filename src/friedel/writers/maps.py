"""Writing of CCP4 maps."""

import os
from os import PathLike

import numpy as np

from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.writers.files import write_atomically
from friedel.writers.gemmi_objects import find_gemmi_spacegroup, to_gemmi_cell

HEADER_SIZE = 1024
"""Size (bytes) of the header. The symmetry operations, whose length is the 24th word, and the
values follow."""

START, SAMPLING, ORIGIN = 5, 8, 50
"""First of the three words of the header with the indices of the first point, the number of grid
steps along the cell edges, and the position of the grid's origin in Å."""


def write_ccp4_map(
    path: str | PathLike[str],
    crystal: Crystal,
    values: np.ndarray,
    *,
    sampling: tuple[int, int, int] | None = None,
    start: tuple[int, int, int] = (0, 0, 0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
) -> None:
    """Write a grid as a CCP4 map, in P 1 if the setting is not tabulated.

    Parameters
    ----------
    values
        (nu, nv, nw): the whole unit cell, or a box.
    sampling, start, origin
        For a box: see :class:`friedel.MapBox`.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    ccp4 = gemmi.Ccp4Map()
    space_group = find_gemmi_spacegroup(crystal) or gemmi.SpaceGroup("P 1")
    ccp4.grid = gemmi.FloatGrid(np.asarray(values, np.float32), to_gemmi_cell(crystal), space_group)
    ccp4.update_ccp4_header()
    for i in range(3):
        ccp4.set_header_i32(START + i, int(start[i]))
        if sampling is not None:
            ccp4.set_header_i32(SAMPLING + i, int(sampling[i]))
        ccp4.set_header_float(ORIGIN + i, float(origin[i]))

    def write(name: str) -> None:
        ccp4.write_ccp4_map(name)
        # gemmi does not check that the last bytes, which it writes on closing, fit on the disk
        size, whole = os.path.getsize(name), HEADER_SIZE + ccp4.header_i32(24) + 4 * values.size
        if size < whole:
            raise OSError(f"only {size} of {whole} bytes were written to the disk")

    write_atomically(path, write, overwrite=overwrite)
