"""Maps to structure factors on a grid and back, with gemmi's interface."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from friedel.compat.float_grid import FloatGrid, copy_crystal, crystal_of_grid
from friedel.compat.reciprocal_grid import ReciprocalGrid
from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.crystal import Crystal

BLOCK = 1 << 20
"""Number of pairs (reflection, operation) that are expanded at once."""


def half_transform(density: np.ndarray, threads: int = 1) -> np.ndarray:
    """Real-to-complex discrete Fourier transform, l >= 0, sign exp(-2 pi i h.x), not scaled."""
    import scipy.fft

    return scipy.fft.rfftn(density, workers=threads)


def transform_map_to_f_phi(
    map: gemmi.FloatGrid, half_l: bool = False, use_scale: bool = True
) -> ReciprocalGrid:
    """The grid of structure factors of a density map.

    Parameters
    ----------
    map
        A grid of friedel or gemmi.
    half_l
        Keep only l >= 0; the rest follows from Friedel's law.
    use_scale
        Multiply by the volume of a grid point, as structure factors need.

    Raises
    ------
    CellError
        When the scale is used and the map has no unit cell.
    ParameterError
        For the half of a map that is stored in the order z, y, x.
    """
    _checked_half(half_l, map.axis_order)
    transform = np.conj(half_transform(map.array.astype(np.float64, order="C")))
    if use_scale:
        transform *= crystal_of_grid(map).volume / map.point_count
    if not half_l:
        transform = _with_negative_l(transform, map.nw)
    grid = ReciprocalGrid(transform, half_l=half_l, nw_real=map.nw, axis_order=map.axis_order)
    copy_crystal(grid, map)
    return grid


def _with_negative_l(half: np.ndarray, nw: int) -> np.ndarray:
    """The full transform from the half with l >= 0, by Friedel's law."""
    nu, nv, _ = half.shape
    u, v, w = -np.arange(nu) % nu, -np.arange(nv) % nv, nw - np.arange(half.shape[2], nw)
    return np.concatenate([half, np.conj(half[np.ix_(u, v, w)])], axis=2)


def transform_f_phi_grid_to_map(grid: Any) -> FloatGrid:
    """The map of structure factors on a grid: rho(x) = (1/V) sum_h F(h) exp(-2 pi i h.x).

    Parameters
    ----------
    grid
        A `ReciprocalComplexGrid` of friedel or gemmi. NaN counts as 0.

    Raises
    ------
    ParameterError
        When the size does not fit the symmetry, or the grid is stored in the order z, y, x and is
        a half or not gemmi's.
    """
    import scipy.fft

    _checked_half(grid.half_l, grid.axis_order)
    values = np.array(grid.array, np.complex128, order="C")
    np.conj(np.nan_to_num(values, copy=False, nan=0.0), out=values)
    if grid.half_l:
        nw = getattr(grid, "_nw_real", 2 * (grid.nw - 1))
        density = scipy.fft.irfftn(values, s=(grid.nu, grid.nv, nw))
    else:
        density = scipy.fft.ifftn(values, overwrite_x=True).real
    result = FloatGrid()
    if grid.axis_order == gemmi.AxisOrder.ZYX:
        if not isinstance(grid, gemmi.GridMeta):
            raise ParameterError("got a grid in the order ZYX, expected XYZ")
        result.copy_metadata_from(grid)
    else:
        copy_crystal(result, grid)
        result.set_size(*density.shape)
    result.array[...] = density * (density.size / grid.unit_cell.volume)
    return result


def f_phi_on_grid(data: Any, size: Sequence[int], half_l: bool, order: Any) -> ReciprocalGrid:
    """Structure factors and all that are equivalent to them on a grid; the rest is 0.

    Of several values of one reflection the first counts.

    Parameters
    ----------
    data
        Complex AsuData.
    size
        (nu, nv, nw) of the map. Reflections whose indices are not below half of it are left out.
    half_l
        Keep only l >= 0.
    order
        ``gemmi.AxisOrder``.
    """
    _checked_half(half_l, order)
    crystal = crystal_of_grid(data)
    nu, nv, nw = (int(n) for n in size)
    array = np.zeros((nu, nv, nw // 2 + 1 if half_l else nw), np.complex128)
    hkl, values = np.array(data.miller_array), np.array(data.value_array, np.complex128)
    present = values != 0
    _expand(array, np.array([nu, nv, nw]), half_l, crystal, hkl[present], values[present])
    _add_friedel_mates(array, half_l)
    zyx = order == gemmi.AxisOrder.ZYX
    grid = ReciprocalGrid(
        array.transpose() if zyx else array, half_l=half_l, nw_real=nw, axis_order=order
    )
    copy_crystal(grid, data)
    return grid


def _expand(
    array: np.ndarray,
    size: np.ndarray,
    half_l: bool,
    crystal: Crystal,
    hkl: np.ndarray,
    values: np.ndarray,
) -> None:
    """Write F(h R) = F(h) exp(-2 pi i h.t) for all operations, into the half l >= 0 if wanted."""
    rotations, translations = crystal.primitive_operations
    step = max(BLOCK // len(rotations), 1)
    # Backwards, so that the first value of a place is the last that is written
    for first in reversed(range(0, len(hkl), step)):
        h = hkl[first : first + step][::-1]
        rotated = np.einsum("ni,oij->noj", h, rotations[::-1].astype(np.int64)).reshape(-1, 3)
        turns = h @ translations[::-1].T / TRANSLATION_DENOMINATOR
        f = values[first : first + step][::-1, None] * np.exp(-2j * np.pi * turns)
        f = f.reshape(-1)
        if half_l:
            mates = rotated[:, 2] < 0
            rotated[mates] *= -1
            f[mates] = f[mates].conj()
        inside = (2 * np.abs(rotated) < size).all(axis=1)
        u, v, w = (rotated[inside] % size).T
        array[u, v, w] = f[inside]


def _add_friedel_mates(array: np.ndarray, half_l: bool) -> None:
    """Fill places that are 0 with the conjugate of F(-h); of a half only l = 0 has mates in it."""
    part = array[:, :, :1] if half_l else array
    nu, nv, nw = part.shape
    mates = part[np.ix_(-np.arange(nu) % nu, -np.arange(nv) % nv, -np.arange(nw) % nw)].conj()
    np.copyto(part, mates, where=part == 0)


def _checked_half(half_l: bool, order: Any) -> None:
    if half_l and order == gemmi.AxisOrder.ZYX:
        raise ParameterError("got half_l and the order ZYX, expected at most one of them")
