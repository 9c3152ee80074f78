"""friedel: scattering from atomic models, for X-rays, electrons and neutrons.

The short door::

    friedel.fcalc("model.pdb", d_min=2.0).to_mtz("fcalc.mtz")
    friedel.FModel("model.pdb", "data.mtz").fit().to_mtz("fmodel.mtz")

The familiar door: ``import friedel as gemmi`` runs the examples of gemmi's scattering page.

Names are looked up when first used, so that importing friedel costs next to nothing.
"""

from importlib import import_module
from typing import Any

_SHORT_DOOR = {
    "AccuracyModel": "friedel.sampling",
    "Atoms": "friedel.atoms",
    "Calculator": "friedel.calculator",
    "Crystal": "friedel.crystal",
    "FModel": "friedel.fmodel",
    "FloatGrid": "friedel.grid",
    "FormFactorTable": "friedel.formfactors",
    "GaussianSum": "friedel.formfactors",
    "ReciprocalGrid": "friedel.grid",
    "Reflections": "friedel.reflections",
    "anomalous": "friedel.dispersion",
    "as_crystal": "friedel.io.models",
    "as_model": "friedel.io.models",
    "as_reflections": "friedel.io.data",
    "cromer_liberman": "friedel.dispersion",
    "fcalc": "friedel.shortcuts",
    "form_factor_table": "friedel.formfactors",
    "transform_map_to_f_phi": "friedel.fourier",
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
    "MissingDependencyError",
    "OutputError",
    "ParameterError",
    "ReflectionsError",
    "ResolutionError",
    "SymmetryError",
)

_FAMILIAR_DOOR = (
    "Addends",
    "AtomicRadiiSet",
    "DensityCalculatorE",
    "DensityCalculatorN",
    "DensityCalculatorX",
    "Element",
    "IT92_get_exact",
    "IT92_normalize",
    "IT92_set_ignore_charge",
    "Scaling",
    "SolventMasker",
    "StructureFactorCalculatorE",
    "StructureFactorCalculatorN",
    "StructureFactorCalculatorX",
    "read_mtz_file",
    "read_small_structure",
    "read_structure",
)

_HOMES = {
    **{name: (module, name) for name, module in _SHORT_DOOR.items()},
    **{name: ("friedel.errors", name) for name in _ERRORS},
    **{name: ("friedel.compat", name) for name in _FAMILIAR_DOOR},
    "hc": ("friedel.constants", "HC"),
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


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
