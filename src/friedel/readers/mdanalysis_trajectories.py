"""Trajectories that MDAnalysis reads: XTC, TRR, DCD, NetCDF and many more."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from os import fspath
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from friedel.errors import (
    FileFormatError,
    FrameError,
    MissingCellError,
    MissingDependencyError,
    ParameterError,
)
from friedel.model.crystal import Crystal
from friedel.readers.topology import Topology
from friedel.readers.trajectories import (
    STRUCTURE_ENDINGS,
    ArrayTrajectory,
    Frame,
    Trajectory,
    cell_of_vectors,
)
from friedel.readers.trajectory_files import FrameFile
from friedel.runtime.paths import shown_name


class MDAnalysisTrajectory:
    """A :class:`friedel.readers.trajectories.Trajectory` of files that MDAnalysis reads.

    The files are opened when a frame is first read, and stay open. MDAnalysis indexes the frames of
    XTC and TRR files once and keeps the index in a file beside them. It has one current frame, so
    that threads read one after the other.

    Parameters
    ----------
    paths
        The topology, then the trajectories.
    """

    def __init__(self, paths: Sequence[str], universe: Any = None) -> None:
        self.paths = tuple(paths)
        self._universe, self._lock = universe, Lock()
        self._n_frames = 0
        self._files: tuple[FrameFile, ...] = ()
        try:
            self._files = tuple(FrameFile.of(path) for path in self.paths[1:])
            for file in self._files:
                file.check(0)
        except (OSError, ValueError) as error:
            names = ", ".join(shown_name(path) for path in self.paths[1:])
            raise FileFormatError(f"cannot read {names}: {error}") from None
        self.notes = tuple(note for file in self._files for note in file.notes)
        opened = self._opened()
        self.name = ", ".join(Path(path).name for path in self.paths)
        self.topology = topology_of(opened)
        self.crystal = _box(opened.trajectory.ts, Path(self.paths[0]))
        self._frames_of_files = [len(reader) for reader in readers_of(opened.trajectory)]
        self._n_frames = sum(self._frames_of_files)
        if self._files and (n_whole := len(self._files[-1].starts)):  # not one that ends within it
            self._n_frames -= max(0, self._frames_of_files[-1] - n_whole)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"} | {
            "_universe": None
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())

    def __len__(self) -> int:
        return self._n_frames

    def _check(self, index: int) -> None:
        """Check a frame before MDAnalysis reads it.

        Raises
        ------
        ValueError
            When it is damaged.
        """
        for file, n_frames in zip(self._files, self._frames_of_files, strict=False):
            if index < n_frames:
                file.check(index)
                return
            index -= n_frames

    def _opened(self) -> Any:
        if self._universe is None:
            opened = _open(self.paths)
            if len(opened.trajectory) < self._n_frames:
                raise FileFormatError(
                    f"{self.name} has {len(opened.trajectory)} frames, expected {self._n_frames}"
                )
            self._universe = opened
        return self._universe

    def frame(self, index: int) -> Frame:
        """One frame; see :class:`friedel.readers.trajectories.Trajectory`."""
        with self._lock:
            opened = self._opened()  # not to be able to open the files is no fault of the frame
            try:
                self._check(index)
                with np.errstate(all="ignore"):  # MDAnalysis converts impossible cells, too
                    step = opened.trajectory[index]
            except Exception as error:  # readers of many formats raise errors of many kinds
                reason = str(error) or type(error).__name__
                raise FrameError(f"cannot read frame {index} of {self.name}: {reason}") from None
            return Frame(step.positions.astype(np.float64), _vectors(step))

    def select(self, text: str) -> np.ndarray:
        """(n,) bool for a selection in the language of MDAnalysis."""
        return selected(self._opened(), text)


def of_files(topology: Path, trajectories: Sequence[Path]) -> Trajectory:
    """The frames of trajectories with a topology.

    Raises
    ------
    MissingDependencyError
        When MDAnalysis is not installed.
    FileFormatError
        When a file cannot be read.
    """
    return MDAnalysisTrajectory([fspath(topology), *(fspath(path) for path in trajectories)])


def readers_of(trajectory: Any) -> list[Any]:
    """The readers of single files of a trajectory of MDAnalysis."""
    return list(getattr(trajectory, "readers", [trajectory]))


def of_universe(universe: Any) -> Trajectory:
    """The frames of a Universe: of its files, or copies of what is in memory or transformed."""
    reader = universe.trajectory
    names = getattr(reader, "filenames", None)
    files = list(names) if names is not None else [getattr(reader, "filename", None)]
    paths = [universe.filename, *files]
    is_plain = not getattr(reader, "transformations", ())
    if is_plain and all(isinstance(path, str) and Path(path).is_file() for path in paths):
        return MDAnalysisTrajectory(paths, universe)
    crystal = _box(reader[0], Path(universe.filename or "the topology"))
    xyz = np.array([step.positions.astype(np.float64) for step in reader])
    boxes = [_vectors(step) for step in reader]
    vectors = None if any(box is None for box in boxes) else np.array(boxes)
    return ArrayTrajectory(topology_of(universe), crystal, xyz, vectors, name="Universe")


def _open(paths: Sequence[str]) -> Any:
    try:
        import MDAnalysis
    except ImportError:
        raise MissingDependencyError.of("reading this trajectory", "MDAnalysis") from None
    with _without_complaints():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on guessed masses and the like
                return MDAnalysis.Universe(*paths)
        except Exception as error:
            text = " ".join(str(error).split())
            error.__traceback__ = error.__context__ = error.__cause__ = None  # frees the reader
        raise FileFormatError(f"MDAnalysis cannot read {', '.join(paths)}: {text}")


@contextmanager
def _without_complaints() -> Iterator[None]:
    """Without the tracebacks that readers print when they are freed before a file was open."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = before


def _box(step: Any, topology: Path) -> Crystal:
    """The box of a frame, or the cell of its topology if that is a PDB or mmCIF file."""
    vectors = _vectors(step)
    if vectors is not None:
        return Crystal(cell_of_vectors(vectors))
    cell = None
    if topology.suffix.lower() in STRUCTURE_ENDINGS:
        from friedel.readers.models_as_frames import cell_of_file

        cell = cell_of_file(topology)
    if cell is None:
        raise MissingCellError(f"neither the frames nor {topology.name} state a box")
    return Crystal(cell)


def _vectors(step: Any) -> np.ndarray | None:
    """(3, 3) vectors of the box in rows, Å, or None where there is none."""
    if step.dimensions is None or not np.all(step.dimensions[:3] > 0):
        return None
    return _vectors_of_cell(tuple(float(x) for x in step.dimensions))


@lru_cache(maxsize=1)
def _vectors_of_cell(cell: tuple[float, ...]) -> np.ndarray:
    # of the cell as stated: MDAnalysis rounds the vectors to float32
    return Crystal(cell).orthogonalization.T  # type: ignore[arg-type]


def topology_of(universe: Any) -> Topology:
    """Names and elements as MDAnalysis has them; guesses of its own are not used."""
    atoms = universe.atoms
    n = len(atoms)

    def column(name: str) -> list[str]:
        try:
            return [str(value) for value in getattr(atoms, name)]
        except Exception:  # MDAnalysis raises NoDataError, an AttributeError of its own
            return [""] * n

    def numbers(name: str) -> np.ndarray | None:
        try:
            return np.asarray(getattr(atoms, name), np.float64)
        except Exception:
            return None

    chains = column("chainIDs")
    if not any(chains):
        chains = column("segids")
    b_iso = numbers("tempfactors")
    elements = [symbol.capitalize() for symbol in column("elements")]
    return Topology(column("names"), column("resnames"), elements, chains, None, b_iso)


def selected(universe: Any, text: str) -> np.ndarray:
    """(n,) bool: atoms of a selection.

    Raises
    ------
    ParameterError
        When MDAnalysis does not understand it.
    """
    mask = np.zeros(len(universe.atoms), bool)
    try:
        mask[universe.select_atoms(text).indices] = True
    except Exception as error:
        raise ParameterError(f"cannot understand the selection {text!r}: {error}") from None
    return mask
