"""Smooth functions of resolution: terms of curves in the logarithms of scales."""

from functools import lru_cache

import numpy as np

from friedel.reflections.mean_intensity import resolution_terms


def curve_terms(stol2: np.ndarray, limits: tuple[float, float], n: int) -> np.ndarray:
    """(..., n) smooth functions of 1/d, constant outside of `limits` (1/Å).

    The terms are Chebyshev polynomials T1, T3, T4, T5, ... of 1/d scaled to -1..1, minus the
    straight line in stol2 nearest to each: such a line is equivalent to a factor and a B, which
    keep their meaning beside a curve. T2 is a combination of T1 and a line. Polynomials in 1/d
    rather than 1/d^2 are flexible at low resolution, where solvent matters.
    """
    within = _within(stol2, limits)
    line = np.stack([np.ones_like(within), within], axis=-1)
    return _polynomials(within, limits, _of_curve(n)) - line @ _nearest_lines(limits, n)


def anisotropic_terms(stol2: np.ndarray, limits: tuple[float, float], n: int) -> np.ndarray:
    """(..., n) smooth functions of 1/d that multiply harmonics; constant outside of `limits`.

    The terms are Chebyshev polynomials T0, T1, T3, T4, ... as in :func:`curve_terms`, minus the
    multiple of stol2 nearest to each, which is equivalent to anisotropy of B. T2 is a combination
    of T0, T1 and this multiple.
    """
    within = _within(stol2, limits)
    terms = _polynomials(within, limits, _of_anisotropy(n))
    return terms - within[..., None] * _nearest_multiples(limits, n)


def _within(stol2: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return 0.25 * np.clip(2.0 * np.sqrt(stol2), *limits) ** 2


def _of_curve(n: int) -> list[int]:
    return [1, *range(3, n + 2)][:n]


def _of_anisotropy(n: int) -> list[int]:
    return [0, 1, *range(3, n + 1)][:n]


def _polynomials(stol2: np.ndarray, limits: tuple[float, float], chosen: list[int]) -> np.ndarray:
    return resolution_terms(stol2, limits, max(chosen, default=0) + 1)[..., chosen]


@lru_cache(maxsize=64)
def _nearest_lines(limits: tuple[float, float], n: int) -> np.ndarray:
    """(2, n) constant and slope in stol2, with reflections evenly spread in reciprocal space."""
    inverse_d = np.linspace(*limits, 1000)
    root_weight = inverse_d[:, None]  # the volume of a shell goes with 1/d^2
    stol2 = 0.25 * inverse_d**2
    line = np.stack([np.ones_like(stol2), stol2], axis=-1)
    terms = _polynomials(stol2, limits, _of_curve(n))
    return np.linalg.lstsq(line * root_weight, terms * root_weight, rcond=None)[0]


@lru_cache(maxsize=64)
def _nearest_multiples(limits: tuple[float, float], n: int) -> np.ndarray:
    """(n,) factors of stol2, with reflections evenly spread in reciprocal space."""
    inverse_d = np.linspace(*limits, 1000)
    stol2 = 0.25 * inverse_d**2
    weighted = inverse_d**2 * stol2
    terms = _polynomials(stol2, limits, _of_anisotropy(n))
    return np.asarray(weighted @ terms / max(float(weighted @ stol2), 1e-300))
