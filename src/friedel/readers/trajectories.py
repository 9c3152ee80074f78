"""Trajectories: the positions of the same atoms in many frames, and what the topology says of them.

Positions are in Å. A trajectory opens its files when a frame is first read, so that it can be sent
to other processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from friedel.errors import AtomsError, FileFormatError, MissingCellError, ParameterError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Note
from friedel.readers.topology import Topology

STRUCTURE_ENDINGS = frozenset((".pdb", ".ent", ".cif", ".mmcif", ".gz"))
"""Endings of files whose models are read as frames without another package."""
NM = 10.0
"""Å in 1 nm, the unit of mdtraj."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes
    ----------
    xyz
        (n, 3) positions, Å.
    vectors
        (3, 3) vectors of the box as rows, Å, or None where the frame states none.
    """

    xyz: np.ndarray
    vectors: np.ndarray | None = None


class Trajectory(Protocol):
    """Frames of the same atoms."""

    @property
    def topology(self) -> Topology:
        """Names and elements of the atoms."""
        ...

    @property
    def crystal(self) -> Crystal:
        """The box and its symmetry, in the orientation of the positions."""
        ...

    @property
    def name(self) -> str:
        """Name for messages and for recognising a trajectory."""
        ...

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes on what was decided when it was read."""
        ...

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def frame(self, index: int) -> Frame:
        """One frame.

        Raises
        ------
        FrameError
            When it cannot be read.
        FileFormatError
            When the files of the trajectory cannot be opened.
        """
        ...

    def select(self, text: str) -> np.ndarray:
        """(n,) bool: the atoms that a selection in the language of the source names.

        Raises
        ------
        ParameterError
            When it cannot be understood, or names no atom.
        """
        ...


@dataclass(frozen=True, eq=False)
class ArrayTrajectory:
    """A trajectory in memory.

    Parameters
    ----------
    topology, crystal, name, notes
        As for :class:`Trajectory`.
    xyz
        (m, n, 3) positions, Å.
    vectors
        (m, 3, 3) vectors of the box of each frame as rows, Å, or None.
    """

    topology: Topology
    crystal: Crystal
    xyz: np.ndarray
    vectors: np.ndarray | None = None
    name: str = "arrays"
    notes: tuple[Note, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        expected = f"(m, {len(self.topology)}, 3)"
        if np.ndim(self.xyz) != 3 or np.shape(self.xyz)[1:] != (len(self.topology), 3):
            raise AtomsError(f"positions have shape {np.shape(self.xyz)}, expected {expected}")

    def __len__(self) -> int:
        return len(self.xyz)

    def frame(self, index: int) -> Frame:
        """One frame; see :class:`Trajectory`."""
        vectors = None if self.vectors is None else np.asarray(self.vectors[index], np.float64)
        return Frame(np.asarray(self.xyz[index], np.float64), vectors)

    def select(self, text: str) -> np.ndarray:
        """(n,) bool for a selection such as ``"protein and not element H"``."""
        return self.topology.select(text)


def as_trajectory(source: Any, frames: Any = (), **options: Any) -> Trajectory:
    """A trajectory from files, arrays or objects of other packages.

    Parameters
    ----------
    source
        A topology: the path of a PDB or mmCIF file, whose models are the frames unless there are
        others, or of any topology that MDAnalysis reads; a pair (crystal, atoms), as
        :func:`friedel.as_model` takes it, for arrays; an MDAnalysis ``Universe``; an
        ``mdtraj.Trajectory``.
    frames
        Paths of trajectories, one or several, or (m, n, 3) positions, Å.
    **options
        Keyword arguments of :func:`friedel.as_model` for the pair.

    Raises
    ------
    FileFormatError
        When a file is missing or cannot be read.
    MissingDependencyError
        When MDAnalysis is needed and not installed.
    MissingCellError
        When there is no box.
    AtomsError
        When shapes do not match.
    ParameterError
        For objects that are none of these.
    """
    package = type(source).__module__.split(".")[0]
    if package == "MDAnalysis":
        from friedel.readers.mdanalysis_trajectories import of_universe

        return of_universe(source)
    if hasattr(source, "xyz") and hasattr(source, "topology"):
        return _of_mdtraj(source)
    if isinstance(frames, str | PathLike):
        frames = (frames,)
    if isinstance(source, str | PathLike):
        return _of_files(Path(source), frames)
    if (isinstance(source, tuple | list) and len(source) == 2) or isinstance(source, Atoms):
        return _of_arrays(source, frames, options)
    raise ParameterError(
        f"cannot take a trajectory from {type(source).__name__}: expected a path, a pair "
        "(crystal, atoms) with positions, an MDAnalysis Universe or an mdtraj.Trajectory"
    )


def _of_files(topology: Path, frames: Any) -> Trajectory:
    if isinstance(frames, np.ndarray):
        from friedel.readers.models_as_frames import models_as_frames

        read = models_as_frames(topology)
        return replace(read, xyz=np.asarray(frames), vectors=None, name=topology.name)
    paths = [Path(path) for path in frames]
    for path in (topology, *paths):
        if not path.is_file():
            raise FileFormatError(f"cannot read {fspath(path)}: no such file")
    if not paths and topology.suffix.lower() in STRUCTURE_ENDINGS:
        from friedel.readers.models_as_frames import models_as_frames

        return models_as_frames(topology)
    from friedel.readers.mdanalysis_trajectories import of_files

    return of_files(topology, paths)


def _of_arrays(pair: Any, frames: Any, options: dict[str, Any]) -> Trajectory:
    from friedel.readers.models import as_model

    model = as_model(pair, **options)
    atoms, crystal = model.atoms, model.crystal
    topology = Topology.from_atoms(atoms)
    # an Ensemble is fractional; its frames are positions like any other
    fractional = getattr(frames, "frac", None)
    xyz = np.asarray(frames) if fractional is None else fractional @ crystal.orthogonalization.T
    return ArrayTrajectory(topology, crystal, xyz, name=model.name, notes=model.notes)


def _of_mdtraj(source: Any) -> Trajectory:
    vectors = source.unitcell_vectors
    if vectors is None:
        raise MissingCellError("the mdtraj trajectory has no unit cell")
    vectors = NM * np.asarray(vectors, np.float64)
    atoms = list(source.topology.atoms)
    symbols = [atom.element.symbol if atom.element is not None else "" for atom in atoms]
    topology = Topology(
        names=[atom.name for atom in atoms],
        residues=[atom.residue.name for atom in atoms],
        elements=["" if symbol == "VS" else symbol for symbol in symbols],
        chains=[str(atom.residue.chain.index) for atom in atoms],
    )
    crystal = Crystal(cell_of_vectors(vectors[0]))
    xyz = NM * np.asarray(source.xyz, np.float64)
    return ArrayTrajectory(topology, crystal, xyz, vectors, name="mdtraj")


def cell_of_vectors(vectors: np.ndarray) -> tuple[float, float, float, float, float, float]:
    """The cell (Å, degrees) of three vectors in rows."""
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise MissingCellError(f"no usable box: got vectors {vectors.tolist()}")
    a, b, c = vectors / lengths[:, None]
    cosines = [b @ c, a @ c, a @ b]
    # float32 files hold right angles with errors of 1e-6 degrees
    angles = [round(float(x), 4) for x in np.degrees(np.arccos(np.clip(cosines, -1, 1)))]
    edges = lengths.tolist()
    return edges[0], edges[1], edges[2], angles[0], angles[1], angles[2]


def parse_slice(text: str) -> slice:
    """``"0::10"`` as a slice of frames, as in Python.

    Raises
    ------
    ParameterError
        When it is not of the form FIRST:LAST:STEP.
    """
    parts: Sequence[str] = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
        step = numbers[2] if len(numbers) == 3 else None
        if not 2 <= len(numbers) <= 3 or (step is not None and step < 1):
            raise ValueError
    except ValueError:
        raise ParameterError(
            f"got frames {text!r}, expected FIRST:LAST:STEP such as 0::10, with a positive step"
        ) from None
    return slice(*numbers)
