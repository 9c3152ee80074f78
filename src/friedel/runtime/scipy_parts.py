"""Compiled parts of SciPy by themselves: its packages take longer to import than a small job.

The paths are private to SciPy. Where one is missing, or lacks a name, the public package is
imported instead; the results have the same bits.
"""

import sys
from functools import cache
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PRIVATE_ERRORS = (AttributeError, ImportError, OSError, TypeError)
"""Errors of a private path that another version of SciPy lacks."""


TRANSFORMS = ("fft._duccfft.pyduccfft", "fft._pocketfft.pypocketfft")
"""SciPy's transforms since 1.18, and before."""


@cache
def fft() -> Any:
    """The functions c2c, r2c and c2r of SciPy's transforms, with the interface of ducc0.fft."""
    found = (_extension(name, ("c2c", "r2c", "c2r")) for name in TRANSFORMS)
    return next((private for private in found if private is not None), PublicFft)


@cache
def special() -> Any:
    """The Bessel functions i0e, i1e and k1."""
    private = _extension("special._special_ufuncs", ("i0e", "i1e", "k1"))
    return private or import_module("scipy.special")


@cache
def blas() -> Any:
    """SciPy's dnrm2, or None if it is not at the private path."""
    return _extension("linalg._fblas", ("dnrm2",))


@cache
def lapack() -> Any:
    """SciPy's dlange, dpotrf, dpotrs and dtrtrs, or None if they are not at the private path."""
    return _extension("linalg._flapack", ("dlange", "dpotrf", "dpotrs", "dtrtrs"))


@cache
def line_search() -> Any:
    """SciPy's line_search_wolfe1, or None if it is not at the private path."""
    package = ModuleType(f"{__package__}.scipy_optimize")  # whose __init__ is not run
    try:
        package.__path__ = [str(_folder() / "optimize")]
        sys.modules[package.__name__] = package
        return import_module(f"{package.__name__}._linesearch").line_search_wolfe1
    except PRIVATE_ERRORS:
        return None


def _extension(name: str, functions: tuple[str, ...]) -> ModuleType | None:
    """An extension module of SciPy, without its package; None if it lacks one of the functions."""
    *folders, file = name.split(".")
    try:
        path = _folder().joinpath(*folders, file + EXTENSION_SUFFIXES[0])
        # the last part of the name is that of the function that initialises the module
        loader = ExtensionFileLoader(f"{__package__}.{file}", str(path))
        module = module_from_spec(ModuleSpec(loader.name, loader, origin=str(path)))
        loader.exec_module(module)
        for function in functions:
            getattr(module, function)
    except PRIVATE_ERRORS:
        return None
    return module


def _folder() -> Path:
    spec = find_spec("scipy")  # imports nothing
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("scipy has no folder")
    return Path(spec.submodule_search_locations[0])


class PublicFft:
    """The same functions by ``scipy.fft``, for the arguments that friedel gives them."""

    @staticmethod
    def r2c(
        a: np.ndarray, axes: tuple[int, ...], out: np.ndarray | None = None, nthreads: int = 1
    ) -> np.ndarray:
        """A real array's transform, not scaled."""
        import scipy.fft

        return _into(out, scipy.fft.rfftn(a, axes=axes, workers=nthreads))

    @staticmethod
    def c2c(
        a: np.ndarray,
        axes: tuple[int, ...],
        forward: bool = True,
        out: np.ndarray | None = None,
        nthreads: int = 1,
    ) -> np.ndarray:
        """A complex array's transform or its inverse, not scaled."""
        import scipy.fft

        if forward:
            found = scipy.fft.fftn(a, axes=axes, workers=nthreads)
        else:
            found = scipy.fft.ifftn(a, axes=axes, norm="forward", workers=nthreads)
        return _into(out, found)

    @staticmethod
    def c2r(
        a: np.ndarray,
        axes: tuple[int, ...],
        lastsize: int,
        forward: bool = False,
        inorm: int = 0,
        out: np.ndarray | None = None,
        nthreads: int = 1,
    ) -> np.ndarray:
        """A real array from half its transform; `inorm` 0: not scaled, 2: divided by its size."""
        import scipy.fft

        if forward:
            raise ValueError("got forward = True, expected an inverse transform")
        shape = [*(a.shape[axis] for axis in axes[:-1]), lastsize]
        norm = "forward" if inorm == 0 else "backward"
        return _into(out, scipy.fft.irfftn(a, shape, axes=axes, norm=norm, workers=nthreads))


def _into(out: np.ndarray | None, found: np.ndarray) -> np.ndarray:
    if out is None:
        return found
    out[...] = found
    return out
