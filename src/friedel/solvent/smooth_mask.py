"""A bulk-solvent mask with a smooth boundary, and its derivatives by the atoms.

As the flat mask it is made in two steps, each a smooth one [Fenn2010]. Of d the distance from an
atom that keeps R = radius + r_probe free of solvent, the probe reaches

    S = 2^(-sum_j occ_j u_j^3),   u_j = (REACH^2 - d_j^2 / R_j^2) / (REACH^2 - 1), at least 0,

which is 1/2 at R from one atom. Then solvent grows back by r_shrink: D is the mean of S over a
bump that reaches SPREAD r_shrink, and the mask is (1 + EDGE^2) D^2 / (D^2 + EDGE^2).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.density.fourier import SymmetrySum
from friedel.density.grid import Patch
from friedel.kernels.grid.smooth_mask import add_bumps, gather_bumps
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.solvent.flat_mask import MaskParameters, grid_geometry
from friedel.structure_factors.gradients import Gradients, checked_weights

REACH, SPREAD, EDGE = 1.1, 1.6, 0.05
"""Nearest to the flat masks of three proteins with three sets of radii; a larger REACH would
smooth more than it has to, a smaller one depend on where atoms are between grid points."""

WEIGHT = (REACH**2 / (REACH**2 - 1.0)) ** 3
"""u^3 at an atom's centre: bumps of the kernels are 1 there."""

LEAST_REACH = 1e-6
"""A; a bump of no size is still 1 at its centre."""


@dataclass(frozen=True, eq=False)
class SmoothMask:
    """The smooth mask and F_mask as functions of the atoms.

    Atoms count by occupancy, and alternatives so add up to one. Pockets of solvent stay,
    however small: `island_min_volume` does not apply.

    Parameters
    ----------
    crystal
        Cell and symmetry, which is applied here.
    hkl
        (n, 3) reflections of F_mask.
    shape
        Of the grid, as for :func:`friedel.solvent.flat_mask.solvent_mask`.
    parameters
        Boundary between model and solvent.
    threads
        Of the transforms.
    """

    crystal: Crystal
    hkl: np.ndarray
    shape: tuple[int, int, int]
    parameters: MaskParameters
    threads: int = 1

    def at(self, atoms: Atoms) -> "SmoothMaskOfAtoms":
        """The mask of some atoms, those of one asymmetric unit."""
        return SmoothMaskOfAtoms(self, atoms)

    @cached_property
    def terms(self) -> SymmetrySum:
        """From the mask to F_mask."""
        return SymmetrySum(
            self.crystal, self.hkl, self.shape, symmetry_sum=False, threads=self.threads
        )

    @cached_property
    def geometry(self) -> tuple[tuple[float, ...], tuple[float, ...], float]:
        """Distances on the grid, see :func:`friedel.solvent.flat_mask.grid_geometry`."""
        return grid_geometry(self.crystal, self.shape)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """(nu, nv, nw) means over the surroundings; its own transpose."""
        import scipy.fft

        transform = scipy.fft.rfftn(values, workers=self.threads)
        transform *= self._spread_transform
        return scipy.fft.irfftn(transform, self.shape, workers=self.threads)

    @cached_property
    def _spread_transform(self) -> np.ndarray:
        """Real, as the bump is the same at -x as at x."""
        import scipy.fft

        form, extent, step_w = self.geometry
        reach = max(SPREAD * self.parameters.r_shrink, LEAST_REACH) / step_w
        bump = np.zeros(self.shape)
        add_bumps(np.zeros((1, 3)), np.array([reach]), np.ones(1), form, extent, bump)
        return scipy.fft.rfftn(bump / bump.sum(), workers=self.threads).real


@dataclass(frozen=True, eq=False)
class SmoothMaskOfAtoms:
    """The smooth mask of some atoms; see :meth:`SmoothMask.at`."""

    planned: SmoothMask
    atoms: Atoms

    @cached_property
    def values(self) -> np.ndarray:
        """(nu, nv, nw) float64 mask: 1 in the solvent, 0 in the model, between at the boundary."""
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
            When `w` is not one finite number a reflection.
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
        gather_bumps(self._mates, self._reach, form, extent, slope, found)
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
        """D: how much of the surroundings of each point the probe reaches."""
        return self.planned.spread(self._probe)

    @cached_property
    def _probe(self) -> np.ndarray:
        """S: where the probe reaches."""
        crystal = self.planned.crystal
        weight = np.tile(WEIGHT * self.atoms.occ[self._counted], crystal.n_operations)
        total = np.zeros(self.planned.shape)
        form, extent, _ = self.planned.geometry
        add_bumps(self._mates, self._reach, weight, form, extent, total)
        return np.exp2(-total)

    @cached_property
    def _counted(self) -> np.ndarray:
        """(n,) bool; atoms without occupancy too, which have a derivative by it."""
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
    def _reach(self) -> np.ndarray:
        """(n_operations * n_counted,) how far bumps reach, in steps along w."""
        radius = self.planned.parameters.radius(self.atoms)[self._counted]
        reach = np.maximum(REACH * radius, LEAST_REACH) / self.planned.geometry[2]
        return np.tile(reach, self.planned.crystal.n_operations)
