"""The model's Wilson curve: the expected |F|^2 by resolution, from classes of similar atoms."""

from dataclasses import dataclass

import numpy as np

from friedel.errors import AccuracyError
from friedel.kernels.reciprocal.accuracy import power_curve
from friedel.model.atoms import Atoms

KEYS_COUNTED = 30
"""Number of possible keys per key above which they are sorted."""


@dataclass(frozen=True)
class AtomClasses:
    """Classes of similar atoms: type, occupancy, eigenvalues of B, and number of atoms."""

    kind: np.ndarray
    occ: np.ndarray
    eigenvalues: np.ndarray
    count: np.ndarray


def atom_classes(atoms: Atoms, unit: float = 1.0) -> AtomClasses:
    """Classes of atoms of one type with nearly equal occupancies, in a unit of them, and B.

    Raises
    ------
    AccuracyError
        When all occupancies are zero.
    """
    present = atoms.occ != 0
    if not present.any():
        raise AccuracyError("all atoms have zero occupancy: there is nothing to sample")
    kind, occ = atoms.kind[present].astype(np.int64), atoms.occ[present] / unit
    # The three eigenvalues of isotropic atoms are one number
    n_eigenvalues = 3 if atoms.is_aniso.any() else 1
    eigenvalues = atoms.b_eigenvalues[present, :n_eigenvalues]
    # 5 % of B + 5 Å^2: the curves change by much less than the error of the prediction. What all B
    # have in common counts no more than 20 Å^2: a negative blur can remove the rest
    common = max(float(eigenvalues.min()) - 20.0, 0.0)
    above = np.maximum(eigenvalues - common, -4.0)
    coarse_b = np.rint(np.log(above + 5.0) / 0.05).astype(np.int64)
    inverse = _group_alike(kind, np.rint(10.0 * occ).astype(np.int64), *coarse_b.T)
    count = np.bincount(inverse).astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(inverse, values) / count

    means = np.column_stack([mean(column) for column in eigenvalues.T])
    return AtomClasses(
        np.rint(mean(kind)).astype(int),
        np.sqrt(mean(occ**2)),
        np.broadcast_to(means, (len(count), 3)).copy(),
        count,
    )


def _group_alike(*columns: np.ndarray) -> np.ndarray:
    """(n,) group numbers of the rows of integer columns: equal rows have equal numbers."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        key = key * (int(np.ptp(column)) + 1) + (column - column.min())
    if key.max(initial=0) > KEYS_COUNTED * len(key):
        return np.unique(key, return_inverse=True)[1]
    # Counting is faster than sorting, unless most of what is counted does not occur
    occurs = np.bincount(key) > 0
    return (np.cumsum(occurs) - 1)[key]


def wilson_curves(
    classes: AtomClasses, a: np.ndarray, b: np.ndarray, s2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of P(s), with an upper bound and with an estimate of the average over directions.

    For an anisotropic atom the mean of exp(-B s^2/2) over the three principal directions is
    never below the mean over the sphere; 0.4 of it and 0.6 of the value at the mean B is the
    fourteen-point rule of the sphere.
    """
    f = (a[:, :, None] * np.exp(-0.25 * b[:, :, None] * s2)).sum(axis=1)
    # A form factor that passes through zero must not hide the scattering at neighbouring s
    f2 = np.maximum(f * f, 1e-12 * (f * f).max(axis=1, keepdims=True))
    weight = classes.count * classes.occ**2
    # Without the smallest B, which is taken out, broad atoms at high resolution would underflow
    smallest = max(float(classes.eigenvalues.min()), 0.0)
    eigenvalues, taken_out = classes.eigenvalues - smallest, 0.5 * smallest * s2

    def curve(b_iso: np.ndarray) -> np.ndarray:
        return power_curve(weight, f2, classes.kind, np.ascontiguousarray(b_iso), s2)

    if not np.ptp(eigenvalues, axis=1).any():
        log_curve = np.log(curve(eigenvalues[:, 0])) - taken_out
        return log_curve, log_curve
    vertex = np.mean([curve(e) for e in eigenvalues.T], axis=0)
    mean = 0.4 * vertex + 0.6 * curve(eigenvalues.mean(axis=1))
    return np.log(vertex) - taken_out, np.log(mean) - taken_out


def log_power_at(classes: AtomClasses, a: np.ndarray, b: np.ndarray, s2: np.ndarray) -> np.ndarray:
    """Logarithm of P(s) averaged over directions at any s^2, where terms of f nearly cancel."""
    flat = s2.ravel()
    smallest = max(float(classes.eigenvalues.min()), 0.0)
    f = (a[:, :, None] * np.exp(-0.25 * b[:, :, None] * flat)).sum(axis=1)
    out = np.zeros(len(flat))
    for kind in np.unique(classes.kind):
        here = classes.kind == kind
        weight = classes.count[here] * classes.occ[here] ** 2
        values = classes.eigenvalues[here] - smallest
        of_b = sum(np.exp(-0.5 * x[:, None] * flat) for x in values.T) * (0.4 / 3.0)
        of_b += 0.6 * np.exp(-0.5 * values.mean(axis=1)[:, None] * flat)
        out += f[kind] ** 2 * (weight @ of_b)
    return (np.log(np.maximum(out, 1e-290)) - 0.5 * smallest * flat).reshape(s2.shape)


def log_power_along(
    atoms: Atoms, f_of_kinds: np.ndarray, vectors: np.ndarray, occ: np.ndarray
) -> np.ndarray:
    """(m,) logarithms of sum_j occ^2 f^2 exp(-h B_j h / 2) at some h (m, 3), Cartesian.

    Parameters
    ----------
    f_of_kinds
        (n_kinds, m) form factors there.
    occ
        (n,) occupancies in the unit of the model.
    """
    x, y, z = vectors.T
    products = np.array([x * x, y * y, z * z, 2.0 * x * y, 2.0 * x * z, 2.0 * y * z])
    with np.errstate(divide="ignore"):
        log_f2 = 2.0 * np.log(np.abs(f_of_kinds))[atoms.kind] + 2.0 * np.log(np.abs(occ))[:, None]
    return np.logaddexp.reduce(log_f2 - 0.5 * atoms.b_tensor @ products, axis=0)
