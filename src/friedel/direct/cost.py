"""Predicted times, by which methods of summation are chosen; they need not be exact."""

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.direct.setting import Setting, setting_of

SECONDS_BY_DEFINITION = 30e-9
"""Of one atom at one reflection and operation."""
SECONDS_BY_TABLES = 2.5e-9
"""The same where each atom has tables of its own."""
SECONDS_OF_TABLES = 2e-5
"""Of summing so, however little there is to do."""
SECONDS_UPRIGHT = 0.09e-9
"""Of one upright atom at one point of a row."""
SECONDS_TILTED = 0.27e-9
"""Of one other atom at one point of a row."""
SHARE_OF_REAL = 0.6
"""Time taken by real parts alone."""
SECONDS_PER_KIND = 5e-9
"""Of one kind of atom at one point of a row, however few the atoms."""
SECONDS_PER_ENTRY = 2e-9
"""Of one atom's entry in a table."""
SECONDS_PER_PLACE = 20e-9
"""Of planning one reflection and operation."""
SECONDS_OF_CALLS = 1e-4
"""Of planning rows, and of summing along them, however little there is to do."""


def seconds_along_rows(setting: Setting, atoms: Atoms, n_points: int) -> float:
    """Time of sums along rows with so many points, without tables and plan."""
    n_tilted = np.count_nonzero(atoms.is_aniso) if setting.upright else len(atoms)
    per_point = SECONDS_UPRIGHT * (len(atoms) - n_tilted) + SECONDS_TILTED * n_tilted
    if setting.real:
        per_point *= SHARE_OF_REAL
    return n_points * (per_point + SECONDS_PER_KIND * len(atoms.scatterers))


def plan_seconds(n_places: int) -> float:
    """Time in which rows are planned for so many h R."""
    return SECONDS_OF_CALLS + SECONDS_PER_PLACE * n_places


def predicted_along_rows(setting: Setting, atoms: Atoms, n_places: int, planned: bool) -> float:
    """Time of sums along rows that hold little else than so many h R, without tables."""
    n_points = n_places * setting.spacing // setting.stride
    seconds = SECONDS_OF_CALLS + seconds_along_rows(setting, atoms, n_points)
    return seconds if planned else seconds + plan_seconds(n_places)


def predicted_seconds(
    crystal: Crystal, atoms: Atoms, n_reflections: int, planned: bool = False
) -> float:
    """Time that one thread will take for a call, and for its plan unless that is there."""
    setting = setting_of(crystal)
    n_places = n_reflections * len(setting.operations.rotations)
    n_terms = n_places * len(atoms)
    return min(
        predicted_along_rows(setting, atoms, n_places, planned),
        SECONDS_OF_TABLES + SECONDS_BY_TABLES * n_terms,
        SECONDS_BY_DEFINITION * n_terms,
    )
