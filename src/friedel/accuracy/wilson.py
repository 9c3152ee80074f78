"""The model's Wilson curve: the expected |F|^2 by resolution, from classes of similar atoms."""

from dataclasses import dataclass

import numpy as np

from friedel.errors import AccuracyError
from friedel.kernels.reciprocal.wilson import OF_VERTICES, classes_of_atoms, wilson_curve
from friedel.model.atoms import Atoms


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
    n = len(atoms)
    keys, means, count = np.empty((n, 5), np.int64), np.empty((n, 4)), np.empty(n)
    n_classes = classes_of_atoms(
        atoms.kind, atoms.occ, atoms.b_eigenvalues, unit, keys, means, count
    )
    if not n_classes:
        raise AccuracyError("all atoms have zero occupancy: there is nothing to sample")
    some = slice(n_classes)
    return AtomClasses(keys[some, 0].copy(), means[some, 0], means[some, 1:].copy(), count[some])


def wilson_curves(
    classes: AtomClasses, a: np.ndarray, b: np.ndarray, s2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of P(s), with an upper bound and with an estimate of the average over directions.

    For an anisotropic atom the mean of exp(-B s^2/2) over the three principal directions is
    never below the mean over the sphere. `s2` is equally spaced from 0.
    """
    upper, mean = np.empty(len(s2)), np.empty(len(s2))
    weight = classes.count * classes.occ**2
    wilson_curve(weight, classes.kind, classes.eigenvalues, a, b, s2, upper, mean)
    return upper, mean


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
        of_b = sum(np.exp(-0.5 * x[:, None] * flat) for x in values.T) * (OF_VERTICES / 3.0)
        of_b += (1.0 - OF_VERTICES) * np.exp(-0.5 * values.mean(axis=1)[:, None] * flat)
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
