"""CCP4 maps."""

from os import PathLike

import gemmi
import numpy as np

from friedel.model.crystal import Crystal
from friedel.writers.files import write_atomically
from friedel.writers.gemmi_objects import find_gemmi_spacegroup, to_gemmi_cell


def write_ccp4_map(
    path: str | PathLike[str], crystal: Crystal, values: np.ndarray, *, overwrite: bool = False
) -> None:
    """Write a grid over the whole unit cell as a CCP4 map; in P 1 if the setting is not tabulated.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    ccp4 = gemmi.Ccp4Map()
    space_group = find_gemmi_spacegroup(crystal) or gemmi.SpaceGroup("P 1")
    ccp4.grid = gemmi.FloatGrid(np.asarray(values, np.float32), to_gemmi_cell(crystal), space_group)
    ccp4.update_ccp4_header()
    write_atomically(path, ccp4.write_ccp4_map, overwrite=overwrite)
