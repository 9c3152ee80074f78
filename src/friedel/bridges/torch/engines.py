"""Engines of the operators: structure factors and solvent masks, on the CPU and on a GPU."""

from __future__ import annotations

import numpy as np
import torch

from friedel.bridges.batches import TRAILING, Batch, common_batch_shape, reduced
from friedel.bridges.torch.operators import Tensors
from friedel.constants import U_TO_B
from friedel.device.engine import DeviceSum
from friedel.device.plan import DevicePlan
from friedel.errors import ParameterError
from friedel.structure_factors.calculator import Calculator


class CpuEngine:
    """Structure factors by the engine of :class:`friedel.Calculator`, of tensors on any device.

    Parameters
    ----------
    threads
        Members of a batch that are calculated at the same time.
    dtype
        See :class:`friedel.bridges.torch.operators.Engine`.
    """

    device = None

    def __init__(self, calculator: Calculator, threads: int, dtype: torch.dtype | None) -> None:
        self._calculator, self._threads, self.dtype = calculator, threads, dtype
        self.n_atoms, self.n_hkl = len(calculator.atoms), len(calculator.hkl)

    def forward(self, parameters: Tensors) -> torch.Tensor:
        """(..., n_hkl) complex128 F."""
        return torch.from_numpy(self._batch(parameters).forward(self._threads))

    def adjoint(self, w: torch.Tensor, parameters: Tensors) -> list[torch.Tensor]:
        """Derivatives by the parameters that are not None."""
        batch = self._batch(parameters)
        weights = w.cpu().numpy().astype(np.complex128)
        weights = np.broadcast_to(weights, (*batch.shape, self.n_hkl))
        found = batch.adjoint(weights, self._threads)
        return [
            torch.from_numpy(np.asarray(reduced(found[name], tuple(x.shape))))
            for name, x in zip(TRAILING, parameters, strict=True)
            if x is not None
        ]

    def _batch(self, parameters: Tensors) -> Batch:
        given = {
            name: None if x is None else as_numpy(x)
            for name, x in zip(TRAILING, parameters, strict=True)
        }
        return Batch.from_parameters(self._calculator, given)


class DeviceEngine:
    """Structure factors by the kernels for a GPU.

    Parameters
    ----------
    on_device
        The sum on the device.
    dtype
        See :class:`friedel.bridges.torch.operators.Engine`.
    """

    def __init__(self, on_device: DeviceSum, dtype: torch.dtype | None) -> None:
        self._on_device, self.dtype, self.device = on_device, dtype, on_device.device
        calculator = on_device.plan.calculator
        self.n_atoms, self.n_hkl = len(calculator.atoms), len(calculator.hkl)
        atoms = calculator.atoms
        u_aniso = np.zeros((len(atoms), 6)) if atoms.u_aniso is None else atoms.u_aniso
        planned = {
            "xyz": atoms.frac @ calculator.crystal.orthogonalization.T,
            "b_iso": atoms.b_iso,
            "u_aniso": u_aniso,
            "occ": atoms.occ,
        }
        like = {"dtype": torch.float64, "device": self.device}
        self._planned = {name: torch.as_tensor(np.array(x), **like) for name, x in planned.items()}

    def forward(self, parameters: Tensors) -> torch.Tensor:
        """(..., n_hkl) complex F."""
        shape, xyz, b_iso, u_aniso, occ = self._flat(parameters)
        found = self._on_device.structure_factors(xyz, _b_tensor(b_iso, u_aniso), occ)
        return found.reshape(*shape, self.n_hkl)

    def adjoint(self, w: torch.Tensor, parameters: Tensors) -> list[torch.Tensor]:
        """Derivatives by the parameters that are not None."""
        shape, xyz, b_iso, u_aniso, occ = self._flat(parameters)
        w = w.to(self.device).expand(*shape, self.n_hkl).reshape(-1, self.n_hkl)
        on_device = self._on_device
        by_xyz, by_b, by_occ = on_device.derivatives(xyz, _b_tensor(b_iso, u_aniso), occ, w)
        aniso = (u_aniso != 0.0).any(-1)
        by_iso = torch.where(aniso, 0.0, by_b[..., 0] + by_b[..., 1] + by_b[..., 2])
        by_u = torch.where(aniso[..., None], U_TO_B * by_b, 0.0)
        found = (by_xyz, by_iso, by_u, by_occ)
        return [
            summed_to(g.reshape(*shape, *g.shape[1:]), x.shape)
            for g, x in zip(found, parameters, strict=True)
            if x is not None
        ]

    def _flat(self, parameters: Tensors) -> tuple[tuple[int, ...], *tuple[torch.Tensor, ...]]:
        """The batch shape, and all parameters with one axis for the batch."""
        given = dict(zip(TRAILING, parameters, strict=True))
        for name, x in given.items():
            if x is not None and x.device != self.device:
                raise ParameterError(
                    f"{name} is on {x.device}, expected {self.device}, the device of the module"
                )
        shapes = {name: tuple(x.shape) for name, x in given.items() if x is not None}
        shape = common_batch_shape(self.n_atoms, shapes)
        flat = []
        for name, x in given.items():
            x = (self._planned[name] if x is None else x).to(torch.float64)
            trailing = (self.n_atoms, *TRAILING[name])
            flat.append(x.expand(*shape, *trailing).reshape(-1, *trailing))
        return shape, *flat


def engine_of(
    calculator: Calculator,
    device: torch.device,
    dtype: torch.dtype | None,
    threads: int,
    max_bytes: int,
) -> CpuEngine | DeviceEngine:
    """The engine for a device.

    Raises
    ------
    ParameterError, MissingDependencyError
        When the device cannot be used; the message says what to install.
    AccuracyError
        When the plan cannot be used with `dtype`.
    """
    complex_type = None if dtype is None else complex_of(dtype)
    if device.type == "cpu":
        return CpuEngine(calculator, threads, complex_type)
    real = None if dtype is None else (np.float64 if dtype == torch.float64 else np.float32)
    on_device = DeviceSum(DevicePlan.of(calculator), device, real, max_bytes=max_bytes)
    return DeviceEngine(on_device, complex_type)


def complex_of(dtype: torch.dtype) -> torch.dtype:
    """The complex type for results with real numbers of this type."""
    return torch.complex128 if dtype == torch.float64 else torch.complex64


def summed_to(gradient: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The transpose of broadcasting from `shape`: the sum over repeated entries, in their order."""
    while gradient.ndim > len(shape):
        gradient = _in_order(gradient, 0)
    for axis, n in enumerate(shape):
        if n == 1 < gradient.shape[axis]:
            gradient = _in_order(gradient, axis).unsqueeze(axis)
    return gradient


def _in_order(x: torch.Tensor, axis: int) -> torch.Tensor:
    parts = x.unbind(axis)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _b_tensor(b_iso: torch.Tensor, u_aniso: torch.Tensor) -> torch.Tensor:
    """(..., 6) B of isotropic and anisotropic atoms."""
    aniso = (u_aniso != 0.0).any(-1, keepdim=True)
    nothing = torch.zeros_like(b_iso)
    isotropic = torch.stack([b_iso, b_iso, b_iso, nothing, nothing, nothing], -1)
    return torch.where(aniso, U_TO_B * u_aniso, isotropic)


def as_numpy(x: torch.Tensor) -> np.ndarray:
    """The numbers of a tensor; of half precision, in single precision."""
    x = x.cpu()
    array: np.ndarray = (x if x.dtype == torch.float64 else x.to(torch.float32)).numpy()
    return array
