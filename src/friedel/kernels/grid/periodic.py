"""Spheres and rows of points on a periodic grid, for flat and smooth masks."""

import math

from friedel.kernels.compiled import njit


@njit(nogil=True)
def wrapped(i, n):
    """The index i modulo n for i not far outside the range, faster than a division."""
    while i < 0:
        i += n
    while i >= n:
        i -= n
    return i


@njit(nogil=True)
def row_distances(form, px, py):
    """The flat and slope of the row at (px, py) from a centre: d^2 = flat + 2 slope pz + pz^2.

    Distances are in steps along w; of the symmetric matrix of d^2 (3, 3), whose last element is
    then 1, `form` has the elements 00, 11, 01, 02, 12.
    """
    flat = form[0] * px * px + form[1] * py * py + 2.0 * form[2] * px * py
    return flat, form[3] * px + form[4] * py


@njit(nogil=True)
def chord(flat, slope, r2):
    """Ends of the chord of a row of :func:`row_distances` in a sphere, in steps along w.

    If the row does not cross the sphere, the second number is the smaller one.
    """
    rest = slope * slope + r2 - flat
    if rest < 0.0:
        return 1.0, 0.0
    half = math.sqrt(rest)
    return -slope - half, -slope + half
