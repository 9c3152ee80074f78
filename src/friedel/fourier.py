"""Density <-> structure factors: the only home of sign, scale, unblur and symmetry sum.

F(h) = sum_j f_j exp(+2 pi i h.x_j), so F is the conjugate of what an FFT with its usual
exp(-2 pi i ...) gives, times the volume of a grid point.
"""

import numpy as np

from friedel.constants import MOTT_BETHE
from friedel.crystal import Crystal
from friedel.errors import ReflectionsError, ResolutionError
from friedel.fft import pruned_inverse, pruned_transform
from friedel.grid import FloatGrid, Patch
from friedel.kernels.fourier import gather, map_terms, scatter
from friedel.kernels.indices import largest_indices
from friedel.parallel import in_stretches
from friedel.reflections import Reflections
from friedel.workspace import scratch

SUMS_PER_THREAD = 100_000
"""Terms of the symmetry sum below which another thread costs more than it saves."""


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
    """(n,) complex128 F at `hkl` of a density (nu, nv, nw); see :class:`SymmetrySum`."""
    nu, nv, nw = density.shape
    terms = SymmetrySum(crystal, hkl, (nu, nv, nw), symmetry_sum=symmetry_sum)
    return terms.structure_factors(Patch.whole(density), blur, threads)


class SymmetrySum:
    """From the density of one asymmetric unit to F: what does not depend on the density.

    F(h) = sum_ops exp(2 pi i h.t) F_asu(h R): where in the transform the terms of every
    reflection are is worked out once.

    Parameters
    ----------
    hkl
        (n, 3) reflections.
    shape
        (nu, nv, nw) of the grid over the whole cell.
    symmetry_sum
        Off for a density that has its symmetry copies already.
    stol2
        (n,) 1/A^2: ``crystal.stol2(hkl)``, where it is known already.
    threads
        For working it out.

    Raises
    ------
    ReflectionsError
        For reflections beyond what the grid holds.
    """

    def __init__(
        self,
        crystal: Crystal,
        hkl: np.ndarray,
        shape: tuple[int, int, int],
        *,
        symmetry_sum: bool = True,
        stol2: np.ndarray | None = None,
        threads: int = 1,
    ) -> None:
        hkl = np.ascontiguousarray(hkl, np.int32)
        rotations, translations = crystal.primitive_operations
        if not symmetry_sum:
            rotations, translations = rotations[:1], translations[:1]
        nu, nv, nw = shape
        h_max, self._k_max, self._l_max = largest_indices(hkl, rotations)
        if len(hkl) and (2 * np.array([h_max, self._k_max, self._l_max]) > shape).any():
            raise ReflectionsError(
                f"a grid of {nu} x {nv} x {nw} holds no reflections with indices to "
                f"({h_max}, {self._k_max}, {self._l_max})"
            )
        self.shape = shape
        self._kept = (nu, min(2 * self._k_max + 1, nv), self._l_max + 1)
        terms = (len(hkl), len(rotations))
        small = np.prod(self._kept, dtype=float) < 2**32
        self._index = np.empty(terms, np.uint32 if small else np.uint64)
        self._turn = np.empty(terms, np.uint8)

        def map_some(first: int, last: int) -> None:
            some = slice(first, last)
            index, turn = self._index[some], self._turn[some]
            map_terms(hkl[some], rotations, translations, self._kept, nw, index, turn)

        in_stretches(map_some, len(hkl), min(threads, self._index.size // SUMS_PER_THREAD))
        self._crystal, self._hkl, self._known_stol2 = crystal, hkl, stol2
        self._scale = np.full(len(hkl), crystal.volume / (nu * nv * nw))
        if symmetry_sum:
            # non-absent reflections have the same phase in each lattice translation
            self._scale *= len(crystal.centring_translations)
            self._scale[crystal.is_absent(hkl)] = 0.0
        self._factor_for = 0.0, self._scale

    def _factor(self, blur: float) -> np.ndarray:
        """(n,) what the sums of terms are multiplied with."""
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
            On the grid that was planned for.
        blur
            B (A^2) that was added to the atoms; F is multiplied by exp(+blur stol2).
        """
        transform = pruned_transform(
            density.values, density.origin, self.shape, self._k_max, self._l_max, threads
        ).reshape(-1)
        factor = self._factor(blur)
        out = np.empty(len(factor), np.complex128)

        def gather_some(first: int, last: int) -> None:
            some = slice(first, last)
            gather(transform, self._index[some], self._turn[some], factor[some], out[some])

        in_stretches(gather_some, len(out), min(threads, self._index.size // SUMS_PER_THREAD))
        return out

    def density_gradient(
        self, w: np.ndarray, density: Patch, blur: float = 0.0, threads: int = 1
    ) -> None:
        """Set the values of a patch to the derivatives of a target by a density there.

        Exactly the transpose of :meth:`structure_factors`, for real densities.

        Parameters
        ----------
        w
            (n,) derivative of the target by Re F plus i times that by Im F.
        density
            float32 or float64, on the grid that was planned for.
        """
        half = scratch("kept", self._kept, np.result_type(density.values.dtype, np.complex64))
        half[:] = 0.0
        w = np.ascontiguousarray(w, np.complex128)
        scatter(w, self._index, self._turn, self._factor(blur), half.reshape(-1))
        pruned_inverse(half, density.origin, self.shape, density.values, threads)


class ReciprocalGrid:
    """Structure factors on the grid of a discrete Fourier transform, with gemmi's interface.

    Parameters
    ----------
    array
        (nu, nv, nw) complex F at h, k, l modulo the size; with `half_l` only l >= 0.
    crystal
        Cell and symmetry.
    nw_real
        Number of real-space points along c.
    """

    def __init__(
        self, array: np.ndarray, crystal: Crystal | None, *, half_l: bool, nw_real: int
    ) -> None:
        self.array = array
        self.crystal = crystal
        self.half_l = half_l
        self._nw_real = nw_real

    def __repr__(self) -> str:
        # gemmi's own text: examples written for it print the same here
        return "<gemmi.ReciprocalComplexGrid({}, {}, {})>".format(*self.array.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the stored array."""
        nu, nv, nw = self.array.shape
        return nu, nv, nw

    def get_value(self, h: int, k: int, l: int) -> complex:
        """F(hkl); zero beyond what the grid holds is an error.

        Raises
        ------
        ReflectionsError
            When the indices are outside of the grid.
        """
        return complex(self.values(np.array([[h, k, l]]))[0])

    def values(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) complex F at reflections (n, 3).

        Raises
        ------
        ReflectionsError
            When some indices are outside of the grid.
        """
        hkl = np.asarray(hkl, np.int64)
        limits = np.array([*self.array.shape[:2], self._nw_real]) // 2
        outside = (np.abs(hkl) > limits).any(axis=1)
        if outside.any():
            first = tuple(int(x) for x in hkl[outside][0])
            raise ReflectionsError(
                f"reflection {first} is outside of the grid, which holds up to {tuple(limits)}"
            )
        friedel = self.half_l & (hkl[:, 2] < 0)
        index = np.where(friedel[:, None], -hkl, hkl) % np.array(
            [*self.array.shape[:2], self._nw_real]
        )
        values = self.array[index[:, 0], index[:, 1], index[:, 2]]
        return np.where(friedel, np.conj(values), values)

    def prepare_asu_data(
        self,
        dmin: float = 0.0,
        unblur: float = 0.0,
        with_000: bool = False,
        with_sys_abs: bool = False,
        mott_bethe: bool = False,
    ) -> "ComplexAsuData":
        """Structure factors in the asymmetric unit, to `dmin`, corrected for blur.

        Parameters
        ----------
        dmin
            A; 0 for all that the grid holds.
        unblur
            B (A^2) that was added to the atoms and is taken away again.
        with_000, with_sys_abs
            Include F(000), include systematically absent reflections.
        mott_bethe
            Multiply by the Mott-Bethe factor, for densities of f_x - Z.
        """
        return asu_data_from_grid(self, dmin, unblur, with_000, with_sys_abs, mott_bethe)


class ComplexAsuData:
    """Structure factors in the asymmetric unit, with gemmi's interface, values changeable."""

    def __init__(self, reflections: Reflections) -> None:
        self.crystal = reflections.crystal
        self.miller_array = reflections.hkl
        self.value_array = np.array(reflections.values, np.complex64)

    def __len__(self) -> int:
        return len(self.miller_array)

    def __repr__(self) -> str:
        return f"<gemmi.ComplexAsuData with {len(self)} values>"

    def copy(self) -> "ComplexAsuData":
        """An independent copy."""
        return ComplexAsuData(self.to_reflections())

    def to_reflections(self) -> Reflections:
        """The same as frozen Reflections."""
        return Reflections(self.crystal, self.miller_array, self.value_array.copy(), label="FC")

    def make_1_d2_array(self) -> np.ndarray:
        """(n,) 1/d^2, 1/A^2."""
        return 4.0 * self.crystal.stol2(self.miller_array)

    def make_d_array(self) -> np.ndarray:
        """(n,) d, A."""
        return self.crystal.d_spacing(self.miller_array)


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
