"""The Cartesian frame of a file: SCALE records, and what they say of the axes of the cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.errors import CellError
from friedel.model.crystal import Crystal
from friedel.model.tensors import rotate_tensors
from friedel.notes import Note

SCALE_TOLERANCE = 0.005
"""Largest deviation of SCALE records times the cell from a rotation, as they have few digits."""

LAST_DIGITS = 1e-6, 1e-5
"""The last digits of SCALE records: of the matrix (1/Å) and of the vector."""

EDGE_DIGIT, ANGLE_DIGIT = 1e-3, 0.01
"""The last digits of the cell in PDB files, Å and degrees."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Rotation and shift (Å) from a file's frame to that with a along x and b in the xy plane."""

    rotation: np.ndarray
    shift: np.ndarray

    def positions(self, cartesian: np.ndarray) -> np.ndarray:
        """(n, 3) positions, Å, in the usual frame."""
        return cartesian @ self.rotation.T + self.shift

    def tensors(self, u_aniso: np.ndarray) -> np.ndarray:
        """(n, 6) Cartesian tensors in the usual frame."""
        return rotate_tensors(u_aniso, self.rotation)

    def operators(self, operators: np.ndarray) -> np.ndarray:
        """(m, 3, 4) Cartesian operators in the usual frame."""
        turned = []
        for operator in operators:
            rotation = self.rotation @ operator[:, :3] @ self.rotation.T
            shift = self.rotation @ operator[:, 3] + self.shift - rotation @ self.shift
            turned.append(np.column_stack([rotation, shift]))
        return np.array(turned).reshape(-1, 3, 4)


def scale_of_cell(cell: Any) -> np.ndarray | None:
    """(3, 4) the SCALE records in a ``gemmi.UnitCell`` or None, or None for the usual frame."""
    if cell is None or not cell.explicit_matrices:
        return None
    return np.column_stack([cell.frac.mat.tolist(), cell.frac.vec.tolist()])


def frame_of_scale(
    crystal: Crystal, scale: np.ndarray | None
) -> tuple[Frame | None, tuple[Note, ...]]:
    """The frame that SCALE records state, None for the usual one, and notes on it.

    Records that do not fit the cell are not used.

    Raises
    ------
    CellError
        When they are of the other hand, which would mirror the model.
    """
    if scale is None:
        return None, ()
    matrix, vector = scale[:, :3], scale[:, 3]
    is_finite = bool(np.abs(scale).max() < np.finfo(np.float32).max)
    rotation = crystal.orthogonalization @ (matrix if is_finite else np.zeros((3, 3)))
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > SCALE_TOLERANCE:
        what = "the identity" if np.allclose(matrix, np.eye(3)) else "of another cell"
        text = f"the SCALE records are {what}: they are not used, the axes are taken as usual"
        return None, (Note(text, "guess", give="correct or delete the SCALE records"),)
    if np.linalg.det(rotation) < 0:
        raise CellError(
            "the SCALE records are left-handed: they would mirror the model; correct or delete them"
        )
    if _is_rounding(crystal, rotation, vector):
        return None, ()
    text = "the SCALE records place the axes of the cell in a frame of their own: they are used"
    return Frame(rotation, crystal.orthogonalization @ vector), (Note(text, "file"),)


def _is_rounding(crystal: Crystal, rotation: np.ndarray, vector: np.ndarray) -> bool:
    """Whether the records differ from the usual axes by no more than their and the cell's digits.

    The records were calculated before the cell was rounded to the digits that the file has.
    """
    edges, of_matrix, of_vector = crystal.cell[:3], *LAST_DIGITS
    allowed = max(edges) * of_matrix + EDGE_DIGIT / min(edges) + np.radians(ANGLE_DIGIT)
    turned = np.abs(rotation - np.eye(3)).max() > allowed
    return not turned and bool(np.abs(vector).max() < 2 * of_vector)
