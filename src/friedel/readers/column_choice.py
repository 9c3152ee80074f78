"""Choice of the columns with observed data in a table: those named, or the first with data."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from friedel.errors import FileFormatError
from friedel.notes import Note
from friedel.readers.reflection_tables import (
    AMPLITUDES,
    INTENSITIES,
    MINUS,
    Column,
    Kind,
    ReflectionTable,
)

USUAL = (
    "FP", "F", "FOBS", "F-obs-filtered", "F-obs", "F_obs", "FMEAN", "F_meas_au", "F_meas",
    "IMEAN", "I", "IOBS", "I-obs", "I_obs", "intensity_meas",
)  # fmt: skip
"""Labels under which programs write observed data, the most usual first."""


class Observed(NamedTuple):
    """Columns of observed data.

    For Friedel mates measured separately `minus` and `minus_sigma` are the columns of F(-) or I(-).
    """

    value: Column
    sigma: Column | None
    minus: Column | None = None
    minus_sigma: Column | None = None

    @property
    def is_intensity(self) -> bool:
        """Whether the values are intensities."""
        return self.value.kind in INTENSITIES

    @property
    def labels(self) -> str:
        """The labels of all the columns, separated by commas."""
        return ", ".join(column.label for column in self if column is not None)


def named_columns(
    table: ReflectionTable, labels: tuple[str, ...], data_set: str | None = None
) -> tuple[Observed, tuple[Note, ...]]:
    """The columns that a user named: value, value and sigma, or these for both Friedel mates.

    Raises
    ------
    FileFormatError
        When a column does not exist, or is not of the expected kind.
    """
    columns = [_named(table, label, data_set) for label in labels]
    notes = _same_label_notes(table, columns, data_set)
    values = [column for column in columns if column.kind is not Kind.SIGMA]
    if len(columns) == 4:
        values = [columns[0], columns[2]]
    elif len(columns) == 2 and len(values) == 2 and values[1].kind not in MINUS.values():
        raise _wrong_kind(table, values[1], "a standard uncertainty")
    if not values or len(columns) > 4 or len(values) > 2:
        raise FileFormatError(
            f"{table.name}: got columns {', '.join(labels)}; expected a value, a value and its "
            "sigma, or F(+), SIGF(+), F(-), SIGF(-)"
        )
    for value in values:
        if value.kind not in (*AMPLITUDES, *INTENSITIES, Kind.OTHER):
            raise _wrong_kind(table, value, "an amplitude or intensity")
    sigmas = [column for column in columns if column not in values]
    for sigma in sigmas:
        if sigma.kind not in (Kind.SIGMA, Kind.OTHER):
            raise _wrong_kind(table, sigma, "a standard uncertainty")
    if not sigmas:
        sigmas = [s for s in map(table.sigma_of, values) if s is not None]
    first, *others = values
    if not others:
        return Observed(first, sigmas[0] if sigmas else None), notes
    pair = sigmas if len(sigmas) == 2 else [None, None]
    return Observed(first, pair[0], others[0], pair[1]), notes


def usual_columns(
    table: ReflectionTable, data_set: str | None = None, *, intensities: bool = False
) -> tuple[Observed, tuple[Note, ...]]:
    """The first set of observed data: amplitudes, Friedel mates, intensities, in this order.

    With `intensities` these are first.

    Raises
    ------
    FileFormatError
        When there is none with data.
    """
    candidates = list(_candidates(table, data_set))
    if intensities:
        candidates.sort(key=lambda c: not c.is_intensity)
    with_data = list(filter(_have_data, candidates))
    if not with_data:
        raise FileFormatError(
            f"{table.name} has no observed amplitudes or intensities with data; it has "
            f"{', '.join(f'{c.label} ({c.kind})' for c in table.columns)}. Name the columns, as "
            "in 'data.mtz:FP,SIGFP'"
        )
    chosen, *others = with_data
    notes = []
    if empty := [c.labels for c in candidates if c not in with_data]:
        notes.append(Note(f"{'; '.join(empty)} hold no data", "left out", len(empty)))
    if others:
        one_set = all(c.value.data_set == chosen.value.data_set for c in others)
        names = [c.labels if one_set else _with_data_set(c) for c in (chosen, *others)]
        notes.append(
            Note(
                f"{names[0]} are used; there are also {'; '.join(names[1:])}",
                "guess",
                len(others),
                give="name the columns, as in 'data.mtz:FP,SIGFP'",
            )
        )
    return chosen, tuple(notes)


def columns_of_mates(table: ReflectionTable, observed: Observed) -> Observed | None:
    """F(+) and F(-), else I(+) and I(-), that belong to mean values of the same data set.

    For intensities I(+) and I(-) only. None if the table has none with data.
    """
    plus = (Kind.INTENSITY_PLUS,) if observed.is_intensity else tuple(MINUS)
    columns = [c for c in table.columns if c.data_set == observed.value.data_set]
    found = (pair for kind in plus for pair in _pairs(table, columns, kind))
    return next(filter(_have_data, found), None)


def _have_data(observed: Observed) -> bool:
    return observed.value.has_data or (observed.minus is not None and observed.minus.has_data)


def _pairs(table: ReflectionTable, columns: list[Column], plus: Kind) -> Iterable[Observed]:
    """The columns of this kind, each with that of its Friedel mates."""
    for first in (c for c in columns if c.kind is plus):
        mates = [c for c in columns if c.kind is MINUS[plus] and c.data_set == first.data_set]
        if mates:
            # The mate of F-obs(+) is F-obs(-), not another column of the same data set
            mate = min(mates, key=lambda c: (_differing(first.label, c.label), c.label))
            yield Observed(first, table.sigma_of(first), mate, table.sigma_of(mate))


def _candidates(table: ReflectionTable, data_set: str | None) -> Iterable[Observed]:
    columns = [c for c in table.columns if data_set in (None, c.data_set)]

    def rank(observed: Observed) -> int:
        label = observed.value.label
        return USUAL.index(label) if label in USUAL else len(USUAL)

    def of(kind: Kind, accepts: Callable[[Observed], bool]) -> list[Observed]:
        found = (Observed(c, table.sigma_of(c)) for c in columns if c.kind is kind)
        return sorted(filter(accepts, found), key=rank)

    yield from of(Kind.AMPLITUDE, lambda o: o.sigma is not None)
    yield from _pairs(table, columns, Kind.AMPLITUDE_PLUS)
    yield from of(Kind.INTENSITY, lambda o: o.sigma is not None)
    yield from _pairs(table, columns, Kind.INTENSITY_PLUS)
    yield from of(Kind.AMPLITUDE, lambda o: o.sigma is None and o.value.label in USUAL)
    yield from of(Kind.INTENSITY, lambda o: o.sigma is None and o.value.label in USUAL)


def _differing(first: str, second: str) -> int:
    """Number of characters in which two labels differ."""
    return sum(a != b for a, b in zip(first, second, strict=False)) + abs(len(first) - len(second))


def _named(table: ReflectionTable, label: str, data_set: str | None) -> Column:
    head, _, tail = label.rpartition("/")
    return table.find(tail, head) if head else table.find(label, data_set)


def _same_label_notes(
    table: ReflectionTable, columns: list[Column], data_set: str | None
) -> tuple[Note, ...]:
    notes = []
    for column in columns:
        same = [c for c in table.columns if c.label == column.label and c is not column]
        if same and data_set is None:
            others = ", ".join(c.data_set or "another data set" for c in same)
            notes.append(
                Note(
                    f"{column.label} of data set {column.data_set} is used; also in {others}",
                    "guess",
                    len(same),
                    give=f"name the data set, as in {same[0].data_set}/{column.label}",
                )
            )
    return tuple(notes)


def _with_data_set(observed: Observed) -> str:
    return (
        f"{observed.labels} of the data set {observed.value.data_set}"
        if observed.value.data_set
        else observed.labels
    )


def _wrong_kind(table: ReflectionTable, column: Column, expected: str) -> FileFormatError:
    return FileFormatError(
        f"{table.name}: column {column.label} is of kind {column.kind}, expected {expected}"
    )
