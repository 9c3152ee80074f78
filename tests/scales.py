"""A monoclinic crystal, and scales of a flat solvent and of all terms, to test derivatives."""

from dataclasses import replace

from friedel.model.crystal import Crystal
from friedel.scaling import ScaleParameters

CRYSTAL = Crystal.from_triplets((9, 11, 13, 90, 104, 90), ["-x,y+1/2,-z"])
FLAT = ScaleParameters(1.7, (2.0, -1.0, 4.0, 0.3, 1.5, -0.4), 0.4, 30.0)
RICH = replace(
    FLAT,
    k_layer=-0.3,
    overall_curve=(0.2, -0.1),
    solvent_curve=(0.3,),
    curve_range=(0.1, 0.5),
    anisotropic_curve=((0.2, -0.3, 0.1, 0.05, 0.1, -0.15), (-0.1, 0.25, -0.15, 0.1, 0.2, 0.05)),
)
