"""The Gaussians of an atom as forms d Q d in steps along the grid axes, and where they end.

Shared by the density and its adjoint, which must cut every atom at the same points.
"""

import math

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.gaussians import FOUR_PI, FOUR_PI2, gaussian_form, inverse_and_det

GROUP = 3
"""Gaussians that are summed in one pass over the grid points."""


@njit(cache=True, nogil=True, error_model="numpy")
def _forms(b_tensor, b, blur, step, group, form, peak, inverse):
    """Forms Q_t in grid axes, peaks (4 pi)^(3/2) det^(-1/2), inverses of B + b_t + blur.

    `form` and `inverse` are (GROUP, 6), Cartesian the latter. Returns det(B + b + blur) of the
    broadest, the last.
    """
    det = 1.0
    tensor = np.empty(6)
    for t in range(GROUP):
        width = b[GROUP * group + t] + blur
        det = gaussian_form(b_tensor, width, step, inverse[t], tensor, form[t])
        peak[t] = FOUR_PI**1.5 / math.sqrt(det)
    return det


@njit(cache=True, nogil=True, error_model="numpy")
def _end_of_broadest(broad, radius, width, det, covariance, half):
    """Half-widths along the grid axes of the ellipsoid d Q d <= limit, which is returned.

    `radius` is where a round Gaussian of this `width` (B + b + blur) in all directions falls
    to the level; an elongated one has the higher peak, (width^3 / det)^(1/2) times, and ends
    at the same level.
    """
    limit = FOUR_PI2 * radius * radius / width + 0.5 * math.log(width**3 / det)
    inverse_and_det(broad, covariance)
    for axis in range(3):
        half[axis] = math.sqrt(limit * covariance[axis])
    return limit


@njit(cache=True, nogil=True, error_model="numpy")
def group_ellipsoids(
    b_tensor, b_broad, b_row, blur, step, radius, group, form, peak, inverse, covariance, half
):
    """Forms, peaks and inverses of one group of one atom, and where its broadest Gaussian ends.

    Fills `form`, `peak`, `inverse` and `half`, and returns the limit of d Q d.
    """
    det = _forms(b_tensor, b_row, blur, step, group, form, peak, inverse)
    width = b_broad + b_row[GROUP * group + GROUP - 1] + blur
    return _end_of_broadest(form[GROUP - 1], radius, width, det, covariance, half)


@njit(cache=True, nogil=True)
def row_in_ellipsoid(form, px, py, pz, limit):
    """First and last step of the row at (px, py, pz + step) with d Q d <= limit.

    Quadratic in the step; the last is before the first where the row passes the ellipsoid by.
    """
    middle = -(form[4] * px + form[5] * py) / form[2]
    flat = form[0] * px * px + form[1] * py * py + 2.0 * form[3] * px * py
    rest = middle * middle - (flat - limit) / form[2]
    if rest < 0.0:
        return 0, -1
    half = math.sqrt(rest)
    return math.ceil(middle - half - pz), math.floor(middle + half - pz)


@njit(cache=True, nogil=True)
def row_exponent(form, px, py, pz):
    """c0 and c1 of d Q d = c0 + c1 step + q_zz step^2 along the row at (px, py, pz + step)."""
    cross = form[4] * px + form[5] * py
    flat = form[0] * px * px + form[1] * py * py + 2.0 * form[3] * px * py
    return flat + pz * (2.0 * cross + form[2] * pz), 2.0 * (cross + form[2] * pz)
