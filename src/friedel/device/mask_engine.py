"""The smooth solvent mask of batches of models on a device, and its transpose.

See :mod:`friedel.solvent.smooth_mask` for the definition. Members are calculated one by one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.device.plan import TransformTerms, phase_shifts, reach_of
from friedel.errors import MissingDependencyError
from friedel.kernels.device.gather import BUMP_COLUMNS
from friedel.kernels.device.splat import TILE
from friedel.model.atoms import Atoms
from friedel.solvent.smooth_mask import EDGE, RADIUS_FACTOR, WEIGHT, SmoothMask

try:
    import torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.device.mask_engine", "torch") from error

from friedel.device.engine import DeviceGrid, Placed
from friedel.device.launch import Launch, launch_on, real_type

SMALLEST_RADIUS = 1e-3
"""Smallest radius of a bump, in units of the smallest step of the grid."""


class DeviceMask:
    """F_mask of batches of models with a smooth mask, and derivatives by xyz and occupancies.

    Parameters
    ----------
    mask
        The planned mask.
    atoms
        Atoms whose kinds are those of all members.
    device, threads, launch
        As for :class:`friedel.device.engine.DeviceSum`.
    dtype
        float32 or float64.
    """

    def __init__(
        self,
        mask: SmoothMask,
        atoms: Atoms,
        device: torch.device | str = "cpu",
        dtype: np.dtype | type = np.float32,
        *,
        threads: int = 1,
        launch: Launch | None = None,
    ) -> None:
        self.device, self._dtype = torch.device(device), np.dtype(dtype)
        self._launch = launch_on(self.device, threads) if launch is None else launch
        self.real = real_type(self._dtype)
        self.mask, crystal, shape = mask, mask.crystal, mask.shape
        self.n_hkl = len(mask.hkl)
        # As for the CPU, atoms of zero occupancy count, for their derivatives
        parameters = mask.parameters
        counted = ~(atoms.is_hydrogen & parameters.ignore_hydrogen)
        self._counted = torch.as_tensor(np.flatnonzero(counted), device=self.device)
        step = crystal.orthogonalization / np.array(shape)
        smallest = SMALLEST_RADIUS * float(np.linalg.norm(step, axis=0).min())
        radius = np.maximum(RADIUS_FACTOR * parameters.radius(atoms)[counted], smallest)
        metric = step.T @ step
        self._forms = metric[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]] / radius[:, None] ** 2
        largest = float(radius.max(initial=smallest))
        self._grid = DeviceGrid(shape, reach_of(crystal, shape, largest), self.device, self.real)
        half = radius[:, None] * crystal.reciprocal_lengths * np.array(shape)
        double = {"dtype": torch.float64, "device": self.device}
        self._half = [torch.as_tensor(half[:, axis].copy(), **double) for axis in range(3)]
        self._columns = [torch.as_tensor(self._forms[:, i].copy(), **double) for i in range(6)]
        self._rotations = [[[int(x) for x in row] for row in r] for r in crystal.rotations]
        shifts = crystal.translations / TRANSLATION_DENOMINATOR
        self._shifts = [[float(x) for x in row] for row in shifts]
        self._to_frac = [[float(x) for x in row] for row in crystal.fractionalization]
        terms = TransformTerms.of(crystal, mask.hkl, shape, np.ones(self.n_hkl), symmetry_sum=False)
        self._set_terms(terms)
        spread = mask.spread_transform
        self._spread = torch.as_tensor(spread, dtype=self.real, device=self.device)

    def _set_terms(self, terms: TransformTerms) -> None:
        names = ("index", "turn", "at", "start", "source", "source_turn")
        self._terms = {
            name: torch.as_tensor(getattr(terms, name), device=self.device) for name in names
        }
        self._shape_of_half = terms.half
        real = {"dtype": self.real, "device": self.device}
        self._factor = torch.as_tensor(terms.factor, **real)
        self._angles = torch.as_tensor(phase_shifts(), **real)

    def structure_factors(self, xyz: torch.Tensor, occ: torch.Tensor) -> torch.Tensor:
        """(m, n_hkl) complex F_mask of members at xyz (m, n, 3), Å, with occupancies (m, n)."""
        out = torch.empty((len(xyz), self.n_hkl, 2), dtype=self.real, device=self.device)
        terms = self._terms
        for i in range(len(xyz)):
            _, _, near = self._regions(xyz[i : i + 1], occ[i : i + 1])
            squared = near * near
            values = (1.0 + EDGE**2) * squared / (squared + EDGE**2)
            half = torch.view_as_real(torch.fft.rfftn(values[0])).reshape(1, -1, 2)
            arrays = (half, terms["index"], terms["turn"], self._factor, self._angles)
            self._launch("sum_terms", self.n_hkl, *arrays, out[i : i + 1])
        return torch.view_as_complex(out)

    def derivatives(
        self, xyz: torch.Tensor, occ: torch.Tensor, w: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Derivatives by xyz (m, n, 3) and occupancies (m, n) from w (m, n_hkl) by F_mask."""
        by_xyz = torch.zeros(xyz.shape, dtype=torch.float64, device=self.device)
        by_occ = torch.zeros(occ.shape, dtype=torch.float64, device=self.device)
        pairs = torch.view_as_real(w.resolve_conj()).to(self.real).contiguous()
        for i in range(len(xyz)):
            placed, probe, near = self._regions(xyz[i : i + 1], occ[i : i + 1])
            slope = self._map_of(pairs[i : i + 1])
            slope *= 2.0 * (1.0 + EDGE**2) * EDGE**2 * near / (near * near + EDGE**2) ** 2
            slope = self._spread_over(slope) * (-math.log(2.0) * WEIGHT) * probe
            xyz_part, occ_part = self._gathered(placed, slope.contiguous())
            weight = self._weights(occ[i : i + 1])[0]
            positive = occ[i, self._counted] >= 0.0
            by_xyz[i, self._counted] = xyz_part * weight[:, None]
            by_occ[i, self._counted] = torch.where(positive, occ_part, 0.0)
        return by_xyz, by_occ

    def _weights(self, occ: torch.Tensor) -> torch.Tensor:
        """Occupancies (m, counted); atoms with negative ones are not in the mask."""
        return occ[:, self._counted].to(torch.float64).clamp(min=0.0)

    def _regions(
        self, xyz: torch.Tensor, occ: torch.Tensor
    ) -> tuple[Placed, torch.Tensor, torch.Tensor]:
        """The bumps of one member, the region accessible to the probe, and its mean around."""
        u = self._to_frac
        x, y, z = xyz[:, self._counted].to(torch.float64).unbind(-1)
        frac = [u[i][0] * x + u[i][1] * y + u[i][2] * z for i in range(3)]
        mates = [
            torch.stack([sum(r[i][j] * frac[j] for j in range(3)) + t[i] for i in range(3)], -1)
            for r, t in zip(self._rotations, self._shifts, strict=True)
        ]
        n = len(mates)
        weight = WEIGHT * self._weights(occ)
        columns = [weight, torch.ones_like(weight), *(x[None] for x in self._columns), weight]
        wide = [x.repeat(1, n) for x in columns]
        half = [x[None].repeat(1, n) for x in self._half]
        placed = self._grid.placed(torch.cat(mates, 1), half, wide)
        total = self._grid.new_maps(1)
        grid, level = self._grid, self._dtype.type(0.0)
        arrays = (placed.starts, placed.places, placed.values, grid.near, grid.sizes)
        count = grid.tiles * TILE * TILE
        self._launch("splat_bumps", count, level, total.reshape(-1), *arrays)
        probe = torch.exp2(-total)
        return placed, probe, self._spread_over(probe)

    def _spread_over(self, values: torch.Tensor) -> torch.Tensor:
        """Means of a map over the bump by which the solvent is extended."""
        transform = torch.fft.rfftn(values[0]) * self._spread
        found: torch.Tensor = torch.fft.irfftn(transform, s=self.mask.shape)[None]
        return found

    def _map_of(self, w: torch.Tensor) -> torch.Tensor:
        """Derivatives by the mask from w (1, n_hkl, 2) by F_mask."""
        terms = self._terms
        like = {"dtype": self.real, "device": self.device}
        half = torch.zeros((1, *self._shape_of_half, 2), **like)
        arrays = (terms["at"], terms["start"], terms["source"], terms["source_turn"])
        more = (self._factor, self._angles, half.reshape(1, -1, 2))
        self._launch("spread_terms", len(terms["at"]), w, *arrays, *more)
        pairs = torch.view_as_complex(half)[0]
        found: torch.Tensor = torch.fft.irfftn(pairs, s=self.mask.shape, norm="forward")[None]
        return found

    def _gathered(self, placed: Placed, slope: torch.Tensor) -> tuple[Any, torch.Tensor]:
        """Derivatives by xyz (n, 3) of weight 1 and by weights (n,), of the counted atoms."""
        like = {"dtype": self.real, "device": self.device}
        n_sorted, planes = len(placed.places), self._grid.n_planes
        parts = torch.zeros((n_sorted, planes, BUMP_COLUMNS), **like)
        arrays = (placed.places, placed.values, self._grid.sizes, parts)
        self._launch("gather_bumps", n_sorted * planes, slope.reshape(-1), *arrays)
        sums = torch.empty((n_sorted, BUMP_COLUMNS), **like)
        self._launch("add_planes", sums.numel(), parts, sums)
        found = torch.empty(sums.shape, dtype=torch.float64, device=self.device)
        found[placed.order] = sums.to(torch.float64)
        by_mate = found.reshape(len(self._rotations), -1, BUMP_COLUMNS)
        by_occ = sum(mate[:, 0] for mate in by_mate)
        shape, u = self.mask.shape, self._to_frac
        by_frac: list[Any] = [0.0, 0.0, 0.0]
        for mate, r in zip(by_mate, self._rotations, strict=True):
            for j in range(3):
                steps = (r[i][j] * shape[i] * mate[:, 1 + i] for i in range(3))
                by_frac[j] = by_frac[j] + sum(steps)
        by_xyz = [sum(by_frac[i] * u[i][j] for i in range(3)) for j in range(3)]
        return torch.stack(by_xyz, -1), by_occ
