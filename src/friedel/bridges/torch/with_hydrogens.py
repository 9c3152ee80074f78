"""Structure factors of atoms and of hydrogens that ride on them, as a module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from friedel.bridges.torch.on_device import OnDevice
from friedel.bridges.torch.structure_factors import StructureFactors
from friedel.structure_factors.with_hydrogens import CalculatorWithHydrogens


class WithHydrogens(OnDevice):
    """F of a model with riding hydrogens, as a function of tensors of the other atoms.

    PyTorch differentiates the positions, B and occupancies of the hydrogens.

    Parameters
    ----------
    calculator
        The calculator.
    options
        Those of :class:`StructureFactors`.
    """

    def __init__(self, calculator: CalculatorWithHydrogens, options: dict[str, Any]) -> None:
        super().__init__()
        self._calculator = calculator
        self.of_atoms = StructureFactors(calculator.of_atoms, **options)
        self.of_hydrogens = StructureFactors(calculator.of_hydrogens, **options)

    @property
    def device(self) -> torch.device:
        """The device that calculates."""
        return self.of_atoms.device

    def forward(
        self,
        xyz: torch.Tensor | None = None,
        b_iso: torch.Tensor | None = None,
        u_aniso: torch.Tensor | None = None,
        occ: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(..., n_hkl) complex structure factors; see :meth:`StructureFactors.forward`."""
        given = xyz, b_iso, u_aniso, occ
        of_atoms: torch.Tensor = self.of_atoms(*given)  # which checks the shapes
        tensors = [x for x in given if x is not None]
        parameters = self._calculator.hydrogen_parameters(
            torch, given, lambda constants: _as_tensor(constants, tensors)
        )
        return of_atoms + self.of_hydrogens(*parameters)


def _as_tensor(constants: np.ndarray, like: list[torch.Tensor]) -> torch.Tensor:
    """Constants on the device of tensors; real numbers get their type."""
    device = like[0].device if like else None
    if constants.dtype.kind != "f":
        return torch.as_tensor(constants, device=device)
    dtype = like[0].dtype
    for tensor in like[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return torch.as_tensor(constants, dtype=dtype, device=device)
