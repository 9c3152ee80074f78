"""``friedel ensemble``: Bragg and diffuse scattering of a trajectory."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.command import Command
from friedel.cli.options import (
    ANOMALOUS_OPTION,
    ENERGY,
    FPRIME,
    SCATTER_AS,
    STRICT,
    TABLE,
    THREADS,
    USE_CHARGE,
    choice,
    own_scattering,
    radiation,
    wavelength,
)
from friedel.cli.output import (
    QUIET,
    Output,
    asked_for,
    chosen_files,
    echo,
    echo_notes,
    echo_written,
    file_options,
    stage,
    write_as,
)
from friedel.constants import METHODS
from friedel.errors import ParameterError
from friedel.writers.formats import Format, format_of

if TYPE_CHECKING:
    from friedel.ensemble import EnsembleResult, LatticeComparison

CONTENTS = {
    "to_mtz": "<F>, <|F|^2>, the diffuse intensity and its error",
    "to_npz": "all averages",
    "to_nexus": "the diffuse intensity",
    "to_ccp4": "the mean density",
}
"""What each kind of file contains, by method of the result."""


N_SHELLS = 10
"""Number of shells of the printed tables."""


@dataclass(frozen=True, eq=False)
class Done:
    """What was calculated: the result, and its comparison with data if there are any."""

    result: "EnsembleResult"
    comparison: "LatticeComparison | None"


def _write(form: Format, done: Done, path: str, **options: Any) -> None:
    write_as(form, done.result, path, **options)


def _write_bragg(done: Done, path: str, **options: Any) -> None:
    write_as(format_of("to_mtz"), done.result.bragg, path, **options)


def _plot(done: Done, path: str, *, overwrite: bool) -> None:
    from friedel import plot_ensemble

    plot_ensemble(done.result, path, comparison=done.comparison, overwrite=overwrite)


OUTPUTS = (
    *(
        Output.of_format(format_of(method), content, partial(_write, format_of(method)))
        for method, content in CONTENTS.items()
    ),
    Output("--write-bragg", "Write <F> of one crystal cell as MTZ.", _write_bragg),
    Output("--plot", "Draw profile, sections, correlation with data (png, pdf).", _plot),
)
"""Output files."""


@click.command(
    "ensemble",
    cls=Command,
    short_help="Bragg and diffuse scattering of a trajectory",
    examples=(
        "friedel ensemble frames.pdb --dmin 3 --plot diffuse.png",
        "friedel ensemble frames.pdb --dmin 3 --frames 0::2 --to-npz averages.npz",
        "friedel ensemble frames.pdb --dmin 3 --estimate",
    ),
)
@click.argument("topology", type=click.Path())
@click.argument("trajectory", type=click.Path(), nargs=-1)
@click.option("--dmin", type=float, required=True, metavar="NUM", help="Resolution limit, A.")
@click.option(
    "--supercell",
    default="1,1,1",
    show_default=True,
    metavar="A,B,C",
    help="Numbers of crystal cells in the box.",
)
@click.option("--frames", metavar="FIRST:LAST:STEP", help="Frames used, such as 0::10.")
@click.option("--select", metavar="TEXT", help="Atoms used, such as 'not hydrogen'.")
@click.option(
    "--parts",
    metavar="TEXT;TEXT",
    help="Selections whose scattering is kept apart: 'protein; water'.",
)
@click.option(
    "--align",
    metavar="translation:TEXT",
    help="Remove the drift of the selected atoms: 'translation:name CA'.",
)
@click.option(
    "--b", default="0", show_default=True, metavar="NUM|file", help="B of the atoms, A^2."
)
@click.option("--symmetry", metavar="NAME", help="Space group of the crystal, for Laue averages.")
@click.option("--laue", is_flag=True, help="Average diffuse intensities over the Laue group.")
@click.option(
    "--data",
    metavar="FILE[:LABEL]",
    help="Compare with measured diffuse intensities: NeXus of mdx2, MTZ, or a list h k l I.",
)
@click.option(
    "--data-supercell",
    metavar="A,B,C",
    help="Crystal cells in the cell of the indices of --data, unless the file states it.",
)
@click.option("--p1", is_flag=True, help="The atoms fill the box: do not apply its symmetry.")
@choice(
    "--box", among=("fixed", "mean"), default="fixed", text="A box that changes: error or mean."
)
@choice("--on-error", among=("raise", "skip"), default="raise", text="A frame that is unreadable.")
@radiation()
@wavelength("Wavelength, A; adds f' and f''.")
@ENERGY
@ANOMALOUS_OPTION
@FPRIME
@TABLE
@SCATTER_AS
@USE_CHARGE
@click.option(
    "--rtol",
    type=float,
    default=1e-4,
    show_default=True,
    metavar="NUM",
    help="Relative error allowed, rms in the worst of ten shells, also between Bragg peaks.",
)
@choice("--method", among=METHODS, default=METHODS[0], text="Method of summation.")
@click.option("--chunk", type=int, default=8, show_default=True, help="Frames of a chunk.")
@click.option("--workers", type=int, metavar="N", help="Processes; default: threads of one.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler: tcp://host:8786.")
@THREADS
@click.option(
    "--checkpoint",
    type=click.Path(),
    metavar="FOLDER",
    help="Folder of intermediate results, from which an interrupted run goes on.",
)
@click.option("--estimate", is_flag=True, help="Say what it would take, and stop.")
@STRICT
@file_options(OUTPUTS)
def command(
    topology: str,
    trajectory: tuple[str, ...],
    dmin: float,
    supercell: str,
    workers: int | None,
    scheduler: str | None,
    checkpoint: str | None,
    laue: bool,
    data: str | None,
    data_supercell: str | None,
    estimate: bool,
    overwrite: bool,
    **given: Any,
) -> None:
    """Mean and diffuse scattering of the frames of TRAJECTORY with the atoms of TOPOLOGY.

    Without TRAJECTORY the frames are the models of TOPOLOGY (PDB or mmCIF). Trajectories need
    MDAnalysis. A profile of the diffuse intensity is printed, and with --data its correlation with
    measured intensities.
    """
    from friedel.ensemble.calculation import prepare, run_plan
    from friedel.ensemble.comparison import CommonPositions
    from friedel.readers.diffuse_lattices import read_diffuse_lattice

    files = chosen_files(OUTPUTS, given, overwrite=overwrite)
    if workers is not None and scheduler is not None:
        raise ParameterError("give either --workers or --scheduler")
    executor: Any = workers
    if scheduler is not None and not estimate:
        executor = dask_client(scheduler)
    of_data = (
        None if data_supercell is None else parse_supercell(data_supercell, "--data-supercell")
    )
    if data is None and of_data is not None:
        raise ParameterError("--data-supercell is for --data")
    given.update(own_scattering(given))
    try:
        b: float | str = given["b"] if given["b"] == "file" else float(given["b"])
    except ValueError:
        raise ParameterError(f"got --b {given['b']!r}, expected a number or file") from None
    options = {name: value for name, value in given.items() if value is not None} | {"b": b}
    cells = parse_supercell(supercell)
    with stage("reading"):
        plan = prepare(topology, trajectory, d_min=dmin, supercell=cells, **options)
    echo_notes(plan.notes)
    measured = None
    if data is not None:  # what is wrong with it should not be found at the end of a long run
        strict = bool(given["strict"])
        measured = read_diffuse_lattice(data, plan.crystal, cells=of_data, strict=strict)
        CommonPositions.of(plan.lattice, plan.crystal, plan.hkl, measured)
    echo(plan.describe(workers or 1), err=True)
    if estimate:
        return
    result = run_plan(plan, executor=executor, checkpoint=checkpoint, progress=not asked_for(QUIET))
    if laue:
        result = result.laue_averaged()
    echo_notes(note for note in result.notes if note not in plan.notes)
    print_profile(result)
    comparison = None
    if measured is not None:
        comparison = result.compare(measured, n_shells=N_SHELLS)
        echo_notes(comparison.notes)
        print_comparison(comparison)
    for output, path in files:
        output.write(Done(result, comparison), path, overwrite=overwrite)
        echo_written(path)


def parse_supercell(text: str, option: str = "--supercell") -> tuple[int, int, int]:
    """``"2,2,1"`` -> (2, 2, 1).

    Raises
    ------
    ParameterError
        When the text is not three positive integers.
    """
    from friedel.accuracy.plan import checked_divisors

    try:
        numbers = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 3:
        raise ParameterError(f"got {option} {text!r}, expected three integers A,B,C")
    return checked_divisors(numbers)


def dask_client(address: str) -> Any:
    """A client of a Dask scheduler.

    Raises
    ------
    MissingDependencyError
        When dask.distributed is not installed.
    ParameterError
        When there is no scheduler at the address.
    """
    from friedel.errors import MissingDependencyError

    try:
        from distributed import Client
    except ImportError:
        raise MissingDependencyError.of("--scheduler", "dask[distributed]") from None
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise ParameterError(f"no Dask scheduler at {address}: {error}") from None


def print_profile(result: "EnsembleResult") -> None:
    """Resolution, mean intensities and number of reflections of each shell."""
    import numpy as np

    from friedel.ensemble.supercell import profile

    lattice, hkl = result.lattice, result.hkl
    columns = [result.diffuse, np.abs(result.mean) ** 2]
    diffuse, coherent = (profile(lattice.box, hkl, values, N_SHELLS) for values in columns)
    about = (
        f"intensities of the box, mean of {result.n_frames} frames; "
        f"{result.correlation:.1f} frames count as one independent frame"
    )
    lines = [
        about,
        "   d, Å       diffuse        |<F>|^2   reflections",
    ]
    lines += [
        f"{d:7.3f}  {i:13.6g}  {b:13.6g}  {n:11d}"
        for d, i, b, n in zip(
            diffuse.d, diffuse.intensity, coherent.intensity, diffuse.number, strict=True
        )
    ]
    echo("\n".join(lines))


def print_comparison(comparison: "LatticeComparison") -> None:
    """Resolution, correlation and number of positions of each shell, and of all."""
    lines = [
        f"correlation with {comparison.name}, Laue averages without their isotropic parts",
        "   d, Å   correlation   positions",
    ]
    lines += [
        f"{d:7.3f}  {cc:12.4f}  {n:10d}"
        for d, cc, n in zip(comparison.d, comparison.correlation, comparison.number, strict=True)
    ]
    lines.append(f"    all  {comparison.overall:12.4f}  {len(comparison.fractions):10d}")
    lines.append(f"with the isotropic parts: {comparison.overall_total:.4f}")
    echo("\n".join(lines))
