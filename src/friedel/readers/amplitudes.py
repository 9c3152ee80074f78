"""Observed data in: MTZ and mmCIF files and gemmi objects become Reflections."""

import re
from itertools import pairwise
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from friedel.errors import FileFormatError, ParameterError
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.gemmi_models import crystal_from_gemmi, crystal_of
from friedel.readers.reading import decoded
from friedel.reflections.reflections import Reflections

AMPLITUDE_LABELS = ("FP", "F", "FOBS", "F-obs-filtered", "F-obs", "F_obs", "FMEAN", "F_meas_au")
"""Labels under which observed amplitudes are usually found, the most usual first."""

FREE_LABELS = (
    "FREE", "FreeR_flag", "R-free-flags", "FREER", "RFREE", "Rfree", "FreeRflag", "FreeR-flag",
    "FREERFLAG", "R-free", "pdbx_r_free_flag", "status",
)  # fmt: skip
"""Labels under which R-free flags are usually found."""


def as_reflections(
    data: Any, *, free_label: str | None = None, free_value: int | None = None
) -> Reflections:
    """Observed amplitudes from any of the forms in which people hold them.

    Parameters
    ----------
    data
        ``"file.mtz"``, ``"file.mtz:FP,SIGFP"``, ``"file-sf.cif"`` (also with ``:labels``),
        ``gemmi.Mtz``, ``gemmi.ValueSigmaAsuData`` or ``gemmi.FloatAsuData``, or `Reflections`.
        Without labels the usual ones are looked for; the choice is in `description`. Four labels,
        as in ``"file.mtz:F(+),SIGF(+),F(-),SIGF(-)"``, are Friedel mates measured apart: F(-) is
        then at -hkl.
    free_label, free_value
        Column of a file with R-free flags, and its value in the free set; by default the
        usual columns and conventions.

    Returns
    -------
    Reflections
        In the CCP4 asymmetric unit, sorted; missing and absent reflections left out,
        equivalent ones averaged; `free` set when the source has R-free flags; `notes` where
        columns or the value of the free set are a guess.

    Raises
    ------
    FileFormatError
        When the source cannot be read or lacks the columns.
    """
    if isinstance(data, Reflections) and free_label is None and free_value is None:
        return data
    if isinstance(data, str | PathLike):
        path, labels = split_labels(fspath(data))
        with decoded(path):
            table, name = _read_table(Path(path)), Path(path).name
            return _from_table(table, labels, name, free_label, free_value)
    if isinstance(data, gemmi.Mtz):
        return _from_table(_MtzTable(data), (), "gemmi.Mtz", free_label, free_value)
    if free_label is not None or free_value is not None:
        raise ParameterError("R-free flags can be chosen in files and gemmi.Mtz only")
    if isinstance(data, gemmi.ValueSigmaAsuData):
        pairs = _value_sigma_pairs(data)
        return _merged(
            crystal_of(data), data.miller_array, pairs[:, 0], pairs[:, 1], None, "F", "AsuData"
        )
    if isinstance(data, gemmi.FloatAsuData):
        return _merged(
            crystal_of(data),
            data.miller_array,
            np.asarray(data.value_array),
            None,
            None,
            "F",
            "AsuData",
        )
    raise FileFormatError(
        f"cannot take reflections from {type(data).__name__}: expected a path such as "
        "'data.mtz' or 'data.mtz:FP,SIGFP', gemmi.Mtz, gemmi AsuData or friedel.Reflections"
    )


def _value_sigma_pairs(data: gemmi.ValueSigmaAsuData) -> np.ndarray:
    """(n, 2) values and sigmas.

    Indices and values stand in the same records, but gemmi 0.7.5 gives the values a wrong
    stride, so that all but the first are read from elsewhere: the indices' stride is right.
    """
    from numpy.lib.stride_tricks import as_strided

    record = data.miller_array.strides[0]
    return as_strided(data.value_array, strides=(record, 4), writeable=False)


def split_labels(text: str) -> tuple[str, tuple[str, ...]]:
    """``"file.mtz:FP,SIGFP"`` -> ``("file.mtz", ("FP", "SIGFP"))``."""
    match = re.fullmatch(r"(.+?\.(?:mtz|cif|mmcif|ent)(?:\.gz)?):([^/\\]+)", text)
    if match is None:
        return text, ()
    path, labels = match.groups()
    return path, tuple(label for label in re.split("[:,]", labels) if label)


class _MtzTable:
    """Columns of an MTZ file."""

    def __init__(self, mtz: gemmi.Mtz) -> None:
        self.crystal = crystal_from_gemmi(_cell_or_error(mtz.cell), mtz.spacegroup)
        self.columns = {c.label: c for c in mtz.columns}
        self.types = {c.label: c.type for c in mtz.columns}
        self.hkl = mtz.make_miller_array()

    def labels(self) -> list[str]:
        return list(self.columns)

    def array(self, label: str) -> np.ndarray:
        return np.array(self.columns[label].array)

    def amplitude_pairs(self) -> list[tuple[str, str]]:
        """Amplitude columns (type F) followed by their uncertainty (type Q)."""
        labels = list(self.columns)
        pairs = pairwise(labels)
        return [(f, q) for f, q in pairs if self.types[f] == "F" and self.types[q] == "Q"]


class _CifTable:
    """Columns of a _refln loop in a structure-factor mmCIF."""

    def __init__(self, block: gemmi.ReflnBlock) -> None:
        self.crystal = crystal_from_gemmi(_cell_or_error(block.cell), block.spacegroup)
        self.block = block
        self.hkl = block.make_miller_array()

    def labels(self) -> list[str]:
        return list(self.block.column_labels())

    def array(self, label: str) -> np.ndarray:
        if label == "status":
            texts = np.array([str(x) for x in self.block.block.find_values("_refln.status")])
            return np.where(texts == "f", 1.0, np.where(texts == "o", 0.0, np.nan))
        return np.array(self.block.make_float_array(label))

    def amplitude_pairs(self) -> list[tuple[str, str]]:
        labels = self.labels()
        return [
            (f, _sigma_label(f))
            for f in labels
            if f.startswith("F_meas") and _sigma_label(f) in labels
        ]


def _sigma_label(label: str) -> str:
    if label.startswith("F_meas"):
        return label.replace("F_meas", "F_meas_sigma")
    return f"SIG{label}"


def _cell_or_error(cell: gemmi.UnitCell) -> gemmi.UnitCell:
    if not cell.is_crystal():
        raise FileFormatError("the reflection file has no unit cell")
    return cell


def _read_table(path: Path) -> _MtzTable | _CifTable:
    if not path.exists():
        raise FileFormatError(f"no such file: {fspath(path)}")
    try:
        suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
        if suffixes and suffixes[-1] in (".cif", ".ent", ".mmcif"):
            blocks = gemmi.as_refln_blocks(gemmi.cif.read(fspath(path)))
            if not blocks or not blocks[0].default_loop:
                raise FileFormatError(f"{fspath(path)} has no table of reflections (_refln)")
            return _CifTable(blocks[0])
        return _MtzTable(gemmi.read_mtz_file(fspath(path)))
    except FileFormatError:
        raise
    # gemmi's readers raise whatever their parsers met; any of it means an unreadable file
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"cannot read {fspath(path)} as reflections: {reason}") from None


def _from_table(
    table: _MtzTable | _CifTable,
    labels: tuple[str, ...],
    name: str,
    free_label: str | None = None,
    free_value: int | None = None,
) -> Reflections:
    free, convention, notes = _free_flags(table, name, free_label, free_value)
    if len(labels) == 4:  # F(+), SIGF(+), F(-), SIGF(-)
        columns = [table.array(label) for label in _present(table, labels, name)]
        description = f"{', '.join(labels)} from {name}; {convention}"
        return _merged(
            table.crystal,
            np.concatenate([table.hkl, -table.hkl]),
            np.concatenate(columns[::2]),
            np.concatenate(columns[1::2]),
            None if free is None else np.concatenate([free, free]),
            labels[0],
            description,
            notes,
            pairs_apart=True,
        )
    label, sigma, about_columns = _choose_labels(table, labels, name)
    values = table.array(label)
    sigmas = table.array(sigma) if sigma else None
    source = ", ".join(filter(None, [label, sigma]))
    description = f"{source} from {name}; {convention}"
    notes = about_columns + notes
    return _merged(table.crystal, table.hkl, values, sigmas, free, label, description, notes)


def _present(table: _MtzTable | _CifTable, labels: tuple[str, ...], name: str) -> tuple[str, ...]:
    present = table.labels()
    missing = [label for label in labels if label not in present]
    if missing:
        raise FileFormatError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(present)}"
        )
    return labels


def _choose_labels(
    table: _MtzTable | _CifTable, labels: tuple[str, ...], name: str
) -> tuple[str, str | None, tuple[Note, ...]]:
    """Labels of amplitudes and sigmas, and a note where others would have done as well."""
    present = table.labels()
    if _present(table, labels, name):
        label = labels[0]
        sigma = labels[1] if len(labels) > 1 else _sigma_label(label)
        return label, sigma if sigma in present else None, ()
    pairs = table.amplitude_pairs()
    usual = [pair for known in AMPLITUDE_LABELS for pair in pairs if pair[0] == known]
    if usual or pairs:
        chosen = (usual or pairs)[0]
        if len(pairs) == 1:
            return *chosen, ()
        others = ", ".join(label for label, _ in pairs if label != chosen[0])
        text = f"column {chosen[0]} of {name} is taken for F_obs; {others} would have done"
        give = "name the columns, as in 'data.mtz:FP,SIGFP'"
        return *chosen, (Note(text, "guess", len(pairs), give=give),)
    alone = [known for known in AMPLITUDE_LABELS if known in present]
    if alone:
        return alone[0], None, ()
    raise FileFormatError(
        f"{name} has no observed amplitudes with uncertainties; it has {', '.join(present)}. "
        "Name the columns, as in 'data.mtz:FP,SIGFP'"
    )


def _free_flags(
    table: _MtzTable | _CifTable, name: str, label: str | None, value: int | None
) -> tuple[np.ndarray | None, str, tuple[Note, ...]]:
    """(n,) bool True where free, which convention was recognised, and a note of a guess.

    CCP4 numbers the sets from 0 and 0 is free; Phenix and mmCIF's status mark the free set with 1.
    A label and a value that are given are taken as they are.
    """
    if label is not None:
        _present(table, (label,), name)
    else:
        label = next((known for known in FREE_LABELS if known in table.labels()), None)
    if label is None:
        return None, "no R-free flags", ()
    flags = table.array(label)
    if value is not None:
        return flags == value, f"free set is {label} = {value} (as asked)", ()
    known = flags[np.isfinite(flags)]
    if not len(known) or known.min() == known.max():
        return None, f"R-free flags {label} are all the same and not used", ()
    two_sets = set(np.unique(known)) <= {0.0, 1.0}
    ones_are_few = (known == 1).mean() < 0.5
    free_value = 1 if two_sets and ones_are_few else 0
    style = "as in Phenix and mmCIF" if free_value else "as in CCP4"
    notes = tuple[Note, ...]()
    if two_sets and label != "status":  # which tells the free set by a letter
        text = (
            f"R-free flags {label} are 0 and 1: {free_value}, the rarer, is taken for the free set"
        )
        notes = (Note(text, "guess", free_value, give="give free_value (--free-value)"),)
    return flags == free_value, f"free set is {label} = {free_value} ({style})", notes


def _merged(
    crystal: Crystal,
    hkl: np.ndarray,
    values: np.ndarray,
    sigmas: np.ndarray | None,
    free: np.ndarray | None,
    label: str,
    description: str,
    notes: tuple[Note, ...] = (),
    *,
    pairs_apart: bool = False,
) -> Reflections:
    """Present reflections mapped to the asymmetric unit, sorted, equivalent ones averaged.

    With `pairs_apart` h and -h are not equivalent, unless by symmetry.
    """
    present = np.isfinite(values)
    if sigmas is not None:
        present &= np.isfinite(sigmas)
    present &= ~crystal.is_absent(hkl) & np.asarray(hkl).any(axis=1)
    if not present.any():
        raise FileFormatError(f"no observed values of {label} ({description})")
    folded, _, friedel = crystal.to_asu(np.asarray(hkl)[present])
    if pairs_apart:
        folded[friedel & ~crystal.is_centric(folded)] *= -1
    unique, group, counts = np.unique(folded, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()

    def mean(array: np.ndarray) -> np.ndarray:
        return np.bincount(group, array[present].astype(np.float64)) / counts

    merged_sigmas = (
        None if sigmas is None else np.sqrt(mean(sigmas.astype(np.float64) ** 2) / counts)
    )
    duplicates = len(folded) - len(unique)
    if duplicates:
        description += f"; {duplicates} equivalent reflections averaged"
    merged_free = None if free is None else mean(free) > 0.5
    if merged_free is not None:
        description += f" with {int(merged_free.sum())} reflections"
    return Reflections(
        crystal, unique, mean(values), merged_sigmas, merged_free, label, description, notes
    )
