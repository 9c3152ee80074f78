"""Fit Gaussians to tables of other formulas, for sums over atoms, and print the errors.

    python tools/fit_electron_tables.py

Writes lobato14_gaussians.csv and kirkland10_gaussians.csv; run tools/import_tables.py afterwards.
"""

import csv
from pathlib import Path

import numpy as np

from friedel.data import table
from friedel.scattering.formfactors.exact import exact_form_factors
from friedel.scattering.formfactors.fitting import fit_gaussians

DATA = Path(__file__).parents[1] / "src" / "friedel" / "data"

N_TERMS = 9
"""Number of Gaussians: each more divides the error by three; density kernels take groups of 3."""
STOL = np.linspace(0.0, 6.0, 601)


def main() -> None:
    for name in ("lobato14", "kirkland10"):
        errors = []
        with (DATA / f"{name}_gaussians.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            numbers = range(1, N_TERMS + 1)
            header = [f"{letter}{i}" for letter in "ab" for i in numbers]
            writer.writerow(["symbol", *header, "relative_error"])
            for label, exact in exact_form_factors(name, table(name)).items():
                f = exact.f(STOL**2)
                fitted = fit_gaussians(STOL, f, n_terms=N_TERMS, sigma=f)
                a, b = ([float(f"{x:.9g}") for x in v] for v in (fitted.a, fitted.b))
                rounded = np.exp(-np.outer(STOL**2, b)) @ a
                errors.append(float(np.abs(rounded / f - 1.0).max()))
                writer.writerow([label, *a, *b, f"{errors[-1]:.1e}"])
        print(
            f"{name}: relative error {np.median(errors):.1e} in the median, {max(errors):.1e} max"
        )


if __name__ == "__main__":
    main()
