"""Fourier transforms of real grids, pruned to the frequencies that are wanted.

By ducc0 where it is installed, which is faster, otherwise by scipy.
"""

from functools import cache
from types import ModuleType

import numpy as np

from friedel.workspace import scratch


@cache
def _ducc_fft() -> ModuleType | None:
    try:
        import ducc0
    except ImportError:
        return None
    return ducc0.fft


def pruned_transform(density: np.ndarray, k_max: int, l_max: int, threads: int = 1) -> np.ndarray:
    """Discrete Fourier transform with the sign exp(-2 pi i h.x), not scaled, of part of its size.

    Parameters
    ----------
    density
        (nu, nv, nw) real.
    k_max, l_max
        Largest |k| and l that are wanted, below half of nv and nw.

    Returns
    -------
    (nu, 2 k_max + 1, l_max + 1) complex, overwritten by the next call in this thread
        At [h, k, l] with negative h and k counted from the end. What lies beyond is never
        transformed along the axes that come after.
    """
    nu, nv, _ = density.shape
    n_k, n_l = min(2 * k_max + 1, nv), l_max + 1
    ducc = _ducc_fft()
    if ducc is None:
        import scipy.fft

        rows = scipy.fft.rfft(density, axis=2, workers=threads)[:, :, :n_l]
        planes = scipy.fft.fft(rows, axis=1, overwrite_x=True, workers=threads)
        kept = np.empty((nu, n_k, n_l), planes.dtype)
        kept[:, : k_max + 1] = planes[:, : k_max + 1]
        kept[:, k_max + 1 :] = planes[:, nv - (n_k - k_max - 1) :]
        return scipy.fft.fft(kept, axis=0, overwrite_x=True, workers=threads)
    dtype = np.result_type(density.dtype, np.complex64)
    rows = scratch("rows", (nu, nv, density.shape[2] // 2 + 1), dtype)
    ducc.r2c(density, axes=(2,), out=rows, nthreads=threads)
    rows = rows[:, :, :n_l]
    ducc.c2c(rows, axes=(1,), out=rows, nthreads=threads)
    kept = scratch("kept", (nu, n_k, n_l), dtype)
    ducc.c2c(rows[:, : k_max + 1], axes=(0,), out=kept[:, : k_max + 1], nthreads=threads)
    negative = rows[:, nv - (n_k - k_max - 1) :]
    if negative.shape[1]:
        ducc.c2c(negative, axes=(0,), out=kept[:, k_max + 1 :], nthreads=threads)
    return kept
