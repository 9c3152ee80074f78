"""Predicted times, by which methods of summation are chosen.

Measured by `benchmarks/crossover.py` on a processor with vectors of 512 bits.
"""

import math

import numpy as np

from friedel.direct.rows import Rows
from friedel.direct.symmetry import Setting, setting_of
from friedel.kernels.simd import LANES
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

SECONDS_BY_DEFINITION = 30e-9
"""Of one atom at one reflection and operation."""
SECONDS_OF_TABLES = 1.5e-5
"""Of summing few atoms from tables of their own, however little there is to do."""
SECONDS_PER_TABLES = 6e-6
"""Of LANES atoms there, however small their tables."""
SECONDS_PER_VECTOR = 10e-9
"""Of LANES atoms at one reflection and operation, by tables."""
SECONDS_PER_TABLE_ENTRY = 3e-9
"""Of filling in LANES atoms there."""
SECONDS_OF_CALLS = 1.5e-4
"""Of summing along rows, however little there is to do."""
SECONDS_UPRIGHT = 0.12e-9
"""Of one upright atom at one point of a row."""
SECONDS_TILTED = 0.2e-9
"""Of one other atom at one point of a row."""
SECONDS_PER_ROW = 0.1e-9
"""Of one upright atom entering a row."""
SECONDS_PER_CROSSED_ROW = 1.7e-9
"""The same where beta12 is not zero."""
SECONDS_PER_TILTED_ROW = 12e-9
"""Of one other atom entering a row."""
SHARE_OF_REAL = 0.6
"""Time taken at a point, or at an h R by tables, by real parts alone."""
SECONDS_PER_KIND = 4.5e-9
"""Of one kind of atom at one reflection and operation, however few the atoms."""
SECONDS_PER_ENTRY = 7.8e-9
"""Of one atom's entry in a table of rows."""
SECONDS_OF_PLACES = 3e-5
"""Of planning sums by tables, however few the reflections."""
SECONDS_PER_PLACE_IN_TABLES = 15e-9
"""Of planning one reflection and operation there."""
SECONDS_OF_PLAN = 1.2e-4
"""Of planning rows, however few."""
SECONDS_PER_PLACE = 27e-9
"""Of planning one reflection and operation along rows."""
SECONDS_PER_PLANNED_ROW = 600e-9
"""Of planning one row."""


def by_definition(n_places: int, n_atoms: int) -> float:
    """Time of sums at so many h R as they are defined."""
    return SECONDS_BY_DEFINITION * n_places * n_atoms


def by_tables(setting: Setting, n_places: int, n_atoms: int, n_entries: int) -> float:
    """Time of sums of few atoms, with so many entries in the tables of each."""
    per_place = SECONDS_PER_VECTOR * (SHARE_OF_REAL if setting.real else 1.0)
    entries = SECONDS_PER_TABLES + SECONDS_PER_TABLE_ENTRY * n_entries
    per_vector = per_place * n_places + entries
    return SECONDS_OF_TABLES + per_vector * math.ceil(n_atoms / LANES)


def planning_tables(n_places: int) -> float:
    """Time in which places in tables are planned."""
    return SECONDS_OF_PLACES + SECONDS_PER_PLACE_IN_TABLES * n_places


def planning(n_places: int, n_rows: float) -> float:
    """Time in which rows are planned."""
    return SECONDS_OF_PLAN + SECONDS_PER_PLACE * n_places + SECONDS_PER_PLANNED_ROW * n_rows


def filling(n_atoms: int, n_entries: float) -> float:
    """Least time of sums along rows: that of tables with so many entries for each atom."""
    return SECONDS_OF_CALLS + SECONDS_PER_ENTRY * n_entries * n_atoms


def along_rows(
    setting: Setting, atoms: Atoms, n_places: int, n_points: float, n_rows: float, n_entries: float
) -> float:
    """Time of sums along rows with so many points, and so many entries in an atom's tables."""
    is_tilted = atoms.is_aniso if setting.upright else np.ones(len(atoms), bool)
    upright, tilted = (_in_vectors(atoms.kind[chosen]) for chosen in (~is_tilted, is_tilted))
    per_row = SECONDS_PER_CROSSED_ROW if setting.crossed else SECONDS_PER_ROW
    sums = upright * (SECONDS_UPRIGHT * n_points + per_row * n_rows)
    sums += tilted * (SECONDS_TILTED * n_points + SECONDS_PER_TILTED_ROW * n_rows)
    if setting.real:
        sums *= SHARE_OF_REAL
    kinds = SECONDS_PER_KIND * len(atoms.scatterers) * n_places
    return filling(upright + tilted, n_entries) + sums + kinds


def _in_vectors(kind: np.ndarray) -> int:
    """How many atoms these are when those of each kind fill whole vectors."""
    return int((-(-np.bincount(kind) // LANES) * LANES).sum())


def along(rows: Rows, setting: Setting, atoms: Atoms) -> float:
    """Time of sums along rows that are there."""
    n_rows, n_entries = len(rows.table) - 1, sum(rows.table_lengths)
    return along_rows(setting, atoms, rows.point.size, rows.n_points, n_rows, n_entries)


def predicted_seconds(
    crystal: Crystal, atoms: Atoms, n_reflections: int, planned: bool = False
) -> float:
    """Time that one thread will take for a call, and for its plan unless that is there.

    For the unique reflections in a sphere.
    """
    setting = setting_of(crystal)
    n_places = n_reflections * len(setting.operations.rotations)
    if not n_places:
        return 0.0
    # Half a sphere of radius 1/d holds them, of which centring has left out some
    volume = crystal.volume / len(setting.centring)
    d_min = (2.0 / 3.0 * math.pi * volume / n_places) ** (1 / 3)
    h, k, l = (crystal.cell[axis] / d_min for axis in setting.axes)
    n_points = n_places * setting.spacing / setting.stride
    # The mean chord of a sphere is two thirds of its diameter
    n_rows = n_points * setting.stride / (4.0 / 3.0 * max(l, 0.75))
    rows = along_rows(setting, atoms, n_places, n_points, n_rows, h + 2 * k + l)
    n_entries = int(2 * h * k + 2 * h * l + 4 * k * l)
    tables = by_tables(setting, n_places, len(atoms), n_entries)
    if not planned:
        rows += planning(n_places, n_rows)
        tables += planning_tables(n_places)
    return min(rows, tables, by_definition(n_places, len(atoms)))
