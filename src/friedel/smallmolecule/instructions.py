"""SHELX instructions on the data, applied as SHELXL does [Sheldrick2015]: OMIT, MERG, TWIN, ..."""

from dataclasses import dataclass, replace

import numpy as np

from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.reflection_lists import ReflectionList
from friedel.readers.shelx_file import ShelxFile
from friedel.reflections.merging import representatives
from friedel.smallmolecule.twinning import Observations, parse_twin_law

DEFAULT_THRESHOLD = -2.0
"""s of OMIT s 2theta by default: F^2 below s sigma(F^2) / 2 counts as that value."""

WHOLE_CIRCLE = 180.0
"""2 theta (degrees) that limits nothing."""

EDGE = 1e-9
"""Relative rounding of a d-spacing at a limit of resolution."""


def without_omitted(
    crystal: Crystal,
    data: ReflectionList,
    said: ShelxFile,
    wavelength: float | None,
    *,
    friedel_mates: bool,
) -> tuple[ReflectionList, tuple[Note, ...]]:
    """The list without what OMIT and SHEL leave out, and notes on it.

    OMIT h k l leaves out the equivalents as well, if reflections are merged.
    """
    left_out = np.zeros(len(data), bool)
    notes = []

    def leave_out(chosen: np.ndarray, text: str) -> None:
        n = int((chosen & ~left_out).sum())
        left_out[chosen] = True
        if n:
            notes.append(Note(f"{text}: {n} lines of the list are left out", "left out", n))

    d = crystal.d_spacing(data.hkl)
    two_theta = said.omit_two_theta
    if two_theta is not None and 0 < two_theta < WHOLE_CIRCLE:
        if wavelength is None:
            notes.append(Note("OMIT s 2theta is not applied: no wavelength is known", "warning"))
        else:
            d_min = wavelength / (2.0 * np.sin(np.radians(two_theta / 2.0)))
            leave_out(d < d_min * (1.0 - EDGE), f"OMIT 2 theta > {two_theta:g} (d < {d_min:.4f} A)")
    elif two_theta is not None and two_theta < 0:
        notes.append(Note(f"OMIT with 2 theta {two_theta:g} is not understood", "warning"))
    if said.shel is not None:
        high, low = min(said.shel), max(said.shel)
        outside = (d < high * (1.0 - EDGE)) | (d > low * (1.0 + EDGE))
        leave_out(outside, f"SHEL {low:g} - {high:g} A")
    if said.omit_hkl:
        omitted = np.array(said.omit_hkl, np.int32)
        if is_merged(said) and data.component is None:
            keys = [representatives(crystal, hkl, friedel_mates) for hkl in (data.hkl, omitted)]
        else:
            keys = [data.hkl, omitted]
        found = (keys[0][:, None, :] == keys[1][None, :, :]).all(axis=2).any(axis=1)
        leave_out(found, f"OMIT h k l ({len(omitted)} reflections)")
    return select(data, ~left_out), tuple(notes)


def select(data: ReflectionList, kept: np.ndarray) -> ReflectionList:
    """Some lines of a list; of HKLF 5 data all lines of a reflection, or none, as its last one."""
    if data.component is not None:
        last = data.component > 0
        owner = np.concatenate([[0], np.cumsum(last)[:-1]])
        kept = kept[last][owner]
    return replace(
        data,
        hkl=data.hkl[kept],
        f2=data.f2[kept],
        sigmas=data.sigmas[kept],
        component=None if data.component is None else data.component[kept],
    )


def threshold_of(said: ShelxFile | None) -> float:
    """S of OMIT s 2theta."""
    stated = None if said is None else said.omit_threshold
    return DEFAULT_THRESHOLD if stated is None else stated


def above_threshold(
    data: ReflectionList, threshold: float
) -> tuple[ReflectionList, tuple[Note, ...]]:
    """The reflections that an s of OMIT, zero or positive, leaves: F^2 >= s sigma / 2."""
    if threshold < 0:
        return data, ()
    kept = data.f2 >= 0.5 * threshold * data.sigmas
    n = int((~kept).sum())
    if not n:
        return data, ()
    text = f"OMIT {threshold:g}: {n} reflections with F^2 < {0.5 * threshold:g} sigma are left out"
    return select(data, kept), (Note(text, "left out", n),)


def raised(observed: Observations, threshold: float) -> tuple[Observations, tuple[Note, ...]]:
    """Observations whose F^2 below s sigma / 2, s negative, are replaced by that value."""
    if threshold >= 0:
        return observed, ()
    limit = 0.5 * threshold * observed.sigmas
    n = int((observed.f2 < limit).sum())
    if not n:
        return observed, ()
    text = (
        f"F^2 below {0.5 * threshold:g} sigma ({n} reflections) counts as that value, "
        "as in SHELXL (OMIT)"
    )
    return replace(observed, f2=np.maximum(observed.f2, limit)), (Note(text, "default", n),)


def is_merged(said: ShelxFile | None) -> bool:
    """Whether equivalent reflections are merged: MERG 0 and 1 do not."""
    return said is None or said.merg is None or abs(said.merg) >= 2


def merges_friedel_mates(said: ShelxFile | None) -> bool:
    """Whether F^2(h) is merged with F^2(-h): MERG 3 and 4."""
    return said is not None and said.merg is not None and abs(said.merg) >= 3


def leaves_out_f_double_prime(said: ShelxFile | None) -> bool:
    """Whether f'' is taken as zero: MERG 4."""
    return said is not None and said.merg is not None and abs(said.merg) == 4


@dataclass(frozen=True, eq=False)
class Twinning:
    """Laws of the further domains (3, 3), and whether all fractions are held equal."""

    laws: tuple[np.ndarray, ...] = ()
    equal: bool = False
    notes: tuple[Note, ...] = ()


def twinning_of(said: ShelxFile) -> Twinning:
    """The domains of TWIN: powers of its matrix, and for negative n their inversions too.

    Without BASF all fractions are equal.
    """
    if said.twin is None:
        return Twinning()
    numbers, n = said.twin
    matrix = parse_twin_law(numbers)
    rotations = [np.linalg.matrix_power(matrix, i) for i in range(abs(n) // (1 if n > 0 else 2))]
    domains = rotations if n > 0 else [*rotations, *(-r for r in rotations)]
    fractions = ", ".join(f"{x:g}" for x in said.basf)
    how = f"fractions are refined; BASF {fractions}" if fractions else "fractions are equal"
    text = f"TWIN: {len(domains)} twin domains, whose {how}"
    return Twinning(tuple(domains[1:]), not said.basf, (Note(text, "file", len(domains)),))
