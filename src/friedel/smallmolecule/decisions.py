"""What a fit to F^2 uses: decided from options, the files of model and data, and defaults."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from friedel.constants import HC
from friedel.errors import ParameterError
from friedel.notes import Note
from friedel.readers.reflection_lists import ReflectionList, read_reflection_list
from friedel.readers.shelx_file import ShelxFile
from friedel.readers.stated_refinement import StatedRefinement
from friedel.readers.weighting_schemes import shortened
from friedel.smallmolecule.instructions import Twinning, twinning_of
from friedel.smallmolecule.intensities import DISTINCT
from friedel.smallmolecule.twinning import TwinLaw, parse_twin_law
from friedel.structure_factors.dispersion_options import energy_of

DEFAULT_WEIGHTS = (0.0, 0.0)
"""SHELX weighting parameters a and b by default: weights 1 / sigma^2."""

SHELXL_WEIGHTS = (0.1, 0.0)
"""a and b of SHELXL for instructions without WGHT."""


def data_and_instructions(
    of_model: tuple[ShelxFile | None, tuple[Note, ...]],
    shelx: ShelxFile | None,
    data: Any,
    hklf: int | None,
    wanted: bool,
) -> tuple[ReflectionList, ShelxFile | None, tuple[Note, ...]]:
    """The list, the instructions that belong to it, and notes.

    Instructions in the file of the data take precedence over those of the model.
    """
    said, notes = of_model
    if not isinstance(data, ReflectionList):
        data = read_reflection_list(data, hklf, None if said is None else said.hklf)
    if data.instructions is not None and wanted:
        said, notes = data.instructions, ()
    if said is not None and said is not shelx:
        notes += said.notes
    return data, said, (*notes, *data.notes)


def completed(
    stated: StatedRefinement, said: ShelxFile | None
) -> tuple[StatedRefinement, tuple[Note, ...]]:
    """The stated refinement, with what only the instructions in a CIF state, and a note of it."""
    if said is None:
        return stated, ()
    known = {
        "wavelength": (said.wavelength, "the wavelength (CELL)"),
        "extinction": (said.extinction, "EXTI"),
        "weights": (said.weights and shortened(said.weights), "WGHT"),
    }
    taken = {
        name: (value, what)
        for name, (value, what) in known.items()
        if value is not None and getattr(stated, name) is None
    }
    if not taken:
        return stated, ()
    stated = replace(stated, **{name: value for name, (value, _) in taken.items()})  # type: ignore[arg-type]
    text = f"{', '.join(what for _, what in taken.values())}: from {said.name}"
    return stated, (Note(text, "file", len(taken)),)


def laws_given(
    twin: str | Sequence[TwinLaw] | None, options: dict[str, Any]
) -> Sequence[TwinLaw] | None:
    """The twin laws given, None for those of the file; `twin_laws` of 0.1.0 is taken from options.

    Raises
    ------
    ParameterError
        When one of several laws is ``"auto"`` or ``"none"``.
    """
    if "twin_laws" in options:
        warnings.warn("twin_laws is called twin now", DeprecationWarning, stacklevel=3)
        before = options.pop("twin_laws")
        return None if before is None else tuple(before)
    laws = (twin,) if isinstance(twin, str) else tuple(() if twin is None else twin)
    texts = [law for law in laws if isinstance(law, str)]
    if texts == ["auto"] and len(laws) == 1:
        return None
    if texts == ["none"] and len(laws) == 1:
        return ()
    for word in ("auto", "none"):
        if word in texts:
            raise ParameterError(f"got {word!r} among several twin laws, expected one per domain")
    return laws


def known_wavelength(
    given: float | str | None, energy: float | None, stated: float | None
) -> float | None:
    """The wavelength (Å) that was given, directly or as an energy, or else that of the file.

    Raises
    ------
    ParameterError
        When both are given, or ``"file"`` and the file states none.
    """
    if given == "file" and energy is None:
        if stated is None:
            raise ParameterError("the file states no wavelength: give it as a number")
        return stated
    if isinstance(given, str):
        raise ParameterError(f"got wavelength {given!r}, expected a number or 'file'")
    if given is None and energy is None:
        return stated
    return given if energy is None else HC / (energy_of(given, energy) or energy)


def twinning_wanted(
    wanted: Sequence[TwinLaw] | None, said: ShelxFile | None, data: ReflectionList
) -> Twinning:
    """The twin domains: by the laws given, or else by TWIN of the instructions."""
    if wanted is not None:
        return Twinning(tuple(parse_twin_law(law) for law in wanted))
    if said is None or data.component is not None:
        return Twinning()
    found = twinning_of(said)
    # lists of SHELXL may have been corrected for twinning: the fit will tell
    return replace(found, equal=False) if data.corrected else found


def mixture_of_domains(
    domains: np.ndarray, twinning: Twinning, *, by_file: bool
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Matrix from the intensities of the domains to those with refined fractions, and a note.

    With equal fractions it gives their mean. Domains of TWIN that have the intensities of an
    earlier one, as inverted centrosymmetric structures, are left out.
    """
    n = len(domains)
    if twinning.equal:
        return np.full((1, n), 1.0 / n), ()
    if not (by_file and twinning.laws):
        return np.eye(n), ()
    kept: list[int] = []
    for i, values in enumerate(domains):
        limit = DISTINCT * np.linalg.norm(values)
        if all(np.linalg.norm(values - domains[j]) > limit for j in kept):
            kept.append(i)
    if n > len(kept):
        text = f"{n - len(kept)} twin domains of TWIN have the same intensities as others: "
        return np.eye(n)[kept], (Note(f"{text}not refined", "left out", n - len(kept)),)
    return np.eye(n), ()


def extinction_wanted(
    wanted: bool | float | None, stated: StatedRefinement, corrected: bool
) -> tuple[bool, float]:
    """Whether x is refined, and the value at which it is held if not."""
    if wanted is None:
        return stated.extinction is not None and not corrected, 0.0
    if isinstance(wanted, bool):
        return wanted, 0.0
    if not (np.isfinite(wanted) and wanted >= 0):
        raise ParameterError(f"got extinction {wanted!r}, expected a number that is not negative")
    return False, float(wanted)


def weights_wanted(
    wanted: Sequence[float] | None, stated: StatedRefinement, said: ShelxFile | None
) -> tuple[tuple[float, ...], tuple[Note, ...]]:
    """Parameters of WGHT, and a note where nothing known states them."""
    notes: tuple[Note, ...] = ()
    chosen = wanted or stated.weights
    if chosen is None and said is not None and said.cell is not None:
        chosen = SHELXL_WEIGHTS
        notes = (Note("no WGHT is given: a is 0.1, as SHELXL takes it then", "default"),)
    if chosen is None:
        text = (
            "no weights are stated: they are 1/sigma^2, and wR2 and GooF say little; "
            'weights="fit" (--weights fit) fits them'
        )
        if stated.weighting:
            scheme = " ".join(stated.weighting.split())
            text = f"the weighting scheme {scheme[:80]!r} is not understood: 1/sigma^2 is used"
        notes = (Note(text, "guess", give="give weights a and b, or fit them"),)
        chosen = DEFAULT_WEIGHTS
    values = tuple(float(x) for x in chosen)
    positive = values[:2] if len(values) == 6 else values
    if len(values) not in (2, 6) or not (np.isfinite(values).all() and min(positive) >= 0):
        text = f"got weights {', '.join(repr(x) for x in values)}"
        raise ParameterError(f"{text}, expected a, b >= 0, or a, b, c, d, e, f of WGHT")
    return values, notes
