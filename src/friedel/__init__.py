"""friedel: scattering from atomic models, for X-rays, electrons and neutrons.

The short door::

    friedel.fcalc("model.pdb", d_min=2.0).to_mtz("fcalc.mtz")
    friedel.FModel("model.pdb", "data.mtz").fit().to_mtz("fmodel.mtz")

The familiar door: ``import friedel as gemmi`` runs the examples of gemmi's scattering page.

Names are looked up when first used, so that importing friedel costs next to nothing.
"""

from importlib import import_module
from typing import Any

from friedel.compat import __all__ as _FAMILIAR_DOOR

_SHORT_DOOR = {
    "Atoms": "friedel.atoms",
    "Calculator": "friedel.calculator",
    "Crystal": "friedel.crystal",
    "Ensemble": "friedel.ensemble",
    "FModel": "friedel.fmodel",
    "FormFactorTable": "friedel.formfactors",
    "FriedelPairs": "friedel.friedel_pairs",
    "GaussianSum": "friedel.formfactors",
    "Gradients": "friedel.gradients",
    "IntensityFit": "friedel.smallmolecule",
    "MaskParameters": "friedel.mask",
    "Reflections": "friedel.reflections",
    "Agreement": "friedel.comparison",
    "absorption_edges": "friedel.dispersion.edges",
    "agreement": "friedel.comparison",
    "anomalous": "friedel.dispersion",
    "as_crystal": "friedel.io.models",
    "as_model": "friedel.io.models",
    "as_reflections": "friedel.io.data",
    "cromer_liberman": "friedel.dispersion",
    "fcalc": "friedel.shortcuts",
    "fit_intensities": "friedel.smallmolecule",
    "fit_gaussians": "friedel.formfactors",
    "form_factor_table": "friedel.formfactors",
    "model_density": "friedel.shortcuts",
    "neutron_length": "friedel.formfactors",
    "read_calculated": "friedel.io.calculated",
    "plot_cost": "friedel.plots_model",
    "plot_dispersion": "friedel.plots_elements",
    "plot_fmodel": "friedel.plots",
    "plot_form_factors": "friedel.plots_elements",
    "plot_map": "friedel.plots_data",
    "plot_outliers": "friedel.plots_data",
    "plot_wilson": "friedel.plots_data",
    "plot_section": "friedel.plots_model",
}

_ERRORS = (
    "AccuracyError",
    "AtomsError",
    "CellError",
    "ElementError",
    "EnergyError",
    "FileFormatError",
    "FriedelError",
    "FriedelWarning",
    "MemoryLimitError",
    "MissingDependencyError",
    "OutputError",
    "ParameterError",
    "ReflectionsError",
    "ResolutionError",
    "SymmetryError",
)

_HOMES = {
    **{name: ("friedel.compat", name) for name in _FAMILIAR_DOOR},
    **{name: ("friedel.errors", name) for name in _ERRORS},
    **{name: (module, name) for name, module in _SHORT_DOOR.items()},
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("friedel")
    try:
        module, attribute = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'friedel' has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
