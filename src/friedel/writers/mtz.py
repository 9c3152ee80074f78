"""Arrays out: MTZ, CCP4 maps, and other packages' reflection objects.

Files are written under a temporary name and renamed when complete, so that nothing is
ever half-written; an existing file is replaced only when that is asked for.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import MissingDependencyError, OutputError, SymmetryError
from friedel.model.crystal import Crystal


def check_output(path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """The path, if a file may be written there.

    Raises
    ------
    OutputError
        When the folder is missing or not writable, or the file exists and `overwrite` is false.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {fspath(path)}: it is a folder")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {fspath(path)}: no folder {fspath(target.parent)}")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"cannot write {fspath(path)}: no permission in {fspath(target.parent)}")
    if target.exists() and not overwrite:
        raise OutputError(f"{fspath(path)} exists; it is not overwritten unless that is asked for")
    return target


def write_atomically(
    path: str | PathLike[str], write: Callable[[str], object], *, overwrite: bool = False
) -> None:
    """Call ``write(temporary_name)``, then give the result its name.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    target = check_output(path, overwrite=overwrite)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=target.suffix)
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {fspath(path)}: {error}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_mtz(
    path: str | PathLike[str],
    crystal: Crystal,
    hkl: np.ndarray,
    columns: Mapping[str, np.ndarray],
    *,
    overwrite: bool = False,
    wavelength: float = 0.0,
) -> None:
    """Write an MTZ file; column types follow from the labels, NaN is a missing value.

    Parameters
    ----------
    columns
        Arrays (n,) by label; phases in degrees.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.

    Notes
    -----
    MTZ files name a tabulated space-group setting. Where the operations are none, as with an
    unusual origin, all symmetry equivalents are written in P 1.
    """
    mtz = as_mtz(crystal, hkl, columns, wavelength)
    write_atomically(path, mtz.write_to_file, overwrite=overwrite)


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
        mtz.add_column(label, _mtz_type(label, values))
    mtz.set_data(np.column_stack([hkl, *columns.values()]).astype(np.float32))
    mtz.update_reso()
    return mtz


def _mtz_type(label: str, values: np.ndarray) -> str:
    if label.startswith("PH"):
        return "P"
    if label == "I":
        return "J"
    friedel_mate = label.endswith(("(+)", "(-)"))
    if label.startswith("SIG"):
        return "L" if friedel_mate else "Q"
    if friedel_mate:
        return "G"
    if label.startswith("FOM"):
        return "W"
    return "I" if np.issubdtype(values.dtype, np.integer) else "F"


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
        for label, mate in mates.items():
            # F(-h R) = F(-h) exp(+2 pi i h.t); where -h R is what is listed the two change places
            own = -shift if label.endswith("(-)") else shift
            values = columns[label] + (own if label in phases else 0.0)
            other = columns[mate] - (own if label in phases else 0.0)
            part[label] = np.where(friedel, other, values)
        parts.append(part)
    unique, first = np.unique(np.concatenate(images), axis=0, return_index=True)
    merged = {label: np.concatenate([part[label] for part in parts])[first] for label in columns}
    return unique, {k: (v + 180) % 360 - 180 if k in phases else v for k, v in merged.items()}


def _mate(label: str) -> str:
    """``"F(-)"`` for ``"F(+)"`` and the reverse; nothing for others."""
    return {"(+)": label[:-3] + "(-)", "(-)": label[:-3] + "(+)"}.get(label[-3:], "")


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


def to_gemmi_cell(crystal: Crystal) -> gemmi.UnitCell:
    """The cell as a gemmi.UnitCell (without symmetry images)."""
    return gemmi.UnitCell(*crystal.cell)


def find_gemmi_spacegroup(crystal: Crystal) -> gemmi.SpaceGroup | None:
    """The space group in gemmi's tables with exactly these operations, or None."""
    operations = gemmi.GroupOps([gemmi.Op(text) for text in triplets(crystal)])
    return gemmi.find_spacegroup_by_ops(operations)


def to_gemmi_spacegroup(crystal: Crystal) -> gemmi.SpaceGroup:
    """The space group in gemmi's tables with exactly these operations.

    Raises
    ------
    SymmetryError
        When no tabulated setting has them.
    """
    space_group = find_gemmi_spacegroup(crystal)
    if space_group is None:
        raise SymmetryError(
            f"the {crystal.n_operations} symmetry operations are no tabulated space-group setting"
        )
    return space_group


def triplets(crystal: Crystal) -> list[str]:
    """The operations as triplets such as ``"-x,y+1/2,-z"``."""
    operations = []
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        operation = gemmi.Op("x,y,z")
        operation.rot = (rotation * gemmi.Op.DEN).tolist()
        operation.tran = translation.tolist()
        operations.append(operation.triplet())
    return operations


def to_asu_data(
    crystal: Crystal, hkl: np.ndarray, values: np.ndarray, sigmas: np.ndarray | None
) -> Any:
    """A gemmi ComplexAsuData, ValueSigmaAsuData or FloatAsuData."""
    cell, space_group = to_gemmi_cell(crystal), to_gemmi_spacegroup(crystal)
    if np.iscomplexobj(values):
        return gemmi.ComplexAsuData(cell, space_group, hkl, values.astype(np.complex64))
    if sigmas is not None:
        pairs = np.column_stack([values, sigmas]).astype(np.float32)
        return gemmi.ValueSigmaAsuData(cell, space_group, hkl, pairs)
    return gemmi.FloatAsuData(cell, space_group, hkl, values.astype(np.float32))


def to_dataframe(hkl: np.ndarray, columns: Mapping[str, np.ndarray]) -> Any:
    """A pandas DataFrame indexed by H, K, L.

    Raises
    ------
    MissingDependencyError
        When pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError("to_dataframe needs pandas: pip install pandas") from None
    index = pd.MultiIndex.from_arrays(np.asarray(hkl).T, names=["H", "K", "L"])
    return pd.DataFrame(dict(columns), index=index)


def to_dataset(crystal: Crystal, hkl: np.ndarray, columns: Mapping[str, np.ndarray]) -> Any:
    """A reciprocalspaceship DataSet indexed by H, K, L, with MTZ column types.

    Raises
    ------
    MissingDependencyError
        When reciprocalspaceship is not installed.
    """
    try:
        import reciprocalspaceship as rs
    except ImportError:
        raise MissingDependencyError(
            "to_dataset needs reciprocalspaceship: pip install 'friedel[rs]'"
        ) from None
    data = {"H": hkl[:, 0], "K": hkl[:, 1], "L": hkl[:, 2], **columns}
    dataset = rs.DataSet(data, cell=to_gemmi_cell(crystal), spacegroup=to_gemmi_spacegroup(crystal))
    dtypes = {label: _mtz_type(label, values) for label, values in columns.items()}
    return dataset.astype({"H": "H", "K": "H", "L": "H", **dtypes}).set_index(["H", "K", "L"])
