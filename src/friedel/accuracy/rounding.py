"""What rounding errors of a density on a grid depend on: precision, and power at low s."""

import numpy as np

from friedel.accuracy.wilson import AtomClasses, wilson_curves

UNIT_ROUNDOFF = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}
"""Largest relative error of one operation, by type."""
ROUNDING_OF_ATOMS = {np.dtype(np.float32): 4e-7, np.dtype(np.float64): 1e-15}
"""Measured relative error of the contributions of single atoms, equal in all shells, by type."""
FINE = 24
"""Number of points of each of two tables at low s, within the first step of the coarser one."""


def integrable_power(
    classes: AtomClasses, a: np.ndarray, b: np.ndarray, s2: np.ndarray, log_power: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """s^2 and ln P there, finely spaced at low s, where broad atoms scatter.

    `log_power` is the curve at `s2`, if it is known.
    """
    if log_power is None:
        log_power, _ = wilson_curves(classes, a, b, s2)
    step = float(s2[1])
    finest, fine = (np.arange(FINE + 1) * (last / FINE) for last in (step / FINE, step))
    low = [wilson_curves(classes, a, b, x)[0] for x in (finest, fine)]
    parts = (finest, fine[2:], s2[2:]), (low[0], low[1][2:], log_power[2:])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def volumes_around(s: np.ndarray) -> np.ndarray:
    """(n,) trapezoidal weights for integrals over reciprocal space of functions of |s|."""
    widths = np.zeros(len(s))
    widths[1:] += 0.5 * np.diff(s)
    widths[:-1] += 0.5 * np.diff(s)
    return 4.0 * np.pi * s**2 * widths
