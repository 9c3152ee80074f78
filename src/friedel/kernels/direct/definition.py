"""Direct summation by its definition, and its transpose: for few terms of any kind."""

import math

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.kernels.direct.symmetry import compiled
from friedel.kernels.reciprocal.indices import rotated, turn_of

TWO_PI = 2.0 * math.pi


@compiled
def _size_and_angle(h, k, l, turn, frac, beta, j):
    """exp(-h beta h) and 2 pi (h.x + turn / 24) of atom j."""
    exponent = (
        beta[j, 0] * h * h
        + beta[j, 1] * k * k
        + beta[j, 2] * l * l
        + 2.0 * (beta[j, 3] * h * k + beta[j, 4] * h * l + beta[j, 5] * k * l)
    )
    turns = h * frac[j, 0] + k * frac[j, 1] + l * frac[j, 2] + turn / TRANSLATION_DENOMINATOR
    # Whole turns are removed first: cos and sin lose digits at large arguments
    angle = TWO_PI * (turns - np.rint(turns))
    return math.exp(-exponent), angle


@compiled
def sum_by_definition(first, last, hkl, absent, operations, model, f, out):
    """out[i] += sum_ops sum_j weight_j f[kind_j, i] exp(-h beta_j h) exp(2 pi i (h.x_j + h.t)).

    For first <= i < last and h = hkl[i] @ rotation, with f real or complex. Translations are in
    24ths, `beta` (n, 6) in the order 11, 22, 33, 12, 13, 23. When `with_inverse`, each operation
    stands also for its product with an inversion at the origin.
    """
    rotations, translations, with_inverse = operations
    frac, weight, beta, kind = model
    for i in range(first, last):
        if absent[i]:
            continue
        total = 0j
        for o in range(len(rotations)):
            h, k, l = rotated(hkl, i, rotations, o)
            turn = turn_of(hkl, i, translations, o)
            for j in range(len(frac)):
                size, angle = _size_and_angle(h, k, l, turn, frac, beta, j)
                size *= weight[j]
                if with_inverse:
                    total += f[kind[j], i] * (2.0 * size * math.cos(angle))
                else:
                    phase = complex(math.cos(angle), math.sin(angle))
                    total += f[kind[j], i] * (size * phase)
        out[i] += total


@compiled
def gather_by_definition(first, last, hkl, absent, operations, model, w, f, out):
    """Transpose of :func:`sum_by_definition`: out[j, :10] += the derivatives by atom j.

    For first <= j < last; the columns are those of :mod:`friedel.kernels.direct.rows_adjoint`.
    """
    rotations, translations, with_inverse = operations
    frac, weight, beta, kind = model
    for j in range(first, last):
        for i in range(len(hkl)):
            if absent[i]:
                continue
            pull = w[i].conjugate() * f[kind[j], i]
            if with_inverse:
                pull = complex(2.0 * pull.real, 0.0)
            for o in range(len(rotations)):
                h, k, l = rotated(hkl, i, rotations, o)
                turn = turn_of(hkl, i, translations, o)
                size, angle = _size_and_angle(h, k, l, turn, frac, beta, j)
                term = pull * complex(math.cos(angle), math.sin(angle)) * (size * weight[j])
                real, phase = term.real, -term.imag
                out[j, 0] += real
                out[j, 1] += TWO_PI * h * phase
                out[j, 2] += TWO_PI * k * phase
                out[j, 3] += TWO_PI * l * phase
                out[j, 4] -= h * h * real
                out[j, 5] -= k * k * real
                out[j, 6] -= l * l * real
                out[j, 7] -= 2.0 * h * k * real
                out[j, 8] -= 2.0 * h * l * real
                out[j, 9] -= 2.0 * k * l * real
