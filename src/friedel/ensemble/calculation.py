"""Bragg and diffuse scattering of a trajectory: preparation, calculation, result."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Unpack

import numpy as np

from friedel.ensemble.accuracy_between import accurate_between_peaks
from friedel.ensemble.checkpoints import TIME_BETWEEN_FILES, Checkpoints
from friedel.ensemble.errors_by_blocking import block_errors
from friedel.ensemble.executors import checked_executor, results_of_chunks
from friedel.ensemble.frames import BOXES, Alignment, FrameReader, mean_box, parse_alignment
from friedel.ensemble.partial_sums import PartialSum, Tree
from friedel.ensemble.plan import EnsemblePlan, Part, Worker, measured_seconds
from friedel.ensemble.result import EnsembleResult, diffuse_of, matrix_of_pairs
from friedel.ensemble.supercell import Supercell
from friedel.errors import AtomsError, FileFormatError, FrameError, ParameterError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.notes import Notes
from friedel.readers.trajectories import Trajectory, as_trajectory, parse_slice
from friedel.runtime.memory import check_memory
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.dispersion_options import as_numbers, calculated_addends, energy_of
from friedel.structure_factors.options import (
    CALCULATION,
    CalculationKeywords,
    CalculationOptions,
    parsed_options,
)

CHUNK = 8
"""Number of frames of a chunk by default."""
ON_ERROR = ("raise", "skip")
"""Choices for a frame that cannot be read."""


def prepare(
    topology: Any,
    trajectory: Any = (),
    *,
    d_min: float,
    supercell: Sequence[int] = (1, 1, 1),
    frames: str | slice | None = None,
    select: str | None = None,
    parts: Sequence[str] | str | None = None,
    align: str | None = None,
    b: float | str = 0.0,
    symmetry: str | Crystal | None = None,
    p1: bool = False,
    box: str = "fixed",
    on_error: str = "raise",
    chunk: int = CHUNK,
    strict: bool = False,
    options: CalculationOptions | None = None,
    **keywords: Unpack[CalculationKeywords],
) -> EnsemblePlan:
    """Read the topology and one frame, choose the grids, and measure the time of a frame.

    Parameters and errors are those of :func:`run`. The plan can be shown (`describe`) before it
    is run with :func:`run_plan`.
    """
    own = tuple(prepare.__annotations__)
    _, options = parsed_options("ensemble.run", keywords, own, options, CALCULATION)
    _check_choice("box", box, BOXES)
    _check_choice("on_error", on_error, ON_ERROR)
    if not isinstance(chunk, int) or chunk < 2:
        raise ParameterError(f"got chunk={chunk!r}, expected the number of frames of a chunk, >= 2")
    notes = Notes(strict=strict)
    source = as_trajectory(topology, trajectory)
    notes.extend(source.notes)
    used = _frames(source, frames)
    skip = on_error == "skip"
    crystal = mean_box(source, used, skip, notes) if box == "mean" else source.crystal
    crystal = _symmetry_of_box(crystal, supercell, p1, notes)
    lattice = Supercell(crystal, tuple(supercell))  # type: ignore[arg-type]
    atoms, indices = _atoms(source, select, b, notes)
    reader = FrameReader(source, crystal, indices, box == "mean")
    first = _first_readable(reader, used, skip)
    if align is not None:
        chosen = np.flatnonzero(_selected(source, parse_alignment(align))[indices])
        if not len(chosen):
            raise ParameterError(f"no atom that is used is in the selection of {align!r}")
        alignment = Alignment(chosen, reader.frac(first)[chosen])
        notes.add(f"the drift of {len(chosen)} atoms is removed", "default", len(chosen))
        reader = FrameReader(source, crystal, indices, box == "mean", alignment)
    options = _numerical(options, atoms, lattice, notes)
    names, members = _parts(source, parts, indices)
    # not the first frame: simulations start at a perfect crystal, which needs a far finer grid
    frac = reader.frac(_first_readable(reader, used[:chunk][::-1], skip=True))
    hkl = crystal.unique_reflections(d_min)
    positions = [frac[member] for member in members]
    own_atoms = [
        _with_own_kinds(atoms.select(member).replace(frac=x))
        for member, x in zip(members, positions, strict=True)
    ]

    def make(rtol: float) -> list[Calculator]:
        asked = options.replace(rtol=rtol)
        return [Calculator(crystal, a, hkl, asked.factors(a.scatterers), asked) for a in own_atoms]

    calculators = accurate_between_peaks(make, positions, lattice, options.rtol, notes)
    for calculator in calculators:
        notes.extend(calculator.factors.notes)
    plan = EnsemblePlan(
        reader,
        used,
        lattice,
        hkl,
        tuple(Part(*fields) for fields in zip(names, members, calculators, strict=True)),
        chunk,
        skip,
        _crystal_of(lattice, symmetry),
        first,
        notes.records(),
    )
    seconds = measured_seconds(Worker(plan, threads=1), first)
    return plan.with_seconds(seconds)


def run(
    topology: Any,
    trajectory: Any = (),
    *,
    d_min: float,
    executor: Any = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool = False,
    **arguments: Any,
) -> EnsembleResult:
    """Bragg and diffuse scattering of a trajectory.

    The result has the same bits for any number of processes or threads, after the loss of workers,
    and for a calculation that was interrupted and resumed.

    Parameters
    ----------
    topology
        The path of a PDB or mmCIF file, whose models are the frames unless there is a trajectory;
        a topology that MDAnalysis reads; a pair (crystal, atoms) for positions in arrays; an
        MDAnalysis ``Universe``; an ``mdtraj.Trajectory``.
    trajectory
        Paths of trajectories (XTC, TRR, DCD, ...; with MDAnalysis), or (m, n, 3) positions in Å.
    d_min
        Resolution limit, Å: all reflections of the box to it.
    supercell
        Numbers of crystal cells in the box along a, b and c.
    frames
        ``"0::10"`` or a slice: which frames are used; by default all.
    select
        Selection of atoms that are used; by default all. For topologies that MDAnalysis reads it is
        in its language, for others it has the words all, protein, nucleic, water, hydrogen, name,
        resname, element, chain, and, or, not.
    parts
        Selections, in a list or separated by semicolons, whose scattering is kept apart. They must
        not overlap; the rest of the atoms is another part.
    align
        ``"translation:name CA"``: the drift of these atoms is removed from each frame.
    b
        B of all atoms, Å^2, or ``"file"`` for those of the topology. The motion is in the
        frames, so that the default is 0.
    symmetry
        Space group of the crystal, by name or as a crystal, for averages over the Laue group. By
        default that of the topology if the box is one cell, or else P 1.
    p1
        Whether the atoms fill the box whatever symmetry the topology states. Otherwise
        mates by symmetry of an atom move in lockstep.
    box
        ``"fixed"``: a box that changes is an error; ``"mean"``: fractional positions of each
        frame in the mean box.
    on_error
        ``"raise"`` or ``"skip"``: what happens when a frame cannot be read.
    chunk
        Number of frames of a chunk. Results with different chunks differ in rounding.
    executor
        None to calculate in this process, with `threads`; a number of processes; or an
        object with a method `submit`, such as a Dask client. Scripts that start processes need
        ``if __name__ == "__main__":``.
    checkpoint
        Folder for intermediate results. If it has some of the same calculation they are used.
    progress
        Show a progress bar, on a terminal.
    strict
        Whether a guess raises an error instead of adding a note.
    options, source, table, form_factors, wavelength, rtol, threads, ...
        See :class:`friedel.CalculationOptions`. Positions between Bragg peaks meet `rtol` by
        themselves.

    Returns
    -------
    EnsembleResult
        Means, diffuse intensities, errors and notes.

    Raises
    ------
    FriedelError
        For input that cannot be used, as the subclass that describes the problem.
    TypeError
        For an unknown keyword argument.

    Examples
    --------
    >>> result = friedel.ensemble.run("top.pdb", "traj.xtc", d_min=2, supercell=(2, 2, 2))
    ... # doctest: +SKIP
    >>> result.to_mtz("diffuse.mtz")  # doctest: +SKIP
    """
    checked_executor(executor)
    plan = prepare(topology, trajectory, d_min=d_min, **arguments)
    return run_plan(plan, executor=executor, checkpoint=checkpoint, progress=progress)


def run_plan(
    plan: EnsemblePlan,
    *,
    executor: Any = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_seconds: float = TIME_BETWEEN_FILES,
    progress: bool = False,
) -> EnsembleResult:
    """Calculate what was prepared; parameters and errors are those of :func:`run`.

    Parameters
    ----------
    checkpoint_seconds
        Time between intermediate results, s.
    """
    executor = checked_executor(executor)
    workers = executor if isinstance(executor, int) else 1
    check_memory(workers * plan.bytes_per_worker, "this ensemble")
    saved = None if checkpoint is None else Checkpoints(checkpoint, plan, checkpoint_seconds)
    tree = Tree(plan.merge, [] if saved is None else saved.nodes())
    rest = plan.chunks[tree.n_chunks :]
    work = Worker(plan, threads=None if executor is None else 1)
    try:
        with _bar(plan, rest, progress) as bar:
            results = results_of_chunks(work, rest, executor)
            for (first, last), value in zip(rest, results, strict=True):
                tree.add(value, is_short=last - first < plan.chunk)
                bar.update(value.count + len(value.skipped))
                if saved is not None:
                    saved.save(tree.nodes)
    finally:
        if saved is not None:
            saved.save(tree.nodes, now=True)
    return result_of(plan, tree.result())


def result_of(plan: EnsemblePlan, total: PartialSum) -> EnsembleResult:
    """The averages, with errors and notes, from sums over all frames.

    Raises
    ------
    FileFormatError
        When no frame could be read.
    """
    if not total.count:
        reason = total.skipped[0].reason if total.skipped else "there are none"
        raise FileFormatError(f"no frame could be read: {reason}")
    notes = Notes()
    notes.extend(plan.notes)
    if total.skipped:
        some = ", ".join(str(s.frame) for s in total.skipped[:5])
        text = f"{len(total.skipped)} frames could not be read ({some}): {total.skipped[0].reason}"
        notes.add(text, "left out", len(total.skipped))
    errors = block_errors(total, plan.chunk, plan.groups)
    if not errors.is_converged:
        notes.add(
            "errors are lower limits: the trajectory is too short to tell how long its frames are "
            "correlated",
            "warning",
            total.count,
        )
    n_parts = len(plan.parts)
    how = plan.parts[0].calculator
    cells = " x ".join(str(n) for n in plan.lattice.cells)
    return EnsembleResult(
        plan.lattice,
        plan.crystal,
        plan.hkl,
        total.mean.sum(axis=0),
        diffuse_of(total.spread, total.count, n_parts),
        errors.mean,
        errors.diffuse,
        tuple(part.name for part in plan.parts),
        total.mean,
        matrix_of_pairs(total.spread / total.count, n_parts),
        total.count,
        total.skipped,
        errors.correlation,
        notes.records(),
        description=f"{how.options.radiation} <F> and diffuse intensity of {total.count} frames of "
        f"{plan.reader.trajectory.name}, a box of {cells} crystal cells, {how.describe()}",
    )


def _bar(plan: EnsemblePlan, chunks: Sequence[tuple[int, int]], progress: bool) -> Any:
    from tqdm import tqdm

    n = len(plan.frames)
    done = n - sum(last - first for first, last in chunks)
    disable = None if progress else True
    return tqdm(total=n, initial=done, desc="frames", unit="frame", disable=disable)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ParameterError(f"got {name}={value!r}, expected one of {', '.join(choices)}")


def _frames(source: Trajectory, frames: str | slice | None) -> range:
    if isinstance(frames, str):
        frames = parse_slice(frames)
    used = range(len(source))[slice(None) if frames is None else frames]
    if not len(used):
        raise ParameterError(f"no frames: the trajectory has {len(source)}, got frames={frames}")
    return used


def _first_readable(reader: FrameReader, used: range, skip: bool) -> int:
    """The first frame of those used that can be read.

    Raises
    ------
    FrameError
        When none can be read, or, unless `skip`, when the first one cannot.
    """
    for index in used:
        try:
            reader.frac(index)
        except FrameError:
            if not skip or index == used[-1]:
                raise
        else:
            return index
    raise AssertionError("there is at least one frame")


def _symmetry_of_box(crystal: Crystal, supercell: Sequence[int], p1: bool, notes: Notes) -> Crystal:
    """The box with its symmetry, or in P 1."""
    if crystal.n_operations == 1:
        return crystal
    if not p1 and any(n != 1 for n in supercell):
        raise ParameterError(
            f"a supercell has no symmetry, but the topology states {crystal.name}: give p1=True "
            "(--p1) if its atoms fill the box"
        )
    if p1:
        notes.add(f"the symmetry {crystal.name} of the topology is not applied", "default")
        return Crystal(crystal.cell)
    notes.add(
        f"the {crystal.n_operations} symmetry mates of {crystal.name} move in lockstep: their "
        "diffuse scattering is that of no real crystal; for atoms that fill the cell give p1=True "
        "(--p1)",
        "warning",
        crystal.n_operations,
    )
    return crystal


def _selected(source: Trajectory, text: str) -> np.ndarray:
    found = source.select(text)
    if not found.any():
        raise ParameterError(f"no atom is in the selection {text!r}")
    return found


def _atoms(
    source: Trajectory, select: str | None, b: float | str, notes: Notes
) -> tuple[Atoms, np.ndarray]:
    """The atoms that are used, without positions, and their indices in the topology."""
    topology = source.topology
    labels, is_atom = topology.labels(notes)
    used = is_atom.copy()
    if select is not None:
        used &= _selected(source, select)
        left = int(is_atom.sum() - used.sum())
        if left:
            notes.add(f"{left} atoms are not in the selection {select!r}", "left out", left)
        if not used.any():
            raise AtomsError(f"the selection {select!r} has no atoms that scatter")
    indices = np.flatnonzero(used)
    occ = np.ones(len(topology)) if topology.occ is None else topology.occ
    if b == "file":
        if topology.b_iso is None:
            raise ParameterError("the topology has no B; give b as a number")
        b_iso = topology.b_iso
    else:
        try:
            b_iso = np.full(len(topology), float(b))
        except ValueError:
            raise ParameterError(f"got b={b!r}, expected a number or 'file'") from None
    own = [labels[i] for i in np.cumsum(is_atom)[indices] - 1]
    atoms = Atoms.from_labels(own, np.zeros((len(own), 3)), occ[indices], b_iso[indices])
    return atoms, indices


def _parts(
    source: Trajectory, parts: Sequence[str] | str | None, indices: np.ndarray
) -> tuple[list[str], list[np.ndarray]]:
    """Names and members (indices among the used atoms) of the parts, the rest among them."""
    if isinstance(parts, str):
        parts = [text.strip() for text in parts.split(";") if text.strip()]
    if not parts:
        return ["all"], [np.arange(len(indices))]
    number = np.full(len(indices), -1)
    for i, text in enumerate(parts):
        chosen = _selected(source, text)[indices]
        if (number[chosen] >= 0).any():
            raise ParameterError(f"the part {text!r} overlaps with another")
        if not chosen.any():
            raise ParameterError(f"no atom that is used is in the part {text!r}")
        number[chosen] = i
    names = list(parts)
    if (number < 0).any():
        names.append("rest")
        number[number < 0] = len(parts)
    return names, [np.flatnonzero(number == i) for i in range(len(names))]


def _with_own_kinds(atoms: Atoms) -> Atoms:
    """Atoms whose `scatterers` are only those that occur among them."""
    present, kind = np.unique(atoms.kind, return_inverse=True)
    return atoms.replace(kind=kind, scatterers=tuple(atoms.scatterers[k] for k in present))


def _numerical(
    options: CalculationOptions, atoms: Atoms, lattice: Supercell, notes: Notes
) -> CalculationOptions:
    """The options with the scattering of the atoms as numbers, and the divisors of the grid."""
    if options.is_by_atom or options.scattering is not None:
        raise ParameterError("form factors of individual atoms, or of a CIF, are for one structure")
    options = options.replace(source=options.radiation, multiple_of=lattice.cells)
    wavelength = options.wavelength
    if isinstance(wavelength, str):
        raise ParameterError("a trajectory states no wavelength: give it as a number")
    energy = energy_of(wavelength, options.energy)
    own, about = as_numbers(dict(options.addends or {}), energy)
    notes.extend(about)
    addends: dict[str, complex] = dict(own)
    if energy is not None:
        if options.radiation != "xray":
            raise ParameterError(f"f' and f'' apply to X-rays; got source={options.radiation!r}")
        given = options.form_factors if isinstance(options.form_factors, Mapping) else None
        found, doubts = calculated_addends(atoms.scatterers, energy, options.anomalous, given, own)
        notes.extend(doubts)
        addends = {**found, **own}
    if any(complex(value).imag for value in addends.values()):
        notes.add("with f'' the intensities are those of h; those of -h differ", "default")
    plain = {"wavelength": None, "energy": None, "anomalous": None}
    return options.replace(**plain, addends=addends or None)


def _crystal_of(lattice: Supercell, symmetry: str | Crystal | None) -> Crystal:
    """The crystal cell with the symmetry of the crystal."""
    box = lattice.box
    if symmetry is None:
        keep = lattice.n_cells == 1
        if keep:
            return box
        return Crystal(lattice.cell)  # type: ignore[arg-type]
    if isinstance(symmetry, Crystal):
        given = symmetry
        return Crystal(lattice.cell, given.rotations, given.translations, name=given.name)  # type: ignore[arg-type]
    from friedel.readers.stated_model import StatedSymmetry
    from friedel.readers.symmetry import crystal_of_stated

    return crystal_of_stated(lattice.cell, StatedSymmetry(symbol=symmetry))[0]
