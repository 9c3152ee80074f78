"""Amplitudes of atoms with solvent, their derivatives, and the normal equations of a fit.

`products` (6, n) are CC, CM, MM, CL, ML, LL: real parts of the products of F_calc, F_mask and
F_layer, the only terms that depend on phases.
"""

import math

import numpy as np

from friedel.kernels.compiled import njit

REFLECTIONS_AT_A_TIME = 256
"""Number of reflections per block, whose derivatives stay in the cache between two uses."""

SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nsz"}
"""LLVM flags that allow the compiler to vectorise sums."""


@njit(nogil=True)
def quadratic_forms(hkl, forms, out):
    """out[a, i] = the form a at reflection i: of hh, kk, ll, hk, hl, kl forms[a] times."""
    for a in range(len(forms)):
        hh, kk, ll, hk, hl, kl = forms[a]
        for i in range(len(hkl)):
            h, k, l = float(hkl[i, 0]), float(hkl[i, 1]), float(hkl[i, 2])
            out[a, i] = h * (hh * h + hk * k + hl * l) + k * (kk * k + kl * l) + ll * l * l


@njit(nogil=True)
def products(f_calc, f_mask, f_layer, out):
    """Set the rows of `out` (6, n) to CC, CM, MM, CL, ML, LL."""
    for i in range(len(f_calc)):
        c, m, y = f_calc[i], f_mask[i], f_layer[i]
        out[0, i] = c.real * c.real + c.imag * c.imag
        out[1, i] = c.real * m.real + c.imag * m.imag
        out[2, i] = m.real * m.real + m.imag * m.imag
        out[3, i] = c.real * y.real + c.imag * y.imag
        out[4, i] = m.real * y.real + m.imag * y.imag
        out[5, i] = y.real * y.real + y.imag * y.imag


@njit(nogil=True)
def _square(products, i, solvent, k_layer):
    cross = products[1, i] + k_layer * products[3, i]
    solvent2 = products[2, i] + k_layer * (2.0 * products[4, i] + k_layer * products[5, i])
    return products[0, i] + solvent * (2.0 * cross + solvent * solvent2)


@njit(nogil=True)
def squares(products, solvent, k_layer, out):
    """out[i] = |F_calc + solvent[i] (F_mask + k_layer F_layer)|^2, from the products."""
    for i in range(len(out)):
        out[i] = _square(products, i, solvent[i], k_layer)


@njit(nogil=True)
def unscaled_amplitudes(products, solvent, k_layer, out):
    """Square roots of :func:`squares`."""
    for i in range(len(out)):
        out[i] = math.sqrt(max(_square(products, i, solvent[i], k_layer), 0.0))


@njit(nogil=True)
def scaled_amplitudes(
    products, overall, per_k_sol, k_sol, k_layer, observed, of_intensities, unscaled, residuals
):
    """Set the amplitudes before the overall scale, and what they differ from `observed` by.

    The scale of the solvent is k_sol times `per_k_sol` (n,), the overall scale is `overall` (n,).
    """
    for i in range(len(observed)):
        square = _square(products, i, k_sol * per_k_sol[i], k_layer)
        unscaled[i] = math.sqrt(max(square, 0.0))
        scaled = overall[i] * unscaled[i]
        residuals[i] = (scaled * scaled if of_intensities else scaled) - observed[i]


@njit(nogil=True)
def slopes(products, solvent, k_layer, amplitudes, along_solvent, along_layer):
    """Derivatives of the amplitudes by `solvent` and by `k_layer`; 0 where they vanish."""
    for i in range(len(amplitudes)):
        inverse = 1.0 / amplitudes[i] if amplitudes[i] > 0.0 else 0.0
        cross = products[1, i] + k_layer * products[3, i]
        solvent2 = products[2, i] + k_layer * (2.0 * products[4, i] + k_layer * products[5, i])
        along_solvent[i] = (cross + solvent[i] * solvent2) * inverse
        mixed = products[4, i] + k_layer * products[5, i]
        along_layer[i] = solvent[i] * (products[3, i] + solvent[i] * mixed) * inverse


@njit(nogil=True)
def _multiply(rows, factor, first, block, a):
    """Set rows a, ... of `block` to `rows` times `factor`, from `first` on; return the next a."""
    for row in range(len(rows)):
        for i in range(len(factor)):
            block[a, i] = rows[row, first + i] * factor[i]
        a += 1
    return a


@njit(nogil=True, fastmath=SUMS_IN_ANY_ORDER)
def normal_equations(
    overall, solvent, others, factors, weights, residuals, first, last, normal, gradient
):
    """Normal += J W J^T and gradient += J W r, summed over reflections first .. last - 1.

    Parameters
    ----------
    overall, solvent, others
        (m_0, n), (m_1, n), (m_2, n): rows of J without the factors.
    factors
        (3, n) factors of each of the three.
    weights, residuals
        (n,) weights and residuals.
    normal, gradient
        (m, m) and (m,), m = m_0 + m_1 + m_2.
    """
    m = len(gradient)
    block, weighted = np.empty((m, REFLECTIONS_AT_A_TIME)), np.empty(REFLECTIONS_AT_A_TIME)
    for start in range(first, last, REFLECTIONS_AT_A_TIME):
        size = min(REFLECTIONS_AT_A_TIME, last - start)
        a = _multiply(overall, factors[0, start : start + size], start, block, 0)
        a = _multiply(solvent, factors[1, start : start + size], start, block, a)
        _multiply(others, factors[2, start : start + size], start, block, a)
        for a in range(m):
            # Not in the loop of the sum: where a loop stores as well, the compiled code chooses by
            # the addresses of the arrays between two orders of summation
            for i in range(size):
                weighted[i] = block[a, i] * weights[start + i]
            total = 0.0
            for i in range(size):
                total += weighted[i] * residuals[start + i]
            gradient[a] += total
            for b in range(a + 1):
                total = 0.0
                for i in range(size):
                    total += weighted[i] * block[b, i]
                normal[a, b] += total
    for a in range(m):
        for b in range(a):
            normal[b, a] = normal[a, b]
