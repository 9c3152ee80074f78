"""PyTorch operators for engines that turn parameters of atoms into complex values at reflections.

An operator takes tensors, numbers and text but no other objects: engines are registered by names.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol, TypeAlias
from weakref import WeakValueDictionary

from friedel.bridges.batches import TRAILING, batch_shape, common_batch_shape
from friedel.errors import DerivativeError, MissingDependencyError

try:
    import torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.bridges.torch", "torch") from error

PARAMETERS = ", ".join(f"Tensor? {name}" for name in TRAILING)
"""Tensor arguments of the operators, as an operator schema writes them."""

LOW = {torch.float32, torch.float16, torch.bfloat16}
"""Types that are calculated with in single precision, if all tensors have one of them."""

Tensors: TypeAlias = "Sequence[torch.Tensor | None]"


class Engine(Protocol):
    """A calculation of values at reflections from the parameters of atoms, and its transpose.

    Attributes
    ----------
    n_atoms, n_hkl
        Number of atoms and of values.
    device
        Device of the parameters, None for any: then the CPU calculates.
    dtype
        Type of the values, None for one that follows from the parameters.
    """

    n_atoms: int
    n_hkl: int
    device: torch.device | None
    dtype: torch.dtype | None

    def forward(self, parameters: Tensors) -> torch.Tensor:
        """(..., n_hkl) complex values."""

    def adjoint(self, w: torch.Tensor, parameters: Tensors) -> list[torch.Tensor]:
        """Derivatives by the parameters that are not None, from dT/dRe + i dT/dIm of the values."""


_ENGINES: WeakValueDictionary[str, Engine] = WeakValueDictionary()

_NUMBERS = count()


def register(engine: Engine) -> str:
    """A name for an engine, valid while the engine exists."""
    name = str(next(_NUMBERS))
    _ENGINES[name] = engine
    return name


@torch.library.custom_op(
    "friedel::structure_factors", mutates_args=(), schema=f"(str name, {PARAMETERS}) -> Tensor"
)
def forward(name: str, *parameters: torch.Tensor | None) -> torch.Tensor:
    """The values of a registered engine."""
    engine, device = _ENGINES[name], device_of(parameters)
    with torch.autocast(device.type, enabled=False):
        found = engine.forward([None if x is None else x.detach() for x in parameters])
    return found.to(_result_device(engine, device), _result_type(engine, parameters))


@forward.register_fake
def _(name: str, *parameters: torch.Tensor | None) -> torch.Tensor:
    engine = _ENGINES[name]
    given = dict(zip(TRAILING, parameters, strict=True))
    shapes = {key: tuple(x.shape) for key, x in given.items() if x is not None}
    shape = *common_batch_shape(engine.n_atoms, shapes), engine.n_hkl
    device = _result_device(engine, device_of(parameters))
    return torch.empty(shape, dtype=_result_type(engine, parameters), device=device)


@torch.library.custom_op(
    "friedel::structure_factors_adjoint",
    mutates_args=(),
    schema=f"(str name, Tensor w, {PARAMETERS}) -> Tensor[]",
)
def adjoint(name: str, w: torch.Tensor, *parameters: torch.Tensor | None) -> list[torch.Tensor]:
    """Derivatives by the parameters that are not None."""
    given = [None if x is None else x.detach() for x in parameters]
    with torch.autocast(w.device.type, enabled=False):
        # PyTorch's gradient by a complex number is dT/dRe + i dT/dIm, which is w
        found = _ENGINES[name].adjoint(w.detach().resolve_conj(), given)
    kept = (x for x in parameters if x is not None)
    return [g.to(x.device, x.dtype) for g, x in zip(found, kept, strict=True)]


@adjoint.register_fake
def _(name: str, w: torch.Tensor, *parameters: torch.Tensor | None) -> list[torch.Tensor]:
    return [
        torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in parameters if x is not None
    ]


def values(name: str, *parameters: torch.Tensor | None) -> torch.Tensor:
    """The values of a registered engine, to be differentiated and mapped."""
    # torch.compile takes the operator with its derivatives, and cannot trace a function's vmap
    function = forward if torch.compiler.is_compiling() else _Values.apply
    found: torch.Tensor = function(name, *parameters)
    return found


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.name, *parameters = inputs
    ctx.engine = _ENGINES[ctx.name]  # keeps it alive: there may be no other reference
    ctx.save_for_backward(*parameters)


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    parameters = ctx.saved_tensors
    found = iter(adjoint(ctx.name, gradient, *parameters))
    return None, *(None if x is None else next(found) for x in parameters)


def _refuse(ctx: Any, *gradients: Any) -> None:
    raise DerivativeError(
        "got a request for second derivatives of structure factors, expected one for first ones: "
        "use create_graph=False, or an optimiser that needs gradients only"
    )


forward.register_autograd(_backward, setup_context=_keep)
adjoint.register_autograd(_refuse)


class _Values(torch.autograd.Function):
    """`forward` with derivatives: those registered with an operator serve `backward` alone, and not
    `torch.func.grad`.
    """

    @staticmethod
    def forward(name: str, *parameters: torch.Tensor | None) -> torch.Tensor:
        return forward(name, *parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        _keep(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        parameters = ctx.saved_tensors
        found = iter(_Derivatives.apply(ctx.name, gradient, *parameters))
        return None, *(None if x is None else next(found) for x in parameters)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, name: str, *parameters: torch.Tensor | None
    ) -> tuple[torch.Tensor, int]:
        return values(name, *_with_axis_in_front(info, in_dims[1:], parameters)), 0


class _Derivatives(torch.autograd.Function):
    """`adjoint`, which has no derivatives itself."""

    @staticmethod
    def forward(
        name: str, w: torch.Tensor, *parameters: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...]:
        return tuple(adjoint(name, w, *parameters))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> None:
        _refuse(ctx, *gradients)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, name: str, w: torch.Tensor, *parameters: torch.Tensor | None
    ) -> tuple[tuple[torch.Tensor, ...], tuple[int, ...]]:
        n = info.batch_size
        w = w.expand(n, *w.shape) if in_dims[1] is None else w.movedim(in_dims[1], 0)
        # Each member has its own derivatives, also by what all members share
        moved = [
            None if x is None else (x.expand(n, *x.shape) if axis is None else x.movedim(axis, 0))
            for x, axis in zip(parameters, in_dims[2:], strict=True)
        ]
        aligned = _aligned(moved)
        rank = max(w.ndim - 1, *(_rank(x, i) for i, x in enumerate(aligned)))
        w = _stretched(w, rank - w.ndim + 1)
        found = _Derivatives.apply(name, w, *aligned)
        kept = [x for x in moved if x is not None]
        every = tuple(g.reshape(x.shape) for g, x in zip(found, kept, strict=True))
        return every, (0,) * len(every)


def _with_axis_in_front(info: Any, axes: Any, parameters: Tensors) -> Tensors:
    """The parameters with the mapped axis as the first of the batch."""
    moved = [
        x if x is None or axis is None else x.movedim(axis, 0)
        for x, axis in zip(parameters, axes, strict=True)
    ]
    mapped = [i for i, axis in enumerate(axes) if axis is not None]
    ranks = [0 if x is None else _rank(x, i) - (i in mapped) for i, x in enumerate(moved)]
    return [
        x if x is None or i not in mapped else _stretched(x, max(ranks) - ranks[i])
        for i, x in enumerate(moved)
    ]


def _aligned(parameters: Tensors) -> Tensors:
    """The parameters, all with a mapped first axis, with batch shapes of one rank."""
    ranks = [0 if x is None else _rank(x, i) for i, x in enumerate(parameters)]
    return [
        x if x is None else _stretched(x, max(ranks) - rank)
        for x, rank in zip(parameters, ranks, strict=True)
    ]


def _stretched(x: torch.Tensor, n: int) -> torch.Tensor:
    """With n axes of length 1 after the first."""
    return x.reshape(x.shape[0], *(1,) * n, *x.shape[1:])


def _rank(x: torch.Tensor | None, index: int) -> int:
    return 0 if x is None else len(batch_shape(list(TRAILING)[index], tuple(x.shape)))


def device_of(parameters: Tensors) -> torch.device:
    """The device of the first tensor, the CPU without any."""
    return next((x.device for x in parameters if x is not None), torch.device("cpu"))


def _result_device(engine: Engine, given: torch.device) -> torch.device:
    return given if engine.device is None else engine.device


def _result_type(engine: Engine, parameters: Tensors) -> torch.dtype:
    if engine.dtype is not None:
        return engine.dtype
    given = {x.dtype for x in parameters if x is not None}
    return torch.complex64 if given and given <= LOW else torch.complex128
