"""Density <-> structure factors: sign, scale, unblur and symmetry sum are defined here only.

F(h) = sum_j f_j exp(+2 pi i h.x_j), so F is the conjugate of what an FFT with its usual
exp(-2 pi i ...) gives, times the volume of a grid point.
"""

import numpy as np

from friedel.density.grid import Patch
from friedel.density.pruned_fft import (
    pruned_inverse,
    pruned_transform,
    pruned_transform_of_rows,
)
from friedel.errors import ReflectionsError
from friedel.kernels.reciprocal.fourier import gather, map_terms, scatter
from friedel.kernels.reciprocal.indices import largest_indices
from friedel.model.crystal import Crystal
from friedel.runtime.memory import scratch
from friedel.runtime.threads import in_stretches

TIME_OF_TERM = 1e-8
"""Rough time (s) per term of the symmetry sum, to divide long calls."""

SUMS_PER_THREAD = 100_000
"""Smallest number of terms of the symmetry sum per thread for which it saves time."""


def structure_factors(
    density: np.ndarray,
    crystal: Crystal,
    hkl: np.ndarray,
    *,
    blur: float = 0.0,
    symmetry_sum: bool = True,
    threads: int = 1,
) -> np.ndarray:
    """(n,) complex128 F at `hkl` of a density (nu, nv, nw); see :class:`SymmetrySum`."""
    nu, nv, nw = density.shape
    terms = SymmetrySum(crystal, hkl, (nu, nv, nw), symmetry_sum=symmetry_sum)
    return terms.structure_factors(Patch.whole(density), blur, threads)


def scale_of_terms(
    crystal: Crystal, hkl: np.ndarray, shape: tuple[int, int, int], *, symmetry_sum: bool = True
) -> np.ndarray:
    """(n,) factors from sums of the terms of a transform to F; see :class:`SymmetrySum`."""
    nu, nv, nw = shape
    scale = np.full(len(hkl), crystal.volume / (nu * nv * nw))
    if symmetry_sum:
        # non-absent reflections have the same phase in each lattice translation
        scale *= len(crystal.centring_translations)
        scale[crystal.is_absent(hkl)] = 0.0
    return scale


class SymmetrySum:
    """Plan of the transform from the density of one asymmetric unit to F, for any density.

    F(h) = sum_ops exp(2 pi i h.t) F_asu(h R): the positions of the terms of
    every reflection in the transform are computed once.

    Parameters
    ----------
    hkl
        (n, 3) reflections.
    shape
        (nu, nv, nw) of the grid over the whole cell.
    symmetry_sum
        Whether to sum over symmetry; False for a density that includes its symmetry copies.
    operations
        Rotations (p, 3, 3) and translations (p, 3) in 24ths to sum over, of a primitive cell; by
        default all.
    stol2
        (n,) 1/Å^2: ``crystal.stol2(hkl)``, if known.
    threads
        Number of threads for the plan.

    Attributes
    ----------
    l_max
        Largest |l| of the terms.

    Raises
    ------
    ReflectionsError
        For reflections beyond the Nyquist limit of the grid.
    """

    def __init__(
        self,
        crystal: Crystal,
        hkl: np.ndarray,
        shape: tuple[int, int, int],
        *,
        symmetry_sum: bool = True,
        operations: tuple[np.ndarray, np.ndarray] | None = None,
        stol2: np.ndarray | None = None,
        threads: int = 1,
    ) -> None:
        hkl = np.ascontiguousarray(hkl, np.int32)
        rotations, translations = operations or crystal.primitive_operations
        if not symmetry_sum:
            rotations, translations = rotations[:1], translations[:1]
        nu, nv, nw = shape
        h_max, self._k_max, self.l_max = largest_indices(hkl, rotations)
        if len(hkl) and (2 * np.array([h_max, self._k_max, self.l_max]) > shape).any():
            raise ReflectionsError(
                f"a grid of {nu} x {nv} x {nw} holds no reflections with indices to "
                f"({h_max}, {self._k_max}, {self.l_max})"
            )
        self.shape = shape
        self._kept = (nu, min(2 * self._k_max + 1, nv), self.l_max + 1)
        terms = (len(hkl), len(rotations))
        small = np.prod(self._kept, dtype=float) < 2**32
        self._index = np.empty(terms, np.uint32 if small else np.uint64)
        self._turn = np.empty(terms, np.uint8)

        def map_some(first: int, last: int) -> None:
            some = slice(first, last)
            index, turn = self._index[some], self._turn[some]
            map_terms(hkl[some], rotations, translations, self._kept, nw, index, turn)

        self._seconds = TIME_OF_TERM * self._index.size
        threads = min(threads, self._index.size // SUMS_PER_THREAD)
        in_stretches(map_some, len(hkl), threads, seconds=self._seconds)
        self._crystal, self._hkl, self._known_stol2 = crystal, hkl, stol2
        self._scale = scale_of_terms(crystal, hkl, shape, symmetry_sum=symmetry_sum)
        self._factor_for = 0.0, self._scale

    def _factor(self, blur: float) -> np.ndarray:
        """(n,) factors of the sums of terms."""
        known, factor = self._factor_for
        if blur != known:
            stol2 = self._known_stol2
            stol2 = self._crystal.stol2(self._hkl) if stol2 is None else stol2
            factor = self._scale * np.exp(blur * stol2)
            self._factor_for = blur, factor
        return factor

    def structure_factors(self, density: Patch, blur: float = 0.0, threads: int = 1) -> np.ndarray:
        """(n,) complex128 F.

        Parameters
        ----------
        density
            Density on the planned grid.
        blur
            B (Å^2) that was added to the atoms; F is multiplied by exp(+blur stol2).
        """
        transform = pruned_transform(
            density.values, density.origin, self.shape, self._k_max, self.l_max, threads
        )
        return self._sums(transform.reshape(-1), self._factor(blur), threads)

    def of_rows(self, rows: np.ndarray, first: int, threads: int = 1) -> np.ndarray:
        """(n,) complex128 F of some planes of the planned grid, of which the rows are transformed.

        Parameters
        ----------
        rows
            (n_u, nv, l_max + 1) complex: sums of exp(-2 pi i l w / nw) times the density.
        first
            Index of the first plane.
        """
        transform = pruned_transform_of_rows(rows, (first, 0), self.shape, self._k_max, threads)
        return self._sums(transform.reshape(-1), self._scale, threads)

    def _sums(self, transform: np.ndarray, factor: np.ndarray, threads: int) -> np.ndarray:
        """(n,) F from the flat transform."""
        out = np.empty(len(factor), np.complex128)

        def gather_some(first: int, last: int) -> None:
            some = slice(first, last)
            gather(transform, self._index[some], self._turn[some], factor[some], out[some])

        threads = min(threads, self._index.size // SUMS_PER_THREAD)
        in_stretches(gather_some, len(out), threads, seconds=self._seconds)
        return out

    def density_gradient(
        self, w: np.ndarray, density: Patch, blur: float = 0.0, threads: int = 1
    ) -> None:
        """Set the values of a patch to the derivatives of a target by a density there.

        This is exactly the transpose of :meth:`structure_factors`, for real densities.

        Parameters
        ----------
        w
            (n,) derivative of the target by Re F plus i times that by Im F.
        density
            Patch of the planned grid, float32 or float64.
        """
        half = scratch("kept", self._kept, np.result_type(density.values.dtype, np.complex64))
        half[:] = 0.0
        w = np.ascontiguousarray(w, np.complex128)
        flat, factor = half.reshape(-1), self._factor(blur)

        def scatter_some(first: int, last: int) -> None:
            some = slice(first, last)
            scatter(w[some], self._index[some], self._turn[some], factor[some], flat)

        in_stretches(scatter_some, len(w), 1, seconds=self._seconds)
        pruned_inverse(half, density.origin, self.shape, density.values, threads)
