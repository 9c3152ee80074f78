"""The symmetry operations that a direct sum needs, with the axes reordered for it."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.model.crystal import Crystal
from friedel.model.tensors import rotate_tensors


class Operations(NamedTuple):
    """One operation for each rotation, and only one of R and -R when `with_inverse`.

    `with_inverse` means that there is an inversion at the origin: F is twice the real part of
    the sum.
    """

    rotations: np.ndarray
    translations: np.ndarray
    with_inverse: bool


class Setting(NamedTuple):
    """Symmetry, and the axes along which it is used.

    `axes` are those of the crystal in the order h, k, l of the rows. `separable` says whether
    isotropic atoms are separable along l (see :mod:`friedel.kernels.direct.rows`), `crossed`
    whether their beta12 is not zero. The `centring` translations multiply F by their number and
    allow one in `spacing` points of a row, of which every `stride`-th is summed. `to_beta`
    (6, 6) converts the six Cartesian components of B to those of beta. The sums are `real` where
    there is an inversion and all h.t are multiples of half a turn.
    """

    axes: list[int]
    separable: bool
    crossed: bool
    spacing: int
    stride: int
    operations: Operations
    centring: np.ndarray
    to_beta: np.ndarray
    real: bool


@lru_cache(maxsize=16)
def setting_of(crystal: Crystal) -> Setting:
    """The setting for a crystal; it is cached for the next sum over the same crystal."""
    axes, separable = _row_axes(crystal)
    n = TRANSLATION_DENOMINATOR
    rotations, translations = crystal.primitive_operations
    centring = {tuple(t) for t in crystal.centring_translations.tolist()}
    inversion = (rotations == -np.eye(3, dtype=int)).all(axis=(1, 2))
    with_inverse = any(tuple(t) in centring for t in translations[inversion].tolist())
    kept: dict[bytes, int] = {}
    for o, rotation in enumerate(rotations):
        if not (with_inverse and (-rotation).tobytes() in kept):
            kept[rotation.tobytes()] = o
    needed = list(kept.values())
    doubled = (2 * translations[needed] % n).tolist()
    operations = Operations(
        np.ascontiguousarray(rotations[np.ix_(needed, axes, axes)]),
        np.ascontiguousarray(translations[np.ix_(needed, axes)]),
        with_inverse,
    )
    spacing = int(np.lcm.reduce(n // np.gcd(n, crystal.centring_translations[:, axes[2]])))
    return Setting(
        axes,
        separable,
        bool(abs(crystal.reciprocal_metric[axes[0], axes[1]]) > 0.0),
        spacing,
        # Rows are summed at l and -l together; with other strides only one of them is needed
        2 if spacing == 2 else 1,
        operations,
        np.ascontiguousarray(crystal.centring_translations[:, axes]),
        _to_beta(crystal.fractionalization[axes]),
        with_inverse and all(tuple(t) in centring for t in doubled),
    )


def _row_axes(crystal: Crystal) -> tuple[list[int], bool]:
    """Axes for h, k and l; the l axis makes isotropic atoms separable, or is the longest."""
    metric = np.abs(crystal.reciprocal_metric)
    separable = np.count_nonzero(metric > 1e-12 * metric.max(), axis=1) == 1
    axes = sorted(range(3), key=lambda axis: (bool(separable[axis]), crystal.cell[axis]))
    return axes, bool(separable[axes[2]])


def _to_beta(axes: np.ndarray) -> np.ndarray:
    """(6, 6) such that b_tensor @ matrix is beta in the order 11, 22, 33, 12, 13, 23.

    T(h) = exp(-h beta h), and beta is a quarter of the B tensor on the axes a*, b*, c*.
    """
    return np.ascontiguousarray(0.25 * rotate_tensors(np.eye(6), axes))
