"""The Gaussians of an atom as forms d Q d in steps along the grid axes, and their cutoff.

The density and its adjoint, which must cut every atom at the same points, share these.
"""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.boxes import place_box
from friedel.kernels.grid.gaussians import FOUR_PI, FOUR_PI2, gaussian_form, inverse_and_det

GROUP = 3
"""Number of Gaussians that are summed in one pass over the grid points, in as many registers. The
loops over them are unrolled by hand in `density`, `density_adjoint`, `density_adjoint_oblique` and
`separable_gaussians`: another number needs other code there."""


class Ellipsoids(NamedTuple):
    """The Gaussians of one group of one atom. Scratch memory.

    Attributes
    ----------
    form
        (GROUP, 6) Q = 4 pi^2 (B + b + blur)^-1 in steps along the grid axes.
    peak
        (GROUP,) (4 pi)^(3/2) det(B + b + blur)^(-1/2), Å^-3.
    inverse
        (GROUP, 6) (B + b + blur)^-1, Cartesian, Å^-2.
    tensor
        (6,) intermediate tensor.
    """

    form: np.ndarray
    peak: np.ndarray
    inverse: np.ndarray
    tensor: np.ndarray


@njit(inline="always")
def new_ellipsoids():
    """Memory for :class:`Ellipsoids`."""
    return Ellipsoids(np.empty((GROUP, 6)), np.empty(GROUP), np.empty((GROUP, 6)), np.empty(6))


@njit(nogil=True, error_model="numpy")
def _fill_forms(ellipsoids, b_tensor, b_row, blur, step, group):
    """Set forms, peaks and inverses; return det(B + b + blur) of the last, broadest Gaussian."""
    form, peak, inverse, tensor = ellipsoids
    det = 1.0
    for t in range(GROUP):
        width = b_row[GROUP * group + t] + blur
        det = gaussian_form(b_tensor, width, step, inverse[t], tensor, form[t])
        peak[t] = FOUR_PI**1.5 / math.sqrt(det)
    return det


@njit(nogil=True, error_model="numpy", forceinline=True)
def place_ellipsoid(place, ellipsoids, atom, group, atoms, gaussians, axes):
    """A group of an atom as ellipsoids on the grid; the kernel and its transpose cut it alike.

    Inputs
    ------
    atom, group, atoms, gaussians, axes
        See :mod:`friedel.kernels.grid.arguments`.

    Outputs
    -------
    place, ellipsoids
        See their classes. The limit of d Q d for the form Q of the broadest Gaussian is
        returned. At the radius an isotropic Gaussian of the largest width (B + b + blur) falls to
        the level; the peak of an anisotropic one is (width^3 / det)^(1/2) times higher, and it is
        cut at the same level.
    """
    frac, radius = atoms.frac, atoms.radius[atom, group]
    center, half, _ = place
    form, covariance = ellipsoids.form, ellipsoids.tensor
    shape, step = axes
    b_row, blur = gaussians.b[atoms.kind[atom]], gaussians.blur
    det = _fill_forms(ellipsoids, atoms.b_tensor[atom], b_row, blur, step, group)
    width = atoms.b_broad[atom] + b_row[GROUP * group + GROUP - 1] + blur
    limit = FOUR_PI2 * radius * radius / width + 0.5 * math.log(width**3 / det)
    inverse_and_det(form[GROUP - 1], covariance)
    for axis in range(3):
        center[axis] = frac[atom, axis] * shape[axis]
        half[axis] = math.sqrt(limit * covariance[axis])
    place_box(place, shape[2])
    return limit


@njit(nogil=True)
def row_in_ellipsoid(form, px, py, pz, limit):
    """First and last step of the row at (px, py, pz + step) with d Q d <= limit.

    They follow from a quadratic equation; last < first if the row does not cross the ellipsoid.
    """
    middle = -(form[4] * px + form[5] * py) / form[2]
    flat = form[0] * px * px + form[1] * py * py + 2.0 * form[3] * px * py
    rest = middle * middle - (flat - limit) / form[2]
    if rest < 0.0:
        return 0, -1
    half = math.sqrt(rest)
    return math.ceil(middle - half - pz), math.floor(middle + half - pz)


@njit(nogil=True)
def row_exponent(form, px, py, pz):
    """The c0 and c1 of d Q d = c0 + c1 step + q_zz step^2 along the row at (px, py, pz + step)."""
    cross = form[4] * px + form[5] * py
    flat = form[0] * px * px + form[1] * py * py + 2.0 * form[3] * px * py
    return flat + pz * (2.0 * cross + form[2] * pz), 2.0 * (cross + form[2] * pz)
