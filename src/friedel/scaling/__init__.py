"""Overall, anisotropic and bulk-solvent scale: structure factors of a model made to fit F_obs.

F_total = k_overall exp(-s^T B s / 4) (F_calc + k_sol exp(-B_sol stol2) F_mask), with s the
reciprocal-lattice vector of hkl in Cartesian coordinates (1/Å), |s|^2 / 4 = stol2, and B a
tensor that is invariant under the symmetry [Fokine2002] [Afonine2013]. If cross-validation
supports it, both scales are multiplied by smooth curves of a few coefficients, the anisotropy
depends on resolution, and the solvent has a layer with a different density.

All functions work on arrays. Names are imported when they are first used, so that the command
can list :data:`TARGETS` without importing the compiler of the kernels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from friedel.reflections.agreement import r_factor as r_factor
    from friedel.scaling.choice import Shape as Shape, choose_shape as choose_shape
    from friedel.scaling.data import ScalingData as ScalingData
    from friedel.scaling.fitting import (
        ScalingFit as ScalingFit,
        fit as fit,
        start_of_fit as start_of_fit,
    )
    from friedel.scaling.outliers import Outlier as Outlier, find_outliers as find_outliers
    from friedel.scaling.parameters import (
        MEAN_B_SOL as MEAN_B_SOL,
        MEAN_K_SOL as MEAN_K_SOL,
        PARAMETERS as PARAMETERS,
        ScaleParameters as ScaleParameters,
        quadratic_terms as quadratic_terms,
        symmetric_tensors as symmetric_tensors,
    )
    from friedel.scaling.quick_start import (
        fit_anisotropic_b as fit_anisotropic_b,
        fit_isotropic_b as fit_isotropic_b,
    )
    from friedel.scaling.targets import TARGETS as TARGETS

_NAMES = {
    "friedel.reflections.agreement": ("r_factor",),
    "friedel.scaling.choice": ("Shape", "choose_shape"),
    "friedel.scaling.data": ("ScalingData",),
    "friedel.scaling.fitting": ("ScalingFit", "fit", "start_of_fit"),
    "friedel.scaling.outliers": ("Outlier", "find_outliers"),
    "friedel.scaling.parameters": (
        "MEAN_B_SOL",
        "MEAN_K_SOL",
        "PARAMETERS",
        "ScaleParameters",
        "quadratic_terms",
        "symmetric_tensors",
    ),
    "friedel.scaling.quick_start": ("fit_anisotropic_b", "fit_isotropic_b"),
    "friedel.scaling.targets": ("TARGETS",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if f"{__name__}.{name}" in _NAMES:  # submodules, too, are imported on first use
        return import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
