"""Predicted times, by which methods of summation are chosen; they need not be exact."""

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.direct.setting import Setting, setting_of

SECONDS_BY_DEFINITION = 30e-9
"""Of one atom at one reflection and operation."""
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
"""Of planning, and of summing along rows, however little there is to do."""


def seconds_along_rows(setting: Setting, atoms: Atoms, n_points: int) -> float:
    """Time of sums along rows with so many points, without tables and plan."""
    n_tilted = np.count_nonzero(atoms.is_aniso) if setting.upright else len(atoms)
    per_point = SECONDS_UPRIGHT * (len(atoms) - n_tilted) + SECONDS_TILTED * n_tilted
    if setting.real:
        per_point *= SHARE_OF_REAL
    return n_points * (per_point + SECONDS_PER_KIND * len(atoms.scatterers))


def predicted_seconds(
    crystal: Crystal, atoms: Atoms, n_reflections: int, planned: bool = False
) -> float:
    """Time that one thread will take for a call, and for its plan unless that is there."""
    setting = setting_of(crystal)
    n_places = n_reflections * len(setting.operations.rotations)
    n_points = n_places * setting.spacing // setting.stride
    along_rows = SECONDS_OF_CALLS + seconds_along_rows(setting, atoms, n_points)
    if not planned:
        along_rows += SECONDS_OF_CALLS + SECONDS_PER_PLACE * n_places
    return min(along_rows, SECONDS_BY_DEFINITION * n_places * len(atoms))
