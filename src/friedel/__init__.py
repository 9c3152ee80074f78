"""friedel: scattering from atomic models, for X-rays, electrons and neutrons.

One-line interface::

    friedel.fcalc("model.pdb", d_min=2.0).to_mtz("fcalc.mtz")
    friedel.FModel("model.pdb", "data.mtz").fit().to_mtz("fmodel.mtz")

What to call for what::

    structure factors        fcalc, model_density; many calls, gradients: Calculator, Ensemble
    data of a macromolecule  FModel, then fit(); of that omit(), residues(), to_mtz(), ...
    a small structure, F^2   fit_intensities
    a reflection file        as_reflections, describe_data, french_wilson, l_test, h_test
    calculated values        read_calculated, agreement
    maps, cryo-EM            map_of_model, map_model_correlation, fourier_shell_correlation,
                             soft_mask, f_of_map, fit_scale_and_b
    map coefficients, peaks  read_map_coefficients, map_from_coefficients, find_peaks
    trajectories, diffuse    ensemble.run, ensemble.moments
    form factors             form_factor_table, neutron_length, fit_gaussians, read_form_factors
    f' and f''               anomalous, cromer_liberman, absorption_edges, dispersion_notes
    cells, atoms, files      Crystal, Atoms, as_crystal, as_model, read_map, read_map_box
    targets of refinement    targets.least_squares, targets.maximum_likelihood, ...
    PyTorch, JAX             friedel.bridges.torch, friedel.bridges.jax
    figures                  plot_fmodel, plot_wilson, plot_outliers, plot_map, plot_residues,
                             plot_data_report, plot_intensities, plot_bijvoet_pairs, plot_fsc,
                             plot_ensemble, plot_form_factors, plot_dispersion, plot_section,
                             plot_cost
    memory that is kept      release_memory

``help(friedel.fcalc)`` describes one of them, ``dir(friedel)`` lists all names, and
``friedel --help`` in a shell the commands.

gemmi-compatible interface: ``import friedel as gemmi`` runs the examples of gemmi's scattering
page.

Names are looked up when first used, so that importing friedel costs next to nothing.
"""

import sys
from importlib import import_module
from typing import Any

from friedel.compat import REFUSED as _REFUSED, __all__ as _GEMMI_NAMES, old_paths
from friedel.runtime.address_space import check_address_space

_ONE_LINE_INTERFACE = {
    "AtomFormFactors": "friedel.scattering.atom_form_factors",
    "Atoms": "friedel.model.atoms",
    "Calculator": "friedel.structure_factors.calculator",
    "CalculationOptions": "friedel.structure_factors.options",
    "Crystal": "friedel.model.crystal",
    "DataReport": "friedel.data_report.report",
    "Ensemble": "friedel.ensemble.members",
    "FModel": "friedel.fmodel.fmodel",
    "FSC": "friedel.map_model.fsc",
    "FittedModel": "friedel.fmodel.fitted",
    "FormFactorTable": "friedel.scattering.formfactors",
    "FriedelPairs": "friedel.reflections.friedel_pairs",
    "GaussianSum": "friedel.scattering.formfactors",
    "Grid": "friedel.density.grid",
    "Gradients": "friedel.structure_factors.gradients",
    "HTest": "friedel.reflections.twin_statistics",
    "IntensityFit": "friedel.smallmolecule",
    "LTest": "friedel.reflections.twin_statistics",
    "MaskParameters": "friedel.solvent.flat_mask",
    "Peaks": "friedel.maps.peak_table",
    "MapModelCorrelation": "friedel.map_model.correlation",
    "MapBox": "friedel.density.map_box",
    "Note": "friedel.notes",
    "Reflections": "friedel.reflections.reflections",
    "Agreement": "friedel.reflections.agreement",
    "absorption_edges": "friedel.scattering.dispersion.edges",
    "agreement": "friedel.reflections.agreement",
    "anomalous": "friedel.scattering.dispersion",
    "as_crystal": "friedel.readers.models",
    "as_model": "friedel.readers.models",
    "as_reflections": "friedel.readers.amplitudes",
    "describe_data": "friedel.data_report.describe",
    "cromer_liberman": "friedel.scattering.dispersion",
    "dispersion_notes": "friedel.scattering.dispersion",
    "fcalc": "friedel.structure_factors.fcalc",
    "f_of_map": "friedel.map_model.map_transform",
    "find_peaks": "friedel.maps.peaks",
    "fit_scale_and_b": "friedel.map_model.map_transform",
    "fourier_shell_correlation": "friedel.map_model.fsc",
    "fit_intensities": "friedel.smallmolecule",
    "french_wilson": "friedel.reflections.french_wilson",
    "fit_gaussians": "friedel.scattering.formfactors",
    "form_factor_table": "friedel.scattering.formfactors",
    "map_from_coefficients": "friedel.maps.coefficients",
    "map_model_correlation": "friedel.map_model.correlation",
    "map_of_model": "friedel.maps.model_map",
    "h_test": "friedel.reflections.twin_statistics",
    "l_test": "friedel.reflections.twin_statistics",
    "model_density": "friedel.structure_factors.model_density",
    "neutron_length": "friedel.scattering.formfactors",
    "read_calculated": "friedel.readers.calculated",
    "read_form_factors": "friedel.readers.form_factors",
    "read_map": "friedel.readers.maps",
    "read_map_box": "friedel.readers.maps",
    "read_map_coefficients": "friedel.readers.map_coefficients",
    "release_memory": "friedel.runtime.memory",
    "soft_mask": "friedel.map_model.soft_mask",
    "plot_cost": "friedel.plots.density",
    "plot_data_report": "friedel.plots.data_report",
    "plot_dispersion": "friedel.plots.scattering",
    "plot_ensemble": "friedel.plots.ensemble",
    "plot_fmodel": "friedel.plots.fmodel",
    "plot_form_factors": "friedel.plots.scattering",
    "plot_bijvoet_pairs": "friedel.plots.intensities",
    "plot_fsc": "friedel.plots.maps",
    "plot_intensities": "friedel.plots.intensities",
    "plot_map": "friedel.plots.data",
    "plot_outliers": "friedel.plots.data",
    "plot_wilson": "friedel.plots.data",
    "plot_residues": "friedel.plots.maps",
    "plot_section": "friedel.plots.density",
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
    "GuessError",
    "MemoryLimitError",
    "MissingCellError",
    "MissingDependencyError",
    "OutputError",
    "ParameterError",
    "ReflectionsError",
    "ResolutionError",
    "SymmetryError",
    "TimeLimitError",
)

_MODULES = {
    **{name: ("friedel.errors", name) for name in _ERRORS},
    **{name: (module, name) for name, module in _ONE_LINE_INTERFACE.items()},
}

_ALL = sorted(_MODULES)
"""This package's own names, which are its ``__all__``; gemmi's names can be used as well."""

_PACKAGES = ("bridges", "ensemble", "targets")
"""Packages and modules that are used by their own names."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from friedel.constants import VERSION

        return VERSION
    # pydoc prints the whole documentation of all that `__all__` names: thousands of lines. Without
    # it, help(friedel) is the text above
    if name == "__all__" and sys._getframe(1).f_code.co_name != "docmodule":
        return _ALL
    if name in _PACKAGES:
        return import_module(f"friedel.{name}")
    if name not in _ERRORS:
        check_address_space()
    if name in _MODULES:
        module, attribute = _MODULES[name]
    elif name in _GEMMI_NAMES:
        module, attribute = "friedel.compat", name
    else:
        why = f": {_REFUSED[name]}" if name in _REFUSED else ""
        raise AttributeError(f"module 'friedel' has no attribute {name!r}{why}")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*_ALL, *_PACKAGES, "__version__"]


old_paths.install()
