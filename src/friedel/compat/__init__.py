"""gemmi-compatible interface: gemmi's names for scattering, on this package's engine.

``import friedel as gemmi`` runs the examples of gemmi's page on scattering, and scripts that go on
from there. The modules here compute nothing, they only translate arguments and results. Grids,
AsuData and elements are subclasses of gemmi's; readers, models and all that computes no scattering
are gemmi's own.
"""

from importlib import import_module
from typing import Any

from friedel.compat.handed_through import NAMES as NAMES, REFUSED as REFUSED

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
        "mott_bethe_const",
        "restore_tables",
        "set_custom_form_factors",
    ),
    "friedel.compat.density": (
        "DensityCalculatorC",
        "DensityCalculatorE",
        "DensityCalculatorN",
        "DensityCalculatorX",
        "DensityCalculatorZ",
    ),
    "friedel.compat.direct": (
        "StructureFactorCalculatorE",
        "StructureFactorCalculatorN",
        "StructureFactorCalculatorX",
    ),
    "friedel.compat.element": ("Element",),
    "friedel.compat.masks": ("AtomicRadiiSet", "SolventMasker"),
    "friedel.compat.scaling": ("Scaling",),
    "friedel.compat.asu_data": ("ComplexAsuData",),
    "friedel.compat.transforms": ("transform_f_phi_grid_to_map", "transform_map_to_f_phi"),
    "friedel.compat.float_grid": ("FloatGrid",),
}

_RENAMED = {
    "ExpSum5": ("friedel.compat.coefficients", "ExpSum"),
    "ReciprocalComplexGrid": ("friedel.compat.reciprocal_grid", "ReciprocalGrid"),
    "hc": ("friedel.constants", "HC"),
}

_SOURCES = _RENAMED | {name: (home, name) for home, names in _HOMES.items() for name in names}
_FROM_GEMMI = frozenset(NAMES)

__all__ = sorted([*_SOURCES, *_FROM_GEMMI])


def __getattr__(name: str) -> Any:
    if name in _FROM_GEMMI:
        value = getattr(import_module("friedel.gemmi_package").gemmi, name)
    elif name in _SOURCES:
        module, attribute = _SOURCES[name]
        value = getattr(import_module(module), attribute)
    else:
        why = f": {REFUSED[name]}" if name in REFUSED else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{why}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
