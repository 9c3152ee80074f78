"""Structure factors calculated by other programs, read from their files for comparison."""

from dataclasses import dataclass, replace
from os import PathLike, fspath

import numpy as np

from friedel.errors import FileFormatError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.arrays import checked_hkl
from friedel.notes import Note
from friedel.readers.reading import (
    MTZ,
    about_end_of_cif,
    check_characters,
    check_file,
    read_bytes,
    read_text,
    reading,
    split_labels,
)
from friedel.runtime.paths import shown, shown_name

CIF_LABELS = ("F_calc", "F_squared_calc", "F_calc_au", "F_squared_calc_au")
CIF_PHASES = ("phase_calc",)


@dataclass(frozen=True, eq=False)
class Calculated:
    """Structure factors calculated by another program, as in its file.

    Attributes
    ----------
    hkl
        (n, 3) int32.
    values
        (n,) complex; real amplitudes if there are no phases.
    description
        Names of the columns and the file.
    notes
        Notes on what was left out when it was read.
    """

    hkl: np.ndarray
    values: np.ndarray
    description: str
    notes: tuple[Note, ...] = ()

    def select(self, mask: np.ndarray) -> "Calculated":
        """The values chosen by a boolean mask."""
        return replace(self, hkl=self.hkl[mask], values=self.values[mask])


def read_calculated(
    path: str | PathLike[str], f: str | None = None, phi: str | None = None
) -> Calculated:
    """Calculated structure factors of an MTZ file, or of a `_refln` table in a CIF.

    Parameters
    ----------
    path
        The file; labels may follow, as in ``"fcalc.mtz:FC,PHIC"``.
    f
        Label of the amplitude: by default ``FC`` in MTZ files; in CIF ``F_calc`` or
        ``F_squared_calc``. The square root of squared values is taken.
    phi
        Label of the phase, degrees: by default ``PHIC``, ``phase_calc``, if present.

    Raises
    ------
    FileFormatError
        When the file cannot be read, or lacks the columns or any values.
    ParameterError
        When there are more than two labels, or labels both in the path and beside it.
    """
    path, labels = split_labels(fspath(path))
    if labels:
        if len(labels) > 2 or f is not None or phi is not None:
            given = [*labels, *filter(None, (f, phi))]
            raise ParameterError(f"got labels {', '.join(given)}; expected those of F and phase")
        f, phi = (*labels, None)[:2]
    with reading(path, "reflections"):
        hkl, columns, notes = _columns(path)
    f = _chosen(columns, f, ("FC", *CIF_LABELS), shown(path), "calculated amplitudes")
    if phi or any(label in columns for label in ("PHIC", *CIF_PHASES)):
        phi = _chosen(columns, phi, ("PHIC", *CIF_PHASES), shown(path), "calculated phases")
    values = columns[f].astype(np.float64)
    if "squared" in f:
        values = np.sqrt(np.maximum(values, 0.0))
    if phi:
        with np.errstate(invalid="ignore"):  # infinite values are left out
            values = values * np.exp(1j * np.radians(columns[phi]))
    present = np.isfinite(values) & hkl.any(axis=1)
    if not present.any():
        raise FileFormatError(f"{shown(path)} has no values of {f}")
    said = ", ".join(filter(None, (f, phi)))
    if n_missing := int(np.sum(~np.isfinite(values))):
        text = f"reflections without {said} in {shown_name(path)} are left out ({n_missing})"
        notes = (*notes, Note(text, "left out", n_missing))
    return Calculated(hkl[present], values[present], f"{said} from {shown_name(path)}", notes)


def _columns(
    path: str | PathLike[str],
) -> tuple[np.ndarray, dict[str, np.ndarray], tuple[Note, ...]]:
    if read_bytes(path, 4) == MTZ:
        check_file(path)
        mtz = gemmi.read_mtz_file(fspath(path))
        return mtz.make_miller_array(), {c.label: np.array(c.array) for c in mtz.columns}, ()
    text = read_text(path)
    check_characters(text, shown_name(path))
    for block in gemmi.cif.read_string(text):
        for prefix in ("_refln.", "_refln_"):
            loop = block.find_loop(f"{prefix}index_h").get_loop()
            if loop is not None:
                columns = _loop_columns(block, prefix, loop.tags)
                return *columns, about_end_of_cif(text, shown_name(path))
    raise FileFormatError(f"{shown(path)} has no table of reflections (_refln)")


def _loop_columns(
    block: gemmi.cif.Block, prefix: str, tags: list[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    names = [tag.removeprefix(prefix) for tag in tags]
    columns = {
        name: np.array([gemmi.cif.as_number(x) for x in block.find_loop(prefix + name)])
        for name in names
    }
    hkl = np.column_stack([columns.pop(f"index_{x}") for x in "hkl"])
    return checked_hkl(hkl), columns


def _chosen(
    columns: dict[str, np.ndarray], label: str | None, usual: tuple[str, ...], path: str, what: str
) -> str:
    found = next((x for x in ((label,) if label else usual) if x in columns), None)
    if found is None:
        raise FileFormatError(
            f"{path} has no {label or what}; it has {', '.join(columns) or 'no columns'}"
        )
    return found
