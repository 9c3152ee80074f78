"""Form factors: Gaussian sums f(stol2), their densities, and the published tables of them."""

from friedel.formfactors.gaussians import GaussianSum
from friedel.formfactors.scattering import SOURCES, ScatteringFactors, scattering_factors
from friedel.formfactors.tables import TABLES, FormFactorTable, form_factor_table

__all__ = [
    "SOURCES",
    "TABLES",
    "FormFactorTable",
    "GaussianSum",
    "ScatteringFactors",
    "form_factor_table",
    "scattering_factors",
]
