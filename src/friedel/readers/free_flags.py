"""Determination of the value of R-free flags that marks the free set, by program conventions."""

import re
from typing import NamedTuple

import numpy as np

from friedel.errors import ReflectionsError
from friedel.notes import Note
from friedel.readers.reflection_tables import Column, Kind, ReflectionTable

LABELS = re.compile(
    r"free|freer?(flags?)?|rfree(flags?|set)?|freerset|test(set|flag)?|pdbxrfreeflag"
)
"""Labels of R-free flags, in lower case without punctuation."""

SUSPICIOUS_FRACTION, LARGEST_FRACTION = 0.2, 0.3
"""Fractions of the data above which a free set gets a warning, or a guessed one is rejected."""

GUESSED = "the rarest"
"""Beginning of the name of a convention that is a guess, not that of a program."""


class FreeSet(NamedTuple):
    """Free set: `free` and `flagged` (n,) bool, whether a row is free and whether it has a flag.

    `rule` names the convention, `label` the column, `value` its value in the free set; `notes`
    record what looks doubtful.
    """

    free: np.ndarray
    flagged: np.ndarray
    rule: Note
    notes: tuple[Note, ...] = ()
    label: str = "status"
    value: float | str = "f"


def free_set_of(
    table: ReflectionTable, used: np.ndarray, label: str | None, value: int | None
) -> FreeSet | None:
    """The free set of a table; None if it has none.

    Parameters
    ----------
    used
        (n,) bool: rows that are used.
    label, value
        The column and value chosen by the user; None to find them.

    Raises
    ------
    FileFormatError
        When there is no column `label`.
    ReflectionsError
        When a guessed free set would have more than 30 % of the reflections.
    """
    from_status = _by_status(table.status)
    if label is None and value is None and from_status is not None:
        return _with_flags_beside(table, from_status, used)
    column = _column(table, label)
    if column is None:
        return None
    if column.kind is Kind.STATUS:
        if from_status is None:
            return None
        free, flagged = from_status
        return FreeSet(free, flagged, Note("free set is status = f (as requested)"))
    flags = column.values
    flagged = np.isfinite(flags)
    known = np.unique(flags[flagged & used])
    if value is not None:
        rule = Note(f"free set is {column.label} = {value} (as requested)")
        return FreeSet(flags == value, flagged, rule, (), column.label, value)
    if len(known) < 2:
        return None
    found, convention, missing = free_value(column.label, flags[flagged & used])
    if missing is not None:
        flagged &= flags != missing
    free = flags == found
    _check_share(free[flagged & used].mean(), column.label, found, known)
    kind = "guess" if convention.startswith(GUESSED) else "default"
    text = f"free set is {column.label} = {found:g} ({convention})"
    rule = Note(text, kind, give="give free_label and free_value")
    doubts = _doubts(free[flagged & used].mean())
    return FreeSet(free, flagged, rule, doubts, column.label, found)


def free_value(label: str, flags: np.ndarray) -> tuple[float, str, float | None]:
    """The value of the free set, the convention, and a value that marks a missing flag.

    Parameters
    ----------
    flags
        Flags that are not missing, with at least two different values.
    """
    values, counts = np.unique(flags, return_counts=True)
    low, high = values[0], values[-1]
    if low == -1 and high <= 1:
        return -1.0, "-1 as in SHELX", None
    missing = None
    if low == -1 and high > 1:
        missing, values, counts = -1.0, values[1:], counts[1:]
        low = values[0]
    if len(values) == 2 and set(values) == {0.0, 1.0}:
        if _plain(label).startswith("test"):
            return 1.0, "as in CNS", missing
        rarer = float(values[np.argmin(counts)])
        if rarer and _plain(label).startswith(("rfreeflag", "pdbx")):
            return rarer, "as in Phenix and mmCIF", missing
        return rarer, f"{GUESSED} of two", missing
    if len(values) == 2 and set(values) == {1.0, 2.0}:
        return 2.0, "2 of 1 and 2", missing
    if low == 0:
        return 0.0, "sets from 0, as in CCP4", missing
    if low == 1:
        return 1.0, "sets from 1", missing
    return float(values[np.argmin(counts)]), f"{GUESSED} of {len(values)}", missing


def _by_status(status: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Free and flagged (n,) by mmCIF's status: f, or 1 if the others are 0."""
    if status is None:
        return None
    free = (status == "f") | (status == "1")
    flagged = free | (status == "o") | (status == "0")
    return (free, flagged) if free.any() and (flagged & ~free).any() else None


def _with_flags_beside(
    table: ReflectionTable, by_status: tuple[np.ndarray, np.ndarray], used: np.ndarray
) -> FreeSet:
    free, flagged = by_status
    notes: list[Note] = []
    other = next((c for c in table.columns if c.label == "pdbx_r_free_flag"), None)
    if other is not None:
        flags = other.values
        known = np.isfinite(flags) & flagged & used
        if len(np.unique(flags[known])) > 1:
            value, _, _ = free_value(other.label, flags[known])
            differ = int((known & ((flags == value) != free)).sum())
            if differ:
                text = (
                    f"pdbx_r_free_flag contradicts status in {differ} reflections; status is used"
                )
                notes.append(Note(text, "guess", differ, give="give free_label and free_value"))
    rule = Note("free set is status = f (as in mmCIF)")
    return FreeSet(free, flagged, rule, (*notes, *_doubts(free[flagged & used].mean())))


def _column(table: ReflectionTable, label: str | None) -> Column | None:
    if label is not None:
        return table.find(label)
    candidates = [c for c in table.columns if LABELS.fullmatch(_plain(c.label))]
    candidates = [c for c in candidates if _are_whole(c.values)]
    return next((c for c in candidates if c.has_data), next(iter(candidates), None))


def _are_whole(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool((np.rint(known) == known).all())


def _plain(label: str) -> str:
    return re.sub("[^a-z]", "", label.lower())


def _check_share(share: float, label: str, value: float, known: np.ndarray) -> None:
    if share > LARGEST_FRACTION:
        shown = ", ".join(f"{x:g}" for x in known[:5])
        raise ReflectionsError(
            f"{label} = {value:g} would make {share:.0%} of the reflections free; its values are "
            f"{shown}: give the value of the free set (free_value, --free-value)"
        )


def _doubts(share: float) -> tuple[Note, ...]:
    if share <= SUSPICIOUS_FRACTION:
        return ()
    return (Note(f"{share:.0%} of the reflections are free, more than usual", "warning", share),)
