"""Direct summation: the sum over atoms and operations, written as it is defined."""

import math

import numpy as np
from numba import njit

TWO_PI = 2.0 * math.pi


@njit(cache=True, nogil=True)
def structure_factors(hkl, rotations, translations, frac, weight, beta, kind, f, out):
    """out[i] = sum_ops sum_j weight_j f[kind_j, i] exp(-h beta_j h) exp(2 pi i (h.x_j + h.t)).

    Here h stands for hkl[i] @ rotation. `beta` is (n, 6) in the order 11, 22, 33, 12, 13, 23;
    `translations` are in units of the cell; `out` is (n_hkl,) complex128.
    """
    for i in range(len(hkl)):
        total_re = 0.0
        total_im = 0.0
        for o in range(len(rotations)):
            r = rotations[o]
            h = hkl[i, 0] * r[0, 0] + hkl[i, 1] * r[1, 0] + hkl[i, 2] * r[2, 0]
            k = hkl[i, 0] * r[0, 1] + hkl[i, 1] * r[1, 1] + hkl[i, 2] * r[2, 1]
            l = hkl[i, 0] * r[0, 2] + hkl[i, 1] * r[1, 2] + hkl[i, 2] * r[2, 2]
            shift = (
                hkl[i, 0] * translations[o, 0]
                + hkl[i, 1] * translations[o, 1]
                + hkl[i, 2] * translations[o, 2]
            )
            for j in range(len(frac)):
                exponent = (
                    beta[j, 0] * h * h
                    + beta[j, 1] * k * k
                    + beta[j, 2] * l * l
                    + 2.0 * (beta[j, 3] * h * k + beta[j, 4] * h * l + beta[j, 5] * k * l)
                )
                turns = h * frac[j, 0] + k * frac[j, 1] + l * frac[j, 2] + shift
                # Whole turns are dropped first: cos and sin lose digits at large arguments
                angle = TWO_PI * (turns - np.rint(turns))
                amplitude = weight[j] * f[kind[j], i] * math.exp(-exponent)
                total_re += amplitude * math.cos(angle)
                total_im += amplitude * math.sin(angle)
        out[i] = complex(total_re, total_im)
