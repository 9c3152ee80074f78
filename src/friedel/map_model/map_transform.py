"""Structure factors of maps, and the scale and B that bring those of a model to them."""

from dataclasses import dataclass
from os import PathLike

import numpy as np

from friedel.density.fourier import structure_factors
from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError, ReflectionsError
from friedel.maps.model_map import as_map_box
from friedel.model.crystal import checked_d_min
from friedel.reflections.reflections import Reflections, match

N_SHELLS = 200
"""Number of shells of equal width in stol2 in which sums are formed for the fit of B."""

B_RANGE = (-500.0, 2000.0)
"""Values of B that are tried, Å^2."""


def f_of_map(
    density: MapBox | Grid | str | PathLike[str],
    *,
    d_min: float,
    mask: np.ndarray | None = None,
) -> Reflections:
    """Structure factors of a map: F(h) = integral of rho(x) exp(2 pi i h.x).

    Parameters
    ----------
    density
        A map, or the path of one.
    d_min
        Resolution limit, Å.
    mask
        (nu, nv, nw) by which the map is multiplied first, such as :func:`friedel.soft_mask` gives.

    Returns
    -------
    Reflections
        Complex F at unique reflections. For a box they refer to the box as a cell in P 1, and their
        phases to the origin of the coordinates, wherever the box lies: atoms of the same density
        with fractional coordinates in that cell have the same F. For a map of the whole cell of a
        crystal they are those of the crystal, by the average over symmetry.

    Raises
    ------
    ParameterError
        When grid points are more than d_min/2 apart, or the mask has another shape.
    FileFormatError
        When a file cannot be read.
    """
    box, d_min = as_map_box(density), checked_d_min(d_min)
    if max(box.spacing) > 0.5 * d_min * (1.0 + 1e-6):
        raise ParameterError(
            f"grid points {max(box.spacing):.3g} A apart hold no reflections to {d_min:g} A: "
            f"expected d_min of at least {2 * max(box.spacing):.3g} A"
        )
    values = masked(box, mask)
    whole = box.is_whole_cell
    crystal = box.crystal if whole else box.of_box
    hkl = crystal.unique_reflections(d_min)
    # at the Nyquist limit indices h and -h are one: the map cannot tell them
    hkl = hkl[(2 * np.abs(hkl) < box.shape).all(axis=1)]
    f = structure_factors(values, crystal, hkl, symmetry_sum=False)
    if not whole:
        shift = crystal.fractionalization @ box.first_point
        f *= np.exp(2j * np.pi * (hkl @ shift))
    return Reflections(crystal, hkl, f, label="F", description="F of a map")


def masked(box: MapBox, mask: np.ndarray | None) -> np.ndarray:
    """The values of a map, times a mask.

    Raises
    ------
    ParameterError
        When the mask has another shape.
    """
    values = np.ascontiguousarray(box.array, np.float32)
    if mask is None:
        return values
    mask = np.asarray(mask, np.float32)
    if mask.shape != box.shape:
        raise ParameterError(f"got a mask of {mask.shape} points, expected {box.shape}")
    return values * mask


@dataclass(frozen=True)
class ScaleAndB:
    """Scale and B that bring F of a model to F of a map.

    Attributes
    ----------
    k
        Factor, in units of the map per unit of the model's density.
    b
        Å^2; F of the model times k exp(-b stol2) is nearest to F of the map. Negative for a map
        that is sharper than the model.
    r
        sum abs(F_map - k exp(-b stol2) F_model)^2 / sum abs(F_map)^2: what is not explained.
    """

    k: float
    b: float
    r: float


def fit_scale_and_b(of_map: Reflections, of_model: Reflections) -> ScaleAndB:
    """The scale and B by least squares of complex F.

    Parameters
    ----------
    of_map, of_model
        Complex F; the reflections that both have are used.

    Raises
    ------
    ReflectionsError
        When they have less than ten reflections in common, or F of the model is zero.
    """
    import scipy.optimize

    i, j = match(of_map.hkl, of_model.hkl)
    if len(i) < 10:
        raise ReflectionsError(f"got {len(i)} common reflections, expected at least 10")
    first, second = of_map.values[i], of_model.values[j]
    stol2 = of_map.stol2[i]
    edges = np.linspace(0.0, stol2.max() * (1 + 1e-9), N_SHELLS + 1)
    shell = np.digitize(stol2, edges) - 1
    count = np.maximum(np.bincount(shell, minlength=N_SHELLS), 1)
    mean = np.bincount(shell, stol2, N_SHELLS) / count
    cross = np.bincount(shell, (first * second.conj()).real, N_SHELLS)
    power = np.bincount(shell, np.abs(second) ** 2, N_SHELLS)
    if not power.sum() > 0:
        raise ReflectionsError("F of the model is zero: there is no scale")

    def misfit(b: float) -> float:
        factor = np.exp(-b * mean)
        return -float((cross * factor).sum() ** 2 / (power * factor**2).sum())

    found = scipy.optimize.minimize_scalar(misfit, bounds=B_RANGE, method="bounded")
    b = float(found.x)
    factor = np.exp(-b * stol2)
    k = float((first * second.conj()).real @ factor / (np.abs(second) ** 2 @ factor**2))
    rest = np.abs(first - k * factor * second) ** 2
    return ScaleAndB(k, b, float(rest.sum() / (np.abs(first) ** 2).sum()))
