"""Starts of fits with usual solvents, as version 0.1.0 had them."""

from collections.abc import Collection

from friedel.scaling import MEAN_K_SOL, ScaleParameters, ScalingData, fit_isotropic_b

SOLVENT_DENSITIES = {
    "xray": (MEAN_K_SOL,),
    "electron": (0.05, 0.20),
    "mott-bethe": (0.05, 0.20),
    "neutron": (-0.056, 0.30, 0.64),
}
"""Densities (k_sol) of usual solvents for each radiation."""


def usual_starts(data: ScalingData, source: str, fixed: Collection[str]) -> list[ScaleParameters]:
    """Starts for usual solvents of a source, or ``"babinet"``; k_overall and B by a linear fit."""
    if source == "babinet":
        averages = [ScaleParameters(k_sol=0.8, b_sol=200.0)]
    else:
        averages = [ScaleParameters(k_sol=k) for k in SOLVENT_DENSITIES[source]]
    if not data.has_solvent:
        averages = [ScaleParameters(k_sol=0.0)]
    return [fit_isotropic_b(data, average, fixed) for average in averages]
