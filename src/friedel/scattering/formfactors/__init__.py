"""Form factors: Gaussian sums f(stol2), their densities, and the published tables of them."""

from friedel.scattering.formfactors.fitting import FittedSum, fit_gaussians
from friedel.scattering.formfactors.gaussians import GaussianSum
from friedel.scattering.formfactors.isotopes import neutron_length
from friedel.scattering.formfactors.published import TABLES, form_factor_table
from friedel.scattering.formfactors.scattering import (
    SOURCES,
    ScatteringFactors,
    factors_of_atoms,
    scattering_factors,
)
from friedel.scattering.formfactors.tables import FormFactorTable

__all__ = [
    "SOURCES",
    "TABLES",
    "FittedSum",
    "FormFactorTable",
    "GaussianSum",
    "ScatteringFactors",
    "factors_of_atoms",
    "fit_gaussians",
    "form_factor_table",
    "neutron_length",
    "scattering_factors",
]
