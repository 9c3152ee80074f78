"""Mixtures of scatterers on one site: weights and entries of a table, such as ``0.6H+0.4D``."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from friedel.errors import ParameterError
from friedel.model.elements import scatterer_label
from friedel.scattering.formfactors.gaussians import GaussianSum

Mixture = tuple[tuple[float, str], ...]
"""Pairs of a weight and the label of an entry."""

_NUMBER = r"(?:\d*\.\d+|\d+\.|\d+(?=\s*\*))"
_ENTRY = r"\d{0,3}[A-Za-z]{1,2}?(?:val|iso)?(?:\d*[+-]|[+-]\d+)?"
_TERM = re.compile(rf"\s*({_NUMBER})\s*\*?\s*({_ENTRY})\s*(\+|$)")

COMPLETE = 1e-3
"""Deviation from 1 up to which the sum of the weights counts as 1: weights have few digits."""


def as_mixture(given: str | Mapping[str, float]) -> Mixture | None:
    """The mixture that a text or mapping describes; None for the label of one entry.

    Parameters
    ----------
    given
        ``"0.6H+0.4D"``, ``"0.95*6Li+0.05*7Li"`` or ``{"H": 0.6, "D": 0.4}``. A weight has a
        decimal point or is followed by ``*``, which isotopes need: ``6Li`` is one entry.

    Raises
    ------
    ParameterError
        When a weight is not a positive number, or a text with weights is not a mixture.
    ElementError
        When a component is not the label of a scatterer.
    """
    terms: list[tuple[Any, str]]
    if isinstance(given, Mapping):
        terms = [(weight, entry) for entry, weight in given.items()]
    elif re.search(r"\*|\d*\.\d*", given) is None:
        return None
    else:
        terms = list(_terms(given))
    found = []
    for weight, entry in terms:
        try:
            number = float(weight)
        except (TypeError, ValueError):
            number = np.nan
        if not (np.isfinite(number) and number > 0):
            raise ParameterError(
                f"got the weight {weight!r} of {entry} in the mixture {given!r}, expected a "
                "positive number"
            )
        found.append((number, scatterer_label(str(entry))))
    if not found:
        raise ParameterError(f"got the mixture {given!r}, expected at least one component")
    return tuple(found)


def _terms(text: str) -> Iterator[tuple[str, str]]:
    start, joint = 0, "+"
    while joint:
        match = _TERM.match(text, start)
        if match is None:
            raise ParameterError(
                f"got the mixture {text!r}, expected weights and entries such as 0.6H+0.4D "
                "or 0.95*6Li+0.05*7Li"
            )
        weight, entry, joint = match.groups()
        yield weight, entry
        start = match.end()


def text_of(mixture: Mixture) -> str:
    """The mixture as text, such as ``"0.6 H + 0.4 D"``."""
    return " + ".join(f"{weight:g} {entry}" for weight, entry in mixture)


def weighted_sum(sums: list[GaussianSum], weights: list[float]) -> GaussianSum:
    """The Gaussian sum of a mixture."""
    a = [w * x for w, s in zip(weights, sums, strict=True) for x in s.a]
    return GaussianSum(tuple(a), tuple(x for s in sums for x in s.b))
