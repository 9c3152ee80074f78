"""Writing of reflections as text: structure-factor mmCIF, SHELX HKLF, comma-separated values."""

from collections.abc import Iterable, Mapping
from os import PathLike

import numpy as np

from friedel.errors import OutputError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.runtime.paths import shown
from friedel.writers.files import check_output, write_text
from friedel.writers.formats import HKLF_CODES
from friedel.writers.history import history, text_field
from friedel.writers.mtz import as_mtz
from friedel.writers.tables import csv_text

WIDTH = 8
"""Characters per number in HKLF files (format 3I4, 2F8)."""


GEMMI_LABELS = {"DANO": "DP", "SIGDANO": "SIGDP"}
"""Labels for which gemmi knows the item of mmCIF, by the usual labels of MTZ files."""


def write_sf_cif(
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
    """Write a structure-factor mmCIF; tags follow from the labels, as from those of an MTZ file.

    Parameters
    ----------
    columns
        Arrays (n,) by label; phases in degrees.
    wavelength
        Wavelength, Å; 0 if unknown.
    notes, command
        Notes and command line, written with the version as ``_audit.creation_method``.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    converter = gemmi.MtzToCif()
    converter.with_comments = False
    # gemmi omits items missing in the mmCIF dictionary: FCanom, phases of F(+) and F(-)
    named = {GEMMI_LABELS.get(label, label): values for label, values in columns.items()}
    text = converter.write_cif_to_string(as_mtz(crystal, hkl, named, wavelength))
    method = text_field(history(notes, command))
    audit = f"_audit.revision_id 1\n_audit.creation_method\n{method}\n"
    text = text.replace("\n_cell.", f"\n{audit}\n_cell.", 1)
    write_text(path, text, overwrite=overwrite)


def write_hklf(
    path: str | PathLike[str],
    hkl: np.ndarray,
    amplitudes: np.ndarray,
    sigmas: np.ndarray | None = None,
    *,
    code: int = 4,
    overwrite: bool = False,
) -> None:
    """Write a SHELX reflection file, ended by 0 0 0.

    Parameters
    ----------
    amplitudes
        (n,) abs(F).
    sigmas
        (n,) uncertainties; without them 1 is written, which gives equal weights.
    code
        4 for F^2 and its uncertainty, 3 for F.

    Raises
    ------
    ParameterError
        For another code.
    OutputError
        When a number does not fit the format, the file cannot be written, or exists and
        `overwrite` is false.
    """
    if code not in HKLF_CODES:
        raise ParameterError(f"got HKLF code {code!r}, expected 3 (F) or 4 (F^2)")
    check_output(path, overwrite=overwrite)
    values = amplitudes if code == 3 else amplitudes**2
    spread = np.ones(len(values))
    if sigmas is not None:
        spread = sigmas if code == 3 else 2.0 * amplitudes * sigmas
    if len(hkl) and np.abs(hkl).max() > 999:
        raise OutputError(f"cannot write {shown(path)}: HKLF cannot hold indices beyond 999")
    rows = [
        f"{h:4d}{k:4d}{l:4d}{_in_width(value)}{_in_width(sigma)}\n"
        for (h, k, l), value, sigma in zip(hkl.tolist(), values, spread, strict=True)
    ]
    end = f"{0:4d}{0:4d}{0:4d}{0:8.2f}{0:8.2f}\n"
    write_text(path, "".join([*rows, end]), overwrite=overwrite)


def _in_width(value: float) -> str:
    """A number with two decimals, or as many as fit in the column."""
    for decimals in (2, 1, 0):
        text = f"{value:#.{decimals}f}"
        if len(text) <= WIDTH:
            return text.rjust(WIDTH)
    raise OutputError(f"HKLF cannot hold {value:g} in 8 columns: scale the data down")


def write_csv(
    path: str | PathLike[str],
    hkl: np.ndarray,
    columns: Mapping[str, np.ndarray],
    *,
    overwrite: bool = False,
) -> None:
    """Write comma-separated values under the names h, k, l and the labels.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    indices = dict(zip("hkl", hkl.T, strict=True))
    write_table(path, {**indices, **columns}, overwrite=overwrite)


def write_table(
    path: str | PathLike[str], columns: Mapping[str, np.ndarray], *, overwrite: bool = False
) -> None:
    """Write comma-separated values under their names; numbers to eight digits.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    texts = [
        [f"{x:.8g}" if values.dtype.kind == "f" else str(x) for x in values.tolist()]
        for values in columns.values()
    ]
    rows = zip(*texts, strict=True)
    write_text(path, csv_text(list(columns), rows), overwrite=overwrite)
