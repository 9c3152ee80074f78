"""Bijvoet pairs among reflections: h and -h, measured apart."""

import numpy as np

from friedel.reflections.reflections import match

LEAST_DIFFERENCE = 1e-3
"""Of the mean amplitude: smaller differences of a model are but its rounding."""


def pair_positions(hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where h and where -h stands in a list of reflections (n, 3), for each pair once.

    Returns
    -------
    plus, minus
        (m,) positions, ``hkl[minus] == -hkl[plus]``; that of the pair which comes first is plus.
    """
    plus, minus = match(hkl, -hkl)
    first = plus < minus
    return plus[first], minus[first]


def one_of_each(hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) positions of one of each pair and of all without a partner; (m,) partners, or -1."""
    plus, minus = pair_positions(hkl)
    partner = np.full(len(hkl), -1)
    partner[plus] = minus
    kept = np.ones(len(hkl), bool)
    kept[minus] = False
    chosen = np.flatnonzero(kept)
    return chosen, partner[chosen]


def difference_correlation(
    hkl: np.ndarray, f_obs: np.ndarray, f_model: np.ndarray
) -> tuple[int, float]:
    """How many pairs there are, and the correlation of observed and model differences.

    NaN where the model has none.

    Parameters
    ----------
    hkl
        (n, 3).
    f_obs, f_model
        (n,) amplitudes.
    """
    plus, minus = pair_positions(hkl)
    observed, expected = (f[plus] - f[minus] for f in (f_obs, f_model))
    if len(plus) < 2 or observed.std() == 0.0:
        return len(plus), float("nan")
    if expected.std() < LEAST_DIFFERENCE * f_model.mean():
        return len(plus), float("nan")
    return len(plus), float(np.corrcoef(observed, expected)[0, 1])
