"""Amplitudes from intensities by Bayes' theorem [French1978].

A measured intensity I with uncertainty sigma may be negative, the true intensity J may not. The
prior of J is Wilson's distribution with the mean <J> at this resolution, so that

    p(J | I) ~ J^(nu - 1) exp(-J / (n <J>)) exp(-(J - I)^2 / (2 sigma^2)),   J > 0,

with nu = n = 1 for acentric reflections, nu = 1/2 and n = 2 for centric ones. F is the mean of
J^(1/2) and sigma(F) its standard deviation.
"""

from typing import Any, NamedTuple

import numpy as np

from friedel.errors import ReflectionsError
from friedel.model.arrays import checked_hkl
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.reflections.anisotropy import anisotropic_mean_and_error
from friedel.reflections.mean_intensity import mean_and_error
from friedel.reflections.reflections import Reflections

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(48)
"""Nodes and weights of the integrals, with errors below 1e-10 for any I / sigma and <J> / sigma."""

EXPONENT = 40.0
"""Exponent E such that the integrals end where the density has fallen by exp(-E)."""

SHARP, LEAST_H = 1e10, -1e100
"""Limits of h, which is about I / sigma: densities above the first have no width in double
precision, and are normal ones; those below the second are those at it."""

ROWS_AT_A_TIME = 16384
"""Number of reflections per block of integrals, so that their nodes stay in the cache."""


ROUNDING = 1e-9
"""Relative difference of two equal numbers."""

IMPLAUSIBLE_SIGMAS = -4.0
"""Smallest I / sigma that Wilson's distribution explains; intensities below get a note."""


def french_wilson(
    crystal: Crystal,
    hkl: Any,
    intensity: Any,
    sigmas: Any,
    *,
    anisotropic: bool = False,
) -> Reflections:
    """Amplitudes from merged intensities by the method of French and Wilson [French1978].

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) unique reflections.
    intensity, sigmas
        (n,) intensities, which may be negative, and their standard uncertainties, not negative;
        where sigma is 0, F is the square root of max(I, 0).
    anisotropic
        Whether the mean intensity of Wilson's distribution depends on direction as well as on
        resolution.

    Returns
    -------
    Reflections
        (n,) F and sigma(F) in the order given, labelled ``"F"``, beside the intensities; `notes`
        give the number of negative intensities and the anisotropy.

    Raises
    ------
    ReflectionsError
        When there are no reflections, their indices are not integers, the numbers of indices,
        intensities and sigmas differ, or one of these is not finite, or a sigma negative.

    Examples
    --------
    >>> crystal = friedel.Crystal((20, 30, 40, 90, 90, 90))
    >>> intensity, sigmas = [-1.0, 50.0], [2.0, 2.0]
    >>> friedel.french_wilson(crystal, [[0, 0, 1], [1, 0, 2]], intensity, sigmas).values.round(3)
    array([1.014, 7.058])
    """
    hkl = checked_hkl(hkl)
    intensity, sigmas = (np.array(x, np.float64).reshape(-1) for x in (intensity, sigmas))
    if not (len(hkl) == len(intensity) == len(sigmas) and len(hkl)):
        raise ReflectionsError(
            f"got {len(hkl)} reflections, {len(intensity)} intensities and {len(sigmas)} sigmas, "
            "expected as many of each, and at least one"
        )
    if not (np.isfinite(intensity) & np.isfinite(sigmas) & (sigmas >= 0)).all():
        raise ReflectionsError("intensities and sigmas must be finite, and sigmas not negative")
    f, sigma_f, notes = amplitudes_from_intensities(
        crystal, hkl, intensity, sigmas, anisotropic=anisotropic
    )
    return Reflections(
        crystal,
        hkl,
        f,
        sigma_f,
        label="F",
        intensities=intensity,
        intensity_sigmas=sigmas,
        notes=notes,
    )


def amplitudes_from_intensities(
    crystal: Crystal,
    hkl: np.ndarray,
    intensity: np.ndarray,
    sigmas: np.ndarray | None,
    *,
    anisotropic: bool = False,
) -> tuple[np.ndarray, np.ndarray | None, tuple[Note, ...]]:
    """Amplitudes, their uncertainties and notes.

    Parameters
    ----------
    hkl
        (n, 3) unique reflections.
    intensity, sigmas
        (n,) values; without sigmas, or where sigma is 0, F is the square root of max(I, 0).
    anisotropic
        Whether the mean intensity depends on direction as well.
    """
    root = np.sqrt(np.maximum(intensity, 0.0))
    if sigmas is None:
        text = "amplitudes are square roots of the intensities, which have no sigmas"
        return root, None, (Note(text, "guess", give="give intensities with sigmas"),)
    measured = sigmas > 0
    notes: list[Note] = []
    if anisotropic:
        mean, least, b = anisotropic_mean_and_error(crystal, hkl, intensity, sigmas)
        spread = float(np.ptp(np.linalg.eigvalsh(b)))
        text = f"the mean intensity is anisotropic: B differs by {spread:.1f} A^2 with direction"
        notes.append(Note(text, "fit", spread))
    else:
        mean, least = mean_and_error(crystal, hkl, intensity, sigmas)
    if n := int((mean <= least * (1.0 + ROUNDING)).sum()):
        text = f"the mean intensity is below its error for {n} reflections: the error is used"
        notes.append(Note(text, "warning", n))
    mean = crystal.epsilon(hkl) * mean
    found = posterior(
        intensity[measured], sigmas[measured], mean[measured], crystal.is_centric(hkl)[measured]
    )
    f, sigma_f = root, np.zeros(len(root))
    f[measured], sigma_f[measured] = found.f, found.sigma_f
    negative = int((intensity < 0).sum())
    text = f"amplitudes are those of French and Wilson; {negative} intensities are negative"
    notes.insert(0, Note(text, "default", negative))
    if n := int((intensity < IMPLAUSIBLE_SIGMAS * sigmas).sum()):
        limit = f"{IMPLAUSIBLE_SIGMAS:g} sigma"
        text = f"{n} intensities are below {limit}, which random errors do not explain"
        notes.append(Note(text, "warning", n))
    return f, sigma_f, tuple(notes)


class Posterior(NamedTuple):
    """Posterior of intensities and amplitudes given the measurement, each (n,).

    `f` and `j` are means, `sigma_f` and `sigma_j` standard deviations.
    """

    f: np.ndarray
    sigma_f: np.ndarray
    j: np.ndarray
    sigma_j: np.ndarray


def posterior(
    intensity: np.ndarray, sigma: np.ndarray, mean: np.ndarray, centric: np.ndarray
) -> Posterior:
    """Means and standard deviations of the true intensities and amplitudes.

    Parameters
    ----------
    intensity, sigma
        (n,) measured intensities and uncertainties; sigma > 0.
    mean
        (n,) expected intensity of each reflection, epsilon included; > 0.
    centric
        (n,) bool.
    """
    parts = []
    for first in range(0, len(intensity), ROWS_AT_A_TIME):
        some = slice(first, first + ROWS_AT_A_TIME)
        parts.append(_of_rows(intensity[some], sigma[some], mean[some], centric[some]))
    if not parts:
        return Posterior(*np.zeros((4, 0)))
    return Posterior(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _of_rows(
    intensity: np.ndarray, sigma: np.ndarray, mean: np.ndarray, centric: np.ndarray
) -> Posterior:
    # In units of sigma, t = J / sigma, the density is t^(nu - 1) exp(-t^2 / 2 + h t)
    with np.errstate(over="ignore"):
        h = intensity / sigma - sigma / (mean * np.where(centric, 2.0, 1.0))
    sharp = h > SHARP
    of_sharp = np.where(np.isfinite(h), sigma * np.maximum(h, 0.0), intensity)[sharp]
    h = np.clip(h, LEAST_H, SHARP)
    width = np.sqrt(2.0 * EXPONENT)
    below = np.minimum(h, 0.0)
    # The root of t^2 / 2 - h t = EXPONENT for h < 0, without cancellation
    last = np.where(h > 0.0, h + width, width**2 / (np.sqrt(below**2 + width**2) - below))
    # x = t^(1/2) = F / sigma^(1/2): this removes the singularity of centric reflections at 0
    low, high = np.sqrt(np.maximum(h - width, 0.0)), np.sqrt(last)
    x = 0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * POINTS
    t = x * x
    above, below = np.maximum(h, 0.0)[:, None], below[:, None]
    density = WEIGHTS * np.exp(below * t - 0.5 * (t - above) ** 2)
    density = np.where(centric[:, None], density, x * density)
    density /= density.sum(axis=1, keepdims=True)
    mean_x, mean_t = (density * x).sum(axis=1), (density * t).sum(axis=1)
    # Not the difference of mean squares, which cancels for strong reflections
    deviation_x = np.sqrt((density * (x - mean_x[:, None]) ** 2).sum(axis=1))
    deviation_t = np.sqrt((density * (t - mean_t[:, None]) ** 2).sum(axis=1))
    root = np.sqrt(sigma)
    found = Posterior(root * mean_x, root * deviation_x, sigma * mean_t, sigma * deviation_t)
    f, sigma = np.sqrt(of_sharp), sigma[sharp]
    for values, limit in zip(found, (f, 0.5 * sigma / f, of_sharp, sigma), strict=True):
        values[sharp] = limit
    return found
