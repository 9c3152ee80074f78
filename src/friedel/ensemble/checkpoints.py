"""Checkpoints: the nodes of the tree as files, so that an interrupted calculation can go on.

A node's file is written before those of its parts are deleted. Whichever files an interruption
leaves, the largest nodes from the first chunk on without a gap are used.
"""

import json
import re
import time
from functools import partial
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from friedel.ensemble.partial_sums import Node, PartialSum, Skipped, Span
from friedel.ensemble.plan import EnsemblePlan
from friedel.errors import FileFormatError, OutputError
from friedel.notes import friedel_version
from friedel.writers.files import write_atomically, write_text

PLAN = "plan.json"
"""File that says which calculation a folder belongs to."""
NODE = re.compile(r"node-(\d+)-(\d+)\.npz")
"""Names of the files of nodes: first chunk, and chunk after the last."""
TIME_BETWEEN_FILES = 10.0
"""Time after which results are written, s; at most these are lost."""


class Checkpoints:
    """The folder of one calculation.

    Parameters
    ----------
    folder
        Made if it does not exist.
    plan
        The calculation.
    seconds
        Time between files, s.

    Raises
    ------
    OutputError
        When the folder cannot be made, or belongs to another calculation.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        plan: EnsemblePlan,
        seconds: float = TIME_BETWEEN_FILES,
    ) -> None:
        self.folder, self._plan, self._seconds = Path(folder), plan, seconds
        self._written: dict[Path, Span] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {self.folder}: {error.strerror or error}") from None
        self._check_plan()
        self._last = time.monotonic()

    def _check_plan(self) -> None:
        path = self.folder / PLAN
        if path.exists():
            try:
                found = json.loads(path.read_text("utf-8"))["fingerprint"]
            except (OSError, ValueError, KeyError, TypeError):
                found = None
            if found != self._plan.fingerprint:
                raise OutputError(
                    f"{self.folder} has checkpoints of another calculation (other files, options, "
                    "version or processor): give another folder or delete it"
                )
            return
        if any(self.folder.glob("node-*.npz")):
            raise OutputError(f"{self.folder} has nodes without {PLAN}; give another folder")
        about = {"fingerprint": self._plan.fingerprint, "version": friedel_version()}
        write_text(path, json.dumps(about, indent=1) + "\n")

    def nodes(self) -> list[Node]:
        """The nodes that can be used, in order.

        Raises
        ------
        FileFormatError
            When a file is damaged.
        OutputError
            When it is of a trajectory whose later frames are others.
        """
        available: dict[int, list[tuple[int, Path]]] = {}
        for path in self.folder.glob("node-*.npz"):
            if name := NODE.fullmatch(path.name):
                first, last = int(name[1]), int(name[2])
                self._written[path] = first, last
                available.setdefault(first, []).append((last, path))
        n_complete = len(self._plan.frames) // self._plan.chunk
        found, chunk = [], 0
        while chunk in available:
            fitting = [(last, path) for last, path in available[chunk] if last <= n_complete]
            if not fitting:
                break
            last, path = max(fitting)
            value, digest = _read(path)
            if digest != self._plan.digest_of_last_frame(last):
                raise OutputError(
                    f"{self.folder} has checkpoints of another trajectory, whose frame "
                    f"{self._plan.frames[last * self._plan.chunk - 1]} differs: give another "
                    "folder or delete it"
                )
            found.append(Node(chunk, last, value))
            chunk = last
        return found

    def save(self, nodes: list[Node], *, now: bool = False) -> None:
        """Write the nodes if it is time or `now`, then delete the files they replace.

        Files of chunks beyond these, from a calculation of more frames, stay.

        Raises
        ------
        OutputError
            When a file cannot be written, as on a full disk. The files of before stay.
        """
        if not now and time.monotonic() - self._last < self._seconds:
            return
        paths = {self._path(node): node for node in nodes}
        for path, node in paths.items():
            if path not in self._written:
                digest = self._plan.digest_of_last_frame(node.last)
                write_atomically(path, partial(_write, node, digest), overwrite=True)
                self._written[path] = node.first, node.last
        n_chunks = nodes[-1].last if nodes else 0
        for path, (_, last) in list(self._written.items()):
            if path not in paths and last <= n_chunks:
                path.unlink(missing_ok=True)
                del self._written[path]
        self._last = time.monotonic()

    def _path(self, node: Node) -> Path:
        return self.folder / f"node-{node.first:08d}-{node.last:08d}.npz"


def _write(node: Node, digest: str, name: str) -> None:
    value = node.value
    skipped = [[s.frame, s.reason] for s in value.skipped]
    with open(name, "wb") as file:
        np.savez(
            file,
            count=value.count,
            mean=value.mean,
            spread=value.spread,
            level=value.level,
            n_pairs=value.n_pairs,
            differences=value.differences,
            skipped=np.frombuffer(json.dumps(skipped).encode(), np.uint8),
            last_frame=digest,
        )


def _read(path: Path) -> tuple[PartialSum, str]:
    """The sums of a node, and the digest of its last frame."""
    try:
        with np.load(path, allow_pickle=False) as z:
            skipped = [Skipped(*pair) for pair in json.loads(z["skipped"].tobytes())]
            arrays = z["mean"], z["spread"], int(z["level"]), z["n_pairs"], z["differences"]
            return PartialSum(int(z["count"]), *arrays, tuple(skipped)), str(z["last_frame"])
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise FileFormatError(f"cannot read the checkpoint {path}: {error}; delete it") from None
