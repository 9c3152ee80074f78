"""The other domain of a twin: overlapping reflections and their structure factors."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from friedel.fmodel.flat_solvent_fits import best_fit
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.notes import Note
from friedel.scaling import ScaleParameters, ScalingData, ScalingFit

FIRST_FRACTION = 0.2
"""Starting value of a twin fraction in the fit."""

TwinArrays = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""F_calc, F_mask and F_layer of twin mates; the latter two are None without solvent or layer."""


@dataclass(frozen=True, eq=False)
class TwinDomain:
    """Structure factors of the other domain at reflections that overlap with the first's.

    Parameters
    ----------
    law
        Twin law, such as ``"-h,-k,l"``.
    arrays
        Structure factors of the mates of all reflections; zero for reflections without mate.
    notes
        Warnings about the law.
    """

    law: str
    arrays: TwinArrays
    notes: tuple[Note, ...] = ()

    def select(self, chosen: np.ndarray) -> TwinArrays:
        """Structure factors of some reflections."""
        c, m, y = self.arrays
        return c[chosen], None if m is None else m[chosen], None if y is None else y[chosen]

    def amplitudes(
        self, f_model: np.ndarray, crystal: Crystal, hkl: np.ndarray, scales: ScaleParameters
    ) -> np.ndarray:
        """(n,) amplitudes of the twin: square roots of the mean intensity of both domains.

        Parameters
        ----------
        f_model
            (n,) F_model of the first domain, on the scale of F_obs.
        hkl
            (n, 3) reflections of the first domain.
        """
        f_calc, f_mask, f_layer = self.arrays
        other = scales.f_total(crystal, hkl, f_calc, f_mask, f_layer if scales.k_layer else None)
        fraction = scales.twin_fraction
        return np.sqrt((1.0 - fraction) * np.abs(f_model) ** 2 + fraction * np.abs(other) ** 2)


def laws_to_try(crystal: Crystal, twin: str | None) -> dict[str, TwinLaw]:
    """Laws by name for the option `twin` of :class:`friedel.FModel`; none for None."""
    if twin is None:
        return {}
    from friedel.readers.twin_laws import find_twin_laws  # only this needs gemmi

    return find_twin_laws(crystal, twin)


def best_twin(
    data: ScalingData,
    untwinned: ScalingFit,
    domains: Iterable[TwinDomain],
    chosen: np.ndarray,
    options: dict[str, Any],
) -> tuple[TwinDomain, ScalingData, ScalingFit]:
    """The domain with which a flat solvent fits best, the data with it, and the fit.

    Parameters
    ----------
    data, untwinned
        Reflections to fit to, and the fit to them without twinning.
    domains
        One domain for each law, at least one.
    chosen
        (m,) bool: which reflections of the domains are those of `data`.
    options
        Options of :func:`friedel.scaling.fit`.
    """
    start = untwinned.parameters
    if "twin_fraction" not in options["fixed"]:
        start = replace(start, twin_fraction=FIRST_FRACTION)
    found = []
    for domain in domains:
        twinned = replace(data, twin=domain.select(chosen))
        found.append((domain, twinned, best_fit(twinned, [start], options)))
    return min(found, key=lambda one: one[2].value)
