"""Engines of smooth solvent masks for the operators: F_mask of the atoms' positions."""

from __future__ import annotations

import numpy as np
import torch

from friedel.bridges.batches import common_batch_shape
from friedel.bridges.torch.engines import as_numpy, complex_of, summed_to
from friedel.bridges.torch.operators import Tensors
from friedel.device.mask_engine import DeviceMask
from friedel.model.atoms import Atoms
from friedel.solvent.smooth_mask import SmoothMask


class MaskEngine:
    """F_mask as a function of coordinates and occupancies; B and U have no effect.

    Parameters
    ----------
    mask
        The planned mask.
    atoms
        Atoms, from which parameters that are not given are taken.
    device
        A CPU, or a GPU for which `dtype` is the type to calculate with.
    dtype
        See :class:`friedel.bridges.torch.operators.Engine`.
    """

    def __init__(
        self,
        mask: SmoothMask,
        atoms: Atoms,
        device: torch.device,
        dtype: torch.dtype | None,
        on_device: DeviceMask | None = None,
    ) -> None:
        self._mask, self._atoms = mask, atoms
        self.n_atoms, self.n_hkl = len(atoms), len(mask.hkl)
        self.dtype = None if dtype is None else complex_of(dtype)
        if on_device is None and device.type != "cpu":
            real = np.float64 if dtype == torch.float64 else np.float32
            on_device = DeviceMask(mask, atoms, device, real)
        self._on_device = on_device
        self.device = None if on_device is None else on_device.device
        xyz = atoms.frac @ mask.crystal.orthogonalization.T
        self._planned = [
            torch.as_tensor(np.array(x), dtype=torch.float64, device=self.device or "cpu")
            for x in (xyz, atoms.occ)
        ]

    def forward(self, parameters: Tensors) -> torch.Tensor:
        """(..., n_hkl) complex F_mask."""
        shape, xyz, occ = self._flat(parameters)
        if self._on_device is not None:
            found = self._on_device.structure_factors(xyz, occ)
        else:
            members = [self._mask.at(atoms).forward() for atoms in self._members(xyz, occ)]
            found = torch.from_numpy(np.array(members))
        return found.reshape(*shape, self.n_hkl)

    def adjoint(self, w: torch.Tensor, parameters: Tensors) -> list[torch.Tensor]:
        """Derivatives by the parameters that are not None."""
        shape, xyz, occ = self._flat(parameters)
        w = w.to(self.device or "cpu").expand(*shape, self.n_hkl).reshape(-1, self.n_hkl)
        if self._on_device is not None:
            by_xyz, by_occ = self._on_device.derivatives(xyz, occ, w)
        else:
            pairs = zip(self._members(xyz, occ), w.to(torch.complex128).numpy(), strict=True)
            every = [self._mask.at(atoms).adjoint(of_member) for atoms, of_member in pairs]
            by_xyz = torch.from_numpy(np.array([g.xyz for g in every]))
            by_occ = torch.from_numpy(np.array([g.occ for g in every]))
        found = (by_xyz, None, None, by_occ)
        return [
            torch.zeros_like(x)
            if g is None
            else summed_to(g.reshape(*shape, *g.shape[1:]), x.shape)
            for g, x in zip(found, parameters, strict=True)
            if x is not None
        ]

    def _members(self, xyz: torch.Tensor, occ: torch.Tensor) -> list[Atoms]:
        to_frac = self._mask.crystal.fractionalization.T
        pairs = zip(as_numpy(xyz) @ to_frac, as_numpy(occ), strict=True)
        return [self._atoms.replace(frac=frac, occ=weight) for frac, weight in pairs]

    def _flat(self, parameters: Tensors) -> tuple[tuple[int, ...], torch.Tensor, torch.Tensor]:
        """The batch shape, and positions and occupancies with one axis for the batch."""
        xyz, _, _, occ = parameters
        shapes = {name: tuple(x.shape) for name, x in (("xyz", xyz), ("occ", occ)) if x is not None}
        shape = common_batch_shape(self.n_atoms, shapes)
        flat = []
        for x, planned in zip((xyz, occ), self._planned, strict=True):
            given = planned if x is None else x.to(planned.device, torch.float64)
            flat.append(given.expand(*shape, *planned.shape).reshape(-1, *planned.shape))
        return shape, flat[0], flat[1]
