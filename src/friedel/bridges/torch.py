"""PyTorch: structure factors as a differentiable module.

::

    calculator = friedel.Calculator.from_model("model.pdb", d_min=2.0)
    f = StructureFactors(calculator)(xyz, b_iso=b)      # (n,) complex
    ((f.abs() - f_obs) ** 2).sum().backward()           # xyz.grad, b.grad

Everything runs on the CPU. Derivatives are first ones only: the backward pass cannot itself be
differentiated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from friedel.bridges.batches import TRAILING, Batch, reduced
from friedel.calculator import Calculator
from friedel.errors import MissingDependencyError

try:
    import torch
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise MissingDependencyError(
        "friedel.bridges.torch needs PyTorch: pip install friedel[torch]"
    ) from error


class StructureFactors(torch.nn.Module):
    """F of a model as a function of tensors.

    Parameters
    ----------
    calculator
        Planned for the model; what is not given as a tensor is taken from its atoms.
    threads
        Members of a batch that are computed at the same time.
    """

    def __init__(self, calculator: Calculator, *, threads: int = 1) -> None:
        super().__init__()
        self.calculator = calculator
        self.threads = threads

    @torch.compiler.disable
    def forward(
        self,
        xyz: torch.Tensor | None = None,
        b_iso: torch.Tensor | None = None,
        u_aniso: torch.Tensor | None = None,
        occ: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(..., n_hkl) complex structure factors.

        Complex64 when all tensors are float32, otherwise complex128.

        Parameters
        ----------
        xyz
            (..., n_atoms, 3) Cartesian coordinates, A.
        b_iso, occ
            (..., n_atoms) B in A^2, and occupancies.
        u_aniso
            (..., n_atoms, 6) Cartesian U11, U22, U33, U12, U13, U23 in A^2; atoms whose six
            numbers are all zero are isotropic.

        Raises
        ------
        AtomsError
            For shapes that do not fit, or numbers that are not finite.
        """
        return _StructureFactors.apply(self.calculator, self.threads, xyz, b_iso, u_aniso, occ)


class _StructureFactors(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, calculator: Calculator, threads: int, *parameters: torch.Tensor | None
    ) -> torch.Tensor:
        arrays = [None if x is None else x.detach().cpu().numpy() for x in parameters]
        batch = Batch.from_parameters(calculator, dict(zip(TRAILING, arrays, strict=True)))
        ctx.batch, ctx.threads = batch, threads
        ctx.inputs = [None if x is None else (x.shape, x.dtype, x.device) for x in parameters]
        f = torch.from_numpy(batch.forward(threads))
        single = all(x is None or x.dtype == torch.float32 for x in parameters)
        given = [x for x in parameters if x is not None]
        if single and given:
            f = f.to(torch.complex64)
        return f.to(given[0].device) if given else f

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        # PyTorch's gradient by a complex number is dT/dRe + i dT/dIm, which is w
        w = gradient.detach().cpu().resolve_conj().numpy().astype(np.complex128)
        found = ctx.batch.adjoint(w, ctx.threads)
        results: list[torch.Tensor | None] = []
        for name, given, needed in zip(TRAILING, ctx.inputs, ctx.needs_input_grad[2:], strict=True):
            if given is None or not needed:
                results.append(None)
                continue
            shape, dtype, device = given
            results.append(torch.from_numpy(reduced(found[name], shape)).to(device, dtype))
        return None, None, *results
