"""Reading of mean amplitudes together with those of Friedel mates measured separately."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.amplitudes import (
    Wanted,
    first_columns,
    merged,
    path_of,
    source_of_columns,
    tables_of,
)
from friedel.readers.column_choice import columns_of_mates
from friedel.readers.reading import decoded
from friedel.readers.reflection_tables import ReflectionTable
from friedel.reflections.bijvoet import ObservedData, completed, number_of_pairs, on_scale_of


def means_and_pairs(
    data: Any,
    *,
    free_label: str | None = None,
    free_value: int | None = None,
    block: str | None = None,
    data_set: str | None = None,
    crystal: Crystal | None = None,
    intensities: bool = False,
    anisotropic_mean: bool = False,
) -> ObservedData:
    """The amplitudes of a file or an object, and those of Friedel mates in the same data set.

    The mates are in columns of their own, beside or instead of mean values, or in the rows of a
    list that has h and -h. Parameters and errors are those of
    :func:`friedel.readers.amplitudes.as_reflections`.
    """
    wanted = Wanted(free_label, free_value, data_set, crystal, False, intensities, anisotropic_mean)
    with decoded(path_of(data)):
        return _both(*tables_of(data, block, wanted))


def _both(
    tables: Sequence[ReflectionTable], labels: tuple[str, ...], wanted: Wanted
) -> ObservedData:
    """The means and pairs of the first table that has the columns."""
    table, observed, about_table, about_columns = first_columns(tables, labels, wanted)
    notes = (*about_table, *about_columns)
    means = merged(source_of_columns(table, observed, wanted, notes, apart=False))
    wavelengths = table.wavelengths_of(observed.value, wanted.data_set)
    mates = observed if observed.minus is not None else columns_of_mates(table, observed)
    n_values = np.count_nonzero(np.isfinite(observed.value.values))
    if mates is None and n_values <= len(means):
        # No reflection is measured twice
        return ObservedData(means, None, wavelengths)
    beside = mates is not None and mates is not observed
    if mates is not None and beside:
        # The columns of the means and of the mates are both said
        text = f"{mates.labels} are used, which the file has beside {observed.labels}"
        about_columns = (Note(text, "default"),)
    notes = (*about_table, *about_columns)
    pairs = merged(source_of_columns(table, mates or observed, wanted, notes, apart=True))
    if not number_of_pairs(pairs):
        return ObservedData(means, None, wavelengths)
    if mates is not None and mates.is_intensity != observed.is_intensity:
        pairs = on_scale_of(means, pairs)
    if beside:
        n, pairs = len(pairs), completed(pairs, means)
        if len(pairs) > n:
            text = f"{len(pairs) - n} reflections have only {observed.value.label}, which is used"
            about = Note(text, "default", len(pairs) - n)
            pairs = dataclasses.replace(pairs, notes=(*pairs.notes, about))
    return ObservedData(means, pairs, wavelengths, named=bool(labels) and beside)
