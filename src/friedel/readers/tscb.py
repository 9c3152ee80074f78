"""Reading of the binary form of files with form factors of individual atoms."""

import numpy as np

from friedel.errors import FileFormatError
from friedel.scattering.atom_form_factors import AtomFormFactors, Sites

ID = np.dtype([("frac", "<i4", 3), ("part", "<i2"), ("atomic_number", "u1"), ("reserved", "u1")])
"""The id of an atom: its site in units of `ID_UNIT`, part of disorder, atomic number."""

ID_UNIT = 16.0 / (2**31 - 1)
"""Unit of fractional coordinates in ids."""


def read_binary(data: bytes, name: str) -> AtomFormFactors:
    """Form factors from the content of a `.tscb` file.

    All numbers are little-endian: the length of the header (int32) and the header, the length of
    the labels (int32) and the labels, separated by blanks, the number of reflections (int32), and
    for each of them h, k, l (int32) and a complex number (2 float64) for each atom. Where the
    header has SCATTERER_IDS, the number of atoms and their ids are in the place of the labels.

    Raises
    ------
    FileFormatError
        When the lengths do not fit the file.
    """
    header, rest = _text(data, name)
    sites = None
    if "SCATTERER_IDS" in header.upper():
        end = 4 + ID.itemsize * _int32(rest, name)
        if not 4 <= end <= len(rest):
            raise FileFormatError(f"{name} is truncated in its SCATTERER_IDS")
        (labels, sites), rest = sites_of(rest[4:end]), rest[end:]
    else:
        labels_text, rest = _text(rest, name)
        labels = tuple(labels_text.split())
    n = _int32(rest, name)
    row = np.dtype([("hkl", "<i4", 3), ("f", "<c16", (len(labels),))])
    if n < 0 or len(rest) - 4 != n * row.itemsize:
        raise FileFormatError(
            f"{name} has {len(rest) - 4} bytes of form factors, expected {n * row.itemsize}: "
            f"{n} reflections of {len(labels)} atoms"
        )
    rows = np.frombuffer(rest, row, n, 4)
    lines = (line.partition(":") for line in header.upper().splitlines())
    dispersion = any(key.strip() == "AD" and value.strip() == "TRUE" for key, _, value in lines)
    return AtomFormFactors(labels, rows["hkl"], rows["f"].T, dispersion, name, sites)


def sites_of(records: bytes) -> tuple[tuple[str, ...], Sites]:
    """Sites from the 16 bytes of each id, and texts that stand for labels."""
    ids = np.frombuffer(records, ID)
    sites = Sites(ids["frac"] * ID_UNIT, ids["atomic_number"])
    labels = (
        f"Z={number} at ({x:.4f} {y:.4f} {z:.4f})"
        for number, (x, y, z) in zip(sites.atomic_number.tolist(), sites.frac.tolist(), strict=True)
    )
    return tuple(labels), sites


def _int32(data: bytes, name: str) -> int:
    if len(data) < 4:
        raise FileFormatError(f"{name} is truncated")
    return int.from_bytes(data[:4], "little", signed=True)


def _text(data: bytes, name: str) -> tuple[str, bytes]:
    """A text that follows its length, and the data behind it."""
    end = 4 + _int32(data, name)
    if not 4 <= end <= len(data):
        raise FileFormatError(f"{name} is truncated: a text of {end - 4} bytes is expected")
    return data[4:end].decode("utf-8", "replace").rstrip("\0"), data[end:]
