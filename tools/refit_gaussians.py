"""Refit tabulated form factors by two and three Gaussians for bands of resolution.

    python tools/refit_gaussians.py

A density of fewer Gaussians takes less time. For every entry of the tables and every band
0 <= sin(theta)/lambda <= 1/(2 d_min) the script searches for the sum of n Gaussians, without a
constant, with the smallest maximal relative error against the table's own curve, and writes it
to src/friedel/data/refits.csv with its error. It takes some twenty minutes.
"""

import csv
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from friedel.scattering.formfactors import form_factor_table

TABLES = ("it92", "c4322")
D_MIN = (1.0, 1.25, 1.4, 1.5, 2.0, 2.5, 3.0)
N_TERMS = (2, 3)
TARGET = Path(__file__).parents[1] / "src" / "friedel" / "data" / "refits.csv"
N_STARTS = 12
N_REWEIGHTINGS = 12


def refit(job):
    table, label, d_min, n = job
    exact = form_factor_table(table).entries[label]
    # Chebyshev points in stol: dense at the ends, where the largest errors stand
    stol = 0.25 / d_min * (1.0 - np.cos(np.pi * np.arange(121) / 120))
    f = exact.f(stol**2)
    if not (f > 0).all():
        return None
    rng = np.random.default_rng(1)
    best = None
    for start in range(N_STARTS):
        spread = np.sort(np.exp(rng.uniform(np.log(0.3), np.log(80.0), n)))
        log_b = np.log(spread) if start else np.log(np.geomspace(1.0, 30.0, n))
        found = _minimise(log_b, stol**2, f)
        if best is None or found[2] < best[2]:
            best = found
    a, b, error = best
    order = np.argsort(b)
    return table, label, d_min, n, a[order], b[order], error


def _minimise(log_b, stol2, f):
    """Least squares of the relative error, reweighted towards the smallest maximum."""
    weight = np.ones_like(f)
    best = (None, None, np.inf)

    def amplitudes(x):
        basis = np.exp(-np.outer(stol2, np.exp(x))) / f[:, None]
        a, *_ = np.linalg.lstsq(weight[:, None] * basis, weight, rcond=None)
        return a, basis

    def residual(x):
        a, basis = amplitudes(x)
        return weight * (basis @ a - 1.0)

    bounds = (np.log(0.02), np.log(400.0))
    for _ in range(N_REWEIGHTINGS):
        log_b = least_squares(residual, np.clip(log_b, *bounds) * 0.999, bounds=bounds).x
        a, basis = amplitudes(log_b)
        deviation = np.abs(basis @ a - 1.0)
        error = deviation.max()
        if error < best[2]:
            best = (a, np.exp(log_b), error)
        weight = weight * (0.3 + deviation / max(error, 1e-300))
        weight /= weight.max()
    return best


def main():
    jobs = [
        (table, label, d_min, n)
        for table in TABLES
        for label in form_factor_table(table).entries
        for d_min in D_MIN
        for n in N_TERMS
    ]
    with ProcessPoolExecutor() as pool, TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["table", "label", "d_min", "n", "a1", "a2", "a3", "b1", "b2", "b3", "error"]
        )
        for found in pool.map(refit, jobs, chunksize=16):
            if found is None:
                continue
            table, label, d_min, n, a, b, error = found
            numbers = [f"{x:.9g}" for x in a] + [""] * (3 - n)
            numbers += [f"{x:.9g}" for x in b] + [""] * (3 - n)
            writer.writerow([table, label, d_min, n, *numbers, f"{error:.2e}"])


if __name__ == "__main__":
    main()
