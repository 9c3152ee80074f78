"""PyTorch: structure factors as a differentiable module.

::

    calculator = friedel.Calculator.from_model("model.pdb", d_min=2.0)
    f = StructureFactors(calculator)(xyz, b_iso=b)      # (n,) complex
    ((f.abs() - f_obs) ** 2).sum().backward()           # xyz.grad, b.grad

Everything runs on the CPU. Only first derivatives are defined: the backward pass cannot itself be
differentiated. Within ``torch.compile`` it is one operator, with ``fullgraph=True`` as well.
"""

from __future__ import annotations

from itertools import count
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from friedel.bridges.batches import TRAILING, Batch, batch_shape, reduced
from friedel.errors import MissingDependencyError
from friedel.structure_factors.calculator import Calculator

try:
    import torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.bridges.torch", "torch") from error

_CALCULATORS: WeakValueDictionary[str, Calculator] = WeakValueDictionary()
"""Calculators by name: PyTorch operators take tensors, numbers and text, but no other objects."""

_NUMBERS = count()

PARAMETERS = ", ".join(f"Tensor? {name}" for name in TRAILING)
"""Tensor arguments of :meth:`StructureFactors.forward`, as an operator schema writes them."""

Tensors: TypeAlias = "tuple[torch.Tensor | None, ...]"


class StructureFactors(torch.nn.Module):
    """F of a model as a function of tensors.

    Parameters
    ----------
    calculator
        Calculator of the model; parameters not given as tensors are taken from its atoms.
    threads
        Members of a batch that are computed at the same time.
    """

    def __init__(self, calculator: Calculator, *, threads: int = 1) -> None:
        super().__init__()
        self._calculator, self._name = calculator, _named(calculator)
        self.threads = threads

    @property
    def calculator(self) -> Calculator:
        """The calculator of the structure factors, as given."""
        return self._calculator

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._name = _named(self._calculator)  # a copy has its own calculator

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
            (..., n_atoms, 3) Cartesian coordinates, Å.
        b_iso, occ
            (..., n_atoms) B in Å^2, and occupancies.
        u_aniso
            (..., n_atoms, 6) Cartesian U11, U22, U33, U12, U13, U23 in Å^2; atoms whose six
            numbers are all zero are isotropic.

        Raises
        ------
        AtomsError
            When shapes do not fit, or for numbers that are not finite.
        """
        found: torch.Tensor = _forward(self._name, self.threads, xyz, b_iso, u_aniso, occ)
        return found


def _named(calculator: Calculator) -> str:
    name = str(next(_NUMBERS))
    _CALCULATORS[name] = calculator
    return name


@torch.library.custom_op(
    "friedel::structure_factors",
    mutates_args=(),
    schema=f"(str name, int threads, {PARAMETERS}) -> Tensor",
)
def _forward(name: str, threads: int, *parameters: torch.Tensor | None) -> torch.Tensor:
    f = torch.from_numpy(_batch(name, parameters).forward(threads))
    return f.to(_device(parameters), _dtype(parameters))


@_forward.register_fake
def _(name: str, threads: int, *parameters: torch.Tensor | None) -> torch.Tensor:
    leading = (
        batch_shape(key, x.shape)
        for key, x in zip(TRAILING, parameters, strict=True)
        if x is not None
    )
    shape = *torch.broadcast_shapes(*leading), len(_CALCULATORS[name].hkl)
    return torch.empty(shape, dtype=_dtype(parameters), device=_device(parameters))


@torch.library.custom_op(
    "friedel::structure_factors_adjoint",
    mutates_args=(),
    schema=f"(str name, int threads, Tensor w, {PARAMETERS}) -> Tensor[]",
)
def _adjoint(
    name: str, threads: int, w: torch.Tensor, *parameters: torch.Tensor | None
) -> list[torch.Tensor]:
    """Derivatives by the parameters that are not None."""
    # PyTorch's gradient by a complex number is dT/dRe + i dT/dIm, which is w
    weights = w.detach().cpu().resolve_conj().numpy().astype(np.complex128)
    found = _batch(name, parameters).adjoint(weights, threads)
    return [
        torch.from_numpy(reduced(found[key], x.shape)).to(x.device, x.dtype)
        for key, x in zip(TRAILING, parameters, strict=True)
        if x is not None
    ]


@_adjoint.register_fake
def _(
    name: str, threads: int, w: torch.Tensor, *parameters: torch.Tensor | None
) -> list[torch.Tensor]:
    return [
        torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in parameters if x is not None
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.name, ctx.threads, *parameters = inputs
    ctx.calculator = _CALCULATORS[ctx.name]  # keeps it alive: there may be no other reference
    ctx.save_for_backward(*parameters)


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    parameters = ctx.saved_tensors
    found = iter(_adjoint(ctx.name, ctx.threads, gradient, *parameters))
    return None, None, *(None if x is None else next(found) for x in parameters)


_forward.register_autograd(_backward, setup_context=_keep)


def _batch(name: str, parameters: Tensors) -> Batch:
    arrays = [None if x is None else x.detach().cpu().numpy() for x in parameters]
    given = dict(zip(TRAILING, arrays, strict=True))
    return Batch.from_parameters(_CALCULATORS[name], given)


def _dtype(parameters: Tensors) -> torch.dtype:
    given = {x.dtype for x in parameters if x is not None}
    return torch.complex64 if given == {torch.float32} else torch.complex128


def _device(parameters: Tensors) -> torch.device:
    return next((x.device for x in parameters if x is not None), torch.device("cpu"))
