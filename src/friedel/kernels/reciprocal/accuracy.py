"""Loops of the accuracy model: aliasing and truncation errors for one choice of grid and blur."""

import math

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.gaussians import r2_at_level

MODERATE_STEPS = 12
"""Number of steps of the search for a density level, after which the level only decreases."""
MOST = 300.0
"""Limit of the logarithms of relative errors, the squares of which are summed."""
NEGLIGIBLE = -30.0
"""Logarithm of terms that are left out of a sum, relative to the largest."""


@njit(nogil=True)
def _log_power(log_power, step, s2):
    """Ln P at s^2, linear between tabulated points and beyond the last one."""
    position = s2 / step
    index = min(int(position), len(log_power) - 2)
    fraction = position - index
    return log_power[index] * (1.0 - fraction) + log_power[index + 1] * fraction


@njit(nogil=True)
def smallest_blur(
    s, log_share, lattice, log_power, step, cosines, log_weights, low, high, log_allowed
):
    """Smallest blur from `low` to `high` at which the aliasing error is allowed, and that error.

    Parameters
    ----------
    s, log_share
        (n_shells, n_points) values of 1/d, and the logarithms of the contribution of power at these
        points to the squared error of the shell.
    lattice
        Lengths |g| (1/Å) of vectors of the transform's lattice, one of each pair +-g.
    log_power
        Logarithm of the model's Wilson curve at multiples of `step` in s^2.
    cosines, log_weights
        Directions of s and weights of their averages; the weights sum to 2, for both of +-g.
    log_allowed
        Logarithm of the allowed squared error in the worst shell.

    Returns
    -------
    The blur, infinite if none suffices, and the logarithm of the squared error with the
    last that was tried.
    """
    terms = (len(s), s.shape[1] * len(lattice) * len(cosines))
    exponent, loss = np.empty(terms), np.empty(terms)
    for shell in range(len(s)):
        m = 0
        for point in range(s.shape[1]):
            length = s[shell, point]
            for g in lattice:
                for c, log_weight in zip(cosines, log_weights):
                    farther = g * g + 2.0 * length * g * c
                    value = _log_power(log_power, step, length * length + farther)
                    exponent[shell, m] = value + log_weight + log_share[shell, point]
                    loss[shell, m] = 0.5 * farther
                    m += 1
    blur, log_error2 = low, math.inf
    while blur <= high:
        log_error2, slope = _log_alias(exponent, loss, blur)
        if log_error2 <= log_allowed:
            return blur, log_error2
        # The function is convex: Newton's method stays below the root, and aims a little beyond
        blur += (log_error2 - log_allowed + 0.02) / max(slope, 1e-9)
    return math.inf, log_error2


@njit(nogil=True)
def _log_alias(exponent, loss, blur):
    """Logarithm of the squared error in the worst shell, and its decrease per Å^2 of blur.

    `exponent` (n_shells, n_terms) has the logarithms of the aliased power without blur, and
    `loss` their decrease per Å^2 of blur.
    """
    worst, slope = -math.inf, 0.0
    for shell in range(len(exponent)):
        top = -math.inf
        for m in range(exponent.shape[1]):
            top = max(top, exponent[shell, m] - blur * loss[shell, m])
        total, moment = 0.0, 0.0
        for m in range(exponent.shape[1]):
            below = exponent[shell, m] - blur * loss[shell, m] - top
            if below > NEGLIGIBLE:
                term = math.exp(below)
                total += term
                moment += term * loss[shell, m]
        value = top + math.log(total)
        if value > worst:
            worst, slope = value, moment / total
    return worst, slope


@njit(nogil=True)
def count_in_boxes(frac, f, total, number):
    """Add to the boxes of a cell, powers of two along each axis, the f (n,) of atoms, and 1."""
    nu, nv, nw = total.shape
    for j in range(len(f)):
        u = math.floor(frac[j, 0] * nu) & (nu - 1)
        v = math.floor(frac[j, 1] * nv) & (nv - 1)
        w = math.floor(frac[j, 2] * nw) & (nw - 1)
        total[u, v, w] += f[j]
        number[u, v, w] += 1.0


@njit(nogil=True)
def window_sums(total, number):
    """Sums of T^2 and of T^2 N, T and N being the sums over windows of two boxes along each axis.

    The windows are those at all positions, periodic; along an axis with one box they contain it
    once.
    """
    nu, nv, nw = total.shape
    power, weighted = 0.0, 0.0
    totals, numbers = np.empty(nw + 1), np.empty(nw + 1)
    for u in range(nu):
        for v in range(nv):
            totals[:] = 0.0
            numbers[:] = 0.0
            for i in range(1 + (nu > 1)):
                for j in range(1 + (nv > 1)):
                    row, column = (u + i) % nu, (v + j) % nv
                    for w in range(nw):
                        totals[w] += total[row, column, w]
                        numbers[w] += number[row, column, w]
            if nw > 1:
                totals[nw], numbers[nw] = totals[0], numbers[0]
            for w in range(nw):
                t, n = totals[w] + totals[w + 1], numbers[w] + numbers[w + 1]
                power += t * t
                weighted += t * t * n
    return power, weighted


@njit(nogil=True)
def halve_boxes(boxes, out):
    """Sums over pairs of boxes along each axis of which `out` has half as many."""
    su, sv, sw = (
        boxes.shape[0] // out.shape[0],
        boxes.shape[1] // out.shape[1],
        boxes.shape[2] // out.shape[2],
    )
    out[:] = 0.0
    for u in range(boxes.shape[0]):
        for v in range(boxes.shape[1]):
            for w in range(boxes.shape[2]):
                out[u // su, v // sv, w // sw] += boxes[u, v, w]


@njit(nogil=True)
def alias_power(vectors, log_here, lattice, log_power, step, blur):
    """Power that aliasing adds to each reflection, relative to its own, after removing the blur.

    Parameters
    ----------
    vectors
        (n, 3) reciprocal vectors of the reflections, 1/Å.
    log_here
        (n,) logarithms of their power.
    lattice
        (m, 3) vectors of the transform's lattice, one of each pair +-g.
    log_power, step
        As for `smallest_blur`.
    """
    out = np.zeros(len(vectors))
    for i in range(len(vectors)):
        x, y, z = vectors[i]
        s2 = x * x + y * y + z * z
        for j in range(len(lattice)):
            gx, gy, gz = lattice[j]
            g2 = gx * gx + gy * gy + gz * gz
            along = 2.0 * (x * gx + y * gy + z * gz)
            for farther in (g2 + along, g2 - along):
                exponent = _log_power(log_power, step, s2 + farther) - 0.5 * blur * farther
                out[i] += math.exp(min(exponent - log_here[i], MOST))
    return out


@njit(nogil=True)
def power_curve(weight, f2, kind, b_iso, s2):
    """out[i] = sum_j weight_j f2[kind_j, i] exp(-b_iso_j s2[i] / 2), at least 1e-290."""
    out = np.zeros(len(s2))
    for j in range(len(weight)):
        # s2 is equally spaced from 0: the exponential is a geometric sequence
        value, ratio = weight[j], math.exp(-0.5 * b_iso[j] * (s2[1] - s2[0]))
        row = f2[kind[j]]
        for i in range(len(s2)):
            out[i] += value * row[i]
            value *= ratio
    for i in range(len(s2)):
        out[i] = max(out[i], 1e-290)
    return out


@njit(nogil=True)
def largest_level(s, log_share, blur, amplitude, factor, count, level, allowed, r2):
    """Largest density level at which atoms may be cut off, from a guess, and the resulting error.

    Parameters
    ----------
    s, log_share
        (n_shells, n_points) values of 1/d, and the logarithms of the contribution of power at these
        points to the squared error of the shell.
    amplitude, factor
        (n, n_terms) coefficients of groups of Gaussians; `count` (n,) is the number of each.
    allowed
        Allowed squared error in the worst shell; if it is infinite the level is not changed.
    r2
        (n,) guesses of the squared radii (Å^2), replaced by the radii.

    Returns
    -------
    The level, and the squared error.
    """
    step = 0
    while True:
        error2 = _truncation(s, log_share, blur, amplitude, factor, count, level, r2)
        # The error is nearly proportional to the level
        change = math.sqrt(allowed / max(error2, 1e-300))
        is_close = change < 1.05 or step >= MODERATE_STEPS
        if (change >= 1.0 and is_close) or allowed == math.inf or not change >= 0.0:
            return level, error2
        # At a level above its peak an atom vanishes: steps stay moderate
        level *= min(max(0.98 * change, 1e-6), 1e3) if step < MODERATE_STEPS else 0.8
        step += 1


@njit(nogil=True)
def _whole_power(amplitude, factor, s):
    """Squared transform at s of a sum of Gaussians amplitude exp(-factor r^2)."""
    f = 0.0
    for t in range(len(amplitude)):
        f += (
            amplitude[t]
            * (math.pi / factor[t]) ** 1.5
            * math.exp(-((math.pi * s) ** 2) / factor[t])
        )
    return f * f


@njit(nogil=True)
def _truncation(s, log_share, blur, amplitude, factor, count, level, r2):
    """Squared error, after removing the blur, in the worst shell from tails cut off at a level.

    A tail that starts with density rho and decays as exp(-lam (r - R)) transforms to at most
    4 pi rho R / (2 pi s sqrt(lam^2 + (2 pi s)^2)), oscillating, and to its integral at s = 0.
    A density that is cut where it has hardly begun to fall, or everywhere, counts as lost.
    """
    log_level = math.log(level)
    power = np.zeros(s.shape)
    for j in range(len(r2)):
        r2[j] = r2_at_level(amplitude, factor, j, log_level, r2[j])
        r = math.sqrt(r2[j])
        rho, slope = 0.0, 0.0
        for t in range(amplitude.shape[1]):
            term = amplitude[j, t] * math.exp(-factor[j, t] * r2[j])
            rho += term
            slope += factor[j, t] * term
        if slope * r2[j] <= rho:
            for shell in range(s.shape[0]):
                for point in range(s.shape[1]):
                    power[shell, point] += count[j] * _whole_power(
                        amplitude[j], factor[j], s[shell, point]
                    )
            continue
        lam = 2.0 * r * slope / rho
        whole = 4.0 * math.pi * rho * r * r / lam * (1.0 + 2.0 / (lam * r) + 2.0 / (lam * r) ** 2)
        # 4 pi rho r / (w sqrt(lam^2 + w^2)) / sqrt(2), squared
        oscillating = 8.0 * (math.pi * rho * r) ** 2
        for shell in range(s.shape[0]):
            for point in range(s.shape[1]):
                w2 = (2.0 * math.pi * s[shell, point]) ** 2
                tail2 = oscillating / (w2 * (lam * lam + w2))
                power[shell, point] += count[j] * min(tail2, whole * whole)
    worst = 0.0
    for shell in range(s.shape[0]):
        error2 = 0.0
        for point in range(s.shape[1]):
            unblur = 0.5 * blur * s[shell, point] ** 2
            error2 += power[shell, point] * math.exp(min(log_share[shell, point] + unblur, 700.0))
        worst = max(worst, error2)
    return worst
