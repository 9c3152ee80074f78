"""Choices for the options of :class:`friedel.FModel`, and checks of their combinations."""

from collections.abc import Collection
from typing import Any

from friedel.errors import ParameterError
from friedel.runtime.limits import check_time, longest_for
from friedel.scaling.targets import TARGETS
from friedel.scattering.formfactors import SOURCES

UNMASKED = ("babinet", "none")
"""Solvents that need no mask."""

TIME_OF_REFLECTION = 1.5e-5
"""Rough time (s) per reflection of a fit and its statistics."""

CHOICES: dict[str, Collection[str]] = {
    "source": SOURCES,
    "solvent": ("auto", "smooth", "flat", *UNMASKED),
    "target": TARGETS,
    "weights": ("none", "sigma"),
}

AUTOMATIC: dict[str, bool | str | None] = {"none": None, "auto": "auto", "yes": True}
"""Words for the options `hydrogens` and `missing_density`, and their values in Python."""


def check_choices(**chosen: str) -> None:
    """Raise ParameterError for values that are not among :data:`CHOICES`."""
    for name, value in chosen.items():
        if value not in CHOICES[name]:
            known = ", ".join(CHOICES[name])
            raise ParameterError(f"unknown {name} {value!r}: expected one of {known}")


def check_mask_options(solvent: str, solvent_mask: Any, **asked: bool) -> None:
    """Raise ParameterError for options of the model's mask where no such mask is calculated."""
    for name in (name for name, is_asked in asked.items() if is_asked):
        if solvent in UNMASKED:
            raise ParameterError(f"{name} needs a mask: solvent {solvent!r} has none")
        if solvent_mask is not None:
            raise ParameterError(f"{name} needs a mask of the model, but a mask is given")


def none_auto_or_true(given: bool | str | None, wrong: str) -> bool | str | None:
    """An option as None, ``"auto"`` or True.

    Raises
    ------
    ParameterError
        With the message `wrong`, when the option is none of None, False, True and the words of
        :data:`AUTOMATIC`.
    """
    if given is None or isinstance(given, bool):
        return given or None
    if given not in AUTOMATIC:
        raise ParameterError(wrong)
    return AUTOMATIC[given]


def check_time_of_fit(n_atoms: int, n_reflections: int, *, force: bool) -> None:
    """Raise TimeLimitError for a fit of so many reflections that few atoms hardly have them."""
    what = f"a fit of {n_atoms} atoms to {n_reflections} reflections"
    seconds = TIME_OF_REFLECTION * n_reflections
    check_time(seconds, what, force=force, longest=longest_for(n_atoms))
