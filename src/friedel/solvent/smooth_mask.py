"""A bulk-solvent mask with a smooth boundary, and its derivatives by the atoms.

Like the flat mask it is calculated in two steps, which are smooth here [Fenn2010]. Atom j, at a
distance d_j, excludes solvent within R_j = radius + r_probe. The region accessible to the probe is

    S = 2^(-sum_j occ_j u_j^3),   u_j = max(0, (c^2 - d_j^2 / R_j^2) / (c^2 - 1))

with c = RADIUS_FACTOR; S is 1/2 at R from a single atom. Then the solvent is extended by r_shrink:
D is the mean of S over a bump of radius SPREAD_FACTOR r_shrink, and the mask is
(1 + EDGE^2) D^2 / (D^2 + EDGE^2).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.density.fourier import SymmetrySum
from friedel.density.grid import Patch
from friedel.density.pruned_fft import pruned_inverse, pruned_transform
from friedel.kernels.grid.smooth_mask import add_bumps, gather_bumps
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.threads import in_stretches
from friedel.solvent.flat_mask import MaskParameters, grid_geometry
from friedel.structure_factors.gradients import Gradients, checked_weights

RADIUS_FACTOR, SPREAD_FACTOR, EDGE = 1.1, 1.6, 0.05
"""These values are nearest to the flat masks of three proteins with three sets of radii. A larger
RADIUS_FACTOR would smooth more than needed; with a smaller one, the mask would depend on the
positions of atoms relative to the grid points."""

WEIGHT = (RADIUS_FACTOR**2 / (RADIUS_FACTOR**2 - 1.0)) ** 3
"""The value of u^3 at the centre of an atom, where the bumps of the kernels are 1."""

TIME_OF_POINT = 2e-9
"""Rough time (s) per point of a bump, to divide long calls."""

MIN_RADIUS = 1e-6
"""Smallest radius of a bump (Å): it contains at least the grid point at its centre."""


@dataclass(frozen=True, eq=False)
class SmoothMask:
    """The smooth mask and F_mask as functions of the atoms.

    Atoms are weighted by occupancy, so that alternative conformations add up to one. Small pockets
    of solvent are kept: `island_min_volume` does not apply.

    Parameters
    ----------
    crystal
        Cell and symmetry, which is applied here.
    hkl
        (n, 3) reflections of F_mask.
    shape
        Shape of the grid, as for :func:`friedel.solvent.flat_mask.solvent_mask`.
    parameters
        Boundary between model and solvent.
    threads
        Number of threads of the transforms.
    """

    crystal: Crystal
    hkl: np.ndarray
    shape: tuple[int, int, int]
    parameters: MaskParameters
    threads: int = 1

    def at(self, atoms: Atoms) -> "SmoothMaskOfAtoms":
        """The mask of the atoms of one asymmetric unit."""
        return SmoothMaskOfAtoms(self, atoms)

    @cached_property
    def terms(self) -> SymmetrySum:
        """The transform from the mask to F_mask."""
        return SymmetrySum(
            self.crystal, self.hkl, self.shape, symmetry_sum=False, threads=self.threads
        )

    @cached_property
    def geometry(self) -> tuple[tuple[float, ...], tuple[float, ...], float]:
        """Distances on the grid, see :func:`friedel.solvent.flat_mask.grid_geometry`."""
        return grid_geometry(self.crystal, self.shape)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """(nu, nv, nw) means of `values` over the bump; the operation is symmetric."""
        # The factors first, as they are a transform, too
        factors = self.spread_transform / values.size
        transform = self._transform(values)
        transform *= factors
        spread = np.empty(self.shape)
        pruned_inverse(transform, (0, 0), self.shape, spread, self.threads)
        return spread

    @cached_property
    def spread_transform(self) -> np.ndarray:
        """(nu, nv, nw // 2 + 1) transform of the bump; real, as it is symmetric under inversion."""
        form, extent, step_w = self.geometry
        radius = max(SPREAD_FACTOR * self.parameters.r_shrink, MIN_RADIUS) / step_w
        bump = np.zeros(self.shape)
        add_bumps(np.zeros((1, 3)), np.array([radius]), np.ones(1), form, extent, bump)
        return self._transform(bump / bump.sum()).real.copy()

    def _transform(self, values: np.ndarray) -> np.ndarray:
        """(nu, nv, nw // 2 + 1) complex, overwritten by the next transform in this thread."""
        _, nv, nw = self.shape
        return pruned_transform(values, (0, 0), self.shape, nv // 2, nw // 2, self.threads)


@dataclass(frozen=True, eq=False)
class SmoothMaskOfAtoms:
    """The smooth mask of some atoms; see :meth:`SmoothMask.at`."""

    planned: SmoothMask
    atoms: Atoms

    @cached_property
    def values(self) -> np.ndarray:
        """(nu, nv, nw) float64 mask: 1 in the solvent, 0 in the model, smooth at the boundary."""
        squared = self._near_probe**2
        return (1.0 + EDGE**2) * squared / (squared + EDGE**2)

    def forward(self) -> np.ndarray:
        """(n,) complex128 F_mask."""
        planned = self.planned
        return planned.terms.structure_factors(Patch.whole(self.values), threads=planned.threads)

    def adjoint(self, w: np.ndarray) -> Gradients:
        """Derivatives of a target T by positions and occupancies, from those by F_mask.

        Parameters
        ----------
        w
            (n,) dT/dRe F_mask + i dT/dIm F_mask.

        Raises
        ------
        ReflectionsError
            When `w` is not one finite number per reflection.
        """
        planned, near = self.planned, self._near_probe
        w = checked_weights(w, len(planned.hkl))
        slope = np.empty(planned.shape)
        planned.terms.density_gradient(w, Patch.whole(slope), threads=planned.threads)
        slope *= 2.0 * (1.0 + EDGE**2) * EDGE**2 * near / (near**2 + EDGE**2) ** 2
        slope = planned.spread(slope)
        slope *= -np.log(2.0) * WEIGHT * self._probe
        found = np.empty((len(self._mates), 4))
        form, extent, _ = planned.geometry

        def gather_some(first: int, last: int) -> None:
            some = slice(first, last)
            gather_bumps(self._mates[some], self._radii[some], form, extent, slope, found[some])

        in_stretches(gather_some, len(found), 1, seconds=self._seconds)
        by_mate = found.reshape(planned.crystal.n_operations, -1, 4)
        occ, frac = np.zeros(len(self.atoms)), np.zeros((len(self.atoms), 3))
        occ[self._counted] = by_mate[:, :, 0].sum(axis=0)
        by_frac = np.einsum("oni,oij->nj", by_mate[:, :, 1:], planned.crystal.rotations)
        frac[self._counted] = self.atoms.occ[self._counted, None] * by_frac
        return Gradients.from_tensors(
            planned.crystal, self.atoms, frac, occ, np.zeros((len(occ), 6))
        )

    @cached_property
    def _near_probe(self) -> np.ndarray:
        """D: the fraction of the surroundings of each point that is accessible to the probe."""
        return self.planned.spread(self._probe)

    @cached_property
    def _probe(self) -> np.ndarray:
        """S: the region accessible to the probe."""
        crystal = self.planned.crystal
        weight = np.tile(WEIGHT * self.atoms.occ[self._counted], crystal.n_operations)
        total = np.zeros(self.planned.shape)
        form, extent, _ = self.planned.geometry

        def add_some(first: int, last: int) -> None:
            some = slice(first, last)
            add_bumps(self._mates[some], self._radii[some], weight[some], form, extent, total)

        in_stretches(add_some, len(weight), 1, seconds=self._seconds)
        return np.exp2(-total)

    @property
    def _seconds(self) -> float:
        """Rough time (s) of adding all bumps."""
        extent = self.planned.geometry[1]
        return TIME_OF_POINT * 4.2 * float((self._radii**3).sum()) * extent[0] * extent[1]

    @cached_property
    def _counted(self) -> np.ndarray:
        """(n,) bool: atoms in the mask, also those of zero occupancy, for their derivatives."""
        any_occupancy = replace(self.planned.parameters, ignore_zero_occupancy=False)
        return any_occupancy.counts(self.atoms) & (self.atoms.occ >= 0.0)

    @cached_property
    def _mates(self) -> np.ndarray:
        """(n_operations * n_counted, 3) fractional coordinates, operation by operation."""
        crystal = self.planned.crystal
        turned = np.einsum("oij,nj->oni", crystal.rotations, self.atoms.frac[self._counted])
        mates = turned + crystal.translations[:, None] / TRANSLATION_DENOMINATOR
        return (mates - np.floor(mates)).reshape(-1, 3)

    @cached_property
    def _radii(self) -> np.ndarray:
        """(n_operations * n_counted,) radii of the bumps, in steps along w."""
        radius = self.planned.parameters.radius(self.atoms)[self._counted]
        radius = np.maximum(RADIUS_FACTOR * radius, MIN_RADIUS) / self.planned.geometry[2]
        return np.tile(radius, self.planned.crystal.n_operations)
