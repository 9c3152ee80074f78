"""Atoms counted in boxes, on which rounding errors depend."""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit


class Overlap(NamedTuple):
    """Atoms counted in windows of several sizes, which lie half a window apart.

    Attributes
    ----------
    edges
        (n,) edges of the windows, Å, ascending.
    coherence
        (n,) mean over positions of the windows of the sum of (sum f)^2, relative to the sum of
        f^2 over atoms.
    number
        (n,) number of atoms in the window of an atom, weighted by (sum f)^2.
    copies
        Largest number of atoms of one kind and B at one position.
    """

    edges: np.ndarray
    coherence: np.ndarray
    number: np.ndarray
    copies: float


@njit(nogil=True)
def count_in_windows(frac, f, shape, volume, edges, coherence, number):
    """Set the arrays (n,) of :class:`Overlap` for windows of two boxes along each axis.

    The windows are those at all positions, periodic; along an axis with one box they contain it
    once. From one size to the next, boxes are doubled along each axis that has more than one.

    Parameters
    ----------
    frac, f
        (n_atoms, 3) fractional coordinates, and (n_atoms,) what each atom scatters.
    shape
        Numbers of the smallest boxes along each axis, powers of two.
    volume
        Volume of the cell, Å^3.

    Returns
    -------
    The largest number of atoms in one of the smallest boxes.
    """
    total, atoms = np.zeros(shape), np.zeros(shape)
    nu, nv, nw = shape
    of_one = 0.0
    for j in range(len(f)):
        u = math.floor(frac[j, 0] * nu) & (nu - 1)
        v = math.floor(frac[j, 1] * nv) & (nv - 1)
        w = math.floor(frac[j, 2] * nw) & (nw - 1)
        total[u, v, w] += f[j]
        atoms[u, v, w] += 1.0
        of_one += f[j] * f[j]
    most = atoms.max()
    for size in range(len(edges)):
        nu, nv, nw = total.shape
        in_window = (1 + (nu > 1)) * (1 + (nv > 1)) * (1 + (nw > 1))
        power, weighted = _window_sums(total, atoms)
        edges[size] = (volume * in_window / total.size) ** (1.0 / 3.0)
        coherence[size] = max(power / in_window / of_one, 1.0) if of_one > 0.0 else 1.0
        number[size] = max(weighted / power, 1.0) if power > 0.0 else 1.0
        total, atoms = _halved(total), _halved(atoms)
    return most


@njit(nogil=True)
def _window_sums(total, number):
    """Sums of T^2 and of T^2 N over the windows of boxes of one size."""
    nu, nv, nw = total.shape
    power, weighted = 0.0, 0.0
    totals, numbers = np.empty(nw + 1), np.empty(nw + 1)
    for u in range(nu):
        for v in range(nv):
            totals[:] = 0.0
            numbers[:] = 0.0
            for i in range(1 + (nu > 1)):
                for j in range(1 + (nv > 1)):
                    row, column = (u + i) % nu, (v + j) % nv
                    for w in range(nw):
                        totals[w] += total[row, column, w]
                        numbers[w] += number[row, column, w]
            if nw > 1:
                totals[nw], numbers[nw] = totals[0], numbers[0]
            for w in range(nw):
                t, n = totals[w] + totals[w + 1], numbers[w] + numbers[w + 1]
                power += t * t
                weighted += t * t * n
    return power, weighted


@njit(nogil=True)
def _halved(boxes):
    """Sums over pairs of boxes along each axis that has more than one."""
    nu, nv, nw = boxes.shape
    su, sv, sw = 1 + (nu > 1), 1 + (nv > 1), 1 + (nw > 1)
    out = np.zeros((nu // su, nv // sv, nw // sw))
    for u in range(nu):
        for v in range(nv):
            for w in range(nw):
                out[u // su, v // sv, w // sw] += boxes[u, v, w]
    return out
