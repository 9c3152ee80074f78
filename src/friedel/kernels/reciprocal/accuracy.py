"""Loops of the accuracy model: errors of one sampling of a density, and the cheapest sampling."""

import math
from typing import NamedTuple

import numpy as np

from friedel.kernels.compiled import njit
from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.grid.gaussians import r2_at_level
from friedel.kernels.reciprocal.rounding import MOST_EXPONENT, Rounding, rounding_of_sums

MODERATE_STEPS = 12
"""Number of steps of the search for a density level, after which the level only decreases."""
MOST_RELATIVE, LEAST_RELATIVE = 300.0, -60.0
"""Limit of the logarithms of relative errors, the squares of which are summed, and those of terms
that add nothing to such a sum."""
NEGLIGIBLE = -30.0
"""Logarithm of terms that are left out of a sum, relative to the largest."""
TAIL_ALIASING = 1.2
"""Factor by which aliasing of the cut tails of atoms increases their power."""
MAX_BLUR = 600.0
"""Largest blur (Å^2); grids that need more are too coarse."""
OUTER_SHELLS = 2
"""Number of shells in which errors are calculated first: they are largest in the outer ones."""

COSINES, WEIGHTS = np.polynomial.legendre.leggauss(24)
LOG_WEIGHTS = np.log(WEIGHTS)
"""Directions of s, and logarithms of the weights of averages over them; the weights sum to 2, for
both of a pair +-g of lattice points."""


class Errors(NamedTuple):
    """What the errors of a model depend on; see :class:`friedel.accuracy.model.AccuracyModel`.

    Attributes
    ----------
    s, log_share
        (n_shells, n_points) values of 1/d, and the logarithms of the contribution of power at these
        points to the squared error of the shell.
    log_power, step
        Logarithm of the model's Wilson curve at multiples of `step` in s^2.
    a, b, number
        (n, GROUP) coefficients of groups of Gaussians with their occupancies and B, and (n,) the
        number of atoms with each.
    cell_volume
        Volume of the cell, Å^3.
    rounding
        What rounding errors depend on.
    """

    s: np.ndarray
    log_share: np.ndarray
    log_power: np.ndarray
    step: float
    a: np.ndarray
    b: np.ndarray
    number: np.ndarray
    cell_volume: float
    rounding: Rounding


class Cost(NamedTuple):
    """Times (s) with one thread.

    Attributes
    ----------
    per_call
        Of a call, with what does not depend on the grid.
    per_volume
        Per grid point and Å^3 of spheres of atoms.
    per_call_if_wide, per_volume_if_wide
        The same where some spheres are wider than the tables of the kernels.
    per_wide_volume
        Per grid point and Å^3 of these spheres.
    """

    per_call: float
    per_volume: float
    per_call_if_wide: float
    per_volume_if_wide: float
    per_wide_volume: float


class Grids(NamedTuple):
    """Grids that may be taken, by ascending number of points.

    Attributes
    ----------
    n_points
        (n,) numbers of grid points.
    lattices
        (n, m) lengths |g| (1/Å) of vectors of the lattice of each transform, one of each pair +-g.
    per_point
        (n,) time per grid point, s.
    widest
        (n,) largest radius of a sphere that fits into the tables of the kernels, Å.
    """

    n_points: np.ndarray
    lattices: np.ndarray
    per_point: np.ndarray
    widest: np.ndarray


class Allowed(NamedTuple):
    """Relative errors that are allowed: in total, and of each of the three kinds."""

    total: float
    aliasing: float
    truncation: float
    rounding: float


@njit(nogil=True, error_model="numpy")
def cheapest_sampling(errors, precision, cost, grids, allowed, low, level):
    """The grid, blur and density level of least predicted time that meet the allowed errors.

    Parameters
    ----------
    low
        Smallest blur (Å^2).
    level
        Density level with which the search begins.

    Returns
    -------
    Index of the grid, -1 if none meets them; blur; level; predicted error and time.
    """
    best, blur, error, seconds = -1, 0.0, 0.0, math.inf
    r2 = np.zeros(len(errors.number))
    least_volume = _least_volume(errors, grids.lattices[-1], allowed, low, level, r2)
    for i in range(len(grids.n_points)):
        # Too expensive even with the smallest spheres, and the next grids have more points
        if _seconds(cost, grids, i, least_volume, 0.0) > seconds:
            break
        found = _sampling_of_grid(
            errors, precision, cost, grids, i, allowed, low, level, r2, seconds
        )
        if found[3] < seconds:
            best = i
            blur, level, error, seconds = found
    return best, blur, level, error, seconds


@njit(nogil=True, error_model="numpy")
def _seconds(cost, grids, i, volume, wide):
    """Time on grid i with spheres of a total volume, of which `wide` is that of wide ones."""
    per_call, per_volume = cost.per_call, cost.per_volume
    if wide > 0.0:
        per_call, per_volume = cost.per_call_if_wide, cost.per_volume_if_wide
    of_spheres = (volume - wide) * per_volume + wide * cost.per_wide_volume
    return per_call + grids.n_points[i] * (grids.per_point[i] + of_spheres)


@njit(nogil=True, error_model="numpy")
def _seconds_of_spheres(cost, grids, i, number, r2):
    """Time on grid i for the squared radii r2 (n,) of the spheres, of which there are `number`."""
    wide = _volume(number, r2, grids.widest[i])
    return _seconds(cost, grids, i, _volume(number, r2, 0.0), wide)


@njit(nogil=True, error_model="numpy")
def _least_volume(errors, finest, allowed, low, level, r2):
    """Volume (Å^3) of the spheres of all atoms on the finest grid, where they are smallest."""
    outer = len(errors.s) - OUTER_SHELLS
    blur = smallest_blur(errors, finest, low, allowed.aliasing, outer)
    if blur == math.inf:
        return 0.0
    _largest_level(errors, blur, _tails(errors, blur, r2), level, allowed.truncation, outer)
    return _volume(errors.number, r2, 0.0)


@njit(nogil=True, error_model="numpy")
def _sampling_of_grid(errors, precision, cost, grids, i, allowed, low, level, r2, most):
    """Blur, level, error and time for grid i; the time is infinite if it fails or is `most`.

    Squared radii r2 (n,) of the atoms are guesses.
    """
    failed = (0.0, level, math.inf, math.inf)
    n_points, lattice = grids.n_points[i], grids.lattices[i]
    outer = len(errors.s) - OUTER_SHELLS
    blur, error, seconds = low, math.inf, math.inf
    # The level affects rounding errors a little: the last pass knows it
    for first in (outer, 0, 0):
        blur = smallest_blur(errors, lattice, low, allowed.aliasing, first)
        if blur == math.inf:
            return failed
        noise = rounding_error(errors, precision, n_points, blur, level)
        if noise > allowed.rounding:
            return failed
        tails = _tails(errors, blur, r2)
        rest = math.sqrt(allowed.truncation**2 - noise**2)
        level, _ = _largest_level(errors, blur, tails, level, rest, first)
        seconds = _seconds_of_spheres(cost, grids, i, errors.number, r2)
        if seconds >= most:
            return failed
        parts = _errors(errors, precision, n_points, lattice, blur, level, tails)
        error = math.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2)
        if error <= allowed.total:
            break
    return blur, level, error, seconds


@njit(nogil=True, error_model="numpy")
def predicted_errors(errors, precision, cost, grids, blur, level):
    """Errors and time of the first of the grids.

    Returns
    -------
    Relative errors of the worst shell from aliasing, truncation and rounding, and the time, s.
    """
    r2 = np.zeros(len(errors.number))
    tails = _tails(errors, blur, r2)
    n_points, lattice = grids.n_points[0], grids.lattices[0]
    alias, truncation, rounding = _errors(errors, precision, n_points, lattice, blur, level, tails)
    return alias, truncation, rounding, _seconds_of_spheres(cost, grids, 0, errors.number, r2)


@njit(nogil=True, error_model="numpy")
def _errors(errors, precision, n_points, lattice, blur, level, tails):
    _, truncation = _largest_level(errors, blur, tails, level, math.inf, 0)
    return (
        alias_error(errors, lattice, blur),
        truncation,
        rounding_error(errors, precision, n_points, blur, level),
    )


@njit(nogil=True, error_model="numpy")
def smallest_blur(errors, lattice, low, allowed, first_shell):
    """Smallest blur (Å^2) at which aliasing falls to `allowed`, infinite if it exceeds MAX_BLUR.

    Aliasing is from the vectors of a transform's lattice of lengths `lattice`, in the shells from
    `first_shell` on.
    """
    shells = range(first_shell, len(errors.s))
    terms = (len(errors.s), errors.s.shape[1] * len(lattice) * len(COSINES))
    exponent, loss = np.empty(terms), np.empty(terms)
    for shell in shells:
        _list_aliases(errors, lattice, shell, exponent[shell], loss[shell])
    blur, log_allowed = low, 2.0 * math.log(allowed)
    while blur <= MAX_BLUR:
        worst, slope = -math.inf, 0.0
        for i in range(len(shells)):
            # The outer shells first, as others need not be summed if they cannot be worse
            shell = len(errors.s) - 1 - i
            value, of_shell = _log_alias(exponent[shell], loss[shell], blur, worst)
            if value > worst:
                worst, slope = value, of_shell
        if worst <= log_allowed:
            return blur
        # The function is convex: Newton's method stays below the root, and aims a little beyond
        blur += (worst - log_allowed + 0.02) / max(slope, 1e-9)
    return math.inf


@njit(nogil=True, error_model="numpy")
def alias_error(errors, lattice, blur):
    """Relative error of the worst shell from aliasing; see `smallest_blur`."""
    terms = errors.s.shape[1] * len(lattice) * len(COSINES)
    exponent, loss = np.empty(terms), np.empty(terms)
    worst = -math.inf
    for i in range(len(errors.s)):
        _list_aliases(errors, lattice, len(errors.s) - 1 - i, exponent, loss)
        worst = max(worst, _log_alias(exponent, loss, blur, worst)[0])
    return math.exp(0.5 * min(worst, MOST_EXPONENT))


@njit(nogil=True, error_model="numpy")
def _list_aliases(errors, lattice, shell, exponent, loss):
    """List the logarithms of the power aliased into a shell, and their decrease per Å^2 of blur."""
    m = 0
    for point in range(errors.s.shape[1]):
        length, log_share = errors.s[shell, point], errors.log_share[shell, point]
        for g in lattice:
            for c in range(len(COSINES)):
                farther = g * g + 2.0 * length * g * COSINES[c]
                value = _log_power(errors.log_power, errors.step, length * length + farther)
                exponent[m] = value + LOG_WEIGHTS[c] + log_share
                loss[m] = 0.5 * farther
                m += 1


@njit(nogil=True, error_model="numpy")
def _log_power(log_power, step, s2):
    """Ln P at s^2, linear between tabulated points and beyond the last one."""
    position = s2 / step
    index = min(int(position), len(log_power) - 2)
    fraction = position - index
    return log_power[index] * (1.0 - fraction) + log_power[index + 1] * fraction


@njit(nogil=True, error_model="numpy")
def _log_alias(exponent, loss, blur, above):
    """Logarithm of the squared error in a shell, and its decrease per Å^2 of blur.

    It is not calculated if it is not `above` some value.
    """
    top = -math.inf
    for m in range(len(exponent)):
        top = max(top, exponent[m] - blur * loss[m])
    if top + math.log(len(exponent)) <= above:
        return -math.inf, 0.0
    total, moment = 0.0, 0.0
    for m in range(len(exponent)):
        below = exponent[m] - blur * loss[m] - top
        if below > NEGLIGIBLE:
            term = math.exp(below)
            total += term
            moment += term * loss[m]
    return top + math.log(total), moment / total


@njit(nogil=True, error_model="numpy")
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
        As for :class:`Errors`.
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
                if exponent - log_here[i] > LEAST_RELATIVE:
                    out[i] += math.exp(min(exponent - log_here[i], MOST_RELATIVE))
    return out


@njit(nogil=True, error_model="numpy")
def largest_level(errors, blur, level, allowed):
    """Largest density level at which truncation of atoms is allowed, from a guess."""
    tails = _tails(errors, blur, np.zeros(len(errors.number)))
    return _largest_level(errors, blur, tails, level, allowed, 0)[0]


@njit(nogil=True, error_model="numpy")
def _tails(errors, blur, r2):
    """Densities of the groups of Gaussians, sum amplitude exp(-factor r^2), and guesses r2 (n,).

    The latter are replaced by the squared radii (Å^2) for the last density level that was tried.
    """
    amplitude, factor = np.empty_like(errors.a), np.empty_like(errors.b)
    for j in range(len(errors.a)):
        for t in range(GROUP):
            factor[j, t] = 4.0 * math.pi**2 / (errors.b[j, t] + blur)
            amplitude[j, t] = errors.a[j, t] * _to_3_2(factor[j, t] / math.pi)
    return amplitude, factor, r2


@njit(nogil=True, error_model="numpy")
def _to_3_2(x):
    """x^(3/2), faster than by a power."""
    return x * math.sqrt(x)


@njit(nogil=True, error_model="numpy")
def _volume(number, r2, beyond):
    """Volume of the spheres with a radius larger than `beyond` (Å), Å^3."""
    total = 0.0
    for j in range(len(r2)):
        if r2[j] > beyond * beyond:
            total += number[j] * _to_3_2(r2[j])
    return total * 4.0 / 3.0 * math.pi


@njit(nogil=True, error_model="numpy")
def _largest_level(errors, blur, tails, level, allowed, first_shell):
    """Level at which truncation is allowed in the shells from `first_shell` on, and its error.

    If the allowed error is infinite, the level is not changed.
    """
    # The cut tails of copies of one atom add up
    more = math.log(TAIL_ALIASING * errors.rounding.overlap.copies)
    weight = np.empty(errors.s.shape)
    for shell in range(first_shell, len(weight)):
        for point in range(weight.shape[1]):
            unblur = 0.5 * blur * errors.s[shell, point] ** 2
            log_share = more + errors.log_share[shell, point]
            weight[shell, point] = math.exp(min(log_share + unblur, MOST_EXPONENT))
    step = 0
    while True:
        error = math.sqrt(_truncation(errors, tails, level, weight, first_shell))
        # The error is nearly proportional to the level
        change = allowed / max(error, 1e-150)
        is_close = change < 1.05 or step >= MODERATE_STEPS
        if (change >= 1.0 and is_close) or allowed == math.inf or not change >= 0.0:
            return level, error
        # At a level above its peak an atom vanishes: steps stay moderate
        level *= min(max(0.98 * change, 1e-6), 1e3) if step < MODERATE_STEPS else 0.8
        step += 1


@njit(nogil=True, error_model="numpy")
def _truncation(errors, tails, level, weight, first_shell):
    """Squared error, after removing the blur, in the worst shell from tails cut off at a level.

    A tail that starts with density rho and decays as exp(-lam (r - R)) transforms to at most
    4 pi rho R / (2 pi s sqrt(lam^2 + (2 pi s)^2)), oscillating, and to its integral at s = 0.
    A density that is cut where it has hardly begun to fall, or everywhere, counts as lost.
    `weight` turns power at a point into squared error.
    """
    amplitude, factor, r2 = tails
    log_level = math.log(level)
    error2 = np.zeros(len(weight))
    for j in range(len(r2)):
        r2[j] = r2_at_level(amplitude, factor, j, log_level, r2[j])
        r = math.sqrt(r2[j])
        rho, slope = 0.0, 0.0
        for t in range(GROUP):
            term = amplitude[j, t] * math.exp(-factor[j, t] * r2[j])
            rho += term
            slope += factor[j, t] * term
        is_lost = slope * r2[j] <= rho
        lam = math.inf if is_lost else 2.0 * r * slope / rho
        whole = 4.0 * math.pi * rho * r * r / lam * (1.0 + 2.0 / (lam * r) + 2.0 / (lam * r) ** 2)
        # 4 pi rho r / (w sqrt(lam^2 + w^2)) / sqrt(2), squared
        oscillating = 8.0 * (math.pi * rho * r) ** 2
        for shell in range(first_shell, len(weight)):
            for point in range(weight.shape[1]):
                s = errors.s[shell, point]
                if is_lost:
                    power = _whole_power(amplitude[j], factor[j], s)
                else:
                    w2 = (2.0 * math.pi * s) ** 2
                    power = min(oscillating / (w2 * (lam * lam + w2)), whole * whole)
                error2[shell] += errors.number[j] * power * weight[shell, point]
    return error2.max()


@njit(nogil=True, error_model="numpy")
def _whole_power(amplitude, factor, s):
    """Squared transform at s of a sum of Gaussians amplitude exp(-factor r^2)."""
    f = 0.0
    for t in range(GROUP):
        f += (
            amplitude[t]
            * (math.pi / factor[t]) ** 1.5
            * math.exp(-((math.pi * s) ** 2) / factor[t])
        )
    return f * f


@njit(nogil=True, error_model="numpy")
def rounding_error(errors, precision, n_points, blur, level):
    """Relative error of the worst shell from the finite precision of a grid of `n_points`."""
    cell_volume = errors.cell_volume
    variance, equal = rounding_of_sums(
        errors.rounding, precision, cell_volume, n_points, blur, level
    )
    worst2 = 0.0
    for shell in range(len(errors.s)):
        white2 = 0.0
        for point in range(errors.s.shape[1]):
            unblur = 0.5 * blur * errors.s[shell, point] ** 2
            log_share = errors.log_share[shell, point]
            white2 += math.exp(min(log_share + unblur, 0.5 * MOST_EXPONENT))
        worst2 = max(worst2, variance * white2)
    return math.sqrt(worst2 + equal**2)
