"""``friedel ensemble``: Bragg and diffuse scattering of a trajectory."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from friedel.cli.options import (
    F_PRIME,
    FPRIME,
    SCATTER_AS,
    STRICT,
    TABLE,
    USE_CHARGE,
    choice,
    own_scattering,
    radiation,
)
from friedel.cli.output import Output, chosen_files, echo, echo_notes, file_options, write_as
from friedel.constants import METHODS
from friedel.errors import ParameterError
from friedel.writers.formats import Format, format_of

if TYPE_CHECKING:
    from friedel.ensemble import EnsembleResult

CONTENTS = {
    "to_mtz": "<F>, <|F|^2>, the diffuse intensity and its error",
    "to_npz": "all averages",
    "to_nexus": "the diffuse intensity",
    "to_ccp4": "the mean density",
}
"""What each kind of file contains, by method of the result."""


def _write(form: Format, done: "EnsembleResult", path: str, **options: Any) -> None:
    write_as(form, done, path, **options)


def _write_bragg(done: "EnsembleResult", path: str, **options: Any) -> None:
    write_as(format_of("to_mtz"), done.bragg, path, **options)


OUTPUTS = (
    *(
        Output.of_format(format_of(method), content, partial(_write, format_of(method)))
        for method, content in CONTENTS.items()
    ),
    Output("--bragg", "Write <F> of one crystal cell as MTZ.", _write_bragg),
)
"""Output files."""


@click.command("ensemble", short_help="Bragg and diffuse scattering of a trajectory")
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
@click.option("--p1", is_flag=True, help="The atoms fill the box: do not apply its symmetry.")
@choice(
    "--box", among=("fixed", "mean"), default="fixed", text="A box that changes: error or mean."
)
@choice("--on-error", among=("raise", "skip"), default="raise", text="A frame that is unreadable.")
@radiation()
@click.option("-w", "--wavelength", type=float, metavar="NUM", help="Wavelength, A: adds f', f''.")
@click.option("-e", "--energy", type=float, metavar="NUM", help="Energy, eV: adds f' and f''.")
@choice("--anomalous", among=F_PRIME, text="Source of f' and f''; default: cl.")
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
@click.option("--threads", type=int, metavar="N", help="Threads without --workers; default: cores.")
@click.option(
    "--checkpoint",
    type=click.Path(),
    metavar="FOLDER",
    help="Folder of intermediate results, from which an interrupted run goes on.",
)
@click.option("--estimate", is_flag=True, help="Say what it would take, and stop.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
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
    estimate: bool,
    quiet: bool,
    overwrite: bool,
    **given: Any,
) -> None:
    """Mean and diffuse scattering of the frames of TRAJECTORY with the atoms of TOPOLOGY.

    Without TRAJECTORY the frames are the models of TOPOLOGY (PDB or mmCIF). Trajectories need
    MDAnalysis. A profile of the diffuse intensity is printed.
    """
    from friedel.ensemble.calculation import prepare, run_plan

    files = chosen_files(OUTPUTS, given, overwrite=overwrite)
    if workers is not None and scheduler is not None:
        raise ParameterError("give either --workers or --scheduler")
    given.update(own_scattering(given))
    try:
        b: float | str = given["b"] if given["b"] == "file" else float(given["b"])
    except ValueError:
        raise ParameterError(f"got --b {given['b']!r}, expected a number or file") from None
    options = {name: value for name, value in given.items() if value is not None} | {"b": b}
    cells = parse_supercell(supercell)
    plan = prepare(topology, trajectory, d_min=dmin, supercell=cells, **options)
    echo_notes(plan.notes)
    executor: Any = workers
    echo(plan.describe(workers or 1), err=True)
    if estimate:
        return
    if scheduler is not None:
        executor = dask_client(scheduler)
    result = run_plan(plan, executor=executor, checkpoint=checkpoint, progress=not quiet)
    if laue:
        result = result.laue_averaged()
    echo_notes(note for note in result.notes if note not in plan.notes)
    print_profile(result)
    for output, path in files:
        output.write(result, path, overwrite=overwrite)
        echo(f"wrote {path}", err=True)


def parse_supercell(text: str) -> tuple[int, int, int]:
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
        raise ParameterError(f"got --supercell {text!r}, expected three integers A,B,C")
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
    n_shells = 10
    columns = [result.diffuse, np.abs(result.mean) ** 2]
    diffuse, coherent = (profile(lattice.box, hkl, values, n_shells) for values in columns)
    about = (
        f"mean of {result.n_frames} frames, per box; up to {result.correlation:.1f} count as one"
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
