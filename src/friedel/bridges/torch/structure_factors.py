"""Structure factors of batches of models as a module."""

from __future__ import annotations

from typing import NamedTuple

import torch

from friedel.bridges.torch import operators
from friedel.bridges.torch.engines import engine_of
from friedel.bridges.torch.on_device import Connected, checked_device
from friedel.device.engine import MAX_BYTES
from friedel.errors import AtomsError
from friedel.structure_factors.calculator import Calculator


class Moments(NamedTuple):
    """Mean and spread of the structure factors of the members of a batch.

    The mean <F>, (n_hkl,) complex, is Bragg scattering, and <abs(F - <F>)^2>, (n_hkl,), is diffuse.
    """

    mean: torch.Tensor
    diffuse: torch.Tensor


class StructureFactors(Connected):
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

    MADE = ("_engine",)

    def __init__(
        self,
        calculator: Calculator,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        threads: int = 1,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(checked_device(device), dtype)
        self._calculator = calculator
        self.threads, self.max_bytes = threads, max_bytes
        self._connect()

    @property
    def calculator(self) -> Calculator:
        """The calculator of the structure factors, as given."""
        return self._calculator

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

    def _connect(self) -> None:
        self._engine = engine_of(
            self._calculator, self.device, self._dtype, self.threads, self.max_bytes
        )
        self._name = operators.register(self._engine)
