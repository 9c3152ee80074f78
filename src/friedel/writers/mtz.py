"""Writing of MTZ files from columns by label."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import OutputError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.writers.files import write_atomically
from friedel.writers.gemmi_objects import find_gemmi_spacegroup, to_gemmi_cell
from friedel.writers.history import history

LARGEST = float(np.finfo(np.float32).max)
"""Largest number in an MTZ file."""


def write_mtz(
    path: str | PathLike[str],
    crystal: Crystal,
    hkl: np.ndarray,
    columns: Mapping[str, np.ndarray],
    *,
    overwrite: bool = False,
    wavelength: float = 0.0,
    notes: Iterable[str] = (),
    command: str | None = None,
) -> None:
    """Write an MTZ file; column types follow from the labels, NaN is a missing value.

    Parameters
    ----------
    columns
        Arrays (n,) by label; phases in degrees.
    wavelength
        Wavelength of the data set, Å; 0 if unknown.
    notes, command
        Notes and command line, written with the version as HISTORY in lines of 80 characters.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false, or for numbers beyond
        single precision.

    Notes
    -----
    MTZ files name a tabulated space-group setting. If the operations do not form one, as with
    an unusual origin, all symmetry equivalents are written in P 1.
    """
    mtz = as_mtz(crystal, hkl, columns, wavelength)
    mtz.history = history(notes, command)
    # Written from memory, as gemmi does not check that the last bytes fit on the disk
    content = mtz.write_to_bytes()
    write_atomically(path, lambda name: Path(name).write_bytes(content), overwrite=overwrite)


def as_mtz(
    crystal: Crystal, hkl: np.ndarray, columns: Mapping[str, np.ndarray], wavelength: float = 0.0
) -> gemmi.Mtz:
    """The columns as a gemmi.Mtz; see :func:`write_mtz`."""
    mtz = gemmi.Mtz(with_base=True)
    mtz.title = "friedel"
    mtz.spacegroup = find_gemmi_spacegroup(crystal)
    if mtz.spacegroup is None:
        mtz.spacegroup = gemmi.SpaceGroup("P 1")
        hkl, columns = expanded_to_p1(crystal, hkl, columns)
    mtz.set_cell_for_all(to_gemmi_cell(crystal))
    dataset = mtz.add_dataset("friedel")
    dataset.wavelength = wavelength
    for label, values in columns.items():
        mtz.add_column(label, mtz_type(label, values))
    for label, values in columns.items():
        largest = float(np.nanmax(np.abs(values), initial=0.0))
        if largest > LARGEST:
            raise OutputError(
                f"{label} has values of {largest:.1e}: MTZ files hold numbers to {LARGEST:.1e}"
            )
    mtz.set_data(np.column_stack([hkl, *columns.values()]).astype(np.float32))
    mtz.update_reso()
    return mtz


def mtz_type(label: str, values: np.ndarray) -> str:
    """The MTZ type letter of a column, from its label and dtype."""
    if label.startswith("PH"):
        return "P"
    if label in ("I", "IC", "ID"):
        return "J"
    if label in ("DANO", "DP"):
        return "D"
    friedel_mate = label.endswith(("(+)", "(-)"))
    if label.startswith("SIG"):
        return "L" if friedel_mate else "Q"
    if friedel_mate:
        return "G"
    if label.startswith("FOM"):
        return "W"
    # R-free flags are numbers with fractions as long as some are missing
    is_flag = "FREE" in label.upper() or np.issubdtype(values.dtype, np.integer)
    return "I" if is_flag else "F"


def expanded_to_p1(
    crystal: Crystal, hkl: np.ndarray, columns: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """All symmetry equivalents in the asymmetric unit of P 1, phases shifted accordingly."""
    p1 = Crystal(crystal.cell)
    phases = {label for label in columns if label.startswith("PH")}
    mates = {label: _mate(label) for label in columns if _mate(label) in columns}
    images, parts = [], []
    for rotation, translation in zip(*crystal.primitive_operations, strict=True):
        folded, _, friedel = p1.to_asu(hkl @ rotation)
        # F(h R) = F(h) exp(-2 pi i h.t)
        shift = -360.0 * (hkl @ translation) / TRANSLATION_DENOMINATOR
        sign = np.where(friedel, -1.0, 1.0)
        images.append(folded)
        part = {k: sign * (v + shift) if k in phases else v for k, v in columns.items()}
        # F(h) - F(-h) changes its sign where the equivalent in the asymmetric unit is -h R
        part |= {k: sign * columns[k] for k in ("DANO", "DP") if k in columns}
        for label, mate in mates.items():
            # F(-h R) = F(-h) exp(+2 pi i h.t); if -h R is the listed one, the two are exchanged
            own = -shift if label.endswith("(-)") else shift
            values = columns[label] + (own if label in phases else 0.0)
            other = columns[mate] - (own if label in phases else 0.0)
            part[label] = np.where(friedel, other, values)
        parts.append(part)
    unique, first = np.unique(np.concatenate(images), axis=0, return_index=True)
    merged = {label: np.concatenate([part[label] for part in parts])[first] for label in columns}
    return unique, {k: (v + 180) % 360 - 180 if k in phases else v for k, v in merged.items()}


def _mate(label: str) -> str:
    """The mate's label: ``"F(-)"`` for ``"F(+)"`` and the reverse; empty for others."""
    return {"(+)": label[:-3] + "(-)", "(-)": label[:-3] + "(+)"}.get(label[-3:], "")
