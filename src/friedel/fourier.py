"""Density <-> structure factors: the only home of sign, scale, unblur and symmetry sum.

F(h) = sum_j f_j exp(+2 pi i h.x_j), so F is the conjugate of what an FFT with its usual
exp(-2 pi i ...) gives, times the volume of a grid point.
"""

import numpy as np

from friedel.constants import MOTT_BETHE
from friedel.crystal import Crystal
from friedel.errors import ResolutionError
from friedel.grid import ComplexAsuData, FloatGrid, ReciprocalGrid
from friedel.kernels.fourier import gather
from friedel.reflections import Reflections


def half_transform(density: np.ndarray, threads: int = 1) -> np.ndarray:
    """Real-to-complex discrete Fourier transform, l >= 0, sign exp(-2 pi i h.x), not scaled."""
    import scipy.fft

    return scipy.fft.rfftn(density, workers=threads)


def structure_factors(
    density: np.ndarray,
    crystal: Crystal,
    hkl: np.ndarray,
    *,
    blur: float = 0.0,
    symmetry_sum: bool = True,
    threads: int = 1,
) -> np.ndarray:
    """(n,) complex128 F at `hkl` of a density on a grid.

    Parameters
    ----------
    density
        (nu, nv, nw) over the whole cell.
    blur
        B (A^2) that was added to the atoms; F is multiplied by exp(+blur stol2).
    symmetry_sum
        Whether the density is of one asymmetric unit's atoms, and the symmetry copies
        are to be added: F(h) = sum_ops exp(2 pi i h.t) F_asu(h R).
    """
    transform = half_transform(density, threads)
    rotations, translations = crystal.primitive_operations
    if not symmetry_sum:
        rotations, translations = rotations[:1], translations[:1]
    scale = crystal.volume / density.size
    if symmetry_sum:
        # non-absent reflections have the same phase in each lattice translation
        scale *= len(crystal.centring_translations)
    out = np.empty(len(hkl), np.complex128)
    gather(
        transform,
        np.ascontiguousarray(hkl, np.int32),
        rotations,
        translations,
        crystal.reciprocal_metric,
        blur,
        scale,
        out,
    )
    if symmetry_sum:
        out[crystal.is_absent(hkl)] = 0.0
    return out


def transform_map_to_f_phi(
    grid: FloatGrid, half_l: bool = False, use_scale: bool = True
) -> ReciprocalGrid:
    """The grid of structure factors of a density map.

    Parameters
    ----------
    half_l
        Keep only l >= 0; the rest follows from Friedel's law.
    use_scale
        Multiply by the volume of a grid point, as structure factors need.
    """
    crystal = grid._known_crystal()
    transform = np.conj(half_transform(grid.array.astype(np.float64)))
    if use_scale:
        transform *= crystal.volume / grid.point_count
    if not half_l:
        transform = _with_negative_l(transform, grid.nw)
    return ReciprocalGrid(transform, crystal, half_l=half_l, nw_real=grid.nw)


def _with_negative_l(half: np.ndarray, nw: int) -> np.ndarray:
    """The full transform from the half with l >= 0, by Friedel's law."""
    nu, nv, _ = half.shape
    u, v, w = -np.arange(nu) % nu, -np.arange(nv) % nv, nw - np.arange(half.shape[2], nw)
    return np.concatenate([half, np.conj(half[np.ix_(u, v, w)])], axis=2)


def asu_data_from_grid(
    grid: ReciprocalGrid,
    dmin: float,
    unblur: float,
    with_000: bool,
    with_sys_abs: bool,
    mott_bethe: bool,
) -> ComplexAsuData:
    """What :meth:`ReciprocalGrid.prepare_asu_data` returns."""
    crystal = grid.crystal
    assert crystal is not None
    limits = np.array([*grid.array.shape[:2], grid._nw_real]) // 2
    finest = float(np.min(1.0 / (limits * crystal.reciprocal_lengths)))
    hkl = _reflections_to(crystal, dmin or finest, with_sys_abs)
    hkl = hkl[(np.abs(hkl) <= limits).all(axis=1)]
    if dmin and (np.array(crystal.cell[:3]) / dmin > limits + 1).any():
        raise ResolutionError(f"the grid {grid.shape} does not reach dmin = {dmin:g} A")
    if with_000:
        hkl = np.concatenate([np.zeros((1, 3), np.int32), hkl])
    values = grid.values(hkl)
    stol2 = crystal.stol2(hkl)
    values = values * np.exp(unblur * stol2)
    if mott_bethe:
        values = values * -MOTT_BETHE / np.where(stol2 > 0, stol2, np.inf)
    return ComplexAsuData(Reflections(crystal, hkl, values, label="FC"))


def _reflections_to(crystal: Crystal, d_min: float, with_absent: bool) -> np.ndarray:
    if not with_absent:
        return crystal.unique_reflections(d_min)
    every = Crystal(crystal.cell).unique_reflections(d_min)
    return np.unique(crystal.to_asu(every)[0], axis=0)
