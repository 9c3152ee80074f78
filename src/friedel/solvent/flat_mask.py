"""The flat bulk-solvent mask: 1 where the crystal holds solvent, 0 where it holds the model.

The accessible-surface construction [Jiang1994]: points farther than radius + r_probe from every
atom are solvent; pockets of solvent that are too small are filled; then the solvent grows back
by r_shrink into the layer that the probe had kept free.
"""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.data import table
from friedel.errors import FriedelWarning, ParameterError
from friedel.kernels.grid.mask import (
    ball_rows,
    find_runs,
    grow_runs,
    in_large_islands,
    map_runs,
    mark_spheres,
    unpack,
)
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal, checked_d_min
from friedel.model.operations import operation_keys

MatrixAndShift = tuple[np.ndarray, np.ndarray]
"""(3, 3) and (3,): a symmetry operation on points of a grid, or on atoms."""

RADII_SETS = ("vdw", "cctbx", "refmac")
"""Columns of the table of radii."""

DEFAULTS = {
    "vdw": (1.0, 1.1, 0.0),
    "cctbx": (1.1, 0.9, 0.0),
    "refmac": (1.0, 0.8, 50.0),
    "constant": (0.0, 0.0, 0.0),
}
"""r_probe (A), r_shrink (A) and island_min_volume (A^3) that go with each set of radii."""

MAX_SPACING = 0.6
"""Coarser grids (A) do not resolve the surface, however low the resolution."""

MAX_LENGTH = 100.0
"""Radii and distances beyond this (A) are refused as mistakes."""

BITS = 64
"""Points in one word of the kernels."""

TIE_TOLERANCE = 1e-9
"""Radii are larger by this fraction, so that rounding cannot tell symmetry mates apart."""


@dataclass(frozen=True)
class MaskParameters:
    """What defines the boundary between model and solvent.

    Parameters
    ----------
    radii
        Name of a set of atomic radii (``"vdw"``, ``"cctbx"`` [GrosseKunstleve2002] or
        ``"refmac"`` [Murshudov2011]), or one radius in A for all atoms.
    r_probe
        Added to the radii, A.
    r_shrink
        How far the solvent grows back, A.
    island_min_volume
        Pockets of solvent of at most this volume (A^3), found before the solvent grows
        back, count as model.
    ignore_hydrogen, ignore_zero_occupancy
        Whether H and D, and atoms without occupancy, keep no solvent out.

    Raises
    ------
    ParameterError
        For an unknown set of radii, for lengths that are negative or beyond 100 A, and for a
        volume that is negative or not finite.
    """

    radii: str | float = "vdw"
    r_probe: float = DEFAULTS["vdw"][0]
    r_shrink: float = DEFAULTS["vdw"][1]
    island_min_volume: float = DEFAULTS["vdw"][2]
    ignore_hydrogen: bool = True
    ignore_zero_occupancy: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.radii, str):
            if self.radii not in RADII_SETS:
                raise _unknown_radii(self.radii, f"{_listed(RADII_SETS)} or a number of A")
        else:
            object.__setattr__(self, "radii", _checked("constant radius", self.radii, MAX_LENGTH))
        limits = {"r_probe": MAX_LENGTH, "r_shrink": MAX_LENGTH, "island_min_volume": 1e12}
        for name, limit in limits.items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), limit))

    @classmethod
    def for_radii(
        cls,
        name: str,
        r_probe: float | None = None,
        r_shrink: float | None = None,
        island_min_volume: float | None = None,
        constant_r: float = 0.0,
    ) -> "MaskParameters":
        """The parameters that go with a set of radii, some of them replaced.

        Parameters
        ----------
        name
            ``"vdw"``, ``"cctbx"``, ``"refmac"``, or ``"constant"`` for `constant_r` (A).

        Raises
        ------
        ParameterError
            As for the class.
        """
        if name not in DEFAULTS:
            raise _unknown_radii(name, _listed(DEFAULTS))
        probe, shrink, volume = DEFAULTS[name]
        return cls(
            constant_r if name == "constant" else name,
            probe if r_probe is None else r_probe,
            shrink if r_shrink is None else r_shrink,
            volume if island_min_volume is None else island_min_volume,
        )

    def radius(self, atoms: Atoms) -> np.ndarray:
        """(n,) radius of the region that each atom keeps free of solvent, probe included, A."""
        if not isinstance(self.radii, str):
            return np.full(len(atoms), self.radii + self.r_probe)
        by_symbol = {row["symbol"]: float(row[self.radii]) for row in table("solvent_radii")}
        return np.array([by_symbol[s] for s in atoms.symbols] or [0.0])[atoms.kind] + self.r_probe

    def counts(self, atoms: Atoms) -> np.ndarray:
        """(n,) bool: the atoms that keep solvent out."""
        counted = np.ones(len(atoms), bool)
        if self.ignore_hydrogen:
            counted &= ~atoms.is_hydrogen
        if self.ignore_zero_occupancy:
            counted &= atoms.occ > 0
        return counted


def solvent_mask(
    crystal: Crystal,
    atoms: Atoms,
    shape: tuple[int, int, int],
    parameters: MaskParameters | None = None,
) -> np.ndarray:
    """The flat bulk-solvent mask of the whole unit cell.

    Parameters
    ----------
    atoms
        The atoms of one asymmetric unit; symmetry is applied here.
    shape
        Size of the grid, as :func:`friedel.density.grid.grid_shape` gives it for the spacing of
        :func:`mask_spacing`. On a grid that fits the symmetry the mask has it exactly.
    parameters
        By default van der Waals radii.

    Returns
    -------
    mask
        (nu, nv, nw) float32: 1 in the solvent, 0 elsewhere.

    Raises
    ------
    ParameterError
        When `shape` is not three positive sizes.

    Warns
    -----
    FriedelWarning
        When the cell has no solvent, or nothing but solvent: then F_mask is zero.
    """
    shape = _checked_shape(shape)
    parameters = MaskParameters() if parameters is None else parameters
    form, extent, step_w = grid_geometry(crystal, shape)
    # Radii are in steps along w from here on
    grow = parameters.r_shrink * (1.0 + TIE_TOLERANCE) / step_w
    counted = parameters.counts(atoms)
    radius = parameters.radius(atoms)[counted] * (1.0 + TIE_TOLERANCE) / step_w
    protein = _protein(crystal, atoms.frac[counted], radius, form, extent, shape)
    runs = find_runs(protein, shape[2], False)
    keep = np.ones(len(runs[1]), bool)
    if parameters.island_min_volume > 0:
        limit = math.floor(parameters.island_min_volume * math.prod(shape) / crystal.volume)
        keep = in_large_islands(*runs, shape, limit)
    solvent = np.zeros_like(protein)
    ball = ball_rows(form, extent, grow)
    ball = ball[np.lexsort(ball[:, 2:].T)]
    grow_runs(*runs, keep, ball, shape[2], solvent)
    mask = np.empty(shape, np.float32)
    _warn_if_uniform(unpack(solvent, mask), mask.size, int(counted.sum()))
    return mask


def _protein(
    crystal: Crystal,
    frac: np.ndarray,
    radius: np.ndarray,
    form: tuple[float, ...],
    extent: tuple[float, ...],
    shape: tuple[int, int, int],
) -> np.ndarray:
    """(nu, nv, n_words) bits of the points within reach of an atom of the whole crystal.

    Operations that take rows of the grid to rows act on runs of points, which are far fewer than
    those of all mates' spheres; the others act on the atoms.
    """
    nu, nv, nw = shape
    bits = np.zeros((nu, nv, -(-nw // BITS)), np.uint64)
    of_grid, of_atoms = divided_operations(crystal, shape)
    for rotation, translation in of_atoms:
        mates = frac @ rotation.T + translation / TRANSLATION_DENOMINATOR
        mark_spheres(bits, nw, form, extent[0], mates - np.floor(mates), radius)
    if len(of_grid) == 1:
        return bits
    runs, everything = find_runs(bits, nw, True), np.zeros_like(bits)
    for matrix, shift in of_grid:
        map_runs(*runs, matrix, shift, nw, everything)
    return everything


def divided_operations(
    crystal: Crystal, shape: tuple[int, int, int]
) -> tuple[list[MatrixAndShift], list[MatrixAndShift]]:
    """Operations on points of a grid, and on atoms, whose products are all of the crystal's.

    Returns
    -------
    of_grid
        Matrices and shifts in grid steps, of the operations that take rows along w to rows.
    of_atoms
        Rotations, and translations in 24ths: one of each coset of these.
    """
    steps = np.array(shape)
    scaled = crystal.rotations * steps[:, None]
    moved = crystal.translations * steps
    fits = (scaled % steps == 0).all(axis=(1, 2)) & (moved % TRANSLATION_DENOMINATOR == 0).all(1)
    fits &= (crystal.rotations[:, :2, 2] == 0).all(axis=1)
    of_grid = list(zip(scaled[fits] // steps, moved[fits] // TRANSLATION_DENOMINATOR, strict=True))
    group = crystal.rotations[fits], crystal.translations[fits]
    seen: set[bytes] = set()
    of_atoms = []
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        products = group[0] @ rotation, group[0] @ translation + group[1]
        keys = operation_keys(*products)
        if not seen.intersection(keys):
            of_atoms.append((rotation, translation))
        seen.update(keys)
    return of_grid, of_atoms


def grid_geometry(
    crystal: Crystal, shape: tuple[int, int, int]
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Distances on the grid in units of its step along w, and that step in A.

    The five numbers of the quadratic form (see the kernels), and the half-widths along u and v
    of a sphere whose radius is one step.
    """
    step = crystal.orthogonalization / np.array(shape)
    metric = step.T @ step
    step_w = math.sqrt(metric[2, 2])
    entries = ((0, 0), (1, 1), (0, 1), (0, 2), (1, 2))
    form = tuple(float(metric[entry] / metric[2, 2]) for entry in entries)
    extent = crystal.reciprocal_lengths[:2] * shape[:2] * step_w
    return form, (float(extent[0]), float(extent[1])), step_w


def mask_spacing(d_min: float) -> float:
    """Spacing (A) of a mask's grid for structure factors to `d_min` (A).

    Raises
    ------
    ResolutionError
        When `d_min` is not a positive finite number.
    """
    # Strictly below d_min / 2: reflections at d_min stay off the edge of the transform
    return min(MAX_SPACING, checked_d_min(d_min) / 2.0 - 1e-9)


def solvent_fraction(mask: np.ndarray) -> float:
    """Fraction of the cell that is solvent."""
    return float(mask.mean(dtype=np.float64))


def _warn_if_uniform(n_solvent: int, n_points: int, n_atoms: int) -> None:
    if n_solvent == 0:
        text = "the cell has no solvent: the mask is empty and F_mask is zero"
    elif n_solvent == n_points:
        text = f"the whole cell is solvent ({n_atoms} atoms are in the mask): F_mask is zero"
    else:
        return
    warnings.warn(text, FriedelWarning, stacklevel=3)


def _checked_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    sizes = np.asarray(shape)
    if sizes.shape != (3,) or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise ParameterError(f"got a grid of shape {shape!r}, expected three positive integers")
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


def _checked(name: str, value: float, limit: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number <= limit:
        raise ParameterError(f"got {name} = {value!r}, expected a number from 0 to {limit:g}")
    return number


def _unknown_radii(name: object, expected: str) -> ParameterError:
    return ParameterError(f"unknown radii {name!r}: expected {expected}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
