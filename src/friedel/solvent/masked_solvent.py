"""Structure factors of the solvent, from a mask of the model or a mask in a file.

Masks can be replaced by Babinet's principle: the solvent is the smeared complement of the model,
and its structure factors are those of the atoms with the opposite sign [Moews1975]. This is an
approximation for low resolution.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import NamedTuple

import numpy as np

from friedel.density import fourier
from friedel.density.grid import Grid, grid_shape
from friedel.errors import CellError, FriedelWarning, ParameterError
from friedel.kernels.grid.mask import Runs
from friedel.model.arrays import frozen
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.limits import LONGEST, LONGEST_FOR_FEW, check_time
from friedel.runtime.memory import check_memory
from friedel.solvent.flat_mask import MaskParameters, mask_spacing, solvent_fraction, solvent_mask
from friedel.solvent.flat_mask_transform import FlatMasks
from friedel.solvent.smooth_mask import SmoothMask

LAYER_WIDTH = (0.6, 0.7)
"""Decrease of r_probe and r_shrink (Å) from the solvent boundary to the inner side of the layer."""

SEARCH_STEPS = (0.4, 0.2, 0.1)
"""Steps of r_probe and r_shrink in a search (Å); smaller ones are below the grid spacing."""
SEARCH_LIMIT = 3.0
"""Largest r_probe and r_shrink in a search (Å)."""


class CostOfPoint(NamedTuple):
    """Memory (bytes) and rough time (s) of mask, layer and their transforms per grid point."""

    bytes: float
    seconds: float


FLAT_MASK, SMOOTH_MASK = CostOfPoint(24.0, 1e-7), CostOfPoint(120.0, 6e-7)

FEW_REFLECTIONS = 1e5
"""Grid points per reflection from which on the reflections are taken as few for their grid."""


@dataclass(frozen=True, eq=False)
class MaskedSolvent:
    """A mask and its structure factors.

    Parameters
    ----------
    crystal, atoms
        The model; one asymmetric unit.
    hkl
        (n, 3) reflections wanted.
    parameters
        Boundary between model and solvent.
    given
        (nu, nv, nw) mask to use instead of calculating one.
    spacing
        Spacing of the grid, Å; by default :func:`friedel.solvent.flat_mask.mask_spacing`.
    with_layer
        Whether there is a layer with a different density next to the model.
    smooth
        Whether boundaries are smooth, and small pockets of solvent are kept; see
        :class:`friedel.solvent.smooth_mask.SmoothMask`.
    threads
        Number of threads of the transforms; a flat mask is calculated by one thread.
    force
        Whether to go on with a grid that is predicted to need absurdly much memory or time.
    """

    crystal: Crystal
    atoms: Atoms
    hkl: np.ndarray
    parameters: MaskParameters
    given: np.ndarray | None = None
    spacing: float | None = None
    with_layer: bool = True
    smooth: bool = False
    threads: int = 1
    force: bool = False

    @cached_property
    def mask(self) -> np.ndarray:
        """(nu, nv, nw): 1 in the solvent, 0 elsewhere."""
        found = self._solvent(self.parameters)
        if not isinstance(found, Runs):
            return found
        with warnings.catch_warnings():
            # FModel has notes on masks that are empty or full
            warnings.simplefilter("ignore", FriedelWarning)
            return solvent_mask(self.crystal, self.atoms, self.shape, self.parameters)

    @property
    def fraction(self) -> float:
        """Fraction of the cell that is solvent."""
        found = self._solvent(self.parameters)
        return self._flat.fraction(found) if isinstance(found, Runs) else solvent_fraction(found)

    @cached_property
    def f_mask(self) -> np.ndarray:
        """(n,) complex transform of the mask; zero where the mask has no boundary."""
        return frozen(self._transform(self.parameters, self.hkl))

    @cached_property
    def f_layer(self) -> np.ndarray | None:
        """(n,) complex transform of the layer between solvent and a surface nearer to the atoms.

        It is None without a layer, and for a given mask, which defines only one surface.
        """
        if not self._has_layer:
            return None
        return frozen(self._transform(self._nearer, self.hkl) - self.f_mask)

    def at(self, hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """F_mask, and F_layer where there is one, of other reflections (n, 3).

        Where indices exceed the range of the grid, as those of mates in pseudo-merohedral twins
        may, the same mask on a finer grid is used, unless mask or spacing were given.
        """
        beyond = (2 * np.abs(hkl).max(axis=0, initial=0) > self.shape).any()
        if beyond and self.can_be_finer:
            finer = replace(self, hkl=hkl)
            return finer.f_mask, finer.f_layer
        f_mask = self._transform(self.parameters, hkl)
        return f_mask, self._transform(self._nearer, hkl) - f_mask if self._has_layer else None

    @property
    def can_be_finer(self) -> bool:
        """Whether the grid follows the reflections: neither mask nor spacing were given."""
        return self.given is None and self.spacing is None

    @cached_property
    def moving(self) -> tuple[SmoothMask, SmoothMask]:
        """The smooth masks of solvent and of solvent with its layer, for atoms that move."""
        return self._smooth_mask(self.parameters), self._smooth_mask(self._nearer)

    @property
    def _has_layer(self) -> bool:
        return self.with_layer and self.given is None

    @property
    def _nearer(self) -> MaskParameters:
        """Parameters of the boundary between model and layer."""
        p, (probe, shrink) = self.parameters, LAYER_WIDTH
        return replace(
            p, r_probe=max(0.0, p.r_probe - probe), r_shrink=max(0.0, p.r_shrink - shrink)
        )

    def with_radii(self, r_probe: float, r_shrink: float) -> "MaskedSolvent":
        """The solvent with another boundary."""
        parameters = replace(self.parameters, r_probe=r_probe, r_shrink=r_shrink)
        other = replace(self, parameters=parameters)
        vars(other)["_flat"] = self._flat  # grid and reflections are the same
        return other

    @cached_property
    def _flat(self) -> FlatMasks:
        return FlatMasks(self.crystal, self.hkl, self.shape, self.threads)

    @cached_property
    def _known(self) -> dict[MaskParameters, Runs | np.ndarray]:
        return {}

    def _solvent(self, parameters: MaskParameters) -> Runs | np.ndarray:
        """The runs of a flat mask in some planes of the grid, or the values of another mask."""
        if self.given is not None:
            return self.given
        if parameters not in self._known:
            self._known[parameters] = (
                self._values_of_smooth(parameters)
                if self.smooth
                else self._flat.of_atoms(self.atoms, parameters)
            )
        return self._known[parameters]

    def _values_of_smooth(self, parameters: MaskParameters) -> np.ndarray:
        values = self._smooth_mask(parameters).at(self.atoms).values
        # a uniform mask is exactly 0 or 1, like a flat one
        is_solvent = values > 0.5
        uniform = is_solvent.all() or not is_solvent.any()
        return is_solvent.astype(values.dtype) if uniform else values

    def _smooth_mask(self, parameters: MaskParameters) -> SmoothMask:
        return SmoothMask(self.crystal, self.hkl, self.shape, parameters, self.threads)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(nu, nv, nw) of the grid."""
        if self.given is not None:
            nu, nv, nw = self.given.shape
            return nu, nv, nw
        d = self.crystal.d_spacing(self.hkl)
        farthest = int(d.argmin())
        spacing = self.spacing or mask_spacing(float(d[farthest]))
        points = float(np.prod(np.array(self.crystal.cell[:3]) / spacing))
        of_point = SMOOTH_MASK if self.smooth else FLAT_MASK
        what = f"a solvent mask with a spacing of {spacing:.3g} A, {points:.3g} grid points"
        if self.spacing is None:
            h, k, l = self.hkl[farthest]
            what += f" for {len(d)} reflections to d = {d[farthest]:.3g} A, that of ({h} {k} {l}),"
        check_memory(of_point.bytes * points, what, force=self.force)
        few = points > FEW_REFLECTIONS * len(d)
        longest = LONGEST_FOR_FEW if few else LONGEST
        check_time(of_point.seconds * points, what, force=self.force, longest=longest)
        return grid_shape(self.crystal, spacing)

    def check(self) -> None:
        """Check, before any work, that memory and time suffice for the grid.

        Raises
        ------
        MemoryLimitError
            When the grid needs more memory than there is.
        TimeLimitError
            When it is predicted to take longer than an hour, or a few seconds if few reflections,
            or a single one far from all others, need such a grid.
        """
        _ = self.shape

    def _transform(self, parameters: MaskParameters, hkl: np.ndarray) -> np.ndarray:
        solvent = self._solvent(parameters)
        if isinstance(solvent, Runs):
            masks = self._flat if hkl is self.hkl else replace(self._flat, hkl=hkl)
            return masks.structure_factors(solvent)
        # A uniform mask scatters nothing; its transform would be rounding errors
        if all((plane == solvent.flat[0]).all() for plane in solvent):
            return np.zeros(len(hkl), np.complex128)
        return fourier.structure_factors(
            solvent, self.crystal, hkl, symmetry_sum=False, threads=self.threads
        )


def best_mask(
    start: MaskedSolvent,
    misfit: Callable[[MaskedSolvent], float],
    progress: Callable[[Sequence[float]], Iterable[float]] = iter,
) -> MaskedSolvent:
    """The mask of least `misfit`, by a search in decreasing steps of r_probe and r_shrink.

    Parameters
    ----------
    start
        Start of the search.
    misfit
        Function to minimise.
    progress
        Wraps the sequence of steps.
    """
    if start.given is not None:
        return start
    best, least = start, misfit(start)
    known = {(start.parameters.r_probe, start.parameters.r_shrink)}
    for step in progress(SEARCH_STEPS):
        moved = True
        while moved:
            moved = False
            centre = best.parameters.r_probe, best.parameters.r_shrink
            for probe, shrink in neighbours(centre, step, known):
                tried = start.with_radii(probe, shrink)
                value = misfit(tried)
                if value < least:
                    best, least, moved = tried, value, True
    return best


def neighbours(
    centre: tuple[float, float], step: float, known: set[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """Pairs (r_probe, r_shrink) one step from the centre in either, without known ones."""
    for probe, shrink in ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)):
        # rounded, so that known points are recognised
        point = round(centre[0] + probe, 6), round(centre[1] + shrink, 6)
        if point not in known and all(0.0 <= x <= SEARCH_LIMIT for x in point):
            known.add(point)
            yield point


def checked_mask(
    grid: Grid | str | PathLike[str] | None, crystal: Crystal, hkl: np.ndarray
) -> np.ndarray | None:
    """The values of a given mask, or None; it must fit crystal and reflections.

    Parameters
    ----------
    grid
        Grid of the mask, or path of a CCP4 map.

    Raises
    ------
    CellError
        When its cell is not that of the model.
    ParameterError
        When its values are not between 0 and 1, or its grid is too coarse.
    FileFormatError
        When a file is not a map.
    """
    if grid is None:
        return None
    if isinstance(grid, str | PathLike):
        from friedel.readers.maps import read_map

        grid = read_map(grid)
    if not (hasattr(grid, "crystal") and hasattr(grid, "array")):
        raise ParameterError(
            f"got {type(grid).__name__} as solvent mask, expected a grid or the path of a map"
        )
    if not grid.crystal.is_similar(crystal):
        raise CellError(
            f"the cell of the solvent mask {grid.crystal.cell} is not that of the model "
            f"{crystal.cell}"
        )
    values = np.ascontiguousarray(grid.array, np.float32)
    if not values.size or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ParameterError(
            "expected a solvent mask with values from 0 (model) to 1 (solvent), got other values"
        )
    needed = 2 * np.abs(hkl).max(axis=0) + 1
    if (np.array(values.shape) < needed).any():
        raise ParameterError(
            f"the grid {values.shape} of the solvent mask is too coarse for the data, which need "
            f"at least {tuple(int(n) for n in needed)} points"
        )
    return values
