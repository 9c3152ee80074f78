"""Modules that say, when they are moved to a device, what is missing for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch

from friedel.device.launch import launch_on


class OnDevice(torch.nn.Module):
    """A module that checks a device before PyTorch does, which would not say what to install."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The module on another device, or of another type, as in PyTorch.

        Raises
        ------
        MissingDependencyError, ParameterError
            When the device cannot be used; the message says what to install.
        """
        device, *_ = torch._C._nn._parse_to(*args, **kwargs)
        checked_device(device)
        moved: Self = super().to(*args, **kwargs)
        return moved

    def cuda(self, device: torch.device | int | None = None) -> Self:
        """The module on a GPU; errors are those of :meth:`to`."""
        if device is None:
            return self.to("cuda")
        return self.to(torch.device("cuda", device) if isinstance(device, int) else device)


class Connected(OnDevice):
    """A module with engines, which it makes anew where its device or its type has changed.

    Subclasses define :meth:`_connect`, and call it when they are made.

    Parameters
    ----------
    device, dtype
        See :class:`friedel.bridges.torch.StructureFactors`.
    """

    MADE: ClassVar[tuple[str, ...]] = ()
    """Names of what :meth:`_connect` sets and a copy makes for itself."""

    _where: torch.Tensor

    def __init__(self, device: torch.device, dtype: torch.dtype | None) -> None:
        super().__init__()
        self._dtype = dtype
        where = torch.empty(0, device=device, dtype=dtype)
        self.register_buffer("_where", where, persistent=False)

    @property
    def device(self) -> torch.device:
        """The device that calculates."""
        return self._where.device

    def _connect(self) -> None:
        """Make the engines for the present device and type."""
        raise NotImplementedError

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
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
        return {name: x for name, x in self.__dict__.items() if name not in self.MADE}


def checked_device(device: torch.device | str | None) -> torch.device:
    """A device that can be used, None for the CPU.

    Raises
    ------
    MissingDependencyError, ParameterError
        When it cannot be used; the message says what to install.
    """
    device = torch.device("cpu" if device is None else device)
    launch_on(device)
    return device
