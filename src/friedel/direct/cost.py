"""Predicted times, by which methods of summation are chosen.

`n_terms` is the number of (reflection, operation) pairs. The constants are
those of a processor with vectors of 512 bits; `benchmarks/cost_constants.py` measures them.
"""

import math

import numpy as np

from friedel.direct.rows import Rows
from friedel.direct.symmetry import Setting, setting_of
from friedel.kernels.simd import LANES
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

SECONDS_BY_DEFINITION = 30e-9
"""Time per atom, reflection and operation of sums by the definition (s)."""
SECONDS_OF_TABLES = 1.5e-5
"""Fixed time of a sum from tables of each atom (s)."""
SECONDS_PER_TABLES = 6e-6
"""Fixed time per LANES atoms of a sum from tables (s)."""
SECONDS_PER_VECTOR = 10e-9
"""Time per LANES atoms, reflection and operation of a sum from tables (s)."""
SECONDS_PER_TABLE_ENTRY = 3e-9
"""Time per entry in the tables of LANES atoms (s)."""
SECONDS_OF_CALLS = 1.5e-4
"""Fixed time of a sum along rows (s)."""
SECONDS_SEPARABLE = 0.12e-9
"""Time per separable atom and point of a row (s)."""
SECONDS_COUPLED = 0.2e-9
"""Time per atom that is not separable along l and point of a row (s)."""
SECONDS_PER_ROW = 0.1e-9
"""Fixed time per separable atom and row (s)."""
SECONDS_PER_CROSSED_ROW = 1.7e-9
"""Fixed time per separable atom and row where beta12 is not zero (s)."""
SECONDS_PER_COUPLED_ROW = 12e-9
"""Fixed time per coupled atom and row (s)."""
SHARE_OF_REAL = 0.6
"""Time of real sums relative to that of complex sums, per point or per term."""
SECONDS_PER_KIND = 4.5e-9
"""Time per kind of atom, reflection and operation, for form factors and symmetry (s)."""
SECONDS_PER_ENTRY = 7.8e-9
"""Time per entry in an atom's tables for rows (s)."""
SECONDS_OF_TABLE_PLAN = 3e-5
"""Fixed time of planning sums from tables (s)."""
SECONDS_PER_TERM_OF_TABLE_PLAN = 15e-9
"""Time per reflection and operation of planning sums from tables (s)."""
SECONDS_OF_PLAN = 1.2e-4
"""Fixed time of planning sums along rows (s)."""
SECONDS_PER_PLANNED_TERM = 27e-9
"""Time per reflection and operation of planning sums along rows (s)."""
SECONDS_PER_PLANNED_ROW = 600e-9
"""Time per row of planning sums along rows (s)."""


def by_definition(n_terms: int, n_atoms: int) -> float:
    """Time of sums by the definition (s)."""
    return SECONDS_BY_DEFINITION * n_terms * n_atoms


def by_tables(setting: Setting, n_terms: int, n_atoms: int, n_entries: int) -> float:
    """Time of sums from tables with `n_entries` entries for each atom (s)."""
    per_term = SECONDS_PER_VECTOR * (SHARE_OF_REAL if setting.real else 1.0)
    entries = SECONDS_PER_TABLES + SECONDS_PER_TABLE_ENTRY * n_entries
    per_vector = per_term * n_terms + entries
    return SECONDS_OF_TABLES + per_vector * math.ceil(n_atoms / LANES)


def planning_tables(n_terms: int) -> float:
    """Time of planning sums from tables (s)."""
    return SECONDS_OF_TABLE_PLAN + SECONDS_PER_TERM_OF_TABLE_PLAN * n_terms


def planning(n_terms: int, n_rows: float) -> float:
    """Time of planning sums along rows (s)."""
    return SECONDS_OF_PLAN + SECONDS_PER_PLANNED_TERM * n_terms + SECONDS_PER_PLANNED_ROW * n_rows


def filling(n_atoms: int, n_entries: float) -> float:
    """Least time of sums along rows, with `n_entries` table entries for each atom (s)."""
    return SECONDS_OF_CALLS + SECONDS_PER_ENTRY * n_entries * n_atoms


def along_rows(
    setting: Setting, atoms: Atoms, n_terms: int, n_points: float, n_rows: float, n_entries: float
) -> float:
    """Time of sums along rows, with `n_entries` entries in each atom's tables (s)."""
    is_coupled = atoms.is_aniso if setting.separable else np.ones(len(atoms), bool)
    separable, coupled = (_in_vectors(atoms.kind[chosen]) for chosen in (~is_coupled, is_coupled))
    per_row = SECONDS_PER_CROSSED_ROW if setting.crossed else SECONDS_PER_ROW
    sums = separable * (SECONDS_SEPARABLE * n_points + per_row * n_rows)
    sums += coupled * (SECONDS_COUPLED * n_points + SECONDS_PER_COUPLED_ROW * n_rows)
    if setting.real:
        sums *= SHARE_OF_REAL
    kinds = SECONDS_PER_KIND * len(atoms.scatterers) * n_terms
    return filling(separable + coupled, n_entries) + sums + kinds


def _in_vectors(kind: np.ndarray) -> int:
    """The number of atoms when each kind is padded to whole vectors."""
    return int((-(-np.bincount(kind) // LANES) * LANES).sum())


def along(rows: Rows, setting: Setting, atoms: Atoms) -> float:
    """Time of sums along rows that have been planned (s)."""
    n_rows, n_entries = len(rows.table) - 1, sum(rows.table_lengths)
    return along_rows(setting, atoms, rows.point.size, rows.n_points, n_rows, n_entries)


def predicted_seconds(
    crystal: Crystal, atoms: Atoms, n_reflections: int, planned: bool = False
) -> float:
    """Time that one thread will take for a call, including planning unless `planned` (s).

    The reflections are assumed to be the unique ones in a sphere.
    """
    setting = setting_of(crystal)
    n_terms = n_reflections * len(setting.operations.rotations)
    if not n_terms:
        return 0.0
    # They fill half a sphere of radius 1/d; centring makes some of them absent
    volume = crystal.volume / len(setting.centring)
    d_min = (2.0 / 3.0 * math.pi * volume / n_terms) ** (1 / 3)
    h, k, l = (crystal.cell[axis] / d_min for axis in setting.axes)
    n_points = n_terms * setting.spacing / setting.stride
    # The mean chord of a sphere is two thirds of its diameter
    n_rows = n_points * setting.stride / (4.0 / 3.0 * max(l, 0.75))
    rows = along_rows(setting, atoms, n_terms, n_points, n_rows, h + 2 * k + l)
    n_entries = int(2 * h * k + 2 * h * l + 4 * k * l)
    tables = by_tables(setting, n_terms, len(atoms), n_entries)
    if not planned:
        rows += planning(n_terms, n_rows)
        tables += planning_tables(n_terms)
    return min(rows, tables, by_definition(n_terms, len(atoms)))
