"""Completeness, multiplicity and signal of measured data by resolution shell."""

from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.model.crystal import Crystal

REFLECTIONS_PER_SHELL, MOST_SHELLS = 40, 10
"""Number of unique reflections that a shell should have, and largest number of shells."""

ROUNDING = 1e-9
"""Relative difference of resolutions that rounding explains."""


@dataclass(frozen=True)
class DataShell:
    """Measured data in one resolution shell.

    Attributes
    ----------
    d_max, d_min
        Limits, Å.
    n, n_possible
        Number of unique reflections measured, and of those that exist between the limits.
    completeness
        Ratio of these two.
    n_measured, multiplicity
        Number of measurements, and their mean number per unique reflection.
    mean
        Mean value, in the units of the file; NaN without reflections.
    mean_over_sigma
        Mean of value / sigma of the merged data; NaN without sigmas.
    """

    d_max: float
    d_min: float
    n: int
    n_possible: int
    completeness: float
    n_measured: int
    multiplicity: float
    mean: float
    mean_over_sigma: float


def data_shells(
    crystal: Crystal,
    hkl: np.ndarray,
    values: np.ndarray,
    sigmas: np.ndarray | None,
    counts: np.ndarray,
    n_shells: int | None = None,
) -> tuple[DataShell, ...]:
    """Statistics by shell, low resolution first; all shells have equal volume in reciprocal space.

    Parameters
    ----------
    hkl
        (n, 3) unique reflections, at least one.
    values, sigmas, counts
        (n,) merged values and sigmas, or None, and numbers of measurements.
    n_shells
        Number of shells; by default 10, fewer if each would have less than 40 reflections.

    Raises
    ------
    ParameterError
        When `n_shells` is less than 1.
    """
    if n_shells is None:
        n_shells = int(np.clip(len(hkl) // REFLECTIONS_PER_SHELL, 1, MOST_SHELLS))
    if n_shells < 1:
        raise ParameterError(f"got {n_shells} resolution shells, expected at least 1")
    stol2 = crystal.stol2(hkl)
    low, high = stol2.min() ** 1.5, stol2.max() ** 1.5
    edges = np.linspace(low, high, n_shells + 1) ** (2.0 / 3.0)
    edges[[0, -1]] *= 1.0 - ROUNDING, 1.0 + ROUNDING
    d = 0.5 / np.sqrt(edges)
    possible = crystal.unique_reflections(d[-1], d[0])
    n_possible = _counts(crystal.stol2(possible), edges)
    shell_of = _shell_of(stol2, edges)
    return tuple(
        _shell(d[i : i + 2], values[inside], _selected(sigmas, inside), counts[inside], n)
        for i, n in enumerate(n_possible.tolist())
        for inside in [shell_of == i]
    )


def whole_range(
    crystal: Crystal,
    hkl: np.ndarray,
    values: np.ndarray,
    sigmas: np.ndarray | None,
    counts: np.ndarray,
) -> DataShell:
    """The statistics of all reflections as one shell; see :func:`data_shells`."""
    return data_shells(crystal, hkl, values, sigmas, counts, 1)[0]


def _shell(
    limits: np.ndarray,
    values: np.ndarray,
    sigmas: np.ndarray | None,
    counts: np.ndarray,
    n_possible: int,
) -> DataShell:
    n, n_measured = len(values), int(counts.sum())
    nothing = float("nan")
    over_sigma = nothing
    if sigmas is not None and (sigmas > 0).any():
        measured = sigmas > 0
        over_sigma = float((values[measured] / sigmas[measured]).mean())
    return DataShell(
        d_max=float(limits[0]),
        d_min=float(limits[1]),
        n=n,
        n_possible=n_possible,
        completeness=n / n_possible if n_possible else nothing,
        n_measured=n_measured,
        multiplicity=n_measured / n if n else nothing,
        mean=float(values.mean()) if n else nothing,
        mean_over_sigma=over_sigma,
    )


def _selected(array: np.ndarray | None, chosen: np.ndarray) -> np.ndarray | None:
    return None if array is None else array[chosen]


def _shell_of(stol2: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.digitize(stol2, edges[1:-1])


def _counts(stol2: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(_shell_of(stol2, edges), minlength=len(edges) - 1)
