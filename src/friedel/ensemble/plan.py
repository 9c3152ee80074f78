"""The plan of an ensemble: what is calculated of each frame, the same in every process."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from friedel.ensemble.frames import FrameReader
from friedel.ensemble.partial_sums import PartialSum, Skipped, chunks_of, merged, sum_of_frames
from friedel.ensemble.supercell import Supercell
from friedel.errors import FrameError
from friedel.model.crystal import Crystal
from friedel.notes import Note, friedel_version
from friedel.structure_factors.calculator import Calculator

BYTES_OF_PROCESS = 200e6
"""Memory (bytes) of a process that has loaded friedel and its compiled code."""


@dataclass(frozen=True, eq=False)
class Part:
    """Atoms whose scattering is kept apart.

    Attributes
    ----------
    name
        The selection, or a name for the rest.
    atoms
        (n,) indices among the used atoms.
    calculator
        Structure factors of these atoms.
    """

    name: str
    atoms: np.ndarray
    calculator: Calculator


@dataclass(frozen=True, eq=False)
class EnsemblePlan:
    """A calculation that can be divided into chunks of frames.

    Attributes
    ----------
    reader
        Positions of the atoms.
    frames
        Numbers of the frames used, in the trajectory.
    lattice
        The box and its crystal cells.
    hkl
        (n, 3) reflections of the box.
    parts
        Atoms whose scattering is kept apart; each used atom is in one of them.
    chunk
        Number of frames of a chunk.
    skip
        Whether frames that cannot be read are left out; they are an error otherwise.
    crystal
        The crystal cell with the symmetry of the crystal.
    first
        Number of the first frame that can be read, in the trajectory.
    notes
        Notes on what was decided.
    seconds
        Measured time of one frame in this process, s.
    """

    reader: FrameReader
    frames: range
    lattice: Supercell
    hkl: np.ndarray
    parts: tuple[Part, ...]
    chunk: int
    skip: bool
    crystal: Crystal
    first: int
    notes: tuple[Note, ...] = ()
    seconds: float = 0.0

    @property
    def n_atoms(self) -> int:
        """Number of atoms used."""
        return len(self.reader.atoms)

    @cached_property
    def groups(self) -> np.ndarray:
        """(n,) group of each reflection, for errors."""
        return self.lattice.groups(self.hkl)

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """First frame and frame after the last of each chunk, among the frames used."""
        return chunks_of(len(self.frames), self.chunk)

    @property
    def bytes_per_worker(self) -> float:
        """Approximate memory of one worker (bytes)."""
        grids = sum(p.calculator.plan.bytes for p in self.parts if p.calculator.plan is not None)
        n_parts = len(self.parts)
        sums = len(self.hkl) * 8.0 * (8 * n_parts + 2 * n_parts * (n_parts + 1) + 10)
        return BYTES_OF_PROCESS + grids + sums

    def describe(self, workers: int = 1) -> str:
        """What will be calculated, and for about how long."""
        n = len(self.frames)
        total = self.seconds * n / max(1, min(workers, len(self.chunks)))
        how = self.parts[0].calculator.describe()
        return (
            f"{n} frames of {self.n_atoms} atoms, {len(self.hkl)} reflections; {how}; "
            f"{1e3 * self.seconds:.1f} ms a frame, about {duration(total)} with {workers} "
            f"{'process' if workers == 1 else 'processes'}, "
            f"{self.bytes_per_worker / 1e6:.0f} MB each"
        )

    def with_seconds(self, seconds: float) -> "EnsemblePlan":
        """The plan with the measured time of a frame, s."""
        return replace(self, seconds=seconds)

    def merge(self, a: PartialSum, b: PartialSum) -> PartialSum:
        """The sums over two neighbouring blocks of frames."""
        return merged(a, b, self.groups)

    def digest_of_last_frame(self, n_chunks: int) -> str:
        """A hash of the positions in the last frame of the first `n_chunks` chunks.

        It tells trajectories apart that have the same name and start.
        """
        try:
            frac = self.reader.frac(self.frames[n_chunks * self.chunk - 1])
        except FrameError:
            return "unreadable"
        return hashlib.sha256(frac.tobytes()).hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that the sums of a chunk depend on, but the number of frames."""
        import scipy
        from llvmlite import binding

        from friedel.kernels.compiled import STORE
        from friedel.runtime.native.shipped import usable_levels
        from friedel.runtime.native.store import numba_version

        lattice, reader = self.lattice, self.reader
        stated: list[Any] = [
            friedel_version(),
            np.__version__,
            scipy.__version__,
            numba_version(),
            str(STORE.folder and STORE.folder.name),
            usable_levels(STORE.sources),
            binding.get_host_cpu_name(),
            lattice.box.cell,
            lattice.box.rotations.tolist(),
            lattice.box.translations.tolist(),
            lattice.cells,
            self.frames.start,
            self.frames.step,
            self.chunk,
            self.skip,
            reader.trajectory.name,
            reader.is_mean_box,
        ]
        arrays = [self.hkl, reader.atoms, reader.frac(self.first)]
        if reader.alignment is not None:
            arrays += [reader.alignment.atoms, reader.alignment.reference]
        for part in self.parts:
            calculator = part.calculator
            atoms, factors = calculator.atoms, calculator.factors
            stated += [part.name, calculator.describe().split(", about")[0], atoms.scatterers]
            arrays += [part.atoms, atoms.occ, atoms.b_iso, atoms.kind]
            arrays += [factors.a, factors.b, factors.f_double_prime]
        digest = hashlib.sha256(repr(stated).encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(eq=False)
class Worker:
    """Calculates chunks; there is one in each process.

    Parameters
    ----------
    plan
        The plan.
    threads
        Number of threads for one frame; None for those of the options.
    """

    plan: EnsemblePlan
    threads: int | None = None

    @cached_property
    def _calculators(self) -> list[Calculator]:
        calculators = [part.calculator for part in self.plan.parts]
        if self.threads is None:
            return calculators
        return [calculator.with_threads(self.threads) for calculator in calculators]

    def structure_factors(self, index: int) -> list[np.ndarray]:
        """F (n,) of each part in one frame of the trajectory."""
        frac = self.plan.reader.frac(index)
        parts = self.plan.parts
        of_parts = [frac] if len(parts) == 1 else [np.take(frac, p.atoms, axis=0) for p in parts]
        return [
            calculator.forward(calculator.atoms.replace(frac=x))
            for x, calculator in zip(of_parts, self._calculators, strict=True)
        ]

    def chunk(self, first: int, last: int) -> PartialSum:
        """The sums over the frames from `first` to before `last`, among those used."""
        plan = self.plan
        return sum_of_frames(self._frames(first, last), len(plan.parts), len(plan.hkl), plan.chunk)

    def _frames(self, first: int, last: int) -> Iterator[list[np.ndarray] | Skipped]:
        for index in self.plan.frames[first:last]:
            try:
                found: list[np.ndarray] | Skipped = self.structure_factors(index)
            except FrameError as error:
                if not self.plan.skip:
                    raise
                found = Skipped(index, str(error))
            yield found


def measured_seconds(worker: Worker, index: int) -> float:
    """Time (s) of one frame; the first call, which plans and compiles, does not count."""
    worker.structure_factors(index)
    start = time.perf_counter()
    worker.structure_factors(index)
    return time.perf_counter() - start


def duration(seconds: float) -> str:
    """A time for people: ``"8 s"``, ``"12 min"``, ``"3.4 h"``."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
