"""Structure factors on a grid and in an asymmetric unit, with gemmi's interface."""

import numpy as np

from friedel.compat.float_grid import FloatGrid
from friedel.constants import MOTT_BETHE
from friedel.errors import CellError, ReflectionsError, ResolutionError
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections


def half_transform(density: np.ndarray, threads: int = 1) -> np.ndarray:
    """Real-to-complex discrete Fourier transform, l >= 0, sign exp(-2 pi i h.x), not scaled."""
    import scipy.fft

    return scipy.fft.rfftn(density, workers=threads)


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
        """F(hkl); indices outside of the grid are an error.

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
            Resolution limit, Å; 0 for all reflections of the grid.
        unblur
            B (Å^2) that was added to the atoms, whose effect on F is removed.
        with_000, with_sys_abs
            Include F(000), include systematically absent reflections.
        mott_bethe
            Multiply by the Mott-Bethe factor, for densities of f_x - Z.

        Raises
        ------
        CellError
            When the grid was made without a crystal.
        ResolutionError
            When the grid does not reach `dmin`.
        """
        return asu_data_from_grid(self, dmin, unblur, with_000, with_sys_abs, mott_bethe)


class ComplexAsuData:
    """Structure factors in the asymmetric unit with gemmi's interface and changeable values."""

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
        """The same values as immutable Reflections."""
        return Reflections(self.crystal, self.miller_array, self.value_array.copy(), label="FC")

    def make_1_d2_array(self) -> np.ndarray:
        """(n,) 1/d^2, 1/Å^2."""
        return 4.0 * self.crystal.stol2(self.miller_array)

    def make_d_array(self) -> np.ndarray:
        """(n,) d, Å."""
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
    crystal = grid.crystal
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
    """Result of :meth:`ReciprocalGrid.prepare_asu_data`."""
    crystal = grid.crystal
    if crystal is None:
        raise CellError("the grid has no unit cell: make it with a crystal")
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
