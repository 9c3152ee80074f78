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


def pruned_inverse(
    half: np.ndarray, nv: int, nw: int, out: np.ndarray, threads: int = 1
) -> np.ndarray:
    """Real inverse transform with the sign exp(+2 pi i h.x), not scaled, from part of its size.

    Parameters
    ----------
    half
        (nu, 2 k_max + 1, l_max + 1) complex as :func:`pruned_transform` gives it; overwritten.
        The rest is taken as zero, and l < 0 as complex conjugates.
    nv, nw
        Number of points along the second and third axis.
    out
        (nu, nv, nw) real, where the result is put; it need not be contiguous.
    """
    nu, n_k, n_l = half.shape
    n_positive = n_k // 2 + 1
    first_negative = nv - (n_k - n_positive)
    ducc = _ducc_fft()
    # Few planes at a time: they stay in the cache between the axes
    step = max(1, 2**17 // (nv * nw)) * threads
    rows = np.zeros((min(step, nu), nv, n_l), half.dtype)
    if ducc is None:
        import scipy.fft

        options = {"norm": "forward", "workers": threads}
        half = scipy.fft.ifft(half, axis=0, overwrite_x=True, **options)
    else:
        ducc.c2c(half, axes=(0,), forward=False, out=half, nthreads=threads)
    for first in range(0, nu, step):
        part = half[first : first + step]
        rows[:] = 0.0
        some = rows[: len(part)]
        some[:, :n_positive] = part[:, :n_positive]
        some[:, first_negative:] = part[:, n_positive:]
        result = out[first : first + step]
        if ducc is None:
            planes = scipy.fft.ifft(some, axis=1, **options)
            result[...] = scipy.fft.irfft(planes, nw, axis=2, **options)
        else:
            full = np.zeros((len(part), nv, nw // 2 + 1), half.dtype)
            ducc.c2c(some, axes=(1,), forward=False, out=full[:, :, :n_l], nthreads=threads)
            ducc.c2r(full, axes=(2,), lastsize=nw, forward=False, out=result, nthreads=threads)
    return out
