"""Further domains of a twin: overlapping reflections and their structure factors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from friedel.errors import ParameterError, SymmetryError
from friedel.fmodel.flat_solvent_fits import best_fit
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.notes import Note, Notes
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit

FIRST_FRACTION = 0.2
"""Starting value of a twin fraction in the fit; with more than four laws all domains are equal."""

TwinArrays = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""F_calc, F_mask and F_layer of twin mates; the latter two are None without solvent or layer."""

TwinLaws = tuple[TwinLaw, ...]
"""Laws of one twin, one for each domain besides the first."""


@dataclass(frozen=True, eq=False)
class TwinDomain:
    """Structure factors of a further domain at reflections that overlap with the first's.

    Parameters
    ----------
    law
        Twin law.
    arrays
        Structure factors of the mates of all reflections; zero for reflections without mate.
    notes
        Warnings about the law.
    """

    law: TwinLaw
    arrays: TwinArrays
    notes: tuple[Note, ...] = ()

    def f_total(self, crystal: Crystal, hkl: np.ndarray, scales: ScaleParameters) -> np.ndarray:
        """(n,) complex F_total of the domain, with the scales at the reflections `hkl` (n, 3)."""
        f_calc, f_mask, f_layer = self.arrays
        return scales.f_total(crystal, hkl, f_calc, f_mask, f_layer if scales.k_layer else None)


def arrays_of(domains: Sequence[TwinDomain], chosen: np.ndarray) -> TwinArrays:
    """F_calc, F_mask and F_layer (k, n) of k domains at some reflections; None as in the first."""
    c, m, y = (
        None if parts[0] is None else np.array([values[chosen] for values in parts])
        for parts in zip(*(domain.arrays for domain in domains), strict=True)
    )
    assert c is not None
    return c, m, y


def twinned_amplitudes(
    f_first: np.ndarray, f_others: Iterable[np.ndarray], fractions: Sequence[float]
) -> np.ndarray:
    """(n,) amplitudes of a twin: square roots of the weighted mean intensity of all domains.

    Parameters
    ----------
    f_first
        (n,) structure factors of the first domain.
    f_others
        (n,) those of each further domain, zero for reflections without a mate.
    fractions
        Fractions of the further domains.
    """
    square = max(1.0 - sum(fractions), 0.0) * np.abs(f_first) ** 2
    for fraction, f_other in zip(fractions, f_others, strict=True):
        square += fraction * np.abs(f_other) ** 2
    return np.sqrt(square)


def laws_to_try(
    crystal: Crystal, twin: str | Sequence[str] | None, notes: Notes
) -> tuple[tuple[TwinLaws, ...], bool]:
    """Sets of laws to choose from, for the option `twin` of :class:`friedel.FModel`.

    With them comes whether the data decide if one is taken at all. What cannot be tried is added to
    `notes`.

    Raises
    ------
    ParameterError
        When one of several laws is ``"auto"`` or ``"none"``, or two relate the same domains.
    """
    wanted = (twin,) if isinstance(twin, str) else tuple(twin or ())
    if wanted in ((), ("none",)):
        return (), False
    if wanted == ("auto",):
        return _laws_of_lattice(crystal, notes), True
    from friedel.readers.twin_laws import find_twin_laws  # only this needs gemmi

    for word in ("auto", "none"):
        if word in wanted:
            raise ParameterError(f"got {word!r} among several twin laws, expected one per domain")
    laws = tuple(law for name in wanted for law in find_twin_laws(crystal, name).values())
    for one, other in combinations(laws, 2):
        if one.relates_same_domains(other, crystal):
            raise ParameterError(
                f"the twin laws {one.name!r} and {other.name!r} relate the same domains: their "
                "fractions cannot be told apart"
            )
    return (laws,), False


def _laws_of_lattice(crystal: Crystal, notes: Notes) -> tuple[TwinLaws, ...]:
    """One set for each law; none where the lattice or a missing package does not allow any."""
    try:
        from friedel.readers.twin_laws import find_twin_laws
    except ImportError:
        notes.add("twin laws are not tried: their search needs the package gemmi", "left out")
        return ()
    try:
        return tuple((law,) for law in find_twin_laws(crystal).values())
    except SymmetryError:
        return ()


def best_twin(
    data: ScalingData,
    untwinned: ScalingFit,
    twins: Iterable[tuple[TwinDomain, ...]],
    chosen: np.ndarray,
    options: dict[str, Any],
) -> tuple[tuple[TwinDomain, ...], ScalingData, ScalingFit]:
    """The domains with which a flat solvent fits best, the data with them, and the fit.

    Parameters
    ----------
    data, untwinned
        Reflections to fit to, and the fit to them without twinning.
    twins
        The further domains of each possible twin, at least one twin.
    chosen
        (m,) bool: which reflections of the domains are those of `data`.
    options
        Options of :func:`friedel.scaling.fit`.
    """
    start = untwinned.parameters
    are_fixed = {"twin_fraction", "twin_fractions"} & set(options["fixed"])
    found = []
    for domains in twins:
        twinned = replace(data, twin=arrays_of(domains, chosen))
        if not are_fixed:
            k = len(domains)
            start = replace(start, twin_fractions=(min(FIRST_FRACTION, 1.0 / (k + 1)),) * k)
        found.append((domains, twinned, best_fit(twinned, [start], options)))
    return min(found, key=lambda one: one[2].value)
