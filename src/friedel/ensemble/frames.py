"""Fractional positions of the frames of a trajectory, in one box and without drift."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from friedel.errors import CellError, FrameError, ParameterError
from friedel.model.arrays import frozen_copy
from friedel.model.crystal import Crystal
from friedel.notes import Notes
from friedel.readers.trajectories import Frame, Trajectory, cell_of_vectors

BOX_TOLERANCE = 1e-4
"""Largest relative change of the box that counts as rounding."""
BOXES = ("fixed", "mean")
"""Choices for a box that changes: an error, or the mean box with the fractional positions of each
frame."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Removal of the drift of all atoms together, as the mean shift of some of them.

    Parameters
    ----------
    atoms
        (k,) indices of the atoms whose mean shift is removed.
    reference
        (k, 3) their fractional positions in the reference frame.
    """

    atoms: np.ndarray
    reference: np.ndarray

    def removed(self, frac: np.ndarray) -> np.ndarray:
        """Positions (n, 3) shifted so that the chosen atoms are where they are in the reference.

        Atoms may be in any copy of the box, and the drift may be larger than the box.
        """
        shifts = frac[self.atoms] - self.reference
        phases = 2.0 * np.pi * shifts
        drift = np.arctan2(np.sin(phases).mean(axis=0), np.cos(phases).mean(axis=0)) / (2.0 * np.pi)
        rest = shifts - drift
        rest -= np.rint(rest)
        return frac - (drift + rest.mean(axis=0))


def parse_alignment(text: str) -> str:
    """``"translation:name CA"`` -> ``"name CA"``, the selection.

    Raises
    ------
    ParameterError
        For anything but a translation. A rotation would turn the atoms against their lattice.
    """
    kind, colon, selection = text.partition(":")
    if kind.strip() != "translation" or not (colon and selection.strip()):
        raise ParameterError(
            f"got alignment {text!r}, expected translation:SELECTION; rotations are not removed, "
            "since the lattice of a crystal cannot turn with its atoms"
        )
    return selection.strip()


@dataclass(frozen=True, eq=False)
class FrameReader:
    """Fractional positions of the used atoms of each frame.

    Parameters
    ----------
    trajectory
        The frames.
    box
        The box, whose cell may be the mean one.
    atoms
        (n,) indices of the atoms that are used.
    is_mean_box
        Whether frames have boxes of their own, of which `box` is the mean.
    alignment
        Removal of drift, in terms of the used atoms, or None.
    """

    trajectory: Trajectory
    box: Crystal
    atoms: np.ndarray
    is_mean_box: bool = False
    alignment: Alignment | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "atoms", frozen_copy(self.atoms))

    @cached_property
    def _is_every_atom(self) -> bool:
        return bool((self.atoms == np.arange(len(self.atoms))).all())

    def frac(self, index: int) -> np.ndarray:
        """(n, 3) fractional positions in one frame.

        Raises
        ------
        FrameError
            When the frame cannot be read, or has positions that are not finite.
        CellError
            When its box is another one, unless boxes are averaged.
        """
        frame = self.trajectory.frame(index)
        xyz = frame.xyz
        if not self._is_every_atom or len(xyz) != len(self.atoms):
            xyz = np.take(xyz, self.atoms, axis=0)
        if not np.isfinite(xyz).all():
            raise FrameError(f"frame {index} has positions that are not finite")
        frac = transformed(xyz, self._to_frac(frame, index))
        return frac if self.alignment is None else self.alignment.removed(frac)

    def _to_frac(self, frame: Frame, index: int) -> np.ndarray:
        if frame.vectors is None:
            return self.box.fractionalization
        if self.is_mean_box:
            return np.linalg.inv(frame.vectors.T)
        expected = self.box.orthogonalization.T
        size = np.abs(expected).max()
        if np.abs(frame.vectors - expected).max() <= BOX_TOLERANCE * size:
            return self.box.fractionalization
        metrics = frame.vectors @ frame.vectors.T, expected @ expected.T
        if np.abs(metrics[0] - metrics[1]).max() <= BOX_TOLERANCE * size**2:
            return np.linalg.inv(frame.vectors.T)  # the same box in another orientation
        cell = " ".join(f"{x:.3f}" for x in cell_of_vectors(frame.vectors))
        raise CellError(
            f"frame {index} has the box {cell}, the first one "
            + " ".join(f"{x:.3f}" for x in self.box.cell)
            + ": for the mean box with fractional positions give box='mean' (--box mean)"
        )


def transformed(xyz: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(n, 3) matrix @ x for each row, with the same bits on any number of threads."""
    out = np.empty((len(xyz), 3))
    columns = np.ascontiguousarray(xyz.T)
    for i, row in enumerate(matrix.tolist()):
        # those of cells with right angles are mostly zeros
        first, *others = [(a, x) for a, x in zip(row, columns, strict=True) if a]
        total = first[0] * first[1]
        for a, x in others:
            total += a * x
        out[:, i] = total
    return out


def mean_box(trajectory: Trajectory, frames: range, skip: bool, notes: Notes) -> Crystal:
    """The box with the mean vectors of the given frames, and the symmetry of the trajectory.

    Parameters
    ----------
    skip
        Whether frames that cannot be read are left out.

    Raises
    ------
    CellError
        When a frame states no box.
    FrameError
        When a frame cannot be read, unless `skip`, or when none can.
    """
    boxes: list[np.ndarray] = []
    for index in frames:
        try:
            vectors = trajectory.frame(index).vectors
        except FrameError:
            if not skip or (index == frames[-1] and not boxes):
                raise
            continue
        if vectors is None:
            raise CellError(f"frame {index} states no box, of which a mean was asked for")
        boxes.append(vectors)
    crystal = trajectory.crystal
    cell = cell_of_vectors(np.mean(boxes, axis=0))
    edges = np.linalg.norm(boxes, axis=2)
    change = float(np.abs(edges / cell[:3] - 1.0).max())
    text = f"the box is the mean of {len(boxes)} frames, whose edges differ by up to {change:.2%}"
    notes.add(text, "default", change)
    return Crystal(cell, crystal.rotations, crystal.translations, name=crystal.name)
