"""Search for peaks and holes of a map: positions, heights and nearest atoms."""

from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np

from friedel.density.grid import Grid
from friedel.errors import AtomsError, CellError, ParameterError
from friedel.maps.maxima import local_maxima, refine
from friedel.maps.peak_table import Peaks
from friedel.maps.symmetry_copies import first_copy, into_cell, next_to, one_of_each
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.maps import read_map
from friedel.readers.models import as_model

DEFAULT_SIGMA = 3.0
"""Default height limit in standard deviations."""

SHARE_ON_GRID = 0.5
"""Smallest fraction of a peak's height at the highest grid point near it. It occurs with two points
per d_min along each edge; with four the fraction is 0.87."""

TRIED = (5.0, 2.5, 1.0, -1e12)
"""Successive height limits (standard deviations) of the search for the `n` highest peaks: higher
limits are faster. The last is below all values of any map."""


def find_peaks(
    grid: Grid | str | PathLike[str],
    *,
    sigma: float | None = None,
    n: int | None = None,
    atoms: Any = None,
) -> Peaks:
    """The peaks or holes of a map, one of the symmetry copies of each.

    Parameters
    ----------
    grid
        A map over the whole unit cell, such as :func:`friedel.map_from_coefficients` gives, or
        the path of one.
    sigma
        Smallest height of peaks above the mean, in standard deviations of the map. A negative
        number selects holes, at least this far below the mean. The default is 3 if `n` is not
        given, otherwise there is no limit.
    n
        Largest number of peaks; the highest are returned.
    atoms
        `Atoms`, or a model in any form that :func:`friedel.as_model` accepts. With atoms, the
        nearest atom to each peak, of all symmetry copies in all cells, is given, and of the
        copies of the peak the one next to that atom's position in the model. Without atoms it is
        the copy in the unit cell with the smallest sum of fractional coordinates.

    Returns
    -------
    Peaks
        The highest peak first, or the deepest hole. Positions and heights are those of
        polynomials of degree 6 between grid points. With four grid points per d_min they are
        accurate to 0.001 d_min and 0.2 %, with three to 0.004 d_min and 1.5 %; in very oblique
        cells positions are five times less accurate. The position of a plateau is its middle.
        Maxima closer to one another than grid points are one peak.

    Raises
    ------
    ParameterError
        When `sigma` is zero or not a number, `n` is not a positive integer, or the map is not
        finite.
    FileFormatError
        When a file is not a map.
    AtomsError
        When there are no atoms, or they cannot be read as a model.
    CellError
        When the cells of the model and the map differ, or the grid has no cell.

    Examples
    --------
    >>> grid = friedel.map_from_coefficients(delfwt)  # doctest: +SKIP
    >>> print(friedel.find_peaks(grid, sigma=4.0, atoms=fmodel.atoms))  # doctest: +SKIP
    >>> print(friedel.find_peaks(grid, sigma=-4.0, atoms=fmodel.atoms))  # doctest: +SKIP
    """
    grid = read_map(grid) if isinstance(grid, str | PathLike) else grid
    crystal = grid.crystal
    if sigma is not None and not (isinstance(sigma, Real) and np.isfinite(sigma) and sigma):
        raise ParameterError(f"got sigma = {sigma!r}, expected a number that is not 0")
    if n is not None and not (isinstance(n, Integral) and n >= 1):
        raise ParameterError(f"got n = {n!r}, expected a positive number of peaks")
    if not grid.array.size or not np.isfinite(grid.array).all():
        raise ParameterError("got a map without points, or with values that are not finite")
    others = None if atoms is None else _checked_atoms(atoms, crystal)
    sign = -1.0 if sigma is not None and sigma < 0.0 else 1.0
    values = grid.array if sign > 0.0 else -grid.array.astype(np.result_type(grid.array, "f4"))
    mean, deviation = values.mean(dtype=float), values.std(dtype=float)
    if sigma is None and n is None:
        sigma = DEFAULT_SIGMA
    for limit in TRIED if sigma is None else (abs(sigma),):
        frac, height = _peaks_above(grid, values, mean, limit * deviation)
        if n is not None and len(frac) >= n:
            break
    frac, height = frac[:n], height[:n]
    of_atoms: dict[str, Any] = {"atom": None, "label": None, "distance": None}
    if others is None:
        frac = first_copy(crystal, frac)
    else:
        frac, atom, distance = next_to(crystal, frac, others.frac)
        label = np.array(others.scatterers)[others.kind[atom]]
        of_atoms = {"atom": atom, "label": label, "distance": distance}
    deviations = (height - mean) / deviation
    return Peaks(
        crystal,
        frac,
        sign * height,
        sign * deviations,
        **of_atoms,
        mean=float(sign * mean),
        deviation=float(deviation),
    )


def _checked_atoms(atoms: Any, crystal: Crystal) -> Atoms:
    if not isinstance(atoms, Atoms):
        model = as_model(atoms)
        if not crystal.is_similar(model.crystal):
            raise CellError(f"the map has {crystal!r}, but the model has {model.crystal!r}")
        atoms = model.atoms
    if not len(atoms):
        raise AtomsError("the model has no atoms, expected at least one")
    return atoms


def _peaks_above(
    grid: Grid, values: np.ndarray, mean: float, height_above_mean: float
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and heights (n,) of maxima, one of all copies, the highest first."""
    limit = mean + height_above_mean
    floor = limit if height_above_mean <= 0.0 else mean + SHARE_ON_GRID * height_above_mean
    points, is_flat = local_maxima(values, floor)
    positions = points.astype(np.float64)
    height = values[tuple(points.T)].astype(np.float64)
    positions[~is_flat], height[~is_flat] = refine(values, points[~is_flat])
    order = np.argsort(-height, kind="stable")
    order = order[height[order] >= limit]
    frac = into_cell(positions[order] / values.shape)
    chosen = one_of_each(grid.crystal, frac, max(grid.spacing))
    return frac[chosen], height[order[chosen]]
