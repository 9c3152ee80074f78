"""Modules that say, when they are moved to a device, what is missing for it."""

from __future__ import annotations

from typing import Any, Self

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
