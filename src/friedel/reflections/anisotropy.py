"""Anisotropy of measured intensities: how their mean depends on direction.

The mean intensity is modelled as epsilon S(d) exp(-s B s / 2), where s is the reciprocal vector
(1/Å), S a smooth function of resolution and B a symmetric tensor with trace zero that the point
group leaves invariant. The parameters of both maximise the likelihood of Wilson's distribution.
The logarithm of the mean is linear in them, so that there is one maximum if no intensity is
negative.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from friedel.model.crystal import Crystal
from friedel.model.tensors import UPPER, averaged_unit_tensors
from friedel.reflections.mean_intensity import (
    MEAN_TERMS,
    least_mean,
    log_mean_fit,
    mean_and_error,
    resolution_limits,
    resolution_terms,
    smooth_noise,
)

LEAST_REFLECTIONS = 200
"""Number of reflections below which no anisotropy is determined."""

ALONG_AXIS = np.cos(np.radians(5.0))
"""Cosine of the largest angle at which a direction is named after an axis of the cell."""
SMALLEST_PART = 0.05
"""Smallest coefficient that the name of a direction contains."""


@dataclass(frozen=True)
class Anisotropy:
    """Anisotropic part of the overall B of measured intensities.

    Attributes
    ----------
    b_cart
        B11, B22, B33, B12, B13, B23 (Å^2) in Cartesian axes, a along x; their trace is zero.
        Amplitudes are proportional to exp(-s B s / 4).
    principal_b
        Eigenvalues (Å^2) in ascending order; in the first direction data extend furthest.
    directions
        Names of the principal directions, such as ``"a*"`` or ``"0.80 a* - 0.60 c*"``, combinations
        of unit vectors along the reciprocal axes, or ``"directions normal to c*"``.
    difference, difference_sigma
        Largest difference of B between directions, Å^2, and its standard uncertainty.
    intensity_ratio
        Ratio of mean intensities in the two directions at the highest resolution.
    """

    b_cart: tuple[float, ...]
    principal_b: tuple[float, float, float]
    directions: tuple[str, str, str]
    difference: float
    difference_sigma: float
    intensity_ratio: float


def anisotropy(
    crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray, sigmas: np.ndarray | None
) -> Anisotropy | str:
    """Fit the anisotropy; text that gives the reason if that is impossible.

    Parameters
    ----------
    hkl
        (n, 3) unique reflections.
    intensity, sigmas
        (n,) measured intensities, of any sign, and uncertainties. These reduce the weights of weak
        reflections.
    """
    tensors = invariant_tensors(crystal)
    if not len(tensors):
        return "the symmetry is cubic, so that intensities cannot depend on direction"
    if len(hkl) < LEAST_REFLECTIONS:
        return f"{len(hkl)} reflections are too few, expected {LEAST_REFLECTIONS} or more"
    relative = intensity / crystal.epsilon(hkl)
    overall = float(relative.mean())
    if overall <= 0.0:
        return "the mean intensity is not positive"
    fit = _fit(crystal, hkl, relative / overall, sigmas, tensors, overall)
    information = (fit.terms * fit.weights[:, None]).T @ fit.terms
    stol2 = float(crystal.stol2(hkl).max())
    covariance = np.linalg.pinv(information)[-len(tensors) :, -len(tensors) :] / stol2**2
    return _described(crystal, fit.b, tensors, covariance, stol2)


def anisotropic_mean(
    crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray, sigmas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth mean of I / epsilon by resolution and direction; I may be negative.

    It is isotropic, and B zero, where :func:`anisotropy` gives a reason for having none.

    Parameters
    ----------
    hkl
        (n, 3) unique reflections.
    intensity, sigmas
        (n,) measured intensities and uncertainties.

    Returns
    -------
    mean, b
        (n,) mean, and (3, 3) B (Å^2) in Cartesian axes, with trace zero.
    """
    mean, _, b = anisotropic_mean_and_error(crystal, hkl, intensity, sigmas)
    return mean, b


def anisotropic_mean_and_error(
    crystal: Crystal, hkl: np.ndarray, intensity: np.ndarray, sigmas: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, the error (n,) that limits it from below, and B as :func:`anisotropic_mean`."""
    tensors = invariant_tensors(crystal)
    relative = intensity / crystal.epsilon(hkl)
    overall = float(relative.mean())
    if not len(tensors) or len(hkl) < LEAST_REFLECTIONS or overall <= 0.0:
        return *mean_and_error(crystal, hkl, intensity, sigmas), np.zeros((3, 3))
    fit = _fit(crystal, hkl, relative / overall, sigmas, tensors, overall)
    return overall * np.exp(fit.log_mean), overall * fit.least, fit.b


class _Fit(NamedTuple):
    """Terms (n, m) of the logarithm of the mean (n,), its error and weights (n,), and B (3, 3).

    The last terms have as coefficients those of B in `tensors` times the largest stol2.
    """

    terms: np.ndarray
    log_mean: np.ndarray
    least: np.ndarray
    weights: np.ndarray
    b: np.ndarray


def _fit(
    crystal: Crystal,
    hkl: np.ndarray,
    relative: np.ndarray,
    sigmas: np.ndarray | None,
    tensors: np.ndarray,
    overall: float,
) -> _Fit:
    """Fit of the mean of `relative` intensities (n,), which are I / epsilon / overall."""
    stol2 = crystal.stol2(hkl)
    s = hkl @ crystal.fractionalization
    smooth = resolution_terms(stol2, resolution_limits(stol2), MEAN_TERMS)
    # All terms are of the order of 1, as the search takes steps of this size
    unit = float(stol2.max())
    directional = -0.5 / unit * np.einsum("ni,kij,nj->nk", s, tensors, s)
    terms = np.hstack([smooth, directional])
    share = np.where(crystal.is_centric(hkl), 0.5, 1.0)
    if sigmas is None or not (sigmas > 0).any():
        found = log_mean_fit(terms, relative, share)
        log_mean, least, weights = terms @ found, np.zeros(len(hkl)), share
    else:
        noise = smooth_noise(terms, sigmas / crystal.epsilon(hkl) / overall)
        found = log_mean_fit(terms, relative, share, noise)
        least = least_mean(terms, noise)
        log_mean = np.maximum(terms @ found, np.log(least))
        # The variance of an intensity is that of Wilson's distribution, mean^2, and of its error
        weights = share / (1.0 + noise**2 * np.exp(-2.0 * log_mean))
    b = np.einsum("k,kij->ij", found[-len(tensors) :] / unit, tensors)
    return _Fit(terms, log_mean, least, weights, b)


def invariant_tensors(crystal: Crystal) -> np.ndarray:
    """(k, 3, 3) Cartesian tensors of trace zero that the point group leaves invariant.

    They are orthonormal; k is 5 in triclinic, 3, 2, 1, 1 and 0 in monoclinic to cubic symmetry.
    """
    rotations, _ = crystal.primitive_operations
    # The number is exact in the basis of the cell, whatever the rounding of its angles
    in_cell = averaged_unit_tensors(rotations)[:, *UPPER]
    n = round(float(np.trace(in_cell))) - 1
    turned = crystal.orthogonalization @ rotations @ crystal.fractionalization
    full = averaged_unit_tensors(turned)
    full = full - np.trace(full, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3.0
    _, _, rows = np.linalg.svd(full.reshape(6, 9))
    found = rows[:n].reshape(n, 3, 3)
    return 0.5 * (found + found.transpose(0, 2, 1))


def _described(
    crystal: Crystal, b: np.ndarray, tensors: np.ndarray, covariance: np.ndarray, stol2: float
) -> Anisotropy:
    values, vectors = np.linalg.eigh(b)
    first, last = vectors[:, 0], vectors[:, 2]
    by_parameter = np.einsum("i,kij,j->k", last, tensors, last)
    by_parameter -= np.einsum("i,kij,j->k", first, tensors, first)
    difference = float(values[2] - values[0])
    names = [_direction(crystal, vector) for vector in vectors.T]
    if len(tensors) == 1:
        # Two eigenvalues are equal, and their vectors arbitrary in a plane
        axis = 2 if values[1] - values[0] < values[2] - values[1] else 0
        normal = f"directions normal to {names[axis]}"
        names = [name if i == axis else normal for i, name in enumerate(names)]
    return Anisotropy(
        b_cart=tuple(float(x) for x in b[*UPPER]),
        principal_b=(float(values[0]), float(values[1]), float(values[2])),
        directions=(names[0], names[1], names[2]),
        difference=difference,
        difference_sigma=float(np.sqrt(by_parameter @ covariance @ by_parameter)),
        intensity_ratio=float(np.exp(2.0 * difference * stol2)),
    )


def _direction(crystal: Crystal, vector: np.ndarray) -> str:
    """Name of a Cartesian unit vector in terms of the reciprocal axes, or of a cell axis."""
    reciprocal = crystal.fractionalization / crystal.reciprocal_lengths[:, None]
    direct = crystal.orthogonalization.T / np.array(crystal.cell[:3])[:, None]
    for axes, star in ((reciprocal, "*"), (direct, "")):
        cosines = np.abs(axes @ vector)
        if cosines.max() > ALONG_AXIS:
            return "abc"[int(cosines.argmax())] + star
    parts = np.linalg.solve(reciprocal.T, vector)
    parts *= np.sign(parts[np.abs(parts).argmax()])
    terms = [
        f"{'-' if x < 0 else '+'} {abs(x):.2f} {name}*"
        for x, name in zip(parts, "abc", strict=True)
        if abs(x) >= SMALLEST_PART
    ]
    text = " ".join(terms).removeprefix("+ ")
    return text.replace("- ", "-", 1) if text.startswith("- ") else text
