"""Wavelengths that files of models state, and the choice of one."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from friedel.errors import FileFormatError
from friedel.readers.reading import looks_like_cif, read_text

OF_FILE = "file"
"""The value of `wavelength` that asks for the wavelength stated by a file."""

CIF_ITEMS = (
    "_diffrn_radiation_wavelength.wavelength",
    "_diffrn_radiation_wavelength",
    "_diffrn_source.pdbx_wavelength_list",
    "_diffrn_source.pdbx_wavelength",
)
"""Items with wavelengths in mmCIF and small-molecule CIF files, the most specific first."""

NUMBER, UNCERTAINTY = r"\d*\.\d+|\d+", r"\(\d+\)"
"""A number in a text, and the standard uncertainty that may follow it."""

PDB_LINE = r"^REMARK 200 +WAVELENGTH OR RANGE +\(A\) *:(.*)$"
"""Line of a PDB file with the wavelengths."""

SHELX_LINE = r"^CELL\s+([\d.]+)(?:\s+[\d.]+){6}"
"""Instruction of a SHELX file with the wavelength and the cell."""


def the_wavelength(stated: Sequence[float], source: str, also: str = "") -> float:
    """The only wavelength (Å) that `source` states; `also` is added to the message of errors.

    Raises
    ------
    FileFormatError
        When it states none, or several.
    """
    if len(stated) == 1:
        return stated[0]
    found = f"states the wavelengths {texts_of(stated)} A" if stated else "states no wavelength"
    raise FileFormatError(f"{source} {found}{also}: give the wavelength as a number")


def texts_of(wavelengths: Sequence[float]) -> str:
    """Wavelengths (Å) as text."""
    return ", ".join(f"{value:g}" for value in wavelengths)


def wavelengths_of_model(model: Any, block: str | None = None) -> tuple[float, ...]:
    """Wavelengths (Å) that the file or the gemmi object of a model states; none for other objects.

    They are in REMARK 200 of PDB files, in ``_diffrn_radiation_wavelength`` of mmCIF and
    small-molecule CIF files, and in CELL of SHELX files.

    Parameters
    ----------
    block
        Name of the block of a CIF; by default the first that states one.

    Raises
    ------
    FileFormatError
        When the file cannot be read.
    """
    from friedel.gemmi_package import gemmi
    from friedel.readers.reflection_tables import known_wavelength

    texts: list[str] = []
    if isinstance(model, str | PathLike):
        texts = _texts_of_file(Path(model), block)
    elif isinstance(model, gemmi.SmallStructure):
        texts = [str(model.wavelength)]
    elif isinstance(model, gemmi.Structure):
        texts = re.findall(PDB_LINE, "\n".join(model.raw_remarks), re.MULTILINE)
        if not texts:
            texts = [d.wavelengths for c in model.meta.crystals for d in c.diffractions]
    numbers = (
        float(x) for text in texts for x in re.findall(NUMBER, re.sub(UNCERTAINTY, "", text))
    )
    return tuple(dict.fromkeys(value for value in numbers if known_wavelength(value)))


def _texts_of_file(path: Path, name: str | None) -> list[str]:
    from friedel.readers.cif_items import parse_cif
    from friedel.readers.shelx import looks_like_shelx

    content = read_text(path)
    if not looks_like_cif(content):
        line = SHELX_LINE if looks_like_shelx(content) else PDB_LINE
        return re.findall(line, content, re.MULTILINE)
    from friedel.gemmi_package import gemmi

    document = parse_cif(content, path)
    for item in CIF_ITEMS:
        for block in (block for block in document if name in (None, block.name)):
            values = [gemmi.cif.as_string(text) for text in block.find_values(item)]
            if any(re.search(r"\d", value) for value in values):
                return values
    return []
