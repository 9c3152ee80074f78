"""Classes of similar atoms, and loops over them and resolution: the expected |F|^2."""

import math

import numpy as np

from friedel.kernels.compiled import njit

LEAST_POWER = 1e-290
"""Least |F|^2, where it underflows."""
LEAST_SHARE = 1e-12
"""Least f^2 relative to the largest: a form factor that passes through zero must not hide the
scattering at neighbouring s."""
OF_VERTICES = 0.4
"""Weight of the values along the principal axes of a tensor in averages over directions; the rest
is that of the value at the mean B. This is the fourteen-point rule of the sphere."""
B_STEP = 0.05
"""Largest relative difference of B + 5 Å^2 within a class: the curves change by much less than the
error of the prediction."""
COMMON_B = 20.0
"""What all B have in common counts no more than this (Å^2): a negative blur can remove the rest."""
BLOCK = 8
"""Number of neighbouring points that are calculated together, as the elements of a vector."""


@njit(nogil=True)
def classes_of_atoms(kind, occ, eigenvalues, unit, keys, means, count):
    """Classes of atoms of one type with nearly equal occupancies and B, found by hashing.

    Parameters
    ----------
    kind, occ, eigenvalues
        (n,) type, (n,) occupancy, and (n, 3) eigenvalues of B, Å^2. Atoms without occupancy are
        left out.
    unit
        Unit of occupancies.
    keys
        (n, 5) integers, of which the first rows are set to the keys of the classes: the type, and
        rounded occupancies and B.
    means
        (n, 4), set to the root mean square of the occupancies in each class, in their unit, and the
        mean eigenvalues.
    count
        (n,), set to the number of atoms in each class.

    Returns
    -------
    The number of classes.
    """
    size = 2
    while size < 2 * len(kind):
        size *= 2
    class_of = np.full(size, -1)
    smallest = math.inf
    for j in range(len(kind)):
        if occ[j] != 0.0:
            smallest = min(smallest, eigenvalues[j, 0])
    common = max(smallest - COMMON_B, 0.0)
    n_classes = 0
    key = np.empty(5, np.int64)
    for j in range(len(kind)):
        if occ[j] == 0.0:
            continue
        key[0], key[1] = kind[j], math.floor(10.0 * occ[j] / unit + 0.5)
        for i in range(3):
            if i > 0 and eigenvalues[j, i] == eigenvalues[j, i - 1]:
                key[2 + i] = key[1 + i]
            else:
                above = max(eigenvalues[j, i] - common, -4.0)
                key[2 + i] = math.floor(math.log(above + 5.0) / B_STEP + 0.5)
        slot = 0
        for i in range(5):
            slot = (31 * slot + key[i]) & (size - 1)
        while class_of[slot] >= 0 and not _is_equal(keys[class_of[slot]], key):
            slot = (slot + 1) & (size - 1)
        at = class_of[slot]
        if at < 0:
            at = class_of[slot] = n_classes
            n_classes += 1
            count[at] = 0.0
            for i in range(5):
                keys[at, i] = key[i]
            for i in range(4):
                means[at, i] = 0.0
        count[at] += 1.0
        means[at, 0] += (occ[j] / unit) ** 2
        for i in range(3):
            means[at, 1 + i] += eigenvalues[j, i]
    for at in range(n_classes):
        means[at, 0] = math.sqrt(means[at, 0] / count[at])
        for i in range(3):
            means[at, 1 + i] /= count[at]
    return n_classes


@njit(nogil=True)
def _is_equal(x, y):
    equal = True
    for i in range(len(x)):
        equal &= x[i] == y[i]
    return equal


@njit(nogil=True)
def wilson_curve(weight, kind, eigenvalues, a, b, s2, upper, mean):
    """Logarithms of P(s), with an upper bound and with an estimate of the average over directions.

    Parameters
    ----------
    weight, kind, eigenvalues
        (n,) sum of occ^2 of a class of atoms, (n,) its type, and (n, 3) its eigenvalues of B.
    a, b
        (n_kinds, n_terms) Gaussian coefficients by type.
    s2
        (m,) s^2, equally spaced from 0.
    upper, mean
        (m,), set to the logarithms.
    """
    n_kinds, n = len(a), len(s2)
    # Without the smallest B, which is taken out, broad atoms at high resolution would underflow
    smallest = max(eigenvalues.min(), 0.0)
    round_atoms, vertices = np.zeros((n_kinds, n)), np.zeros((n_kinds, n))
    centres = np.zeros((n_kinds, n))
    for j in range(len(weight)):
        x, y, z = eigenvalues[j]
        k = kind[j]
        if x == z:
            _add_exponential(weight[j], 0.5 * (x - smallest), s2, round_atoms[k])
        else:
            for b_axis in (x, y, z):
                _add_exponential(weight[j] / 3.0, 0.5 * (b_axis - smallest), s2, vertices[k])
            middle = (x + y + z) / 3.0 - smallest
            _add_exponential(weight[j], 0.5 * middle, s2, centres[k])
    upper[:] = 0.0
    mean[:] = 0.0
    f = np.empty(n)
    for k in range(n_kinds):
        f[:] = 0.0
        for t in range(a.shape[1]):
            _add_exponential(a[k, t], 0.25 * b[k, t], s2, f)
        largest = 0.0
        for i in range(n):
            largest = max(largest, f[i] * f[i])
        for i in range(n):
            f2 = max(f[i] * f[i], LEAST_SHARE * largest)
            average = OF_VERTICES * vertices[k, i] + (1.0 - OF_VERTICES) * centres[k, i]
            upper[i] += f2 * (round_atoms[k, i] + vertices[k, i])
            mean[i] += f2 * (round_atoms[k, i] + average)
    for i in range(n):
        taken_out = 0.5 * smallest * s2[i]
        upper[i] = math.log(max(upper[i], LEAST_POWER)) - taken_out
        mean[i] = math.log(max(mean[i], LEAST_POWER)) - taken_out


@njit(nogil=True)
def _add_exponential(value, rate, s2, out):
    """Add value exp(-rate s2) at equally spaced points: a geometric sequence."""
    spacing = s2[1] - s2[0]
    ratio, step = math.exp(-rate * spacing), math.exp(-rate * BLOCK * spacing)
    block = np.empty(BLOCK)
    for m in range(BLOCK):
        block[m] = value
        value *= ratio
    whole = len(s2) - len(s2) % BLOCK
    for first in range(0, whole, BLOCK):
        for m in range(BLOCK):
            out[first + m] += block[m]
            block[m] *= step
    for i in range(whole, len(s2)):
        out[i] += block[i - whole]
