"""Batches of structure factors on a device, and their transpose, from tensors to tensors.

The members of a batch are calculated as if each were alone: no bit of one depends on the others,
on their number, or on the memory allowed. Everything is fixed in order, so that a repeated call
gives the same bits on the same kind of device.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.device.plan import (
    LARGEST_EXPONENT,
    DevicePlan,
    FormFactors,
    near_tiles,
    phase_shifts,
    sizes_of,
)
from friedel.errors import FriedelWarning, MissingDependencyError
from friedel.kernels.device.gather import COLUMNS
from friedel.kernels.device.splat import TILE
from friedel.kernels.grid.gaussians import FOUR_PI2

try:
    import torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.device.engine", "torch") from error

from friedel.device.launch import Launch, launch_on, real_type
from friedel.device.tensors import (
    diagonal,
    extreme_eigenvalues,
    in_grid_axes,
    inverse,
    turned,
    widened,
)

MAX_BYTES = 2**28
"""Memory (bytes) for grids at a time by default; one member is always calculated."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Atoms of several members as the kernels take them, sorted by member and tile.

    Attributes
    ----------
    places, values, starts
        See :mod:`friedel.kernels.device.splat`.
    order
        Index of each sorted atom in the flat batch.
    """

    places: torch.Tensor
    values: torch.Tensor
    starts: torch.Tensor
    order: torch.Tensor


class DeviceGrid:
    """A grid over the cell on a device: tables of its kernels, and the sorting of atoms.

    Parameters
    ----------
    shape
        Points along each axis.
    reach
        Largest distance of a point under an atom, see :meth:`DevicePlan.reach`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        reach: tuple[int, int, int],
        device: torch.device,
        real: torch.dtype,
    ) -> None:
        self.shape, self.reach, self.device, self.real = shape, reach, device, real
        self.near = torch.as_tensor(near_tiles(shape, reach), device=device)
        sizes = sizes_of(shape, reach)
        self.sizes = torch.as_tensor(sizes, device=device)
        self.points, self.tiles = math.prod(shape), int(sizes[3:6].prod())
        self._n_tiles = [int(n) for n in sizes[3:6]]

    def placed(self, frac: torch.Tensor, half: Any, columns: list[torch.Tensor]) -> Placed:
        """Sort atoms by tiles.

        Parameters
        ----------
        frac
            (m, n, 3) float64 positions.
        half
            Half-widths (m, n) of the atoms' boxes along each axis, in steps.
        columns
            The columns of the kernels' values after the positions, (m, n) each.
        """
        m, n = frac.shape[:2]
        within, base = [], []
        for axis, size in enumerate(self.shape):
            x = frac[..., axis]
            x = (x - torch.floor(x)) * size
            x = torch.where(x >= size, x - size, x)
            point = torch.floor(x)
            base.append(point.to(torch.int32))
            within.append((x - point).to(self.real))
        tile = torch.zeros((m, n), dtype=torch.int32, device=self.device)
        for axis in range(3):
            tile = tile * self._n_tiles[axis] + base[axis] // TILE
        member = torch.arange(m, dtype=torch.int32, device=self.device)[:, None].expand(m, n)
        key, order = torch.sort((tile + member * self.tiles).reshape(-1), stable=True)
        every = torch.arange(m * self.tiles + 1, dtype=torch.int32, device=self.device)
        starts = torch.searchsorted(key, every).to(torch.int32)
        low, high = [], []
        for x, width, far in zip(within, half, self.reach, strict=True):
            low.append(torch.ceil(x - width).clamp(-far, far).to(torch.int32))
            high.append(torch.floor(x + width).clamp(-far, far).to(torch.int32))
        places = torch.stack([*base, member, *low, *high], -1).reshape(m * n, 10)
        values = torch.stack([*within, *(x.to(self.real) for x in columns)], -1)
        values = values.reshape(m * n, len(columns) + 3)
        return Placed(places[order].contiguous(), values[order].contiguous(), starts, order)

    def new_maps(self, m: int) -> torch.Tensor:
        """Memory for the maps of m members."""
        return torch.empty((m, *self.shape), dtype=self.real, device=self.device)

    @property
    def n_planes(self) -> int:
        """Largest number of planes under an atom."""
        return 2 * self.reach[0] + 1


class _Part:
    """The constants of one set of form factors on a device."""

    def __init__(self, plan: DevicePlan, part: FormFactors, owner: DeviceSum) -> None:
        device, double = owner.device, torch.float64
        atoms = plan.calculator.atoms
        chosen = np.flatnonzero(part.kinds[atoms.kind])
        is_whole = len(chosen) == len(atoms)
        self.chosen = None if is_whole else torch.as_tensor(chosen, device=device)
        kind = atoms.kind[chosen].astype(np.int64)
        self.n = len(chosen)
        self.a = torch.as_tensor(part.a[kind], dtype=double, device=device)
        self.b = torch.as_tensor(part.b[kind], dtype=double, device=device)
        self.broadest = torch.as_tensor(part.broadest[kind], dtype=double, device=device)
        self.kind = torch.as_tensor(kind, device=device)
        self.table = torch.as_tensor(part.radii.radius, dtype=double, device=device)
        self.b_first, self.b_step = part.radii.b_first, part.radii.b_step
        self.grid = DeviceGrid(plan.shape, plan.reach(part), device, owner.real)

    def of_atoms(self, x: torch.Tensor) -> torch.Tensor:
        """The atoms of this part, of (m, n_atoms, ...)."""
        return x if self.chosen is None else x[:, self.chosen]

    def radii(self, b: torch.Tensor) -> torch.Tensor:
        """(m, n, groups) interpolated radii (Å) for B (m, n)."""
        position = (b - self.b_first) / self.b_step
        index = position.to(torch.int64).clamp(0, self.table.shape[2] - 2)
        share = (position - index).clamp(0.0, 1.0)[..., None]
        kind = self.kind.expand(b.shape)
        low, high = self.table[kind, :, index], self.table[kind, :, index + 1]
        return low * (1.0 - share) + high * share


class DeviceSum:
    """F of batches of models on a device, and derivatives by the atoms' parameters.

    Parameters
    ----------
    plan
        The plan, which is the same for all members.
    device
        A CPU or a CUDA GPU.
    dtype
        float32 or float64; by default what the accuracy needs.
    max_bytes
        Memory for grids: larger batches are calculated in several parts, with the same bits.
    threads
        Number of threads on the CPU.
    launch
        How kernels are launched; by default as :func:`friedel.device.launch.launch_on` says.

    Raises
    ------
    AccuracyError
        When atoms are too narrow for float32.
    ParameterError, MissingDependencyError
        When the device cannot be used.
    """

    def __init__(
        self,
        plan: DevicePlan,
        device: torch.device | str = "cpu",
        dtype: np.dtype | type | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        threads: int = 1,
        launch: Launch | None = None,
    ) -> None:
        self.plan, self.device, self.max_bytes = plan, torch.device(device), max_bytes
        self._launch = launch_on(self.device, threads) if launch is None else launch
        self._dtype = plan.checked_dtype(dtype)
        self.real = real_type(self._dtype)
        parts = [plan.real] if plan.imaginary is None else [plan.real, plan.imaginary]
        self._parts = [_Part(plan, part, self) for part in parts]
        self._largest = self._dtype.type(LARGEST_EXPONENT[self._dtype])
        crystal = plan.calculator.crystal
        self._to_frac = [[float(x) for x in row] for row in crystal.fractionalization]
        self._step = [[float(x) for x in row] for row in plan.step]
        self._per_step = [[float(x) for x in row] for row in np.linalg.inv(plan.step)]
        terms = plan.terms
        arrays = {"index": terms.index, "at": terms.at, "start": terms.start}
        arrays |= {"source": terms.source, "turn": terms.turn, "source_turn": terms.source_turn}
        self._terms = {name: torch.as_tensor(x, device=self.device) for name, x in arrays.items()}
        self._half = terms.half
        self._factor = torch.as_tensor(terms.factor, dtype=self.real, device=self.device)
        self._angles = torch.as_tensor(phase_shifts(), dtype=self.real, device=self.device)
        self._outside = torch.zeros((), dtype=torch.bool, device=self.device)
        self._outside_here = torch.zeros((), dtype=torch.bool)
        if self.device.type == "cuda":
            self._outside_here = self._outside_here.pin_memory()
        self._add_origin(plan)

    def _add_origin(self, plan: DevicePlan) -> None:
        """What F(000) needs: it is the sum of occupancies times limits of form factors."""
        calculator = plan.calculator
        at_origin = np.flatnonzero(~np.any(calculator.hkl, axis=1))
        self._origin = torch.as_tensor(at_origin, device=self.device)
        self._at_origin = [int(i) for i in at_origin]
        factors, kind = calculator.factors, calculator.atoms.kind
        limit = calculator.crystal.n_operations * factors.forward_limit()[kind]
        imaginary = calculator.crystal.n_operations * factors.f_double_prime[kind]
        limits = np.array([limit, imaginary])
        self._limits = torch.as_tensor(limits, dtype=torch.float64, device=self.device)

    @property
    def n_hkl(self) -> int:
        """Number of reflections."""
        return len(self.plan.calculator.hkl)

    def structure_factors(
        self, xyz: torch.Tensor, b_tensor: torch.Tensor, occ: torch.Tensor
    ) -> torch.Tensor:
        """(m, n_hkl) complex F.

        Parameters
        ----------
        xyz
            (m, n, 3) Cartesian coordinates, Å.
        b_tensor
            (m, n, 6) B11, B22, B33, B12, B13, B23, Cartesian, Å^2.
        occ
            (m, n) occupancies.

        F of a member with numbers that are not finite are NaN.
        """
        m = len(xyz)
        out = torch.empty((m, self.n_hkl, 2), dtype=self.real, device=self.device)
        for some in self._slices(m):
            maps = self._parts[0].grid.new_maps(some.stop - some.start)
            for part in self._parts:
                found = out[some] if part is self._parts[0] else torch.empty_like(out[some])
                placed = self._placed(part, xyz[some], b_tensor[some], occ[some])
                self._fill(part, placed, maps)
                self._transform(maps, found)
                if part is not self._parts[0]:  # F = S + i S''
                    out[some] += torch.stack([-found[..., 1], found[..., 0]], -1)
        if len(self._origin):
            for i in range(m):  # one by one: the order of a sum depends on the shape of a tensor
                total = (self._limits * occ[i].to(torch.float64)).sum(1)
                out[i, self._origin] = total.to(self.real)
        # A GPU is not waited for to raise an error: atoms that are NaN have no place on the grid
        nothing = sum(0.0 * x.to(torch.float64).reshape(m, -1).sum(1) for x in (xyz, b_tensor, occ))
        out += nothing.to(self.real)[:, None, None]
        self._note_outside()
        return torch.view_as_complex(out)

    def derivatives(
        self, xyz: torch.Tensor, b_tensor: torch.Tensor, occ: torch.Tensor, w: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Derivatives of a target by positions (m, n, 3), B tensors (m, n, 6), occupancies (m, n).

        All are float64; those by off-diagonal elements are by the one stored number.

        Parameters
        ----------
        w
            (m, n_hkl) complex dT/dRe F + i dT/dIm F.
        """
        m, n = occ.shape
        pairs = torch.view_as_real(w.resolve_conj()).to(self.real).contiguous()
        found = torch.zeros((m, n, COLUMNS), dtype=torch.float64, device=self.device)
        for some in self._slices(m):
            maps = self._parts[0].grid.new_maps(some.stop - some.start)
            for part in self._parts:
                v = pairs[some]
                if part is not self._parts[0]:  # Re(conj(w) i dS'') = Re(conj(-i w) dS'')
                    v = torch.stack([v[..., 1], -v[..., 0]], -1).contiguous()
                self._transform_back(v, maps)
                placed = self._placed(part, xyz[some], b_tensor[some], occ[some])
                sums = self._gathered(part, placed, maps)
                if part.chosen is None:
                    found[some] += sums
                else:
                    found[some, part.chosen] += sums
        by_xyz, by_b = self._in_cartesian(found)
        by_occ = found[..., 0].clone()
        for at in self._at_origin:
            by_occ += self._limits[0] * w[:, at, None].real + self._limits[1] * w[:, at, None].imag
        return occ[..., None] * by_xyz, occ[..., None] * by_b, by_occ

    def _slices(self, m: int) -> list[slice]:
        """The members that are calculated at a time."""
        size = self._dtype.itemsize
        per_atom = size * max(part.grid.n_planes for part in self._parts) * COLUMNS + 1024
        per_member = 4 * size * math.prod(self.plan.shape) + per_atom * self._parts[0].n
        step = max(1, min(self.max_bytes // per_member, (2**31 - 1) // self._parts[0].grid.tiles))
        return [slice(i, min(i + step, m)) for i in range(0, m, step)]

    def _placed(
        self, part: _Part, xyz: torch.Tensor, b_tensor: torch.Tensor, occ: torch.Tensor
    ) -> Placed:
        """The atoms of some members as Gaussians on the grid."""
        xyz, b_tensor, occ = (part.of_atoms(x).to(torch.float64) for x in (xyz, b_tensor, occ))
        u = self._to_frac
        x, y, z = xyz.unbind(-1)
        frac = torch.stack([u[i][0] * x + u[i][1] * y + u[i][2] * z for i in range(3)], -1)
        b: Any = b_tensor.unbind(-1)
        smallest, largest = extreme_eigenvalues(b)
        width = part.b + self.plan.sampling.blur
        tensor = widened([x[..., None] for x in b], width)
        inverted, det = inverse(tensor)
        form = [FOUR_PI2 * x for x in in_grid_axes(inverted, self._step)]
        peak = part.a * (4.0 * math.pi) ** 1.5 * torch.rsqrt(det)
        half = self._half_widths(part, b, largest)
        self._mark_outside(part, smallest, largest, half)
        columns = [occ]
        for term in range(peak.shape[-1]):
            columns += [peak[..., term], *(x[..., term] for x in form)]
            columns.append(torch.exp(-2.0 * form[2][..., term]))
        return part.grid.placed(frac, half, columns)

    def _half_widths(self, part: _Part, b: Any, largest: torch.Tensor) -> list[torch.Tensor]:
        """Half-widths of boxes, in steps, that contain the ellipsoids at the density level.

        They are those of :func:`friedel.kernels.grid.ellipsoids.place_ellipsoid`, the widest of all
        groups of an atom.
        """
        radius = part.radii(largest)
        width = part.broadest + self.plan.sampling.blur
        tensor = widened([x[..., None] for x in b], width)
        _, det = inverse(tensor)
        broad = largest[..., None] + width
        limit = FOUR_PI2 * radius * radius / broad + 0.5 * torch.log(broad**3 / det)
        limit = torch.where(radius > 0.0, limit, torch.zeros_like(limit))
        # The covariance is the inverse of the form: S^-1 (B + width) S^-T / (4 pi^2)
        variances = diagonal(tensor, self._per_step)
        return [torch.sqrt((limit * x).amax(-1) / FOUR_PI2) for x in variances]

    def _mark_outside(
        self, part: _Part, smallest: torch.Tensor, largest: torch.Tensor, half: list[torch.Tensor]
    ) -> None:
        """Keep in mind, on the device, whether any atom is outside of the plan's range."""
        low, high = self.plan.b_limits
        inside = (smallest > low - 1e-3) & (largest < high + 1e-3)
        for x, far in zip(half, part.grid.reach, strict=True):
            inside = inside & (x < far)
        self._outside.logical_or_(~inside.all())

    def _note_outside(self) -> None:
        """Warn, on a GPU with the next call at the latest, of atoms outside of the plan's range.

        The CPU does not wait for a GPU: the copy is done when it is done.
        """
        self._outside_here.copy_(self._outside, non_blocking=True)
        if bool(self._outside_here):
            self._outside.zero_()
            self._outside_here.zero_()
            low, high = self.plan.b_limits
            warnings.warn(
                f"some B are outside of {low:.1f} to {high:.1f} A^2, for which the sampling was "
                "planned: the error may exceed rtol; make StructureFactors anew from a calculator "
                "of these atoms",
                FriedelWarning,
                stacklevel=2,
            )

    def _fill(self, part: _Part, placed: Placed, maps: torch.Tensor) -> None:
        """Set the maps to the densities of the members."""
        level = -self.plan.mean if part is self._parts[0] else 0.0
        grid, real = part.grid, self._dtype.type
        arrays = (placed.starts, placed.places, placed.values, grid.near, grid.sizes)
        n = len(maps) * grid.tiles * TILE * TILE
        self._launch("splat", n, real(level), self._largest, maps.reshape(-1), *arrays)

    def _gathered(self, part: _Part, placed: Placed, maps: torch.Tensor) -> torch.Tensor:
        """(m, n, COLUMNS) sums of the derivatives in grid axes."""
        n_sorted, planes = len(placed.places), part.grid.n_planes
        like = {"dtype": self.real, "device": self.device}
        parts = torch.zeros((n_sorted, planes, COLUMNS), **like)
        arrays = (placed.places, placed.values, part.grid.sizes, parts)
        self._launch("gather", n_sorted * planes, maps.reshape(-1), *arrays)
        sums = torch.empty((n_sorted, COLUMNS), **like)
        self._launch("add_planes", sums.numel(), parts, sums)
        found = torch.empty_like(sums, dtype=torch.float64)
        found[placed.order] = sums.to(torch.float64)
        return found.reshape(len(maps), part.n, COLUMNS)

    def _transform(self, maps: torch.Tensor, out: torch.Tensor) -> None:
        """Set out (m, n_hkl, 2) to the symmetry sums of the transforms of the maps."""
        m = len(maps)
        complex_type = torch.complex64 if self.real == torch.float32 else torch.complex128
        half = torch.empty((m, *self._half), dtype=complex_type, device=self.device)
        for i in range(m):  # one by one: the bits of a batched transform depend on the batch
            torch.fft.rfftn(maps[i], out=half[i])
        pairs = torch.view_as_real(half).reshape(m, -1, 2)
        terms = self._terms
        arrays = (pairs, terms["index"], terms["turn"], self._factor, self._angles, out)
        self._launch("sum_terms", m * self.n_hkl, *arrays)

    def _transform_back(self, w: torch.Tensor, maps: torch.Tensor) -> None:
        """Set the maps to the derivatives by the density, from w (m, n_hkl, 2) by F."""
        m, terms = len(maps), self._terms
        half = torch.zeros((m, *self._half, 2), dtype=self.real, device=self.device)
        arrays = (terms["at"], terms["start"], terms["source"], terms["source_turn"])
        flat = half.reshape(m, -1, 2)
        n = m * len(terms["at"])
        self._launch("spread_terms", n, w, *arrays, self._factor, self._angles, flat)
        pairs = torch.view_as_complex(half)
        for i in range(m):
            torch.fft.irfftn(pairs[i], s=self.plan.shape, norm="forward", out=maps[i])

    def _in_cartesian(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Derivatives by xyz and by B tensors, of weight 1, from those in grid axes."""
        shape, u = self.plan.shape, self._to_frac
        by_frac = [2.0 * found[..., 1 + axis] * shape[axis] for axis in range(3)]
        by_xyz = [sum(by_frac[i] * u[i][j] for i in range(3)) for j in range(3)]
        # S^-T A S^-1 / (4 pi^2)
        transposed = [list(row) for row in zip(*self._per_step, strict=True)]
        by_b = turned(tuple(found[..., 4 + i] for i in range(6)), transposed)
        scale = (1.0, 1.0, 1.0, 2.0, 2.0, 2.0)
        by_b = [x * (s / FOUR_PI2) for x, s in zip(by_b, scale, strict=True)]
        return torch.stack(by_xyz, -1), torch.stack(by_b, -1)
