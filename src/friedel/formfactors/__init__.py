"""Form factors: Gaussian sums f(stol2), their densities, and the published tables of them."""

from friedel.formfactors.fitting import FittedSum, fit_gaussians
from friedel.formfactors.gaussians import GaussianSum
from friedel.formfactors.isotopes import neutron_length
from friedel.formfactors.published import TABLES, form_factor_table
from friedel.formfactors.scattering import SOURCES, ScatteringFactors, scattering_factors
from friedel.formfactors.tables import FormFactorTable

__all__ = [
    "SOURCES",
    "TABLES",
    "FittedSum",
    "FormFactorTable",
    "GaussianSum",
    "ScatteringFactors",
    "fit_gaussians",
    "form_factor_table",
    "neutron_length",
    "scattering_factors",
]
