"""Cutoff radii of atoms: Gaussians in small groups, each with its own radius."""

import math
from dataclasses import dataclass

import numpy as np

from friedel.kernels.grid.ellipsoids import GROUP
from friedel.kernels.grid.gaussians import radii_at_level
from friedel.model.atoms import Atoms

RADIUS_POINTS, MOST_POINTS = 48, 8192
"""Number of B values at which radii are tabulated, between which they are interpolated: usual and
largest."""
LEAST_WIDTH = 1e-3
"""Smallest width (Å^2) in the table: with a negative blur the smallest B of all atoms may be too
small for a type of atom that has no such B."""
WIDEST_STEP = 0.125
"""Largest step in B relative to the narrowest Gaussian: radii are then right to 5e-4, being about
proportional to the square root of the width. Wide ranges of B have more values."""


@dataclass(frozen=True, eq=False)
class GaussianGroups:
    """Form factors by atom type, in small groups of Gaussians, the narrowest first.

    Attributes
    ----------
    a, b
        (n_kinds, n_groups * GROUP) coefficients, padded with zero amplitudes.
    """

    a: np.ndarray
    b: np.ndarray

    @classmethod
    def from_sums(cls, a: np.ndarray, b: np.ndarray) -> "GaussianGroups":
        """Groups from (n_kinds, n_terms) coefficients."""
        used = a != 0
        # Terms without amplitude repeat the broadest, so that they do not affect range checks
        broadest = np.where(used, b, -np.inf).max(axis=1, keepdims=True)
        b = np.where(used | ~used.any(axis=1, keepdims=True), b, broadest)
        order = np.argsort(np.where(used, b, np.inf), axis=1, kind="stable")
        rows, n_terms = np.arange(len(a))[:, None], a.shape[1]
        a, b = a[rows, order], b[rows, order]
        # Groups are filled with terms without amplitude, as broad as the last one
        n_filled = n_terms + -n_terms % GROUP
        grouped_a, grouped_b = np.zeros((len(a), n_filled)), np.empty((len(a), n_filled))
        grouped_a[:, :n_terms], grouped_b[:, :n_terms] = a, b
        grouped_b[:, n_terms:] = b[:, -1:]
        return cls(grouped_a, grouped_b)

    @property
    def n_groups(self) -> int:
        """Number of groups of each kind."""
        return self.a.shape[1] // GROUP

    def groups_of(self, coefficients: np.ndarray) -> np.ndarray:
        """(n_kinds, n_groups, GROUP) view of `a` or `b`."""
        return coefficients.reshape(len(coefficients), self.n_groups, GROUP)


@dataclass(frozen=True, eq=False)
class RadiusTable:
    """Radii (Å) of the groups of each atom type at equally spaced B, for one blur and level.

    Attributes
    ----------
    radius
        (n_kinds, n_groups, n) at B = b_first, b_first + b_step, ...
    """

    radius: np.ndarray
    b_first: float
    b_step: float

    @property
    def largest(self) -> float:
        """The largest radius."""
        return float(self.radius.max())

    @classmethod
    def for_atoms(
        cls, atoms: Atoms, groups: GaussianGroups, blur: float, cutoff: float
    ) -> "RadiusTable":
        """Radii at which the largest occupancy times |density| falls to `cutoff`.

        For anisotropic atoms the largest eigenvalue of B is used.
        """
        broadest = atoms.b_eigenvalues[:, 2]
        b_first = float(broadest.min())
        span = float(broadest.max()) - b_first
        narrowest = max(b_first + blur + float(groups.b.min()), LEAST_WIDTH)
        needed = math.ceil(min(span / (WIDEST_STEP * narrowest), MOST_POINTS)) + 1
        n_points = max(RADIUS_POINTS, needed)
        b_step = max(span / (n_points - 1), 1e-6)
        b_values = b_first + b_step * np.arange(n_points)
        widths = groups.groups_of(groups.b)[:, :, None, :] + (b_values + blur)[:, None]
        widths = np.maximum(widths, LEAST_WIDTH)
        # With all occupancies zero, derivatives by occupancies still need radii
        largest_occ = np.abs(atoms.occ).max() or 1.0
        a = groups.groups_of(groups.a)[:, :, None, :] * largest_occ
        radius = radius_at_level(a * (4.0 * np.pi / widths) ** 1.5, 4.0 * np.pi**2 / widths, cutoff)
        return cls(radius, b_first, b_step)

    def of(self, b: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """(n, n_groups) interpolated radii of atoms with these B and types (n,)."""
        position = (b - self.b_first) / self.b_step
        index = np.minimum(position.astype(np.int64), self.radius.shape[2] - 2)
        fraction = (position - index)[:, None]
        low, high = self.radius[kind, :, index], self.radius[kind, :, index + 1]
        return low * (1.0 - fraction) + high * fraction


def radius_at_level(amplitude: np.ndarray, factor: np.ndarray, level: float) -> np.ndarray:
    """(...,) r with sum_t |amplitude_t| exp(-factor_t r^2) = level; 0 if below everywhere.

    Parameters
    ----------
    amplitude, factor
        (..., n_terms).
    """
    shape = np.broadcast_shapes(amplitude.shape, factor.shape)
    flat = [
        np.ascontiguousarray(np.broadcast_to(x, shape).reshape(-1, shape[-1]))
        for x in (amplitude, factor)
    ]
    radius = np.empty(len(flat[0]))
    radii_at_level(*flat, level, radius)
    return radius.reshape(shape[:-1])
