"""Writing of form factors of individual atoms: `.tsc` (text) and `.tscb` (binary)."""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from friedel.errors import ParameterError
from friedel.writers.files import write_atomically


def write_tsc(
    path: str | PathLike[str],
    labels: Sequence[str],
    hkl: np.ndarray,
    f: np.ndarray,
    with_dispersion: bool = False,
    title: str = "",
    *,
    overwrite: bool = False,
) -> None:
    """Write form factors of atoms; the ending ``.tscb`` makes the file binary [Midgley2019].

    Parameters
    ----------
    labels
        Label of each atom.
    hkl, f
        (n, 3) int32 indices and (n_atoms, n) complex128 form factors; text has 17 digits.
    with_dispersion
        Whether the form factors contain f' and f''.
    title
        Title; white space becomes single blanks.

    Raises
    ------
    ParameterError
        For empty labels or labels with white space, which the format cannot hold.
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    bad = [label for label in labels if len(label.split()) != 1 or label.split()[0] != label]
    if bad:
        raise ParameterError(f"got label {bad[0]!r}, expected one without white space")
    header = [
        f"TITLE: {' '.join(title.split())}",
        "SYMM: expanded",
        f"AD: {str(with_dispersion).upper()}",
    ]
    encode = _binary if fspath(path).lower().endswith(".tscb") else _text
    content = encode("\n".join(header), " ".join(labels), hkl, f)
    write_atomically(path, lambda name: Path(name).write_bytes(content), overwrite=overwrite)


def _text(header: str, labels: str, hkl: np.ndarray, f: np.ndarray) -> bytes:
    lines = [header, f"SCATTERERS: {labels}", "DATA:"]
    for (h, k, l), row in zip(hkl.tolist(), f.T.tolist(), strict=True):
        lines.append(" ".join([f"{h} {k} {l}", *(f"{z.real:.17g},{z.imag:.17g}" for z in row)]))
    return ("\n".join(lines) + "\n").encode()


def _binary(header: str, labels: str, hkl: np.ndarray, f: np.ndarray) -> bytes:
    rows = np.empty(len(hkl), [("hkl", "<i4", 3), ("f", "<c16", len(f))])
    rows["hkl"], rows["f"] = hkl, f.T
    texts = (text.encode() for text in (header, labels))
    parts = [part for text in texts for part in (_int32(len(text)), text)]
    return b"".join([*parts, _int32(len(hkl)), rows.tobytes()])


def _int32(number: int) -> bytes:
    return number.to_bytes(4, "little", signed=True)
