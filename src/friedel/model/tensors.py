"""Symmetric tensors stored as six numbers: 11, 22, 33, 12, 13, 23."""

import numpy as np

VOIGT = np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])
"""Index, among the six numbers, of the element (i, j): ``six[..., VOIGT]`` is 3 x 3."""

UPPER = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
"""Rows and columns of the six numbers: ``full[..., *UPPER]`` is the inverse of VOIGT."""


def rotate_tensors(tensors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(n, 6) symmetric tensors after a change of axes: M T M^T.

    Parameters
    ----------
    tensors
        (n, 6).
    matrix
        (3, 3), a rotation of the Cartesian frame or any other change of axes.
    """
    return (matrix @ tensors[:, VOIGT] @ matrix.T)[:, *UPPER]


def averaged_unit_tensors(rotations: np.ndarray) -> np.ndarray:
    """(6, 3, 3) each of the six unit tensors, averaged over a group.

    In the basis of the cell rotations are integers, so that the average, a projection on the
    invariant tensors of the group, is exact whatever the rounding of the cell. The trace of the
    projection is the number of independent invariant tensors.

    Parameters
    ----------
    rotations
        (p, 3, 3) rotations of the whole group, in the basis of the cell.
    """
    full = np.eye(6)[:, VOIGT]
    return np.einsum("nij,ajk,nlk->ail", rotations, full, rotations) / len(rotations)
