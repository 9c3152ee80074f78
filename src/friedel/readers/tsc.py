"""Reading of the text form of files with form factors of individual atoms."""

import warnings

import numpy as np

from friedel.errors import FileFormatError, FriedelWarning
from friedel.readers.reading import about_end, check_characters
from friedel.readers.tscb import sites_of
from friedel.scattering.atom_form_factors import AtomFormFactors


def read_text(data: bytes, name: str) -> AtomFormFactors:
    """Form factors from the content of a `.tsc` file.

    Raises
    ------
    FileFormatError
        When a line that is needed is missing, or a row has another number of form factors.
    """
    text = data.decode("utf-8", "replace")
    check_characters(text, name)
    lines = text.splitlines()
    header: dict[str, str] = {}
    for n_header, line in enumerate(lines, 1):  # noqa: B007
        key, colon, value = line.partition(":")
        if colon:
            header.setdefault(key.strip().upper(), value.strip())
        if key.strip().upper() == "DATA":
            break
    else:
        raise FileFormatError(f"{name} has no line DATA:, after which form factors are expected")
    sites = None
    if "SCATTERERS" in header:
        labels = tuple(header["SCATTERERS"].split())
    elif "SCATTERER_IDS" in header:
        labels, sites = sites_of(_bytes(header["SCATTERER_IDS"].split(), name))
    else:
        raise FileFormatError(f"{name} has no line SCATTERERS: with the labels of the atoms")
    table = _table(lines[n_header:], 3 + 2 * len(labels), name)
    for note in about_end(text, name):
        warnings.warn(note.text, FriedelWarning, stacklevel=4)
    f = np.ascontiguousarray(table[:, 3:]).view(np.complex128).T
    dispersion = header.get("AD", "").upper() == "TRUE"
    return AtomFormFactors(labels, table[:, :3], f, dispersion, name, sites)


def _bytes(ids: list[str], name: str) -> bytes:
    """The records of ids, each written as two 64-bit numbers with 16 hexadecimal digits."""
    if any(len(text) != 32 for text in ids):
        raise FileFormatError(f"{name} has SCATTERER_IDS that are not of 32 hexadecimal digits")
    halves = (text[i : i + 16] for text in ids for i in (0, 16))
    return b"".join(int(half, 16).to_bytes(8, "little") for half in halves)


def _table(lines: list[str], width: int, name: str) -> np.ndarray:
    """(n, width) indices, and real and imaginary part of each form factor."""
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise FileFormatError(f"{name} has no reflections after DATA:")
    if lines[0].count(",") < (width - 3) // 2:
        lines = [_with_imaginary(line) for line in lines]
    table = np.loadtxt((line.replace(",", " ") for line in lines), comments=None, ndmin=2)
    if table.shape[1] != width:
        raise FileFormatError(
            f"{name} has {(table.shape[1] - 3) / 2:g} form factors in a row, expected "
            f"{(width - 3) // 2}, one for each of SCATTERERS"
        )
    return table


def _with_imaginary(line: str) -> str:
    """The line with an imaginary part of 0 for each real form factor."""
    tokens = line.split()
    return " ".join(tokens[:3] + [t if "," in t else f"{t},0" for t in tokens[3:]])
