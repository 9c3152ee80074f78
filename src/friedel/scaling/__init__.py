"""Overall, anisotropic and bulk-solvent scale: structure factors of a model made to fit F_obs.

F_total = k_overall exp(-s^T B s / 4) (F_calc + k_sol exp(-B_sol stol2) F_mask), with s the
reciprocal-lattice vector of hkl in Cartesian coordinates (1/A), |s|^2 / 4 = stol2, and B a
tensor that the symmetry leaves as it is [Fokine2002] [Afonine2013]. Both scales may have smooth
curves of a few coefficients as further factors, as many as leave-out likelihood supports, and
the solvent a layer with a density of its own.

Everything here works on arrays.
"""

from friedel.reflections.agreement import r_factor
from friedel.scaling.choice import Shape, choose_shape
from friedel.scaling.data import ScalingData
from friedel.scaling.fitting import ScalingFit, fit
from friedel.scaling.outliers import Outlier, find_outliers
from friedel.scaling.parameters import (
    MEAN_B_SOL,
    MEAN_K_SOL,
    PARAMETERS,
    ScaleParameters,
    quadratic_terms,
    symmetric_tensors,
)
from friedel.scaling.quick_start import fit_anisotropic_b, fit_isotropic_b
from friedel.scaling.targets import TARGETS

__all__ = [
    "MEAN_B_SOL",
    "MEAN_K_SOL",
    "PARAMETERS",
    "TARGETS",
    "Outlier",
    "ScaleParameters",
    "ScalingData",
    "ScalingFit",
    "Shape",
    "choose_shape",
    "find_outliers",
    "fit",
    "fit_anisotropic_b",
    "fit_isotropic_b",
    "quadratic_terms",
    "r_factor",
    "symmetric_tensors",
]
