"""Interpolation of f' and f'' in the tables of Chantler, from the package xraydb."""

import json
from functools import cache
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from friedel.errors import ElementError, EnergyError
from friedel.model.elements import element_record
from friedel.scattering.dispersion.cromer_liberman import FloatOrArray, as_given, as_positive

Z_MIN, Z_MAX = 1, 92
"""Atomic numbers of the first and last tabulated element, H and U."""

_NEIGHBOURS = 3
"""Number of tabulated points on either side of an interval through which its spline passes."""

_SMALLEST = 1e-99
"""Replacement for a tabulated f'' of zero (H, He, Li at high energies), which has no logarithm."""


def chantler(z: int, energy: ArrayLike) -> tuple[FloatOrArray, FloatOrArray]:
    """Amplitudes f' and f'' of one element, interpolated in the tables of [Chantler2000].

    Parameters
    ----------
    z
        Atomic number, 1 to 92.
    energy
        Photon energy, eV, scalar or of any shape, within the table: 1.01 eV to 966 keV.

    Returns
    -------
    (f', f'')
        Amplitudes in electrons: floats for a scalar energy, otherwise float64 arrays of its shape.

    Raises
    ------
    ElementError
        For an element without a table.
    EnergyError
        For an energy that is not positive and finite, or outside the element's table.

    Notes
    -----
    f'' is linear in log-log coordinates between tabulated energies. f' is a cubic spline
    through the seven tabulated points around the energy. Both are what
    ``xraydb.f1_chantler`` and ``f2_chantler`` give for one energy at a time. For an array xraydb
    uses one spline for the whole requested range, so that f' at one energy depends on the
    others, by up to 0.1 electrons next to an edge; here each energy is independent.

    Between the two tabulated energies that bracket an edge, 5 to 30 eV apart, f' has a minimum
    whose depth is not tabulated; the spline may be wrong there by up to 0.7 electrons. The
    edges are those of free atoms.
    """
    z = index(z)
    energies = as_positive(energy, "energy", "eV")
    if not Z_MIN <= z <= Z_MAX:
        raise ElementError(f"got Z = {z}; expected {Z_MIN} to {Z_MAX} for the tables of Chantler")
    points, _, f2_points = _table(z)
    outside = energies[(energies < points[0]) | (energies > points[-1])]
    if outside.size:
        raise EnergyError(
            f"got energy = {outside[0]:g} eV; expected {points[0]:g} to {points[-1]:g} eV "
            f"for {element_record(z).symbol} in the tables of Chantler"
        )
    f2 = np.exp(np.interp(np.log(energies), np.log(points), np.log(f2_points)))
    interval = np.minimum(np.searchsorted(points, energies, side="right") - 1, len(points) - 2)
    step = energies - points[interval]
    cubic, quadratic, linear, constant = _f_prime_pieces(z)[:, interval]
    f1 = constant + step * (linear + step * (quadratic + step * cubic))
    return as_given(f1), as_given(f2)


@cache
def _f_prime_pieces(z: int) -> np.ndarray:
    """(4, n - 1) coefficients of f' in powers of the distance from a tabulated energy, cubic first.

    Each interval has a spline through its neighbours only: f' has a cusp at every edge, and a
    spline through all points would oscillate far from it.
    """
    from scipy.interpolate import CubicSpline

    x, y, _ = _table(z)
    n = len(x)
    inner = np.arange(_NEIGHBOURS, n - _NEIGHBOURS)
    window = inner[:, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
    pieces = np.empty((4, n - 1))
    pieces[:, inner] = _middle_pieces(x[window], y[window])
    for i in {*range(_NEIGHBOURS), *range(n - _NEIGHBOURS, n - 1)}:
        first = max(0, i - _NEIGHBOURS)
        around = slice(first, i + _NEIGHBOURS + 1)
        pieces[:, i] = CubicSpline(x[around], y[around]).c[:, i - first]
    return pieces


def _middle_pieces(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(4, m) coefficients right of the middle of m splines (not-a-knot) through (m, 7) points."""
    h = np.diff(x, axis=1)
    slope = np.diff(y, axis=1) / h
    m, n = x.shape
    # For the second derivatives: continuous slopes inside, equal third derivatives at the ends
    matrix, right = np.zeros((m, n, n)), np.zeros((m, n))
    for i in range(1, n - 1):
        matrix[:, i, i - 1] = h[:, i - 1]
        matrix[:, i, i] = 2.0 * (h[:, i - 1] + h[:, i])
        matrix[:, i, i + 1] = h[:, i]
        right[:, i] = 6.0 * (slope[:, i] - slope[:, i - 1])
    for row, i in ((0, 0), (n - 1, n - 3)):
        matrix[:, row, i] = h[:, i + 1]
        matrix[:, row, i + 1] = -h[:, i] - h[:, i + 1]
        matrix[:, row, i + 2] = h[:, i]
    second = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
    k = n // 2
    left_slope = slope[:, k] - h[:, k] * (2.0 * second[:, k] + second[:, k + 1]) / 6.0
    cubic = (second[:, k + 1] - second[:, k]) / (6.0 * h[:, k])
    return np.stack([cubic, second[:, k] / 2.0, left_slope, y[:, k]])


@cache
def _table(z: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies (eV, increasing), f' and f'' (positive) of one element."""
    import xraydb

    database = xraydb.get_xraydb()
    chantler_table = database.tables["Chantler"]
    row = (
        database.query(chantler_table)
        .filter(chantler_table.c.element == element_record(z).symbol)
        .one()
    )
    # Two energies of Cs, both below 14 eV, are listed twice.
    energy, first = np.unique(json.loads(row.energy), return_index=True)
    f1, f2 = (np.array(json.loads(text))[first] for text in (row.f1, row.f2))
    return energy, f1, np.maximum(f2, _SMALLEST)
