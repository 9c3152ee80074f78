"""R-factors of models that have nothing to do with their data."""

import math

import numpy as np

from friedel.notes import Note

OF_ACENTRIC, OF_CENTRIC = 2.0 - math.sqrt(2.0), 2.0 * (math.sqrt(2.0) - 1.0)
"""R-factor of atoms at random places, 0.59 and 0.83: mean differences of amplitudes that have
independent distributions of the same width, over their mean [Wilson1950]."""

NEAR = 0.85
"""Part of this R-factor above which there is a note: a fitted scale lowers it."""


def r_of_random_atoms(centric: np.ndarray) -> float:
    """R-factor expected of atoms at random places, for reflections of which (n,) are centric."""
    return float(np.where(centric, OF_CENTRIC, OF_ACENTRIC).mean()) if len(centric) else math.nan


def about_r_factor(name: str, r: float, centric: np.ndarray) -> tuple[Note, ...]:
    """A warning if an R-factor is near that of atoms at random places.

    Parameters
    ----------
    name, r
        Name and value of the R-factor.
    centric
        (n,) bool: which of its reflections are centric.
    """
    expected = r_of_random_atoms(centric)
    if not r > NEAR * expected:
        return ()
    text = (
        f"{name} {r:.3f} is near that of atoms at random places, {expected:.2f}: do model and data "
        "belong together, with the same cell, origin and indices?"
    )
    return (Note(text, "warning", r),)
