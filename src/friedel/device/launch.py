"""Launch of the kernels: by numba on the CPU, or on a GPU in PyTorch's current stream."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from friedel.device.kernels import CPU_KERNELS, GPU_OPTIONS, gpu_source
from friedel.errors import MissingDependencyError, ParameterError
from friedel.runtime.threads import in_stretches

try:
    import torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.device.launch", "torch") from error

BLOCK = 64
"""Threads of a block: the columns of one tile."""

ROUGH_TIME = 2e-6
"""Rough time (s) of one number of a range on the CPU, to divide long calls."""


class Launch(Protocol):
    """A way to run kernels."""

    def __call__(self, name: str, n: int, *arguments: Any) -> None:
        """Launch a kernel for a range of n numbers, with tensors and numbers as arguments."""


class CpuLaunch:
    """Kernels on tensors in the CPU's memory.

    Parameters
    ----------
    threads
        Number of threads; results are bitwise identical for any number.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def __call__(self, name: str, n: int, *arguments: Any) -> None:
        """Run a kernel to its end."""
        kernel = CPU_KERNELS[name]
        given = [x.numpy() if isinstance(x, torch.Tensor) else x for x in arguments]
        in_stretches(lambda i, j: kernel(i, j, *given), n, self._threads, seconds=ROUGH_TIME * n)


class GpuLaunch:
    """Kernels on tensors in a GPU's memory, in the current stream of the calling thread.

    Parameters
    ----------
    cuda
        The module `numba.cuda`.
    """

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._compiled: dict[str, Any] = {}

    def __call__(self, name: str, n: int, *arguments: Any) -> None:
        """Put a kernel into the stream."""
        if n:
            given = [self._array(x) if isinstance(x, torch.Tensor) else x for x in arguments]
            blocks = -(-n // BLOCK)
            self._kernel(name)[blocks, BLOCK, self._stream()](0, n, *given)

    def _kernel(self, name: str) -> Any:
        if name not in self._compiled:
            kernel = gpu_source(name, self._cuda)
            self._compiled[name] = self._cuda.jit(**GPU_OPTIONS)(kernel)
        return self._compiled[name]

    def _array(self, tensor: torch.Tensor) -> Any:
        return self._cuda.as_cuda_array(tensor.detach())

    def _stream(self) -> Any:
        return self._cuda.external_stream(torch.cuda.current_stream().cuda_stream)


def launch_on(device: torch.device, threads: int = 1) -> Launch:
    """How kernels are launched on a device.

    Raises
    ------
    ParameterError
        For a device that is neither a CPU nor a CUDA GPU.
    MissingDependencyError
        When PyTorch or numba cannot use the GPU; the message says what to install.
    """
    if device.type == "cpu":
        return CpuLaunch(threads)
    if device.type != "cuda":
        raise ParameterError(f"got device {str(device)!r}, expected 'cpu' or 'cuda'")
    return GpuLaunch(_numba_cuda())


def _numba_cuda() -> Any:
    """The module `numba.cuda`, with a GPU that PyTorch uses as well."""
    built_for = torch.version.cuda
    if built_for is None:
        raise MissingDependencyError(
            f"PyTorch {torch.__version__} is a build without CUDA: install one with CUDA, see "
            "https://pytorch.org/get-started/locally"
        )
    if not torch.cuda.is_available():
        raise MissingDependencyError(
            f"PyTorch {torch.__version__} finds no GPU: a driver for CUDA {built_for} or later is "
            "needed; nvidia-smi should list the GPU"
        )
    install = f'pip install "numba-cuda[cu{built_for.split(".")[0]}]"'
    try:
        from numba import config, cuda
    except ImportError as error:
        raise MissingDependencyError(f"a GPU needs numba-cuda: {install}") from error
    if not cuda.is_available():
        reason = cuda.cuda_error() if hasattr(cuda, "cuda_error") else None
        raise MissingDependencyError(
            f"numba {'finds no GPU' if reason is None else f'cannot use the GPU ({reason})'}, "
            f"PyTorch finds {torch.cuda.get_device_name()}: {install}"
        )
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # few atoms make few blocks
    return cuda


def real_type(dtype: np.dtype) -> torch.dtype:
    """The type of PyTorch that is float32 or float64."""
    return torch.float32 if dtype == np.float32 else torch.float64
