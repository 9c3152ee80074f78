"""Symmetric 3 x 3 tensors of many atoms, element by element.

A product of matrices by a library would depend, in its bits, on the size of the batch.
"""

from __future__ import annotations

import math
from typing import Any

from friedel.errors import MissingDependencyError

try:
    import torch
except ImportError as error:
    raise MissingDependencyError.of("friedel.device.tensors", "torch") from error

Six = tuple[Any, Any, Any, Any, Any, Any]
"""Symmetric tensors as six tensors of one shape: xx, yy, zz, xy, xz, yz."""


def widened(tensor: Any, width: torch.Tensor) -> Six:
    """A symmetric tensor plus an isotropic one."""
    xx, yy, zz, xy, xz, yz = tensor
    nothing = torch.zeros_like(width)
    return xx + width, yy + width, zz + width, xy + nothing, xz + nothing, yz + nothing


def inverse(tensor: Six) -> tuple[Six, torch.Tensor]:
    """Inverse and determinant of symmetric tensors."""
    xx, yy, zz, xy, xz, yz = tensor
    cx, cxy, cxz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    det = xx * cx + xy * cxy + xz * cxz
    cofactors = (cx, xx * zz - xz * xz, xx * yy - xy * xy, cxy, cxz, xy * xz - xx * yz)
    x, y, z, p, q, r = (c / det for c in cofactors)
    return (x, y, z, p, q, r), det


def turned(tensor: Six, m: list[list[float]]) -> list[torch.Tensor]:
    """M T M^T for symmetric tensors T, element by element: a product of matrices by a library would
    depend, in its bits, on the size of the batch.
    """
    xx, yy, zz, xy, xz, yz = tensor
    full = ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))

    def element(i: int, j: int) -> torch.Tensor:
        total = torch.zeros_like(xx)
        for k in range(3):
            for l in range(3):
                factor = m[i][k] * m[j][l]
                if factor:
                    total = total + factor * full[k][l]
        return total

    return [element(*pair) for pair in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]


def in_grid_axes(tensor: Six, step: list[list[float]]) -> list[torch.Tensor]:
    """S^T T S for the steps S in columns."""
    return turned(tensor, [list(row) for row in zip(*step, strict=True)])


def diagonal(tensor: Six, m: list[list[float]]) -> list[torch.Tensor]:
    """The diagonal of M T M^T."""
    return turned(tensor, m)[:3]


def extreme_eigenvalues(b: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and largest eigenvalue of symmetric tensors, in closed form."""
    xx, yy, zz, xy, xz, yz = b
    mean = (xx + yy + zz) / 3.0
    x, y, z = xx - mean, yy - mean, zz - mean
    off = xy * xy + xz * xz + yz * yz
    size = torch.sqrt((x * x + y * y + z * z + 2.0 * off) / 6.0)
    det = x * (y * z - yz * yz) - xy * (xy * z - yz * xz) + xz * (xy * yz - y * xz)
    ratio = det / (2.0 * torch.clamp(size, min=1e-12) ** 3)
    angle = torch.acos(torch.clamp(ratio, -1.0, 1.0)) / 3.0
    largest = mean + 2.0 * size * torch.cos(angle)
    smallest = mean + 2.0 * size * torch.cos(angle + 2.0 * math.pi / 3.0)
    return smallest, largest
