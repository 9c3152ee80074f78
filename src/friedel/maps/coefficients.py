"""Map coefficients -> a map of the unit cell, by the inverse transform used for gradients."""

import math
from collections.abc import Sequence

import numpy as np

from friedel.density.fourier import SymmetrySum
from friedel.density.grid import Grid, Patch, grid_shape
from friedel.errors import ParameterError, ReflectionsError
from friedel.kernels.reciprocal.indices import largest_indices
from friedel.model.arrays import as_keys
from friedel.model.crystal import Crystal
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections
from friedel.runtime.limits import check_time, longest_for
from friedel.runtime.memory import check_memory

POINTS_PER_D_MIN = 4.0
"""Grid points per d_min along each cell edge. Two are enough to hold the coefficients. With four, a
polynomial through neighbouring points finds peaks to 0.001 d_min and their heights to 0.2 %; with
three, as is usual for display, to 0.004 d_min and 1.5 %."""

GRID_BYTES = 14
"""Memory per grid point (bytes) while a map is calculated: its value, and for half of the points a
complex number in the transform, in the worst case twice for one axis."""


POINTS_A_SECOND = 3e7
"""Points of a map that are transformed and written in a second."""


def map_from_coefficients(
    reflections: Reflections,
    *,
    spacing: float | None = None,
    shape: Sequence[int] | None = None,
    force: bool = False,
) -> Grid:
    """The map of complex coefficients, by symmetry and Friedel's law over the whole unit cell.

    rho(x) = (1/V) sum_h F(h) exp(-2 pi i h.x), the sum being over all reflections that
    are equivalent to one in the list. The map lacks its mean, F(000)/V, unless (0, 0, 0) is in
    the list.

    Parameters
    ----------
    reflections
        Complex values, such as FWT or DELFWT. NaN values, with which missing data are marked,
        are left out, and so are systematic absences. Equivalent reflections in the list, Friedel
        mates among them, count as one with the mean of their values; thus a hemisphere or
        a whole sphere gives the same map as unique reflections. For `FriedelPairs` the mean of
        F(h) and conj F(-h) is used, as a real map has one value for both; the map of anomalous
        scatterers is that of ``Reflections(crystal, hkl, pairs.anomalous)``.
    spacing
        Largest distance of grid points along each cell edge, Å; by default a quarter of
        the resolution of the reflections. The grid is FFT-friendly and fits the symmetry.
    shape
        (nu, nv, nw) points along each cell edge, instead of `spacing`.
    force
        Whether to make a map that takes absurdly long for so few reflections.

    Returns
    -------
    Grid
        float32, in units of F per Å^3: e/Å^3 where F is in electrons.

    Raises
    ------
    ReflectionsError
        For amplitudes without phases or infinite values, and when all values are missing.
    ParameterError
        When the grid is too coarse: each index, of equivalent reflections too, must be
        below half the number of points along its edge. Also for an impossible spacing or shape,
        and when both are given.
    MemoryLimitError
        When the map is larger than the memory.
    TimeLimitError
        When it takes too long for the number of reflections, as where a cell edge is wrong.

    Examples
    --------
    >>> fwt, delfwt = fmodel.map_coefficients()  # doctest: +SKIP
    >>> friedel.map_from_coefficients(fwt).to_ccp4("2mfo-dfc.ccp4")  # doctest: +SKIP
    """
    if not isinstance(reflections, Reflections):
        raise ReflectionsError(
            f"cannot make a map from {type(reflections).__name__}: expected friedel.Reflections"
        )
    crystal = reflections.crystal
    hkl, values = _unique(reflections)
    size = _shape(crystal, hkl, spacing, shape)
    what = "a map of {} x {} x {}".format(*size)
    check_memory(GRID_BYTES * math.prod(size), what)
    seconds = math.prod(size) / POINTS_A_SECOND
    check_time(
        seconds, f"{what} of {len(hkl)} reflections", force=force, longest=longest_for(len(hkl))
    )
    # The transpose of F(rho) adds Re(F conj(dF/drho)) for each operation: a listed reflection
    # represents itself and its Friedel mate, and meets each of its equivalents epsilon times.
    terms = SymmetrySum(crystal, hkl, size)
    copies = np.where(crystal.is_centric(hkl), 1.0, 2.0) / crystal.epsilon(hkl)
    volume_of_point = crystal.volume / math.prod(size)
    scale = 1.0 / (crystal.volume * volume_of_point * len(crystal.centring_translations))
    array = np.empty(size, np.float32)
    terms.density_gradient(scale * copies * values, Patch.whole(array))
    return Grid(array, crystal)


def _unique(reflections: Reflections) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n, 3) of inequivalent reflections, and their values (n,)."""
    given = reflections.mean if isinstance(reflections, FriedelPairs) else reflections.values
    if not np.iscomplexobj(given):
        raise ReflectionsError(
            f"got real values of {reflections.label}, expected complex map coefficients: "
            "give amplitudes with phases, amplitude * exp(1j * phase)"
        )
    present = ~np.isnan(given)
    hkl, values = reflections.hkl[present], given[present].astype(np.complex128)
    if not len(values):
        raise ReflectionsError(f"no values of {reflections.label} to make a map of")
    if not np.isfinite(values).all():
        raise ReflectionsError(f"got infinite values of {reflections.label}, expected finite ones")
    folded, shift, friedel = reflections.crystal.to_asu(hkl)
    _, first, group = np.unique(as_keys(folded), return_index=True, return_inverse=True)
    if len(first) == len(hkl):
        return hkl, values
    values = np.where(friedel, values.conj(), values) * np.exp(-1j * shift)
    total = np.bincount(group, values.real) + 1j * np.bincount(group, values.imag)
    return folded[first], total / np.bincount(group)


def _shape(
    crystal: Crystal, hkl: np.ndarray, spacing: float | None, shape: Sequence[int] | None
) -> tuple[int, int, int]:
    """Size of a grid that holds all equivalents of the reflections."""
    if spacing is not None and shape is not None:
        raise ParameterError("got both a spacing and a shape of the map, expected at most one")
    d_min = float(crystal.d_spacing(hkl).min())
    if shape is not None:
        size = _checked_shape(shape)
    elif spacing is not None or math.isfinite(d_min):
        size = grid_shape(crystal, d_min / POINTS_PER_D_MIN if spacing is None else spacing)
    else:
        raise ParameterError("F(000) alone has no resolution: give the shape of its map")
    largest = largest_indices(np.ascontiguousarray(hkl), crystal.primitive_operations[0])
    if any(2 * index >= n for index, n in zip(largest, size, strict=True)):
        raise ParameterError(
            "a grid of {} x {} x {} is too coarse for reflections with indices to ".format(*size)
            + "({}, {}, {}): ".format(*largest)
            + "expected at least {} x {} x {} points".format(*(2 * int(i) + 1 for i in largest))
            + (f", a spacing below {0.5 * d_min:.4g} A" if spacing is not None else "")
        )
    return size


def _checked_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    sizes = np.asarray(shape)
    if sizes.shape != (3,) or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise ParameterError(f"got shape {shape!r}, expected three numbers of points")
    nu, nv, nw = sizes.tolist()
    return nu, nv, nw
