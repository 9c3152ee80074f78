"""Writing of reflections of small structures as SHELXL's LIST 4 and LIST 6 (FCF, a CIF)."""

from collections.abc import Iterable, Mapping
from os import PathLike

import numpy as np

from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.writers.files import check_output, write_text
from friedel.writers.formats import FCF_LISTS
from friedel.writers.gemmi_objects import find_gemmi_spacegroup, triplets
from friedel.writers.history import history, text_field

CELL_TAGS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


def write_fcf(
    path: str | PathLike[str],
    crystal: Crystal,
    hkl: np.ndarray,
    values: Mapping[str, np.ndarray],
    list_code: int,
    *,
    overwrite: bool = False,
    notes: Iterable[str] = (),
    command: str | None = None,
) -> None:
    """Write a CIF with cell, symmetry and a `_refln` table.

    Parameters
    ----------
    values
        Columns (n,) by the item's name without ``_refln_``.
    list_code
        SHELX's number of the list, 4 or 6.
    notes, command
        Notes and command line, written with the version as ``_audit_creation_method``.

    Raises
    ------
    ParameterError
        For another list number.
    OutputError
        When the file exists and `overwrite` is false, or cannot be written.
    """
    if list_code not in FCF_LISTS:
        known = " or ".join(map(str, FCF_LISTS))
        raise ParameterError(f"got list {list_code!r}, expected {known}")
    check_output(path, overwrite=overwrite)
    document = gemmi.cif.Document()
    block = document.add_new_block("friedel")
    block.set_pair("_audit_creation_method", text_field(history(notes, command)))
    block.set_pair("_shelx_refln_list_code", str(list_code))
    block.set_pair("_shelx_F_squared_multiplier", "1.000")
    for tag, number in zip(CELL_TAGS, crystal.cell, strict=True):
        block.set_pair(f"_cell_{tag}", f"{number:.10g}")
    space_group = find_gemmi_spacegroup(crystal)
    if space_group is not None:
        block.set_pair("_space_group_name_H-M_alt", gemmi.cif.quote(space_group.xhm()))
    symmetry = block.init_loop("_space_group_symop_", ["operation_xyz"])
    symmetry.set_all_values([[gemmi.cif.quote(text) for text in triplets(crystal)]])
    loop = block.init_loop("_refln_", ["index_h", "index_k", "index_l", *values])
    indices = [[str(x) for x in column] for column in hkl.T]
    numbers = [[f"{x:.6g}" for x in column] for column in values.values()]
    loop.set_all_values([*indices, *numbers])
    write_text(path, document.as_string(), overwrite=overwrite)
