"""Structure factors of batches of models as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from friedel.bridges.torch import operators
from friedel.bridges.torch.engines import engine_of
from friedel.bridges.torch.on_device import OnDevice, checked_device
from friedel.device.engine import MAX_BYTES
from friedel.errors import AtomsError
from friedel.structure_factors.calculator import Calculator


class Moments(NamedTuple):
    """Mean and spread of the structure factors of the members of a batch.

    The mean <F>, (n_hkl,) complex, is Bragg scattering, and <abs(F - <F>)^2>, (n_hkl,), is diffuse.
    """

    mean: torch.Tensor
    diffuse: torch.Tensor


class StructureFactors(OnDevice):
    """F of a model, or of a batch of its conformers, as a function of tensors.

    Parameters
    ----------
    calculator
        Calculator of the model; parameters not given as tensors are taken from its atoms.
    device
        Where to calculate: a CPU, or a CUDA GPU. By default the CPU, also for tensors elsewhere.
        `.to(device)` changes it.
    dtype
        float32 or float64 for results of complex64 or complex128. By default complex64 when all
        tensors are in single or half precision, otherwise complex128. On a GPU it is the precision
        of the calculation too, by default the one that the calculator's rtol needs.
    threads
        Members of a batch that are calculated at the same time on the CPU.
    max_bytes
        Memory for grids on a GPU: larger batches are calculated in parts, with the same bits.

    Raises
    ------
    MissingDependencyError, ParameterError
        When the device cannot be used, also by `.to`; the message says what to install.
    AccuracyError
        When the accuracy of the calculator cannot be reached on the device.
    """

    _where: torch.Tensor

    def __init__(
        self,
        calculator: Calculator,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        threads: int = 1,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__()
        self._calculator, self._dtype = calculator, dtype
        self.threads, self.max_bytes = threads, max_bytes
        where = torch.empty(0, device=checked_device(device), dtype=dtype)
        self.register_buffer("_where", where, persistent=False)
        self._connect()

    @property
    def calculator(self) -> Calculator:
        """The calculator of the structure factors, as given."""
        return self._calculator

    @property
    def device(self) -> torch.device:
        """The device that calculates."""
        return self._where.device

    def forward(
        self,
        xyz: torch.Tensor | None = None,
        b_iso: torch.Tensor | None = None,
        u_aniso: torch.Tensor | None = None,
        occ: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(..., n_hkl) complex structure factors.

        Parameters
        ----------
        xyz
            (..., n_atoms, 3) Cartesian coordinates, Å.
        b_iso, occ
            (..., n_atoms) B in Å^2, and occupancies.
        u_aniso
            (..., n_atoms, 6) Cartesian U11, U22, U33, U12, U13, U23 in Å^2; atoms whose six
            numbers are all zero are isotropic.

        Raises
        ------
        AtomsError
            When shapes do not fit, or for numbers that are not finite; on a GPU, which is not
            waited for, these give F that are NaN.
        ParameterError
            For tensors on another device than that of the module, if that is a GPU.
        """
        found: torch.Tensor = operators.values(self._name, xyz, b_iso, u_aniso, occ)
        return found

    def moments(
        self,
        xyz: torch.Tensor | None = None,
        b_iso: torch.Tensor | None = None,
        u_aniso: torch.Tensor | None = None,
        occ: torch.Tensor | None = None,
        *,
        weights: torch.Tensor | None = None,
    ) -> Moments:
        """Mean structure factors of the members, and the mean square deviation from them.

        Parameters
        ----------
        xyz, b_iso, u_aniso, occ
            As for :meth:`forward`, with one axis for the members in at least one of them.
        weights
            (m,) weights of the members, whose sum need not be 1; by default all are equal.

        Raises
        ------
        AtomsError
            As for :meth:`forward`, or without one axis of members.
        """
        f = self(xyz, b_iso, u_aniso, occ)
        if f.ndim != 2 or (weights is not None and weights.shape != f.shape[:1]):
            given = "" if weights is None else f" and weights of shape {tuple(weights.shape)}"
            raise AtomsError(
                f"got members in a batch of shape {tuple(f.shape[:-1])}{given}, expected (m,)"
            )
        w = torch.ones(len(f), device=f.device) if weights is None else weights
        w = (w / w.sum()).to(f.real.dtype)[:, None]
        mean = (w * f).sum(0)
        deviation = f - mean
        return Moments(mean, (w * (deviation.real**2 + deviation.imag**2)).sum(0))

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> StructureFactors:
        before = self._where
        super()._apply(fn, recurse)
        after = self._where
        if after.dtype != before.dtype:
            self._dtype = after.dtype
        if (after.device, after.dtype) != (before.device, before.dtype):
            try:
                self._connect()
            except Exception:
                self._where = before
                raise
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._connect()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_engine"]  # a copy has its own
        return state

    def _connect(self) -> None:
        self._engine = engine_of(
            self._calculator, self._where.device, self._dtype, self.threads, self.max_bytes
        )
        self._name = operators.register(self._engine)
