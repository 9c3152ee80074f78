"""Form factors with fewer Gaussians, where the requested accuracy allows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from friedel.data import has_rows, rows_of
from friedel.scattering.formfactors.gaussians import GaussianSum, stack
from friedel.scattering.formfactors.published import TABLES, form_factor_table

ERROR_POINTS = 40
"""Number of sin(theta)/lambda at which the error of refits is measured."""


@dataclass(frozen=True)
class Refit:
    """A sum of fewer Gaussians that approximates a table's entry to a resolution.

    Attributes
    ----------
    d_min
        Resolution limit, Å; the fit covers all larger spacings.
    sum
        The Gaussian sum, in the unit of the entry.
    error
        Largest relative error against the entry in that range.
    """

    d_min: float
    sum: GaussianSum
    error: float


@cache
def _labels(name: str) -> Mapping[GaussianSum, tuple[str, ...]]:
    """Labels of each entry of a table."""
    found: dict[GaussianSum, tuple[str, ...]] = {}
    for label, entry in form_factor_table(name).entries.items():
        found[entry] = (*found.get(entry, ()), label)
    return found


@cache
def refits_of(entry: GaussianSum) -> tuple[Refit, ...]:
    """The refits of an entry by length, then error; empty if the entry is not from a table."""
    for name in TABLES:
        labels = _labels(name).get(entry, ()) if has_rows("refits", name) else ()
        if labels:  # a table is read only for entries that those before it lack
            rows = (row for label in labels for row in rows_of("refits", name, label))
            return tuple(sorted(map(_refit, rows), key=lambda x: (len(x.sum.a), x.error)))
    return ()


def _refit(row: Mapping[str, str]) -> Refit:
    a, b = (tuple(float(row[f"{x}{i}"]) for i in range(1, int(row["n"]) + 1)) for x in "ab")
    return Refit(float(row["d_min"]), GaussianSum(a, b), float(row["error"]))


def fewest_gaussians(sum_: GaussianSum, d_min: float, tolerance: float) -> GaussianSum:
    """The shortest known sum that approximates another to `d_min` (Å) within a relative tolerance.

    The sum itself is returned when no refit suffices; a constant that was added to a table's
    entry, such as f', is added to the refit.
    """
    constant = 0.0
    refits = refits_of(sum_)
    if not refits and len(sum_.b) > 1 and sum_.b[-1] == 0.0:
        constant = sum_.a[-1]
        refits = refits_of(GaussianSum(sum_.a[:-1], sum_.b[:-1]))
    for refit in refits:
        if refit.d_min <= d_min and refit.error <= tolerance:
            return refit.sum + constant
    return sum_


def with_fewest_gaussians(
    a: np.ndarray, b: np.ndarray, d_min: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (n_kinds, n_terms) with each kind's sum as short as the tolerance allows."""
    sums = []
    for a_row, b_row in zip(a, b, strict=True):
        used = a_row != 0.0
        if used.any():
            sum_ = GaussianSum(tuple(a_row[used]), tuple(b_row[used]))
            sums.append(fewest_gaussians(sum_, d_min, tolerance))
        else:
            sums.append(GaussianSum((0.0,), (0.0,)))
    return stack(sums)


def refit_error(
    a: np.ndarray, b: np.ndarray, exact_a: np.ndarray, exact_b: np.ndarray, d_min: float
) -> float:
    """Largest relative difference to `d_min` (Å) between the sums of two sets of coefficients."""
    if a.shape == exact_a.shape and (a == exact_a).all() and (b == exact_b).all():
        return 0.0
    stol2 = np.linspace(0.0, 0.5 / d_min, ERROR_POINTS) ** 2
    found, exact = (
        (x[:, :, None] * np.exp(-y[:, :, None] * stol2)).sum(axis=1)
        for x, y in ((a, b), (exact_a, exact_b))
    )
    size = np.abs(exact).max(axis=1, keepdims=True)
    # A form factor that passes through zero is compared with a thousandth of its maximum
    return float((np.abs(found - exact) / np.maximum(np.abs(exact), 1e-3 * size)).max(initial=0.0))
