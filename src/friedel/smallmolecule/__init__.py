"""Small structures against their measured F^2, as SHELXL compares them [Sheldrick2015].

F^2_model = k^2 T / sqrt(1 + 0.001 x T lambda^3 / sin(2 theta)), with T the sum of the twin domains'
|F_calc|^2 times their fractions. k, x and the fractions are fitted, the atoms stay.
"""

from friedel.smallmolecule.comparison import fit_intensities
from friedel.smallmolecule.result import IntensityFit

__all__ = ["IntensityFit", "fit_intensities"]
