"""gemmi-compatible interface: gemmi's names for scattering, on this package's engine.

``import friedel as gemmi`` runs the examples of gemmi's page on scattering. The modules here
compute nothing, they only translate arguments and results. Readers and models are gemmi's own.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "friedel.compat.addends": ("Addends",),
    "friedel.compat.coefficients": (
        "C4322Coef",
        "IT92Coef",
        "IT92_get_exact",
        "IT92_get_ignore_charge",
        "IT92_normalize",
        "IT92_set_ignore_charge",
        "Neutron92",
        "WK95Coef",
        "restore_tables",
    ),
    "friedel.compat.density": ("DensityCalculatorE", "DensityCalculatorN", "DensityCalculatorX"),
    "friedel.compat.direct": (
        "StructureFactorCalculatorE",
        "StructureFactorCalculatorN",
        "StructureFactorCalculatorX",
    ),
    "friedel.compat.element": ("Element",),
    "friedel.compat.masks": ("AtomicRadiiSet", "SolventMasker"),
    "friedel.compat.scaling": ("Scaling",),
    "friedel.compat.reciprocal_grid": ("ComplexAsuData", "transform_map_to_f_phi"),
    "friedel.compat.float_grid": ("FloatGrid",),
    "gemmi": (
        "Atom",
        "Ccp4Map",
        "Chain",
        "FloatAsuData",
        "FlatStructure",
        "Fractional",
        "GroupOps",
        "Model",
        "Mtz",
        "NcsOp",
        "Op",
        "Position",
        "ReflnBlock",
        "Residue",
        "SMat33d",
        "SMat33f",
        "SmallStructure",
        "SpaceGroup",
        "Structure",
        "Transform",
        "UnitCell",
        "ValueSigmaAsuData",
        "as_refln_blocks",
        "cif",
        "find_spacegroup_by_name",
        "find_spacegroup_by_number",
        "make_small_structure_from_block",
        "make_structure_from_block",
        "read_ccp4_map",
        "read_mtz_file",
        "read_pdb",
        "read_pdb_string",
        "read_small_structure",
        "read_structure",
    ),
}

_RENAMED = {
    "ReciprocalComplexGrid": ("friedel.compat.reciprocal_grid", "ReciprocalGrid"),
    "hc": ("friedel.constants", "HC"),
}

_SOURCES = _RENAMED | {name: (home, name) for home, names in _HOMES.items() for name in names}

__all__ = sorted(_SOURCES)


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _SOURCES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
