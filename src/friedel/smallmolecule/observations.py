"""The F^2 to fit: lines of a list that are usable, merged, with the twin domains of each."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from friedel.errors import ParameterError, ReflectionsError
from friedel.model.crystal import Crystal, checked_d_min
from friedel.notes import Note
from friedel.readers.reflection_lists import ReflectionList
from friedel.readers.shelx_file import ShelxFile
from friedel.smallmolecule.instructions import (
    above_threshold,
    is_merged,
    raised,
    select,
    threshold_of,
    without_omitted,
)
from friedel.smallmolecule.merging import MergingStatistics, merge_equivalents, r_sigma
from friedel.smallmolecule.twinning import (
    Observations,
    keeps_equivalents,
    twinned_by_laws,
    twinned_by_list,
)

LARGEST = 1e50
"""Largest F^2, and inverse of the least sigma: sums of squares of weighted F^2 must be finite."""


def usable(
    crystal: Crystal,
    data: ReflectionList,
    d_min: float | None,
    said: ShelxFile | None,
    wavelength: float | None,
    friedel_mates: bool,
) -> tuple[ReflectionList, tuple[Note, ...]]:
    """Lines with a positive sigma, inside the resolution and not omitted; notes on the others."""
    notes: list[Note] = []
    used = data
    if said is not None:
        used, about = without_omitted(crystal, used, said, wavelength, friedel_mates=friedel_mates)
        notes += about
    n_before = len(used)
    used = select(used, np.isfinite(used.f2) & np.isfinite(used.sigmas))
    if n := n_before - len(used):
        text = f"{n} reflections whose F^2 or sigma is not finite are not used"
        notes.append(Note(text, "left out", n))
    n_before = len(used)
    used = select(used, used.sigmas > 0)
    if n := n_before - len(used):
        notes.append(Note(f"{n} reflections with sigma <= 0 are not used", "left out", n))
    if d_min is not None:
        d = crystal.d_spacing(used.hkl)
        used = select(used, d >= checked_d_min(d_min) * (1.0 - 1e-9))
    if not len(used):
        raise ReflectionsError(f"no usable reflections among {len(data)} of {data.description}")
    for name, values in (("F^2", used.f2), ("sigma(F^2)", used.sigmas)):
        if (largest := float(np.abs(values).max())) > LARGEST:
            raise ReflectionsError(
                f"{name} has values of {largest:.1e}, expected at most {LARGEST:.0e}"
            )
        least = float(values.min() if name.startswith("sigma") else largest)
        if 0.0 < least < 1.0 / LARGEST:
            raise ReflectionsError(
                f"{name} has values of {least:.1e}, expected more than {1.0 / LARGEST:.0e}"
            )
    return used, tuple(notes)


def observations(
    crystal: Crystal,
    data: ReflectionList,
    laws: Sequence[np.ndarray],
    friedel_mates: bool,
    said: ShelxFile | None,
) -> tuple[Observations, MergingStatistics, tuple[Note, ...]]:
    """Observations to fit, merged unless twinning makes equivalents differ; statistics; notes."""
    threshold = threshold_of(said)
    if data.component is not None:
        if laws:
            raise ParameterError("HKLF 5 data have twin components: do not give twin laws")
        data, about_weak = above_threshold(data, threshold)
        component = np.asarray(data.component)
        observed = twinned_by_list(data.hkl, data.f2, data.sigmas, component)
        statistics = MergingStatistics(
            len(observed.f2), len(observed.f2), 0, None, r_sigma(observed.f2, observed.sigmas)
        )
        observed, about_raised = raised(observed, threshold)
        notes = (Note("HKLF 5 data are not merged", "default"), *about_weak, *about_raised)
        return observed, statistics, notes
    merged = merge_equivalents(crystal, data.hkl, data.f2, data.sigmas, friedel_mates=friedel_mates)
    if not len(merged.f2):
        raise ReflectionsError(f"all reflections of {data.description} are absent by symmetry")
    found: list[Note] = []
    statistics = merged.statistics
    if n := statistics.n_absent:
        found.append(Note(f"{n} systematically absent reflections are not used", "left out", n))
    separate = not all(keeps_equivalents(crystal, law) for law in laws)
    if separate:
        text = "a twin law makes equivalent reflections differ: the data are not merged"
        found.append(Note(text, "default"))
    elif not is_merged(said):
        data = select(data, ~crystal.is_absent(data.hkl) & data.hkl.any(axis=1))
        found.append(Note("equivalent reflections are not merged (MERG 0 or 1)", "file"))
    else:
        data = replace(data, hkl=merged.hkl, f2=merged.f2, sigmas=merged.sigmas)
    statistics = replace(statistics, n_unique=len(data))
    data, about_weak = above_threshold(data, threshold)
    observed = twinned_by_laws(crystal, data.hkl, data.f2, data.sigmas, laws)
    observed, about_raised = raised(observed, threshold)
    return observed, statistics, (*found, *about_weak, *observed.notes, *about_raised)
