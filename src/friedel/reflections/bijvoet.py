"""Bijvoet pairs among reflections: h and -h, measured separately."""

import numpy as np

from friedel.reflections.reflections import match

LEAST_DIFFERENCE = 1e-3
"""Fraction of the mean amplitude below which Bijvoet differences of a model are rounding errors."""


def pair_positions(hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of h and -h in a list of reflections (n, 3), once for each pair.

    Returns
    -------
    plus, minus
        (m,) positions with ``hkl[minus] == -hkl[plus]``; plus is the first of the pair in the list.
    """
    plus, minus = match(hkl, -hkl)
    first = plus < minus
    return plus[first], minus[first]


def one_of_each(hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) positions, one for each pair or single reflection; (m,) those of the partners, or -1."""
    plus, minus = pair_positions(hkl)
    partner = np.full(len(hkl), -1)
    partner[plus] = minus
    kept = np.ones(len(hkl), bool)
    kept[minus] = False
    chosen = np.flatnonzero(kept)
    return chosen, partner[chosen]


def separate_mates(
    hkl: np.ndarray, of_values: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the Friedel mates of each reflection: at h and at -h, NaN where there is none.

    Parameters
    ----------
    hkl
        (n, 3) distinct reflections.
    of_values, values
        (m, 3) distinct indices and (m,) values.

    Returns
    -------
    plus, minus
        (n,) float64.
    """
    found = []
    for wanted in (hkl, -hkl):
        at, place = match(wanted, of_values)
        column = np.full(len(hkl), np.nan)
        column[at] = values[place]
        found.append(column)
    return found[0], found[1]


def difference_correlation(
    hkl: np.ndarray, f_obs: np.ndarray, f_model: np.ndarray
) -> tuple[int, float]:
    """The number of pairs, and the correlation of observed and model differences.

    The correlation is NaN if the model has no differences.

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
