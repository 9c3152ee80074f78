"""Reading of observed data: reflection files and gemmi objects become Reflections.

A file is read as a table of typed columns; the columns of the data and of the free set are chosen;
unusable rows are left out, and equivalent reflections merged. Each decision is recorded in a note.
"""

import dataclasses
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from friedel.errors import FileFormatError, ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.asu_tables import asu_table
from friedel.readers.cif_tables import cif_tables
from friedel.readers.column_choice import Observed, named_columns, usual_columns
from friedel.readers.free_flags import FreeSet, free_set_of
from friedel.readers.gemmi_models import crystal_of
from friedel.readers.mtz_tables import mtz_table
from friedel.readers.reading import (
    MTZ,
    about_end_of_cif,
    check_characters,
    check_file,
    decoded,
    looks_like_cif,
    read_bytes,
    read_text,
    reading,
    split_labels,
)
from friedel.readers.reflection_tables import Column, ReflectionTable
from friedel.readers.symmetry import crystal_from_gemmi
from friedel.readers.text_tables import text_table
from friedel.readers.used_rows import used_rows
from friedel.reflections.bijvoet import mates_averaged
from friedel.reflections.french_wilson import amplitudes_from_intensities
from friedel.reflections.merging import Groups, grouped, plain_or_weighted_means
from friedel.reflections.reflections import Reflections
from friedel.runtime.paths import shown_name


def as_reflections(
    data: Any,
    *,
    free_label: str | None = None,
    free_value: int | None = None,
    block: str | None = None,
    data_set: str | None = None,
    crystal: Crystal | None = None,
    friedel_pairs: bool = False,
    intensities: bool = False,
    anisotropic_mean: bool = False,
) -> Reflections:
    """Observed amplitudes from a file or an object.

    Parameters
    ----------
    data
        ``"file.mtz"``, ``"file.mtz:FP,SIGFP"``, ``"file-sf.cif"`` (also with ``:labels``), a CNS,
        scalepack, XDS or SHELX list, ``gemmi.Mtz``, ``gemmi.ValueSigmaAsuData`` or
        ``gemmi.FloatAsuData``, or `Reflections`. Labels may be prefixed by a data set, as in
        ``"file.mtz:native/FP,native/SIGFP"``. Without labels the first usual columns with data
        are used: amplitudes, F(+) and F(-), intensities. Four labels, as in
        ``"file.mtz:F(+),SIGF(+),F(-),SIGF(-)"``, are Friedel mates measured separately.
    free_label, free_value
        Column of a file with R-free flags, and its value in the free set; by default the
        usual columns and conventions.
    block, data_set
        Name of the block of an mmCIF file, and of the data set (of an MTZ file; wavelength or
        crystal of an mmCIF file); by default the first with data.
    crystal
        Cell and symmetry, used if the source states none.
    friedel_pairs
        Whether F(+) and F(-) found without labels are kept separate, F(-) at -hkl; by default
        they are averaged. Those given by labels are kept separate.
    intensities
        Whether columns of intensities found without labels are used before those of amplitudes.
    anisotropic_mean
        Whether the mean intensity by which amplitudes follow from intensities depends on direction
        as well as on resolution; see :func:`friedel.french_wilson`.

    Returns
    -------
    Reflections
        In the CCP4 asymmetric unit, sorted; equivalent ones merged with weights 1/sigma^2; of
        intensities the amplitudes of French and Wilson [French1978], for I(+) and I(-) by
        themselves before they are averaged, with the intensities beside them. `free` is set when
        the source has R-free flags, `wavelength` when it states one, and `notes` record what was
        chosen and left out.

    Raises
    ------
    FileFormatError
        When the source cannot be read or lacks the columns, or a named column is of another
        kind.
    ReflectionsError
        When a guessed free set would have more than 30 % of the reflections.
    ParameterError
        When `anisotropic_mean` is asked for amplitudes.
    """
    asked = (free_label, free_value, block, data_set)
    if isinstance(data, Reflections) and asked == (None, None, None, None) and not anisotropic_mean:
        return data
    wanted = Wanted(
        free_label, free_value, data_set, crystal, friedel_pairs, intensities, anisotropic_mean
    )
    with decoded(path_of(data)):
        return merged(_source(*tables_of(data, block, wanted)))


def path_of(data: Any) -> str:
    """The path of a source without labels, for messages; empty for objects."""
    return split_labels(fspath(data))[0] if isinstance(data, str | PathLike) else ""


def tables_of(
    data: Any, block: str | None, wanted: "Wanted"
) -> tuple[Sequence[ReflectionTable], tuple[str, ...], "Wanted"]:
    """The tables of a source, the labels that the caller gave, and the choices that apply to it."""
    if isinstance(data, str | PathLike):
        path, labels = split_labels(fspath(data))
        return _in_block(read_tables(Path(path)), block), labels, wanted
    if isinstance(data, gemmi.Mtz):
        return [mtz_table(data, "gemmi.Mtz")], (), wanted
    if wanted.free_label is not None or wanted.free_value is not None:
        raise ParameterError("R-free flags can be chosen in files and gemmi.Mtz only")
    if wanted.anisotropic_mean and isinstance(data, Reflections):
        raise ParameterError("an anisotropic mean is for intensities, but the data are amplitudes")
    if isinstance(data, gemmi.ValueSigmaAsuData | gemmi.FloatAsuData):
        return [asu_table(data)], ("F",), wanted._replace(crystal=crystal_of(data))
    raise FileFormatError(
        f"cannot take reflections from {type(data).__name__}: expected a path such as "
        "'data.mtz' or 'data.mtz:FP,SIGFP', gemmi.Mtz, gemmi AsuData or friedel.Reflections"
    )


class Wanted(NamedTuple):
    """The caller's choices."""

    free_label: str | None
    free_value: int | None
    data_set: str | None
    crystal: Crystal | None
    friedel_pairs: bool
    intensities: bool = False
    anisotropic_mean: bool = False
    unflagged: bool = False


class Source(NamedTuple):
    """Measurements of one data set of a file, before equivalents are merged.

    Attributes
    ----------
    table, observed
        The table of the file or block, and its columns of observed data.
    crystal
        Cell and symmetry, of the file or as given.
    measured
        The usable measurements.
    free_set
        Free set of the rows of the table, or None.
    notes
        Notes on the choice of table and columns, on cell, symmetry and rows left out.
    apart
        Whether F(+) and F(-) are to be kept separate.
    anisotropic_mean
        Whether the mean intensity by which amplitudes follow depends on direction.
    wavelengths
        Wavelengths (Å) that the table states for the columns; see
        :meth:`friedel.readers.reflection_tables.ReflectionTable.wavelengths_of`.
    """

    table: ReflectionTable
    observed: Observed
    crystal: Crystal
    measured: "Measurements"
    free_set: FreeSet | None
    notes: tuple[Note, ...]
    apart: bool
    anisotropic_mean: bool = False
    wavelengths: tuple[float, ...] = ()


def read_source(
    path: str | PathLike[str],
    *,
    free_label: str | None = None,
    free_value: int | None = None,
    block: str | None = None,
    data_set: str | None = None,
    crystal: Crystal | None = None,
) -> Source:
    """The measurements of a file, chosen as :func:`as_reflections` chooses them.

    Reflections without an R-free flag are included. Parameters and errors are those of
    :func:`as_reflections`.
    """
    name, labels = split_labels(fspath(path))
    wanted = Wanted(free_label, free_value, data_set, crystal, False, unflagged=True)
    with decoded(name):
        return _source(_in_block(read_tables(Path(name)), block), labels, wanted)


def read_tables(path: Path) -> list[ReflectionTable]:
    """The tables of a reflection file, whose format is recognised by its content.

    Raises
    ------
    FileFormatError
        When it cannot be read, or its format is unknown.
    """
    with reading(path, "reflections"):
        if read_bytes(path, len(MTZ)) == MTZ:
            check_file(path)
            return [mtz_table(gemmi.read_mtz_file(fspath(path)), shown_name(path))]
        text, name = read_text(path), shown_name(path)
        check_characters(text, name)
        if not looks_like_cif(text):
            return [text_table(text, path)]
        tables = cif_tables(gemmi.cif.read_string(text), name)
        if notes := about_end_of_cif(text, name):
            tables = [dataclasses.replace(table, notes=(*table.notes, *notes)) for table in tables]
        return tables


def _in_block(tables: Sequence[ReflectionTable], block: str | None) -> Sequence[ReflectionTable]:
    """The table of the requested block; all tables if none is requested."""
    if block is None:
        return tables
    named = [table for table in tables if _block_name(table) == block]
    if not named:
        known = ", ".join(_block_name(table) for table in tables)
        raise FileFormatError(f"{tables[0].name}: no block {block}; there are {known}")
    return named


def _source(tables: Sequence[ReflectionTable], labels: tuple[str, ...], wanted: Wanted) -> Source:
    """The measurements in the first table that has the columns."""
    table, observed, about_table, about_columns = first_columns(tables, labels, wanted)
    apart = observed.minus is not None and (wanted.friedel_pairs or len(labels) > 1)
    return source_of_columns(table, observed, wanted, (*about_table, *about_columns), apart)


class FirstColumns(NamedTuple):
    """The first table of a file that has the columns, the columns, and notes on both choices."""

    table: ReflectionTable
    observed: Observed
    about_table: tuple[Note, ...]
    about_columns: tuple[Note, ...]


def first_columns(
    tables: Sequence[ReflectionTable], labels: tuple[str, ...], wanted: Wanted
) -> FirstColumns:
    """The first table that has the columns."""
    errors = []
    for i, table in enumerate(tables):
        try:
            observed, about_columns = _columns(table, labels, wanted)
        except FileFormatError as error:
            errors.append(error)
            continue
        about_table: tuple[Note, ...] = ()
        if len(tables) > 1:
            others = ", ".join(_block_name(t) for j, t in enumerate(tables) if j != i)
            text = f"block {_block_name(table)} is used; there are also {others}"
            about_table = (Note(text, "guess", len(tables) - 1, give="name it with block"),)
        if wanted.anisotropic_mean and not observed.is_intensity:
            raise ParameterError(
                f"an anisotropic mean is for intensities, but {observed.labels} are amplitudes"
            )
        return FirstColumns(table, observed, about_table, about_columns)
    raise errors[0]


def _columns(
    table: ReflectionTable, labels: tuple[str, ...], wanted: Wanted
) -> tuple[Observed, tuple[Note, ...]]:
    """The columns of the observed data; where rows tell data sets apart, those of any."""
    of_columns = None if table.group is not None else wanted.data_set
    if labels:
        return named_columns(table, labels, of_columns)
    return usual_columns(table, of_columns, intensities=wanted.intensities)


def _block_name(table: ReflectionTable) -> str:
    return table.columns[0].data_set if table.columns else table.name


def source_of_columns(
    table: ReflectionTable,
    observed: Observed,
    wanted: Wanted,
    notes: tuple[Note, ...],
    apart: bool,
) -> Source:
    """The measurements in the given columns; with `apart` F(-) is to be kept at -hkl."""
    crystal, about_crystal = _crystal(table, observed.value, wanted.crystal)
    rows, about_rows = used_rows(table, wanted.data_set)
    free_set = free_set_of(table, rows, wanted.free_label, wanted.free_value)
    notes = (*table.notes, *notes, *about_crystal, *about_rows)
    flagged = np.ones(len(table.hkl), bool)
    if free_set is not None and not wanted.unflagged:
        flagged = free_set.flagged
    measured = _measurements(table, observed, rows & flagged)
    unflagged = int((rows & ~flagged & np.isfinite(observed.value.values)).sum())
    if unflagged:
        text = f"{unflagged} reflections without an R-free flag are not used"
        notes = (*notes, Note(text, "left out", unflagged))
    mean, stated = wanted.anisotropic_mean, table.wavelengths_of(observed.value, wanted.data_set)
    return Source(table, observed, crystal, measured, free_set, notes, apart, mean, stated)


def _crystal(
    table: ReflectionTable, column: Column, given: Crystal | None
) -> tuple[Crystal, tuple[Note, ...]]:
    """Cell and symmetry: those of the column's data set, of the file, or the given ones."""
    cell, group = column.cell or table.cell, table.spacegroup
    if cell is not None and group is not None:
        return crystal_from_gemmi(cell, group), ()
    if given is None:
        lacking = "unit cell" if cell is None else "space group"
        raise FileFormatError(f"{table.name} states no {lacking}, and none was given")
    if table.name == "AsuData":
        return given, ()
    if cell is None and group is None:
        text = "the data state no cell and symmetry: those of the model are used"
        return given, (Note(text, "guess"),)
    if cell is None:
        of_model = gemmi.UnitCell(*given.cell)
        note = Note("the data state no cell: that of the model is used", "guess")
        return crystal_from_gemmi(of_model, group), (note,)
    crystal = Crystal(
        cell.parameters, given.rotations, given.translations, given.asu_basis, given.name
    )
    return crystal, (Note("the data state no space group: that of the model is used", "guess"),)


class Measurements(NamedTuple):
    """Values and sigmas as in a file, F(-) after F(+) and at -h.

    `row` (n,) is the row of each in the table; `notes` record what was left out.
    """

    hkl: np.ndarray
    values: np.ndarray
    sigmas: np.ndarray | None
    row: np.ndarray
    notes: tuple[Note, ...]


def _measurements(table: ReflectionTable, observed: Observed, rows: np.ndarray) -> Measurements:
    """The usable measurements."""
    parts = [(table.hkl, observed.value, observed.sigma)]
    if observed.minus is not None:
        parts.append((-table.hkl, observed.minus, observed.minus_sigma))
    hkl = np.concatenate([indices for indices, _, _ in parts])
    values = np.concatenate([value.values for _, value, _ in parts])
    row = np.tile(np.arange(len(table.hkl)), len(parts))
    use = np.isfinite(values) & rows[row] & np.isfinite(hkl).all(axis=1)
    notes: list[Note] = []
    sigmas = None
    if all(sigma is not None for _, _, sigma in parts):
        sigmas = np.concatenate([sigma.values for _, _, sigma in parts if sigma is not None])
        if not (sigmas[use] > 0).any():
            notes.append(Note("all sigmas are zero or missing: the data have none", "left out"))
            sigmas = None
    if sigmas is not None:
        for reason, applies in (
            ("a negative sigma", sigmas < 0),
            ("a missing sigma", ~np.isfinite(sigmas)),
        ):
            n = int((use & applies).sum())
            if n:
                notes.append(Note(f"{n} reflections with {reason} are not used", "left out", n))
            use &= ~applies
    return Measurements(
        hkl[use], values[use], None if sigmas is None else sigmas[use], row[use], tuple(notes)
    )


def merged(source: Source) -> Reflections:
    """Measurements mapped to the asymmetric unit, sorted, equivalent ones merged."""
    table, observed, crystal, measured, free_set, notes, apart, mean, wavelengths = source
    name, hkl = table.name, measured.hkl
    absent, origin = crystal.is_absent(hkl), (hkl == 0).all(axis=1)
    present = ~absent & ~origin
    notes = (*notes, *measured.notes, *_absent_notes(absent & ~origin, origin))
    if not present.any():
        raise FileFormatError(f"{name} has no observed values of {observed.labels}")
    # I(+) and I(-) become amplitudes by themselves, of which the mean is taken
    mean_of_amplitudes = not apart and observed.minus is not None and observed.is_intensity
    by_hand = apart or mean_of_amplitudes
    groups, means, sigmas = merged_values(source, present, friedel_mates=not by_hand)
    merged_free = None
    if free_set is not None:
        of_rows = free_set.free[measured.row[present]].astype(float)
        merged_free = groups.total(of_rows) > 0.5 * groups.counts
    label, about_amplitudes = observed.value.label, tuple[Note, ...]()
    intensities: dict[str, Any] = {}
    if observed.is_intensity:
        intensities = {"intensities": means, "intensity_sigmas": sigmas}
        means, sigmas, about_amplitudes = amplitudes_from_intensities(
            crystal, groups.hkl, means, sigmas, anisotropic=mean
        )
        label = "F"
    result = Reflections(
        crystal,
        groups.hkl,
        means,
        sigmas,
        merged_free,
        label,
        f"{observed.labels} from {name}",
        wavelength=wavelengths[0] if len(wavelengths) == 1 else 0.0,
        **intensities,
    )
    if mean_of_amplitudes:
        result = mates_averaged(result, weighted=False)
    duplicates = int(present.sum()) - len(result)
    if duplicates and observed.minus is None:
        text = f"{duplicates} equivalent reflections are merged"
        notes = (*notes, Note(text, "default", duplicates))
    elif observed.minus is not None and not apart:
        text = f"{observed.value.label} and {observed.minus.label} are averaged"
        notes = (*notes, Note(text, "default", duplicates))
    if free_set is not None and result.free is not None:
        rule, n_free = free_set.rule, int(result.free.sum())
        text = f"{rule}: {n_free} reflections"
        notes = (*notes, Note(text, rule.kind, n_free, give=rule.give), *free_set.notes)
    return dataclasses.replace(result, notes=(*notes, *about_amplitudes))


def merged_values(
    source: Source, present: np.ndarray, *, friedel_mates: bool
) -> tuple[Groups, np.ndarray, np.ndarray | None]:
    """Groups of equivalent measurements, their means and sigmas, each (m,), or None for sigmas.

    Parameters
    ----------
    present
        (n,) bool, the measurements to merge.
    friedel_mates
        Whether those of Friedel mates are merged, too.
    """
    measured = source.measured
    groups = grouped(source.crystal, measured.hkl[present], friedel_mates=friedel_mates)
    values = measured.values[present]
    if measured.sigmas is None:
        return groups, groups.total(values) / groups.counts, None
    return groups, *plain_or_weighted_means(groups, values, measured.sigmas[present])


def _absent_notes(absent: np.ndarray, origin: np.ndarray) -> tuple[Note, ...]:
    notes = []
    if n := int(absent.sum()):
        notes.append(Note(f"{n} reflections absent by symmetry are not used", "left out", n))
    if origin.any():
        notes.append(Note("the reflection (0 0 0) is not used", "left out", int(origin.sum())))
    return tuple(notes)
