"""Interpolation of f' and f'' in the tables of Chantler, from the package xraydb."""

import json
from collections.abc import Callable
from functools import cache
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from friedel.errors import ElementError, EnergyError
from friedel.model.elements import element_record
from friedel.scattering.dispersion.cromer_liberman import FloatOrArray, as_given, as_positive

Z_MIN, Z_MAX = 1, 92
"""Atomic numbers of the first and last tabulated element, H and U."""

_BLOCK = 256
"""Number of energies whose distances from all edges are in memory at once."""

_EDGE_RISE = 0.01
"""Relative rise of f'' from row to row that is part of an edge. Errors at rows left out are 2 %
larger than with all rises, and the time is a quarter."""

_SMALLEST = 1e-99
"""Replacement for a zero of which the logarithm is taken: f'' of H, He, Li at high energies."""


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
    Between tabulated energies log f'' is a monotone cubic in log E [Fritsch1984]. Of f' the part
    that follows from each rise of f'' by the Kramers-Kronig relation is calculated, so that the
    cusp at an edge has its true shape; the rest is smooth and is interpolated by cubics of Akima
    in log E [Akima1970]. This predicts rows that are left out with a third of the error of cubic
    splines as in xraydb, which overshoot at edges. The values differ from those of
    ``xraydb.f1_chantler`` and ``f2_chantler`` near edges only. Moreover, f' of xraydb depends on
    which energies are asked for together; here each energy is independent.

    How f'' rises between the two tabulated energies that bracket an edge is not known, nor is the
    depth of the minimum of f' there. The edges are those of free atoms.
    """
    z = index(z)
    energies = as_positive(energy, "energy", "eV")
    if not Z_MIN <= z <= Z_MAX:
        raise ElementError(f"got Z = {z}; expected {Z_MIN} to {Z_MAX} for the tables of Chantler")
    points = _table(z)[0]
    outside = energies[(energies < points[0]) | (energies > points[-1])]
    if outside.size:
        raise EnergyError(
            f"got energy = {outside[0]:g} eV; expected {points[0]:g} to {points[-1]:g} eV "
            f"for {element_record(z).symbol} in the tables of Chantler"
        )
    f1, f2 = _interpolator(z)(energies)
    return as_given(f1), as_given(f2)


@cache
def _interpolator(z: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    return interpolator(*_table(z))


def interpolator(
    energy: np.ndarray, f1: np.ndarray, f2: np.ndarray
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Function of an energy that interpolates a table of f' and f''.

    Parameters
    ----------
    energy
        (n,) energies, eV, strictly increasing.
    f1, f2
        (n,) f' and f'' in electrons; f'' is positive.

    Returns
    -------
    callable
        From an array of energies within the table to (f', f''), arrays of its shape.
    """
    from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

    cusps = _cusps(energy, f2)
    log_energy = np.log(energy)
    smooth_f1 = Akima1DInterpolator(log_energy, f1 - cusps(energy))
    log_f2 = PchipInterpolator(log_energy, np.log(f2))

    def interpolate(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_at = np.log(at)
        return smooth_f1(log_at) + cusps(at), np.exp(log_f2(log_at))

    return interpolate


def _cusps(energy: np.ndarray, f2: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function of an energy: the part of f' that the edges cause, apart from smooth functions.

    Between edges f'' falls with the energy. The sum of its rises at edges, each linear between
    two rows, is a piecewise linear function with changes of slope c_k at the energies E_k, of
    which the integral over f''(e) / (E - e) is the sum of c_k (E - E_k) ln|E - E_k|. Here
    ln|1 - E_k / E| stands for the logarithm: this adds a multiple of ln E, and keeps the terms
    small.
    """
    rises = np.diff(f2)
    slopes = np.where(rises > _EDGE_RISE * f2[1:], rises, 0.0) / np.diff(energy)
    changes = np.diff(slopes, prepend=0.0, append=0.0) / np.pi
    rows = np.flatnonzero(changes)
    nodes, changes = energy[rows], changes[rows]

    def cusps(at: np.ndarray) -> np.ndarray:
        values = np.empty(at.size)
        for start in range(0, at.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            energies = at.ravel()[block, None]
            distance = energies - nodes
            distance *= np.log(np.abs(distance) / energies + _SMALLEST) * changes
            values[block] = distance.sum(axis=1)
        return values.reshape(at.shape)

    return cusps


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
