"""Reading of a reflection file and all statistics of its data: `describe_data`."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, TypeVar

import numpy as np

from friedel.data_report.content import ASSUMED, content_of, expected_intensity, protein_in
from friedel.data_report.report import AbsentReflections, ColumnInfo, DataReport, FreeSetInfo
from friedel.errors import FileFormatError, FriedelError, SymmetryError
from friedel.model.arrays import frozen
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.notes import Notes
from friedel.readers.amplitudes import Source, merged_values, read_source
from friedel.readers.reflection_tables import Kind, ReflectionTable
from friedel.readers.twin_laws import find_twin_laws
from friedel.reflections.anisotropy import anisotropy
from friedel.reflections.bijvoet import separate_mates
from friedel.reflections.data_shells import data_shells, whole_range
from friedel.reflections.merging import Groups
from friedel.reflections.reflections import Reflections
from friedel.reflections.twin_statistics import HTest, h_test, l_test
from friedel.reflections.wilson import LEAST_RANGE, wilson_line

STRONG = 3.0
"""Value over sigma above which a systematically absent reflection counts as strong."""

Test = TypeVar("Test")


def describe_data(
    path: str | PathLike[str],
    *,
    free_label: str | None = None,
    free_value: int | None = None,
    block: str | None = None,
    data_set: str | None = None,
    model: Any = None,
    n_shells: int | None = None,
    strict: bool = False,
) -> DataReport:
    """What a reflection file says: columns, statistics of the data, twin tests, free set.

    Parameters
    ----------
    path
        ``"data.mtz"``, or with columns ``"data.mtz:I,SIGI"``; the formats, and the choice of
        columns, are those of :func:`friedel.as_reflections`.
    free_label, free_value, block, data_set
        As for :func:`friedel.as_reflections`.
    model
        Whatever :func:`friedel.as_model` takes. Its cell and symmetry are used if the file states
        none, and its atoms are the content to which the scale of the Wilson plot refers; without a
        model a protein of usual packing is assumed.
    n_shells
        Number of resolution shells; by default 10, fewer for few reflections.
    strict
        Whether a guess is an error instead of a note.

    Returns
    -------
    DataReport

    Raises
    ------
    FileFormatError
        When the file cannot be read or has no observed data, or when neither the file nor a model
        states cell and symmetry.
    ReflectionsError
        When a guessed free set would have more than 30 % of the reflections.
    ParameterError
        When `n_shells` is less than 1.
    GuessError
        When something was guessed, if `strict`.

    Examples
    --------
    >>> print(friedel.describe_data("data.mtz"))  # doctest: +SKIP
    """
    notes = Notes(strict=strict)
    known = _known_model(model)
    if known is not None:
        notes.extend(known.notes)
    try:
        source = read_source(
            path,
            free_label=free_label,
            free_value=free_value,
            block=block,
            data_set=data_set,
            crystal=None if known is None else known.crystal,
        )
    except FileFormatError as error:
        if known is None and "none was given" in str(error):
            raise FileFormatError(f"{error}: give a model (model=, --model)") from None
        raise
    notes.extend((*source.notes, *source.measured.notes))
    if source.free_set is not None:
        notes.extend((source.free_set.rule, *source.free_set.notes))
    return _report(source, known, n_shells, notes)


def _known_model(model: Any) -> Model | None:
    if model is None:
        return None
    from friedel.readers.models import as_model

    return as_model(model)


def _report(source: Source, model: Model | None, n_shells: int | None, notes: Notes) -> DataReport:
    crystal, measured = source.crystal, source.measured
    absent, origin = crystal.is_absent(measured.hkl), ~measured.hkl.any(axis=1)
    present = ~absent & ~origin & ~_not_measured(source, notes)
    if not present.any():
        raise FileFormatError(
            f"{source.table.name} has no observed values of {source.observed.labels}"
        )
    groups, values, sigmas = merged_values(source, present, friedel_mates=True)
    free_info, free, flags = _free_set(source, present, groups)
    data = Reflections(crystal, groups.hkl, values, sigmas, free, _label(source))
    mates, n_pairs = _separate(source, present, data)
    in_columns = source.observed.minus is not None
    counts = np.ones(len(data), np.int64) if in_columns else groups.counts
    intensity, intensity_sigmas = _intensities(data, source.observed.is_intensity)
    reasons: dict[str, str] = {}

    def unless_impossible(name: str, made: Test | str) -> Test | None:
        if isinstance(made, str):
            reasons[name] = made
            return None
        return made

    d_min = float(data.d_spacing.min())
    if d_min > LEAST_RANGE:
        text = f"the data end at {d_min:.2f} A, so that B of the Wilson plot is a rough value"
        notes.add(text, "warning", d_min)
    content, text = _content(crystal, model)
    expected = expected_intensity(content, data.stol2)
    notes.add(text, "default")
    as_intensities = Reflections(crystal, data.hkl, intensity, intensity_sigmas)
    laws, h_tests = _twin_tests(as_intensities, reasons)
    shells = (crystal, data.hkl, values, sigmas, counts)
    to_infinity = crystal.unique_reflections(d_min)
    wavelength = source.observed.value.wavelength
    return DataReport(
        name=source.table.name,
        columns=_columns(source.table),
        n_rows=len(source.table.hkl),
        chosen=source.observed.labels,
        data=data,
        mates=mates,
        is_intensity=source.observed.is_intensity,
        wavelength=wavelength or None,
        counts=frozen(counts),
        shells=data_shells(*shells, n_shells),
        overall=whole_range(*shells),
        completeness=len(data) / len(to_infinity),
        n_friedel_pairs=n_pairs,
        absent=_absent(source, absent & ~origin),
        wilson=unless_impossible("wilson", wilson_line(crystal, data.hkl, intensity, expected)),
        content=text,
        anisotropy=unless_impossible(
            "anisotropy", anisotropy(crystal, data.hkl, intensity, intensity_sigmas)
        ),
        l_test=unless_impossible(
            "l_test", _tried(lambda: l_test(as_intensities, are_intensities=True))
        ),
        h_tests=h_tests,
        twin_laws=laws,
        free_set=free_info,
        flags=flags,
        reasons=reasons,
        notes=notes.records(),
    )


def _not_measured(source: Source, notes: Notes) -> np.ndarray:
    """(n,) bool: value and sigma are zero, as some programs write what was not measured."""
    values, sigmas = source.measured.values, source.measured.sigmas
    if sigmas is None:
        return np.zeros(len(values), bool)
    zero = (values == 0.0) & (sigmas == 0.0)
    if n := int(zero.sum()):
        text = f"{n} reflections whose value and sigma are 0 are taken as not measured"
        notes.add(text, "left out", n)
    return zero


def _label(source: Source) -> str:
    return source.observed.value.label


def _columns(table: ReflectionTable) -> tuple[ColumnInfo, ...]:
    def count(values: np.ndarray) -> int:
        return int(np.isfinite(values).sum())

    return tuple(
        ColumnInfo(
            column.label,
            str(column.kind),
            column.data_set,
            column.wavelength or None,
            int((table.status != "").sum())
            if column.kind is Kind.STATUS and table.status is not None
            else count(column.values),
        )
        for column in table.columns
    )


def _intensities(data: Reflections, is_intensity: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Intensities (n,) and their sigmas, of amplitudes the squares."""
    if is_intensity:
        return data.values, data.sigmas
    sigmas = None if data.sigmas is None else 2.0 * data.values * data.sigmas
    return data.values**2, sigmas


def _separate(
    source: Source, present: np.ndarray, data: Reflections
) -> tuple[Reflections | None, int]:
    """The data with Friedel mates separate, None if no reflection has both; number of pairs."""
    groups, values, sigmas = merged_values(source, present, friedel_mates=False)
    if len(groups.hkl) == len(data):
        return None, 0
    mates = Reflections(source.crystal, groups.hkl, values, sigmas, None, _label(source))
    plus, minus = separate_mates(data.hkl, groups.hkl, values)
    return mates, int((np.isfinite(plus) & np.isfinite(minus)).sum())


def _absent(source: Source, absent: np.ndarray) -> AbsentReflections:
    n, sigmas = int(absent.sum()), source.measured.sigmas
    if sigmas is None or not (absent & (sigmas > 0)).any():
        return AbsentReflections(n, float("nan"), 0)
    measured = absent & (sigmas > 0)
    ratio = source.measured.values[measured] / sigmas[measured]
    return AbsentReflections(n, float(ratio.mean()), int((ratio > STRONG).sum()))


def _free_set(
    source: Source, present: np.ndarray, groups: Groups
) -> tuple[FreeSetInfo | None, np.ndarray | None, np.ndarray | None]:
    """The free set; (n,) whether each reflection is free; (n,) flags if they are in a column."""
    found = source.free_set
    if found is None:
        return None, None, None
    row = source.measured.row[present]

    def share(of_rows: np.ndarray) -> np.ndarray:
        return groups.total(of_rows[row].astype(float)) / groups.counts

    free, flagged = share(found.free) > 0.5, share(found.flagged) > 0.0
    n, n_flagged = int(free.sum()), int(flagged.sum())
    info = FreeSetInfo(
        label=found.label,
        value=found.value if isinstance(found.value, str) else int(found.value),
        rule=str(found.rule),
        n=n,
        n_unflagged=len(free) - n_flagged,
        per_cent=100.0 * n / n_flagged if n_flagged else float("nan"),
    )
    labels = source.table.labels()
    if found.label not in labels or found.label == "status":
        return info, free, None
    flags = np.full(len(free), np.nan)
    flags[groups.member_of] = source.table.find(found.label).values[row]
    return info, free, frozen(flags)


def _content(crystal: Crystal, model: Model | None) -> tuple[Mapping[str, float], str]:
    if model is None:
        text = f"the scale of the Wilson plot is for X-rays; {ASSUMED}"
        return protein_in(crystal), text
    text = f"the scale of the Wilson plot is for X-rays and the atoms of {model.name}"
    return content_of(model), text


def _twin_tests(
    data: Reflections, reasons: dict[str, str]
) -> tuple[tuple[str, ...], tuple[HTest, ...]]:
    """Names of the twin laws of the lattice, and the H-tests of those that can be tested."""
    try:
        laws = find_twin_laws(data.crystal)
    except SymmetryError as error:
        reasons["twin_laws"] = str(error)
        return (), ()
    tests = []
    for name, law in laws.items():
        made = _tried(lambda law=law: h_test(data, law, are_intensities=True))  # type: ignore[misc]
        if isinstance(made, str):
            reasons[name] = made
        else:
            tests.append(made)
    return tuple(laws), tuple(tests)


def _tried(test: Callable[[], Test]) -> Test | str:
    """The result of a test, or the message of its error."""
    try:
        return test()
    except FriedelError as error:
        return str(error)
