"""Rows of a reflection table that are used: those of the data set, and not marked as unusable."""

import numpy as np

from friedel.errors import FileFormatError
from friedel.notes import Note
from friedel.readers.reflection_tables import ReflectionTable

UNUSED_STATUS = {
    "x": "unreliable",
    "-": "systematically absent",
    "h": "beyond the high-resolution limit",
    "l": "beyond the low-resolution limit",
    "<": "unobserved",
}
"""Values of the mmCIF item status for reflections not to be used, with their meanings."""


def used_rows(table: ReflectionTable, data_set: str | None) -> tuple[np.ndarray, tuple[Note, ...]]:
    """(n,) bool: rows that belong to the data set and are not marked as unusable."""
    used = np.ones(len(table.hkl), bool)
    notes = []
    if table.status is not None:
        for status, meaning in UNUSED_STATUS.items():
            marked = table.status == status
            if marked.any():
                n = int(marked.sum())
                text = f"{n} reflections with status {status} ({meaning}) are not used"
                notes.append(Note(text, "left out", n))
                used &= ~marked
    if table.group is not None:
        names = list(dict.fromkeys(table.group.tolist()))
        chosen = names[0] if data_set is None else data_set
        if chosen not in names:
            raise FileFormatError(
                f"{table.name}: no data set {chosen}; wavelength_id and crystal_id are "
                f"{', '.join(names)}"
            )
        if data_set is None:
            others = ", ".join(names[1:])
            text = f"wavelength or crystal {chosen} is used; there are also {others}"
            notes.append(Note(text, "guess", len(names) - 1, give="give data_set"))
        used &= table.group == chosen
    return used, tuple(notes)
